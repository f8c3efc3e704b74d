"""The Solution that solvers return, and the Iteration that their callbacks receive."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from tmfcore._base.functions import ConvergenceWarning
from tmfcore._base.types import Clock
from tmfcore._limit.flows import Flow
from tmfcore._limit.over_paths import NoiseExploitability
from tmfcore._model.fingerprint import Fingerprint
from tmfcore._model.noise_policy import NoisePolicy
from tmfcore._model.played import Played
from tmfcore._model.policies import SoftmaxPolicy, TabularPolicy
from tmfcore._results.records import Record
from tmfcore._results.result import Result
from tmfcore._results.tables import Table, Variable
from tmfcore.solvers._grid import Discretisation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from typing_extensions import TypeVar

    # Solution[TabularPolicy] of exact solvers, Solution[SoftmaxPolicy] of TMFPG; Solution is either.
    P = TypeVar("P", bound=SoftmaxPolicy | TabularPolicy, default=SoftmaxPolicy | TabularPolicy, covariant=True)
else:
    from typing import TypeVar

    P = TypeVar("P")

__all__ = ["Callback", "ConvergenceWarning", "Iteration", "P", "Solution"]

@dataclass(frozen=True, eq=False, repr=False)
class Solution(Result[Literal["exploitability", "flow", "policy"]], Played, Generic[P]):
    """The best policy that a solver found, and the history of the solve.

    Parameters
    ----------
    policy : SoftmaxPolicy, TabularPolicy, or NoisePolicy if the noise is random
        The iterate with the smallest exploitability.
    flow : Flow
        The mean-field flow of `policy` at every step; for a stationary equilibrium, one step from its distribution.
    history : dict of str to (n,) arrays
        One row per evaluated iteration: iteration (updates made); exploitability (in units of return) and mean_return
        of the policy in its own mean field; sampled_return (discounted return per agent, averaged over the sampled
        populations, which play the current iterate and not its average; mean_return if nothing is sampled);
        learning_rate of the update from that policy (in the last row, of the update that would have come next);
        seconds since the start of the solve; residual, the l1 distance between the flow at which the policy is judged
        and its image under the policy (0 over a finite horizon).
    converged : bool
        Whether the tolerance was met.
    reason : str
        Why the solver stopped; "relative" exploitability is divided by |mean return|, "absolute" is in units of return.
    best_iteration : int
        The iteration of `policy`.
    exploitability, mean_return : float
        Of `policy`, in its own mean field.
    game, schedule : str
        Name of the game, label of the schedule.
    n_agents : int or None
        N of the sampled population; exact solvers use the N given for active fractions only. None: the mean-field
        limit.
    clock : str
    solver : dict
        Name and hyperparameters of the solver.
    state : dict of str to arrays
        The state of the solver when it stopped; pass the Solution as `initial` to continue from it. Empty if that is
        impossible: an update was interrupted, or produced numbers that are not finite.
    discretisation : Discretisation or None
        Under Poisson clocks: the length of the steps on which the solver worked, what they say of `policy`, and by how
        much that differs from continuous time. `flow`, `exploitability`, `mean_return` and `converged` are those of
        continuous time; `history` is in steps.
    information : str
        If the noise is random, what the policy sees of it.
    paths : int or None
        The number of paths on which it was found; None: on all histories, exactly, or without random noise.
    judgement : NoiseExploitability or None
        Of a policy found on paths: what deviations gain on fresh ones. It decides `exploitability`, `mean_return` and
        `converged`.
    fingerprint : Fingerprint or None
        Of game, schedule, N and clock.

    Notes
    -----
    `plot` draws "exploitability", in units of return, against the iteration on a log scale, with the solver's tolerance
    if it has one; "flow", as `flow.plot()`, which has more kinds; or "policy", as `policy.plot()`.
    """

    RANGES: ClassVar[dict[str, str]] = {"finite": "exploitability mean_return"}

    policy: P = field(metadata={"kind": "SoftmaxPolicy | TabularPolicy | NoisePolicy"})
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
    clock: Clock = "schedule"
    solver: dict[str, Any] = field(default_factory=dict)
    state: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    discretisation: Discretisation | None = None
    information: str = ""
    paths: int | None = None
    judgement: NoiseExploitability | None = None
    fingerprint: Fingerprint | None = None

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "game", self.game
        yield "solver", str(self.solver.get("name", "no solver"))
        share = self.exploitability / abs(self.mean_return) if self.mean_return else float("nan")
        yield "exploitability", f"{self.exploitability:.1e}" + ("" if isnan(share) else f" = {100 * share:.2g}%")
        if self.discretisation is not None:
            yield "discretisation error", f"{self.discretisation.exploitability_error:+.1e}"
            yield "step", f"{self.discretisation.step:.3g}"
        if self.information:
            yield "sees", self.information + ("" if self.paths is None else f", found on {self.paths} paths")
        made = int(self.history["iteration"][-1]) if len(self.history.get("iteration", ())) else self.best_iteration
        yield "stopped", f"{'converged' if self.converged else 'not converged'} in {made}"

    def _table(self) -> Table:
        history = dict(self.history)
        iteration = history.pop("iteration", np.zeros(0, np.int64))
        columns: dict[str, Variable] = {name: (("iteration",), column) for name, column in history.items()}
        flow, own = self.flow._table(), super()._table()
        about = own.attributes or {name: array.item() for name, (_, array) in own.variables.items()}
        return flow | Table({"iteration": iteration}, columns, next(iter(columns), "mu"), {}, about)

    @property
    def relative_exploitability(self) -> float:
        """The ratio exploitability / |mean_return|."""
        return relative(self.exploitability, self.mean_return)

    def _picture(self, kind: str, **style: Any) -> Axes:
        from tmfcore import plotting

        if kind == "flow":
            return self.flow.plot(**style)
        if kind == "policy":
            policy: Any = self.policy
            if isinstance(policy, NoisePolicy):
                return policy._drawn(None, **style)
            return self.policy._drawn(None, appearance=self.flow, **style)
        from tmfcore.plotting._canvas import style_of

        tolerance = self.solver.get("tolerance")
        label = style.pop("label")
        style_of(label, None)
        return plotting.exploitability(
            {label or self.solver.get("name", "solver"): (self.history["iteration"], self.history["exploitability"])},
            goal=None if tolerance is None else tolerance * abs(self.mean_return),
            goal_label=None if tolerance is None else f"{100 * tolerance:g}% of |mean return|:",
            relative=False,
            **style,
        )


@dataclass(frozen=True, eq=False, repr=False)
class Iteration(Record):
    """One evaluated iteration, the argument of a callback.

    Parameters
    ----------
    iteration : int
        Number of updates made.
    exploitability, mean_return, sampled_return, learning_rate, seconds : float
        The row just added to Solution.history.
    solution : callable () -> Solution
        Returns the Solution so far, as of the time of the call; also works after an interrupted solve.
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
    """The ratio exploitability / |mean_return|; 0 / 0 is 0, anything else divided by 0 is infinite."""
    if mean_return == 0:
        return 0.0 if exploitability == 0 else np.inf
    return exploitability / abs(mean_return)


def row_arrays(rows: list[list[float]], names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """History rows as arrays by column; iteration becomes int64."""
    table = np.array(rows, dtype=np.float64).reshape(len(rows), len(names)).T.copy()
    columns: dict[str, npt.NDArray[Any]] = dict(zip(names, table, strict=True))
    columns["iteration"] = columns["iteration"].astype(np.int64)
    return columns
