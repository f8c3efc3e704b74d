"""What solvers have in common: the Solution they return and the Iteration their callbacks see."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import TYPE_CHECKING, Any, Generic, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from tmfcore._base import files, frames
from tmfcore._base import validation as check
from tmfcore._base.records import Record
from tmfcore._limit.mean_field import Flow
from tmfcore._model import appearance
from tmfcore._model.fingerprint import Fingerprint
from tmfcore._model.policies import Played, SoftmaxPolicy, TabularPolicy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from typing_extensions import TypeVar

    # Solution[TabularPolicy] of exact solvers, Solution[SoftmaxPolicy] of TMFPG; Solution is either.
    P = TypeVar("P", bound=SoftmaxPolicy | TabularPolicy, default=SoftmaxPolicy | TabularPolicy, covariant=True)
else:
    from typing import TypeVar

    P = TypeVar("P")

__all__ = ["Callback", "ConvergenceWarning", "Iteration", "P", "Solution"]

PICTURES = ("exploitability", "flow")


class ConvergenceWarning(UserWarning):
    """A solver that has a tolerance ended without meeting it; the Solution's `reason` says why."""


@dataclass(frozen=True, eq=False, repr=False)
class Solution(frames.Frames, Played, files.Saved, Generic[P], kind="solution"):
    """The best policy a solver met, and how it got there.

    Parameters
    ----------
    policy : SoftmaxPolicy or TabularPolicy
        The iterate with the smallest exploitability.
    flow : Flow
        Its mean-field flow, at every step; of a stationary equilibrium one step from its distribution.
    history : dict of str to (n,) arrays
        One row for each evaluated iteration: iteration (updates made), exploitability (in units of return) and
        mean_return of the policy judged, in its mean field; sampled_return (discounted return per agent, mean over
        the sampled populations, which play the current iterate and not its average; mean_return where nothing is
        sampled); learning_rate, of the update made from that policy (of the last row, of the one that would have
        come next); seconds since the start of the solve; and residual, the l1 distance of the distributions judged at
        from their own image (0 over a finite horizon).
    converged : bool
        Whether the tolerance was met.
    reason : str
        Why the solver stopped; "relative" exploitability is in shares of |mean return|, "absolute" in units of return.
    best_iteration : int
        The iteration `policy` comes from.
    exploitability, mean_return : float
        Of `policy`.
    game, schedule : str
        Name of the game, label of the schedule.
    n_agents : int or None
        Size of the sampled population; of exact solvers the N given, which only sets active fractions. None: the
        mean-field limit.
    clock : str
    solver : dict
        Name and hyperparameters of the solver.
    state : dict of str to arrays
        Where the solver stood when it stopped; pass the Solution as `initial` to go on from there. Empty where that
        is worth nothing: an update was interrupted, or left numbers that are not finite.
    fingerprint : Fingerprint or None
        Of game, schedule, N and clock.
    """

    policy: P = field(metadata={"kind": "SoftmaxPolicy | TabularPolicy"})
    flow: Flow
    history: dict[str, npt.NDArray[Any]]
    converged: bool
    reason: str
    best_iteration: int
    exploitability: float
    mean_return: float
    game: str = ""
    schedule: str = ""
    n_agents: int | None = None
    clock: str = "schedule"
    solver: dict[str, Any] = field(default_factory=dict)
    state: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    fingerprint: Fingerprint | None = None

    def _parts(self) -> Iterator[str]:
        yield repr(self.game)
        yield str(self.solver.get("name", "no solver"))
        share = self.exploitability / abs(self.mean_return) if self.mean_return else float("nan")
        yield f"exploitability {self.exploitability:.1e}" + ("" if isnan(share) else f" = {100 * share:.2g}%")
        yield f"{'converged' if self.converged else 'not converged'}, best of iteration {self.best_iteration}"

    def _table(self) -> frames.Table:
        flow = self.flow._table()
        iteration = self.history.get("iteration", np.zeros(0, np.int64))
        history = {name: (("iteration",), column) for name, column in self.history.items() if name != "iteration"}
        facts = ("reason", "best_iteration", "exploitability", "mean_return", "schedule", "clock")
        return frames.Table(
            {"iteration": iteration, **flow.coordinates},
            {**history, **flow.variables},
            next(iter(history), "mu"),
            flow.along,
            {**flow.attributes, "converged": int(self.converged), **{name: getattr(self, name) for name in facts}},
        )

    @property
    def relative_exploitability(self) -> float:
        """The ratio exploitability / |mean_return|."""
        return relative(self.exploitability, self.mean_return)

    def plot(self, which: str = "exploitability", *, title: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw how exploitability fell, or where the population goes.

        Parameters
        ----------
        which : {"exploitability", "flow"}, optional
            "exploitability", in units of return, by iteration on a log scale, with the solver's tolerance where it has
            one; "flow" is that of `flow.plot()`, which draws more kinds.
        title : str or None, optional
            None: solver, game and schedule.
        ax : matplotlib Axes or None, optional
            Where to draw; None: a new figure.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            matplotlib (extra `app`) is not there.
        ValueError
            Another picture.
        """
        from tmfcore import plotting

        check.as_choice(which, "which", PICTURES)
        name = self.solver.get("name", "")
        if title is None:
            played = ", ".join(part for part in (self.game, self.schedule) if part)
            title = f"{name}: {played}" if name and played else name or played
        if which == "flow":
            return self.flow.plot(title=title, ax=ax)
        tolerance = self.solver.get("tolerance")
        return plotting.exploitability(
            {name or "solver": (self.history["iteration"], self.history["exploitability"])},
            goal=None if tolerance is None else tolerance * abs(self.mean_return),
            goal_label="" if tolerance is None else f"{100 * tolerance:g}% of |mean return|:",
            relative=False,
            title=title,
            ax=ax,
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to `path` (npz), whole or not at all."""
        policy: SoftmaxPolicy | TabularPolicy = self.policy
        soft = isinstance(policy, SoftmaxPolicy)
        arrays: dict[str, npt.NDArray[Any]] = {
            "policy": policy.theta if isinstance(policy, SoftmaxPolicy) else policy.table
        }
        arrays |= {f"flow.{name}": array for name, array in self.flow._arrays().items()}
        arrays |= {f"history.{name}": array for name, array in self.history.items()}
        arrays |= {f"state.{name}": array for name, array in self.state.items()}
        header = {name: getattr(self, name) for name in _HEADER}
        header |= {"policy": "softmax" if soft else "tabular", "policy_horizon": self.policy.horizon}
        header["horizon"] = self.flow.horizon
        header |= appearance.to_header(self.flow)
        header["fingerprint"] = None if self.fingerprint is None else self.fingerprint.to_header()
        files.save_npz(path, arrays, {"kind": "solution", **header})

    @classmethod
    def _from_file(cls, arrays: dict[str, npt.NDArray[Any]], header: dict[str, Any]) -> Self:

        def group(prefix: str) -> dict[str, npt.NDArray[Any]]:
            return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}

        kind: Any = SoftmaxPolicy if header["policy"] == "softmax" else TabularPolicy
        fingerprint = Fingerprint.from_header(header)
        return cls(
            policy=kind(arrays["policy"], horizon=header["policy_horizon"]),
            flow=Flow._from_arrays(group("flow."), header, fingerprint and fingerprint.on("")),
            history=group("history."),
            state=group("state."),
            **{name: header[name] for name in _HEADER},
            fingerprint=fingerprint,
        )


