"""Monotonicity and Lipschitz constants: closed forms, certificates that hold, and bounds that bound."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
import strategies
import tmfcore as tmf
from tmfcore.analysis import bound, lipschitz, monotonicity

MOVES = np.eye(3)[None].repeat(3, axis=0)  # action a leads to a


def congestion(matrix, horizon=3, passive=None):
    """Rewards u + R mu, the same for every action, where one goes where one wants; declared affine."""
    matrix = np.asarray(matrix, float)
    return tmf.games.affine(
        np.repeat([[1.0], [0.5], [0.2]], 3, axis=1), reward_mu=matrix[:, None].repeat(3, axis=1), transition0=MOVES, transition_mu=None,
        passive_reward_mu=passive, horizon=horizon, discount=0.9, initial=[0.5, 0.3, 0.2],
    )  # fmt: skip


def called(game):
    """The same game as Python callables, of which nothing is declared."""
    return tmf.Game(
        game.n_observations, game.n_actions, game.horizon, game.discount, game.initial, lambda mu: game.tables(mu)[0],
        lambda mu: game.tables(mu)[1], passive_reward=lambda mu: game.tables(mu)[2],
        passive_transition=lambda mu: game.tables(mu)[3], successors=game.model.successors,
        passive_successors=game.model.passive_successors,
    )  # fmt: skip


def lasry_lions(game, beta, policies, flows):
    """The sum of theory section 4, slowly."""
    total = 0.0
    for t in range(game.horizon):
        (r, _, r0, _), (s, _, s0, _) = (game.tables(mu[t], t) for mu in flows)
        for o in range(game.n_observations):
            step = (flows[0][t, o] - flows[1][t, o]) * (1 - beta) * (r0[o] - s0[o])
            for a in range(game.n_actions):
                rho = [mu[t, o] * p.table[t * p.n_stages // game.horizon, o, a] for mu, p in zip(flows, policies, strict=True)]
                step += beta * (r[o, a] - s[o, a]) * (rho[0] - rho[1])
            total += game.discount**t * step
    return total


# ------------------------------------------------------------------------------------------------ monotonicity


@given(st.lists(st.floats(-2, 2), min_size=9, max_size=9), st.sampled_from([0.25, 1.0]))
def test_affine_rewards(entries, beta):
    """The verdict is that of the symmetric part on the tangent space, written out for S = 3."""
    matrix = np.array(entries).reshape(3, 3)
    game = congestion(matrix)
    found = monotonicity(game, tmf.Fraction(beta), trials=6, rng=0)
    basis = np.array([[1, -1, 0], [1, 1, -2]]) / np.sqrt([[2], [6]])
    top = beta * np.linalg.eigvalsh(basis @ (matrix + matrix.T) @ basis.T / 2)[-1]
    assert found.affine and not found.transition_depends_on_mu
    assert (found.verdict == "not monotone") == (found.violation is not None)
    if np.isnan(found.eigenvalues).any():
        assert found.verdict == "monotone" and found.unique is None  # nothing depends on mu
        return
    np.testing.assert_allclose(found.eigenvalues, top, atol=1e-8)
    if top < -1e-8:
        assert found.verdict == "strictly monotone" and found.unique is True and found.trials == 0
    elif top > 1e-8:
        assert found.verdict in ("not monotone", "no violation found") and found.unique is None


def test_a_violation_is_one():
    """Herding: the certificate's own flows, followed and summed slowly, give its value, which is positive."""
    game = congestion(np.eye(3), passive=0.5 * np.eye(3))
    for schedule, beta in ((tmf.Synchronous(), 1.0), (tmf.Fraction(0.5), 0.5)):
        found = monotonicity(game, schedule, trials=30, rng=1)
        assert found.verdict == "not monotone" and found.eigenvalues.min() > 0
        flows = [tmf.mean_field(game, p, schedule).mu for p in found.violation.policies]
        for mine, followed in zip(found.violation.flows, flows, strict=True):
            np.testing.assert_allclose(mine, followed, atol=1e-15)
        assert found.violation.value == pytest.approx(lasry_lions(game, beta, found.violation.policies, flows), rel=1e-10)
        assert found.violation.value > 0
        assert "two flows give" in str(found)


def test_rewards_that_are_not_affine():
    """-mu^2 is monotone, which no search can prove; +mu^2 is refuted."""
    def game(sign):
        return tmf.Game(3, 3, 4, 0.9, [0.5, 0.3, 0.2], lambda mu: np.repeat(sign * mu[:, None] ** 2, 3, axis=1), MOVES)

    falling = monotonicity(game(-1), tmf.Synchronous(), trials=30, rng=0)
    assert (falling.verdict, falling.affine, falling.eigenvalues) == ("no violation found", False, None)
    assert falling.unique is None and "no violation found in 30 trials" in str(falling)
    assert monotonicity(game(+1), tmf.Synchronous(), trials=30, rng=0).verdict == "not monotone"


