"""The tree of a common noise: a game with a NoiseChain as an ordinary game on histories (Theory, section 13).

    NoiseTree(game, chain).game       the game in which an agent's observation is (noise so far, own observation)
    NoiseTree.policy(policy)          a policy of the original game, or one that sees the noise, as one of this game
    NoiseTree.on(states, policy)      the original game on one path of the noise, and the policy there

Histories z_0..z_t are numbered in base Z. Number h is at step t the history of its last t + 1 digits: h Z + z' mod Z^T
follows it at every step, so that successors do not depend on t; numbers beyond Z^(t+1) are copies, where nobody is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory, n_arguments, of_mu_and_t
from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray, SuccessorArray
from tmfcore._model.appearance import numbered
from tmfcore._model.fingerprint import whole
from tmfcore._model.game import Game
from tmfcore._model.noise import NoiseChain, NoisePolicy, as_chain, as_states, stages_of
from tmfcore._model.policies import PolicyLike, TabularPolicy, as_policy
from tmfcore._model.policy import CallablePolicy, Policy, TablePolicy

__all__ = ["NoisePolicyLike", "NoiseTree", "game_on", "policy_given_noise"]

#: What sees the noise: tables over its states, functions of (mu, t, z), and every policy that ignores it.
NoisePolicyLike: TypeAlias = NoisePolicy | PolicyLike | Callable[[FloatArray, int, Any], FloatsLike]

MOST_OBSERVATIONS = 2**18
MOST_ENTRIES = 2**25  # of the rows, 256 MB


@dataclass(frozen=True, eq=False, repr=False, init=False)
class NoiseTree:
    """A game whose common noise is a Markov chain, as an ordinary game, exactly (Theory, section 13).

    An agent's observation is the history of the noise and its own observation in the original game. Agents know the
    noise so far, and not its future. Flows, values, best responses, exploitability and equilibria of `game` are those
    of the game with noise, exactly: expectations over the noise, with best responses that see all of its past.

    Parameters
    ----------
    game : Game
        In steps, or made by `at`; with `noise=`, any path, which is replaced.
    chain : NoiseChain

    Attributes
    ----------
    game : Game
        Z^T S observations: number h S + o is observation o after the history h, z_0..z_t in base Z.
    original : Game
        The game that was given.
    chain : NoiseChain

    Raises
    ------
    TypeError, ValueError
        A game in sweeps, whose steps a schedule defines; a game without noise; a tree of more than 2**18 observations
        or 2**25 entries of rows.

    Notes
    -----
    Do not simulate agents that play `game`: each would have weather of its own. Simulate paths, by `on`.
    Z**(t+1) histories are evaluated at step t, so that a pass calls the game's functions about T Z^T times.

    Examples
    --------
    Rain, which comes with probability 1/2 a day, makes the second road slow by 1. Drivers choose a day ahead, so that
    the second road carries a quarter, as if it were slow by the mean.

    >>> import numpy as np, tmfcore as tmf
    >>> def reward(mu, t, rain):
    ...     return np.repeat(-(mu + [0.0, rain])[:, None], 2, axis=1)
    >>> game = tmf.Game(2, 2, 5, 1.0, [1, 0], reward, [[[1, 0], [0, 1]]] * 2, noise=np.zeros(5))
    >>> tree = tmf.NoiseTree(game, tmf.NoiseChain([0.5, 0.5], [[0.5, 0.5], [0.5, 0.5]]))
    >>> tree.game
    Game(S=64, A=2, T=5, discount=1)
    >>> solution = tmf.solve(tree.game, tmf.Synchronous())
    >>> rainy_days = solution.flow.mu[4].reshape(-1, 2)[1::2]
    >>> print(f"{rainy_days.sum(axis=0)[1] / rainy_days.sum():.2f} of the drivers are on the second road")
    0.25 of the drivers are on the second road
    """

    game: Game
    original: Game
    chain: NoiseChain
    _histories: _Histories

    @fits_memory("game must have fewer steps (horizon), or chain fewer states")
    def __init__(self, game: Game, chain: NoiseChain) -> None:
        original = of_steps(game)
        chain = as_chain(chain, "chain")
        games = [game_on(original, constant) for constant in _constant_paths(original, chain)]
        tables = _Histories(games, chain)
        vars(self).update(original=original, chain=chain, _histories=tables, game=tables.game(original))

    def histories(self, mu: FloatsLike, t: int) -> tuple[FloatArray, FloatArray]:
        """Probabilities of the histories at one step, and the population after each.

        Parameters
        ----------
        mu : (Z^T S,) floats
            A distribution of `game`.
        t : int
            Step, 0 <= t < T.

        Returns
        -------
        probabilities : (Z^(t+1),) float64
        populations : (Z^(t+1), S) float64
            Distributions; after a history of probability 0 the initial one.
        """
        mu = check.as_probabilities(mu, "mu", shape=(self.game.n_observations,), letters="Z**T S")
        t = check.as_int(t, "t", low=0, high=self.game.n_steps - 1)
        return self._histories.populations(mu, t)

    def policy(self, policy: NoisePolicyLike) -> PolicyLike:
        """A policy of the original game as one of `game`.

        Parameters
        ----------
        policy : NoisePolicy, callable f(mu, t, z) -> (S, A), or any policy of the original game
            A function gets the population after the history, and z, the value of the present state.

        Returns
        -------
        TabularPolicy, or a function of (mu, t) if the policy depends on the population

        Raises
        ------
        TypeError, ValueError
            A policy of another size.
        """
        original, tables = self.original, self._histories
        given = policy_given_noise(policy, original, self.chain)
        known = [kernel.table for kernel in given if isinstance(kernel, TablePolicy)]
        if len(known) == len(given):
            rows = np.stack(known, axis=1)  # (L, Z, S, A)
            n_stages, n_states, _, n_act = rows.shape
            rows = np.tile(rows, (1, tables.n_histories // n_states, 1, 1))
            return TabularPolicy(rows.reshape(n_stages, -1, n_act), horizon=original.n_steps)

        def on_histories(mu: FloatArray, t: int) -> FloatArray:
            _, populations = tables.populations(mu, t)
            played = [
                given[h % len(given)].probabilities(now, t, original.n_steps) for h, now in enumerate(populations)
            ]
            return tables.copied(np.stack(played))

        return on_histories

    def on(self, states: FloatsLike, policy: PolicyLike) -> tuple[Game, TabularPolicy]:
        """The original game on one path of the noise, and a policy of `game` there.

        Parameters
        ----------
        states : (T,) integers
            States of the chain, 0 <= z_t < Z.
        policy : TabularPolicy, Solution, or (Z^T S, A) or (L, Z^T S, A) floats
            A policy of `game`, for example a solution.

        Returns
        -------
        game : Game
            The original game with this path as `noise`.
        policy : TabularPolicy
            What the policy does on this path, one stage per step.

        Raises
        ------
        TypeError, ValueError
            Not a path of the chain; a policy of another size, or one that depends on the population.
        """
        original, n_steps = self.original, self.original.n_steps
        path = as_states(states, self.chain.n_states, n_steps)
        kernel = as_policy(policy, self.game)
        if not isinstance(kernel, TablePolicy):
            raise TypeError("policy depends on the population; must be a TabularPolicy, a Solution or an array")
        table = kernel.table.reshape(kernel.n_stages, -1, original.n_observations, original.n_actions)
        h, places = 0, np.empty(n_steps, np.int64)
        for t, z in enumerate(path):
            h = places[t] = h * self.chain.n_states + int(z)
        chosen = TabularPolicy(table[stages_of(kernel.n_stages, n_steps), places], horizon=n_steps)
        return game_on(original, self.chain.values[path]), chosen

    def __repr__(self) -> str:
        return f"NoiseTree({self.original!r}, {self.chain!r}, {self._histories.n_histories} histories)"

    def __reduce__(self) -> tuple[Any, ...]:
        return NoiseTree, (self.original, self.chain)


class _Histories:
    """The tables of a game on histories.

    Parameters
    ----------
    games : Z games
        The original game, if the noise is always in each of its states.
    chain : NoiseChain
    """

    def __init__(self, games: list[Game], chain: NoiseChain) -> None:
        self.games, self.chain = games, chain
        first = games[0]
        self.initial, self.n_steps = first.initial, first.n_steps
        self.n_states, self.n_obs, self.n_act = chain.n_states, first.n_observations, first.n_actions
        small = self.n_states == 1 or self.n_steps <= MOST_OBSERVATIONS.bit_length()  # else Z**T may be astronomic
        n = self.n_states**self.n_steps * self.n_obs if small else MOST_OBSERVATIONS + 1
        entries = n * self.n_act * self.n_states * first.model.n_successors
        if n > MOST_OBSERVATIONS or entries > MOST_ENTRIES:
            raise ValueError(
                f"game and chain make a tree of Z**T S = {self.n_states}**{self.n_steps} * {self.n_obs} observations"
                f"{f' and {entries} entries of rows' if small else ''}; must be at most {MOST_OBSERVATIONS} and "
                f"{MOST_ENTRIES}: use a game with fewer steps (horizon), or a chain with fewer states"
            )
        self.n_histories = self.n_states**self.n_steps
        self._kept: tuple[Any, int, tuple[FloatArray, ...]] | None = None
        self._following = self._numbers_that_follow()

    def game(self, original: Game) -> Game:
        """The game on histories."""
        n = self.n_histories * self.n_obs
        start = np.zeros((self.n_histories, self.n_obs))
        start[: self.n_states] = self.chain.initial[:, np.newaxis] * self.initial
        model = self.games[0].model
        arrays = [self._if_constant(k) for k in range(4)]
        labels = None
        if original.observation_labels != numbered(self.n_obs):
            labels = [f"{label}, history {h}" for h in range(self.n_histories) for label in original.observation_labels]
        return Game(
            n, self.n_act, self.n_steps, original.discount, start.reshape(-1),
            self.reward if arrays[0] is None else arrays[0],
            self.transition if arrays[1] is None else arrays[1],
            passive_reward=self.passive_reward if arrays[2] is None else arrays[2],
            passive_transition=self.passive_transition if arrays[3] is None else arrays[3],
            successors=self._successors(model.successors, (self.n_obs, self.n_act)),
            passive_successors=self._successors(model.passive_successors, (self.n_obs,)),
            name=original.name, observation_labels=labels, action_labels=original.action_labels,
            assumed=original.assumed,
        )  # fmt: skip

    # ------------------------------------------------------------------------------------------------ functions

    def reward(self, mu: FloatArray, t: int) -> FloatArray:
        return self._at(mu, t)[0]

    def transition(self, mu: FloatArray, t: int) -> FloatArray:
        return self._at(mu, t)[1]

    def passive_reward(self, mu: FloatArray, t: int) -> FloatArray:
        return self._at(mu, t)[2]

    def passive_transition(self, mu: FloatArray, t: int) -> FloatArray:
        return self._at(mu, t)[3]

    def _at(self, mu: FloatArray, t: int) -> tuple[FloatArray, ...]:
        """The four tables at all histories; the last ones are kept, since each of four functions needs them."""
        kept = self._kept
        if kept is None or kept[0] is not mu or kept[1] != t:
            _, populations = self.populations(mu, t)
            here = [self.games[h % self.n_states].model.tables(now, t) for h, now in enumerate(populations)]
            kept = self._kept = (mu, t, self._on_histories([np.stack(tables) for tables in zip(*here, strict=True)]))
        return kept[2]

    def populations(self, mu: FloatArray, t: int) -> tuple[FloatArray, FloatArray]:
        """Probability (n,) of each of the n = Z^(t+1) histories at step t, and the population (n, S) after it."""
        shares = mu.reshape(-1, self.n_states ** (t + 1), self.n_obs).sum(axis=0)  # of a history and its copies
        found = shares.sum(axis=1)
        reached = found > 0
        shares[~reached] = self.initial
        shares[reached] /= found[reached, np.newaxis]
        return found, shares

    def copied(self, tables: FloatArray) -> FloatArray:
        """Tables (n, S, ...) at the histories of a step as those at all numbers of histories, (Z^T S, ...)."""
        everywhere = np.tile(tables, (self.n_histories // len(tables), *(1,) * (tables.ndim - 1)))
        return everywhere.reshape(-1, *tables.shape[2:])

    def _on_histories(self, tables: list[FloatArray]) -> tuple[FloatArray, ...]:
        """Tables of the games at n histories as those of the tree: rows are multiplied by those of the chain."""
        reward, rows, passive_reward, passive_rows = tables
        return (
            self.copied(reward), self.copied(self._with_noise(rows)),
            self.copied(passive_reward), self.copied(self._with_noise(passive_rows)),
        )  # fmt: skip

    def _with_noise(self, rows: FloatArray) -> FloatArray:
        """Rows (n, S, ..., K) at n histories as rows (n, S, ..., Z K) over the next state and the successors."""
        chain = np.tile(self.chain.transition, (len(rows) // self.n_states, 1))
        chain = chain.reshape(len(rows), *(1,) * (rows.ndim - 2), self.n_states, 1)
        both = chain * rows[..., np.newaxis, :]
        return both.reshape(*rows.shape[:-1], -1)

    # ------------------------------------------------------------------------------------------------ constants

    def _if_constant(self, k: int) -> FloatArray | None:
        """Table number k, if it is an array of the original game and so the same at all steps; else None."""
        first = self.games[0]
        given = (first.reward, first.transition, first.passive_reward, first.passive_transition)[k]
        if callable(given) or (given is None and not (k == 3 and first.model.passive_identity)):
            return None
        tables = np.stack([game.model.tables(self.initial, 0)[k] for game in self.games])
        return self.copied(self._with_noise(tables) if k in (1, 3) else tables)

    def _numbers_that_follow(self) -> SuccessorArray:
        """Numbers of the histories that follow each, (Z^T, Z)."""
        first = self.n_states * np.arange(self.n_histories)[:, np.newaxis]
        return np.asarray((first + np.arange(self.n_states)) % self.n_histories, dtype=np.int32)

    def _successors(self, own: SuccessorArray | None, shape: tuple[int, ...]) -> SuccessorArray:
        """Successors (Z^T S, ..., Z K) of the tree, from those of the game, (S, ..., K)."""
        if own is None:
            own = np.broadcast_to(np.arange(self.n_obs, dtype=np.int32), (*shape, self.n_obs))
        numbers = self._following.reshape(self.n_histories, *(1,) * (own.ndim - 1), self.n_states, 1)
        both = numbers * self.n_obs + own[..., np.newaxis, :]
        return np.ascontiguousarray(both.reshape(self.n_histories * self.n_obs, *own.shape[1:-1], -1), dtype=np.int32)


def of_steps(game: object) -> Game:
    """`game`, checked to be one in steps that has common noise."""
    found = check.as_instance(game, "game", Game)
    if whole(found).noise is None:
        raise ValueError(f"game is {found!r}, without common noise; must be a Game(..., noise=path)")
    if found._cut is not None:
        raise ValueError(f"game is {found!r}; must be in steps, since the noise is: game.at(schedule, n_agents)")
    return found


def game_on(game: Game, path: FloatArray) -> Game:
    """The game in steps on a path (T, ...) of values of the noise."""
    return game.replace(noise=path)


def _constant_paths(game: Game, chain: NoiseChain) -> list[FloatArray]:
    """For each state the path that stays there."""
    return [np.broadcast_to(value, (game.n_steps, *value.shape)) for value in chain.values]


def policy_given_noise(policy: object, game: Game, chain: NoiseChain) -> list[Policy]:
    """For each state of the noise the compiled policy that is played while the noise is there."""
    if isinstance(policy, NoisePolicy):
        if policy.n_states != chain.n_states:
            raise ValueError(f"policy has Z = {policy.n_states} states; must have the chain's, {chain.n_states}")
        return [as_policy(policy.table[:, z], game) for z in range(chain.n_states)]
    if sees_noise(policy):
        return [seeing(policy, game, path) for path in _constant_paths(game, chain)]
    return [as_policy(policy, game)] * chain.n_states


def sees_noise(policy: object) -> bool:
    """Whether a policy is a function of (mu, t, z)."""
    plain = callable(policy) and not isinstance(policy, Policy)
    return plain and n_arguments(policy, "policy", most=3) == 3  # type: ignore[arg-type]


def seeing(policy: Any, game: Game, path: FloatArray) -> Policy:
    """A function of (mu, t, z) as a compiled policy on a path (T, ...) of values of the noise."""
    step = game.dt if game.unit == "sweeps" else None
    function = of_mu_and_t(policy, "policy", path, "", step, game.n_steps)
    return CallablePolicy(function, game.n_observations, game.n_actions)
