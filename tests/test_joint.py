"""Games of the joint law: two half-steps of a Game against the definition, written out with L itself."""

import itertools
import math
import pickle
import re
import sys
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference_laws
import tmfcore as tmf
from peers import need
from tmfcore.games import by_half_step, joint


class Definition:
    """A random game of L: rewards affine in L and mu, kernels that move from one table to another as L does."""

    def __init__(self, seed, n_observations, n_actions, horizon, discount):
        rng = np.random.default_rng(seed)
        size, n_act = n_observations, n_actions
        self.shape, self.horizon, self.discount = (size, n_act), horizon, discount
        self.initial = rng.dirichlet(np.ones(size))
        self.rewards = rng.normal(size=(3, size, n_act))
        self.kernels = rng.dirichlet(np.full(size, 0.5), size=(2, size, n_act))
        self.passive_rewards = rng.normal(size=(2, size))
        self.passive_kernels = rng.dirichlet(np.full(size, 0.5), size=(2, size))

    def reward(self, law, mu, t):
        return self.rewards[0] + self.rewards[1] * law * (1 + t) + self.rewards[2] * mu[:, None]

    def transition(self, law, mu, t):
        weight = law[0, 0] if t % 2 else law[-1].sum()
        return self.kernels[0] + weight * (self.kernels[1] - self.kernels[0])

    def passive_reward(self, law, mu, t):
        return self.passive_rewards[0] + self.passive_rewards[1] * law.sum(axis=1)

    def passive_transition(self, law, mu, t):
        return self.passive_kernels[0] + law[0, -1] * (self.passive_kernels[1] - self.passive_kernels[0])

    def game(self):
        return joint(
            self.shape[0], n_actions=self.shape[1], horizon=self.horizon, discount=self.discount, initial=self.initial,
            reward=self.reward, transition=self.transition, passive_reward=self.passive_reward, passive_transition=self.passive_transition,
        )  # fmt: skip

    def flow(self, pi, beta):
        """mu (T+1, S) and L (T, S, A) of a policy pi (T, S, A)."""
        mu, laws = [self.initial], []
        for t in range(self.horizon):
            law = mu[-1][:, None] * pi[t]
            kernel, passive = self.transition(law, mu[-1], t), self.passive_transition(law, mu[-1], t)
            following = beta[t] * np.einsum("oa,oax->x", law, kernel) + (1 - beta[t]) * mu[-1] @ passive
            laws.append(law)
            mu.append(following)
        return np.array(mu), np.array(laws)

    def value(self, pi, mu, laws, beta):
        """mu_0 . V_0 along a flow; pi None: the best response."""
        v = np.zeros(self.shape[0])
        for t in reversed(range(self.horizon)):
            q = self.reward(laws[t], mu[t], t) + self.discount * self.transition(laws[t], mu[t], t) @ v
            acting = q.max(axis=1) if pi is None else (pi[t] * q).sum(axis=1)
            resting = self.passive_reward(laws[t], mu[t], t) + self.discount * self.passive_transition(laws[t], mu[t], t) @ v
            v = beta[t] * acting + (1 - beta[t]) * resting
        return self.initial @ v


def lifted(pi):
    """A policy (T, S, A) of the definition over the observations o and (o, a) of the game."""
    T, S, A = pi.shape
    return tmf.TabularPolicy(np.concatenate([pi, np.full((T, S * A, A), 1 / A)], axis=1))


cases = st.builds(
    Definition, st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 3), st.integers(1, 4), st.sampled_from([1.0, 0.8])
)


@given(cases, st.sampled_from([tmf.Synchronous(), tmf.Fraction(0.3)]), st.integers(0, 2**32 - 1))
def test_flow_values_and_exploitability_are_those_of_the_definition(case, schedule, seed):
    game = case.game()
    S, A = case.shape
    pi = np.random.default_rng(seed).dirichlet(np.ones(A), size=(case.horizon, S))
    beta = schedule.active_fraction(case.horizon)
    mu, laws = case.flow(pi, beta)
    found_mu, found_laws = by_half_step(game, tmf.mean_field(game, lifted(pi), schedule).mu)
    np.testing.assert_allclose(found_mu, mu, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found_laws, laws, rtol=1e-12, atol=1e-14)
    own = case.value(pi, mu, laws, beta)
    assert tmf.evaluate(game, lifted(pi), schedule).mean_return == pytest.approx(own, rel=1e-10, abs=1e-12)
    gap = case.value(None, mu, laws, beta) - own
    assert tmf.exploitability(game, lifted(pi), schedule) == pytest.approx(gap, rel=1e-8, abs=1e-10)