def test_a_slope_that_depends_on_the_action():
    """Congestion that only those who stay feel is no monotone form, though each row of it falls."""
    slopes = np.zeros((3, 3, 3))
    slopes[np.arange(3), np.arange(3), np.arange(3)] = -1.0
    game = tmf.games.affine(np.zeros((3, 3)), reward_mu=slopes, transition0=MOVES, transition_mu=None, horizon=4, discount=1.0, initial=[0.5, 0.3, 0.2])
    found = monotonicity(game, tmf.Synchronous(), trials=300, rng=0)
    assert found.affine and found.eigenvalues.min() > 0
    assert found.verdict == "not monotone"
    assert lasry_lions(game, 1.0, found.violation.policies, found.violation.flows) == pytest.approx(found.violation.value)


def test_what_is_said_of_other_games():
    constant = strategies.random_game(0).build()
    found = monotonicity(constant, tmf.Synchronous())
    assert (found.verdict, found.unique, found.trials) == ("monotone", None, 0)
    queue = tmf.games.queueing((0.1, 0.2, 0.3), horizon=4, step=1).at()
    found = monotonicity(queue, tmf.Synchronous(), trials=5, rng=0)
    assert found.transition_depends_on_mu and found.unique is None and not found.affine
    assert "uniqueness does not follow" in str(found)
    at_start = congestion(-np.eye(3), horizon=1)
    assert monotonicity(at_start, tmf.Synchronous()).verdict == "monotone"  # mu_0 is given: nothing to tell apart
    for c in (0.5, 2.0):
        crowded = tmf.games.resource_selection((1.0, 0.8, 0.6), congestion=c, step=0.5).at()
        found = monotonicity(crowded, tmf.Fraction(0.5))
        assert found.unique is True
        np.testing.assert_allclose(found.eigenvalues, -c * 0.5)


# ------------------------------------------------------------------------------------------ Lipschitz constants


def affine_population(seed, n_observations=3, dependence="mu", kind="tabular"):
    """Specs of a game and a policy, and the game with its form declared."""
    spec = strategies.random_game(seed, n_observations, 2, 4, dependence=dependence, passive="dense")
    if dependence == "fixed":
        return spec, spec.build(), strategies.random_policy(seed, n_observations, 2, kind=kind, scale=2.0)
    moves, resting = (np.moveaxis(base[0], 0, -1) for base in (spec.transition, spec.passive_transition))
    game = tmf.games.affine(
        np.zeros((n_observations, 2)), reward_mu=np.moveaxis(spec.reward[0], 0, -1), transition0=0 * moves[..., 0], transition_mu=moves,
        passive_reward_mu=np.moveaxis(spec.passive_reward[0], 0, -1), passive_transition0=0 * resting[..., 0],
        passive_transition_mu=resting, horizon=4, discount=spec.discount, initial=spec.initial,
    )  # fmt: skip
    return spec, game, strategies.random_policy(seed, n_observations, 2, kind=kind, scale=2.0)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.broad(2)
def test_exact_constants_are_reached_and_never_passed(seed):
    """No slope between populations exceeds an exact constant, and some corner of the simplex comes near it."""
    spec, game, policy = affine_population(seed)
    found = lipschitz(game, policy.build(4), tmf.Fraction(0.6), rng=0)
    assert (found.reward_kind, found.transition_kind, found.flow_kind) == ("exact",) * 3
    rng = np.random.default_rng(seed)
    step, kernel = spec.reference(), policy.reference(4)

    def phi(mu, t):
        return mu @ reference.mixed_kernel(step, kernel, mu, t, 0.6)

    reached = np.zeros((4, 2))
    reward = rows = 0.0
    starts = [*rng.dirichlet(np.full(3, 0.3), 60), *np.eye(3)]
    for t, mu in itertools.product(range(4), starts):
        ends = [*rng.dirichlet(np.full(3, 0.3), 2), *(mu + 1e-6 * (np.eye(3) - mu)), *np.eye(3)]
        if (mu < 1e-9).sum() == 2:  # at a corner: differences of the others matter too
            ends = []
            for y, z in itertools.permutations(range(3), 2):
                near = mu + 1e-6 * (np.eye(3)[y] - mu)
                ends.append(near)
                reached[t] = np.maximum(reached[t], slopes(phi, near, mu + 1e-6 * (np.eye(3)[z] - mu), t))
        for nu in ends:
            if np.abs(mu - nu).sum() == 0:
                continue
            reached[t] = np.maximum(reached[t], slopes(phi, mu, nu, t))
            (r, p, r0, p0), (s, q, s0, q0) = game.tables(mu, t), game.tables(nu, t)
            width = np.abs(mu - nu).sum()
            reward = max(reward, np.abs(r - s).max() / width, np.abs(r0 - s0).max() / width)
            rows = max(rows, np.abs(p - q).sum(-1).max() / width, np.abs(p0 - q0).sum(-1).max() / width)
    assert reward <= found.reward * (1 + 1e-7) and rows <= found.transition * (1 + 1e-7)
    assert (reached[:, 0] <= found.flow * (1 + 1e-5)).all() and (reached[:, 1] <= found.flow_euclidean * (1 + 1e-5)).all()
    assert reward > 0.9 * found.reward and rows > 0.9 * found.transition
    assert (reached[:, 0] > 0.99 * found.flow).all()


