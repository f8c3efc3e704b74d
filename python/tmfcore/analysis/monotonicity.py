"""Is the equilibrium unique? Lasry and Lions' monotonicity, proved or refuted where that can be (theory.md section 4).

    monotonicity(...) -> Monotonicity     a proof for affine rewards; else a search for two flows that violate it

Nothing is claimed that is not proved or shown: see Monotonicity.verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tmfcore import _appearance, _rng
from tmfcore import _validation as check
from tmfcore._functions import fits_memory, takes_rng
from tmfcore._records import Record
from tmfcore._validation import FloatArray
from tmfcore.analysis import _tables
from tmfcore.game import Game
from tmfcore.meanfield import active_fractions, mean_field
from tmfcore.policy import TabularPolicy
from tmfcore.schedule import Schedule

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Monotonicity", "Violation", "monotonicity"]

PROBES = 8  # random populations at which affinity is checked, each step
EIGENVALUE_TOLERANCE = 1e-10  # relative to the largest entry of the matrix
ROUNDING = 1e-11  # a sum counts as positive beyond this share of its terms' absolute values


@dataclass(frozen=True, eq=False)
class Violation(Record):
    """Two flows of the game that contradict monotonicity.

    Parameters
    ----------
    value : float
        The sum of theory.md section 4, discounted: > 0.
    policies : pair of TabularPolicy
        What makes the flows, L = T.
    flows : pair of (T+1, S) float64
    """

    value: float
    policies: tuple[TabularPolicy, TabularPolicy]
    flows: tuple[FloatArray, FloatArray]


@dataclass(frozen=True, eq=False)
class Monotonicity(Record):
    """What is known about monotonicity of a game under a schedule.

    Parameters
    ----------
    verdict : {"strictly monotone", "monotone", "not monotone", "undecided"}
        "not monotone" comes with a violation. The first two are proved: the rewards are affine in mu, with a matrix
        that is negative (semi)definite on the tangent space of the simplex.
    affine : bool
        Whether the rewards are affine in mu by construction, or agreed with an affine function of it at every random
        population tried.
    eigenvalues : (T,) float64 or None
        Affine rewards: the largest eigenvalue at each step of the symmetric part of the matrix on the tangent space;
        NaN where nothing depends on mu. None otherwise.
    violation : Violation or None
    trials : int
        Pairs of flows searched; 0 where a proof made that unnecessary.
    transition_depends_on_mu : bool
        Whether they differed at random populations: then monotonicity of the reward is not what uniqueness needs.
    """

    verdict: str
    affine: bool
    eigenvalues: FloatArray | None
    violation: Violation | None
    trials: int
    transition_depends_on_mu: bool

    @property
    def unique(self) -> bool | None:
        """True where the equilibrium's flow before the horizon is proved unique; None where this does not tell."""
        return True if self.verdict == "strictly monotone" and not self.transition_depends_on_mu else None

    def plot(self, *, title: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw what the verdict rests on: the largest eigenvalue of each step, or the two flows that violate it.

        Parameters
        ----------
        title : str or None, optional
            None: the verdict.
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
            There is neither: no eigenvalue, and no violation was found.
        """
        from tmfcore import plotting

        title = self.verdict if title is None else title
        if self.violation is not None:
            first, second = self.violation.flows
            times = np.arange(len(first), dtype=np.float64)
            return plotting.lines(
                plotting.Course(times, first), _appearance.numbered(first.shape[1]),
                field=plotting.Course(times, second), names=("first flow", "second flow"), unit="steps",
                title=title, ax=ax,
            )  # fmt: skip
        if self.eigenvalues is None or np.isnan(self.eigenvalues).all():
            raise ValueError(f"nothing to draw: {self}")
        return plotting.by_step(
            {"largest eigenvalue": self.eigenvalues}, 0.0, level_label="0: monotone up to here",
            quantity="eigenvalue (units of reward)", title=title, ax=ax,
        )  # fmt: skip

    def __str__(self) -> str:
        parts = [self.verdict]
        if self.eigenvalues is not None and not np.isnan(self.eigenvalues).all():
            parts.append(f"largest eigenvalue {np.nanmax(self.eigenvalues):.4g} on the tangent space")
        if self.violation is not None:
            parts.append(f"two flows give {self.violation.value:.4g} > 0")
        elif self.trials:
            parts.append(f"no violation found in {self.trials} trials")
        if self.transition_depends_on_mu:
            parts.append("the transitions depend on mu, so this says nothing about uniqueness")
        return "; ".join(parts)


@takes_rng
@fits_memory("trials must be fewer")
def monotonicity(
    game: Game, schedule: Schedule, n_agents: int | None = None, *, trials: int = 200, rng: _rng.RNG = None
) -> Monotonicity:
    """Prove monotonicity, refute it by two flows, or say that neither was possible.

    Parameters
    ----------
    game : Game
    schedule : Schedule
        Weighs the rewards of those who act against those of the others.
    n_agents : int or None, optional
        Turns batch sizes into fractions, as in mean_field.
    trials : int, optional
        Pairs of flows to try where there is no proof.
    rng : int, Generator, SeedSequence or None, optional

    Returns
    -------
    Monotonicity

    Raises
    ------
    TypeError, ValueError
        Bad arguments; what the game's own functions raise.

    Notes
    -----
    The sum over two flows mu, mu' of policies pi, pi', with rho_t(o,a) = mu_t(o) pi_t(a|o),

        sum_t gamma^t { beta_t sum_{o,a} [r(o,a,mu) - r(o,a,mu')] (rho - rho')(o,a)
                        + (1 - beta_t) sum_o [r0(o,mu) - r0(o,mu')] (mu - mu')(o) }

    is <= 0 in a monotone game. Rewards r(o,a,mu) = r(o,a,0) + sum_y R(o,a,y) mu(y) make each step a quadratic form in
    rho - rho', whose entries sum to 0: negative semidefinite there is monotone, whatever the transitions. If R depends
    on a, no such form is (a change of actions alone moves the reward but not mu). R is read off the corners of the
    simplex. Games made by games.affine, and their like, are affine by construction; of others it is checked at 8 random
    populations a step, which settles it with probability one for rewards analytic in mu, and not for piecewise ones. A
    matrix that is not semidefinite is no violation yet, because flows of the game may not reach its eigenvectors: those
    are searched for as in games that are not affine, by random pairs of policies, far and near. Cost: O(T S) tables of
    the game for the proof, O(S) where nothing depends on t; O(T S A K) a trial.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> crowded = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), 1.0)
    >>> print(tmf.analysis.monotonicity(crowded, tmf.Synchronous()))
    strictly monotone; largest eigenvalue -1 on the tangent space
    """
    check.as_instance(game, "game", Game)
    active = active_fractions(game, schedule, n_agents)
    trials = check.as_positive_int(trials, "trials")
    probing, searching = _rng.generators(rng, 2)
    size = game.n_observations
    beta = np.broadcast_to(active, (game.horizon,))
    populations = _tables.random_populations(probing, PROBES, size)
    moved = not game.model.constant_transition and _rows_depend_on_mu(game, populations)

    eigenvalues = _eigenvalues(game, beta, populations)
    if eigenvalues is not None:
        # Where nothing depends on mu the form is 0: monotone, not strictly.
        top = np.where(np.isnan(eigenvalues), 0.0, eigenvalues)
        if (top <= 0).all():
            late = top[1:]  # mu_0 is given: the first step has nothing to tell apart
            strictly = len(late) > 0 and bool((late < 0).all()) and game.discount > 0
            verdict = "strictly monotone" if strictly else "monotone"
            return Monotonicity(verdict, True, eigenvalues, None, 0, moved)
    violation = _search(game, schedule, n_agents, beta, trials, searching)
    verdict = "undecided" if violation is None else "not monotone"
    return Monotonicity(verdict, eigenvalues is not None, eigenvalues, violation, trials, moved)


def _rows_depend_on_mu(game: Game, populations: FloatArray) -> bool:
    for t in _tables.steps(game):
        first = _tables.rows(game, populations[0], t)
        for mu in populations[1:3]:
            if any((a != b).any() for a, b in zip(first, _tables.rows(game, mu, t), strict=True)):
                return True
    return False


def _eigenvalues(game: Game, beta: FloatArray, populations: FloatArray) -> FloatArray | None:
    """Largest eigenvalue of each step's form on the tangent space, (T,); None if the rewards are not affine."""
    size = game.n_observations
    found = np.full(game.horizon, np.nan)
    if game.model.constant:
        return found
    before: tuple[list[FloatArray], float, float] | None = None
    for t in range(game.horizon):
        at_corners = before[0] if before and game.model.affine else _tables.corners(game, _tables.rewards, t)
        if not _tables.is_affine(game, _tables.rewards, at_corners, populations, t):
            return None
        same = before is not None and before[1] == beta[t]
        if same and before is not None and (before[0] is at_corners or _equal(before[0], at_corners)):
            found[t] = before[2]
            continue
        found[t] = _largest_eigenvalue(at_corners[0], at_corners[1], float(beta[t]), size)
        before = at_corners, float(beta[t]), float(found[t])
    return found


def _equal(first: list[FloatArray], second: list[FloatArray]) -> bool:
    return all((a == b).all() for a, b in zip(first, second, strict=True))


def _largest_eigenvalue(reward: FloatArray, passive: FloatArray, beta: float, size: int) -> float:
    """Of the form of one step, from the rewards (S, S, A) and passive rewards (S, S) at the corners; NaN: no form."""
    # slope[o, a, y]: up to a constant in y, which the tangent space does not see, the derivative in mu(y).
    slope = beta * np.moveaxis(reward - reward.mean(axis=0), 0, -1)
    waiting = (1 - beta) * np.moveaxis(passive - passive.mean(axis=0), 0, -1)
    scale = max(float(np.abs(slope).max()), float(np.abs(waiting).max()))
    if scale <= EIGENVALUE_TOLERANCE * max(1.0, float(np.abs(reward).max()), float(np.abs(passive).max())):
        return np.nan
    if np.abs(slope - slope[:, :1]).max() <= EIGENVALUE_TOLERANCE * scale:
        form = slope[:, 0] + waiting
    else:  # the form over (o, a): every b at y adds to mu(y)
        rows = (slope + waiting[:, np.newaxis]).reshape(-1, size)
        form = np.repeat(rows, slope.shape[1], axis=1)
    n = len(form)
    onto = np.eye(n) - 1.0 / n
    basis = np.linalg.svd(onto)[0][:, : n - 1]
    top = float(np.linalg.eigvalsh(basis.T @ (form + form.T) @ basis / 2)[-1]) if n > 1 else np.nan
    return 0.0 if abs(top) <= EIGENVALUE_TOLERANCE * scale else top


def _search(
    game: Game,
    schedule: Schedule,
    n_agents: int | None,
    beta: FloatArray,
    trials: int,
    generator: np.random.Generator,
) -> Violation | None:
    """The largest violation among pairs of flows of random policies, far and near."""
    shape = (game.horizon, game.n_observations, game.n_actions)
    best: Violation | None = None
    for trial in range(trials):
        concentration = (1.0, 0.05, 20.0)[trial % 3]
        first = _random_table(generator, shape, concentration)
        second = _random_table(generator, shape, concentration)
        if trial % 2:  # near: violations that are local
            second = 0.9 * first + 0.1 * second
        pair = TabularPolicy(first), TabularPolicy(second)
        mus = [mean_field(game, policy, schedule, n_agents).mu for policy in pair]
        value, scale = _sum(game, beta, (first, second), mus)
        if value > ROUNDING * scale and (best is None or value > best.value):
            best = Violation(value, pair, (mus[0], mus[1]))
    return best


def _random_table(generator: np.random.Generator, shape: tuple[int, ...], concentration: float) -> FloatArray:
    weights = generator.gamma(concentration, size=shape) + 1e-300
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def _sum(
    game: Game, beta: FloatArray, tables: tuple[FloatArray, FloatArray], mus: list[FloatArray]
) -> tuple[float, float]:
    """The sum of theory.md section 4 over two flows, and the sum of its terms' absolute values."""
    value = scale = 0.0
    factor = 1.0
    for t in range(game.horizon):
        (r, r0), (s, s0) = (_tables.rewards(game, mu[t], t) for mu in mus)
        acting = mus[0][t][:, np.newaxis] * tables[0][t] - mus[1][t][:, np.newaxis] * tables[1][t]
        terms = factor * beta[t] * (r - s) * acting
        waiting = factor * (1 - beta[t]) * (r0 - s0) * (mus[0][t] - mus[1][t])
        value += float(terms.sum() + waiting.sum())
        scale += factor * float(beta[t] * ((np.abs(r) + np.abs(s)) * np.abs(acting)).sum())
        scale += factor * float((1 - beta[t]) * ((np.abs(r0) + np.abs(s0)) * np.abs(mus[0][t] - mus[1][t])).sum())
        factor *= game.discount
    return value, scale