def step_law(case, pi, counts, t, batch):
    """Law of the next counts when `batch` of the agents act and L is the empirical law of what they do."""
    S, A = case.shape
    law = defaultdict(float)
    n = sum(counts)
    for acting, p_acting in reference_laws.acting_law(counts, ("batch", batch)):
        choices = (reference_laws.multinomial_law(acting[o], pi[t, o]) for o in range(S))
        for choice in itertools.product(*choices):
            decisions = np.array([n for n, _ in choice])
            weight = p_acting * math.prod(p for _, p in choice)
            joint_law, mu = decisions / batch, np.array(counts) / n
            kernel, passive = case.transition(joint_law, mu, t), case.passive_transition(joint_law, mu, t)
            moved = {(0,) * S: 1.0}
            for o in range(S):
                moved = reference_laws.convolve(moved, reference_laws.multinomial_law(counts[o] - acting[o], passive[o]))
                for a in range(A):
                    moved = reference_laws.convolve(moved, reference_laws.multinomial_law(decisions[o, a], kernel[o, a]))
            for following, p in moved.items():
                law[following] += weight * p
    return law


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_the_chain_of_n_agents_is_that_of_the_definition(batch):
    """Exactly, by enumeration of N = 3 agents over two steps."""
    case = Definition(5, 2, 2, 2, 1.0)
    case.initial = np.array([2 / 3, 1 / 3])
    game = case.game()
    pi = np.random.default_rng(1).dirichlet(np.ones(2), size=(2, 2))
    wanted = {(2, 1): 1.0}
    for t in range(2):
        following = defaultdict(float)
        for counts, p in wanted.items():
            for after, q in step_law(case, pi, counts, t, batch).items():
                following[after] += p * q
        wanted = following
    policy = lifted(pi)
    moves = [("batch", batch)] * 4

    class Dense:  # the game with dense kernels, as reference.py wants them
        n_observations, n_actions, horizon = game.n_observations, game.n_actions, game.horizon
        initial = game.initial

        @staticmethod
        def tables(mu, t):
            reward, rows, passive_reward, passive = game.tables(mu, t)
            dense, still = np.zeros((6, 2, 6)), np.zeros((6, 6))
            np.add.at(dense, (np.arange(6)[:, None, None], np.arange(2)[:, None], game.successors), rows)
            np.add.at(still, (np.arange(6)[:, None], game.passive_successors), passive)
            return reward, dense, passive_reward, still

    def playing(mu, t):
        return policy.kernel.probabilities(mu, t, game.horizon)

    found = reference_laws.counts_laws(Dense, playing, moves, (2, 1, 0, 0, 0, 0))[-1]
    assert sum(found.values()) == pytest.approx(1)
    for counts, p in found.items():
        assert sum(counts[2:]) == 0
        assert p == pytest.approx(wanted[counts[:2]], abs=1e-12)


@pytest.mark.parametrize("engine", ["counts", "agents"])
def test_the_law_of_a_simulation_is_what_its_agents_did(engine):
    case = Definition(7, 3, 2, 3, 0.9)
    game = case.game()
    run = tmf.simulate(game, tmf.TabularPolicy.uniform(game), tmf.Batch(10), 40, replicas=3, engine=engine, rng=2)
    mu, law = by_half_step(game, run)
    np.testing.assert_allclose(law, run.decisions[:, ::2, :3] / 10)
    np.testing.assert_allclose(mu.sum(-1), 1)
    empty = tmf.simulate(game, tmf.TabularPolicy.uniform(game), tmf.Bernoulli(0.2), 2, replicas=50, engine=engine, rng=2)
    sums = by_half_step(game, empty.mu)[1].sum(axis=(-2, -1))
    assert set(sums.round(12).ravel()) == {0.0, 1.0}  # nobody acts, or a law


def test_sparse_rows_and_a_price():
    """Who sells moves on; who holds stays; the price falls with the share of sellers: all indifferent where it is 0.5."""
    game = joint(
        2, n_actions=2, horizon=1, discount=1.0, initial=[0.7, 0.3],
        reward=lambda law, mu, t: np.array([[0.5, 1.0 - law[0, 1] / 0.7], [0.0, 0.0]]),
        transition=np.ones((2, 2, 1)), successors=[[[0], [1]], [[1], [1]]], observation_labels=["full", "sold"],
        action_labels=["hold", "sell"],
    )  # fmt: skip
    assert game.observation_labels == ("full", "sold", "full, hold", "full, sell", "sold, hold", "sold, sell")
    found = tmf.solve(game, tmf.Synchronous(), tolerance=1e-8)
    mu, law = by_half_step(game, found)
    np.testing.assert_allclose(law[0, 0], [0.35, 0.35], atol=1e-5)
    np.testing.assert_allclose(mu[1], [0.35, 0.65], atol=1e-5)


def rewards(law, mu, t):
    return -law


def test_pickle():
    game = joint(2, n_actions=2, horizon=3, discount=0.9, initial=[0.5, 0.5], reward=rewards, transition=np.full((2, 2, 2), 0.5), name="crowded")
    again = pickle.loads(pickle.dumps(game))
    uniform = tmf.TabularPolicy.uniform(game)
    assert tmf.exploitability(again, uniform, tmf.Synchronous()) == tmf.exploitability(game, uniform, tmf.Synchronous())
    assert by_half_step(again, tmf.mean_field(again, uniform, tmf.Synchronous()).mu)[1].shape == (3, 2, 2)
    # what was computed last does not travel along: rows of the game and cells take 131 kB, the last tables 184 kB more
    large = joint(50, n_actions=2, horizon=3, discount=0.9, initial=np.full(50, 0.02), reward=rewards, transition=np.full((50, 2, 50), 0.02))
    assert len(pickle.dumps(large)) < 200_000


