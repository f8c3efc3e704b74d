"""Tagged agents of Gymnasium in a flow of agents that act by where they are."""

import itertools
import pickle

import numpy as np
import pytest

pytest.importorskip("gymnasium", reason="needs the extra `envs`")

from activation_cases import ByObservation
from test_interop_gymnasium import play

import tmfcore as tmf
from stat_tests import assert_mean
from strategies import random_game, random_policy
from tmfcore.interop.gymnasium import env, make_vec


@pytest.mark.parametrize("name", ["observations", "f(mu, t)"])
def test_in_a_flow_agents_act_by_where_they_are(name):
    """100,000 agents: a share beta_t(o, mu_t) of those at o acts; the mean return is that of `evaluate`."""
    spec = random_game(24, 3, 2, horizon=3, dependence="mu_t", passive="dense")
    schedule = ByObservation(name, 3, 3)
    own = random_policy(25, 3, 2, stages=3)
    flow = tmf.mean_field(spec.build(), own.build(3), schedule.build())
    envs = make_vec(spec.build(), flow, num_envs=100_000, autoreset_mode="Disabled")
    seen, total, acts, _ = play(envs, own.reference(3), np.random.default_rng(5))
    for t, o in itertools.product(range(3), range(3)):
        assert_mean(acts[t, seen[t] == o].astype(float), schedule.moves(3, 1)[t][1](flow.mu[t], t)[o], slack=1e-12)
    assert_mean(total, tmf.evaluate(spec.build(), own.build(3), schedule.build()).mean_return)
    with pytest.raises(ValueError, match=r"without its schedule .* under which the probability of acting depends"):
        env(spec.build(), pickle.loads(pickle.dumps(flow)))
    fixed = tmf.mean_field(spec.build(), own.build(3), tmf.Bernoulli(0.3))
    env(spec.build(), pickle.loads(pickle.dumps(fixed)))


def test_who_always_acts_needs_batches():
    game = tmf.games.queueing([0.1, 0.2], step=1).at()
    envs = make_vec(game, tmf.TabularPolicy.uniform(game), tmf.Batch(lambda mu, t: 3 - t), 10, num_envs=5, clock="always")
    envs.reset(seed=1)
    for _ in range(3):
        envs.step(np.zeros(5, int))
    with pytest.raises(ValueError, match="the batch of the population of individual 0 is empty at step 3, but"):
        envs.step(np.zeros(5, int))
