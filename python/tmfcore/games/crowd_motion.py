"""Crowd motion: the beach bar in two dimensions, with obstacles, walls, and a bar that may move."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory
from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.game import Game
from tmfcore.games import _sweeps
from tmfcore.games._crowd_aversion import CrowdAversion
from tmfcore.games._shelf import Page, shelf
from tmfcore.games.crowd_aversion import again, by_time, spread

__all__ = ["crowd_motion"]

MOVES = np.array([(0, -1), (-1, 0), (0, 0), (1, 0), (0, 1)])  # left, up, stay, down, right
STAY = 2
ROOMS = (
    ".....#.....", ".....#.....", "...........", ".....#.....", ".....#.....", "##.#####.##",
    ".....#.....", ".....#.....", "...........", ".....#.....", ".....#.....",
)  # fmt: skip
MOVE_LABELS = ("left", "up", "stay", "down", "right")


@shelf(
    "People on a grid with walls: places near a bar are worth most, crowded places less.",
    small={
        "obstacles": ["....", ".#..", "...."], "bar": (0, 3), "horizon": 4, "noise": 0.4,
        "initial": np.array([1, 2, 3, 4, 5, 0, 7, 8, 9, 10, 11, 12]) / 72,
    },
    page=Page(
        "People start evenly spread over four rooms and go to the bar, in the middle of the room at the lower right. "
        "People from the room at the upper left must pass two doors.",
        options=f"--set obstacles='{';'.join(ROOMS)}' --set bar=8,8 --set wrap=false --horizon 15",
    ),
)  # fmt: skip
@fits_memory("shape must be smaller", asks=True)
def crowd_motion(
    shape: Sequence[int] | None = None,
    *,
    bar: FloatsLike | None = None,
    worth: FloatsLike | None = None,
    obstacles: Sequence[str] | FloatsLike | None = None,
    wrap: bool = True,
    noise: FloatsLike = 1.0,
    drift: bool = False,
    congestion: float = 1.0,
    epsilon: float = 1e-25,
    moving_cost: FloatsLike | None = None,
    horizon: float = 10,
    discount: float = 1.0,
    initial: FloatsLike | None = None,
    step: float | None = None,
) -> Game:
    """Agents on a grid near a bar, away from the crowd (arXiv:2007.03458, arXiv:2103.00623).

    The observation of cell (y, x) of R rows and C columns is C y + x. Actions: left, up, stay, down, right by one cell;
    then noise shifts the agent by one of the same five moves.

        r0_t(o, mu) = dt (worth_t(o) - c log(mu(o) + epsilon)),   r_t(o, a, mu) = r0_t(o, mu) - k_t 1{a != stay}

    Strictly monotone for c > 0.

    Parameters
    ----------
    shape : (R, C) integers or None, optional
        None: that of `obstacles`, or (10, 10).
    bar : (2,) or (L, 2) integers or None, optional
        Row and column of the bar; L places are spread evenly over the horizon. None: (R // 2, C // 2).
    worth : (R, C), (S,), (L, R, C) or (L, S) floats or None, optional
        Reward of an empty cell, per sweep. None: 2 - 2 |y - bar_y| / R - 2 |x - bar_x| / C. Not with `bar`.
    obstacles : R strings of C characters, or (R, C) booleans, or None, optional
        Cells that cannot be entered, "#" or True. An agent that would move or be shifted into one stays.
    wrap : bool, optional
        True: a torus. False: the sum of move and shift stops at the walls.
    noise : float or (5,) floats, optional
        Five numbers: the probabilities of a shift left, up, none, down and right. One number nu: with probability nu
        a shift to one of the neighbouring cells without obstacles, or none, all equally likely.
    drift : bool, optional
        False: noise shifts acting agents, once per action; passive agents stay. True: noise shifts all agents, acting
        or not, with probability dt per step, on average once per sweep. Both are equal if dt = 1 and all agents act.
    congestion : float, optional
        c >= 0.
    epsilon : float, optional
        >= 1e-300; bounds the reward of an empty cell.
    moving_cost : float or (L,) floats or None, optional
        k >= 0, per move; L values are spread evenly over the horizon. None: 1 / max(R, C).
    initial : (S,) or (R, C) floats or None, optional
        mu_0, 0 on obstacles. None: uniform on the free cells.
    horizon, discount, step : float, optional
        T in sweeps, gamma in [0, 1] per sweep, and dt, the length of a step in sweeps, as in Game.

    Returns
    -------
    Game
        S = R C with observation_shape (R, C), A = 5, K = 5 (fewer if some shifts have probability 0); observations
        "0,0", "0,1", ...; name "crowd_motion". Compiled.

    Raises
    ------
    TypeError, ValueError
        A value out of range or of the wrong kind or shape; mu_0 > 0 on an obstacle.

    Notes
    -----
    OpenSpiel's mfg_crowd_modelling_2d(size=n, horizon=H) is shape=(n, n), horizon=H with moving_cost = (1/n,
    ..., 1/n, 0): there the cost of a move is part of the reward of the next step, so that the last move is free; the
    returns of any policy are the same. Its x is the row, its actions have the same numbers, noise_intensity is
    `noise`, crowd_aversion_coef `congestion`, its epsilon 1e-25 in single precision. Moves into obstacles are illegal
    there; here the agent stays and pays the moving cost, so that such a move never gains. Positional rewards: worth =
    2 - sum_i 2 v_i / n (|y - y_i| + |x - x_i|); only_distribution_reward: worth = 0 and moving_cost = 0.
    initial_distribution="[a|b]" starts there in row b and column a. In step 0 OpenSpiel computes rewards with the
    uniform population for every start, which adds the same constant for all policies. with_congestion, where the cost
    of a move depends on the crowd at its end on arrival, is not a reward of (o, a, mu_t) and is not supported.

    MFGLib's crowd_motion(T=t, torus_l=R, torus_w=C) is horizon=t+1, wrap=False, noise=(e, e, p_still, e, e)
    with e = (1 - p_still) / 4, moving_cost=0, epsilon=log_eps, and worth_t = c (1 - (|y - y_t| + |x - x_t|) /
    (R + C)) with its bar (y_t, x_t), which moves at random with its seed; actions down, up, right, left, stay.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> tmf.games.crowd_motion()
    Game('crowd_motion', S=100, A=5, T=10 sweeps, discount=1)
    >>> rooms = ["#######", "#  #  #", "#     #", "#  #  #", "#######"]
    >>> tmf.games.crowd_motion(obstacles=rooms, bar=(1, 5), horizon=20)
    Game('crowd_motion', S=35, A=5, T=20 sweeps, discount=1)
    """
    walls = _obstacles(obstacles)
    rows, columns = _sizes(shape, walls)
    needed = {"successors and rows": (44, rows, columns, 5, 5), "labels": (120, rows, columns)}
    needs.ask(needed)
    if walls is None:
        walls = np.zeros((rows, columns), bool)
    n = rows * columns
    if worth is None:
        places = _bar(bar, (rows, columns))
        worths = _proximity(places, rows, columns)
    elif bar is not None:
        raise ValueError("bar and worth are both given; must be one of them: worth replaces the distance to the bar")
    else:
        given = check.as_float_array(worth, "worth")
        if given.shape == (rows, columns):  # (L, S) may have the same shape; (R, C) takes precedence
            given = given.reshape(n)
        allowed: list[tuple[int | None, ...]] = [(n,), (rows, columns), (None, n), (None, rows, columns)]
        worths = check.as_float_array(
            given, "worth", shape=allowed, letters=["S", "R, C", "L, S", "L, R, C"]
        ).reshape(-1, n)
    torus = check.as_bool(wrap, "wrap")
    shifts: float | FloatArray
    if check.is_array(noise):
        shifts = check.as_probabilities(noise, "noise", shape=(5,))
    else:
        shifts = check.as_float(noise, "noise", low=0.0, high=1.0)
    everybody = check.as_bool(drift, "drift")
    crowd = check.as_float(congestion, "congestion", low=0.0)
    floor = check.as_float(epsilon, "epsilon", low=1e-300)
    costs = by_time(1.0 / max(rows, columns) if moving_cost is None else moving_cost, "moving_cost", low=0.0)
    mu = _initial(initial, walls)

    def model(dt: float, n_steps: int) -> CrowdAversion:
        successors, transition = _kernel(walls, torus, shifts, dt if everybody else 1.0)
        if everybody:
            passive_successors, passive = _trimmed(successors[:, STAY], transition[:, STAY])
        else:
            passive_successors, passive = np.arange(n)[:, np.newaxis], np.ones((n, 1))
        successors, transition = _trimmed(successors, transition)
        return CrowdAversion(
            transition, passive, successors, passive_successors, spread(worths, n_steps) * dt,
            np.broadcast_to(-1.0 * (np.arange(5) != STAY), (n, 5)), spread(costs, n_steps), crowd * dt, floor,
        )

    made = partial(
        crowd_motion, shape=(rows, columns), bar=None if bar is None else places, worth=again(worth, worths),
        obstacles=walls, wrap=torus, noise=shifts, drift=everybody, congestion=crowd, epsilon=floor,
        moving_cost=again(moving_cost, costs),
    )  # fmt: skip
    return _sweeps.in_sweeps(
        made, model, horizon, discount, initial, step, mu=mu, needed=needed,
        observation_labels=tuple(f"{y},{x}" for y in range(rows) for x in range(columns)), action_labels=MOVE_LABELS,
        observation_shape=(rows, columns),
    )  # fmt: skip


def _kernel(
    walls: npt.NDArray[np.bool_], wrap: bool, noise: float | FloatArray, strikes: float
) -> tuple[IntArray, FloatArray]:
    """Successors and probabilities (S, 5, 5) by action and shift; noise acts with probability `strikes`."""
    size = np.array(walls.shape)
    cells = np.indices(walls.shape).reshape(2, -1).T

    def landing(places: IntArray) -> tuple[IntArray, npt.NDArray[np.bool_]]:
        """The cells of places on or near the grid, and whether they are obstacles."""
        there = places % size if wrap else np.clip(places, 0, size - 1)
        return there, walls[there[..., 0], there[..., 1]]

    moved = cells[:, np.newaxis] + MOVES
    outside = ~((moved >= 0) & (moved < size)).all(-1) & (not wrap)
    blocked = landing(moved)[1] & ~outside  # outside the walls only the sum of move and shift matters
    moved[blocked] = np.broadcast_to(cells[:, np.newaxis], moved.shape)[blocked]
    ends, blocked = landing(moved[:, :, np.newaxis] + MOVES)
    free = ~blocked
    free[..., STAY] = True
    ends = np.where(free[..., np.newaxis], ends, landing(moved)[0][:, :, np.newaxis])
    if isinstance(noise, float):
        pushed = noise * free / free.sum(-1, keepdims=True)
        pushed[..., STAY] += 1.0 - noise
    else:
        pushed = np.broadcast_to(noise, free.shape)
    probabilities = strikes * pushed
    probabilities[..., STAY] += 1.0 - strikes
    return ends[..., 0] * size[1] + ends[..., 1], probabilities


def _trimmed(successors: IntArray, probabilities: FloatArray) -> tuple[IntArray, FloatArray]:
    """The kernel without entries that have probability 0 in all rows."""
    used = probabilities.any(axis=tuple(range(probabilities.ndim - 1)))
    return successors[..., used], probabilities[..., used]


def _proximity(places: IntArray, rows: int, columns: int) -> FloatArray:
    """(1, S) or (L, S): 2 - 2 |y - bar_y| / R - 2 |x - bar_x| / C."""
    y, x = np.indices((rows, columns)).reshape(2, 1, -1)
    worths: FloatArray = 2.0 - 2.0 / rows * np.abs(y - places[:, :1]) - 2.0 / columns * np.abs(x - places[:, 1:])
    return worths


def _bar(bar: object, size: tuple[int, int]) -> IntArray:
    """Places of the bar, (1, 2) or (L, 2)."""
    if bar is None:
        return np.array([[size[0] // 2, size[1] // 2]])
    places = check.as_int_array(bar, "bar", shape=[(2,), (None, 2)], letters=["2", "L, 2"], low=0)
    places = places.reshape(-1, 2)
    if (places >= size).any():
        t = int(np.argmax((places >= size).any(-1)))
        raise ValueError(f"bar is at {tuple(places[t].tolist())}; must lie in the grid of {size[0]} x {size[1]}")
    return places


def _obstacles(value: object) -> npt.NDArray[np.bool_] | None:
    """(R, C) booleans, or None."""
    if value is None:
        return None
    if isinstance(value, Sequence) and len(value) > 0 and all(isinstance(row, str) for row in value):
        lengths = {len(row) for row in value}
        if len(lengths) != 1:
            raise ValueError(f"obstacles has rows of {min(lengths)} to {max(lengths)} characters; must be equally long")
        if set("".join(value)) - set("# ."):
            raise ValueError("obstacles has characters other than '#', ' ' and '.'; must have none")
        walls = np.array([[cell == "#" for cell in row] for row in value], bool)
    else:
        walls = check.as_bool_array(value, "obstacles")
    if walls.ndim != 2 or walls.size == 0:
        raise ValueError(f"obstacles has shape {walls.shape}; must be (R, C)")
    if walls.all():
        raise ValueError("obstacles are on every cell; must leave at least one cell free")
    return walls


def _sizes(shape: object, walls: npt.NDArray[np.bool_] | None) -> tuple[int, int]:
    if shape is None:
        return (10, 10) if walls is None else (walls.shape[0], walls.shape[1])
    sizes = check.as_int_array(shape, "shape", shape=(2,), low=1)
    rows, columns = int(sizes[0]), int(sizes[1])
    if walls is not None and walls.shape != (rows, columns):
        raise ValueError(f"obstacles has shape {walls.shape}; must be shape = {(rows, columns)}")
    return rows, columns


def _initial(value: object, walls: npt.NDArray[np.bool_]) -> FloatArray:
    if value is None:
        return (~walls).ravel() / np.count_nonzero(~walls)
    given = check.as_float_array(value, "initial", shape=[(walls.size,), walls.shape], letters=["S", "R, C"])
    mu = check.as_probabilities(given.ravel(), "initial", shape=(walls.size,), letters="S")
    if mu[walls.ravel()].any():
        o = int(np.argmax((mu > 0) & walls.ravel()))
        raise ValueError(f"initial[{o}] is {mu[o]:g}; must be 0 on an obstacle")
    return mu
