"""StationaryTMFPG: its TD(0) critic against a slow reference and exact values; equilibria; average rewards; one run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tmfcore as tmf
from solver_cases import queueing, resource_selection
from tmfcore._model.activation import ActingShares
from tmfcore._model.policies import as_policy
from tmfcore._population import counts as counts_kernel
from tmfcore.solvers import Stationary, StationaryTMFPG, _td
from tmfcore.solvers._one_run import TdCritic

N = 40
GARNET = tmf.games.garnet(6, n_actions=3, rng=1, discount=0.9, congestion=0.5, coupling=0.2, step=1).at()
DENSE = tmf.Game(
    3, 2, 4, 0.8, [0.5, 0.3, 0.2], np.arange(6.0).reshape(3, 2), np.full((3, 2, 3), 1 / 3), passive_reward=[1.0, -1.0, 2.0],
    passive_transition=[[0.5, 0.5, 0.0], [0.0, 0.9, 0.1], [0.3, 0.3, 0.4]],
)  # fmt: skip
RANDOM = tmf.Bernoulli(np.array([[0.9, 0.2, 0.0]]))


def acting_of(schedule, game, n_agents):
    """batch, probability and active, as the kernel gets them."""
    batch, probability = schedule._kernel(game.n_steps, n_agents)
    active = probability if isinstance(probability, ActingShares) else schedule._active(game.n_steps, n_agents)[:1]
    return None if batch is None else batch[:1], probability, active


class Reference:
    """TD(0) in plain Python over the recorded flows of counts.run."""

    def __init__(self, game, pi, rate, discount, always):
        self.game, self.pi, self.rate, self.discount, self.always = game, pi, rate, discount, always
        S, A = game.n_observations, game.n_actions
        self.q, self.w = np.full((S, A), np.nan), np.full(S, np.nan)
        self.gains, self.links = np.zeros(S), np.eye(S, dtype=bool)
        self.earned = self.people = 0.0

    def values(self, counts, beta):
        found = np.full(len(counts), np.nan)
        for o in range(len(counts)):
            known = ~np.isnan(self.q[o])
            acting = (self.pi[o, known] @ self.q[o, known]) / self.pi[o, known].sum() if known.any() else np.nan
            share = 1.0 if self.always or np.isnan(self.w[o]) else beta[o]
            if np.isnan(acting):
                found[o] = self.w[o]
            elif share < 1:
                found[o] = share * acting + (1 - share) * self.w[o]
            else:
                found[o] = acting
        known = ~np.isnan(found)
        people = counts[known].sum()
        return np.where(known, found, counts[known] @ found[known] / people if people else 0.0)

    def moved(self, old, n, target):
        return target if np.isnan(old) else old + (1 - (1 - self.rate) ** n) * (target - old)

    def step(self, counts, beta, active, rewards, passive, passive_rewards):
        v, model = self.values(counts, beta), self.game.model
        S, A = self.q.shape
        acted, waited = active.sum(axis=-1), counts - active.sum(axis=(1, 2))
        for o in range(S):
            for a in range(A):
                cells = np.arange(S) if model.successors is None else model.successors[o, a]
                self.links[o, cells[active[o, a] > 0]] = True
                if acted[o, a]:
                    target = (rewards[o, a] + self.discount * active[o, a] @ v[cells]) / acted[o, a] - self.gains[o]
                    self.q[o, a] = self.moved(self.q[o, a], acted[o, a], target)
            if waited[o]:
                cells = np.arange(S) if model.passive_successors is None else model.passive_successors[o]
                self.links[o, cells[passive[o] > 0]] = True
                target = (passive_rewards[o] + self.discount * passive[o] @ v[cells]) / waited[o] - self.gains[o]
                if not self.always:
                    self.w[o] = self.moved(self.w[o], waited[o], target)
        self.earned = self.earned + rewards.sum(axis=1) + passive_rewards
        self.people = self.people + counts


CASES = [
    (GARNET, tmf.Synchronous()), (GARNET, tmf.Sequential()), (GARNET, tmf.Batch(3)), (GARNET, tmf.Batch(30)),
    (GARNET, tmf.Bernoulli(0.4)), (DENSE, tmf.Sequential()), (DENSE, tmf.Batch(7)), (DENSE, RANDOM),
    (DENSE, tmf.Bernoulli(lambda mu, t: mu)), (queueing(), tmf.Batch(1)), (queueing(), tmf.Batch(20)),
    (resource_selection(), tmf.Batch(2)), (tmf.games.cyber_security().at(tmf.Synchronous()), tmf.Batch(5)),
]  # fmt: skip


@pytest.mark.broad
@pytest.mark.parametrize("discount", [0.9, 1.0])
@pytest.mark.parametrize("always", [False, True])
@pytest.mark.parametrize("case", range(len(CASES)))
def test_the_critic_is_td_on_the_run_of_the_counts_engine(case, always, discount):
    """The same counts, bit for bit, and the values that a loop over the recorded moves of every step gives."""
    game, schedule = CASES[case]
    S, A, T = game.n_observations, game.n_actions, 60
    rng = np.random.default_rng(case)
    pi = rng.dirichlet(np.ones(A), S)
    policy = as_policy(tmf.TabularPolicy(pi), game)
    batch, probability, active = acting_of(schedule, game, N)
    start = rng.multinomial(N, game.initial)
    critic, counts = TdCritic(S, A), start.copy()
    critic.gains[...] = gains = rng.normal(size=S)
    reference = Reference(game, pi, 0.2, discount, always)
    reference.gains = gains.copy()
    total, decisions = 0.0, np.zeros((S, A), np.int64)
    for part in range(2):  # values go on from one call to the next
        earned = _td.run(
            game.model, policy, np.random.PCG64(part), counts, T, batch, probability, active, discount, always, 0.2,
            critic.q, critic.w, critic.acted, critic.waited, critic.gains, critic.groups, critic.decisions, critic.earned,
            critic.people,
        )  # fmt: skip
        every, rewards = np.zeros((T + 1, S), np.int64), np.zeros(T)
        K, K0 = game.model.n_successors, game.model.n_passive_successors
        flows = (np.zeros((T, S, A, K), np.int64), np.zeros((T, S, A)), np.zeros((T, S, K0), np.int64), np.zeros((T, S)))
        counts_kernel.run(
            game.model, policy, np.random.PCG64(part), start, T, 1.0, batch, probability, 1, every, None, rewards, flows
        )
        np.testing.assert_array_equal(counts, every[-1])
        assert earned == pytest.approx(rewards.mean(), rel=1e-12, abs=1e-14)
        np.testing.assert_array_equal(critic.decisions, flows[0].sum(axis=(0, 3)))
        total, decisions, start = total + rewards.sum(), decisions + critic.decisions, counts.copy()
        for t in range(T):
            share = active.shares(every[t] / N, t) if isinstance(active, ActingShares) else np.full(S, active[0])
            reference.step(every[t], share, *(each[t] for each in flows))
        np.testing.assert_allclose(critic.earned.sum(), rewards.sum() * N, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(critic.people, every[:-1].sum(axis=0))
    np.testing.assert_array_equal(critic.acted, decisions)
    known = critic.acted > 0
    np.testing.assert_array_equal(known, ~np.isnan(reference.q))
    np.testing.assert_allclose(critic.q[known], reference.q[known], rtol=1e-10, atol=1e-10)
    waited = critic.waited > 0
    if always:
        assert not waited.any()
    else:
        np.testing.assert_array_equal(waited, ~np.isnan(reference.w))
        np.testing.assert_allclose(critic.w[waited], reference.w[waited], rtol=1e-10, atol=1e-10)
    links = reference.links | reference.links.T
    for _ in range(S):
        links = links @ links
    lowest = links.argmax(axis=1)  # of those that agents went between
    if discount == 1:
        critic.learn_gains(0.5)
        np.testing.assert_array_equal(critic.groups, lowest)
    else:
        np.testing.assert_array_equal(critic.groups, np.arange(S))


def test_values_of_a_game_without_chance_are_exact():
    """Every move is certain, and every agent acts: with rate 1 TD(0) is value iteration."""
    game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=0.0, switching_cost=0.1, discount=0.9, step=1).at()
    pi = np.full((4, 4), 0.25)
    critic, counts = TdCritic(4, 4), np.full(4, 10_000)
    _td.run(
        game.model, as_policy(tmf.TabularPolicy(pi), game), np.random.PCG64(1), counts, 500, np.array([40_000]), None,
        np.ones(1), 0.9, False, 1.0, critic.q, critic.w, critic.acted, critic.waited, critic.gains, critic.groups,
        critic.decisions, critic.earned, critic.people,
    )  # fmt: skip
    reward = game.tables(mu=np.full(4, 0.25))[0]
    v = np.linalg.solve(np.eye(4) - 0.9 * pi, (pi * reward).sum(axis=1))
    np.testing.assert_allclose(critic.q, reward + 0.9 * v, rtol=1e-9)


def test_gains_are_those_of_parts_that_agents_never_leave():
    critic = TdCritic(5, 1)
    critic.groups[...] = [0, 0, 2, 2, 3]
    critic.people[...], critic.earned[...] = [10, 30, 5, 0, 5], [10, 10, 10, 0, 30]
    critic.learn_gains(0.25)
    np.testing.assert_array_equal(critic.gains, [0.5, 0.5, 4, 4, 4])
    critic.people[...], critic.earned[...] = [1, 0, 0, 0, 0], [4.5, 0, 0, 0, 0]
    critic.learn_gains(0.25)
    np.testing.assert_array_equal(critic.gains, [1.5, 1.5, 0, 0, 0])


# --------------------------------------------------------------------------------------------------------- equilibria

GAMES = {
    "resources": lambda discount: tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0, discount=discount),
    "beach bar": lambda discount: tmf.games.beach_bar(10, discount=discount),
    "cyber security": lambda discount: tmf.games.cyber_security(discount=discount),
}


@pytest.mark.broad(1)
@pytest.mark.parametrize("discount", [0.9, 1.0])
@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Batch(200)], ids=str)
@pytest.mark.parametrize("name", GAMES)
def test_equilibria_as_stationary_judges_them(name, schedule, discount):
    """Exploitability within 2% of the mean return, for each of several seeds, from one run; the uniform policy has more."""
    game = GAMES[name](discount)
    for seed in range(3):
        found = StationaryTMFPG(tolerance=None, iterations=2000, evaluate_every=1000).solve(game, schedule, 1000, rng=seed)
        judged = Stationary(iterations=1, tolerance=None).solve(game, schedule, 1000, initial=found.policy)
        assert judged.history["exploitability"][0] == pytest.approx(found.exploitability, rel=1e-3, abs=1e-6)
        assert found.relative_exploitability <= 0.02
        assert found.relative_exploitability < 0.5 * found.history["exploitability"][0] / abs(found.history["mean_return"][0])
        assert found.flow.mu.shape == (2, game.n_observations) and found.policy.n_stages == 1


def test_every_seed_of_the_defaults_converges():
    game = GAMES["resources"](0.95)
    for seed in range(10):
        found = StationaryTMFPG().solve(game, tmf.Fraction(0.1), 1000, rng=seed)
        assert found.converged and found.relative_exploitability <= 0.01


def test_types_have_gains_of_their_own():
    """Two types that never meet, one with ten times the rewards: one gain for both would be that of neither."""
    one = tmf.games.resource_selection((1.0, 0.8), congestion=1.0, discount=1.0)
    other = tmf.games.resource_selection((10.0, 8.0), congestion=10.0, discount=1.0)
    game = tmf.games.typed([one, other], shares=[0.5, 0.5], coupling=[[2.0, 0.0], [0.0, 2.0]])
    found = StationaryTMFPG(tolerance=None, iterations=1000, evaluate_every=500).solve(game, tmf.Synchronous(), 1000, rng=1)
    np.testing.assert_allclose(found.flow.mu[0], [0.3, 0.2, 0.3, 0.2], atol=0.01)  # wardrop: 1 - x = 0.8 - (1 - x), x = 0.6
    gains = found.state["gains"]
    assert gains[0] == gains[1] == pytest.approx(0.4, abs=0.02) and gains[2] == gains[3] == pytest.approx(4, abs=0.2)
    assert found.state["groups"].tolist() == [0, 0, 2, 2]
    assert found.mean_return == pytest.approx(0.5 * 0.4 + 0.5 * 4, rel=0.01)


@pytest.mark.parametrize("schedule", [tmf.Bernoulli(0.3), tmf.Bernoulli(lambda mu: 0.5 - 0.3 * mu), tmf.Poisson(1.0)], ids=str)
def test_other_schedules(schedule):
    game = GAMES["resources"](0.9)
    clocks = isinstance(schedule, tmf.Poisson)
    game = game if clocks else game.replace(step=0.3)
    found = StationaryTMFPG(tolerance=0.02).solve(game, schedule, 1000, rng=1, step=0.1 if clocks else None)
    assert found.converged


def test_always_is_the_clock_of_agents_that_act_at_every_step():
    game = GAMES["resources"](0.9)
    found = StationaryTMFPG(clock="always", tolerance=0.02).solve(game.at(step=0.5), tmf.Fraction(0.5), 1000, rng=1)
    assert found.converged and (found.state["waited"] == 0).all()


def test_illegal_actions_are_never_taken():
    legal = np.array([[True, True, False], [False, True, True], [True, True, True]])
    game = tmf.Game(
        3, 3, 10, 0.9, np.full(3, 1 / 3), lambda mu: np.tile(np.array([1.0, 0.9, 0.8]) - mu, (3, 1)),
        np.tile(np.eye(3), (3, 1, 1)), legal=legal,
    )  # fmt: skip
    found = StationaryTMFPG(tolerance=0.02).solve(game, tmf.Synchronous(), 1000, rng=1)
    assert found.converged and (found.policy.probabilities(found.flow.mu[0])[~legal] == 0).all()
    assert (found.state["acted"][~legal] == 0).all()


# ------------------------------------------------------------------------------------------------------------ one run


def solver(**options):
    return StationaryTMFPG(**{"tolerance": None, "iterations": 40, "evaluate_every": 10} | options)


def same(one, other):
    assert one.policy == other.policy and one.exploitability == other.exploitability
    for name, array in one.state.items():
        np.testing.assert_array_equal(array, other.state[name])


def test_one_seed_one_result():
    game, schedule = GAMES["cyber security"](1.0), tmf.Bernoulli(0.5)
    first = solver().solve(game, schedule, 100, rng=1)
    same(first, solver().solve(game, schedule, 100, rng=1, threads=1))
    often = solver(evaluate_every=1).solve(game, schedule, 100, rng=1)
    np.testing.assert_array_equal(first.state["theta"], often.state["theta"])
    assert not np.array_equal(first.state["theta"], solver().solve(game, schedule, 100, rng=2).state["theta"])


def test_a_solution_goes_on_with_its_population(tmp_path):
    game, schedule = GAMES["beach bar"](0.9), tmf.Batch(10)
    first = solver().solve(game, schedule, 100, rng=1)
    first.save(tmp_path / "s.npz")
    second = solver(iterations=5).solve(game, schedule, 100, rng=2, initial=tmf.Solution.load(tmp_path / "s.npz"))
    same(second, solver(iterations=5).solve(game, schedule, 100, rng=2, initial=first))
    assert second.history["iteration"].tolist() == [40, 45]
    assert second.state["acted"].sum() == 45 * 10 * 10 and second.state["counts"].sum() == 100
    from_policy = solver(iterations=5).solve(game, schedule, 100, rng=2, initial=first.policy)
    assert from_policy.state["acted"].sum() == 5 * 10 * 10
    np.testing.assert_allclose(
        from_policy.history["exploitability"][0], first.exploitability, rtol=1e-9
    )
    table = first.policy.probabilities(first.flow.mu[0])
    from_table = solver(iterations=5).solve(game, schedule, 100, rng=2, initial=table)
    assert from_table.history["exploitability"][0] == pytest.approx(first.exploitability, rel=1e-6)


class Killed(BaseException):
    """Stands for a signal that ends the process."""


@pytest.mark.parametrize("discount", [0.9, 1.0])
def test_a_checkpoint_goes_on_with_the_run(discount, tmp_path):
    """The population and the values are those of the call that was stopped, to the bit."""
    game = GAMES["cyber security"](discount)

    def call(checkpoint=None, callback=None):
        return solver().solve(game, tmf.Bernoulli(0.5), 50, rng=8, checkpoint=checkpoint, callback=callback)

    def killed(iteration):
        if iteration.iteration == 20:
            raise Killed

    with pytest.raises(Killed):
        call(tmf.Checkpoint(tmp_path / "kept.npz", 0.0), killed)
    rest = []
    found = call(tmf.Checkpoint(tmp_path / "kept.npz", 0.0), lambda each: rest.append(each.iteration))
    assert rest == [20, 30, 40]
    same(found, call())


def test_ctrl_c_hands_over_the_solution_so_far():
    def interrupted(iteration):
        if iteration.iteration == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        solver().solve(GAMES["resources"](0.9), tmf.Batch(10), 100, rng=1, callback=interrupted)
    partial = caught.value.partial
    whole = solver().solve(GAMES["resources"](0.9), tmf.Batch(10), 100, rng=1)
    assert partial.history["iteration"].tolist() == [0, 10, 20]
    np.testing.assert_array_equal(partial.history["exploitability"], whole.history["exploitability"][:3])


def test_sweeps_is_the_length_of_an_iteration():
    for schedule, steps in ((tmf.Batch(25), 8), (tmf.Bernoulli(0.5), 4), (tmf.Synchronous(), 2)):
        found = solver(sweeps=2.0, iterations=3).solve(GAMES["beach bar"](0.9), schedule, 100, rng=1)
        whole = found.state["acted"].sum() + found.state["waited"].sum()
        assert whole == 3 * steps * 100


def test_the_sampled_return_is_that_of_the_run():
    """Of the last iteration, in the units of mean_return: over an infinite horizon, or per sweep."""
    for discount in (0.9, 1.0):
        game = GAMES["resources"](discount)
        found = solver(iterations=300, evaluate_every=100, sweeps=4.0).solve(game, tmf.Batch(1000), 10_000, rng=1)
        assert found.history["sampled_return"][0] == found.history["mean_return"][0]
        assert found.history["sampled_return"][-1] == pytest.approx(found.history["mean_return"][-1], rel=0.03)


def test_what_cannot_be_learnt_is_refused():
    game, everybody = GAMES["resources"](0.9), tmf.Synchronous()

    def refused(match, game=game, schedule=everybody, n_agents=10, **options):
        with pytest.raises(ValueError, match=match):
            solver(**options).solve(game, schedule, n_agents, rng=1)

    refused("n_agents is None; StationaryTMFPG learns from a population", n_agents=None)
    refused(r"game\.discount is 1 with clock='always'; must be < 1", GAMES["resources"](1.0), clock="always")
    refused(r"game\.discount is 1; must be < 1 under Poisson clocks", GAMES["resources"](1.0), tmf.Poisson(1.0))
    refused("nobody acts at the initial population", schedule=tmf.Batch(0), game=game.at(step=0.5))
    refused("must not depend on t", schedule=tmf.Fraction(np.array([1.0, 0.5])), game=queueing(horizon=2))
    with pytest.raises(ValueError, match=r"altruism is 0\.5 in StationaryTMFPG; must be 0: .* use Stationary"):
        StationaryTMFPG(altruism=0.5)
    with pytest.raises(ValueError, match="critic_rate is 0"):
        StationaryTMFPG(critic_rate=0.0)
    with pytest.raises(ValueError, match="initial has 2 stages; must have 1"):
        solver().solve(game, tmf.Synchronous(), 10, rng=1, initial=tmf.TabularPolicy(np.full((2, 4, 4), 0.25)))
    with ThreadPoolExecutor(1) as pool, pytest.raises(ValueError, match="executor is given; must be None"):
        solver().solve(game, tmf.Synchronous(), 10, rng=1, executor=pool)