@pytest.mark.parametrize(
    ("changes", "kind", "text"),
    [
        ({"discount": 0.0}, ValueError, "discount is 0.0; must be in (0, 1]"),
        ({"reward": lambda law, mu, t: np.zeros(3)}, ValueError, "reward(law, mu, t=0) has shape (3,)"),
        ({"reward": lambda law: law}, TypeError, "argument"),
        ({"transition": lambda law, mu, t: np.full((2, 2, 2), 0.4)}, ValueError, "transition(law, mu, t=0)[0, 0] sums to 0.8"),
        ({"passive_successors": [[0], [1]]}, ValueError, "passive_successors is given without passive_transition"),
        ({"transition": np.full((2, 2, 2), 0.6)}, ValueError, "transition[0, 0] sums to 1.2"),
        ({"observation_labels": ["a", "b", "c"]}, ValueError, "observation_labels has 3 labels; must have 2"),
        ({"action_labels": ["a"]}, ValueError, "action_labels has 1 labels; must have 2"),
    ],
)  # fmt: skip
def test_mistakes(changes, kind, text):
    given = {
        "n_observations": 2, "n_actions": 2, "horizon": 3, "discount": 0.9, "initial": [0.5, 0.5],
        "reward": rewards, "transition": np.full((2, 2, 2), 0.5),
    }  # fmt: skip
    with pytest.raises(kind, match=re.escape(text)):
        joint(**given | changes)


def test_by_half_step_wants_every_step():
    game = joint(2, n_actions=2, horizon=3, discount=0.9, initial=[0.5, 0.5], reward=rewards, transition=np.full((2, 2, 2), 0.5))
    with pytest.raises(ValueError, match=re.escape("mu has shape (4, 6); must be (..., 7, 6)")):
        by_half_step(game, np.zeros((4, 6)))
    with pytest.raises(TypeError, match=r"must be a game made by games\.joint"):
        by_half_step(tmf.games.queueing([0.1], step=1).at(), np.zeros((4, 2)))


@pytest.mark.parametrize("engine", ["counts", "agents"])
def test_replicas_on_threads_share_the_memo(engine):
    """Replicas with populations of their own ask one game for tables at the same time: as one after the other."""
    case = Definition(3, 3, 2, 30, 0.9)
    game = case.game()
    uniform = tmf.TabularPolicy.uniform(game)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        many, one = (
            tmf.simulate(game, uniform, tmf.Fraction(0.5), 50, replicas=16, engine=engine, rng=4, threads=threads)
            for threads in (4, 1)
        )
    finally:
        sys.setswitchinterval(interval)
    np.testing.assert_array_equal(many.counts, one.counts)
    np.testing.assert_array_equal(many.rewards, one.rewards)


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["equilibrium_price", "conservative_treasure_hunting", "random_linear"])
def test_games_of_mfglib(name):
    """Its three games of the joint law, by its own functions: flow and exploitability of ten random policies (float64)."""
    torch = need("torch")
    need("mfglib.alg")  # first: its imports are circular
    from mfglib.env import Environment
    from mfglib.scoring import exploitability_score
    from mfglib.utils import mean_field_from_policy

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        theirs = getattr(Environment, name)()
        size, n_actions, T = theirs.n_states, theirs.n_actions, theirs.T + 1

        def law_of(law):
            return torch.as_tensor(np.array(law)).reshape(theirs.S + theirs.A)

        def reward(law, mu, t):
            return theirs.reward(t, law_of(law)).reshape(size, n_actions).numpy()

        def transition(law, mu, t):
            return theirs.prob(t, law_of(law)).reshape(size, size, n_actions).permute(1, 2, 0).numpy()

        game = joint(size, n_actions=n_actions, horizon=T, discount=1.0, initial=theirs.mu0.reshape(-1).numpy(), reward=reward, transition=transition)
        for seed in range(10):
            pi = np.random.default_rng(seed).dirichlet(np.ones(n_actions), size=(T, size))
            given = torch.as_tensor(pi.reshape((T, *theirs.S, *theirs.A)))
            flow = mean_field_from_policy(given, env=theirs).reshape(T, size, n_actions).numpy()
            law = by_half_step(game, tmf.mean_field(game, lifted(pi), tmf.Synchronous()).mu)[1]
            np.testing.assert_allclose(law, flow, rtol=1e-8, atol=1e-10)
            gap = exploitability_score(theirs, given)
            assert tmf.exploitability(game, lifted(pi), tmf.Synchronous()) == pytest.approx(gap, rel=1e-8, abs=1e-8)
    finally:
        torch.set_default_dtype(before)
