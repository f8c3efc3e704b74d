"""Which games are compared, at what size, and which of theirs they are.

IN_MFGLIB   games that MFGLib has
IN_OPENSPIEL    games that OpenSpiel has
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from scipy.stats import norm

import tmfcore as tmf
from peers import need
from tmfcore import games


@dataclass(frozen=True)
class InMFGLib:
    """A game that is one of MFGLib's.

    ours, theirs    make it; observations and actions of ours are numbered as theirs are once flattened
    rate            of a mirror descent that does not stand still
    iterations      of the curves that are compared: fewer where theirs is slow
    actions         (A,) our number of each action of theirs, where they differ
    """

    name: str
    ours: Callable[[], tmf.Game]
    theirs: Callable[[Any], Any]  # of the class Environment
    rate: float = 0.5
    actions: tuple[int, ...] | None = None
    iterations: int = 50


@dataclass(frozen=True)
class InOpenSpiel:
    """A game that is one of OpenSpiel's.

    ours        makes it
    theirs      name there and its parameters
    place       (t, x) of a decision node
    late        what a decision node pays for the action before it: a function of the place and that action (None at
                the start). Values there are keyed without it, so that their own figures are wrong where this is not 0.
    """

    name: str
    ours: Callable[[], tmf.Game]
    theirs: tuple[str, dict[str, Any]]
    place: Callable[[Any], tuple[int, int]]
    late: Callable[[int, int | None], float] = field(default=lambda x, action: 0.0)
    rate: float = 0.5


def mfglib_beach_bar(n: int, bar: int, last: int, p_still: float) -> tmf.Game:
    x = np.arange(n)
    wind = [(1 - p_still) / 2, p_still, (1 - p_still) / 2]
    return games.beach_bar(
        n, worth=-np.minimum((x - bar) % n, (bar - x) % n).astype(float), noise=wind, epsilon=1e-20,
        wrap=False, horizon=last + 1,
     step=1).at()  # fmt: skip


def mfglib_crowd_motion(last: int, rows: int, columns: int, bars: list[tuple[int, int]]) -> tmf.Game:
    """Actions down, up, right, left, stay there, as `IN_MFGLIB` says; bars by step."""
    y, x = np.indices((rows, columns))
    worth = [10.0 * (1 - (abs(y - b) + abs(x - c)) / (rows + columns)) for b, c in bars]
    return games.crowd_motion(
        (rows, columns), worth=np.array(worth), wrap=False, noise=[0.125, 0.125, 0.5, 0.125, 0.125], epsilon=1e-10,
        moving_cost=0.0, horizon=last + 1,
     step=1).at()  # fmt: skip


def mfglib_linear_quadratic(initial=None) -> tmf.Game:
    j = np.arange(-3, 4)
    chances = np.exp(-0.5 * (3.0 * j) ** 2)
    noise = [9.0 * np.sqrt(0.1) * j, chances / chances.sum()]
    return games.linear_quadratic(
        11, actions=np.arange(-2.0, 3.0), delta=0.1, noise=noise, mean_reversion=1.0, cross=0.01, kappa=0.5,
        terminal_cost=1.0, rounding="nearest position", horizon=3, initial=initial,
     step=1).at()  # fmt: skip


#: Where MFGLib's bar stands at each step: by default, and for T=5, torus_l=6, torus_w=5, seed=1.
CROWD_BARS = [
    [(10, 10), (10, 10), (9, 11), (9, 11)],
    [(3, 2), (3, 2), (4, 3), (4, 3), (3, 2), (3, 2)],
]
LINE = np.arange(2, 13) / 77  # a mean on no tie of the rounding, at which single bits decide


def _tensor(values: np.ndarray):
    import torch

    return torch.tensor(values, dtype=torch.get_default_dtype())


IN_MFGLIB = [
    InMFGLib("beach_bar", lambda: mfglib_beach_bar(4, 2, 2, 0.5), lambda Environment: Environment.beach_bar()),
    InMFGLib(
        "beach_bar", lambda: mfglib_beach_bar(9, 3, 7, 0.3),
        lambda Environment: Environment.beach_bar(T=7, n=9, bar_loc=3, p_still=0.3), rate=0.1,
    ),
    InMFGLib(
        "beach_bar", lambda: mfglib_beach_bar(100, 50, 19, 0.5),
        lambda Environment: Environment.beach_bar(T=19, n=100, bar_loc=50), rate=0.01,
    ),
    InMFGLib("left_right", lambda: games.left_right(step=1).at(), lambda Environment: Environment.left_right()),
    InMFGLib(
        "rock_paper_scissors", lambda: games.rock_paper_scissors(step=1).at(), lambda Environment: Environment.rock_paper_scissors(),
        rate=0.1,
    ),
    InMFGLib(
        "susceptible_infected", lambda: games.susceptible_infected(horizon=21),
        lambda Environment: Environment.susceptible_infected(T=20), rate=0.1,
    ),
    InMFGLib(
        "crowd_motion", lambda: mfglib_crowd_motion(5, 6, 5, CROWD_BARS[1]),
        lambda Environment: Environment.crowd_motion(T=5, torus_l=6, torus_w=5, seed=1), rate=0.1,
        actions=(3, 1, 4, 0, 2),
    ),
    InMFGLib(
        "crowd_motion", lambda: mfglib_crowd_motion(3, 20, 20, CROWD_BARS[0]),
        lambda Environment: Environment.crowd_motion(), rate=0.1, actions=(3, 1, 4, 0, 2), iterations=5,
    ),
    InMFGLib(
        "building_evacuation", lambda: games.building_evacuation(3, length=4, width=4, horizon=6, step=1).at(),
        lambda Environment: Environment.building_evacuation(T=5, n_floor=3, floor_l=4, floor_w=4), rate=0.1,
    ),
    InMFGLib(
        "linear_quadratic", lambda: mfglib_linear_quadratic(LINE),
        lambda Environment: Environment.linear_quadratic(mu0=_tensor(LINE)), rate=0.1, iterations=5,
    ),
]


def openspiel_crowd(size: int, horizon: int) -> tmf.Game:
    """beach_bar whose last move is free: there a move is paid for at the next decision, and after the last is none."""
    bar = games.beach_bar(size, noise=[1 / 3] * 3, epsilon=1e-25, horizon=horizon, step=1).at()
    fare = np.array([1.0, 0.0, 1.0]) / size

    def reward(mu, t):
        return bar.tables(mu)[0] + (fare if t == horizon - 1 else 0.0)

    _, moves, _, _ = bar.tables(bar.initial)
    return tmf.Game(size, 3, horizon, 1.0, bar.initial, reward, moves)


def _crowd(name: str, size: int, horizon: int) -> InOpenSpiel:
    return InOpenSpiel(
        "beach_bar", lambda: openspiel_crowd(size, horizon), (name, {"size": size, "horizon": horizon}),
        place=lambda state: tuple(int(n) for n in str(state).strip("()").split(","))[::-1],
        late=lambda x, action: 0.0 if action in (None, 1) else -1.0 / size,
    )  # fmt: skip


def _crowd_2d(size: int, horizon: int) -> InOpenSpiel:
    def place(state):
        row, column, t = (int(n) for n in str(state).strip("()").split(","))
        return t, size * row + column

    return InOpenSpiel(
        "crowd_motion",
        lambda: games.crowd_motion((size, size), horizon=horizon, moving_cost=[1 / size] * (horizon - 1) + [0.0], step=1).at(),
        ("mfg_crowd_modelling_2d", {"size": size, "horizon": horizon}),
        place,
        late=lambda x, action: 0.0 if action in (None, 2) else -1.0 / size,
    )


def _line(size: int, horizon: int, side: int) -> InOpenSpiel:
    """Without their cross term, which pays for an action by the next step's mean."""

    def ours():
        j = np.arange(-side, side + 1.0)
        edges = np.concatenate([[-np.inf], j[:-1] + 0.5, [np.inf]])
        noise = [j, np.diff(norm.cdf(edges))]
        return games.linear_quadratic(
            size, actions=j, delta=1.0, noise=noise, mean_reversion=0.0, cross=0.0, kappa=0.5, terminal_cost=0.5, wrap=True,
            rounding="nearest", horizon=horizon - 1,
         step=1).at()  # fmt: skip

    parameters = {"size": size, "horizon": horizon, "n_actions_per_side": side, "cross_q": 0.0}
    return InOpenSpiel(
        "linear_quadratic", ours, ("mean_field_lin_quad", parameters),
        place=lambda state: tuple(int(n) for n in str(state).strip("()").split(","))[::-1],
        late=lambda x, action: 0.0 if action is None else -0.5 * (action - side) ** 2,
    )  # fmt: skip


