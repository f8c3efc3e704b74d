"""The worst-case error of a finite population, with the predicted and the measured error.

bound(...) -> Bound     bounds if the Lipschitz constants of the flow are exact, else estimates marked as such
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base.functions import SMALLER_GAME, fits_memory, takes_rng
from tmfcore._base.types import Engine, Start
from tmfcore._base.validation import FloatArray
from tmfcore._limit.checks import active_fractions
from tmfcore._limit.sizes import fluctuation_needs
from tmfcore._model import appearance
from tmfcore._model.activation import ActingShares
from tmfcore._model.game import Game, in_steps
from tmfcore._model.policies import PolicyLike, as_policy
from tmfcore._model.policy import Policy
from tmfcore._model.schedules import Active, Bernoulli, Schedule, share_at
from tmfcore._population.simulate import simulate
from tmfcore._random import seeding
from tmfcore._results.confidence import Interval, as_confidence, student_of_logs
from tmfcore._results.result import Result
from tmfcore._results.tables import Variable
from tmfcore.analysis import _corners
from tmfcore.analysis.fluctuations import Fluctuations, fluctuations
from tmfcore.analysis.lipschitz import EXACT, Lipschitz, lipschitz

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Bound", "bound"]


@dataclass(frozen=True, eq=False, repr=False)
class Bound(Result[Literal["error"]]):
    """Worst case, prediction and (if asked for) measurement of E || mu-hat_t - mu_t ||_1.

    Parameters
    ----------
    l1 : (T+1,) float64
        Bound from err_{t+1} <= L_t err_t + sqrt(S q_t / N), with L_t the l1 constant of Phi_t: errors of steps add up.
    euclidean : (T+1,) float64
        Bound sqrt(S v_t), v_{t+1} <= L_t^2 v_t + q_t / N with the Euclidean constant: squared errors add up.
    noise : (T,) float64
        q_t, the largest trace of the step's covariance C_t(mu) over mu, or a bound on it.
    predicted : Fluctuations
        The prediction is `predicted.error()`.
    measured, measured_se : (T+1,) float64 or None
        Mean over replicas and its standard error.
    replicas : int
        Number of replicas of the measurement; 0 without one.
    lipschitz : Lipschitz
    rigorous : bool
        Whether the Lipschitz constants of the flow are exact. They are not if transitions are Python callables, or
        compiled functions without a declaration, or if the policy depends on mu. Then `l1`, `euclidean`,
        `stays_bounded` and `limit` are estimates from the steepest slopes found, not bounds.
    n_agents : int

    Notes
    -----
    `plot` draws worst case, prediction and measurement against time, on a log scale.
    """

    SHAPES: ClassVar[dict[str, str]] = {
        "l1": "T+1", "euclidean": "T+1", "noise": "T", "measured": "T+1", "measured_se": "T+1",
    }  # fmt: skip

    l1: FloatArray
    euclidean: FloatArray
    noise: FloatArray
    predicted: Fluctuations
    measured: FloatArray | None
    measured_se: FloatArray | None
    replicas: int
    lipschitz: Lipschitz
    rigorous: bool
    n_agents: int

    @property
    def worst_case(self) -> FloatArray:
        """The smallest of `l1`, `euclidean` and 2, the largest distance of two distributions; (T+1,)."""
        return np.minimum(np.minimum(self.l1, self.euclidean), 2.0)

    @property
    def stays_bounded(self) -> bool:
        """Whether the bound stays finite as the horizon grows: Phi_t is a contraction for all t in one of the norms."""
        return bool(self.lipschitz.flow.max() < 1 or self.lipschitz.flow_euclidean.max() < 1)

    @property
    def limit(self) -> float:
        """The limit of the bound as the horizon grows, for an exact start; inf if there is none.

        sqrt(S q / N) / (1 - L) in l1 or sqrt(S q / (N (1 - L^2))) in the Euclidean norm. If B agents act per step and
        the others stay, 1 - L = (1 - l) B / N with l the constant of a sweep in which all act, and q is of order B / N.
        The first limit is then of order sqrt(S / B) / (1 - l), which is small if batches grow with N; the second is of
        order sqrt(S / N) / sqrt(1 - l) for every B.
        """
        size = self.predicted.mu.shape[1]
        share = size * float(self.noise.max()) / self.n_agents
        limits = []
        for constants, power in ((self.lipschitz.flow, 1), (self.lipschitz.flow_euclidean, 2)):
            largest = float(constants.max())
            if largest < 1:
                limits.append(np.sqrt(share) / (1 - largest) if power == 1 else np.sqrt(share / (1 - largest**2)))
        return float(min(limits)) if limits else np.inf

    def interval(self, confidence: float = 0.95) -> Interval:
        """Confidence interval of the measured error at each time, (T+1,): Student's interval of its logarithm.

        Parameters
        ----------
        confidence : float, optional
            In (0, 1).

        Returns
        -------
        Interval
            With replicas - 1 degrees of freedom. If all replicas agree, as at a rounded start, both ends are the error
            itself.

        Raises
        ------
        ValueError
            Nothing was measured, or confidence is out of bounds.
        """
        confidence = as_confidence(confidence)
        if self.measured is None or self.measured_se is None:
            raise ValueError("nothing was measured; call analysis.bound with replicas >= 2")
        relative = np.divide(
            self.measured_se, self.measured, out=np.zeros_like(self.measured), where=self.measured > 0
        )
        return student_of_logs(self.measured, relative, self.replicas - 1, confidence)

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "game", self.predicted.game
        yield "N", self.n_agents
        yield "schedule", self.predicted.schedule
        word = "worst case" if self.rigorous else "worst case (estimate)"
        yield word, f"{self.worst_case[-1]:.4g} at T"
        yield "predicted", f"{self.predicted.error()[-1]:.4g}"
        yield "measured", None if self.measured is None else f"{self.measured[-1]:.4g}"

    def _variables(self) -> dict[str, Variable]:
        known = super()._variables()
        dims = known["l1"][0]
        return {"worst_case": (dims, self.worst_case), "predicted": (dims, self.predicted.error()), **known}

    def _axes(self) -> appearance.Coordinates:
        return self.predicted._axes()

    def _title(self) -> str:
        return self.predicted._title()

    def _picture(self, kind: str, **style: Any) -> Axes:
        from tmfcore import plotting

        word = "worst case" if self.rigorous else "worst case (estimate)"
        lines = {word: self.worst_case, "predicted": self.predicted.error()}
        if self.measured is not None:
            lines["measured"] = self.measured
        return plotting.bound(self.predicted.times, lines, unit=self.predicted.time, **style)


@takes_rng
@fits_memory(f"trials or replicas must be fewer, or {SMALLER_GAME}", asks=True)
def bound(
    game: Game,
    policy: PolicyLike,
    schedule: Schedule,
    n_agents: int,
    *,
    start: Start = "rounded",
    replicas: int = 0,
    engine: Engine = "auto",
    trials: int = 200,
    rng: seeding.RNG = None,
    threads: int | None = None,
) -> Bound:
    """Bound the worst case of E || mu-hat_t - mu_t ||_1; also predict it, and measure it if asked.

    Parameters
    ----------
    game : Game
    policy : TabularPolicy, SoftmaxPolicy, Solution, (S, A) or (L, S, A) floats, or callable f(mu, t) -> (S, A)
    schedule : Schedule
    n_agents : int
        N.
    start : {"rounded", "sampled"}, optional
        As in simulate.
    replicas : int, optional
        Populations simulated to measure the error, 0 (none) or at least 2.
    engine, threads : optional
        As in simulate; only used with replicas.
    trials : int, optional
        As in lipschitz.
    rng : int, Generator, SeedSequence or None, optional

    Returns
    -------
    Bound

    Raises
    ------
    TypeError, ValueError
        An argument is bad, or a function of the game raises.

    Notes
    -----
    Given mu-hat_t, mu-hat_{t+1} is Phi_t(mu-hat_t) plus noise of mean 0 and covariance C_t(mu-hat_t) / N (Theory,
    section 6). Hence err_{t+1} <= L_t err_t + E || noise ||_1. The noise is orthogonal to the past, hence mean squares
    obey v_{t+1} <= L_t^2 v_t + trace / N. The traces are bounded over all mu: from the rows if these do not depend on
    mu, else by the trace of the uniform law, 1 - 1/S per row.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0)
    >>> found = tmf.analysis.bound(game, tmf.TabularPolicy.uniform(game), tmf.Batch(100), 1000)
    >>> found.rigorous, found.stays_bounded
    (True, True)
    >>> print(f"{found.predicted.error()[-1]:.3f} <= {found.worst_case[-1]:.3f} <= {found.limit:.3f}")
    0.044 <= 0.055 <= 0.055
    """
    n_agents = check.as_positive_int(n_agents, "n_agents")
    replicas = check.as_int(replicas, "replicas", low=0)
    if replicas == 1:
        raise ValueError("replicas is 1; must be 0 (no measurement) or at least 2")
    bounding, measuring = seeding.generators(rng, 2)
    game = in_steps(game, schedule, n_agents)
    measured_on = {"counts": (32, replicas, game.n_steps + 1, game.n_observations)} if replicas else {}
    needs.ask(fluctuation_needs(game.model, game.n_steps) | measured_on)
    constants = lipschitz(game, policy, schedule, n_agents, trials=trials, rng=bounding)
    predicted = fluctuations(game, policy, schedule, n_agents, start=start)
    kernel = as_policy(policy, game)
    active = active_fractions(game, schedule, n_agents)
    noise = _traces(game, kernel, active, n_agents, isinstance(schedule, Bernoulli))

    size = game.n_observations
    l1, squares = np.empty(game.n_steps + 1), np.empty(game.n_steps + 1)
    off = predicted.bias[0] / n_agents
    squares[0] = off @ off + np.trace(predicted.covariance[0]) / n_agents
    l1[0] = np.abs(off).sum() if start == "rounded" else np.sqrt(size * squares[0])
    for t in range(game.n_steps):
        l1[t + 1] = constants.flow[t] * l1[t] + np.sqrt(size * noise[t] / n_agents)
        squares[t + 1] = constants.flow_euclidean[t] ** 2 * squares[t] + noise[t] / n_agents
    measured = se = None
    if replicas:
        run = simulate(
            game, policy, schedule, n_agents, replicas=replicas, engine=engine, start=start, rng=measuring,
            threads=threads, decisions=False,
        )  # fmt: skip
        seen = predicted.compare(run)
        measured, se = seen.error_measured, seen.error_se
    return Bound(
        l1=l1,
        euclidean=np.sqrt(size * squares),
        noise=noise,
        predicted=predicted,
        measured=measured,
        measured_se=se,
        replicas=replicas or 0,
        lipschitz=constants,
        rigorous=constants.flow_kind == EXACT,
        n_agents=n_agents,
    )


def _traces(game: Game, kernel: Policy, active: Active, n_agents: int, coins: bool) -> FloatArray:
    """(T,) bounds over mu on the trace of C_t(mu) of Theory, section 6."""
    size = game.n_observations
    ratio = 1.0 if coins or n_agents == 1 else n_agents / (n_agents - 1)
    out = np.empty(game.n_steps)
    known: dict[tuple[bytes, int], float] = {}
    by_population = isinstance(active, ActingShares) and active.depends_on_mu
    fixed = game.model.constant_transition and not kernel.depends_on_mu
    spread = 1 - 1 / size  # trace of the uniform law; no law has a larger one
    for t in range(game.n_steps):
        if by_population:  # any beta in [0, 1]
            out[t] = spread + 2 * 0.25 * ratio
            continue
        beta = share_at(active, game.initial, t)
        who = beta * (1 - beta) * ratio
        if not fixed:
            still = game.model.passive_identity
            out[t] = (beta * spread + (1 - beta) * (0.0 if still else spread) + 2 * who).max()
            continue
        key = beta.tobytes(), t * kernel.n_stages // game.n_steps
        if key not in known:
            rows, passive = _corners.rows(game, game.initial, t)
            acting = np.einsum("oa,oax->ox", kernel.probabilities(game.initial, t, game.n_steps), rows)
            each = beta * (1 - (acting**2).sum(axis=1)) + (1 - beta) * (1 - (passive**2).sum(axis=1))
            known[key] = float((each + who * ((acting - passive) ** 2).sum(axis=1)).max())
        out[t] = known[key]
    return out
