"""Linear-quadratic games written out: the states of all agents in one vector, every set of agents who may act.

Nothing is reduced by symmetry, and no deviation is told from a mean: slow, for a handful of agents.
"""

import itertools

import numpy as np

import tmfcore as tmf


def subsets(schedule, n_agents, t, horizon):
    """(probability, mask) of every set that may act."""
    batch, probability = schedule._kernel(horizon, n_agents)
    if batch is not None:
        size = int(np.broadcast_to(batch, horizon)[t])
        sets = list(itertools.combinations(range(n_agents), size))
        return [(1 / len(sets), np.isin(np.arange(n_agents), each)) for each in sets]
    p = float(np.broadcast_to(probability, horizon)[t])
    masks = [np.array(mask) for mask in itertools.product([False, True], repeat=n_agents)]
    return [(p ** mask.sum() * (1 - p) ** (~mask).sum(), mask) for mask in masks]


class Written:
    """A game of few agents, `sizes` in each group; `gains` are the (K, L) whose predicted mean agents use, or None."""

    def __init__(self, game, schedule, sizes, predicted=None):
        self.game, self.schedule, self.sizes = game, schedule, sizes
        groups, m = game.groups, game.n_states
        self.parts = [np.arange(end - k, end) for k, end in zip(groups, np.cumsum(groups))]
        self.agents = [(h, j) for h, size in enumerate(sizes) for j in range(size)]
        self.place, at = {}, 0
        for h, j in self.agents:
            self.place[h, j] = np.arange(at, at + groups[h])
            at += groups[h]
        self.n_x, self.predicted = at, predicted
        self.n = at + (m if predicted is not None else 0)
        self.average = np.zeros((m, self.n))  # x~ of the vector
        for h, j in self.agents:
            self.average[self.parts[h], self.place[h, j]] += 1 / sizes[h]
        self.columns = [[np.flatnonzero(of == h) for h in range(len(groups))] for of in game._of_control]
        self.control, self.plan = [], []  # columns of u_ij in U_i; c_i of U_i
        for i, p in enumerate(game.n_controls):
            own, at = {}, 0
            for h, j in self.agents:
                own[h, j] = np.arange(at, at + len(self.columns[i][h]))
                at += len(self.columns[i][h])
            mean = np.zeros((p, at))
            for h, j in self.agents:
                mean[self.columns[i][h], own[h, j]] += 1 / sizes[h]
            self.control.append(own)
            self.plan.append(mean)

    def prediction(self, t):
        """z' = Phi z in the limit."""
        g, beta = self.game, [self.schedule.active_fraction(self.game.horizon, size)[t] for size in self.sizes]
        share = np.diag(np.asarray(beta)[self.game._of_state])
        act = g.A[t] + g.A_bar[t] - sum((B[t] + bar[t]) @ L[t] for B, bar, L in zip(g.B, g.B_bar, self.predicted[1]))
        return share @ act + (np.eye(g.n_states) - share) @ (g.A_passive[t] + g.A_passive_bar[t])

    def acts(self, t):
        """(probability, F, [G_i]) for every set that may act: X' = F X + sum_i G_i U_i."""
        g = self.game
        found = []
        for each in itertools.product(*(subsets(self.schedule, size, t, g.horizon) for size in self.sizes)):
            chance = np.prod([p for p, _ in each])
            F, G = np.zeros((self.n, self.n)), [np.zeros((self.n, mean.shape[1])) for mean in self.plan]
            for h, j in self.agents:
                rows, part = self.place[h, j], self.parts[h]
                one, bar = (g.A, g.A_bar) if each[h][1][j] else (g.A_passive, g.A_passive_bar)
                F[np.ix_(rows, rows)] += one[t][np.ix_(part, part)]
                F[rows] += bar[t][part] @ self.average
                if each[h][1][j]:
                    for i in range(g.n_teams):
                        G[i][np.ix_(rows, self.control[i][h, j])] += g.B[i][t][np.ix_(part, self.columns[i][h])]
                        G[i][rows] += g.B_bar[i][t][part] @ self.plan[i]
            if self.predicted is not None:
                F[self.n_x :, self.n_x :] = self.prediction(t)
            found.append((chance, F, G))
        return found

    def played(self, t, K, L, i):
        """U_i = M X of gains."""
        m = self.game.n_states
        mean = self.average
        if self.predicted is not None:
            mean = np.zeros((m, self.n))
            mean[:, self.n_x :] = np.eye(m)
        found = np.zeros((self.plan[i].shape[1], self.n))
        for h, j in self.agents:
            own, part, rows = self.control[i][h, j], self.parts[h], self.columns[i][h]
            state = np.zeros((m, self.n))
            state[part, self.place[h, j]] = 1
            found[own] = -K[i][t][rows] @ np.where(np.isin(np.arange(m), part)[:, None], state - mean, 0)
            found[own] -= L[i][t][rows] @ mean
        return found

    def state_cost(self, t, i):
        g = self.game
        last = t == g.horizon
        Q, Q_bar = (g.Q_end[i], g.Q_bar_end[i]) if last else (g.Q[i][t], g.Q_bar[i][t])
        found = self.average.T @ Q_bar @ self.average
        for h, j in self.agents:
            part = self.parts[h]
            away = -self.average[part].copy()
            away[:, self.place[h, j]] += np.eye(len(part))
            found += away.T @ Q[np.ix_(part, part)] @ away / self.sizes[h]
        return found

    def control_cost(self, t, i):
        """Expected, over who acts."""
        g, found = self.game, 0
        for h, size in enumerate(self.sizes):
            beta, rows = self.schedule.active_fraction(g.horizon, size)[t], self.columns[i][h]
            mean = self.plan[i][rows]
            found = found + beta * mean.T @ g.R_bar[i][t][np.ix_(rows, rows)] @ mean
            for j in range(size):
                away = -mean.copy()
                away[:, self.control[i][h, j]] += np.eye(len(rows))
                found = found + beta * away.T @ g.R[i][t][np.ix_(rows, rows)] @ away / size
        return found

    def noise(self):
        found, shared = np.zeros((self.n, self.n)), np.zeros((self.n, self.game.n_states))
        for h, j in self.agents:
            rows, part = self.place[h, j], self.parts[h]
            found[np.ix_(rows, rows)] = self.game.noise[np.ix_(part, part)]
            shared[np.ix_(rows, part)] = np.eye(len(part))
        shared[self.n_x :] = np.eye(self.game.n_states)[: self.n - self.n_x]
        return found + shared @ self.game.common_noise @ shared.T, shared

    def start(self):
        _, shared = self.noise()
        mean, found = shared @ self.game.initial_mean, np.zeros((self.n, self.n))
        for h, j in self.agents:
            rows, part = self.place[h, j], self.parts[h]
            found[np.ix_(rows, rows)] = self.game.initial_covariance[np.ix_(part, part)]
        return found + np.outer(mean, mean)

    def forward(self, K, L):
        """Costs (N,), and second moments of x~ (T+1, m, m), by second moments of the whole vector."""
        g = self.game
        moment, costs, means = self.start(), np.zeros(g.n_teams), []
        for t in range(g.horizon + 1):
            means.append(self.average @ moment @ self.average.T)
            moves = [self.played(t, K, L, i) for i in range(g.n_teams)] if t < g.horizon else None
            for i in range(g.n_teams):
                costs[i] += g.discount**t * np.sum(self.state_cost(t, i) * moment)
                if t < g.horizon:
                    costs[i] += g.discount**t * np.sum((moves[i].T @ self.control_cost(t, i) @ moves[i]) * moment)
            if t < g.horizon:
                closed = [(p, F + sum(a @ b for a, b in zip(G, moves))) for p, F, G in self.acts(t)]
                moment = sum(p * F @ moment @ F.T for p, F in closed) + self.noise()[0]
        return costs, np.array(means)

    def best(self, K, L, i):
        """The smallest cost of team i among all controls that see everything but who will act; others keep gains."""
        if self.predicted is not None:
            return self.best_of_predicted(K, L, i)
        g, noise = self.game, self.noise()[0]
        V, constant = self.state_cost(g.horizon, i), 0.0
        for t in range(g.horizon - 1, -1, -1):
            V, constant = g.discount * V, g.discount * (constant + np.sum(V * noise))
            moves = [self.played(t, K, L, j) for j in range(g.n_teams)]
            free = [
                (p, F + sum(G[j] @ moves[j] for j in range(g.n_teams) if j != i), G[i]) for p, F, G in self.acts(t)
            ]
            V = least(self.control_cost(t, i), self.state_cost(t, i), [(p, F, G, V) for p, F, G in free])
        return np.sum(V * self.start()) + constant

    def best_of_predicted(self, K, L, i):
        """The same if z is the expectation of x~ given the common noise, whatever team i does.

        X = xi + J z, U = V(xi) + Z(z): what has expectation 0 given the common noise, and what is a function of it.
        """
        g = self.game
        J = np.zeros((self.n_x, g.n_states))
        for h, j in self.agents:
            J[self.place[h, j]] = np.eye(g.n_states)[self.parts[h]]
        average, noise = self.average[:, : self.n_x], self.noise()[0][: self.n_x, : self.n_x]
        own = noise - J @ g.common_noise @ J.T
        cost = self.state_cost(g.horizon, i)[: self.n_x, : self.n_x]
        V, V0, constant = cost, J.T @ cost @ J, 0.0
        for t in range(g.horizon - 1, -1, -1):
            V, V0 = g.discount * V, g.discount * V0
            constant = g.discount * constant + np.sum(V * own) + np.sum(V0 * g.common_noise)
            cost, paid = self.state_cost(t, i)[: self.n_x, : self.n_x], self.control_cost(t, i)
            moves = [self.played(t, K, L, j) for j in range(g.n_teams)]  # of (X, z): -K (X - J z) - L z
            acts = []
            for p, F, G in self.acts(t):
                others = sum(G[j] @ moves[j] for j in range(g.n_teams) if j != i)[: self.n_x]
                F = F[: self.n_x, : self.n_x]
                acts.append((p, F + others[:, : self.n_x], F @ J + others @ np.vstack([J, np.eye(g.n_states)]), G[i][: self.n_x]))
            middle = average @ sum(p * F0 for p, _, F0, _ in acts), average @ sum(p * G for p, _, _, G in acts)
            noisy = [(p, F0 - J @ middle[0], G - J @ middle[1], V) for p, _, F0, G in acts]
            # Z is the same for all agents: one column per control
            same = np.zeros((self.plan[i].shape[1], self.plan[i].shape[0]))
            for h, j in self.agents:
                same[self.control[i][h, j], self.columns[i][h]] = 1
            terms = [(p, F0, G @ same, V) for p, F0, G, V in noisy] + [(1.0, middle[0], middle[1] @ same, V0)]
            V0 = least(same.T @ paid @ same, J.T @ cost @ J, terms)
            V = least(paid, cost, [(p, F, G, V) for p, F, _, G in acts])
        first = self.start()[: self.n_x, : self.n_x] - J @ np.outer(g.initial_mean, g.initial_mean) @ J.T
        return np.sum(V * first) + g.initial_mean @ V0 @ g.initial_mean + constant