def slopes(phi, mu, nu, t):
    gap, width = phi(mu, t) - phi(nu, t), mu - nu
    return np.array([np.abs(gap).sum() / np.abs(width).sum(), np.linalg.norm(gap) / np.linalg.norm(width)])


def test_lower_bounds_say_so():
    """A population-aware policy: constants of the flow are slopes that were seen, below a bound by its logits."""
    _, game, policy = affine_population(1, dependence="fixed", kind="affine")
    found = lipschitz(game, policy.build(4), tmf.Synchronous(), trials=50, rng=0)
    assert (found.reward, found.reward_kind, found.transition, found.flow_kind) == (0.0, "exact", 0.0, "lower bound")
    more = lipschitz(game, policy.build(4), tmf.Synchronous(), trials=400, rng=0)
    assert (more.flow >= 0.8 * found.flow).all()
    spread = np.ptp(policy.parameters[0, :, :, 1:], axis=2).max()  # of a logit, per unit of l1 / 2
    assert more.flow.max() <= 1 + spread
    assert "lower bound" in str(more)
    curved = tmf.Game(2, 1, 2, 1.0, [0.5, 0.5], lambda mu: mu[:, None] ** 2, np.eye(2)[:, None])
    found = lipschitz(curved, tmf.TabularPolicy.uniform(curved), tmf.Synchronous(), rng=0)
    assert found.reward_kind == "lower bound" and 0.9 < found.reward <= 1.0  # slope 2 mu in mu, l1 counts twice
    assert found.flow_kind == "exact" and found.flow.max() == 1.0


def test_dobrushin():
    """Two rows a and b apart: the constant of a linear flow is half their l1 distance."""
    game = tmf.Game(2, 1, 3, 1.0, [0.5, 0.5], np.zeros((2, 1)), [[[0.9, 0.1]], [[0.3, 0.7]]])
    policy = tmf.TabularPolicy.uniform(game)
    found = lipschitz(game, policy, tmf.Synchronous())
    np.testing.assert_allclose(found.flow, 0.6)
    np.testing.assert_allclose(found.flow_euclidean, 0.6)
    np.testing.assert_allclose(lipschitz(game, policy, tmf.Bernoulli(0.5)).flow, 0.8)


# ----------------------------------------------------------------------------------------------------- the bound


@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Batch(8), tmf.Sequential(), tmf.Bernoulli(0.3)])
@pytest.mark.parametrize("start", ["rounded", "sampled"])
def test_the_bound_bounds(schedule, start):
    """Measured errors stay below the rigorous bound (6 standard errors of room), predictions well below."""
    _, game, policy = affine_population(3)
    found = bound(game, policy.build(4), schedule, 60, start=start, replicas=300, rng=0)
    assert found.rigorous
    for line in (found.l1, found.euclidean, found.worst_case):
        assert (found.measured <= line + 6 * found.measured_se + 1e-12).all()
    assert (found.predicted.error() <= found.worst_case * 1.05 + 1e-12).all()


