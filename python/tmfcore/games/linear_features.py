"""Linear features: rows that are linear, but for their sign, in features of agents and of the population."""

from __future__ import annotations

from functools import partial
from typing import ClassVar
from weakref import WeakValueDictionary

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
from tmfcore.games._linear_features import MOST_FEATURES, LinearFeatures
from tmfcore.games._shelf import SKEWED, shelf

__all__ = ["linear_features"]


@shelf(
    "Random games whose rows are linear in features but for their sign, in classes of similar candidates: those among "
    "which the right one is to be found by playing.",
    small={
        "n_observations": 7, "n_actions": 3, "n_features": 2, "candidate": 2, "perturbation": 0.5, "horizon": 4,
        "initial": SKEWED,
    },
)  # fmt: skip
@fits_memory("n_observations, n_actions or n_features must be smaller", asks=True)
@takes_rng
def linear_features(
    n_observations: int,
    *,
    n_actions: int = 50,
    n_features: int = 5,
    candidate: int = 0,
    perturbation: float = 0.1,
    congestion: float = 1.0,
    epsilon: float = 1e-11,
    rng: seeding.RNG = 0,
    horizon: float = 3,
    discount: float = 1.0,
    initial: FloatsLike | None = None,
    step: float | None = None,
) -> Game:
    """Random rows, linear in features but for their sign: a class of similar candidates (arXiv:2402.05724).

    With d features, and h = 0, 1, ... the sweep in which a step begins,

        P_h(x | o, a, mu) = |phi_h(o, a)' G_h(mu) psi_h(., x)| / sum over x,   G_h(mu) = sum_y mu(y) G_h,y
        r0(o, mu) = r(o, a, mu) = -dt c log(mu(o) + epsilon),   P0 = identity

    phi, G and psi have independent standard normal entries. Games that differ in `candidate` alone have the same phi, G
    and mu_0. Candidate k > 0 has psi_h = (1 - s_h) psi_h of candidate 0 + s_h times normal entries of its own, where
    s_h is uniform on [0, w].

    Parameters
    ----------
    n_observations, n_actions : int
        S and A.
    n_features : int, optional
        d, from 1 to 64.
    candidate : int, optional
        k >= 0, the number of the game within its class.
    perturbation : float, optional
        w in [0, 1], how far candidates are from candidate 0.
    congestion : float, optional
        c >= 0, per sweep.
    epsilon : float, optional
        >= 1e-300; bounds the reward of an empty observation.
    rng : int, Generator, SeedSequence or None, optional
        The same int gives the same class.
    initial : (S,) floats or None, optional
        mu_0. None: numbers drawn uniformly from 0..S-1, divided by their sum.
    horizon, discount, step : float, optional
        T in sweeps, gamma in [0, 1] per sweep, and dt, the length of a step in sweeps, as in Game. Every sweep has
        features of its own.

    Returns
    -------
    Game
        name "linear_features". Compiled.

    Raises
    ------
    TypeError, ValueError
        A value out of range or of the wrong kind or shape.

    Notes
    -----
    Rows, features and start are those of the experiment of the paper, and so are S = 100, A = 50, d = 5, H = 3, w = 0.1
    and 200 candidates; the reward is that of its public code, but for a constant. Sweeps of several steps are ours.
    Memory: O(H S A d); cost: O(S d^2 + S A (d^2 + S d)) for all rows of a step.

    Examples
    --------
    How far apart the rows of two candidates are, of at most 2:

    >>> import numpy as np, tmfcore as tmf
    >>> one, other = (tmf.games.linear_features(20, n_actions=4, candidate=k, rng=1).at(step=1) for k in (1, 2))
    >>> apart = np.abs(one.tables(one.initial).transition - other.tables(one.initial).transition).sum(axis=-1)
    >>> print(f"{apart.min():.3f} to {apart.max():.3f}")
    0.071 to 0.165
    """
    n = check.as_positive_int(n_observations, "n_observations", high=2**31 - 1)
    n_act = check.as_positive_int(n_actions, "n_actions", high=2**31 - 1)
    d = check.as_int(n_features, "n_features", low=1, high=MOST_FEATURES)
    which = check.as_int(candidate, "candidate", low=0, high=2**63 - 1)
    most = check.as_float(perturbation, "perturbation", low=0.0, high=1.0)
    crowd = check.as_float(congestion, "congestion", low=0.0)
    floor = check.as_float(epsilon, "epsilon", low=1e-300)
    n_sets = int(np.ceil(check.as_float(horizon, "horizon", low=0.0, low_open=True, high=2**31 - 1)))
    needed: Needs = {
        "features of actions": (8, n_sets, n, n_act, d), "features of the population": (8, n_sets, n, d, d),
        "features of rows": (24, n_sets, d, n),
    }  # fmt: skip
    needs.ask(needed)
    number = seeding.number(rng)
    shared = _Features.of(number, n_sets, n, n_act, d)
    target = shared.target
    mu = shared.initial if initial is None else _sweeps.start(initial, n)
    if which > 0:
        generator = np.random.default_rng(np.random.SeedSequence(number, spawn_key=(1, which)))
        shares = generator.uniform(0.0, most, (n_sets, 1, 1)) if most > 0 else np.zeros((n_sets, 1, 1))
        target = (1 - shares) * target + shares * generator.standard_normal(target.shape)

    def model(dt: float, n_steps: int) -> LinearFeatures:
        return LinearFeatures(shared.own, shared.effects, target, dt, n_steps, dt * crowd, floor)

    made = partial(
        linear_features, n_observations=n, n_actions=n_act, n_features=d, candidate=which, perturbation=most,
        congestion=crowd, epsilon=floor, rng=number,
    )  # fmt: skip
    return _sweeps.in_sweeps(made, model, horizon, discount, initial, step, mu=mu, needed=needed)


class _Features:
    """What all candidates of a class have: own (H, S, A, d), effects (H, S, d, d), target (H, d, S), initial (S,)."""

    KNOWN: ClassVar[WeakValueDictionary[tuple[int, ...], _Features]] = WeakValueDictionary()  # those in use

    def __init__(self, number: int, n_sets: int, n: int, n_act: int, d: int) -> None:
        streams = [np.random.default_rng(each) for each in np.random.SeedSequence(number, spawn_key=(0,)).spawn(4)]
        shapes = ((n_sets, n, n_act, d), (n_sets, n, d, d), (n_sets, d, n))
        self.own, self.effects, self.target = (
            check.frozen(_normal(stream, shape)) for stream, shape in zip(streams[:3], shapes, strict=True)
        )
        weights = streams[3].integers(n, size=n).astype(np.float64)
        if weights.sum() == 0:  # there is one observation, or 0 was drawn for all
            weights[:] = 1.0
        self.initial = check.frozen(weights / weights.sum())

    @classmethod
    def of(cls, *key: int) -> _Features:
        """Those of a class, which are drawn only if no game of it is in use."""
        found = cls.KNOWN.get(key)
        if found is None:
            found = cls.KNOWN[key] = cls(*key)
        return found


def _normal(generator: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """Independent standard normal numbers, drawn in pieces."""
    found = np.empty(shape)
    flat = found.reshape(-1)
    for part in pieces.parts(len(flat), 1):
        generator.standard_normal(out=flat[part])
    return found
