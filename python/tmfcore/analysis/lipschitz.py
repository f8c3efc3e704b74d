"""Lipschitz constants of a game in mu: exact if the game declares enough, else lower bounds.

    lipschitz(...) -> Lipschitz     of rewards and rows in mu, and of the flow map Phi_t

Lower bounds are the largest slopes found by a search; results mark them as "lower bound".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base.functions import SMALLER_GAME, fits_memory, takes_rng
from tmfcore._base.validation import FloatArray
from tmfcore._limit.checks import active_fractions
from tmfcore._limit.mean_field import mean_field
from tmfcore._limit.sizes import Needs, kernel_needs
from tmfcore._model.activation import ActingShares
from tmfcore._model.game import Game, in_steps
from tmfcore._model.policies import PolicyLike, as_policy
from tmfcore._model.policy import Policy
from tmfcore._model.schedules import Active, Schedule, share_at
from tmfcore._random import seeding
from tmfcore._results.result import Result
from tmfcore.analysis import _corners, _slopes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["EXACT", "LOWER", "Lipschitz", "lipschitz"]

EXACT, LOWER = "exact", "lower bound"
SEEN = 23  # tables that a search along a line keeps and works with: more than those of its first points, fewer than all
BY_LAPACK = 300  # largest matrix whose singular values are computed by one call, in some milliseconds
ROUNDING = 1e-14  # bound on rounding errors of differences of numbers near 1


@dataclass(frozen=True, eq=False, repr=False)
class Lipschitz(Result[Literal["flow"]]):
    """Lipschitz constants in mu. Distances of populations are in the l1 norm unless stated otherwise.

    Parameters
    ----------
    reward : float
        The largest constant of r(o,a,.) and r0(o,.) over all o, a, t; in units of reward.
    transition : float
        The largest constant of the rows P(.|o,a,.) and P0(.|o,.) in the l1 norm.
    flow : (T,) float64
        The constants of Phi_t in the l1 norm.
    flow_euclidean : (T,) float64
        The constants of Phi_t in the Euclidean norm.
    reward_kind, transition_kind, flow_kind : {"exact", "lower bound"}
        "exact" follows from what the game declares (`game.model.constant_reward`, `constant_transition`, `affine`);
        Python callables and compiled functions without a declaration are never "exact". A "lower bound" is the steepest
        slope that a search found: the constant may be larger.

    Notes
    -----
    `plot` draws the constants of the flow against time, and the level 1, below which a step is a contraction.
    """

    SHAPES: ClassVar[dict[str, str]] = {"flow": "T", "flow_euclidean": "T"}

    reward: float
    transition: float
    flow: FloatArray
    flow_euclidean: FloatArray
    reward_kind: str
    transition_kind: str
    flow_kind: str

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "reward", f"{self.reward:.4g} ({self.reward_kind})"
        yield "transition", f"{self.transition:.4g} ({self.transition_kind})"
        yield "flow", f"{self.flow.max():.4g} in l1, {self.flow_euclidean.max():.4g} Euclidean ({self.flow_kind})"

    def __str__(self) -> str:
        return ", ".join(f"{name} {text}" for name, text in self._facts())

    def _title(self) -> str:
        return f"Lipschitz constants of the flow ({self.flow_kind})"

    def _picture(self, kind: str, **style: Any) -> Axes:
        from tmfcore import plotting

        return plotting.by_step(
            {"l1 norm": self.flow, "Euclidean norm": self.flow_euclidean}, 1.0, level_label="1: contracts below",
            quantity="Lipschitz constant of \u03a6", **style,
        )  # fmt: skip


@takes_rng
@fits_memory(f"trials must be fewer, or {SMALLER_GAME}", asks=True)
def lipschitz(
    game: Game,
    policy: PolicyLike,
    schedule: Schedule,
    n_agents: int | None = None,
    *,
    trials: int = 200,
    rng: seeding.RNG = None,
) -> Lipschitz:
    """Lipschitz constants of rewards, rows and the flow map: exact if the game declares enough, else lower bounds.

    Parameters
    ----------
    game : Game
    policy : TabularPolicy, SoftmaxPolicy, Solution, (S, A) or (L, S, A) floats, or callable f(mu, t) -> (S, A)
    schedule : Schedule
    n_agents : int or None, optional
        N, for the active fractions B / N of batches, as in mean_field.
    trials : int, optional
        Number of populations, at least 2, at which each step is evaluated to search for a constant that is not exact.
    rng : int, Generator, SeedSequence or None, optional

    Returns
    -------
    Lipschitz

    Raises
    ------
    TypeError, ValueError
        An argument is bad, or a function of the game raises.

    Notes
    -----
    The constant of an affine function is attained between two corners of the simplex: it is the largest difference of
    its values at corners, divided by || e_y - e_z ||_1 = 2. If the rows are affine in mu and the policy does not depend
    on it, Phi_t is quadratic and its Jacobian affine. The norm of the Jacobian on differences of populations is then
    convex in mu and largest at a corner. A game declares that it is affine (`game.model.affine`: arrays, games.affine
    and games built from it). For everything else the search evaluates lines across the simplex: from corner to corner,
    along one share, between random populations and near the flow. It halves intervals where slopes are large or change;
    one half is always at least as steep as the whole. Cost: O(S) tables of the game and O(S^4) for the Jacobians, for
    each active fraction and stage of the policy; or O(T trials) tables.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=2.0)
    >>> print(tmf.analysis.lipschitz(game, tmf.TabularPolicy.uniform(game), tmf.Fraction(0.1)))
    reward 0.1 (exact), transition 0 (exact), flow 0.9 in l1, 0.9 Euclidean (exact)
    """
    game = in_steps(game, schedule, n_agents)
    kernel = as_policy(policy, game)
    active = active_fractions(game, schedule, n_agents, smooth=True)
    by_population = isinstance(active, ActingShares) and active.depends_on_mu
    trials = check.as_positive_int(trials, "trials")
    of_rewards, of_rows, of_flow = seeding.generators(rng, 3)
    said = _corners.Declared.by(game)

    needs.ask(_needs(game, said, trials))
    declared = said.affine or (said.constant_reward and said.constant_transition)
    looking = kernel.depends_on_mu or by_population or not declared
    met = mean_field(game, kernel, schedule, n_agents).mu if looking else np.empty((0, game.n_observations))
    reward = transition = 0.0
    if not said.constant_reward:
        what = _corners.rewards
        reward = _at_corners(game, what) if said.affine else _steepest(game, what, met, of_rewards, trials)
    if not said.constant_transition:
        what = _corners.rows
        transition = _at_corners(game, what) if said.affine else _steepest(game, what, met, of_rows, trials)
    reward_kind = EXACT if said.constant_reward or said.affine else LOWER
    transition_kind = EXACT if said.constant_transition or said.affine else LOWER
    if kernel.depends_on_mu or by_population or transition_kind == LOWER:
        flow, flow_kind = _steepest_flow(game, kernel, active, met, of_flow, trials), LOWER
    else:
        flow, flow_kind = _exact_flow(game, kernel, active), EXACT
    return Lipschitz(reward, transition, flow[:, 0], flow[:, 1], reward_kind, transition_kind, flow_kind)


def _needs(game: Game, said: _corners.Declared, trials: int) -> Needs:
    """Tables at all corners, or at the populations of a line and, if there are trials enough, at all corners."""
    size, pairs, fixed = game.n_observations, game.n_observations * game.n_actions, said.constant_transition
    of_rewards, of_rows = pairs + size, pairs * size + size**2
    found = kernel_needs(game.model) | {"mu": (8, game.n_steps + 1, size), "tables at a population": (24, of_rows)}
    seen = (size if size <= trials // 2 else 0) + min(SEEN, trials)
    one = of_rewards if fixed else of_rows
    if said.affine:
        found["tables at the corners"] = (16, size, one)
        found["Jacobians at the corners"] = (40, 1 if fixed else size, size, size)
    elif not (said.constant_reward and fixed):
        found["tables at the populations compared"] = (8, seen, one)
    return found


_Pair = tuple[FloatArray, FloatArray]  # active and passive tables


def _gap(x: _Pair, y: _Pair, rows: bool) -> float:
    """The largest difference of rewards, or l1 distance of rows."""
    gaps = [np.abs(a - b) for a, b in zip(x, y, strict=True)]
    return max(float((gap.sum(axis=-1) if rows else gap).max()) for gap in gaps)


def _at_corners(game: Game, what: _corners.Look) -> float:
    """The constant of tables that are affine in mu and do not depend on t."""
    active, passive = _corners.corners(game, what, 0)
    found = 0.0
    for y in range(1, len(active)):
        for z in range(y):
            found = max(found, _gap((active[y], passive[y]), (active[z], passive[z]), what is _corners.rows) / 2)
    return found


def _steepest(
    game: Game, what: _corners.Look, met: FloatArray, generator: np.random.Generator, trials: int
) -> float:
    """The steepest slope found of the rewards, or of the rows, over all steps."""
    rows = what is _corners.rows
    found = 0.0
    for t in range(game.n_steps):

        def slope(x: _Pair, y: _Pair, across: FloatArray) -> FloatArray:
            scale = 1.0 if rows else max(float(np.abs(table).max()) for table in (*x, *y))
            return np.array([max(_gap(x, y, rows) - ROUNDING * scale, 0.0) / float(np.abs(across).sum())])

        def at(mu: FloatArray, t: int = t) -> _Pair:
            return what(game, mu, t)

        found = max(found, float(_slopes.steepest(at, slope, met[t], trials, generator)[0]))
    return found


def _exact_flow(game: Game, kernel: Policy, active: Active) -> FloatArray:
    """(T, 2) constants of Phi_t, l1 and Euclidean: rows affine in mu; neither policy nor activation depends on mu."""
    size = game.n_observations
    out = np.empty((game.n_steps, 2))
    fixed = game.model.constant_transition
    known: dict[tuple[bytes, int], FloatArray] = {}
    for t in range(game.n_steps):
        beta = share_at(active, game.initial, t)
        key = beta.tobytes(), t * kernel.n_stages // game.n_steps
        if not (fixed or game.model.affine) or key not in known:
            pi = kernel.probabilities(game.initial, t, game.n_steps)
            at = np.empty((1 if fixed else size, size, size))
            for y, corner in enumerate(np.eye(size)[: len(at)]):
                acting, passive = _corners.rows(game, corner, t)
                at[y] = beta[:, None] * np.einsum("oa,oax->ox", pi, acting) + (1 - beta[:, None]) * passive
            largest = np.zeros(2)
            for w in range(len(at)):  # column y of the Jacobian at e_w: K(e_w)[y] + K(e_y)[w]
                jacobian = at[0].T if fixed else (at[w] + at[:, w]).T
                largest = np.maximum(largest, [_norm_l1(jacobian), _norm_euclidean(jacobian)])
            known[key] = largest
        out[t] = known[key]
    return out


def _norm_l1(jacobian: FloatArray) -> float:
    """Largest || J v ||_1 / || v ||_1 over v that sum to 0."""
    columns = jacobian.T
    gaps = (np.abs(columns[y] - columns[:y]).sum(axis=-1).max() for y in range(1, len(columns)))
    return float(max(gaps, default=0.0)) / 2


def _norm_euclidean(jacobian: FloatArray) -> float:
    """Largest || J v ||_2 / || v ||_2 over v that sum to 0."""
    across = jacobian - jacobian.mean(axis=1, keepdims=True)
    return _spectral_norm(across) if len(jacobian) > 1 else 0.0


def _spectral_norm(matrix: FloatArray) -> float:
    """The largest singular value, to rounding; of large matrices by Lanczos' method, O(n^2) for each product."""
    if len(matrix) <= BY_LAPACK:
        return float(np.linalg.norm(matrix, 2))
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh  # slow to load

    squared = LinearOperator(matrix.shape, matvec=lambda v: matrix.T @ (matrix @ v), dtype=np.float64)
    try:  # a random start: none of the leading vectors is orthogonal to it
        start = np.random.default_rng(1).standard_normal(len(matrix))
        found = eigsh(squared, k=1, which="LA", v0=start, return_eigenvectors=False)
    except ArpackNoConvergence:
        return float(np.linalg.norm(matrix, 2))
    return float(np.sqrt(max(float(found[0]), 0.0)))


def _steepest_flow(
    game: Game, kernel: Policy, active: Active, met: FloatArray, generator: np.random.Generator, trials: int
) -> FloatArray:
    """(T, 2) steepest slopes found of Phi_t, l1 and Euclidean."""
    out = np.zeros((game.n_steps, 2))
    for t in range(game.n_steps):

        def image(mu: FloatArray, t: int = t) -> FloatArray:
            pi = kernel.probabilities(mu, t, game.n_steps)
            acting, passive = _corners.rows(game, mu, t)
            beta = share_at(active, mu, t)[:, None]
            mixed = beta * np.einsum("oa,oax->ox", pi, acting) + (1 - beta) * passive
            return np.asarray(mu @ mixed)

        def slopes(x: FloatArray, y: FloatArray, across: FloatArray) -> FloatArray:
            return np.array([
                max(float(np.abs(x - y).sum()) - ROUNDING, 0.0) / float(np.abs(across).sum()),
                max(float(np.linalg.norm(x - y)) - ROUNDING, 0.0) / float(np.linalg.norm(across)),
            ])

        out[t] = _slopes.steepest(image, slopes, met[t], trials, generator)
    return out
