"""A population that its user steps: the N-agent system between two steps (Theory, section 5).

    Population(game, schedule, n_agents)     R replicas at step t; step, draw and act, copy, save and load

`simulate` plays all steps of a game; both call the same engines, whose state `stepping` holds.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from numpy.random import BitGenerator, Generator

from tmfcore._base import files, needs
from tmfcore._base import validation as check
from tmfcore._base.functions import SMALLER_GAME, fits_memory, takes_rng
from tmfcore._base.types import Engine, FloatsLike, Start
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.fingerprint import Fingerprint, same
from tmfcore._model.game import Game, in_steps
from tmfcore._model.policies import Played, PolicyLike, TabularPolicy, as_policy
from tmfcore._model.policy import Policy
from tmfcore._model.schedules import Schedule, as_schedule
from tmfcore._population import agents as agents_kernel
from tmfcore._population.capacity import check_batches, check_population
from tmfcore._population.costs import cheaper_engine, seconds_per_step
from tmfcore._population.crowds import AgentsPopulations
from tmfcore._population.runs import population_needs
from tmfcore._population.starts import start_of
from tmfcore._population.stepping import CountsPopulations
from tmfcore._population.told import as_actions, as_decisions, refuse_illegal
from tmfcore._random import sampling, seeding
from tmfcore._results import packing
from tmfcore._results.result import Saved

__all__ = ["Population"]

_NOTHING = object(), 0
MOST_REPLICAS = 2**31 - 1  # streams that a seed spawns


@packing.known
class Population(Saved):
    """R populations of N agents at step t of a game, which the caller steps (Theory, section 5).

    Parameters
    ----------
    game : Game
    schedule : Schedule
        The agents that act at each step.
    n_agents : int
        N, as in `simulate`.
    replicas : int, optional
        R, the number of independent populations, which are stepped together; below 2**31.
    engine : {"auto", "counts", "agents"}, optional
        "counts" holds the number of agents at each observation, "agents" the observation of every agent. "auto": as
        `simulate` chooses for a policy that does not depend on mu.
    start : {"rounded", "sampled"} or (S,) or (R, S) integers, optional
        Counts at the start, as in `simulate`.
    decisions : bool, optional
        False omits `decisions`, the numbers of agents by observation and action. Successors may then be drawn from rows
        averaged over the policy, which is faster by a factor of up to A, and `rewards` are expectations over the
        actions given who acts.
    rng : int, Generator, SeedSequence or None, optional
        Seed. One stream is spawned per replica.

    Attributes
    ----------
    game, schedule : Game, Schedule
        As given.
    n_agents, replicas, horizon : int
        N, R and T, the number of steps of the game.
    engine : str
        "counts" or "agents".

    Raises
    ------
    TypeError, ValueError
        Bad arguments.

    Notes
    -----
    With the same `rng`, engine and `decisions`, T steps with one policy give the counts and decisions of `simulate`,
    and its rewards up to rounding. The exception: with decisions=False and one agent a step, `simulate` may skip steps
    that change nothing, with other draws of the same law.

    The state is t, the counts (of the agents engine the observations of all agents), who acts if that is drawn, and
    the states of the random streams: no policy. A call of `step` or `act` that fails, or is interrupted by Ctrl-C,
    leaves the state as it was before the call.

    One call at a time: a method that is called while another one runs, on another thread or by a function of the
    policy, raises RuntimeError, and so does reading `observations`. Other attributes may then be of a step half made.

    There is no attribute `clock`: clocks belong to values (Theory, section 3), and rewards of agents are those of the
    clock "schedule". The time that has passed is `t` in steps, and `elapsed` in the unit of the game.

    A step costs O(R (S + entries of the rows used)) by counts, whatever N, and O(R N) by agents, on one thread: 2
    microseconds for 8 observations by counts with the policy of the call before, some 7 more with an array.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0)
    >>> population = tmf.Population(game, tmf.Batch(100), 1000, rng=1)
    >>> population.step(tmf.TabularPolicy.uniform(game), 10)
    >>> population.t, population.counts.sum().item()
    (10, 1000)
    """

    @takes_rng
    @fits_memory(f"n_agents or replicas must be smaller, or {SMALLER_GAME}", asks=True)
    def __init__(
        self,
        game: Game,
        schedule: Schedule,
        n_agents: int,
        *,
        replicas: int = 1,
        engine: Engine = "auto",
        start: Start | FloatsLike = "rounded",
        decisions: bool = True,
        rng: seeding.RNG = None,
    ) -> None:
        self._settle(game, schedule, n_agents, replicas, decisions)
        model, engine = self._game.model, check.as_choice(engine, "engine", Engine)
        if engine == "auto":
            kernel = TabularPolicy(np.full((model.n_observations, model.n_actions), 1 / model.n_actions)).kernel
            costs = seconds_per_step(model, kernel, self.n_agents, self._batch, self._probability, self._decisions)
            engine = cheaper_engine(model, self.n_agents, self._batch, costs)
        self._start, _ = start_of(start, self.n_agents, self.replicas, self._game)
        needs.ask(population_needs(model, engine, self.n_agents, self.replicas, self._decisions))
        bits = seeding.bit_generators(rng, self.replicas)
        self._open(engine, self._begin(bits), bits)

    def _begin(self, bits: list[BitGenerator]) -> IntArray:
        """Counts at the start (R, S); drawn if start is "sampled"."""
        if self._start is not None:
            return self._start if len(self._start) == self.replicas else self._start.repeat(self.replicas, axis=0)
        initial = self._game.initial
        return np.array([sampling.multinomial(one, self.n_agents, initial) for one in bits])

    def _settle(self, game: Game, schedule: Schedule, n_agents: int, replicas: int, decisions: bool) -> None:
        """Check and store what does not change."""
        self._game = in_steps(game, schedule, n_agents)
        self.game, self.schedule = game, as_schedule(schedule)
        self.n_agents = check.as_positive_int(n_agents, "n_agents")
        self.replicas = check.as_positive_int(replicas, "replicas", high=MOST_REPLICAS)
        self._decisions = check.as_bool(decisions, "decisions")
        self.horizon = self._game.n_steps
        self._batch, self._probability = self.schedule._kernel(self.horizon, self.n_agents)
        self._played: tuple[object, int] = _NOTHING  # the policy of the kernel, if it cannot change, and its number

    def _open(self, engine: str, counts: IntArray, bits: list[BitGenerator], state: Any = None) -> None:
        """Make the kernel at the start, or in a state."""
        self.engine = engine
        check_population(self.n_agents, engine)
        check_batches(self.n_agents, self._batch, engine)
        most = agents_kernel.MAX_OBSERVATIONS
        if engine == "agents" and self._game.n_observations > most:
            raise ValueError(f"engine is 'agents', which takes up to {most} observations; must be 'counts' or 'auto'")
        given = (
            self._game.model, self.horizon, self._game.discount, self._batch, self._probability, counts,
            self._decisions, bits, state,
        )  # fmt: skip
        self._kernel: CountsPopulations | AgentsPopulations
        self._kernel = CountsPopulations(*given) if engine == "counts" else AgentsPopulations(*given)

    @property
    def t(self) -> int:
        """Number of steps made, 0..T."""
        return self._kernel.t

    @property
    def elapsed(self) -> float:
        """Time that has passed in the unit of the game, as policies f(mu, t) receive it: t steps, or t dt sweeps."""
        return self.t * self._game.dt if self._game.unit == "sweeps" else self.t

    @property
    def counts(self) -> IntArray:
        """Number of agents at each observation, (R, S) int64; a new array at every call."""
        return self._kernel.all_counts()

    @property
    def mu(self) -> FloatArray:
        """Population distributions counts / n_agents, (R, S) float64; a new array at every call."""
        return self._kernel.all_counts() / float(self.n_agents)

    @property
    def rewards(self) -> FloatArray:
        """Mean reward per agent, summed over the steps of the last call, undiscounted; (R,) float64, a new array."""
        return self._kernel.mean_rewards()

    @property
    def returns(self) -> FloatArray:
        """Discounted return per agent so far, (R,) float64, a new array: the sum of discount**t times the rewards."""
        return self._kernel.returns()

    @property
    def decisions(self) -> IntArray | None:
        """Acting agents by observation and action, summed over the steps of the last call; (R, S, A) int64.

        A new array at every call; None if the population was made with decisions=False.
        """
        return self._kernel.all_decisions()

    @property
    def observations(self) -> npt.NDArray[Any]:
        """Observation of every agent, (R, N) unsigned integers; a new array. Engine "agents" only.

        Individuals are exchangeable: their numbers are independent of the observations at which they start.

        Raises
        ------
        ValueError
            The engine is "counts", which has no individuals.
        """
        if isinstance(self._kernel, CountsPopulations):
            raise ValueError("engine is 'counts', which has no individuals; must be 'agents' for observations")
        return self._kernel.alone(self._kernel.individuals)

    def step(self, policy: PolicyLike, n_steps: int = 1) -> None:
        """Make steps at which the acting agents play a policy.

        Parameters
        ----------
        policy : TabularPolicy, SoftmaxPolicy, Solution, (S, A) or (L, S, A) floats, or callable f(mu, t) -> (S, A)
            Arrays are checked and converted at every call, other policies if they are not those of the call before.
        n_steps : int, optional
            At most T - t.

        Raises
        ------
        TypeError, ValueError
            A bad policy; too many steps; `draw` was called before, so that `act` must follow; a row of the game or of
            the policy that is not a distribution, found during a step.
        RuntimeError
            Another call has not ended.
        """
        played, number = self._played
        known = policy is played and type(n_steps) is int and n_steps.bit_length() < 63
        if not (known and self._kernel.again(n_steps, number)):
            self._kernel.alone(self._step, policy, n_steps)

    def draw(self) -> npt.NDArray[Any]:
        """Draw who acts at step t, once, for decisions that are made elsewhere; `act` then makes the step.

        Returns
        -------
        (R, S) int64
            Engine "counts": how many of the agents at each observation act.
        (R, N) bool
            Engine "agents": which agents act.

        Raises
        ------
        ValueError
            All T steps are made.
        """
        if isinstance(drawn := self._kernel.alone(self._draw), np.ndarray):
            return drawn
        acts = np.zeros((self.replicas, self.n_agents), dtype=np.bool_)
        for row, acting in zip(acts, drawn, strict=True):
            row[acting] = True
        return acts

    def act(self, actions: FloatsLike) -> FloatArray:
        """Make one step at which the agents that `draw` gives take the actions given.

        Parameters
        ----------
        actions : (S, A) or (R, S, A) integers
            Engine "counts": how many of the acting agents at observation o take action a. Rows sum to the numbers that
            `draw` returns (under Synchronous: to `counts`).
        actions : (N,) or (R, N) integers
            Engine "agents": the action of every agent, 0..A-1; -1 or any action for agents that do not act.

        Returns
        -------
        (R,) float64
            Engine "counts": mean rewards, as `rewards`.
        (R, N) float64
            Engine "agents": the reward of every agent.

        Raises
        ------
        TypeError, ValueError
            Another shape, without R only if R = 1; a number out of range; numbers that do not sum to those of the
            agents that act; an agent that acts without an action; an illegal action; a row that is no distribution.

        Notes
        -----
        Who acts is drawn first if `draw` was not called. By agents the call costs O(R N K), more than one of `step`.
        """
        return self._kernel.alone(self._act, actions)

    def _step(self, policy: PolicyLike, n_steps: int) -> None:
        self._played = _NOTHING
        number = self._kernel.follow(as_policy(policy, self._game))
        fixed = isinstance(policy, (Played, Policy)) or hasattr(policy, "kernel") or callable(policy)
        self._played = (policy, number) if fixed else _NOTHING
        self._kernel.step(self._as_steps(n_steps))

    def _draw(self) -> IntArray | list[IntArray]:
        self._as_steps(1, drawn=False)
        return self._kernel.draw()

    def _act(self, actions: FloatsLike) -> FloatArray:
        self._as_steps(1, drawn=False)
        kernel = self._kernel
        if isinstance(kernel, AgentsPopulations):
            batches = kernel.draw()
            taken = as_actions(actions, batches, self.n_agents, self._game.n_actions, kernel.t)
            refuse_illegal(taken, batches, kernel, self._game.legal)
            return kernel.act(taken)[0]
        kernel.act(as_decisions(actions, kernel.draw(), self._game, kernel.t))
        return kernel.mean_rewards()

    def _batches(self) -> list[IntArray]:
        """The individuals that act at step t < T, in random order, by replica; drawn once. Engine "agents"."""
        assert isinstance(self._kernel, AgentsPopulations), "environments have individuals"
        return self._kernel.alone(self._kernel.draw)

    def _moved(self, taken: list[IntArray]) -> tuple[FloatArray, IntArray]:
        """Make step t with the actions of `_batches`, 0..A-1; rewards and next observations (R, N) of individuals."""
        assert isinstance(self._kernel, AgentsPopulations), "environments have individuals"
        return self._kernel.alone(self._kernel.act, taken)

    @takes_rng
    def restart(self, *, rng: seeding.RNG = None) -> None:
        """Go back to step 0, in place.

        Parameters
        ----------
        rng : int, Generator, SeedSequence or None, optional
            A seed gives the population that is made with this `rng`, bit for bit. None: the random streams go on.

        Raises
        ------
        TypeError, ValueError
            A bad `rng`; the population is as before.
        RuntimeError
            Another call has not ended.

        Notes
        -----
        Counts at the start are those of `start`, drawn again if it is "sampled". The policy of the last call is kept.
        """
        self._kernel.alone(self._restart, rng)

    def _restart(self, rng: seeding.RNG) -> None:
        bits = self._kernel.bit_generators if rng is None else seeding.bit_generators(rng, self.replicas)
        self._kernel.restart(self._begin(bits), bits)

    def _as_steps(self, n_steps: object, drawn: bool = True) -> int:
        """`n_steps`, checked; drawn: whether it is an error that who acts is drawn."""
        steps = check.as_positive_int(n_steps, "n_steps")
        left = self.horizon - self.t
        if steps > left:
            longer = "restart() goes back to step 0; game.replace(horizon=...) makes a longer game, for another one"
            if left == 0:
                raise ValueError(f"the game is over: t is {self.t}, and it has T = {self.horizon} steps; {longer}")
            raise ValueError(f"n_steps is {steps}; must be <= {left}: t is {self.t} of T = {self.horizon}; {longer}")
        if drawn and self._kernel.drawn:
            raise ValueError(f"draw() was called at step {self.t}; the step must be made by act(actions), not by step")
        return steps

    def copy(self) -> Self:
        """An independent population in the same state, which continues with the same bits."""
        return self._made(self.game, self.schedule, self._now())

    @classmethod
    @fits_memory("path must name a smaller file")
    def load(cls, path: str | os.PathLike[str], game: Game, schedule: Schedule) -> Self:
        """The population whose state `save` wrote to `path`; game and schedule are not in the file.

        Parameters
        ----------
        path : path
        game : Game
        schedule : Schedule
            Both equal to those with which the population was made.

        Raises
        ------
        FileError
            A ValueError that names the file: it is damaged, or of another class or format. If it does not exist or
            cannot be read, the error is a FileNotFoundError or another OSError, too.
        TypeError, ValueError
            `path` is not a path; game or schedule are others.
        """
        arrays, header = files.load_npz(path, "Population")
        unfit = "does not hold a Population of this version ({error})"
        with files.reading(path, "a saved Population", unfit):
            state = {name: packing.unpack(entry, arrays) for name, entry in header["state"].items()}
            saved = check.as_instance(state.pop("fingerprint"), "fingerprint", Fingerprint)
            n_agents = check.as_positive_int(state["n_agents"], "n_agents")
        same("path", saved, Fingerprint.of(in_steps(game, schedule, n_agents), as_schedule(schedule), n_agents))
        with files.reading(path, "a saved Population", unfit):
            return cls._made(game, schedule, state)

    def _state(self) -> dict[str, Any]:
        """What `save` writes."""
        return {**self._now(), "fingerprint": Fingerprint.of(self._game, self.schedule, self.n_agents)}

    def _now(self) -> dict[str, Any]:
        return self._kernel.alone(self._described)

    def _described(self) -> dict[str, Any]:
        bits = self._kernel.bit_generators
        return {
            "n_agents": self.n_agents, "replicas": self.replicas, "engine": self.engine, "t": self.t,
            "record_decisions": self._decisions, "streams": [seeding.state(Generator(one)) for one in bits],
            "start": self._start if self._start is None or len(self._start) > 1 else self._start[0],
            "kernel": self._kernel.state(),
        }  # fmt: skip

    @classmethod
    def _from_state(cls, state: Mapping[str, Any]) -> Self:
        raise TypeError("its game is not in the file: use Population.load(path, game, schedule)")

    @classmethod
    def _made(cls, game: Game, schedule: Schedule, state: Mapping[str, Any]) -> Self:
        made = cls.__new__(cls)
        made._settle(game, schedule, state["n_agents"], state["replicas"], state["record_decisions"])
        bits = [seeding.restored(one).bit_generator for one in state["streams"]]
        start = "sampled" if state["start"] is None else state["start"]
        made._start, _ = start_of(start, made.n_agents, made.replicas, made._game)
        kernel = {**state["kernel"], "t": check.as_int(state["t"], "t", low=0, high=made.horizon)}
        shape = made.replicas, made._game.n_observations
        counts = check.as_counts(kernel.pop("counts"), "counts", shape=shape, letters="R, S", n_agents=made.n_agents)
        made._open(check.as_choice(state["engine"], "engine", Engine), counts, bits, kernel)
        return made

    def __deepcopy__(self, memo: object) -> Self:
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self)._made, (self.game, self.schedule, self._now())

    def __repr__(self) -> str:
        several = f"{self.replicas} replicas by " if self.replicas > 1 else ""
        name = f"{self._game.name!r}, " if self._game.name else ""
        return (
            f"Population({name}N={self.n_agents}, {self.schedule.label}, t={self.t} of {self.horizon}, "
            f"{several}{self.engine})"
        )
