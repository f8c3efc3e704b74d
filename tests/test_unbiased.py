"""Which critics of TMF-PG are unbiased for what (Theory, section 7): over every trajectory of two agents in two steps."""

import numpy as np
import pytest

import reference
import reference_gradient
import stat_tests
import tmfcore as tmf
from strategies import random_game, random_policy
from tmfcore._model.activation import ActingShares
from tmfcore.solvers import _gradient, _observed

pytestmark = pytest.mark.law

SCHEDULES = [
    tmf.Synchronous(), tmf.Sequential(), tmf.Batch([2, 1]), tmf.Batch([1, 2]), tmf.Fraction(0.5), tmf.Bernoulli([0.4, 0.7]),
    tmf.Bernoulli([[0.3, 0.8]]), tmf.Bernoulli([[0.3, 0.8], [1.0, 0.5]]),
]  # fmt: skip
START = (0, 1)  # observations of the two agents


class Case:
    """A random game of two agents with a policy, all their trajectories, and tables that have nothing to do with them."""

    def __init__(self, schedule, *, discount=0.8, dependence="fixed", kind="softmax", horizon=2, pool=1,
                 altruism=0.0):
        spec = random_game(51, 2, 2, horizon, discount, dependence=dependence, passive="dense", zeros=False)
        policy = random_policy(52, 2, 2, kind=kind, stages=horizon)
        batch, probability = schedule._kernel(horizon, 2)
        if isinstance(probability, ActingShares):
            self.moves, self.active = [("coin", probability.shares)] * horizon, probability
        else:
            kind_of_move, sizes = ("batch", batch) if probability is None else ("coin", probability)
            self.moves = [(kind_of_move, size.item()) for size in np.broadcast_to(sizes, (horizon,))]
            self.active = reference.active_fraction(self.moves, 2)
        self.game, self.right = spec.build(), spec.reference()
        self.kernel, self.policy = policy.build(horizon).kernel, policy.reference(horizon)
        self.theta = policy.parameters.reshape(horizon, 2, 2, -1)
        self.pool, self.altruism = pool, altruism
        self.tables = self.table(53, -(-horizon // pool), 2, 2), self.table(54, -(-horizon // pool), 2)
        self.sums = tuple(np.zeros((2, *table.shape)) for table in self.tables)
        self.level = np.zeros(self.theta.shape), np.zeros(self.theta.shape[:2])
        self.trajectories = list(reference_gradient.trajectories(self.right, self.policy, self.moves, START))

    @staticmethod
    def table(seed, *shape):
        return np.random.default_rng(seed).normal(size=shape)

    def expected(self, critic, natural=False):
        """Mean direction over all trajectories."""
        total = np.zeros(self.theta.shape)
        direction, visits = np.zeros(self.theta.shape), np.zeros(self.theta.shape[:3])
        for weight, observations, actions, rewards in self.trajectories:
            getattr(self, critic)(observations, actions, rewards, natural, direction, visits)
            total += weight * direction
        return total

    def returns(self, observations, actions, rewards, natural, direction, visits):
        _observed.returns_direction(
            self.game.model, self.kernel, self.mu(observations), observations[:-1].astype(np.uint8),
            actions.astype(np.int8), self.active, self.game.discount, self.pool, self.tables, self.sums, natural,
            direction, visits, *self.level, self.altruism,
        )  # fmt: skip

    def empirical(self, observations, actions, rewards, natural, direction, visits):
        intervals = -(-len(actions) // self.pool)
        gone, paid = np.zeros((intervals, 2, 2, 2), np.int64), np.zeros((intervals, 2, 2))
        stayed, earned = np.zeros((intervals, 2, 2), np.int64), np.zeros((intervals, 2))
        for (t, i), a in np.ndenumerate(actions):
            j, o, x = t // self.pool, observations[t, i], observations[t + 1, i]
            if a >= 0:
                gone[j, o, a, x] += 1
                paid[j, o, a] += rewards[t, i]
            else:
                stayed[j, o, x] += 1
                earned[j, o] += rewards[t, i]
        mu = self.mu(observations)[[*range(0, len(actions), self.pool), -1]]
        _observed.empirical_direction(
            self.kernel, mu, (gone, paid, stayed, earned), None, None, len(actions), self.pool, self.active,
            self.game.discount, False, self.tables, self.sums, natural, direction, visits, *self.level, self.altruism,
        )  # fmt: skip

    def model(self, observations, actions, rewards, natural, direction, visits):
        decisions = np.zeros((len(actions), 2, 2), np.int64)
        for (t, i), a in np.ndenumerate(actions):
            decisions[t, observations[t, i], a] += a >= 0
        _gradient.model_direction(self.game.model, self.kernel, self.mu(observations), decisions, self.active,
                                  self.game.discount, False, natural, direction, visits)  # fmt: skip

    @staticmethod
    def mu(observations):
        return np.array([np.bincount(x, minlength=2) / 2 for x in observations])

    def score_function(self, natural=False):
        """E sum_i sum_t grad log pi G, without gamma^t; natural: E sum_i sum_t phi (G - sum_a pi q), by action.

        With altruism G is that of agent i and altruism times that of the other one; natural: the latter minus what the
        tables say of it.
        """
        total = np.zeros(self.theta.shape)
        for weight, observations, actions, rewards in self.trajectories:
            gain = reference_gradient.returns_to_go(rewards, self.game.discount)
            mu = self.mu(observations)
            others = self.altruism * gain[:, ::-1]
            for (t, i), a in np.ndenumerate(actions):
                if a < 0:
                    continue
                o, pi = observations[t, i], self.policy(mu[t], t)
                if natural:
                    credit = gain[t, i] - pi[o] @ self.tables[0][t // self.pool, o]
                    credit += others[t, i] - self.altruism * self.foreseen(t, observations[t, 1 - i], actions[t, 1 - i])
                    total[t, o, a] += weight * credit * reference.features(mu[t])[: self.theta.shape[3]]
                else:
                    total += weight * (gain + others)[t, i] * reference_gradient.score(pi, mu[t], t, o, a, self.theta.shape)
        return total

    def foreseen(self, t, o, a):
        """What the tables say of what an agent does, -1: it waits."""
        acting, waiting = (table[t // self.pool, o] for table in self.tables)
        return waiting if a < 0 else acting[a]

    def own_gradient(self):
        """sum_i d/d theta_i (J_i + altruism sum_j J_j): what discount 1 makes of the score function."""

        def make(theta):
            if theta.shape[-1] > 1:
                return reference.affine(theta, len(theta))
            return reference.tabular(reference.softmax(theta[..., 0]), len(theta))

        return reference_gradient.own_gradient(self.right, make, self.theta, self.moves, START, self.altruism)


def assert_unbiased(case, critic):
    expected = case.score_function()
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(case.expected(critic), expected, rtol=0, atol=1e-12)
    if critic != "model":  # it gives the advantage of every action: tested where all that is needed is that
        np.testing.assert_allclose(
            case.expected(critic, natural=True), case.score_function(natural=True), rtol=0, atol=1e-12
        )


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize(("critic", "pool"), [("returns", 1), ("returns", 2), ("empirical", 1)])
@pytest.mark.broad(3)
def test_what_was_observed_is_unbiased(schedule, critic, pool):
    """In any game, for any policy, whatever the tables say: here rewards, rows and logits depend on mu and t."""
    assert_unbiased(Case(schedule, dependence="mu_t", kind="affine", pool=pool), critic)


@pytest.mark.parametrize("critic", ["returns", "empirical"])
@pytest.mark.broad(1)
def test_who_acts_may_depend_on_the_population(critic):
    """The probability of acting enters the baselines only, so that its slope in mu is no bias."""
    schedule = tmf.Bernoulli(lambda mu, t: 0.2 + 0.3 * mu[::-1] + 0.4 * t)
    assert_unbiased(Case(schedule, dependence="mu_t", kind="affine"), critic)


@pytest.mark.parametrize("critic", ["returns", "empirical"])
@pytest.mark.broad(1)
def test_over_three_steps(critic):
    assert_unbiased(Case(tmf.Sequential(), dependence="mu_t", kind="affine", horizon=3), critic)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_the_model_is_unbiased_where_nothing_depends_on_the_population(schedule):
    assert_unbiased(Case(schedule), "model")


@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Sequential(), tmf.Bernoulli(0.4)], ids=repr)
def test_the_model_is_unbiased_in_one_step(schedule):
    """What is to come is nothing, and cannot depend on the others."""
    assert_unbiased(Case(schedule, dependence="mu_t", kind="affine", horizon=1), "model")


@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Sequential(), tmf.Bernoulli([0.4, 0.7]), tmf.Bernoulli([[0.3, 0.8]])], ids=repr)
@pytest.mark.parametrize("critic", ["returns", "empirical", "model"])
@pytest.mark.broad
def test_with_discount_one_it_is_the_gradient_of_everybodys_own_return(schedule, critic):
    dependence, kind = ("fixed", "softmax") if critic == "model" else ("mu_t", "affine")
    case = Case(schedule, discount=1.0, dependence=dependence, kind=kind)
    np.testing.assert_allclose(case.expected(critic), case.own_gradient(), rtol=0, atol=1e-8)


def test_the_limits_of_the_claims_are_real():
    """The model judges actions not taken at a population that has seen the one taken; pooled steps are not one step."""
    for critic, options in (("model", {"dependence": "mu_t"}), ("empirical", {"pool": 2})):
        case = Case(tmf.Synchronous(), **options)
        assert np.abs(case.expected(critic) - case.score_function()).max() > 1e-3


@pytest.mark.parametrize("critic", ["returns", "empirical"])
@pytest.mark.parametrize(("n_agents", "replicas"), [(1, 1), (1, 3), (2, 1), (4, 2)])
@pytest.mark.broad(2)
def test_the_first_update_is_unbiased(critic, n_agents, replicas):
    """One observation, one step, rewards 0 and 1: pi(1 - pi) = 1/4 an agent. 400 solves, |z| < 6: rate 2e-9 each."""
    game = tmf.Game(1, 2, 1, 1.0, [1.0], [[0.0, 1.0]], np.ones((1, 2, 1)))
    solver = tmf.solvers.TMFPG(
        critic=critic, replicas=replicas, iterations=1, learning_rate=1.0, learning_rate_decay="constant",
        optimizer="sgd", gradient="plain", tolerance=None,
    )  # fmt: skip
    seeds = np.random.default_rng(55)
    moves = [solver.solve(game, tmf.Synchronous(), n_agents, rng=seeds, threads=1).state["theta"] for _ in range(400)]
    stat_tests.assert_mean([move.ravel() for move in moves], np.array([-0.25, 0.25]), slack=0)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize(("critic", "pool"), [("returns", 1), ("returns", 2), ("empirical", 1)])
@pytest.mark.broad(3)
def test_the_returns_of_all_others_are_unbiased(schedule, critic, pool):
    """With altruism, too, in any game, whatever the tables say, in both metrics."""
    assert_unbiased(Case(schedule, dependence="mu_t", kind="affine", pool=pool, altruism=0.7), critic)


@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Sequential(), tmf.Bernoulli([[0.3, 0.8]])], ids=repr)
@pytest.mark.parametrize("critic", ["returns", "empirical"])
@pytest.mark.broad
def test_with_altruism_it_is_the_gradient_of_what_everybody_maximises(schedule, critic):
    case = Case(schedule, discount=1.0, dependence="mu_t", kind="affine", altruism=1.0)
    expected = case.own_gradient()
    np.testing.assert_allclose(case.expected(critic), expected, rtol=0, atol=1e-8)
    selfish = Case(schedule, discount=1.0, dependence="mu_t", kind="affine")
    assert np.abs(selfish.expected(critic) - expected).max() > 0.01
