"""Deceptive games, and the claims that the package makes about them: docs/measured/claims.md.

    nice python -m bench.claims [--games 1000] [--write]

Each game is simple at most populations and different at some: a spike, kink, plateau or ripple of the rewards, slopes
near rounding, a feature at one step only, rows that change in a narrow window, a policy that depends on the population.
Its true properties are known by construction. A claim (proved monotone, unique, exact, rigorous) that contradicts them
is an overclaim. One game in ten is honest and declares its form; for it, a missing claim is an error, too.
"""

from __future__ import annotations

import argparse
import ctypes
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tmfcore as tmf
from tmfcore.analysis import bound, monotonicity

Array = NDArray[np.float64]
PAGE = Path(__file__).parents[1] / "docs" / "measured" / "claims.md"
N = 100  # agents of the bounds
SCHEDULES = (tmf.Synchronous(), tmf.Batch(30), tmf.Bernoulli(0.5))


@dataclass(frozen=True)
class Deception:
    """A game, a policy, and its true properties: whether it is (strictly) monotone, and slopes that occur.

    None: not known.
    """

    kind: str
    game: tmf.Game
    policy: object
    monotone: bool | None = None
    strictly: bool | None = None
    reward_slope: float = 0.0
    flow_slope: float = 0.0  # in l1, of some step
    honest: bool = False


def bump(x: Any, low: float, width: float) -> Any:
    """A tent over [low, low + width] with slopes 1 and -1."""
    return np.maximum(0.0, np.minimum(x - low, low + width - x))


def moves(size: int) -> Array:
    return np.eye(size)[None].repeat(size, axis=0)


def everywhere(rewards: Array, n_actions: int) -> Array:
    return np.repeat(rewards[:, None], n_actions, axis=1)


def rewarded(rng: np.random.Generator, held: Callable[[Array, int], Array], size: int, way: int) -> tmf.Game:
    """A game of free moves with reward held(mu, t) (S,): callables, with passive reward, compiled, typed, or noisy."""
    horizon, initial = int(rng.integers(2, 6)), rng.dirichlet(np.ones(size))
    if way == 1:
        return tmf.Game(size, size, horizon, 0.9, initial, lambda mu, t: everywhere(held(mu, t), size), moves(size),
                        passive_reward=held)  # fmt: skip
    if way == 2:
        return compiled(held, size, horizon, initial)
    game = tmf.Game(size, size, horizon, 0.9, initial, lambda mu, t: everywhere(held(mu, t), size), moves(size))
    if way == 3:
        return tmf.games.typed([game, game], shares=[0.5, 0.5])
    if way == 4:
        return tmf.Game(size, size, horizon, 0.9, initial, lambda mu, t, z: everywhere(held(mu, t) + z, size),
                        moves(size), noise=np.zeros(horizon))  # fmt: skip
    return game


