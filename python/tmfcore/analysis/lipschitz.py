"""How strongly a game couples its agents: Lipschitz constants, exact for affine games, lower bounds otherwise.

    lipschitz(...) -> Lipschitz     of rewards and rows in mu, and of the flow map Phi_t
    bound(...) -> Bound             the worst-case error of N agents, beside the predicted and the measured one

Lower bounds are slopes that were seen, and are named as such wherever they are used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tmfcore import _appearance, _rng
from tmfcore import _validation as check
from tmfcore._functions import fits_memory, takes_rng
from tmfcore._policy import Policy
from tmfcore._records import Record
from tmfcore._validation import FloatArray
from tmfcore.analysis import _tables
from tmfcore.analysis.fluctuations import Fluctuations, fluctuations
from tmfcore.game import Game
from tmfcore.meanfield import active_fractions
from tmfcore.policy import as_policy
from tmfcore.schedule import Bernoulli, Schedule
from tmfcore.simulate import simulate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Bound", "Lipschitz", "bound", "lipschitz"]

PROBES = 8  # random populations at which affinity is checked, each step
EXACT, LOWER = "exact", "lower bound"


@dataclass(frozen=True, eq=False)
class Lipschitz(Record):
    """Lipschitz constants in mu, distances of populations in the l1 norm unless said otherwise.

    Parameters
    ----------
    reward : float
        Of r(o,a,.) and r0(o,.), whichever is larger, over all o, a, t; in units of reward.
    transition : float
        Of the rows P(.|o,a,.) and P0(.|o,.) in the l1 norm.
    flow : (T,) float64
        Of Phi_t in the l1 norm.
    flow_euclidean : (T,) float64
        Of Phi_t in the Euclidean norm.
    reward_kind, transition_kind, flow_kind : {"exact", "lower bound"}
        A lower bound is the largest slope between sampled populations: the constant may be larger.
    """

    reward: float
    transition: float
    flow: FloatArray
    flow_euclidean: FloatArray
    reward_kind: str
    transition_kind: str
    flow_kind: str

    def __str__(self) -> str:
        return (
            f"reward {self.reward:.4g} ({self.reward_kind}), "
            f"transition {self.transition:.4g} ({self.transition_kind}), "
            f"flow {self.flow.max():.4g} in l1, {self.flow_euclidean.max():.4g} Euclidean ({self.flow_kind})"
        )

    def plot(self, *, title: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw the constants of the flow against time, and the level 1 below which a step contracts.

        Parameters
        ----------
        title : str or None, optional
            None: which constants they are.
        ax : matplotlib Axes or None, optional
            Where to draw; None: a new figure.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            matplotlib (extra `app`) is not there.
        """
        from tmfcore import plotting

        return plotting.by_step(
            {"l1 norm": self.flow, "Euclidean norm": self.flow_euclidean}, 1.0, level_label="1: contracts below",
            quantity="Lipschitz constant of \u03a6", ax=ax,
            title=f"Lipschitz constants of the flow ({self.flow_kind})" if title is None else title,
        )  # fmt: skip


@takes_rng
@fits_memory("trials must be fewer")
def lipschitz(
    game: Game,
    policy: object,
    schedule: Schedule,
    n_agents: int | None = None,
    *,
    trials: int = 200,
    rng: _rng.RNG = None,
) -> Lipschitz:
    """Lipschitz constants of rewards, rows and the flow map: exact for affine games, else lower bounds, named as such.

    Parameters
    ----------
    game : Game
    policy : TabularPolicy, SoftmaxPolicy, Solution, (S, A) or (L, S, A) floats, or callable f(mu, t) -> (S, A)
    schedule : Schedule
    n_agents : int or None, optional
        Turns batch sizes into fractions, as in mean_field.
    trials : int, optional
        Pairs of populations a step, half of them near each other, for what is not affine.
    rng : int, Generator, SeedSequence or None, optional

    Returns
    -------
    Lipschitz

    Raises
    ------
    TypeError, ValueError
        Bad arguments; what the game's own functions raise.

    Notes
    -----
    A constant of an affine function is attained between two corners of the simplex, so it is the largest difference
    there, over || e_y - e_z ||_1 = 2. If the rows are affine in mu and the policy does not depend on it, Phi_t is
    quadratic and its Jacobian affine: the norm of the Jacobian on differences of populations is convex in mu, so it
    is largest at a corner. Games made by games.affine, and their like, are affine by construction
    (`game.model.affine`); of others it is checked at 8 random populations a step. Cost: O(T S) tables of the game and
    O(T S^4) for the Jacobians (where nothing depends on t, one for each active fraction and stage of the policy, and
    O(S) tables), or O(T trials) tables.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), 2.0)
    >>> print(tmf.analysis.lipschitz(game, tmf.TabularPolicy.uniform(game), tmf.Fraction(0.1)))
    reward 1 (exact), transition 0 (exact), flow 0.9 in l1, 0.9 Euclidean (exact)
    """
    check.as_instance(game, "game", Game)
    kernel = as_policy(policy, game)
    beta = np.broadcast_to(active_fractions(game, schedule, n_agents), (game.horizon,))
    trials = check.as_positive_int(trials, "trials")
    probing, sampling = _rng.generators(rng, 2)
    populations = _tables.random_populations(probing, PROBES, game.n_observations)
    pairs = _pairs(sampling, trials, game.n_observations)

    reward, reward_kind = (0.0, EXACT) if game.model.constant else _constant(game, _tables.rewards, populations, pairs)
    transition, transition_kind = 0.0, EXACT
    if not game.model.constant_transition:
        transition, transition_kind = _constant(game, _tables.rows, populations, pairs)
    if kernel.depends_on_mu or transition_kind == LOWER:
        flow = _sampled_flow(game, kernel, beta, pairs)
        flow_kind = LOWER
    else:
        flow = _exact_flow(game, kernel, beta)
        flow_kind = EXACT
    return Lipschitz(reward, transition, flow[:, 0], flow[:, 1], reward_kind, transition_kind, flow_kind)


