"""Games of which some actions are illegal, and the same games with the legal actions only."""

import ctypes
import warnings
from dataclasses import dataclass

import numpy as np

import tmfcore as tmf
from strategies import ROW, rows

S, A, B, T = 4, 5, 2, 6  # observations, actions, legal ones of each observation, steps
FAMILIES = ("arrays", "mu", "mu_t", "sparse", "compiled", "model", "affine", "sweeps")


@dataclass
class Pair:
    """A game with illegal actions, and the same with the legal ones only."""

    padded: tmf.Game
    compact: tmf.Game
    legal: np.ndarray  # (S, A)

    def narrow(self, table):
        """The legal part of a table (..., S, A) as (..., S, B)."""
        return table[..., self.legal].reshape(*table.shape[:-2], len(self.legal), -1)

    def wide(self, table, rest=0.0):
        """A table (..., S, B) with `rest` at illegal actions, (..., S, A)."""
        out = np.full((*table.shape[:-2], *self.legal.shape), rest)
        out[..., self.legal] = table.reshape(*table.shape[:-2], -1)
        return out

    def policy(self, seed=0, stages=3):
        """A random policy of both."""
        table = np.random.default_rng(seed).dirichlet(np.ones(B), size=(stages, len(self.legal)))
        return self.wide(table), table


def legal_of(rng, n_obs=S, n_act=A, n_legal=B):
    legal = np.zeros((n_obs, n_act), np.bool_)
    for row in legal:
        row[rng.permutation(n_act)[:n_legal]] = True
    legal[0] = np.arange(n_act) >= n_act - n_legal  # action 0 is illegal somewhere
    return legal


def pair_of(kind, seed=0, garbage=np.nan, concentration=1.0):
    """A pair; rows of illegal actions are `garbage`."""
    rng = np.random.default_rng([seed, 7])
    legal = legal_of(rng)
    cells = 2 if kind == "sparse" else S
    r, crowd = rng.normal(size=(S, B)), rng.normal(size=(S, B))
    p, q = rows(rng, (2, S, B, cells), concentration)
    initial = rng.dirichlet(np.ones(S))
    resting = rng.normal(size=S)
    standing = rows(rng, (S, S), 1.0)
    pair = Pair(None, None, legal)

    def spread(table):
        """A table (S, B, ...) with garbage at illegal actions."""
        out = np.full((S, A, *table.shape[2:]), garbage)
        out[legal] = table.reshape(S * B, *table.shape[2:])
        return out

    def reward(mu, t=0):
        return r - crowd * crowd * mu[:, None] + 0.1 * t * (kind == "mu_t")

    def transition(mu, t=0):
        return mu[0] * p + (1 - mu[0]) * q

    options = {"passive_reward": resting, "passive_transition": standing}
    if kind in ("arrays", "sparse"):
        tables = [(r, p), (spread(r), spread(p))]
    elif kind == "mu_t":
        tables = [(reward, transition), (lambda mu, t: spread(reward(mu, t)), lambda mu, t: spread(transition(mu)))]
    else:
        tables = [
            (lambda mu: reward(mu), lambda mu: transition(mu)),
            (lambda mu: spread(reward(mu)), lambda mu: spread(transition(mu))),
        ]
    if kind == "sparse":
        cells = np.stack([rng.permutation(S)[:2] for _ in range(S * B)]).reshape(S, B, 2)
        wide = np.full((S, A, 2), -7)
        wide[legal] = cells.reshape(-1, 2)
        pair.compact = tmf.Game(S, B, T, 0.9, initial, *tables[0], successors=cells, **options)
        pair.padded = tmf.Game(S, A, T, 0.9, initial, *tables[1], successors=wide, legal=legal, **options)
        return pair
    if kind == "sweeps":
        rates = standing - np.eye(S)
        options = {"passive_reward": lambda mu: resting - mu, "passive_rates": rates, "time": "sweeps", "step": 0.5}
        pair.compact = tmf.Game(S, B, 3.0, 0.9, initial, *tables[0], **options)
        pair.padded = tmf.Game(S, A, 3.0, 0.9, initial, *tables[1], legal=legal, **options)
        return pair
    if kind == "affine":
        slopes = np.zeros((S, B, S))
        slopes[np.arange(S), :, np.arange(S)] = -crowd * crowd
        moved = np.zeros((S, B, S, S))
        moved[..., 0] = p - q
        given = {"passive_reward0": resting, "passive_transition0": standing, "horizon": T, "discount": 0.9}
        pair.compact = tmf.games.affine(
            r, reward_mu=slopes, transition0=q, transition_mu=moved, initial=initial, **given
        )
        pair.padded = tmf.games.affine(
            spread(r), reward_mu=spread(slopes), transition0=spread(q), transition_mu=spread(moved), initial=initial,
            legal=legal, **given,
        )  # fmt: skip
        return pair
    if kind in ("compiled", "model"):
        pair.compact = compiled_game(reward, transition, resting, standing, initial, None)
        pair.padded = compiled_game(reward, transition, resting, standing, initial, legal)
        if kind == "model":
            every = np.ones((S, A), np.bool_)
            base = compiled_game(reward, transition, resting, standing, initial, legal, refuse=False).replace(
                legal=every
            )
            pair.padded = tmf.Game.from_model(base.model, T, 0.9, initial, legal=legal)
        return pair
    pair.compact = tmf.Game(S, B, T, 0.9, initial, *tables[0], **options)
    pair.padded = tmf.Game(S, A, T, 0.9, initial, *tables[1], legal=legal, **options)
    return pair


def compiled_game(reward, transition, resting, standing, initial, legal, refuse=True):
    """A game of a C function, which fails if it is asked for an illegal action (if not `refuse`, its row is odd)."""
    places = None if legal is None else np.where(legal, np.cumsum(legal, axis=1) - 1, -1)

    def row(t, o, a, mu, probabilities, paid, user):
        population = np.array(mu[:S])
        if a < 0:
            found, gain = standing[o], resting[o]
        else:
            b = a if places is None else places[o, a]
            if b < 0 and refuse:
                return 1
            found, gain = transition(population)[o, b], reward(population)[o, b]
        for k in range(S):
            probabilities[k] = found[k]
        paid[0] = gain
        return 0

    function = ROW(row)
    address = ctypes.cast(function, ctypes.c_void_p).value
    return tmf.Game.compiled(
        address, S, B if legal is None else A, T, 0.9, initial, owner=function, legal=legal,
    )  # fmt: skip


def quiet(solve):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tmf.ConvergenceWarning)
        return solve()


def lawful(table, game):
    """A table (..., S, A) of probabilities with the weight of illegal actions taken by the others."""
    if game.legal is None:
        return table
    kept = np.where(game.legal, table, 0)
    return kept / kept.sum(axis=-1, keepdims=True)
