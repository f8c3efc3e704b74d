"""Plays of one agent and the mean of all, from which zero-order gradients are estimated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tmfcore._base.validation import FloatArray
from tmfcore.lq._matrices import root
from tmfcore.lq._system import System, inverse

__all__ = ["Rollouts"]


class Rollouts:
    """Plays of the limit from step t on, with the gains of all teams.

    A play has the deviation y of one agent, which acts with its probability, and the mean of all (Theory, section 17).
    """

    def __init__(
        self, system: System, t: int, K: Sequence[FloatArray], L: Sequence[FloatArray], samples: int,
        generator: np.random.Generator,
    ) -> None:  # fmt: skip
        self.system, self.t, self.K, self.L = system, t, K, L
        self.samples, self.generator = samples, generator

    def slopes(self, i: int, of_mean: bool, radius: float) -> FloatArray:
        """The estimated natural gradient of the cost of team i in its gain at step t."""
        system, t, n, generator = self.system, self.t, self.samples, self.generator
        shape = (self.L if of_mean else self.K)[i].shape[1:]
        free: Any = True if of_mean else system.game._of_control[i][:, np.newaxis] == system.game._of_state
        e = np.where(free, generator.standard_normal((n, *shape)), 0.0)
        e *= radius / np.sqrt((e**2).sum(axis=(1, 2), keepdims=True))
        state = generator.standard_normal((n, shape[1]))
        change = np.einsum("npm,nm->np", e, state)
        twice = np.concatenate([change, -change])
        costs = self.play(i, np.concatenate([state, state]), twice, of_mean)
        entries = int(np.broadcast_to(free, shape).sum())
        # J(e) e and J(-e)(-e), over 2n plays
        found = entries / (2 * n * radius**2) * np.einsum("n,npm->pm", costs[:n] - costs[n:], e)
        natural: FloatArray = inverse(system.paying[i][t])[:, np.newaxis] * found
        return natural

    def play(self, i: int, state: FloatArray, change: FloatArray, of_mean: bool) -> FloatArray:
        """Costs (2n,) of team i, whose first control is changed; both halves have the same noise and the same acts."""
        system, game = self.system, self.system.game
        none = np.zeros_like(state)
        y, s = (none, state) if of_mean else (state, none)
        costs, weight = np.zeros(len(state)), 1.0
        noise, common = (root(each) if each.any() else None for each in (system.W, system.W0))
        for t in range(self.t, game.horizon):
            u, c = ([state @ gain[t].T for gain in gains] for gains, state in ((self.K, y), (self.L, s)))
            if t == self.t:
                moved = c if of_mean else u
                moved[i] = moved[i] + change
            paid = system.paying[i][t]
            costs += weight * (_squares(y, system.Q[i][t]) + _squares(s, system.Q_mean[i][t]))
            costs += weight * (_squares(u[i], paid[:, np.newaxis] * system.R[i][t]))
            costs += weight * (_squares(c[i], paid[:, np.newaxis] * system.R_mean[i][t]))
            share, acts = system.share[t], self.acts(t)
            act_y = y @ system.A[t].T - sum(each @ B[t].T for each, B in zip(u, system.B, strict=True))
            act_s = s @ system.A_mean[t].T - sum(each @ B[t].T for each, B in zip(c, system.B_mean, strict=True))
            wait_s = s @ system.A0_mean[t].T
            y = np.where(acts, act_y, y @ system.A0[t].T) + (acts - share) * (act_s - wait_s) + self.both(noise)
            s = share * act_s + (1 - share) * wait_s + self.both(common)
            weight *= game.discount
        return costs + weight * (_squares(y, system.Q_end[i]) + _squares(s, system.Q_mean_end[i]))

    def both(self, factor: FloatArray | None) -> FloatArray | float:
        """Normal noise, the same in both halves."""
        if factor is None:
            return 0.0
        drawn = self.generator.standard_normal((self.samples, len(factor))) @ factor.T
        return np.concatenate([drawn, drawn])

    def acts(self, t: int) -> Any:
        """Whether the agent acts, (2n, m), by the group of each entry of its state."""
        shares = self.system.acts.shares[t]
        if (shares == 1).all():
            return np.True_
        drawn = self.generator.random((self.samples, len(shares))) < shares
        return np.concatenate([drawn, drawn])[:, self.system.game._of_state]


def _squares(x: FloatArray, matrix: FloatArray) -> FloatArray:
    """The number x' matrix x of each row x."""
    found: FloatArray = np.einsum("nm,nm->n", x @ matrix, x)
    return found
