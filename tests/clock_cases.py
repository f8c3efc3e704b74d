"""Games in continuous time for tests, and their exact laws: the enumerated chain of the counts, and its expectations.

A case is written as numbers and functions of mu; `built` makes games of it in every way the package knows, and
`Chain` enumerates all populations of N agents from the same numbers, without the package.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import expm

import tmfcore as tmf
from reference_laws import compositions
from tmfcore._model import sources


@dataclass
class Case:
    """Rows and rewards affine in mu: values (..., S) at the corners; rates of clocks (S,) and of passive agents."""

    rate: np.ndarray  # (S,)
    rows: np.ndarray  # (S, A, S, y)
    reward: np.ndarray  # (S, A, y)
    standing: np.ndarray  # (S, y)
    rates: np.ndarray | None  # (S, S, y) generator
    policy: np.ndarray  # (S, A)
    initial: np.ndarray  # (S,)
    horizon: float = 1.5
    discount: float = 0.8


def random_case(seed, n_obs=3, n_act=2, *, passive=True, one_rate=False):
    rng = np.random.default_rng(seed)
    rows = np.moveaxis(rng.dirichlet(np.full(n_obs, 0.7), (n_obs, n_act, n_obs)), 2, 3)
    rates = None
    if passive:
        rates = rng.gamma(0.5, 0.8, (n_obs, n_obs, n_obs))
        rates[np.arange(n_obs), np.arange(n_obs)] = 0
        rates[np.arange(n_obs), np.arange(n_obs)] = -rates.sum(axis=1)
    return Case(
        rate=np.full(n_obs, 1.3) if one_rate else rng.uniform(0.2, 2.0, n_obs), rows=rows,
        reward=rng.normal(size=(n_obs, n_act, n_obs)), standing=rng.normal(size=(n_obs, n_obs)), rates=rates,
        policy=rng.dirichlet(np.ones(n_act), n_obs), initial=np.array([0.5, 0.5] + [0.0] * (n_obs - 2)),
    )  # fmt: skip


def built(case, kind="affine", **changes):
    """The game of a case: "affine", "functions" of mu, or "arrays" at corner 0, where mu is to be ignored."""
    n_obs, n_act = case.policy.shape
    given = {"horizon": case.horizon, "discount": case.discount, "initial": case.initial, "time": "sweeps"} | changes
    if kind == "affine":
        rates = {} if case.rates is None else {"passive_rates0": np.zeros((n_obs, n_obs)), "passive_rates_mu": case.rates}
        return tmf.games.affine(
            np.zeros((n_obs, n_act)), reward_mu=case.reward, transition0=np.zeros((n_obs, n_act, n_obs)),
            transition_mu=case.rows, passive_reward_mu=case.standing, **rates, **given,
        )  # fmt: skip
    tables = {"reward": case.reward, "transition": case.rows, "passive_reward": case.standing}
    if case.rates is not None:
        tables["passive_rates"] = case.rates
    if kind == "arrays":
        tables = {name: table[..., 0] for name, table in tables.items()}
    else:
        tables = {name: (lambda mu, table=table: table @ mu) for name, table in tables.items()}
    return tmf.Game(n_obs, n_act, **tables, **given)


def frozen(case):
    """The case whose tables are those at corner 0 for every mu."""
    def still(table):
        return None if table is None else np.repeat(table[..., :1], table.shape[-1], axis=-1)

    return Case(
        case.rate, still(case.rows), still(case.reward), still(case.standing), still(case.rates), case.policy,
        case.initial, case.horizon, case.discount,
    )  # fmt: skip


class Chain:
    """The Markov chain of the counts of N agents in continuous time."""

    def __init__(self, case, n_agents, policy=None):
        n_obs = len(case.rate)
        pi = case.policy if policy is None else policy
        self.n_agents = n_agents
        self.states = list(compositions(n_agents, n_obs))
        self.index = {state: i for i, state in enumerate(self.states)}
        self.generator = np.zeros((len(self.states),) * 2)
        self.earning = np.zeros(len(self.states))  # mean reward of an agent per unit of time
        for state, i in self.index.items():
            mu = np.array(state) / n_agents
            shares = pi(mu) if callable(pi) else pi
            jumps = case.rate[:, None] * np.einsum("oa,oax->ox", shares, case.rows @ mu)
            if case.rates is not None:
                jumps = jumps + case.rates @ mu
            self.earning[i] = mu @ (case.standing @ mu + case.rate * (shares * (case.reward @ mu)).sum(axis=1))
            for o in range(n_obs):
                for x in range(n_obs):
                    if x != o and state[o]:
                        after = list(state)
                        after[o] -= 1
                        after[x] += 1
                        self.generator[i, self.index[tuple(after)]] += state[o] * jumps[o, x]
                        self.generator[i, i] -= state[o] * jumps[o, x]

    def start(self, counts):
        return np.eye(len(self.states))[self.index[tuple(int(c) for c in counts)]]

    def law(self, counts, t):
        """Dict of states and probabilities at time t."""
        found = self.start(counts) @ expm(self.generator * t)
        return dict(zip(self.states, np.maximum(found, 0.0) / found.sum(), strict=True))

    def earned(self, counts, t, decay=0.0):
        """E of the integral of exp(-decay s) times the mean reward, s = 0..t, from an extended matrix exponential."""
        n = len(self.states)
        wide = np.zeros((n + 1, n + 1))
        wide[:n, :n] = self.generator - decay * np.eye(n)
        wide[:n, n] = self.earning
        return float((self.start(counts) @ expm(wide * t)[:n])[n])


class GameChain(Chain):
    """The chain of a game in sweeps, from its tables in short steps: for games that are not affine."""

    SHORT = 2.0**-24

    def __init__(self, game, rate, policy, n_agents):
        n_obs, short = game.n_observations, game.at(step=self.SHORT)
        rate = np.broadcast_to(rate, (n_obs,))
        self.n_agents = n_agents
        self.states = list(compositions(n_agents, n_obs))
        self.index = {state: i for i, state in enumerate(self.states)}
        self.generator = np.zeros((len(self.states),) * 2)
        self.earning = np.zeros(len(self.states))
        for state, i in self.index.items():
            mu = np.array(state) / n_agents
            reward, rows, standing, passive = short.model.tables(mu, 0)
            if short.model.successors is not None:
                rows = sources.dense(rows, short.model.successors)
            if short.model.passive_successors is not None:
                passive = sources.dense(passive, short.model.passive_successors)
            jumps = rate[:, None] * np.einsum("oa,oax->ox", policy, rows) + passive / self.SHORT
            gains = (policy * (reward - standing[:, None])).sum(axis=1)
            self.earning[i] = mu @ (standing / self.SHORT + rate * gains)
            for o in range(n_obs):
                for x in range(n_obs):
                    if x != o and state[o] and jumps[o, x] > 0:
                        after = list(state)
                        after[o] -= 1
                        after[x] += 1
                        self.generator[i, self.index[tuple(after)]] += state[o] * jumps[o, x]
                        self.generator[i, i] -= state[o] * jumps[o, x]
