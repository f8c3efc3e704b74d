"""What came of N agents: counts and rewards of every replica, and what individuals did."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from tmfcore._base import files, frames
from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model import appearance
from tmfcore._model.fingerprint import LIMIT, Fingerprint, same

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tmfcore._limit.mean_field import Flow

__all__ = ["Simulation", "Trajectories"]


@dataclass(frozen=True, eq=False)
class Trajectories:
    """What every individual saw, did and earned.

    Individuals are exchangeable: their numbers say nothing of where they start, whatever `start` was.

    Parameters
    ----------
    observations : (N, T) unsigned integers
        Observation of agent i at the start of step t.
    actions : (N, T) signed integers
        Action of agent i at step t, -1 where it was passive.
    rewards : (N, T) float64
        Reward of agent i at step t.
    """

    observations: npt.NDArray[Any]
    actions: npt.NDArray[Any]
    rewards: FloatArray


@dataclass(frozen=True, eq=False, repr=False)
class Simulation(appearance.Timed, frames.Frames, files.Saved, kind="simulation"):
    """R replicas of an N-agent population, recorded every `record_every` steps into J intervals.

    Parameters
    ----------
    counts : (R, J+1, S) int64
        Agents at each observation: at the start, then at the end of each interval.
    decisions : (R, J, S, A) int64 or None
        Acting agents by observation and action, summed over each interval.
    rewards : (R, J) float64
        Mean reward per agent, summed over the steps of each interval, undiscounted.
    returns : (R,) float64
        Discounted return per agent, sum over t of discount**t times the mean reward of step t.
    steps : (J+1,) int64
        Time index (number of steps made) of each recorded count.
    n_agents, horizon, record_every : int
    discount : float
    engine : str
        "counts" or "agents".
    schedule, game : str
        Label of the schedule and name of the game.
    trajectories : Trajectories or None
        Individuals, if they were asked for.
    observation_labels : tuple of S str
    observation_shape : tuple of int
        The game's, for pictures and tables.
    step : float
        dt, the sweeps a step lasts; 1.0 where time is steps.
    time : str
        What time is counted in, "steps" or "sweeps".
    action_labels : tuple of A str
        The game's; empty where it is not known.
    fingerprint : Fingerprint or None
        Of game, schedule, N, policy and start: what it may be combined with. None: made by hand, and combined with
        nothing.
    """

    SHAPES: ClassVar[dict[str, str]] = {
        "counts": "R J+1 S", "decisions": "R J S A", "rewards": "R J", "returns": "R", "steps": "J+1",
        "observation_labels": "S", "action_labels": "A",
    }  # fmt: skip

    counts: IntArray
    decisions: IntArray | None
    rewards: FloatArray
    returns: FloatArray
    steps: IntArray
    n_agents: int
    discount: float
    horizon: int
    record_every: int
    engine: str
    schedule: str
    game: str
    trajectories: Trajectories | None = None
    observation_labels: tuple[str, ...] = ()
    observation_shape: tuple[int, ...] = ()
    step: float = 1.0
    time: str = "steps"
    action_labels: tuple[str, ...] = ()
    fingerprint: Fingerprint | None = None

    @property
    def mu(self) -> FloatArray:
        """Population distributions counts / n_agents, (R, J+1, S) float64, computed at every call."""
        return self.counts / float(self.n_agents)

    def _parts(self) -> Iterator[str]:
        yield repr(self.game)
        yield f"N={self.n_agents}, {self.schedule}, T={self.horizon}"
        yield f"{self.replicas} replica{'s' if self.replicas > 1 else ''} by {self.engine}"
        yield f"mean return {self.returns.mean():.5g}"

    def _table(self) -> frames.Table:
        replica = np.arange(self.replicas)
        n_obs = self.counts.shape[2]
        n_act = len(self.action_labels) if self.decisions is None else self.decisions.shape[3]
        variables: dict[str, frames.Variable] = {
            "counts": (("replica", "step", "observation"), self.counts),
            "mu": (("replica", "step", "observation"), self.mu),
            "rewards": (("replica", "interval"), self.rewards),
            "returns": (("replica",), self.returns),
        }
        if self.decisions is not None:
            variables["decisions"] = (("replica", "interval", "observation", "action"), self.decisions)
        if self.trajectories is not None:
            for name in ("observations", "actions", "rewards"):
                own = "individual_rewards" if name == "rewards" else name
                variables[own] = (("agent", "at"), getattr(self.trajectories, name))
        header = {name: getattr(self, name) for name in (*_HEADER, "step")}
        return frames.Table(
            {
                "replica": replica,
                "step": self.steps,
                "interval": self.steps[:-1],
                "observation": frames.labels_or_numbers(self.observation_labels, n_obs),
                "action": frames.labels_or_numbers(self.action_labels, n_act),
                "agent": np.arange(self.n_agents if self.trajectories is not None else 0),
                "at": np.arange(self.horizon),
            },
            variables,
            "counts",
            {"time": ("step", self.times), "interval_time": ("interval", self.steps[:-1] * self.step)},
            header,
        )

    @property
    def replicas(self) -> int:
        """Number of replicas R."""
        return len(self.returns)

    def plot(
        self, kind: str = "auto", *, flow: Flow | None = None, title: str | None = None, ax: Axes | None = None
    ) -> Axes:
        """Draw the share of the agents at each observation over time: mean of the replicas, and of lines their spread.

        Parameters
        ----------
        kind : {"auto", "lines", "places", "heat", "profiles", "snapshots"}, optional
            "auto": snapshots where observations form a grid of two or three axes; else lines for up to 10 observations;
            else lines of the largest places where labels are "place, detail", observations of a place added up; else a
            heat map of observation and time for up to 256, and lines of the largest and the rest beyond. "profiles" are
            shares against the observation at four times.
        flow : Flow or None, optional
            The mean field, drawn as lines under the agents' markers, or as a second row of snapshots; "auto" then
            takes profiles where it would take a heat map.
        title : str or None, optional
            None: game, schedule, N and R.
        ax : matplotlib Axes or None, optional
            Where to draw; None: a new figure.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            matplotlib (extra `app`) is not there.
        TypeError, ValueError
            An unknown kind, or one that does not fit the observations; a flow of another game or other active
            fractions.
        """
        from tmfcore import plotting
        from tmfcore._limit.mean_field import Flow  # which is made from this module's times

        check.as_choice(kind, "kind", plotting.KINDS)
        times, unit = appearance.times_of(self)
        mu = self.mu
        field = None
        if flow is not None:
            check.as_instance(flow, "flow", Flow)
            if flow.horizon != self.horizon or flow.mu.shape[1] != mu.shape[2]:
                raise ValueError(
                    f"flow has T = {flow.horizon} steps and S = {flow.mu.shape[1]} observations; "
                    f"must have {self.horizon} and {mu.shape[2]}, as the simulation"
                )
            same("flow", flow.fingerprint, self.fingerprint, LIMIT)
            field = plotting.Course(flow.steps * self.step, flow.mu)
        agents = f"N = {self.n_agents:,} agents"
        if title is None:
            runs = f"mean of {self.replicas:,} runs" if self.replicas > 1 else ""
            title = ", ".join(part for part in (self.game, self.schedule, agents, runs) if part)
        return plotting.over_time(
            plotting.Course(times, mu.mean(axis=0)), self.observation_labels or appearance.numbered(mu.shape[2]),
            self.observation_shape, kind=kind, field=field, replicas=mu, quantity="share of the agents \u03bc\u0302",
            names=(agents, "mean field"), unit=unit, title=title, ax=ax,
        )  # fmt: skip

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to `path` (npz), whole or not at all."""
        arrays: dict[str, npt.NDArray[Any]] = {
            "counts": self.counts,
            "rewards": self.rewards,
            "returns": self.returns,
            "steps": self.steps,
        }
        if self.decisions is not None:
            arrays["decisions"] = self.decisions
        if self.trajectories is not None:
            arrays["observations"] = self.trajectories.observations
            arrays["actions"] = self.trajectories.actions
            arrays["individual_rewards"] = self.trajectories.rewards
        header = {name: getattr(self, name) for name in _HEADER} | appearance.to_header(self)
        header["fingerprint"] = None if self.fingerprint is None else self.fingerprint.to_header()
        files.save_npz(path, arrays, {"kind": "simulation", **header})

    @classmethod
    def _from_file(cls, arrays: dict[str, npt.NDArray[Any]], header: dict[str, Any]) -> Self:
        trajectories = None
        if "observations" in arrays:
            trajectories = Trajectories(arrays["observations"], arrays["actions"], arrays["individual_rewards"])
        return cls(
            counts=arrays["counts"],
            decisions=arrays.get("decisions"),
            rewards=arrays["rewards"],
            returns=arrays["returns"],
            steps=arrays["steps"],
            trajectories=trajectories,
            **{name: header[name] for name in _HEADER},
            **appearance.from_header(header, arrays["counts"].shape[-1]),
            fingerprint=Fingerprint.from_header(header),
        )


_HEADER = ("n_agents", "discount", "horizon", "record_every", "engine", "schedule", "game")
