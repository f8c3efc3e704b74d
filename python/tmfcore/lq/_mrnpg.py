"""MRNPG: every team follows its own natural gradient, one step of the game after another, backward in time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from tmfcore._base import options
from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory, takes_rng
from tmfcore._base.validation import FloatArray
from tmfcore._model.schedules import Schedule
from tmfcore._random import seeding
from tmfcore.lq._activity import activity
from tmfcore.lq._riccati import GainsLike, LQSolution, as_gains, ask, solution
from tmfcore.lq._rollouts import Rollouts
from tmfcore.lq._system import DEVIATIONS, System, Value
from tmfcore.lq._team_game import LQGame

__all__ = ["MRNPG"]

Source: TypeAlias = Literal["exact", "sampled"]
SAMPLED = {"gradient": ("sampled",)}


@dataclass(frozen=True, kw_only=True)
class MRNPG:
    """Multi-player receding-horizon natural policy gradient (Zaman, Koppel, Lauriere and Basar, arXiv:2403.11345).

    From the last step of the game to the first, with the gains of later steps kept, every team moves its own gains at
    this step along their natural gradient, all teams at the same time and each knowing its own cost only:

        K_i <- K_i - rate grad_i E(y y')^-1,    L_i <- L_i - rate grad_i E(x~ x~')^-1

    Parameters
    ----------
    iterations : int, optional
        Updates of each step of the game.
    learning_rate : float, optional
        rate > 0, in units of 1 / cost. At a step of the game the error is multiplied in every iteration by
        I - 2 rate M, with M the block matrix of `riccati`; the rate must make that a contraction.
    gradient : {"exact", "sampled"}, optional
        "exact": from the model. "sampled": a zero-order estimate that only plays: with random e of norm `radius`,
        and d the number of entries of K_i,

            grad_i = d / radius^2 times the mean of J_i(K_i + e) e

        Each e is played with -e, from the same state and with the same noise. States begin as standard normal ones, so
        that E(y y') = 1.
    samples : int or None, optional
        Pairs e, -e for each gradient; only with "sampled". None: 1000.
    radius : float or None, optional
        Norm of e; only with "sampled". The cost is quadratic in the gains of a step, so that no radius makes a bias.
        None: 0.1.

    Raises
    ------
    TypeError, ValueError
        An option has the wrong type, is out of bounds, or has no effect.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.lq.LQGame(1.1, [0.8, 0.5], [1.0, 0.6], [1.0, 2.0], horizon=3)
    >>> found = tmf.lq.MRNPG(learning_rate=0.15).solve(game, tmf.Synchronous())
    >>> exact = tmf.lq.riccati(game, tmf.Synchronous())
    >>> bool(abs(found.K[0] - exact.K[0]).max() < 1e-14)
    True
    """

    iterations: int = field(default=60, metadata=options.of(check.as_positive_int))
    learning_rate: float = field(default=0.1, metadata=options.of(check.as_float, low=0.0, low_open=True))
    gradient: Source = field(default="exact", metadata=options.of(check.as_choice, choices=Source))
    samples: int | None = field(
        default=None, metadata=options.of(check.as_positive_int) | options.needs(1000, **SAMPLED)
    )
    radius: float | None = field(
        default=None, metadata=options.of(check.as_float, low=0.0, low_open=True) | options.needs(0.1, **SAMPLED)
    )

    def __post_init__(self) -> None:
        options.settle(self)
        options.resolved(self)  # raises if an option is given that has no effect

    @takes_rng
    @fits_memory("samples, the horizon or m must be smaller", asks=True)
    def solve(
        self, game: LQGame, schedule: Schedule, *, initial: GainsLike | None = None, rng: seeding.RNG = None
    ) -> LQSolution:
        """Learn the gains of all teams, in the limit of many agents.

        Parameters
        ----------
        game : LQGame
        schedule : Schedule
            Who acts, in shares: `Synchronous`, `Fraction`, `Bernoulli`.
        initial : LQSolution, pair (K, L), or None, optional
            The gains at the beginning. None: 0.
        rng : int, Generator, SeedSequence or None, optional
            Only for sampled gradients.

        Returns
        -------
        LQSolution
            Its `gradient` has the largest entry of the directions at every step and iteration.

        Raises
        ------
        TypeError, ValueError
            Bad arguments; gains are not finite, since the learning rate is too large. KeyboardInterrupt carries the
            solution so far as its attribute `partial`.

        Notes
        -----
        Theory, section 17. Cost: "exact" O(T I N^2 m^2 p); "sampled" O(T^2 I N^2 n m^2) for n samples.
        """
        check.as_instance(game, "game", LQGame)
        drawn = options.resolved(self)["samples"] or 0
        ask(game, self.iterations * game.horizon + 20 * drawn * (game.n_states + max(game.n_controls)) * game.n_states)
        system = System(game, activity(schedule, game.horizon, len(game._groups), None))
        T, n = game.horizon, game.n_teams
        K, L = ([np.zeros((T, p, game.n_states)) for p in game.n_controls] for _ in range(2))
        if initial is not None:
            for own, given in zip((K, L), as_gains(initial, game, "initial"), strict=True):
                for mine, theirs in zip(own, given, strict=True):
                    mine[...] = theirs
        sizes, generators = np.zeros((T, self.iterations)), [None] * T
        if self.gradient == "sampled":
            generators = seeding.generators(rng, T)  # type: ignore[assignment]
        about: dict[str, Any] = {"solver": "MRNPG", "schedule": schedule.label, "gradient": sizes}
        values = [system.last(i) for i in range(n)]
        try:
            for t in range(T - 1, -1, -1):
                self._descend(system, t, K, L, values, sizes[t], generators[t])
                values = [system.back(t, i, *system.gains_at(t, K, L), values[i]) for i in range(n)]
        except KeyboardInterrupt as error:
            error.partial = solution(system, tuple(K), tuple(L), **about)  # type: ignore[attr-defined]  # ours
            raise
        return solution(system, tuple(K), tuple(L), **about)

    def _descend(
        self, system: System, t: int, K: list[FloatArray], L: list[FloatArray], values: list[Value], sizes: FloatArray,
        generator: np.random.Generator | None,
    ) -> None:  # fmt: skip
        """All iterations of step t of the game; writes the gains, and the largest entries of the directions."""
        settings, n = options.resolved(self), system.game.n_teams
        for iteration in range(self.iterations):
            directions: list[tuple[FloatArray, FloatArray]] = []
            for gains, part in ((K, DEVIATIONS), (L, 0)):
                now = [each[t] for each in gains]
                for i in range(n):
                    if generator is None:
                        found = system.slopes(t, i, values[i], now, part)
                    else:
                        rollouts = Rollouts(system, t, K, L, settings["samples"], generator)
                        found = rollouts.slopes(i, part != DEVIATIONS, settings["radius"])
                    directions.append((now[i], found))
            for gain, direction in directions:
                gain -= self.learning_rate * direction
                sizes[iteration] = max(sizes[iteration], np.abs(direction).max())
            if not np.isfinite(sizes[iteration]) or not all(np.isfinite(gain).all() for gain, _ in directions):
                raise ValueError(
                    f"learning_rate is {self.learning_rate:g}; must be smaller: gains at t={t} are not finite after "
                    f"iteration {iteration}"
                )
