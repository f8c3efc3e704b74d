"""Bernoulli schedules whose probability depends on the observation, and the synchronous games that they are equal to."""

from dataclasses import dataclass

import numpy as np

import reference


def kinds(size, horizon):
    """name -> (the argument p of Bernoulli, beta(mu, t) -> (S,)): every way to state p that depends on more than t."""
    rng = np.random.default_rng(7)
    row, table = rng.uniform(0.1, 0.9, (1, size)), rng.uniform(0.1, 0.9, (horizon, size))
    row[0, 0], table[-1, -1] = 1.0, 0.0
    slope = rng.uniform(-0.3, 0.3, (size, size))

    def of_mu(mu):
        return 0.5 + slope @ mu

    def of_mu_and_t(mu, t):
        return np.minimum(0.2 + 0.6 * mu[::-1] + 0.3 * t / horizon, 1.0)

    def of_all(mu, t):
        return float(0.3 + 0.4 * mu[0] ** 2)

    return {
        "observations": (row, lambda mu, t: row[0]),
        "steps and observations": (table, lambda mu, t: table[t]),
        "f(mu)": (of_mu, lambda mu, t: of_mu(mu)),
        "f(mu, t)": (of_mu_and_t, of_mu_and_t),
        "f(mu, t) of all": (of_all, lambda mu, t: np.full(size, of_all(mu, t))),
    }


NAMES = list(kinds(1, 1))


def reduced(right, beta):
    """The game of reference.py whose agents all act: an agent that acts with probability beta has these mean rows."""

    def tables(mu, t):
        reward, transition, passive_reward, passive = right.tables(mu, t)
        share = np.asarray(beta(mu, t))[:, None]
        return (
            share * reward + (1 - share) * passive_reward[:, None],
            share[..., None] * transition + (1 - share[..., None]) * passive[:, None],
            np.zeros(right.n_observations), np.eye(right.n_observations),
        )  # fmt: skip

    return reference.Game(right.n_observations, right.n_actions, right.horizon, right.discount, right.initial, tables)


@dataclass(frozen=True)
class ByObservation:
    """As strategies.ScheduleSpec: Bernoulli of S observations and T steps, by the name of a kind."""

    name: str
    n_observations: int
    horizon: int
    kind: str = "bernoulli"

    def moves(self, horizon, n_agents):
        """T moves as reference_laws.py reads them."""
        return [("coin", kinds(self.n_observations, self.horizon)[self.name][1])] * horizon

    def build(self):
        """The schedule as tmfcore object."""
        import tmfcore as tmf

        return tmf.Bernoulli(kinds(self.n_observations, self.horizon)[self.name][0])


@dataclass(frozen=True)
class BatchOfMu:
    """As strategies.ScheduleSpec: of N = 3 agents as many as are at observation 0, one more at odd steps."""

    name: str = "batch f(mu, t)"
    kind: str = "batch"

    @staticmethod
    def size(mu, t):
        return min(round(3 * mu[0]) + t % 2, 3)

    def moves(self, horizon, n_agents):
        """T moves as reference_laws.py reads them."""
        return [("batch", self.size)] * horizon

    def build(self):
        """The schedule as tmfcore object."""
        import tmfcore as tmf

        return tmf.Batch(self.size)