def least(uu, xx, terms):
    """The matrix of min_u u' uu u + x' xx x + sum p (F x + G u)' V (F x + G u)."""
    uu = uu + sum(p * G.T @ V @ G for p, _, G, V in terms)
    ux = sum(p * G.T @ V @ F for p, F, G, V in terms)
    return xx + sum(p * F.T @ V @ F for p, F, _, V in terms) - ux.T @ np.linalg.pinv(uu) @ ux


def random_game(rng, m=2, controls=(1, 2), horizon=3, groups=None, **more):
    """A game whose costs are positive definite; with groups, what must not couple them does not."""
    where = np.repeat(np.arange(len(groups or (m,))), groups or (m,))
    same = where[:, None] == where

    def matrix(rows, columns, size=0.6):
        return size * rng.standard_normal((rows, columns))

    def positive(k, low=0.3, within=None):
        root = rng.standard_normal((k, k)) * (1 if within is None else within)
        return root @ root.T * (1 if within is None else within) / k + low * np.eye(k)

    B = []
    owners = []
    for p in controls:
        own = where[rng.integers(m, size=p)]
        owners.append(own)
        B.append(np.where(where[:, None] == own, matrix(m, p), 0.0))
    within = [own[:, None] == own for own in owners]
    options = {
        "A": np.where(same, matrix(m, m), 0), "B": B, "Q": [positive(m, 0.1, same) for _ in controls],
        "R": [positive(p, within=inner) for p, inner in zip(controls, within)], "horizon": horizon, "A_bar": matrix(m, m, 0.2),
        "B_bar": [matrix(m, p, 0.2) for p in controls], "Q_bar": [positive(m, 0.1) for _ in controls],
        "R_bar": [positive(p, within=inner) for p, inner in zip(controls, within)],
        "Q_end": [positive(m, 0.1, same) for _ in controls], "Q_bar_end": [positive(m, 0.1) for _ in controls],
        "A_passive": np.where(same, matrix(m, m), 0), "A_passive_bar": matrix(m, m, 0.2),
        "noise": positive(m, 0.1, same), "common_noise": positive(m, 0.1), "initial_mean": rng.standard_normal(m),
        "initial_covariance": positive(m, 0.1, same), "discount": 0.9, "groups": groups,
    }  # fmt: skip
    return tmf.lq.LQGame(**(options | more))