def compiled(held: Callable[[Array, int], Array], size: int, horizon: int, initial: Array) -> tmf.Game:
    pointer = ctypes.POINTER(ctypes.c_double)
    signature = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int, pointer, pointer, pointer, ctypes.c_void_p
    )

    def row(t: int, o: int, a: int, mu: Any, probabilities: Any, reward: Any, user: Any) -> int:
        for x in range(size):
            probabilities[x] = float(x == (o if a < 0 else a))
        reward[0] = held(np.array(mu[:size]), t)[o]
        return 0

    function = signature(row)
    return tmf.Game.compiled(
        ctypes.cast(function, ctypes.c_void_p).value, size, size, horizon, 0.9, initial, owner=function,
        constant_transition=True,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------- the deceptions


def spike(rng: np.random.Generator) -> Deception:
    """Congestion, except in a window of one place's share, where the reward rises; perhaps at one step only."""
    size, way = int(rng.integers(2, 7)), int(rng.integers(5))
    width, o = float(10 ** rng.uniform(-4, -0.5)), int(rng.integers(size))
    low, slope = float(rng.uniform(0.0, 1 - width)), float(rng.uniform(1.5, 6.0))
    when = int(rng.integers(1, 2 if rng.random() < 0.5 else 3)) - 1

    def held(mu: Array, t: int) -> Array:
        rewards = -mu
        if when == 0 or t == 1:
            rewards[o] += slope * bump(mu[o], low, width)
        return rewards

    game = rewarded(rng, held, size, way)
    steep = 0.5 * (slope - 1) * (0.99 if way != 3 else 0.0)  # per unit of l1
    return Deception("spike" if when == 0 else "spike at one step", game, uniform(game), False, False, steep)


def kink(rng: np.random.Generator) -> Deception:
    """The reward falls up to a share and rises above it."""
    size, way = int(rng.integers(2, 7)), int(rng.integers(5))
    at, o = float(rng.uniform(0.3, 0.999)), int(rng.integers(size))

    def held(mu: Array, t: int) -> Array:
        rewards = -mu
        rewards[o] += 2.5 * max(0.0, mu[o] - at)
        return rewards

    game = rewarded(rng, held, size, way)
    return Deception("kink", game, uniform(game), False, False)


def plateau(rng: np.random.Generator) -> Deception:
    """The reward is constant up to a share: monotone, but not strictly, so that there are several equilibria."""
    size, way = int(rng.integers(3, 7)), int(rng.integers(5))
    at = float(rng.uniform(0.02, 1.0 / size))
    game = rewarded(rng, lambda mu, t: -np.maximum(mu, at), size, way)
    return Deception("plateau", game, uniform(game), None, False)


def ripple(rng: np.random.Generator) -> Deception:
    """The reward equals plain congestion at the points of a grid, and rises and falls between them."""
    size, way = int(rng.integers(2, 6)), int(rng.integers(5))
    waves = int(rng.choice([8, 10, 16, 64, 100, 1000]))
    game = rewarded(rng, lambda mu, t: -mu + 0.5 / waves * np.sin(2 * np.pi * waves * mu), size, way)
    return Deception("ripple off the grid", game, uniform(game), False, False)


def tiny(rng: np.random.Generator) -> Deception:
    """Herding so weak that it is near rounding; half of these games declare it."""
    size, slope = int(rng.integers(2, 7)), float(10 ** rng.uniform(-16, -3))
    level = float(rng.choice([0.0, 1.0, 1e3]))
    if rng.random() < 0.5:
        game = rewarded(rng, lambda mu, t: level + slope * mu, size, int(rng.integers(5)))
        return Deception("tiny slope", game, uniform(game), False, False)
    slopes = np.zeros((size, size, size))
    if rng.random() < 0.5:
        slopes += slope * np.eye(size)[:, None]
    else:  # congestion that depends slightly on the action
        slopes -= np.eye(size)[:, None]
        slopes[0, 1, 0] -= slope if slope > 2e-16 else 1e-15
    game = tmf.games.affine(np.full((size, size), level), reward_mu=slopes, transition0=moves(size),
                            transition_mu=None, horizon=3, discount=0.9,
                            initial=np.full(size, 1 / size))  # fmt: skip
    return Deception("tiny slope, declared", game, uniform(game), False, False)


def window(rng: np.random.Generator) -> Deception:
    """Rows are constant except in a window of one share; perhaps at one step only, perhaps for passive agents."""
    size, horizon = int(rng.integers(2, 6)), int(rng.integers(3, 8))
    rows = rng.dirichlet(np.ones(size), size=(size, 2))
    other = np.eye(size)[rows.argmin(axis=-1)]
    width, o = float(10 ** rng.uniform(-4, -1)), int(rng.integers(size))
    low = float(rng.uniform(0.05, 0.9 - width))
    when = int(rng.integers(horizon)) if rng.random() < 0.5 else None

    def transition(mu: Array, t: int) -> Array:
        return other if low < mu[o] < low + width and when in (None, t) else rows

    passive = rng.random() < 0.3
    start, rewards = rng.dirichlet(np.ones(size)), rng.normal(size=(size, 2))
    game = tmf.Game(
        size, 2, horizon, 0.9, start, rewards, rows if passive else transition,
        passive_transition=(lambda mu, t: transition(mu, t)[:, 0]) if passive else None,
    )  # fmt: skip
    return Deception("window of rows", game, uniform(game), None, False, flow_slope=1e3)


def aware(rng: np.random.Generator) -> Deception:
    """Declared constant rows, and a policy that jumps, or changes fast, as one share passes a level."""
    size = int(rng.integers(2, 6))
    game = tmf.Game(size, size, 4, 0.9, rng.dirichlet(np.ones(size)), np.zeros((size, size)), moves(size))
    level, steep = float(rng.uniform(0.1, 0.9)), float(10 ** rng.uniform(1, 3))
    if rng.random() < 0.5:
        theta = np.zeros((1, size, size, 1 + size))
        theta[0, :, 0, 0], theta[0, :, 0, 1] = -steep * level, steep
        return Deception("policy that depends on mu", game, tmf.SoftmaxPolicy(theta), None, None, flow_slope=steep / 8)

    def policy(mu: Array, t: int) -> Array:
        return np.eye(size)[np.full(size, 0 if level < mu[0] < level + 1 / steep else size - 1)]

    return Deception("policy that depends on mu", game, policy, None, None, flow_slope=1e3)


def honest(rng: np.random.Generator) -> Deception:
    """Declared congestion, which the package must recognise."""
    size = int(rng.integers(2, 7))
    game = tmf.games.affine(
        rng.normal(size=(size, size)), reward_mu=-np.diag(rng.uniform(0.1, 1, size))[:, None].repeat(size, axis=1),
        transition0=moves(size), transition_mu=None, passive_reward_mu=-np.eye(size),
        horizon=4, discount=0.9, initial=rng.dirichlet(np.ones(size)),
    )  # fmt: skip
    return Deception("honest", game, uniform(game), True, True, 0.05, 0.0, honest=True)


def uniform(game: tmf.Game) -> tmf.TabularPolicy:
    return tmf.TabularPolicy.uniform(game)


MAKERS = (spike, kink, plateau, ripple, tiny, window, aware, spike, window, honest)


def battery(n_games: int) -> Iterator[tuple[int, Deception]]:
    """The first n_games games: (seed, game)."""
    for seed in range(n_games):
        rng = np.random.default_rng([seed, 2026])
        yield seed, MAKERS[seed % len(MAKERS)](rng)


# ------------------------------------------------------------------------------------------------------ the claims


@dataclass(frozen=True)
class Answer:
    """Wrong claims, in words, and which known properties were found."""

    overclaims: tuple[str, ...]
    refuted: bool | None  # a violation of monotonicity was found; None: there is none, or none is known
    steep: bool | None  # half of the known slope of rewards or flow was found


def ask(what: Deception, seed: int, trials: int) -> Answer:
    """Check all claims about one game."""
    schedule = SCHEDULES[seed % len(SCHEDULES)]
    known = monotonicity(what.game, schedule, N, trials=trials, rng=seed)
    limits = bound(what.game, what.policy, schedule, N, trials=max(10, trials // 2), rng=seed)
    constants = limits.lipschitz
    wrong = []
    proved = known.verdict in ("monotone", "strictly monotone")
    if proved and what.monotone is False:
        wrong.append(f"{known.verdict}, of a game that is not")
    if known.verdict == "strictly monotone" and what.strictly is False:
        wrong.append("strictly monotone, of a game that is not")
    if known.unique and what.strictly is False:
        wrong.append("unique, of a game whose rewards do not make it so")
    if known.verdict == "not monotone" and what.monotone:
        wrong.append("not monotone, of a game that is")
    slope = what.flow_slope * float(np.max(schedule.active_fraction(what.game.horizon, N)))
    if constants.reward_kind == "exact" and constants.reward < what.reward_slope:
        wrong.append(f"reward constant {constants.reward:g} called exact; slope {what.reward_slope:g} exists")
    if slope and (constants.flow_kind == "exact" or limits.rigorous):
        wrong.append(f"flow constant {constants.flow.max():g} called exact; slope {slope:g} exists")
    if what.honest and not (known.unique and limits.rigorous and constants.reward_kind == "exact"):
        wrong.append("an honest game was not recognised")
    steep = None
    if slope or what.reward_slope:
        steep = bool(constants.flow.max() >= 0.5 * slope and constants.reward >= 0.5 * what.reward_slope)
    return Answer(tuple(wrong), known.verdict == "not monotone" if what.monotone is False else None, steep)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", type=int, default=1000)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--write", action="store_true", help="write docs/measured/claims.md")
    options = parser.parse_args()
    began = time.perf_counter()
    asked, refutable, refuted, steepable, steep = (Counter[str]() for _ in range(5))
    overclaims = []
    for seed, what in battery(options.games):
        answer = ask(what, seed, options.trials)
        asked[what.kind] += 1
        refutable[what.kind] += answer.refuted is not None
        refuted[what.kind] += bool(answer.refuted)
        steepable[what.kind] += answer.steep is not None
        steep[what.kind] += bool(answer.steep)
        overclaims += [f"game {seed} ({what.kind}): {text}" for text in answer.overclaims]
    lines = [
        f"| {kind} | {asked[kind]} | {share(refuted[kind], refutable[kind])} | {share(steep[kind], steepable[kind])} |"
        for kind in sorted(asked)
    ]
    lines.append(
        f"| all | {sum(asked.values())} | {share(sum(refuted.values()), sum(refutable.values()))} "
        f"| {share(sum(steep.values()), sum(steepable.values()))} |"
    )
    head = f"**Overclaims: {len(overclaims)} of {options.games:,}**, with {options.trials} trials per game."
    columns = "| games | number | refuted of those not monotone | half of the known slope found |"
    text = "\n".join([head, "", *overclaims, columns, "|---|---|---|---|", *lines])
    print(text)
    print(f"{time.perf_counter() - began:.0f} s")
    if options.write:
        above = PAGE.read_text().split("<!-- measured -->")[0]
        PAGE.write_text(f"{above}<!-- measured -->\n\n{text}\n")
    if overclaims:
        raise SystemExit(1)


def share(part: int, whole: int) -> str:
    return f"{part} of {whole}" if whole else ""


if __name__ == "__main__":
    main()
