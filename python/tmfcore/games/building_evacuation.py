"""Building evacuation: agents earn a reward on the ground floor, and less in a crowd."""

from __future__ import annotations

from functools import partial

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory
from tmfcore._base.types import FloatsLike
from tmfcore._model.game import Game
from tmfcore.games import _sweeps
from tmfcore.games._crowd_aversion import CrowdAversion
from tmfcore.games._shelf import Page, shelf

__all__ = ["building_evacuation"]


@shelf(
    "Evacuation of a building: the ground floor is safe, stairs at one corner lead down, and crowded places are worse.",
    small={"n_floors": 2, "length": 2, "width": 3, "initial": np.arange(1, 13) / 78, "epsilon": 1e-3},
    page=Page(
        "Three floors of 10 by 10 places; layer 0 is the ground floor. Stairs down are at the upper left of each "
        "floor, stairs up at the lower right. People move to the stairs, and from them spread out over the ground "
        "floor. The last move has no effect on the return, and is random: some go up.",
        options="--set n-floors=3 --horizon 18",
    ),
)  # fmt: skip
@fits_memory("n_floors, length or width must be smaller", asks=True)
def building_evacuation(
    n_floors: int = 5,
    *,
    length: int = 10,
    width: int = 10,
    congestion: float = 1.0,
    evacuation_reward: float = 10.0,
    epsilon: float = 1e-20,
    horizon: float = 4,
    discount: float = 1.0,
    initial: FloatsLike | None = None,
    step: float | None = None,
) -> Game:
    """A building of F floors of L x W places; stairs down in one corner, up in the opposite one (arXiv:2103.00623).

    The observation of place (l, w) on floor f is W (L f + l) + w. Actions: l + 1, l - 1, w - 1, w + 1, each
    stopping at the walls; down a floor from (0, 0); up a floor from (L - 1, W - 1); from other places the last two
    stay. Moves are deterministic; passive agents stay.

        r0(o, mu) = r(o, a, mu) = dt (R 1{f = 0} - c log(mu(o) + epsilon)),   P0 = identity

    Strictly monotone for c > 0.

    Parameters
    ----------
    n_floors, length, width : int, optional
        F, L, W.
    congestion : float, optional
        c >= 0.
    evacuation_reward : float, optional
        R, reward per sweep on the ground floor.
    epsilon : float, optional
        >= 1e-300; bounds the reward of an empty place.
    initial : (S,) or (F, L, W) floats or None, optional
        mu_0. None: uniform.
    horizon, discount, step : float, optional
        T in sweeps, gamma in [0, 1] per sweep, and dt, the length of a step in sweeps, as in Game.

    Returns
    -------
    Game
        S = F L W with observation_shape (F, L, W), A = 6, K = 1; observations "0,0,0", ...; actions "right",
        "left", "up", "down", "downstairs", "upstairs"; name "building_evacuation". Compiled.

    Raises
    ------
    TypeError, ValueError
        A value out of range or of the wrong kind or shape.

    Notes
    -----
    MFGLib's building_evacuation(T=t, n_floor=F, floor_l=L, floor_w=W, eta=c, evac_r=R, log_eps=epsilon) is
    horizon=t+1. It uses log(max(mu, epsilon)), which is the same up to rounding unless mu(o) is as small as epsilon
    but not 0.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> tmf.games.building_evacuation()
    Game('building_evacuation', S=500, A=6, T=4 sweeps, discount=1)
    """
    floors = check.as_positive_int(n_floors, "n_floors")
    long, wide = check.as_positive_int(length, "length"), check.as_positive_int(width, "width")
    if floors * long * wide > 2**31 - 1:
        raise ValueError(
            f"n_floors, length and width are {floors}, {long} and {wide}; their product must be at most {2**31 - 1}"
        )
    crowd = check.as_float(congestion, "congestion", low=0.0)
    safe = check.as_float(evacuation_reward, "evacuation_reward")
    floor = check.as_float(epsilon, "epsilon", low=1e-300)
    shape = (floors, long, wide)
    n = floors * long * wide
    needed = {"successors and rows": (54, *shape, 6), "labels": (120, *shape)}
    needs.ask(needed)
    given = None
    if initial is not None:
        given = check.as_float_array(initial, "initial", shape=[(n,), shape], letters=["S", "F, L, W"]).ravel()
    mu = _sweeps.start(given, n, even=True)
    f, y, x = np.indices(shape).reshape(3, n)
    targets = np.stack(
        [
            np.ravel_multi_index(place, shape)
            for place in (
                (f, np.minimum(y + 1, long - 1), x),
                (f, np.maximum(y - 1, 0), x),
                (f, y, np.maximum(x - 1, 0)),
                (f, y, np.minimum(x + 1, wide - 1)),
                (np.maximum(f - ((y == 0) & (x == 0)), 0), y, x),
                (np.minimum(f + ((y == long - 1) & (x == wide - 1)), floors - 1), y, x),
            )
        ],
        axis=-1,
    )

    def model(dt: float, n_steps: int) -> CrowdAversion:
        return CrowdAversion(
            np.ones((n, 6, 1)), np.ones((n, 1)), targets[..., np.newaxis], np.arange(n)[:, np.newaxis],
            safe * dt * (f == 0)[np.newaxis], np.zeros((n, 6)), [1.0], crowd * dt, floor,
        )  # fmt: skip

    made = partial(
        building_evacuation, n_floors=floors, length=long, width=wide, congestion=crowd, evacuation_reward=safe,
        epsilon=floor,
    )  # fmt: skip
    return _sweeps.in_sweeps(
        made, model, horizon, discount, initial, step, mu=mu, needed=needed,
        observation_labels=tuple(f"{i},{j},{k}" for i, j, k in np.ndindex(*shape)),
        action_labels=("right", "left", "up", "down", "downstairs", "upstairs"), observation_shape=shape,
    )  # fmt: skip
