"""The tree of a common noise: a game whose noise is a chain as an ordinary game on histories (Theory, section 13).

NoiseTree(game).game                 the game in which an agent's observation is (noise so far, own observation)
NoiseTree.policy(policy)             a policy of the original game, or one that sees the noise, as one of this game
NoiseTree.schedule(schedule, N)      a schedule of the original game as one of this game
NoiseTree.groups                     sizes of its histories
NoiseTree.mean(mu), .seeing(table)   flow and table of this game as those of the original

Verbs on games with random noise use it where it fits memory. Agents that play `game` must not be simulated: each would
have weather of its own.
"""

from __future__ import annotations

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory
from tmfcore._base.validation import FloatArray
from tmfcore._model.game import Game
from tmfcore._model.noise import NoiseChain
from tmfcore._model.noise_histories import Histories
from tmfcore._model.noise_policy import NoisePolicy
from tmfcore._model.played import Played
from tmfcore._model.policies import PolicyLike, TabularPolicy, as_policy
from tmfcore._model.policy import TablePolicy
from tmfcore._model.schedules import Bernoulli, Schedule, as_schedule, share_at

__all__ = ["NoiseTree"]


class NoiseTree:
    """A game whose common noise is a Markov chain, as an ordinary game, exactly.

    An agent's observation is the history of the noise and its own observation in the original game. Agents know the
    noise so far, and not its future. Flows, values, best responses, exploitability and equilibria of `game` are those
    of the game with noise: expectations over the noise, with best responses that see all of its past.

    Parameters
    ----------
    game : Game
        In steps, with random noise.
    hint : str, optional
        What to do if the tree is too large, for the error.

    Attributes
    ----------
    game : Game
        Z^T S observations: number h S + o is observation o after the history h, its states in base Z.
    original : Game
        The game that was given.

    Raises
    ------
    ValueError
        The noise is no chain; a tree of more than 2**18 observations or 2**25 entries of rows.

    Notes
    -----
    Z^(t+1) histories are evaluated at step t: a pass calls the game's functions about 2 Z^T times.
    """

    @fits_memory("game must have fewer steps (horizon), or its chain fewer states", asks=True)
    def __init__(self, game: Game, hint: str = "") -> None:
        chain = game.noise
        if not isinstance(chain, NoiseChain):
            raise ValueError(f"game is {game!r}; must have a NoiseChain as noise to be exact, else {hint}")
        self.original, self.chain = game, chain
        paths = [np.full(game.n_steps, z) for z in range(chain.n_states)]
        self.always = [game.on(path) for path in paths]  # the noise is in the same state at all steps
        self.histories = Histories(self.always, chain, hint)
        self.game = self.histories.game(game)

    def policy(self, policy: PolicyLike) -> PolicyLike:
        """A policy of the original game as one of `game`."""
        original, tables = self.original, self.histories
        found = policy.policy if isinstance(policy, Played) else policy
        if isinstance(found, NoisePolicy) and found.edges is None:
            found._check(original, "policy")
            if found.n_stages > original.n_steps:
                raise ValueError(
                    f"policy has {found.n_stages} stages; must have at most one per step, {original.n_steps}"
                )
            seen = found.n_states ** min(found.memory, original.n_steps)
            table = np.tile(found.table[:, :seen], (1, tables.n_histories // seen, 1, 1))
            return TabularPolicy(table.reshape(len(table), -1, original.n_actions), horizon=original.n_steps)
        given = [as_policy(found, game) for game in self.always]
        if isinstance(found, NoisePolicy):  # the states of noise with edges in each state of the chain
            found = None
        if all(isinstance(kernel, TablePolicy) for kernel in given) and found is not None:
            table = np.tile(given[0].table, (1, tables.n_histories, 1))  # type: ignore[attr-defined]  # checked above
            return TabularPolicy(table, horizon=original.n_steps)

        def on_histories(mu: FloatArray, t: int) -> FloatArray:
            _, populations = tables.populations(mu, t)
            played = [
                given[h % len(given)].probabilities(now, t, original.n_steps) for h, now in enumerate(populations)
            ]
            return tables.copied(np.stack(played))

        return on_histories

    def schedule(self, schedule: Schedule, n_agents: int | None = None) -> Schedule:
        """A schedule of the original game as one of `game`, with the same mean field.

        It is `schedule` itself, unless who acts depends on the observation or the population: then Bernoulli, whose
        probabilities are those after each history.
        """
        if not as_schedule(schedule)._by_observation():
            return schedule
        active, tables = schedule._active(self.game.n_steps, n_agents), self.histories

        def on_histories(mu: FloatArray, t: int) -> FloatArray:
            _, populations = tables.populations(mu, t)
            shares = [np.broadcast_to(share_at(active, now, t), now.shape) for now in populations]
            return tables.copied(np.stack(shares))

        return Bernoulli(on_histories)

    @property
    def groups(self) -> tuple[int, int]:
        """(S, Z): observations after a history, whose tables depend on the population there; branches of the tree."""
        return self.original.n_observations, self.chain.n_states

    def mean(self, mu: FloatArray) -> FloatArray:
        """A flow (T+1, Z^T S) of `game` as the mean flow (T+1, S) of the original game."""
        return np.asarray(mu.reshape(len(mu), -1, self.original.n_observations).sum(axis=1))

    def seeing(self, table: FloatArray) -> NoisePolicy:
        """A table (L, Z^T S, A) of `game` as a policy of the original game."""
        sizes = (self.histories.n_histories, self.original.n_observations, self.original.n_actions)
        return NoisePolicy(check.frozen(table.reshape(len(table), *sizes)), memory=self.original.n_steps)
