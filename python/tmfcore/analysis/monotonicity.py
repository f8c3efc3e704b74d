"""Lasry and Lions' monotonicity, a condition for a unique equilibrium: proved from declarations, or refuted.

    monotonicity(...) -> Monotonicity     a proof, two flows that violate it, or the number of flows compared

Theory, section 4, has the definition; Monotonicity.verdict says what is proved.
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
from tmfcore._limit.sizes import Needs, kernel_needs
from tmfcore._model.activation import ActingShares
from tmfcore._model.game import Game, in_steps
from tmfcore._model.schedules import Schedule
from tmfcore._random import seeding
from tmfcore._results.result import Result
from tmfcore.analysis import _adversary, _corners, _forms, _violations
from tmfcore.analysis._violations import Violation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Monotonicity", "Violation", "monotonicity"]

NOT_FOUND = "no violation found"
SEEN = 3  # random populations per step at which rows that are not declared constant are compared


@dataclass(frozen=True, eq=False, repr=False)
class Monotonicity(Result[Literal["evidence"]]):
    """The result of `monotonicity`: a verdict on a game under a schedule, and the evidence for it.

    Parameters
    ----------
    verdict : {"strictly monotone", "monotone", "not monotone", "no violation found"}
        The first two are proved, from what the game declares: rewards that do not depend on mu, rewards affine in mu
        with a matrix that is negative (semi)definite on the tangent space of the simplex, or rewards that fall with the
        share of agents at the agent's own observation (`game.model.constant_reward`, `affine`, `falling_reward`).
        Rewards that are Python callables or compiled functions never get a proof, unless the game has only one flow.
        "not monotone" comes with a violation. "no violation found" proves nothing.
    affine : bool
        Whether the rewards are declared to be affine in mu, or not to depend on it.
    eigenvalues : (T,) float64 or None
        Affine rewards: at each step, the largest eigenvalue of the symmetric part of the matrix on the tangent space;
        NaN if no reward depends on mu. None otherwise.
    violation : Violation or None
    trials : int
        Number of flows compared; 0 if a proof made that unnecessary.
    transition_depends_on_mu : bool or None
        False: declared not to (`game.model.constant_transition`). True: rows differ between some populations; then
        monotone rewards do not imply uniqueness. None: no difference was found, which proves nothing.

    Notes
    -----
    `plot` draws the evidence: the largest eigenvalue of each step, or the two flows that violate monotonicity.
    """

    SHAPES: ClassVar[dict[str, str]] = {"eigenvalues": "T"}

    verdict: str
    affine: bool
    eigenvalues: FloatArray | None
    violation: Violation | None
    trials: int
    transition_depends_on_mu: bool | None

    @property
    def unique(self) -> bool | None:
        """True if the flow of the equilibrium is proved unique up to T - 1, for values on the clock "schedule".

        Needs strictly monotone rewards and transitions declared not to depend on mu. None if that is not proved, as
        always if rewards or transitions are Python callables, or compiled functions without a declaration.
        """
        return True if self.verdict == "strictly monotone" and self.transition_depends_on_mu is False else None

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "verdict", self.verdict
        if self.eigenvalues is not None and not np.isnan(self.eigenvalues).all():
            yield "largest eigenvalue", float(np.nanmax(self.eigenvalues))
        yield "violation", None if self.violation is None else self.violation.value
        yield "trials", self.trials

    def _title(self) -> str:
        return self.verdict

    def _picture(self, kind: str, **style: Any) -> Axes:
        from tmfcore import plotting

        if self.violation is not None:
            return self.violation._picture("flows", **style)
        if self.eigenvalues is None or np.isnan(self.eigenvalues).all():
            raise ValueError(f"nothing to draw: {self}")
        return plotting.by_step(
            {"largest eigenvalue": self.eigenvalues}, 0.0, level_label="0: monotone up to here",
            quantity="eigenvalue (units of reward)", **style,
        )  # fmt: skip

    def __str__(self) -> str:
        found = self.verdict == NOT_FOUND
        parts = [f"{NOT_FOUND} in {self.trials:,} trials, which is no proof" if found else self.verdict]
        if self.eigenvalues is not None and not np.isnan(self.eigenvalues).all():
            parts.append(f"largest eigenvalue {np.nanmax(self.eigenvalues):.4g} on the tangent space")
        if self.violation is not None:
            parts.append(f"two flows give {self.violation.value:.4g} > 0")
        if self.transition_depends_on_mu:
            parts.append("the transitions depend on mu, so uniqueness does not follow")
        elif self.transition_depends_on_mu is None:
            parts.append("the transitions are not declared independent of mu, so uniqueness does not follow")
        return "; ".join(parts)


@takes_rng
@fits_memory(f"trials must be fewer, or {SMALLER_GAME}", asks=True)
def monotonicity(
    game: Game, schedule: Schedule, n_agents: int | None = None, *, trials: int = 500, rng: seeding.RNG = None
) -> Monotonicity:
    """Prove monotonicity from what the game declares, refute it by two flows, or report that no violation was found.

    Parameters
    ----------
    game : Game
    schedule : Schedule
        Its active fractions weigh the rewards of active agents against those of passive ones.
    n_agents : int or None, optional
        N, for the active fractions B / N of batches, as in mean_field.
    trials : int, optional
        The largest number of flows, at least 2, to compare if there is no proof.
    rng : int, Generator, SeedSequence or None, optional

    Returns
    -------
    Monotonicity

    Raises
    ------
    TypeError, ValueError
        An argument is bad, or a function of the game raises.

    Notes
    -----
    The sum over two flows mu, mu' of policies pi, pi', with rho_t(o,a) = mu_t(o) pi_t(a|o),

        sum_t gamma^t { beta_t sum_{o,a} [r(o,a,mu) - r(o,a,mu')] (rho - rho')(o,a)
                        + (1 - beta_t) sum_o [r0(o,mu) - r0(o,mu')] (mu - mu')(o) }

    is <= 0 in a monotone game, with beta_t(o) in the sums if it depends on the observation. There are three kinds of
    proofs:

    * Affine rewards r(o,a,mu) = r(o,a,0) + sum_y R(o,a,y) mu(y) (games.affine and games built from it) make each step a
      quadratic form in rho - rho', whose entries sum to 0. If the form is negative semidefinite on such differences,
      the game is monotone for all transitions. It never is if R depends on a (a change of actions alone changes rewards
      but not mu). An eigenvalue within rounding of 0 is decided in rational arithmetic up to S = 24.
    * Rewards g_t(o,a) + h_t(o,mu(o)), with the same falling h for active and passive agents (crowd_aversion and games
      built from it, resource_selection, queueing), make each step a sum over o of [h(x) - h(x')] (x - x') <= 0.
    * With horizon 1, one action or one observation, all flows have the same mu wherever rewards are compared.

    Other rewards can only be evaluated, and evaluations prove nothing. The search compares flows of mixtures of
    policies (towards single observations, different in a single step, far, near) and refines where terms of the sum
    stand out or change. A matrix that is not semidefinite is not yet a violation, because the flows of the game may not
    reach its eigenvectors; such games are searched in the same way. Cost: O(S^3) per active fraction of the schedule
    for the proof (O(S^3 A^3) if R depends on a); O(T S A K) per trial.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> crowded = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0)
    >>> print(tmf.analysis.monotonicity(crowded, tmf.Synchronous()))
    strictly monotone; largest eigenvalue -1 on the tangent space
    """
    game = in_steps(game, schedule, n_agents)
    active = active_fractions(game, schedule, n_agents)
    trials = check.as_positive_int(trials, "trials")
    probing, searching = seeding.generators(rng, 2)
    if isinstance(active, ActingShares):
        if active.table is None:
            raise ValueError(
                f"schedule is {schedule.label}: who acts depends on the population; must be a number or an array, "
                "whose fractions weigh the rewards"
            )
        active.check(game.n_observations, game.n_steps)
        beta = np.broadcast_to(active.table, (game.n_steps, game.n_observations))
    else:
        beta = np.broadcast_to(active, (game.n_steps,))[:, np.newaxis]
    proof = _proof_needs(game)
    needs.ask(proof, first=True)
    moved = False if _corners.Declared.by(game).constant_transition else _rows_seen_to_move(game, probing)

    eigenvalues, signs = _forms.signs(game, beta)
    affine = eigenvalues is not None
    alone = game.n_steps == 1 or game.n_actions == 1  # mu_0 is given, or there is only one flow
    proved = alone or max(signs) <= _forms.SEMIDEFINITE
    needs.ask(proof if proved else proof | _violations.search_needs(game, trials))
    if alone:
        return Monotonicity("monotone", affine, eigenvalues, None, 0, moved)
    if proved:
        # At the first step all flows agree.
        strictly = max(signs[1:]) == _forms.NEGATIVE and game.discount > 0
        return Monotonicity("strictly monotone" if strictly else "monotone", affine, eigenvalues, None, 0, moved)
    violation, compared = _violations.search(game, schedule, n_agents, beta, trials, searching)
    verdict = NOT_FOUND if violation is None else "not monotone"
    return Monotonicity(verdict, affine, eigenvalues, violation, compared, moved)


def _proof_needs(game: Game) -> Needs:
    """Tables at two populations; the form of a step, over observations or, if slopes depend on the action, (o, a)."""
    size, pairs, said = game.n_observations, game.n_observations * game.n_actions, _corners.Declared.by(game)
    found = kernel_needs(game.model)
    if not said.constant_transition:
        found["rows at two populations"] = (16, pairs + size, size)
    if said.affine and not said.constant_reward and size > 1:
        found["slopes of the rewards"] = (24, pairs, size)
        found["quadratic form"] = (48, pairs, pairs) if game.n_actions > 1 else (48, size, size)
    return found


def _rows_seen_to_move(game: Game, generator: np.random.Generator) -> bool | None:
    """True if rows differ between some populations, else None."""
    populations = [game.initial, *_adversary.random_populations(generator, SEEN, game.n_observations)]
    for t in _corners.steps(game):
        first = _corners.rows(game, populations[0], t)
        for mu in populations[1:]:
            if any((a != b).any() for a, b in zip(first, _corners.rows(game, mu, t), strict=True)):
                return True
    return None
