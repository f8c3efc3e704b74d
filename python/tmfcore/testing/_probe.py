"""The tables of a game at many distributions and steps, for check_game."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tmfcore._base.validation import FloatArray
from tmfcore._limit.sizes import Needs, cells_of
from tmfcore._model.game import Game
from tmfcore.testing._report import Finding

TABLES = ("reward", "transition", "passive_reward", "passive_transition")
STEPS_TRIED = 5


def table_needs(game: Game, trials: int) -> Needs:
    """The tables of a Probe, and a third more while it looks at them."""
    n_mus = 2 + min(game.n_observations, trials) + trials
    n_tables = 3 * min(STEPS_TRIED, game.n_steps) + 2 * (n_mus - 3)
    numbers = cells_of(game.model) + game.n_observations * (game.n_actions + 1)
    return {f"tables at {n_mus} populations": (math.ceil(10.4 * n_tables * numbers),)}


Tables = tuple[FloatArray, FloatArray, FloatArray, FloatArray]


def distributions(game: Game, trials: int, rng: np.random.Generator) -> list[FloatArray]:
    """The initial one, uniform, all agents at one observation (up to `trials`), and `trials` random; sums are 1."""
    n = game.n_observations
    places = range(n) if n <= trials else rng.choice(n, trials, replace=False)
    mus = [game.initial, np.full(n, 1.0 / n), *(np.eye(1, n, int(o))[0] for o in places)]
    for i in range(trials):
        weights = rng.dirichlet(np.full(n, (1.0, 0.2, 20.0)[i % 3]))
        if i % 4 == 3:
            weights[rng.random(n) < 0.5] = 0.0
        total = weights.sum()
        mus.append(weights / total if np.isfinite(total) and total > 0 else np.full(n, 1.0 / n))
    return mus


def steps_of(game: Game, rng: np.random.Generator) -> list[int]:
    """0, T - 1, and some steps in between, in order."""
    drawn = rng.integers(game.n_steps, size=STEPS_TRIED - 2)
    return sorted({0, game.n_steps - 1, *(int(t) for t in drawn)})


class Probe:
    """A game's tables at every distribution and step tried; errors become findings, one for each kind of error."""

    def __init__(
        self, game: Game, mus: list[FloatArray], steps: list[int], rng: np.random.Generator
    ) -> None:
        self.game, self.mus, self.steps, self.rng = game, mus, steps, rng
        self.tables: dict[tuple[int, int], Tables] = {}
        self.failures: list[Finding] = []
        counted: dict[str, list[str]] = {}
        asked = 0
        for i in range(len(mus)):
            for t in steps if i < 3 else sorted({steps[0], steps[i % len(steps)]}):
                asked += 1
                try:
                    self.tables[i, t] = self.ask(mus[i], t)
                except FailedError as error:
                    code, said = error.args
                    counted.setdefault(code, []).append(f"at t={t} and mu = {short(mus[i])}: {said}")
        for code, texts in counted.items():
            self.failures.append(Finding("error", code, f"{texts[0]} ({len(texts)} of {asked} trials)"))

    def ask(self, mu: FloatArray, t: int) -> Tables:
        """The four tables at (mu, t), or a FailedError."""
        tables: Tables = asked(self.game.model.tables, mu, t)
        return tables

    def at_first_step(self) -> list[int]:
        """Indices of distributions whose tables at the first step were computed without an error."""
        return [i for i in range(len(self.mus)) if (i, self.steps[0]) in self.tables]

    def changes_with_mu(self, i: int) -> bool:
        """Whether table i differs between two of the distributions at one step."""
        for t in self.steps:
            seen = [tables[i] for (_, s), tables in self.tables.items() if s == t]
            if any(not equal(seen[0], other) for other in seen[1:]):
                return True
        return False

    def changes_with_time(self, i: int) -> bool:
        """Whether table i differs between two of the steps at one distribution."""
        for k in range(min(3, len(self.mus))):
            seen = [self.tables[k, t][i] for t in self.steps if (k, t) in self.tables]
            if any(not equal(seen[0], other) for other in seen[1:]):
                return True
        return False


def equal(x: FloatArray, y: FloatArray) -> bool:
    scale = max(float(np.abs(x).max()), float(np.abs(y).max()))
    return float(np.abs(x - y).max()) <= 1e-13 * scale


def short(mu: FloatArray) -> str:
    """A distribution, shortened for an error text."""
    most = np.argsort(-mu, kind="stable")[:3]
    if len(mu) <= 4:
        return "[" + ", ".join(f"{p:.4g}" for p in mu) + "]"
    return "mostly " + ", ".join(f"{mu[o]:.4g} at {o}" for o in most if mu[o] > 0)


class FailedError(Exception):
    """The game raised an error; args are the code of the finding and the text of the error."""


def asked(call: Callable[..., Any], *arguments: Any) -> Any:
    """Call the game; its errors become a FailedError, to distinguish them from errors of this module."""
    try:
        return call(*arguments)
    except ValueError as error:
        raise FailedError("promise" if " is promised, but " in str(error) else "rows", str(error)) from error
    except Exception as error:
        raise FailedError("raises", f"{type(error).__name__}: {error}") from error


def guarded(look: Callable[[Probe], Iterator[Finding]], probe: Probe) -> list[Finding]:
    """The findings of one check; an error of the game is a finding, too, unless there was one before."""
    found: list[Finding] = []
    try:
        for finding in look(probe):
            found.append(finding)
    except FailedError as error:
        if not probe.failures:
            probe.failures.append(Finding("error", *error.args))
            found.append(probe.failures[-1])
    return found
