"""What tests of fit share: a game to be learnt, its logs, and logs of two steps by hand."""


import numpy as np

import tmfcore as tmf

S, A, T = 3, 2, 12


def true_game(kind, seed=4):
    """Rewards and rows of both kinds of agents, constant or affine in mu, with rewards that are drawn to cross."""
    rng = np.random.default_rng(seed)
    corners = 1 if kind == "constant" else S
    reward = rng.normal(size=(S, A, corners))
    rows = rng.dirichlet(np.ones(S), size=(S, A, corners))
    passive_reward = rng.normal(size=(S, corners))
    passive_rows = rng.dirichlet(np.ones(S), size=(S, corners))
    if kind == "constant":
        return tmf.Game(
            S, A, T, 0.9, [0.6, 0.3, 0.1], reward[..., 0], rows[:, :, 0], passive_reward=passive_reward[:, 0],
            passive_transition=passive_rows[:, 0],
        )  # fmt: skip
    return tmf.games.affine(
        np.zeros((S, A)), reward_mu=reward, transition0=np.zeros((S, A, S)), transition_mu=rows.swapaxes(2, 3), passive_reward_mu=passive_reward,
        passive_transition0=np.zeros((S, S)), passive_transition_mu=passive_rows.swapaxes(1, 2),
        horizon=T, discount=0.9, initial=[0.6, 0.3, 0.1],
    )  # fmt: skip


def logs(game, n_agents, runs, seed, individuals=True):
    """Play of different starts and policies, so that different populations are seen."""
    found = []
    for i in range(runs):
        rng = np.random.default_rng([seed, i])
        start = rng.multinomial(n_agents, rng.dirichlet(np.full(S, 0.5)))
        policy = tmf.TabularPolicy(rng.dirichlet(np.ones(A), size=S))
        options = {"trajectories": True} if individuals else {}
        found.append(tmf.simulate(game, policy, tmf.Bernoulli(0.6), n_agents, start=start, rng=[seed, i], **options))
    return found


def misses(game, found, mu):
    """Estimate minus truth of all rewards and rows at mu."""
    return [x - y for x, y in zip(found.game.tables(mu), game.tables(mu), strict=True)]


def two_steps(first, then, rewards=None, actions=None):
    """A log of agents seen twice."""
    observations = np.column_stack([first, then])
    acts = np.zeros_like(observations) if actions is None else actions
    return observations, acts, np.zeros(observations.shape) if rewards is None else rewards


ONE = {"n_observations": 2, "n_actions": 1, "discount": 1.0}