def _pairs(generator: np.random.Generator, trials: int, size: int) -> FloatArray:
    """(trials, 2, S) populations, every other pair near each other."""
    pairs = np.stack([_tables.random_populations(generator, trials, size) for _ in range(2)], axis=1)
    pairs[::2, 1] = 0.99 * pairs[::2, 0] + 0.01 * pairs[::2, 1]
    return pairs


def _constant(game: Game, what: object, populations: FloatArray, pairs: FloatArray) -> tuple[float, str]:
    """Constant of the tables over all steps, and its kind."""
    largest, kind = 0.0, EXACT
    for t in _tables.steps(game):
        at_corners = _tables.corners(game, what, t)
        # Differences of rows are measured in l1 over successors, of rewards by themselves.
        summed = what is _tables.rows
        for table in at_corners:
            for y in range(1, len(table)):
                gap = np.abs(table[y] - table[:y])
                largest = max(largest, float((gap.sum(axis=-1) if summed else gap).max()) / 2)
        if _tables.is_affine(game, what, at_corners, populations, t):
            continue
        kind = LOWER
        for mu, nu in pairs:
            width = float(np.abs(mu - nu).sum())
            for a, b in zip(what(game, mu, t), what(game, nu, t), strict=True):  # type: ignore[operator]
                gap = np.abs(a - b)
                largest = max(largest, float((gap.sum(axis=-1) if summed else gap).max()) / width)
    return largest, kind


def _exact_flow(game: Game, kernel: Policy, beta: FloatArray) -> FloatArray:
    """(T, 2) constants of Phi_t, l1 and Euclidean; rows affine in mu, policy independent of it."""
    size = game.n_observations
    out = np.empty((game.horizon, 2))
    fixed = game.model.constant_transition
    known: dict[tuple[float, int], FloatArray] = {}
    for t in range(game.horizon):
        key = float(beta[t]), t * kernel.n_stages // game.horizon
        if not (fixed or game.model.affine) or key not in known:
            pi = kernel.probabilities(game.initial, t, game.horizon)
            mixed = []
            for corner in np.eye(size)[: 1 if fixed else size]:
                active, passive = _tables.rows(game, corner, t)
                mixed.append(beta[t] * np.einsum("oa,oax->ox", pi, active) + (1 - beta[t]) * passive)
            at = np.stack(mixed)
            if fixed:
                jacobians = at.swapaxes(1, 2)
            else:  # column y at e_w: K(e_w)[y] + K(e_y)[w]
                jacobians = (at + at.swapaxes(0, 1)).swapaxes(1, 2)
            known[key] = np.array([max(norm(j) for j in jacobians) for norm in (_norm_l1, _norm_euclidean)])
        out[t] = known[key]
    return out


def _norm_l1(jacobian: FloatArray) -> float:
    """Largest || J v ||_1 / || v ||_1 over v that sum to 0."""
    columns = jacobian.T
    gaps = (np.abs(columns[y] - columns[:y]).sum(axis=-1).max() for y in range(1, len(columns)))
    return float(max(gaps, default=0.0)) / 2


def _norm_euclidean(jacobian: FloatArray) -> float:
    """Largest || J v ||_2 / || v ||_2 over v that sum to 0."""
    n = len(jacobian)
    return float(np.linalg.norm(jacobian @ (np.eye(n) - 1 / n), 2)) if n > 1 else 0.0


