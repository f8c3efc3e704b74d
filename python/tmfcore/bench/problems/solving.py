"""Games to be solved by anybody's solver: a policy is the answer, and tmfcore computes its exploitability."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

import tmfcore as tmf

from .playing import Disagreement, Floats

__all__ = ["Solving"]


@dataclass(frozen=True, eq=False)
class Solving:
    """A game of T steps, undiscounted, in which all agents act, with rewards and kernels that are affine in mu.

        r(o, a, mu) = reward0[o, a] + sum_y reward_mu[o, a, y] mu(y)
        P(x | o, a, mu) = transition0[o, a, x] + sum_y transition_mu[o, a, x, y] mu(y)

    The answer is a policy, (T, S, A), or (S, A) for all steps. It is correct if its exploitability is at most `share`
    times that of the uniform policy.

    Parameters
    ----------
    kind : str
        Name of the contestants' method.
    game_class : str
        "alone": nothing depends on mu; "monotone": rewards fall with crowding, sum (mu - nu) (r(mu) - r(nu)) < 0;
        "potential": rewards are a gradient in mu, but not monotone; "coupled": the kernel depends on mu.
    share : float
    steps : int
        T.
    initial : (S,) float64
        mu_0.
    reward0 : (S, A) float64
    reward_mu : (S, A, S) float64
    transition0 : (S, A, S) float64
    transition_mu : (S, A, S, S) float64 or None
        None: the kernel does not depend on mu.
    """

    kind: str
    game_class: str
    share: float
    steps: int
    initial: Floats
    reward0: Floats
    reward_mu: Floats
    transition0: Floats
    transition_mu: Floats | None

    @property
    def size(self) -> int:
        """S."""
        return len(self.reward0)

    @property
    def n_actions(self) -> int:
        """A."""
        return int(self.reward0.shape[1])

    @cached_property
    def game(self) -> tmf.Game:
        """The game, as tmfcore has it."""
        passive = np.zeros((self.size, self.size))  # nobody is passive
        return tmf.games.affine(
            self.reward0, reward_mu=self.reward_mu, transition0=self.transition0, transition_mu=self.transition_mu,
            passive_reward_mu=passive, horizon=self.steps, discount=1.0, initial=self.initial, name=self.game_class,
        )  # fmt: skip

    @cached_property
    def target(self) -> float:
        """The largest exploitability that is allowed."""
        return self.share * self.exploitability(np.full((1, self.size, self.n_actions), 1.0 / self.n_actions))

    def exploitability(self, policy: Any) -> float:
        """Exploitability of a policy (T, S, A), or (1, S, A) for all steps."""
        return tmf.exploitability(self.game, tmf.TabularPolicy(policy), tmf.Synchronous())

    def check(self, answer: Any) -> None:
        """Raise Disagreement unless the answer is a policy with an exploitability of at most `target`."""
        policy = np.asarray(answer, dtype=np.float64)
        rows = (self.size, self.n_actions)
        if policy.shape not in ((self.steps, *rows), rows):
            raise Disagreement(f"policy has shape {policy.shape}; must have {(self.steps, *rows)} or {rows}")
        sums = policy.sum(axis=-1)
        if not (np.abs(sums - 1.0) <= 1e-5).all() or not (policy >= 0.0).all():
            raise Disagreement(f"policy has a row that sums to {sums.flat[np.abs(sums - 1.0).argmax()]:.6g}, or an "
                               f"entry of {policy.min():.3g}; rows must be >= 0 and sum to 1 within 1e-05")  # fmt: skip
        found = self.exploitability(policy / sums[..., None])
        if not found <= self.target:
            raise Disagreement(
                f"exploitability is {found:.4g}; must be at most {self.target:.4g}, {self.share:g} of the uniform "
                "policy's"
            )
