"""Results of simulate: counts and rewards of every replica, and trajectories of individuals."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from tmfcore._base import validation as check
from tmfcore._base.types import Engine, SharesKind, Time
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model import appearance
from tmfcore._model.fingerprint import LIMIT, Fingerprint, same
from tmfcore._population.last_state import LastState
from tmfcore._results.result import Result
from tmfcore._results.tables import Variable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mpi4py.MPI import Intracomm

    from tmfcore._limit.flows import Flow

__all__ = ["Simulation", "Trajectories"]


@dataclass(frozen=True, eq=False, repr=False)
class Trajectories(Result[Literal["agents", "shares"]]):
    """Observations, actions and rewards of every individual, at every record_every-th step.

    Individuals are exchangeable: their numbers are independent of the observations at which they start. Column j is
    step t = j record_every. What happens at the steps between is not recorded: rewards are those of step t, not sums.

    Parameters
    ----------
    observations : (N, J) unsigned integers
        Observation of agent i at the start of step t.
    actions : (N, J) signed integers
        Action of agent i at step t, -1 if it was passive.
    rewards : (N, J) float64
        Reward of agent i at step t.
    record_every : int, optional
        Steps from one column to the next; 1 if every step is recorded, J = T.
    numbers : (N,) int64 or None, optional
        Of a run on several ranks (`simulate(comm=)`), whose rows are the agents of one rank: the rows that these have
        among those of all ranks. None: all rows, in order.

    Notes
    -----
    `plot` draws "agents": the first agents, one line each, with a marker at each step at which the agent acts; or
    "shares": the share of the agents that take each action at a step, and of those that do not act.
    """

    observations: npt.NDArray[Any]
    actions: npt.NDArray[Any]
    rewards: FloatArray
    record_every: int = 1
    numbers: IntArray | None = None

    def __post_init__(self) -> None:
        """Arrays of any kind are allowed; `fit` checks them."""
        check.as_positive_int(self.record_every, "record_every")
        self.__setstate__(vars(self))

    @classmethod
    def joined(cls, parts: Iterable[Trajectories]) -> Trajectories:
        """The trajectories of all agents, from those of every rank of one run; the bits of the run on one process.

        Parameters
        ----------
        parts : iterable of Trajectories
            Of all ranks, in any order.

        Returns
        -------
        Trajectories

        Raises
        ------
        TypeError, ValueError
            A part has no `numbers`; parts of different steps, or some agents are missing or there twice.
        """
        items = check.as_items(parts, "parts", "the Trajectories of every rank")
        given = [check.as_instance(part, f"parts[{i}]", Trajectories) for i, part in enumerate(items)]
        if not given:
            raise ValueError("parts is empty; must have the Trajectories of every rank")
        numbers = []
        for i, part in enumerate(given):
            if part.numbers is None:
                raise ValueError(f"parts[{i}] has no numbers; must be of a run on ranks, simulate(comm=)")
            shape = (len(part.numbers), given[0].rewards.shape[-1])
            if {part.observations.shape, part.actions.shape, part.rewards.shape} != {shape} or (
                part.record_every != given[0].record_every
            ):
                raise ValueError(f"parts[{i}] has other steps than parts[0]; must be of the same run")
            numbers.append(part.numbers)
        order = np.concatenate(numbers)
        if not np.array_equal(np.sort(order), np.arange(len(order))):
            raise ValueError(
                f"parts have {len(order)} agents whose numbers are not 0..{len(order) - 1}; must be those of every "
                "rank of one run, each once"
            )
        arrays = {}
        for name in ("observations", "actions", "rewards"):
            first = getattr(given[0], name)
            whole = np.empty((first.shape[1], len(order)), first.dtype)
            for part in given:
                whole[:, part.numbers] = getattr(part, name).T
            arrays[name] = whole.T
        return cls(**arrays, record_every=given[0].record_every)

    def _facts(self) -> Iterator[tuple[str, object]]:
        agents, steps = np.shape(self.observations)
        yield "N", agents
        yield "T" if self.record_every == 1 else "steps recorded", steps
        if self.record_every > 1:
            yield "record_every", self.record_every
        yield "mean reward", float(np.mean(self.rewards))

    def _axes(self) -> appearance.Coordinates:
        return {"at": ("at", self._steps())}

    def _steps(self) -> IntArray:
        """The step of each column."""
        return np.arange(self.observations.shape[1]) * self.record_every

    def _variables(self) -> dict[str, Variable]:
        arrays = {"observations": self.observations, "actions": self.actions, "individual_rewards": self.rewards}
        known: dict[str, Variable] = {name: (("agent", "at"), array) for name, array in arrays.items()}
        return known if self.numbers is None else known | {"numbers": (("agent",), self.numbers)}

    def _picture(self, kind: Any, **style: Any) -> Axes:
        from tmfcore import plotting

        if kind == "agents":
            return plotting.individuals(self.observations, self.actions, every=self.record_every, **style)
        taken = range(-1, int(self.actions.max()) + 1)
        shares = np.stack([(self.actions == action).mean(axis=0) for action in taken], axis=1)
        labels = ["does not act", *(f"action {action}" for action in taken[1:])]
        course = plotting.Course(self._steps().astype(np.float64), shares)
        return plotting.lines(course, labels, quantity="share of the agents", unit="steps", **style)


@dataclass(frozen=True, eq=False, repr=False)
class Simulation(appearance.Timed, Result[SharesKind]):
    """R replicas of an N-agent population, recorded every `record_every` steps into J intervals.

    Parameters
    ----------
    counts : (R, J+1, S) int64
        Number of agents at each observation: at the start, then at the end of each interval.
    decisions : (R, J, S, A) int64 or None
        Acting agents by observation and action, summed over each interval.
    rewards : (R, J) float64
        Mean reward per agent, summed over the steps of each interval, undiscounted.
    returns : (R,) float64
        Discounted return per agent, sum over t of discount**t times the mean reward of step t.
    steps : (J+1,) int64
        Number of steps made at each recorded count.
    n_agents, horizon, record_every : int
    discount : float
    engine : str
        "counts" or "agents".
    schedule, game : str
        Label of the schedule and name of the game.
    trajectories : Trajectories or None
        Individuals, if requested.
    observation_labels : tuple of S str
    observation_shape : tuple of int
        As in the game, for plots and tables.
    step : float
        dt, the length of a step in sweeps; 1.0 if time is in steps.
    time : str
        Unit of time, "steps" or "sweeps".
    action_labels : tuple of A str
        As in the game; empty if unknown.
    record_times : (J+1,) float64 or None
        Under Poisson clocks, the times of the recorded counts, in units of time; `steps` then numbers them, and an
        interval counts as a step. None: steps * step.
    noise : (R, T) int64 or (R, T, ...) float64 or None
        If the noise is random, the path of each replica, as `Game.on` takes it: states of a chain, or values.
    ends : LastState or None
        The state of each replica at the end, from which `simulate(start=run)` goes on. Not compared by `equals`.
    fingerprint : Fingerprint or None
        Identifies game, schedule, N, policy and start, so that only matching results are combined. None, for a result
        made by hand: it cannot be combined with others.
    """

    SHAPES: ClassVar[dict[str, str]] = {
        "counts": "R J+1 S", "decisions": "R J S A", "rewards": "R J", "returns": "R", "steps": "J+1",
        "observation_labels": "S", "action_labels": "A", "record_times": "J+1",
    }  # fmt: skip
    RANGES: ClassVar[dict[str, str]] = {">= 0": "counts decisions steps", "finite": "rewards returns record_times"}
    UNCOMPARED: ClassVar[tuple[str, ...]] = ("ends",)

    counts: IntArray
    decisions: IntArray | None
    rewards: FloatArray
    returns: FloatArray
    steps: IntArray
    n_agents: int
    discount: float
    horizon: int
    record_every: int
    engine: Engine
    schedule: str
    game: str
    trajectories: Trajectories | None = None
    observation_labels: tuple[str, ...] = ()
    observation_shape: tuple[int, ...] = ()
    step: float = 1.0
    time: Time = "steps"
    action_labels: tuple[str, ...] = ()
    record_times: FloatArray | None = None
    noise: FloatArray | IntArray | None = None
    ends: LastState | None = None
    fingerprint: Fingerprint | None = None

    @property
    def mu(self) -> FloatArray:
        """Population distributions counts / n_agents, (R, J+1, S) float64, computed at every call."""
        return self.counts / float(self.n_agents)

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "game", self.game
        yield "N", self.n_agents
        yield "schedule", self.schedule
        yield "T", self.horizon
        yield "engine", f"{self.replicas} replica{'s' if self.replicas > 1 else ''} by {self.engine}"
        yield "mean return", float(self.returns.mean())

    def _axes(self) -> appearance.Coordinates:
        known = appearance.axes_of(self, self.steps[:-1])
        return known if self.trajectories is None else known | {"at": ("at", self.steps[:-1])}

    def _variables(self) -> dict[str, Variable]:
        known = super()._variables()
        dims, counts = known.pop("counts")
        known = {"counts": (dims, counts), "mu": (dims, self.mu), **known}
        return known if self.trajectories is None else known | self.trajectories._variables()

    @property
    def replicas(self) -> int:
        """Number of replicas R."""
        return len(self.returns)

    def save(self, path: str | os.PathLike[str], *, comm: Intracomm | None = None) -> None:
        """Write this object to `path` (npz, without pickle), atomically; `load` of its class reads it.

        Parameters
        ----------
        path : path
            The file; nothing is appended to its name.
        comm : mpi4py.MPI.Intracomm or None, optional
            That of `simulate(comm=)`, all of whose ranks make this call: rank 0 writes what they share to `path`, and
            every rank its own individuals to `path.0-RANK`, or to `path.1-RANK` where an earlier save has the former,
            which are deleted when the new ones are whole. `load` of `path` has the individuals of all ranks; of
            `path.0-RANK`, a file of Trajectories, those of one. None: this object alone.

        Raises
        ------
        OSError
            The folder does not exist or cannot be written to; raised on all ranks.
        TypeError, ValueError
            A part has a value that cannot be saved; `comm` is no communicator, or its ranks have different runs.
        """
        if comm is None:
            super().save(path)
        else:
            from tmfcore._population.saved_on_ranks import save_on_ranks

            save_on_ranks(self, path, comm=comm)

    def _with_parts(self, path: str | os.PathLike[str], parts: Mapping[str, Any]) -> Simulation:
        """The Simulation of all ranks, of which this is what they share."""
        from tmfcore._population.saved_on_ranks import joined

        return joined(self, path, parts)

    def plot(
        self, kind: SharesKind | None = None, *, flow: Flow | None = None, label: str | None = None,
        color: str | None = None, title: str | None = None, ax: Axes | None = None,
    ) -> Axes:  # fmt: skip
        """Draw the share of the agents at each observation over time: the mean of replicas; with lines their spread.

        Parameters
        ----------
        kind, label, color, title, ax : optional
            As for every result; the kinds are those of Flow.
        flow : Flow or None, optional
            The mean field, drawn as lines below the agents' markers, or as a second row of snapshots. With a flow
            "auto" draws profiles instead of a heat map.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            matplotlib (extra `app`) is not installed.
        TypeError, ValueError
            An unknown kind, or one that does not fit the observations; a flow of another game or other active
            fractions.
        """
        return self._drawn(kind, flow=flow, label=label, color=color, title=title, ax=ax)

    def _title(self) -> str:
        runs = f"mean of {self.replicas:,} runs" if self.replicas > 1 else ""
        return ", ".join(part for part in (self.game, self.schedule, self._agents(), runs) if part)

    def _agents(self) -> str:
        return f"N = {self.n_agents:,} agents"

    def _picture(self, kind: Any, **style: Any) -> Axes:
        from tmfcore import plotting
        from tmfcore._limit.flows import Flow  # at first use only
        from tmfcore.plotting._choice import BY_LINES

        times, unit = appearance.times_of(self)
        mu, flow, field = self.mu, style.pop("flow"), None
        if flow is not None:
            check.as_instance(flow, "flow", Flow)
            if (self.record_times is None and flow.horizon != self.horizon) or flow.mu.shape[1] != mu.shape[2]:
                raise ValueError(
                    f"flow has T = {flow.horizon} steps and S = {flow.mu.shape[1]} observations; "
                    f"must have {self.horizon} and {mu.shape[2]}, like the simulation"
                )
            same("flow", flow.fingerprint, self.fingerprint, LIMIT)
            field = plotting.Course(flow.times, flow.mu)
        return plotting.over_time(
            plotting.Course(times, mu.mean(axis=0)), appearance.labels_of(self, mu.shape[2]), self.observation_shape,
            kind=kind, field=field, replicas=mu if kind in BY_LINES else None, unit=unit,
            quantity="share of the agents \u03bc\u0302",
            names=None if field is None else (self._agents(), "mean field"), **style,
        )  # fmt: skip
