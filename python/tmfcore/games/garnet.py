"""Random affine games."""

from __future__ import annotations

from functools import partial
from math import prod

import numpy as np

from tmfcore._base import needs, pieces
from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory, takes_rng
from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray
from tmfcore._limit.sizes import Needs
from tmfcore._model.game import Game
from tmfcore._random import seeding
from tmfcore.games import _sweeps
from tmfcore.games._affine import Affine
from tmfcore.games._shelf import SKEWED, Page, shelf

__all__ = ["garnet"]


@shelf(
    "A random game for trying methods: few successors per row, random rewards, and random effects of the crowd.",
    small={"n_observations": 7, "n_actions": 3, "horizon": 5, "coupling": 0.3, "initial": SKEWED},
    page=Page("Twenty observations without names. Within five steps the population concentrates on some of them."),
)  # fmt: skip
@fits_memory("n_observations, n_actions or n_successors must be smaller", asks=True)
@takes_rng
def garnet(
    n_observations: int = 20,
    *,
    n_actions: int = 5,
    n_successors: int = 3,
    congestion: float = 1.0,
    monotone: bool = True,
    coupling: float = 0.0,
    rng: seeding.RNG = 0,
    horizon: float = 20,
    discount: float = 0.95,
    initial: FloatsLike | None = None,
    step: float | None = None,
) -> Game:
    """A random game: few successors per row, random rewards, random congestion (Archibald et al. 1995).

    With u(o, a) uniform on [0, 1] and a random matrix C of size c,

        r0(o, mu) = -dt sum_y C(o, y) mu(y),   r(o, a, mu) = r0(o, mu) + u(o, a),   P0 = identity
        P(. | o, a, mu) = (1 - k) p(. | o, a) + k sum_y mu(y) p_y(. | o, a)

    where p and every p_y have the same K successors, drawn without replacement; their probabilities are the lengths of
    the pieces of [0, 1] between K - 1 uniform cuts. A passive agent stays.

    Parameters
    ----------
    n_observations, n_actions : int, optional
        S and A.
    n_successors : int, optional
        K <= S.
    congestion : float, optional
        c >= 0, the size of C, per sweep.
    monotone : bool, optional
        True: C = c (I + G G' / S) / 2, scaled to a largest diagonal of c, G of independent normal entries: positive
        definite, so that rewards are strictly monotone if c > 0. False: C = c (I / 2 + U), U uniform on [-1, 1] off
        the diagonal and on [0, 1/2] on it: not symmetric and, except for very small S, not definite.
    coupling : float, optional
        k in [0, 1], the weight of mu in the transitions.
    rng : int, Generator, SeedSequence or None, optional
        The same int gives the same successors, p, u and G or U, for all values of c, k and step.
    initial : (S,) floats or None, optional
        mu_0. None: uniform.
    horizon, discount, step : float, optional
        T in sweeps, gamma in [0, 1] per sweep, and dt, the length of a step in sweeps, as in Game.

    Returns
    -------
    Game
        name "garnet". Compiled.

    Raises
    ------
    TypeError, ValueError
        A value out of range or of the wrong kind or shape.

    Notes
    -----
    Memory and construction time: O(S^2 + S A K), O(S^2 A K) if k > 0. OpenSpiel's mfg_garnet is another family: its
    reward falls with log mu(o), which is not affine.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.garnet(10, n_actions=3, rng=4)
    >>> game
    Game('garnet', S=10, A=3, T=20 sweeps, discount=0.95)
    >>> tmf.analysis.monotonicity(game, tmf.Synchronous()).verdict
    'strictly monotone'
    """
    n = check.as_positive_int(n_observations, "n_observations", high=2**31 - 1)
    n_act = check.as_positive_int(n_actions, "n_actions", high=2**31 - 1)
    cells = check.as_int(n_successors, "n_successors", low=1, high=n)
    crowding = check.as_float(congestion, "congestion", low=0.0)
    definite = check.as_bool(monotone, "monotone")
    share = check.as_float(coupling, "coupling", low=0.0, high=1.0)
    needed: Needs = {
        "effects of the crowd on rewards": (25, n, n_act, n), "crowds": (40, n, n),
        "successors and rows": (40, n, n_act, cells),
    }  # fmt: skip
    if share > 0:
        needed["effects of the crowd on rows"] = (48, n, n_act, cells, n)
    needs.ask(needed)
    number = seeding.number(rng)
    mu = _sweeps.start(initial, n, even=True)
    kernels, rewards, crowds = (np.random.default_rng(s) for s in np.random.SeedSequence(number).spawn(3))
    successors = np.empty((n, n_act, cells), np.int32)
    for row in successors.reshape(-1, cells):
        row[:] = kernels.permutation(n)[:cells]
    rows = _cuts(kernels, (n, n_act, cells))
    moving = None
    if share > 0:
        drawn, rows, moving = _cuts(kernels, (n, n, n_act, cells)), (1 - share) * rows, np.empty((n, n_act, cells, n))
        for part in pieces.parts(n, n * n_act * cells):
            moving[..., part] = np.moveaxis(share * drawn[part], 0, -1)
    felt = crowding * _crowds(crowds, n, definite)
    gains, reached = rewards.random((n, n_act)), check.frozen(successors)

    def model(dt: float, n_steps: int) -> Affine:
        crowd = -dt * felt
        return Affine(
            gains, crowd[:, None, :].repeat(n_act, axis=1), rows, moving, np.zeros(n), crowd, None, None, reached
        )

    made = partial(
        garnet, n_observations=n, n_actions=n_act, n_successors=cells, congestion=crowding, monotone=definite,
        coupling=share, rng=number,
    )  # fmt: skip
    return _sweeps.in_sweeps(
        made, model, horizon, discount, initial, step, mu=mu, needed=needed, successors=reached
    )


def _cuts(generator: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """Lengths of the pieces into which uniform cuts divide [0, 1], (..., K)."""
    found = np.empty(shape)
    for part in pieces.parts(shape[0], prod(shape[1:])):
        cuts = np.sort(generator.random((part.stop - part.start, *shape[1:-1], shape[-1] - 1)), axis=-1)
        found[part] = np.diff(cuts, axis=-1, prepend=0.0, append=1.0)
    return found


def _crowds(generator: np.random.Generator, size: int, definite: bool) -> FloatArray:
    """The matrix C for c = 1."""
    if not definite:
        table = generator.uniform(-1.0, 1.0, (size, size))
        return np.asarray(np.where(np.eye(size, dtype=bool), 0.5 + np.abs(table) / 2, table))
    factor, product, table = np.empty((3, size, size))
    for part in pieces.parts(size, size):
        generator.standard_normal(out=factor[part])
    for part in pieces.parts(size, size**2 // 256):
        product[part] = factor[part] @ factor.T
    for part in pieces.parts(size, size):
        table[part] = (product[part] + product[:, part].T) / (4 * size)
    table[np.diag_indices(size)] += 0.5
    table /= table.diagonal().max()
    return table
