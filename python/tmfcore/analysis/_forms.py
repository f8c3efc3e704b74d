"""The sign of the quadratic form that decides whether affine rewards are monotone (Theory, section 4), proved.

    signs(game, beta) -> eigenvalues and signs of all steps

Rounding never decides a sign: if an eigenvalue is too close to 0, the sign of a small form is computed in rational
arithmetic, and that of a large form stays unknown.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from tmfcore._base.validation import FloatArray
from tmfcore._model.game import Game
from tmfcore._model.legal import LegalArray
from tmfcore.analysis import _corners
from tmfcore.games._affine import Affine

__all__ = ["NEGATIVE", "SEMIDEFINITE", "UNKNOWN", "signs"]

NEGATIVE, SEMIDEFINITE, UNKNOWN = -2, -1, 0  # definite, semidefinite, or neither proved
EXACTLY = 24  # largest S for which a form near 0 is decided in rational arithmetic, O(S^3) fractions
EPS = float(np.finfo(np.float64).eps)


def signs(game: Game, beta: FloatArray) -> tuple[FloatArray | None, list[int]]:
    """Signs that follow from what the game declares about its rewards, at each step.

    Parameters
    ----------
    game : Game
    beta : (T, 1) or (T, S) float64
        Active fractions, or the probabilities of acting by observation.

    Returns
    -------
    eigenvalues : (T,) float64 or None
        The largest eigenvalue on the tangent space, for affine rewards; NaN if no reward depends on mu. None for other
        rewards.
    signs : list of T ints
        NEGATIVE or SEMIDEFINITE if that is proved, else UNKNOWN.
    """
    said = _corners.Declared.by(game)
    declared = {2: NEGATIVE, 1: SEMIDEFINITE}.get(said.falling_reward, UNKNOWN)
    if game.n_observations == 1:
        declared = SEMIDEFINITE  # there is one population only
    if said.constant_reward:
        return np.full(game.n_steps, np.nan), [SEMIDEFINITE] * game.n_steps
    if not said.affine:
        return None, [declared] * game.n_steps
    slopes, waiting = _slopes(game)
    known: dict[bytes, tuple[float, int]] = {}
    for b in np.unique(beta, axis=0):
        known[b.tobytes()] = _largest(slopes, waiting, b[:, np.newaxis], game.legal)
    found = [known[b.tobytes()] for b in np.ascontiguousarray(beta)]
    return np.array([top for top, _ in found]), [min(declared, sign) for _, sign in found]


def _slopes(game: Game) -> tuple[FloatArray, FloatArray]:
    """Derivatives of the rewards in mu, (S, A, S) and (S, S), up to a constant that is the same for all y."""
    if isinstance(game.model, Affine):
        return game.model.reward_slopes()
    reward, passive = _corners.corners(game, _corners.rewards, 0)
    return np.moveaxis(reward, 0, -1), np.ascontiguousarray(passive.T)


def _largest(
    slopes: FloatArray, waiting: FloatArray, beta: FloatArray, legal: LegalArray | None
) -> tuple[float, int]:
    """The largest eigenvalue of the form of one step on the tangent space, and its sign if proved; beta (1 or S, 1)."""
    size, n_actions = slopes.shape[:2]
    alike = not beta.any() or all(_same_on_tangent(slopes[:, a], slopes[:, 0]) for a in range(1, n_actions))
    scale = float(max(np.abs(slopes).max() * beta.max(), np.abs(waiting).max() * (1 - beta.min())))
    if alike:
        form = beta * slopes[:, 0] + (1 - beta) * waiting
    else:  # the form over (o, a): every action b at y contributes to mu(y)
        each = beta[..., np.newaxis]
        rows = (each * slopes + (1 - each) * waiting[:, np.newaxis]).reshape(-1, size)
        form = np.repeat(rows, n_actions, axis=1)
        if legal is not None:
            form = form[np.ix_(legal.ravel(), legal.ravel())]
    n = len(form)
    if n == 1:
        return np.nan, SEMIDEFINITE
    form = form - form.mean(axis=1, keepdims=True)
    top = float(np.linalg.eigvalsh(_on_tangent((form + form.T) / 2))[-1])
    margin = 16 * n**2 * EPS * scale  # bounds rounding in the form and the backward error of eigenvalues
    if not alike:  # a change of actions alone changes rewards but not mu: such a form is never semidefinite
        return top, UNKNOWN
    if abs(top) > margin:
        return top, NEGATIVE if top < 0 else UNKNOWN
    if size > EXACTLY:
        return top, UNKNOWN
    sign = _exact_sign(slopes[:, 0], waiting, beta)
    return (0.0 if sign == SEMIDEFINITE else top), sign


def _on_tangent(form: FloatArray) -> FloatArray:
    """A symmetric form (n, n) on the vectors of sum 0, in an orthonormal basis, (n - 1, n - 1): O(n^2).

    The reflection 1 - 2 v v' takes the vector of ones to the first axis; the rest of its columns are the basis.
    """
    n = len(form)
    v = np.full(n, 1 / np.sqrt(n))
    v[0] += 1.0
    v /= np.linalg.norm(v)
    pushed = form @ v
    pushed -= (v @ pushed) * v
    turned = form - 2 * np.outer(v, pushed) - 2 * np.outer(pushed, v)
    return np.asarray(turned[1:, 1:])


def _same_on_tangent(first: FloatArray, second: FloatArray) -> bool:
    """Whether first - second (S, S) is exactly the same for all y, computed as rounded difference plus remainder."""
    difference = first - second
    back = difference - first
    remainder = (first - (difference - back)) + (-second - back)
    return bool((difference == difference[:, :1]).all() and (remainder == remainder[:, :1]).all())


def _exact_sign(slopes: FloatArray, waiting: FloatArray, beta: FloatArray) -> int:
    """The sign of the symmetric part on the tangent space in rational arithmetic, by symmetric elimination."""
    shares = [Fraction(b) for b in np.broadcast_to(beta[:, 0], (len(slopes),)).tolist()]
    form = [
        [share * Fraction(x) + (1 - share) * Fraction(y) for x, y in zip(row, other, strict=True)]
        for share, row, other in zip(shares, slopes.tolist(), waiting.tolist(), strict=True)
    ]
    n = len(form) - 1  # in the basis e_i - e_n
    symmetric = [[form[i][j] + form[j][i] for j in range(n + 1)] for i in range(n + 1)]
    left = [
        [symmetric[i][j] - symmetric[i][n] - symmetric[n][j] + symmetric[n][n] for j in range(n)] for i in range(n)
    ]
    sign = NEGATIVE
    for k in range(n):
        pivot = left[k][k]
        if pivot > 0:
            return UNKNOWN
        if pivot == 0:
            if any(left[k][j] != 0 for j in range(k + 1, n)):
                return UNKNOWN
            sign = SEMIDEFINITE
            continue
        for i in range(k + 1, n):
            factor = left[i][k] / pivot
            if factor:
                for j in range(k + 1, n):
                    left[i][j] -= factor * left[k][j]
    return sign
