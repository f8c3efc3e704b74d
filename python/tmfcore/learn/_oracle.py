"""What a learner may ask of a system that it does not know: trajectories of one agent in a population.

Play                            the type of oracles: f(agent, population) -> (observations, actions)
Oracle(game, schedule, ...)     an oracle that plays a game
played(oracle, ...)             what an oracle returns, checked
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.functions import SMALLER_GAME, fits_memory, noted, takes_rng
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._limit.checks import active_fractions
from tmfcore._limit.mean_field import mean_field
from tmfcore._model.game import Game, in_steps
from tmfcore._model.poisson import Poisson
from tmfcore._model.policies import PolicyLike, SoftmaxPolicy, TabularPolicy, as_policy
from tmfcore._model.schedules import Active, Schedule, as_schedule
from tmfcore._population import tagged as tagged_kernel
from tmfcore._population.simulate import simulate
from tmfcore._population.starts import rounded_counts
from tmfcore._random import seeding

__all__ = ["Oracle", "Play", "Trajectory", "played", "shares_at", "steps_of"]

Trajectory: TypeAlias = tuple[IntArray, IntArray]
Play: TypeAlias = Callable[[Any, Any], tuple[Any, Any]]

IDLE = -1  # the action of an agent that does not act
FROZEN = (TabularPolicy, SoftmaxPolicy)  # whose flow is kept while they are asked for again


def steps_of(game: object, schedule: Schedule, n_agents: int | None, name: str = "game") -> Game:
    """The game in steps that is learnt, checked: Poisson clocks and random noise are refused."""
    if isinstance(as_schedule(schedule), Poisson):
        raise ValueError(f"schedule is {schedule!r}; must be in steps, because agents are observed once per step")
    return in_steps(game, schedule, n_agents, name)


def shares_at(active: Active, mu: FloatArray, t: int, size: int) -> FloatArray:
    """The probability of acting at each observation, (S,), at step t in the population mu."""
    if isinstance(active, np.ndarray):
        return np.full(size, active[t if len(active) > 1 else 0])
    return active.shares(mu, t)


@dataclass(frozen=True)
class _Found:
    """Populations in which the agent plays: the flow of the last policy that was asked for."""

    policy: object
    mu: FloatArray


class Oracle:
    """Plays a game, and shows what single agents saw and did: an oracle for `eliminate` and `optimistic`.

    Calling it, oracle(agent, population), returns the trajectory of an agent with the policy `agent` in a population
    in which all others play `population`: observations o_0..o_T, (T+1,) int64, and actions (T,) int64, -1 at steps at
    which the agent did not act; or (n, T+1) and (n, T) if `trajectories` is n > 1. Every call draws new ones.

    Parameters
    ----------
    game : Game
        The true game. A learner that asks the oracle does not see it.
    schedule : Schedule
    n_agents : int or None, optional
        N, to convert batch sizes to fractions, as in mean_field.
    finite : bool, optional
        False (default): the population is the mean field of its policy. True: it has n_agents agents, of which the
        observed one is one, and starts rounded, as in `simulate`; rows are then those at the mu of the N agents.
    trajectories : int, optional
        n, how many independent trajectories a call returns; in a finite population each is of a population of its own.
    rng : int, Generator, SeedSequence or None, optional
        The same int gives the same trajectories to the same calls in the same order.

    Raises
    ------
    TypeError, ValueError
        Bad arguments; finite=True without n_agents; random noise, or Poisson clocks.

    Notes
    -----
    Cost of a call in the limit: one mean field per policy `population`, which is kept until it changes, and O(K) per
    step. In a finite population: that of `simulate` by counts. It draws from one stream, so that threads need an oracle
    each.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.left_right(horizon=4, step=1)
    >>> oracle = tmf.learn.Oracle(game, tmf.Fraction(0.5), rng=3)
    >>> uniform = tmf.TabularPolicy.uniform(game)
    >>> observations, actions = oracle(uniform, uniform)
    >>> observations.shape, actions.shape
    ((5,), (4,))
    """

    @takes_rng
    def __init__(
        self, game: Game, schedule: Schedule, n_agents: int | None = None, *, finite: bool = False,
        trajectories: int = 1, rng: seeding.RNG = None,
    ) -> None:  # fmt: skip
        self._game = steps_of(game, schedule, n_agents)
        self._schedule, self._finite = schedule, check.as_bool(finite, "finite")
        self._n_agents = None if n_agents is None else check.as_positive_int(n_agents, "n_agents")
        if self._finite and n_agents is None:
            raise ValueError("n_agents is None; must be given with finite=True")
        self._active = active_fractions(self._game, schedule, n_agents)
        self._trajectories = check.as_positive_int(trajectories, "trajectories")
        (self._generator,) = seeding.generators(rng, 1)
        self._found: _Found | None = None

    def __repr__(self) -> str:
        population = f"{self._n_agents} agents" if self._finite else "the mean field"
        several = f", {self._trajectories} trajectories" if self._trajectories > 1 else ""
        return f"Oracle({self._game.name!r}, {self._schedule!r}, {population}{several})"

    @fits_memory(SMALLER_GAME)
    def __call__(self, agent: PolicyLike, population: PolicyLike) -> Trajectory:
        """Trajectories of agents that play `agent` among others that play `population`."""
        observations, actions = (self._among if self._finite else self._in_flow)(agent, population)
        return (observations, actions) if self._trajectories > 1 else (observations[0], actions[0])

    def _in_flow(self, agent: PolicyLike, population: PolicyLike) -> Trajectory:
        game, n, rng = self._game, self._trajectories, self._generator
        found = self._found
        if found is None or found.policy is not population or not isinstance(population, FROZEN):
            others = as_policy(population, game, "population")
            flow = mean_field(game, others, self._schedule, self._n_agents)
            found = self._found = _Found(population, flow.mu)
        mu, own = found.mu, as_policy(agent, game, "agent")
        observations, actions = np.empty((n, game.n_steps + 1), np.int64), np.full((n, game.n_steps), IDLE)
        observations[:, 0] = _drawn(np.broadcast_to(np.cumsum(game.initial), (n, len(game.initial))), rng)
        for t in range(game.n_steps):
            at = observations[:, t]
            acts = rng.random(n) < shares_at(self._active, mu[t], t, game.n_observations)[at]
            chosen = _drawn(np.cumsum(own.probabilities(mu[t], t, game.n_steps), axis=1)[at], rng)
            actions[acts, t] = chosen[acts]
            observations[:, t + 1] = self._moved(mu[t], t, at, actions[:, t])
        return observations, actions

    def _moved(self, mu: FloatArray, t: int, at: IntArray, actions: IntArray) -> IntArray:
        """Where agents at `at` who take `actions` move."""
        model = self._game.model
        out = np.empty(len(at), np.int64)
        u = self._generator.random(len(at))
        cells, which = np.unique(at * (model.n_actions + 1) + actions + 1, return_inverse=True)
        for i, cell in enumerate(cells):
            o, a = divmod(int(cell), model.n_actions + 1)
            row, _ = model.row(mu, t, o, a - 1)
            total = np.cumsum(row)
            here = which == i
            k = np.minimum(np.searchsorted(total, u[here] * total[-1], side="right"), np.flatnonzero(row)[-1])
            reached = model.successors[o, a - 1] if a > 0 and model.successors is not None else None
            if a == 0 and model.passive_successors is not None:
                reached = model.passive_successors[o]
            out[here] = k if reached is None else reached[k]
        return out

    def _among(self, agent: PolicyLike, population: PolicyLike) -> Trajectory:
        game, size, rng, n = self._game, self._game.n_observations, self._generator, self._n_agents
        assert n is not None, "it was required"
        first = rounded_counts(game.initial, n)
        start = np.zeros((self._trajectories, 2 * size), np.int64)
        start[:, size:] = first
        who = rng.choice(size, p=first / n, size=self._trajectories)
        rows = np.arange(self._trajectories)
        start[rows, size + who] -= 1
        start[rows, who] += 1
        split = np.concatenate([game.initial / n, game.initial * (1 - 1 / n)])
        pair = Game.from_model(tagged_kernel.TaggedModel(game.model), game.n_steps, game.discount, split)
        policy = tagged_kernel.TaggedPolicy(
            as_policy(agent, game, "agent"), as_policy(population, game, "population")
        )
        run = simulate(
            pair, policy, self._schedule._tagged(), n, replicas=self._trajectories, engine="counts", start=start,
            rng=rng, threads=1, decisions=True,
        )  # fmt: skip
        assert run.decisions is not None, "they were asked for"
        took = run.decisions[:, :, :size].sum(axis=2)
        actions = np.where(took.any(axis=-1), took.argmax(axis=-1), IDLE)
        return run.counts[:, :, :size].argmax(axis=-1).astype(np.int64), actions.astype(np.int64)


def _drawn(cumulated: FloatArray, rng: np.random.Generator) -> IntArray:
    """One draw from each row of cumulated probabilities (n, K)."""
    u = rng.random(len(cumulated)) * cumulated[:, -1]
    last = (cumulated < cumulated[:, -1:]).sum(axis=1)  # of positive probability
    found: IntArray = np.minimum((cumulated <= u[:, np.newaxis]).sum(axis=1), last)
    return found


def played(oracle: Play, agent: object, population: object, game: Game) -> Iterator[Trajectory]:
    """The trajectories that an oracle returns, one after another, checked against the sizes and legal actions."""
    found = noted(oracle, "oracle", "(agent, population)")(agent, population)
    if not isinstance(found, tuple) or len(found) != 2:
        raise TypeError(
            f"oracle(agent, population) returned {say.show(found)}; must be a tuple (observations, actions), (T+1,) "
            "and (T,) integers"
        )
    horizon = game.n_steps
    several = np.ndim(found[0]) == 2
    shape: tuple[int | None, ...] = (None, horizon + 1) if several else (horizon + 1,)
    observations = check.as_int_array(
        found[0], "oracle(agent, population)[0]", shape=shape, letters="n, T+1" if several else "T+1", low=0,
        high=game.n_observations - 1,
    ).reshape(-1, horizon + 1)  # fmt: skip
    shape = (len(observations), horizon) if several else (horizon,)
    actions = check.as_int_array(
        found[1], "oracle(agent, population)[1]", shape=shape, letters="n, T" if several else "T", low=-1,
        high=game.n_actions - 1,
    ).reshape(-1, horizon)  # fmt: skip
    if game.legal is not None:
        fine = (actions < 0) | game.legal[observations[:, :-1], actions]
        if not fine.all():
            i, t = (int(index) for index in np.argwhere(~fine)[0])
            raise ValueError(
                f"oracle(agent, population)[1] has action {actions[i, t]} at step {t}, which is illegal at observation "
                f"{observations[i, t]}"
            )
    yield from zip(observations, actions, strict=True)
