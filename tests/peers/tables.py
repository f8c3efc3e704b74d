"""A game under a schedule, as the tables of a synchronous game without discount: what other packages can be given.

    reward(t, mu) = gamma**t [ beta_t r + (1 - beta_t) r0 ],     kernel(t, mu) = beta_t P + (1 - beta_t) P0

An agent who acts with probability beta_t has the flow and, on the clock "schedule", the values of one who acts at every
step of these. On the clock "always" the flow is the same, the values those of gamma**t r and P.
"""

import numpy as np

import tmfcore as tmf


class Tables:
    """Dense tables of `game`, those of an agent who acts with probability `active` (T,); the last few are kept."""

    def __init__(self, game: tmf.Game, active: np.ndarray) -> None:
        self.game, self.active = game, active
        self.n_observations, self.n_actions, self.horizon = game.n_observations, game.n_actions, game.horizon
        self.initial, self.discount = game.initial, game.discount
        self._known: dict = {}

    def __call__(self, t: int, mu) -> tuple[np.ndarray, np.ndarray]:
        """Reward (S, A) and kernel (S, A, S) at step t and the population mu (S,)."""
        mu = np.asarray(mu, dtype=np.float64)
        key = (t, mu.tobytes())
        if key not in self._known:
            if len(self._known) > 4 * self.horizon:
                self._known.clear()
            self._known[key] = self._tables(t, mu)
        return self._known[key]

    def _tables(self, t: int, mu: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        game, beta = self.game, self.active[t]
        reward, moves, passive_reward, stays = game.tables(mu / mu.sum(), t)
        moves = _dense(moves, game.successors, game.n_observations)
        stays = _dense(stays, game.passive_successors, game.n_observations)
        reward = beta * reward + (1 - beta) * passive_reward[:, None]
        return self.discount**t * reward, beta * moves + (1 - beta) * stays[:, None]


def of(game: tmf.Game, schedule: tmf.schedule.Schedule, clock: str = "schedule") -> Tables:
    """Tables of `game` as the agents of `schedule` live it, or on the clock "always" as one who acts always does."""
    ones = np.ones(game.horizon)
    return Tables(game, ones if clock == "always" else ones * schedule.active_fraction(game.horizon))


def _dense(rows: np.ndarray, successors: np.ndarray | None, size: int) -> np.ndarray:
    """Rows (..., K) over successors as rows over all observations (..., S)."""
    if successors is None:
        return rows
    dense = np.zeros((*rows.shape[:-1], size))
    where = np.indices(rows.shape)
    np.add.at(dense, (*where[:-1], successors), rows)
    return dense


def random_policies(game: tmf.Game, rng: np.random.Generator, n: int = 10) -> list[np.ndarray]:
    """Tables (T, S, A): rows near uniform, spread and nearly pure in turn, the last of them pure."""
    shape = (game.horizon, game.n_observations)
    spreads = [50.0, 1.0, 0.05]
    found = [rng.dirichlet(np.full(game.n_actions, spreads[i % 3]), size=shape) for i in range(n - 1)]
    return [*found, np.eye(game.n_actions)[rng.integers(game.n_actions, size=shape)]]
