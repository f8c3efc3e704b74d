"""A search for two flows of a game that contradict monotonicity (Theory, section 4).

    search(...) -> the violation found, or None, and the number of flows compared

The flows of mixtures of two policies (a share s of the population plays the second one) form a line, which is straight
if transitions do not depend on mu. If rewards are affine, the terms of the sum are constant along such a line; lines
are refined where the terms change (_adversary.scan).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tmfcore._base.validation import FloatArray
from tmfcore._limit.mean_field import mean_field
from tmfcore._limit.sizes import Needs
from tmfcore._model import appearance
from tmfcore._model.game import Game
from tmfcore._model.legal import LegalArray, lawful
from tmfcore._model.policies import TabularPolicy
from tmfcore._model.schedules import Schedule
from tmfcore._results.result import Result
from tmfcore._results.tables import Variable
from tmfcore.analysis import _adversary, _corners

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Violation", "search", "search_needs"]

LINE = 25  # flows per refined line
PAIRS = 4  # lines between random policies, of FEW flows each, per refined line
FEW = 3
KEPT = 20  # flows of a line that `search_needs` counts; a line that is not refined has 9
ROUNDING = 1e-11  # a sum counts as positive if it exceeds this share of the absolute values of its terms


@dataclass(frozen=True, eq=False, repr=False)
class Violation(Result[Literal["flows"]]):
    """Two flows of the game that contradict monotonicity.

    Parameters
    ----------
    value : float
        The sum of Theory, section 4, discounted; > 0.
    policies : pair of TabularPolicy
        The policies of the two flows, L = T.
    flows : pair of (T+1, S) float64

    Notes
    -----
    `plot` draws the two flows.
    """

    value: float
    policies: tuple[TabularPolicy, TabularPolicy]
    flows: tuple[FloatArray, FloatArray]

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "value", self.value
        yield "T", len(self.flows[0]) - 1
        yield "S", self.flows[0].shape[1]

    def _variables(self) -> dict[str, Variable]:
        first, second = self.flows
        return {"first": (("step", "observation"), first), "second": (("step", "observation"), second)}

    def _picture(self, kind: str, **style: Any) -> Axes:
        from tmfcore import plotting

        first, second = self.flows
        times = np.arange(len(first), dtype=np.float64)
        return plotting.lines(
            plotting.Course(times, first), appearance.numbered(first.shape[1]), field=plotting.Course(times, second),
            names=("first flow", "second flow"), unit="steps", **style,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Flow:
    """A policy (T, S, A), its flow (T+1, S), the law of (o, a) at each step, and the rewards along the flow."""

    policy: TabularPolicy
    mu: FloatArray
    acting: FloatArray  # (T, S, A)
    reward: FloatArray  # (T, S, A)
    passive_reward: FloatArray  # (T, S)


class _ViolationSearch:
    def __init__(self, game: Game, schedule: Schedule, n_agents: int | None, beta: FloatArray) -> None:
        self.game, self.schedule, self.n_agents, self.beta = game, schedule, n_agents, beta
        self.weights = game.discount ** np.arange(game.n_steps)
        self.compared = 0
        self.best: Violation | None = None

    def follow(self, table: FloatArray) -> _Flow:
        game = self.game
        policy = TabularPolicy(table)
        mu = mean_field(game, policy, self.schedule, self.n_agents).mu
        rewards = [_corners.rewards(game, mu[t], t) for t in range(game.n_steps)]
        self.compared += 1
        return _Flow(
            policy, mu, mu[:-1, :, None] * table, np.stack([r for r, _ in rewards]), np.stack([r for _, r in rewards])
        )

    def compare(self, one: _Flow, two: _Flow, width: float) -> FloatArray:
        """Terms of the sum by step, and their sum, divided by width^2; keeps the largest violation."""
        beta, factor = self.beta[..., None], self.weights[:, None, None]
        change = one.reward - two.reward
        acting = factor * beta * change * (one.acting - two.acting)
        held = factor[..., 0] * (1 - beta[..., 0]) * (one.passive_reward - two.passive_reward)
        waiting = held * (one.mu - two.mu)[:-1]
        terms = acting.sum(axis=(1, 2)) + waiting.sum(axis=1)
        sizes = factor * beta * (np.abs(one.reward) + np.abs(two.reward)) * np.abs(one.acting - two.acting)
        others = factor[..., 0] * (1 - beta[..., 0]) * (np.abs(one.passive_reward) + np.abs(two.passive_reward))
        scale = float(sizes.sum() + (others * np.abs(one.mu - two.mu)[:-1]).sum())
        value = float(terms.sum())
        if value > ROUNDING * scale and (self.best is None or value > self.best.value):
            self.best = Violation(value, (one.policy, two.policy), (one.mu, two.mu))
        return np.append(terms, value) / width**2

    def between(self, first: FloatArray, second: FloatArray, s: float) -> FloatArray:
        """The mean policy (T, S, A) if a share s plays `second`, assuming that transitions do not depend on mu."""
        if s in (0.0, 1.0):
            return second if s else first
        one, two = (self.flow_of[id(table)] for table in (first, second))
        rho = (1 - s) * one[:-1, :, None] * first + s * two[:-1, :, None] * second
        mass = rho.sum(axis=-1, keepdims=True)
        return np.where(mass > 1e-300, rho / np.maximum(mass, 1e-300), (1 - s) * first + s * second)

    def line(self, first: FloatArray, second: FloatArray, n: int, generator: np.random.Generator) -> None:
        """Compare flows of mixtures of two policies; stops at a violation."""
        self.flow_of = {
            id(table): mean_field(self.game, TabularPolicy(table), self.schedule, self.n_agents).mu
            for table in (first, second)
        }
        for _ in _adversary.scan(
            lambda s: self.follow(self.between(first, second, s)), self.compare, n, generator
        ):
            if self.best is not None:
                return


def search(
    game: Game,
    schedule: Schedule,
    n_agents: int | None,
    beta: FloatArray,
    trials: int,
    generator: np.random.Generator,
) -> tuple[Violation | None, int]:
    """Compare up to `trials` flows (at least 2) on lines between policies; stops at the first line with a violation."""
    looking = _ViolationSearch(game, schedule, n_agents, beta)
    trials = max(trials, 2)
    for first, second, n in _policies(game, generator):
        left = trials - looking.compared
        if left < 2 or looking.best is not None:
            break
        looking.line(first, second, min(n, left), generator)
    return looking.best, looking.compared


def search_needs(game: Game, trials: int) -> Needs:
    """Of the flows that a line keeps, more than those of its first points and fewer than all, and of two at work."""
    size, n_actions = game.n_observations, game.n_actions
    kept = min(KEPT, trials)
    return {
        f"policies and rewards of {kept} flows": (8 * (3 * kept + 19), game.n_steps, size, n_actions),
        "policies towards each observation": (32, size + n_actions, size, n_actions),
    }


def _policies(game: Game, generator: np.random.Generator) -> Iterator[tuple[FloatArray, FloatArray, int]]:
    """An endless stream of pairs of policies (T, S, A) and the number of flows to compare between them.

    Pairs: a deterministic policy of `_ways` and a mixture of them, along which one share goes from its largest to its
    smallest value; two policies that differ in the decisions of one step; two of `_ways`; random ones, far and near.
    """
    shape, legal = (game.n_steps, game.n_observations, game.n_actions), game.legal
    ways = _ways(game)

    def always(way: FloatArray) -> FloatArray:
        return np.broadcast_to(way, shape).copy()

    while True:
        order = generator.permutation(len(ways))
        for k, i in enumerate(order):
            first, other = always(ways[i]), ways[order[k - 1]]
            share = generator.dirichlet(np.ones(len(ways)))
            yield first, always(np.tensordot(share, ways, axes=1)), LINE
            base = always(ways[generator.integers(len(ways))]) if k % 2 else _random(generator, shape, legal, 1.0)
            second = base.copy()
            # A decision at step t changes mu from t + 1 on: the last decision changes no reward through mu.
            t = int(generator.integers(game.n_steps - 1))
            base[t], second[t] = ways[i], other
            yield base, second, LINE
            if k % 2:
                yield first, always(other), LINE
            for j in range(PAIRS):
                concentration = (1.0, 0.05, 20.0)[int(generator.integers(3))]
                first, second = (_random(generator, shape, legal, concentration) for _ in range(2))
                yield first, second if j % 2 else 0.9 * first + 0.1 * second, FEW


def _ways(game: Game) -> FloatArray:
    """M policies (M, S, A): each action everywhere, and for each observation the action most likely to lead there."""
    size, n_actions = game.n_observations, game.n_actions
    active, _ = _corners.rows(game, game.initial, 0)
    actions = np.repeat(np.arange(n_actions)[:, np.newaxis], size, axis=1)
    toward = active.argmax(axis=1).T  # (S target, S)
    return np.unique(np.eye(n_actions)[lawful(np.concatenate([actions, toward]), game.legal)], axis=0)


def _random(
    generator: np.random.Generator, shape: tuple[int, ...], legal: LegalArray | None, concentration: float
) -> FloatArray:
    weights = generator.gamma(concentration, size=shape) + 1e-300
    if legal is not None:
        weights *= legal
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))