def _sampled_flow(game: Game, kernel: Policy, beta: FloatArray, pairs: FloatArray) -> FloatArray:
    """(T, 2) largest slopes of Phi_t between sampled populations, l1 and Euclidean."""
    out = np.zeros((game.horizon, 2))
    for t in range(game.horizon):
        for pair in pairs:
            images = []
            for mu in pair:
                pi = kernel.probabilities(mu, t, game.horizon)
                active, passive = _tables.rows(game, mu, t)
                mixed = beta[t] * np.einsum("oa,oax->ox", pi, active) + (1 - beta[t]) * passive
                images.append(mu @ mixed)
            gap, width = images[0] - images[1], pair[0] - pair[1]
            out[t, 0] = max(out[t, 0], float(np.abs(gap).sum() / np.abs(width).sum()))
            out[t, 1] = max(out[t, 1], float(np.linalg.norm(gap) / np.linalg.norm(width)))
    return out


# --------------------------------------------------------------------------------------------------- the bound


@dataclass(frozen=True, eq=False)
class Bound(Record):
    """Worst case, prediction and (if asked for) measurement of E || mu-hat_t - mu_t ||_1.

    Parameters
    ----------
    l1 : (T+1,) float64
        err_{t+1} <= L_t err_t + sqrt(S q_t / N), with L_t the l1 constant of Phi_t: errors of the steps add up.
    euclidean : (T+1,) float64
        sqrt(S v_t), v_{t+1} <= L_t^2 v_t + q_t / N with the Euclidean constant: their squares add up.
    noise : (T,) float64
        q_t, the largest trace of the step's covariance C_t(mu) over mu, or a bound on it.
    predicted : Fluctuations
        `predicted.error()` is the prediction.
    measured, measured_se : (T+1,) float64 or None
        Mean over replicas and its standard error.
    lipschitz : Lipschitz
    rigorous : bool
        Whether the constants of the flow are exact. If not, `l1` and `euclidean` are estimates, no bounds.
    n_agents : int
    """

    l1: FloatArray
    euclidean: FloatArray
    noise: FloatArray
    predicted: Fluctuations
    measured: FloatArray | None
    measured_se: FloatArray | None
    lipschitz: Lipschitz
    rigorous: bool
    n_agents: int

    @property
    def worst_case(self) -> FloatArray:
        """The smaller of the two, and of 2, which no distance of distributions exceeds; (T+1,)."""
        return np.minimum(np.minimum(self.l1, self.euclidean), 2.0)

    @property
    def stays_bounded(self) -> bool:
        """Whether the bound has a limit as the horizon grows: Phi_t contracts, in one of the norms, at every step."""
        return bool(self.lipschitz.flow.max() < 1 or self.lipschitz.flow_euclidean.max() < 1)

    @property
    def limit(self) -> float:
        """What the bound cannot exceed however long the game, from an exact start; inf where it grows without end.

        sqrt(S q / N) / (1 - L) in l1 or sqrt(S q / (N (1 - L^2))) in the Euclidean norm. When B agents act a step and
        the others stay, 1 - L = (1 - l) B / N with l the constant of a sweep in which all act, and q is of order B / N:
        the first is of order sqrt(S / B) / (1 - l), which batches that grow with N keep small, the second of order
        sqrt(S / N) / sqrt(1 - l) whatever B.
        """
        size = self.predicted.mu.shape[1]
        share = size * float(self.noise.max()) / self.n_agents
        limits = []
        for constants, power in ((self.lipschitz.flow, 1), (self.lipschitz.flow_euclidean, 2)):
            largest = float(constants.max())
            if largest < 1:
                limits.append(np.sqrt(share) / (1 - largest) if power == 1 else np.sqrt(share / (1 - largest**2)))
        return float(min(limits)) if limits else np.inf

    def plot(self, *, title: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw worst case, prediction and measurement against time, on a log scale.

        Parameters
        ----------
        title : str or None, optional
            None: game, schedule and N.
        ax : matplotlib Axes or None, optional
            Where to draw; None: a new figure.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            matplotlib (extra `app`) is not there.
        """
        from tmfcore import plotting

        times = self.predicted.steps * self.predicted.step
        word = "worst case" if self.rigorous else "worst case (estimate)"
        lines = {word: self.worst_case, "predicted": self.predicted.error()}
        if self.measured is not None:
            lines["measured"] = self.measured
        if title is None:
            agents = f"N = {self.n_agents:,} agents"
            title = ", ".join(part for part in (self.predicted.game, self.predicted.schedule, agents) if part)
        return plotting.bound(times, lines, unit=_appearance.unit_of(self.predicted.step), title=title, ax=ax)


@takes_rng
@fits_memory("trials or replicas must be fewer")
def bound(
    game: Game,
    policy: object,
    schedule: Schedule,
    n_agents: int,
    *,
    start: str = "rounded",
    replicas: int = 0,
    trials: int = 200,
    rng: _rng.RNG = None,
) -> Bound:
    """Bound E || mu-hat_t - mu_t ||_1 in the worst case, beside the predicted and the measured error.

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
        Populations simulated to measure the error, 0 or at least 2.
    trials : int, optional
        As in lipschitz.
    rng : int, Generator, SeedSequence or None, optional

    Returns
    -------
    Bound

    Raises
    ------
    TypeError, ValueError
        Bad arguments; what the game's own functions raise.

    Notes
    -----
    Given mu-hat_t, mu-hat_{t+1} is Phi_t(mu-hat_t) plus noise of mean 0 and covariance C_t(mu-hat_t) / N (theory.md
    section 6). So errors obey err_{t+1} <= L_t err_t + E || noise ||_1, and, the noise being orthogonal to the past,
    mean squares obey v_{t+1} <= L_t^2 v_t + trace / N. Traces are bounded over all mu from the rows where these do
    not depend on mu, and by that of the uniform law, 1 - 1/S a row, otherwise.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), 1.0)
    >>> found = tmf.analysis.bound(game, tmf.TabularPolicy.uniform(game), tmf.Batch(100), 1000)
    >>> found.rigorous, found.stays_bounded
    (True, True)
    >>> print(f"{found.predicted.error()[-1]:.3f} <= {found.worst_case[-1]:.3f} <= {found.limit:.3f}")
    0.043 <= 0.054 <= 0.055
    """
    n_agents = check.as_positive_int(n_agents, "n_agents")
    replicas = check.as_int(replicas, "replicas", low=0)
    if replicas == 1:
        raise ValueError("replicas is 1; must be 0 (no measurement) or at least 2")
    bounding, measuring = _rng.generators(rng, 2)
    constants = lipschitz(game, policy, schedule, n_agents, trials=trials, rng=bounding)
    predicted = fluctuations(game, policy, schedule, n_agents, start=start)
    kernel = as_policy(policy, game)
    beta = np.broadcast_to(active_fractions(game, schedule, n_agents), (game.horizon,))
    noise = _traces(game, kernel, beta, n_agents, isinstance(schedule, Bernoulli))

    size = game.n_observations
    l1, squares = np.empty(game.horizon + 1), np.empty(game.horizon + 1)
    off = predicted.bias[0] / n_agents
    squares[0] = off @ off + np.trace(predicted.covariance[0]) / n_agents
    l1[0] = np.abs(off).sum() if start == "rounded" else np.sqrt(size * squares[0])
    for t in range(game.horizon):
        l1[t + 1] = constants.flow[t] * l1[t] + np.sqrt(size * noise[t] / n_agents)
        squares[t + 1] = constants.flow_euclidean[t] ** 2 * squares[t] + noise[t] / n_agents
    measured = se = None
    if replicas:
        run = simulate(
            game, policy, schedule, n_agents, replicas=replicas, start=start, rng=measuring, decisions=False
        )
        seen = predicted.compare(run)
        measured, se = seen.error_measured, seen.error_se
    return Bound(
        l1=l1,
        euclidean=np.sqrt(size * squares),
        noise=noise,
        predicted=predicted,
        measured=measured,
        measured_se=se,
        lipschitz=constants,
        rigorous=constants.flow_kind == EXACT,
        n_agents=n_agents,
    )


def _traces(game: Game, kernel: Policy, beta: FloatArray, n_agents: int, coins: bool) -> FloatArray:
    """(T,) bounds over mu on the trace of C_t(mu) of theory.md section 6."""
    size = game.n_observations
    ratio = 1.0 if coins or n_agents == 1 else n_agents / (n_agents - 1)
    out = np.empty(game.horizon)
    known: dict[tuple[float, int], float] = {}
    fixed = game.model.constant_transition and not kernel.depends_on_mu
    spread = 1 - 1 / size  # of the uniform law; no law has a larger trace
    for t in range(game.horizon):
        who = beta[t] * (1 - beta[t]) * ratio
        if not fixed:
            still = game.model.passive_identity
            out[t] = beta[t] * spread + (1 - beta[t]) * (0.0 if still else spread) + 2 * who
            continue
        key = float(beta[t]), t * kernel.n_stages // game.horizon
        if key not in known:
            active, passive = _tables.rows(game, game.initial, t)
            acting = np.einsum("oa,oax->ox", kernel.probabilities(game.initial, t, game.horizon), active)
            each = beta[t] * (1 - (acting**2).sum(axis=1)) + (1 - beta[t]) * (1 - (passive**2).sum(axis=1))
            known[key] = float((each + who * ((acting - passive) ** 2).sum(axis=1)).max())
        out[t] = known[key]
    return out