def _garnet(size: int, n_actions: int, horizon: int) -> InOpenSpiel:
    """mfg_garnet as crowd_aversion on tables read off its states; an action is paid for at the place that it leads to."""
    eta, epsilon = 0.7, np.float64(np.float32(1e-25))
    name = "mfg_garnet"
    parameters = {
        "size": size, "num_action": n_actions, "horizon": horizon, "eta": eta, "seed": 4, "sparsity_factor": 0.8,
    }  # fmt: skip

    def place(state):
        x, t = str(state).split("_")[0].strip("()").split(",")
        return int(t), int(x)

    def paid(state):
        """The crowd, an even one here, apart."""
        return state.rewards()[0] + eta * np.log(1 / size + epsilon)

    @cache
    def read():
        moves, cells = np.zeros((size, n_actions, 3)), np.zeros((size, n_actions, 3), int)
        first, for_action = np.zeros(size), np.full((size, n_actions), np.nan)  # by the place reached
        start = need("pyspiel").load_game(name, parameters).new_initial_state()
        for x in range(size):
            here = start.child(x)
            first[x] = paid(here)
            for a in range(n_actions):
                moved = here.child(a)
                for k, (outcome, p) in enumerate(moved.chance_outcomes()):
                    there = moved.child(outcome)
                    there.update_distribution([1 / size] * size)
                    moves[x, a, k], cells[x, a, k] = p, place(there)[1]
                    for_action[cells[x, a, k], a] = paid(there)
        return moves, cells, first, for_action

    def ours():
        moves, cells, first, for_action = read()
        worth = np.vstack([first, np.zeros((horizon - 1, size))])
        gains = (moves * np.nan_to_num(for_action)[cells, np.arange(n_actions)[None, :, None]]).sum(axis=-1)
        return games.crowd_aversion(
            moves, worth=worth, successors=cells, action_reward=gains, action_scale=[1.0] * (horizon - 1) + [0.0],
            congestion=eta, epsilon=epsilon, horizon=horizon,
         step=1).at()  # fmt: skip

    def late(x, action):
        return 0.0 if action is None else read()[3][x, action]

    return InOpenSpiel("crowd_aversion", ours, (name, parameters), place, late)


IN_OPENSPIEL = [
    _crowd("python_mfg_crowd_modelling", 10, 10),
    _crowd("mfg_crowd_modelling", 10, 10),
    _crowd_2d(3, 4),
    _line(5, 3, 1),
    _garnet(5, 3, 4),
]
