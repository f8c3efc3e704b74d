"""Tiny systems of which one agent deviates, and what it and the others earn, by enumeration of all configurations."""

import numpy as np

import reference
import reference_gradient
import reference_laws
import strategies

Z = 6.0  # standard errors: a false-alarm rate near 2e-9 each


def tiny(kind, schedule, seed=0, **options):
    """Two observations, two actions, three steps."""
    options = {"dependence": "mu_t", "passive": "dense"} | options
    game = strategies.random_game(seed, 2, 2, 3, initial=[2 / 3, 1 / 3], **options)
    return strategies.Case(game, strategies.random_policy(seed, 2, 2, kind=kind, scale=2.0), schedule)


S = strategies.ScheduleSpec
CASES = [
    tiny("tabular", S("synchronous")),
    tiny("affine", S("sequential"), 1),
    tiny("callable", S("batch", 2), 2, passive="identity"),
    tiny("softmax", S("bernoulli", 0.6), 3, sparse=True, passive="sparse"),
    tiny("affine", S("fraction", np.array([1.0, 0.5, 0.7])), 4, compiled=True),
    tiny("tabular", S("batch", 2), 5, dependence="fixed", passive="none"),
]


def exact_return(case, n_agents, deviation=None, altruism=0.0):
    """Expected J_i + altruism sum_{j != i} J_j of an agent i drawn from the rounded start, who may play `deviation`."""
    game, policy = case.reference()
    first = np.round(n_agents * game.initial).astype(int)
    start = reference_laws.start_configuration(first)
    total = 0.0
    for agent in np.cumsum(first) - 1:  # one at each observation stands for all there
        policies = [policy] * n_agents
        if deviation is not None:
            policies[agent] = reference.tabular(deviation, game.horizon)
        weights = {j: 1.0 if j == agent else altruism for j in range(n_agents)}
        value = sum(
            weight * reference_gradient.agent_value(game, policies, case.moves(n_agents), start, j)
            for j, weight in weights.items() if weight > 0
        )  # fmt: skip
        total += first[start[agent]] * value
    return total / n_agents