def test_the_bound_of_batches():
    """Square-summed, the bound is of one order for all B; summed, it grows as batches shrink, as documented."""
    game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0, step=1).at()
    policy = tmf.TabularPolicy.uniform(game)
    found = {b: bound(game, policy, tmf.Batch(b), 1600) for b in (1, 40, 1600)}
    assert all(f.stays_bounded and f.rigorous for f in found.values())
    # All rows of the uniform policy agree: L = 1 - B / N in both norms, q = 3/4 B/N + c 3/4 (or less).
    np.testing.assert_allclose(found[40].lipschitz.flow, 1 - 40 / 1600)
    np.testing.assert_allclose(found[40].lipschitz.flow_euclidean, 1 - 40 / 1600)
    summed = [np.sqrt(4 * f.noise[0] / 1600) / (1 - f.lipschitz.flow[0]) for f in found.values()]
    assert summed[0] > 5 * summed[1] > 25 * summed[2]
    limits = [f.limit for f in found.values()]
    assert max(limits) < 1.5 * min(limits)
    late = bound(tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0, horizon=400, step=1).at(), policy, tmf.Batch(40), 1600)
    assert late.worst_case[-1] <= late.limit * (1 + 1e-9)
    assert late.worst_case[-1] > 0.95 * late.limit


def test_a_flow_that_does_not_contract():
    game = tmf.Game(2, 1, 5, 1.0, [0.5, 0.5], np.zeros((2, 1)), np.eye(2)[:, None])
    found = bound(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous(), 10)
    assert not found.stays_bounded and found.limit == np.inf
    assert not found.worst_case.any()  # nobody moves: no noise, and so no error


def test_the_bound_is_no_looser_than_it_says():
    """Agents that draw their place anew: err <= sqrt((S - 1) / N) to the digit, 1.25 times the error of normal counts."""
    n, size = 400, 5
    game = tmf.Game(size, 1, 3, 1.0, np.full(size, 0.2), np.zeros((size, 1)), np.full((size, 1, size), 0.2))
    found = bound(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous(), n, replicas=400, rng=0)
    assert found.rigorous
    for line in (found.l1, found.euclidean, found.worst_case):
        np.testing.assert_allclose(line, [0.0] + [np.sqrt((size - 1) / n)] * 3, rtol=1e-12)
    ratio = found.worst_case[1:] / found.measured[1:]
    # sqrt(pi / 2) = 1.253; |z| < 6 of 400 replicas of a relative spread below 0.4
    assert (np.abs(ratio - np.sqrt(np.pi / 2)) < 6 * 0.4 / np.sqrt(400) * 1.3).all()
    # One of N = 4 leaves 0 for 1 a step: L = 1 - 1/4 and q = c = 1/4 3/4 4/3 ((1)^2 + (1)^2) = 1/2, plus no noise of rows.
    leave = tmf.Game(2, 1, 1, 1.0, [1.0, 0.0], np.zeros((2, 1)), [[[0.0, 1.0]], [[0.0, 1.0]]])
    step = bound(leave, tmf.TabularPolicy.uniform(leave), tmf.Sequential(), 4)
    assert step.noise[0] == pytest.approx(0.25 * 0.75 * (4 / 3) * 2, rel=1e-12)
    assert step.l1[1] == pytest.approx(np.sqrt(2 * step.noise[0] / 4), rel=1e-12)
    assert step.lipschitz.flow[0] == pytest.approx(0.75, rel=1e-12)


def test_estimates_are_not_called_bounds():
    _, game, policy = affine_population(1, kind="affine")
    found = bound(game, policy.build(4), tmf.Synchronous(), 50, trials=20, rng=0)
    assert not found.rigorous and found.measured is None
    ax = found.plot()
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["worst case (estimate)", "predicted"]


def test_plot_with_measurement():
    _, game, policy = affine_population(3)
    ax = bound(game, policy.build(4), tmf.Batch(8), 60, replicas=20, rng=0).plot()
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["worst case", "predicted", "measured"]
    assert "N = 60" in ax.get_title(loc="left") and ax.get_yscale() == "log"


@pytest.mark.parametrize(
    ("function", "change", "error", "message"),
    [
        (monotonicity, {"game": 1}, TypeError, "game is 1"),
        (monotonicity, {"schedule": 1}, TypeError, "schedule is 1"),
        (monotonicity, {"trials": 0}, ValueError, "trials is 0"),
        (lipschitz, {"policy": 1}, TypeError, "policy is 1"),
        (lipschitz, {"trials": 0}, ValueError, "trials is 0"),
        (bound, {"n_agents": 0}, ValueError, "n_agents is 0"),
        (bound, {"replicas": 1}, ValueError, "replicas is 1; must be 0"),
        (bound, {"start": "there"}, ValueError, "start is 'there'"),
    ],
)
def test_errors(function, change, error, message):
    game = congestion(-np.eye(3))
    arguments = {"game": game, "schedule": tmf.Synchronous(), "n_agents": 10}
    if function is not monotonicity:
        arguments["policy"] = tmf.TabularPolicy.uniform(game)
    with pytest.raises(error, match=message):
        function(**arguments | change)
