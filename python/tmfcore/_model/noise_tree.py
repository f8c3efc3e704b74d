"""The tree of a common noise: a game with a NoiseChain as an ordinary game on histories (Theory, section 13).

NoiseTree(game, chain).game       the game in which an agent's observation is (noise so far, own observation)
NoiseTree.policy(policy)          a policy of the original game, or one that sees the noise, as one of this game
NoiseTree.schedule(schedule)      a schedule of the original game as one of this game
NoiseTree.on(states, policy)      the original game on one path of the noise, and the policy there
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory
from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray
from tmfcore._model.game import Game
from tmfcore._model.noise import NoiseChain, as_chain, as_states
from tmfcore._model.noise_histories import Histories
from tmfcore._model.noise_policies import (
    NoisePolicyLike,
    by_memory,
    constant_paths,
    game_on,
    of_steps,
    policy_given_noise,
    recalled,
)
from tmfcore._model.policies import PolicyLike, TabularPolicy, as_policy
from tmfcore._model.schedules import Bernoulli, Schedule, as_schedule, share_at

__all__ = ["NoiseTree"]


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
    memory : int or None, optional
        m: agents know the last m states of the noise only, and the population after them is replaced by its mean given
        these states. This is an approximation, for long horizons: `over_noise` judges the policy it leads to. None, or
        m >= T: all the past, exactly.

    Attributes
    ----------
    game : Game
        Z^m S observations: number h S + o is observation o after the history h, its states in base Z.
    original : Game
        The game that was given.
    chain : NoiseChain
    memory : int
        m <= T.

    Raises
    ------
    TypeError, ValueError
        A game in sweeps, whose steps a schedule defines; a game without noise; a tree of more than 2**18 observations
        or 2**25 entries of rows.

    Notes
    -----
    Do not simulate agents that play `game`: each would have weather of its own. Simulate paths, by `on`.
    Z^min(t+1, m) histories are evaluated at step t: a pass calls the game's functions about T Z^m, or 2 Z^T, times.

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
    memory: int
    _histories: Histories

    @fits_memory("game must have fewer steps (horizon), chain fewer states, or memory be smaller", asks=True)
    def __init__(self, game: Game, chain: NoiseChain, memory: int | None = None) -> None:
        original = of_steps(game)
        chain = as_chain(chain, "chain")
        longest = original.n_steps
        if memory is not None:
            longest = min(longest, check.as_positive_int(memory, "memory"))
        games = [game_on(original, constant) for constant in constant_paths(original, chain)]
        tables = Histories(games, chain, longest)
        vars(self).update(
            original=original, chain=chain, memory=longest, _histories=tables, game=tables.game(original)
        )

    def histories(self, mu: FloatsLike, t: int) -> tuple[FloatArray, FloatArray]:
        """Probabilities of the histories at one step, and the population after each.

        Parameters
        ----------
        mu : (Z^m S,) floats
            A distribution of `game`.
        t : int
            Step, 0 <= t < T.

        Returns
        -------
        probabilities : (n,) float64
            n = Z^min(t+1, m).
        populations : (n, S) float64
            Distributions; after a history of probability 0 the initial one.
        """
        mu = check.as_probabilities(mu, "mu", shape=(self.game.n_observations,), letters="Z**m S")
        t = check.as_int(t, "t", low=0, high=self.game.n_steps - 1)
        return self._histories.populations(mu, t)

    def policy(self, policy: NoisePolicyLike) -> PolicyLike:
        """A policy of the original game as one of `game`.

        Parameters
        ----------
        policy : NoisePolicy, callable f(mu, t, z) -> (S, A), any policy of the original game, or of a shorter memory
            A function gets the population after the history, and z, the value of the present state. A table of Z^k S
            observations, for example a solution with memory k <= m, depends on the last k states.

        Returns
        -------
        TabularPolicy, or a function of (mu, t) if the policy depends on the population

        Raises
        ------
        TypeError, ValueError
            A policy of another size.
        """
        original, tables = self.original, self._histories
        recalling = by_memory(policy, original, self.chain)
        if recalling is not None:
            known = recalling.shape[1]  # Z^k
            if known > tables.n_histories:
                raise ValueError(
                    f"policy has {known} histories of the noise; must have at most those of memory = {self.memory}, "
                    f"{tables.n_histories}"
                )
            recalling = np.tile(recalling, (1, tables.n_histories // known, 1, 1))
            return TabularPolicy(
                recalling.reshape(len(recalling), -1, original.n_actions), horizon=original.n_steps
            )
        given = policy_given_noise(policy, original, self.chain)

        def on_histories(mu: FloatArray, t: int) -> FloatArray:
            _, populations = tables.populations(mu, t)
            played = [
                given[h % len(given)].probabilities(now, t, original.n_steps) for h, now in enumerate(populations)
            ]
            return tables.copied(np.stack(played))

        return on_histories

    def schedule(self, schedule: Schedule, n_agents: int | None = None) -> Schedule:
        """A schedule of the original game as one of `game`, with the same mean field.

        Parameters
        ----------
        schedule : Schedule
        n_agents : int or None, optional
            N, to convert batch sizes that depend on the population.

        Returns
        -------
        Schedule
            `schedule` itself, unless who acts depends on the observation or the population: then Bernoulli, whose
            probabilities are those after each history.

        Raises
        ------
        TypeError, ValueError
            Not a schedule; n_agents missing.
        """
        if not as_schedule(schedule)._by_observation():
            return schedule
        active, tables = schedule._active(self.game.n_steps, n_agents), self._histories

        def on_histories(mu: FloatArray, t: int) -> FloatArray:
            _, populations = tables.populations(mu, t)
            shares = [np.broadcast_to(share_at(active, now, t), now.shape) for now in populations]
            return tables.copied(np.stack(shares))

        return Bernoulli(on_histories)

    def on(self, states: FloatsLike, policy: PolicyLike) -> tuple[Game, TabularPolicy]:
        """The original game on one path of the noise, and a policy of `game` there.

        Parameters
        ----------
        states : (T,) integers
            States of the chain, 0 <= z_t < Z.
        policy : TabularPolicy, Solution, or (Z^m S, A) or (L, Z^m S, A) floats
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
        path = as_states(states, self.chain.n_states, self.original.n_steps)
        kernel = as_policy(policy, self.game)
        recalling = by_memory(kernel, self.original, self.chain)
        if recalling is None:
            raise TypeError("policy depends on the population; must be a TabularPolicy, a Solution or an array")
        return game_on(self.original, self.chain.values[path]), recalled(recalling, path, self.chain.n_states)

    def __repr__(self) -> str:
        memory = f", memory={self.memory}" if self.memory < self.original.n_steps else ""
        return f"NoiseTree({self.original!r}, {self.chain!r}{memory}, {self._histories.n_histories} histories)"

    def __reduce__(self) -> tuple[Any, ...]:
        return NoiseTree, (self.original, self.chain, self.memory)