_HEADER = (
    "converged",
    "reason",
    "best_iteration",
    "exploitability",
    "mean_return",
    "game",
    "schedule",
    "n_agents",
    "clock",
    "solver",
)


@dataclass(frozen=True, eq=False, repr=False)
class Iteration(Record):
    """One evaluated iteration, as a callback sees it.

    Parameters
    ----------
    iteration : int
        Number of updates made.
    exploitability, mean_return, sampled_return, learning_rate, seconds : float
        The row just added to Solution.history.
    solution : callable () -> Solution
        Builds the Solution so far: as of the time it is called, also after an interrupted solve.
    """

    iteration: int
    exploitability: float
    mean_return: float
    sampled_return: float
    learning_rate: float
    seconds: float
    solution: Callable[[], Solution]

    @property
    def relative_exploitability(self) -> float:
        """The ratio exploitability / |mean_return|."""
        return relative(self.exploitability, self.mean_return)


Callback: TypeAlias = Callable[[Iteration], object]


def relative(exploitability: float, mean_return: float) -> float:
    """The ratio exploitability / |mean_return|; 0 / 0 is 0 and anything else over 0 infinite."""
    if mean_return == 0:
        return 0.0 if exploitability == 0 else np.inf
    return exploitability / abs(mean_return)


def row_arrays(rows: list[list[float]], names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """History rows as arrays by column; iteration becomes int64."""
    table = np.array(rows, dtype=np.float64).reshape(len(rows), len(names))
    columns: dict[str, npt.NDArray[Any]] = {name: table[:, i].copy() for i, name in enumerate(names)}
    columns["iteration"] = columns["iteration"].astype(np.int64)
    return columns
