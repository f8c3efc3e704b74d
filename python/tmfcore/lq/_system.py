"""A linear-quadratic game under a schedule: its moments forward, values backward, and the equations of a stage.

Source     Theory, section 17.  Notation: m states, p_i controls of team i.
Contract   deviations y = x - x~ have the second moment Y (m, m). The mean x~ is the sum of k uncorrelated parts with
           second moments X_b: x~ itself (k = 1), or e = x~ - z and z (k = 2) if agents predict it by z. Team i pays
           tr(P Y) + sum_b tr(Pi_b X_b) + constant from step t on. Part 0 has the noise of agents, the last one the
           common noise.
           Gains: u = -K y + c, and c = -sum_b G_b x_b: G = (L) or (K, L).
Cost       O(N m^3) a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from tmfcore._base.validation import FloatArray
from tmfcore.lq._activity import Activity
from tmfcore.lq._team_game import LQGame

__all__ = ["DEVIATIONS", "Gains", "System", "Value", "inverse"]

Gains: TypeAlias = tuple[FloatArray, ...]  # (T, p_i, m) for each team
Now: TypeAlias = Sequence[FloatArray]  # (p_i, m) for each team, at one step

DEVIATIONS = -1  # the number of a part, in equations of a stage; parts of the mean have 0, ..., k - 1
SINGULAR = 1e-13  # smallest singular value of a matrix of a stage, as a share of the largest, that counts as invertible


class Value(NamedTuple):
    """What a team pays from a step on: P (m, m), Pi (k, m, m) and the constant."""

    P: FloatArray
    Pi: FloatArray
    constant: float


def scaled(factors: FloatArray, matrix: FloatArray) -> FloatArray:
    """diag(factors) matrix."""
    found: FloatArray = factors[:, np.newaxis] * matrix
    return found


class System:
    """The matrices of a game at every step, and who acts.

    Parameters
    ----------
    game : LQGame
    acts : Activity
    predicts : bool
        Whether agents use the expectation of x~, given the common noise so far, in its place.

    Attributes
    ----------
    n_parts : int
        k.
    own, share : FloatArray
        1 / M (m,) and beta (T, m), by the group of a state.
    paying : list of FloatArray
        beta (T, p_i) by the group of a control.
    """

    def __init__(self, game: LQGame, acts: Activity, predicts: bool = False) -> None:
        self.game, self.acts, self.predicts = game, acts, predicts
        self.n_parts = 1 + predicts
        of_state = game._of_state
        self.share: FloatArray = acts.shares[:, of_state]
        self.paying: list[FloatArray] = [acts.shares[:, of_control] for of_control in game._of_control]
        self.own: FloatArray = acts.inverse_sizes[of_state]
        g, d = acts.correlations
        self.g, self.d = g[of_state], d[of_state]
        self.together: Any = of_state[:, np.newaxis] == of_state[np.newaxis, :]
        fields: Any = game
        self.A, self.B = game._A, game._B
        self.A0: FloatArray = fields.A_passive
        self.A_mean: FloatArray = game._A + fields.A_bar
        self.A0_mean: FloatArray = fields.A_passive + fields.A_passive_bar
        self.B_mean: Gains = tuple(B + bar for B, bar in zip(game._B, fields.B_bar, strict=True))
        self.Q, self.R = fields.Q, fields.R
        self.Q_mean, self.R_mean = fields.Q_bar, fields.R_bar
        self.Q_end, self.Q_mean_end = fields.Q_end, fields.Q_bar_end
        self.W, self.W0 = fields.noise, fields.common_noise
        self.start = fields.initial_mean, fields.initial_covariance

    def gains_at(self, t: int, K: Sequence[FloatArray], L: Sequence[FloatArray]) -> tuple[list[FloatArray], list[Now]]:
        """K of every team at a step, and G of every part and team."""
        k, own = [each[t] for each in K], [each[t] for each in L]
        return k, [k, own] if self.predicts else [own]

    # ----------------------------------------------------------------------------------------------------- dynamics

    def deviate(self, t: int, K: Now) -> tuple[FloatArray, FloatArray]:
        """F of those who act, y' = F y, and F - A_passive."""
        F = self.A[t] - sum(B[t] @ k for B, k in zip(self.B, K, strict=True))
        return F, F - self.A0[t]

    def drift(self, t: int, G: Now) -> tuple[FloatArray, FloatArray]:
        """Phi, x_b' = Phi x_b of a part of the mean, and D: what those who act move more than those who wait."""
        act = self.A_mean[t] - sum(B[t] @ g for B, g in zip(self.B_mean, G, strict=True))
        wait, share = self.A0_mean[t], self.share[t]
        return scaled(share, act) + scaled(1 - share, wait), act - wait

    def blocks(self, matrix: FloatArray) -> FloatArray:
        """The entries within groups; 0 elsewhere."""
        return np.where(self.together, matrix, 0.0)

    def spread(self, t: int) -> FloatArray:
        """The variance beta (1 - beta) of acting, (m,)."""
        found: FloatArray = self.share[t] * (1 - self.share[t])
        return found

    # ----------------------------------------------------------------------------------------------------- backward

    def last(self, i: int) -> Value:
        """What team i pays at step T."""
        return Value(self.Q_end[i], np.repeat(self.Q_mean_end[i][np.newaxis], self.n_parts, axis=0), 0.0)

    def ahead(self, after: Value) -> tuple[FloatArray, FloatArray, FloatArray]:
        """P and Pi of the next step, discounted, and by how much noise of x~ costs more than noise of y."""
        P, Pi = self.game.discount * after.P, self.game.discount * after.Pi
        return P, Pi, self.blocks(Pi[0]) - P

    def back(self, t: int, i: int, K: Now, G: Sequence[Now], after: Value) -> Value:
        """What team i pays from step t on, given that from step t + 1 on."""
        P, Pi, more = self.ahead(after)
        share, spread, paying = self.share[t], self.spread(t), self.paying[i][t]
        F, turn = self.deviate(t, K)
        now = self.Q[i][t] + K[i].T @ scaled(paying, self.R[i][t] @ K[i])
        now = now + F.T @ scaled(share, P @ F) + self.A0[t].T @ scaled(1 - share, P @ self.A0[t])
        now = now + turn.T @ scaled(spread * self.g, more @ turn)
        within = scaled(spread, P + scaled(self.d, more))
        means = np.empty_like(Pi)
        for b, gains in enumerate(G):
            Phi, D = self.drift(t, gains)
            mean = self.Q_mean[i][t] + gains[i].T @ scaled(paying, self.R_mean[i][t] @ gains[i])
            mean = mean + Phi.T @ Pi[b] @ Phi + D.T @ within @ D
            means[b] = (mean + mean.T) / 2
        noise = np.sum(P * scaled(1 - self.own, self.W)) + np.sum(Pi[0] * scaled(self.own, self.W))
        constant = self.game.discount * after.constant + float(noise + np.sum(Pi[-1] * self.W0))
        return Value((now + now.T) / 2, means, constant)

    def cost(self, value: Value) -> float:
        """What a team pays from step 0 on, with its value there."""
        mean, covariance = self.start
        P, Pi, constant = value
        spread = np.sum(P * scaled(1 - self.own, covariance)) + np.sum(Pi[0] * scaled(self.own, covariance))
        return float(spread + mean @ Pi[-1] @ mean + constant)

    # ------------------------------------------------------------------------------------------ equations of a stage

    def stage(self, t: int, i: int, after: Value, part: int) -> tuple[FloatArray, ...]:
        """(R, B, H, V): the gain k of team i is the best one if R k + B' H sum_j B_j k_j = B' V.

        k is K, or G of a part of the mean. All terms have the factor beta of those who pay.
        """
        P, Pi, more = self.ahead(after)
        share, spread, paying = self.share[t], self.spread(t), self.paying[i][t]
        if part == DEVIATIONS:
            H = scaled(share, P) + scaled(spread * self.g, more)
            V = scaled(share, P @ self.A[t]) + scaled(spread * self.g, more @ (self.A[t] - self.A0[t]))
            return scaled(paying, self.R[i][t]), self.B[i][t], H, V
        act, wait = self.A_mean[t], self.A0_mean[t]
        within = scaled(spread, P + scaled(self.d, more))
        H = scaled(share, Pi[part]) * share + within
        V = scaled(share, Pi[part] @ (scaled(share, act) + scaled(1 - share, wait))) + within @ (act - wait)
        return scaled(paying, self.R_mean[i][t]), self.B_mean[i][t], H, V

    def moved(self, t: int, gains: Now, part: int) -> list[FloatArray]:
        """B_j k_j of every team."""
        every = self.B if part == DEVIATIONS else self.B_mean
        return [B[t] @ gain for B, gain in zip(every, gains, strict=True)]

    def slopes(self, t: int, i: int, after: Value, gains: Now, part: int) -> FloatArray:
        """The natural gradient of the cost of team i in its gain, (p_i, m): per agent who acts; 0 if nobody does.

        It is the gradient divided by the second moment of the state.
        """
        R, B, H, V = self.stage(t, i, after, part)
        found = 2 * (R @ gains[i] + B.T @ (H @ sum(self.moved(t, gains, part), np.zeros_like(V)) - V))
        return scaled(inverse(self.paying[i][t]), found)

    def respond(self, t: int, i: int, after: Value, gains: Now, part: int) -> FloatArray:
        """The gain of team i with the smallest cost, given those of the others."""
        R, B, H, V = self.stage(t, i, after, part)
        moved = self.moved(t, gains, part)
        others = sum((each for j, each in enumerate(moved) if j != i), np.zeros_like(V))
        matrix = R + B.T @ H @ B
        self._refuse_no_minimum(matrix, t, i, part)
        return self._solved(matrix, B.T @ (V - H @ others), self.paying[i][t] > 0, t, part)

    def equilibrium(self, t: int, after: Sequence[Value], part: int) -> list[FloatArray]:
        """The gains of all teams, each the best one given the others.

        Raises
        ------
        ValueError
            The block matrix of the stage is not invertible, or the cost of a team has no minimum in its gain.
        """
        stages = [self.stage(t, i, value, part) for i, value in enumerate(after)]
        rows = []
        for i, (R, B, H, _) in enumerate(stages):
            self._refuse_no_minimum(R + B.T @ H @ B, t, i, part)
            row = [B.T @ H @ other for _, other, _, _ in stages]
            row[i] = row[i] + R
            rows.append(row)
        wanted = np.vstack([B.T @ V for _, B, _, V in stages])
        plays = np.concatenate([paying[t] > 0 for paying in self.paying])
        found = self._solved(np.block(rows), wanted, plays, t, part)
        return np.split(found, np.cumsum(self.game.n_controls)[:-1])

    def _solved(self, matrix: FloatArray, wanted: FloatArray, plays: Any, t: int, part: int) -> FloatArray:
        """The solution; 0 in the rows of controls that nobody uses."""
        found = np.zeros_like(wanted)
        if plays.any():
            inner = matrix[np.ix_(plays, plays)]
            size = np.linalg.svd(inner, compute_uv=False)
            if size[-1] <= SINGULAR * size[0]:
                raise ValueError(
                    f"the block matrix of the {_name(part)} at t={t} is not invertible: its singular values go from "
                    f"{size[0]:.3g} down to {size[-1]:.3g}; there is no equilibrium, or more than one: change R, or B"
                )
            found[plays] = np.linalg.solve(inner, wanted[plays])
        return found

    def _refuse_no_minimum(self, matrix: FloatArray, t: int, i: int, part: int) -> None:
        plays = self.paying[i][t] > 0
        inner = matrix[np.ix_(plays, plays)]
        if not np.isfinite(inner).all():
            raise ValueError(f"the values at t={t} are not finite; must be: A or the horizon is too large")
        if plays.any() and np.linalg.eigvalsh((inner + inner.T) / 2).min() <= 0:
            raise ValueError(
                f"the cost of team {i} has no minimum in its gain of the {_name(part)} at t={t}: R + B' H B has an "
                f"eigenvalue <= 0; R[{i}] must be larger, or Q[{i}]"
            )

    # ------------------------------------------------------------------------------------------------------ forward

    def moments(self, K: Gains, L: Gains) -> tuple[FloatArray, FloatArray, FloatArray]:
        """E x~ (T+1, m), the covariance of x~ and the second moment Y of deviations, (T+1, m, m) each."""
        T, m = self.game.horizon, self.game.n_states
        mean, covariance = self.start
        middle, Y = np.empty((T + 1, m)), np.empty((T + 1, m, m))
        X = np.zeros((T + 1, self.n_parts, m, m))  # covariances of the parts
        middle[0] = mean
        X[0, 0] = scaled(self.own, covariance)
        Y[0] = scaled(1 - self.own, covariance)
        for t in range(T):
            now, G = self.gains_at(t, K, L)
            F, turn = self.deviate(t, now)
            share, spread = self.share[t], self.spread(t)
            moves = [self.drift(t, gains) for gains in G]
            expected = np.outer(middle[t], middle[t])
            apart = self.blocks(sum((D @ x @ D.T for (_, D), x in zip(moves, X[t], strict=True)), np.zeros((m, m))))
            apart += self.blocks(moves[-1][1] @ expected @ moves[-1][1].T)
            jitter = scaled(spread, scaled(self.g, turn @ Y[t] @ turn.T) + scaled(self.d, apart))
            middle[t + 1] = moves[-1][0] @ middle[t]
            for b, (Phi, _) in enumerate(moves):
                X[t + 1, b] = Phi @ X[t, b] @ Phi.T
            X[t + 1, 0] += jitter + scaled(self.own, self.W)
            X[t + 1, -1] += self.W0
            waits = scaled(1 - share, self.A0[t] @ Y[t] @ self.A0[t].T)
            Y[t + 1] = scaled(share, F @ Y[t] @ F.T) + waits + scaled(spread, apart) - jitter
            Y[t + 1] += scaled(1 - self.own, self.W)
        return middle, X.sum(axis=1), Y


def inverse(shares: FloatArray) -> FloatArray:
    """1 / shares; 0 where they are 0."""
    return np.divide(1.0, shares, out=np.zeros_like(shares), where=shares > 0)


def _name(part: int) -> str:
    return "deviations" if part == DEVIATIONS else "mean"
