"""Derivatives of affine games: slopes of rows, fluctuations, constants of Lipschitz."""


import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
import reference_fluctuations as slow
import strategies
import tmfcore as tmf
from affine_cases import build
from tmfcore.analysis import fluctuations, lipschitz, monotonicity
from tmfcore.analysis._forms import _on_tangent
from tmfcore.analysis.lipschitz import _spectral_norm

# ----------------------------------------------------------------------------------------------------- derivatives


@pytest.mark.parametrize("model", ["affine", "sparse", "queueing", "susceptible_infected"])
def test_slopes_of_rows(model):
    """Along differences of populations, against central differences; the second derivative, too."""
    if model == "queueing":
        game = tmf.games.queueing((0.2, 0.4, 0.3), step=0.5).at()
    elif model == "susceptible_infected":
        game = tmf.games.susceptible_infected()
    else:
        game = build(strategies.random_game(8, 4, 3, 3, dependence="mu", passive="dense", sparse=model == "sparse"), 1)
    size, n_act = game.n_observations, game.n_actions
    rng = np.random.default_rng(1)
    mu = rng.dirichlet(np.full(size, 5.0))
    directions = rng.normal(size=(2, size)) * 0.01
    directions -= directions.mean(axis=1, keepdims=True)
    sigma = directions.T @ directions
    for o in range(size):
        for a in range(-1, n_act):
            slope, bend = game.model.slopes(mu, 0, o, a, sigma)

            def row(at, o=o, a=a):
                return game.model.row(at, 0, o, a)[0]

            second = np.zeros(len(bend))
            for f in directions:
                h = 1e-2
                np.testing.assert_allclose(slope @ f, (row(mu + h * f) - row(mu - h * f)) / (2 * h), atol=1e-9)
                second += row(mu + f) + row(mu - f) - 2 * row(mu)
            np.testing.assert_allclose(bend, second, atol=1e-2 * np.abs(second).max() + 1e-15)


def test_slopes_are_refused_where_they_are_not_known():
    game = strategies.random_game(0, dependence="mu").build()
    assert not game.model.differentiable and not game.model.affine
    with pytest.raises(ValueError, match="TableModel does not give derivatives"):
        game.model.slopes(game.initial, 0, 0, 0)
    known = tmf.games.susceptible_infected().model
    with pytest.raises(ValueError, match=r"action is 2; must lie in -1\.\.1"):
        known.slopes(np.array([0.5, 0.5]), 0, 0, 2)
    with pytest.raises(ValueError, match=r"sigma has shape \(3, 3\); must be \(2, 2\)"):
        known.slopes(np.array([0.5, 0.5]), 0, 0, 0, np.eye(3))


@given(st.data())
def test_fluctuations_equal_the_slow_recursion(data):
    """Exact derivatives of rows and policy together, all schedules: tighter than differences could be."""
    spec = data.draw(strategies.games(dependences=("mu",), compiled=False))
    policy = data.draw(strategies.policies(spec, kinds=("tabular", "softmax", "affine")))
    schedule = data.draw(strategies.schedules(spec.horizon, 7))
    found = fluctuations(build(spec), policy.build(spec.horizon), schedule.build(), 7, start="sampled", jacobian="exact")
    assert found.jacobian == "exact"
    mu, sigma, bias = slow.recursion(
        spec.reference(), policy.reference(spec.horizon), schedule.moves(spec.horizon, 7), 7, found.covariance[0],
        found.bias[0],
    )  # fmt: skip
    np.testing.assert_allclose(found.mu, mu, atol=1e-12)
    np.testing.assert_allclose(found.covariance, sigma, atol=1e-10 * max(1.0, np.abs(sigma).max()))
    np.testing.assert_allclose(found.bias, bias, atol=1e-7 * max(1.0, np.abs(bias).max()))  # its Hessian is a difference


@pytest.mark.parametrize("kind", ["tabular", "softmax", "affine"])
@pytest.mark.parametrize("schedule", [strategies.ScheduleSpec("synchronous"), strategies.ScheduleSpec("fraction", 3 / 7)])
def test_queueing_has_exact_fluctuations(kind, schedule):
    options = {"horizon": 4, "step": 0.5, "initial": [0.4, 0.1, 0.2, 0.3]}
    game, right = tmf.games.queueing([0.2, 0.4, 0.3], **{"step": 1} | options).at(), reference.queueing([0.2, 0.4, 0.3], **options)

    def tables(mu, t):  # complex arguments: the reference writes into real arrays
        if not np.iscomplexobj(mu):
            return right.tables(mu, t)
        (a, b), step = (right.tables(mu.real, t)[i] for i in (1, 3)), mu.imag
        d = [0.0] + [s / (s + m) ** 2 for s, m in zip([0.2, 0.4, 0.3], mu.real[1:], strict=True)]
        change, waiting = np.zeros(a.shape, complex), np.zeros(b.shape, complex)
        for o in range(1, 4):
            slope = -0.5j * d[o] * step[o]
            waiting[o, 0] += slope
            waiting[o, o] -= slope
            for x in range(4):
                change[o, x, 0] += slope
                change[o, x, x or o] -= slope
        return None, a + change, None, b + waiting

    policy = strategies.random_policy(4, 4, 4, kind=kind, scale=2.0)
    found = fluctuations(game, policy.build(8), schedule.build(), 7, start="sampled")
    assert found.jacobian == "exact"
    slower = reference.Game(4, 4, 8, right.discount, right.initial, tables)
    _, sigma, bias = slow.recursion(
        slower, policy.reference(8), schedule.moves(8, 7), 7, found.covariance[0], found.bias[0]
    )
    np.testing.assert_allclose(found.covariance, sigma, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.bias, bias, rtol=1e-6, atol=1e-7)


# ------------------------------------------------------------------------------- monotonicity and Lipschitz constants


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.broad(2)
def test_constants_of_a_black_box_are_slopes_below_those_of_the_same_game_declared(seed):
    """Affine tables are steepest between corners, where the search begins; of the flow it finds most."""
    spec = strategies.random_game(seed, 3, 2, 5, dependence="mu", passive=("dense", "identity")[seed % 2], zeros=False)
    mine, probed = build(spec, seed), spec.build()
    policy = strategies.random_policy(seed, 3, 2, stages=2).build(5)
    schedule = tmf.Fraction(np.array([1.0, 0.5, 0.5, 1.0, 0.2]))
    first, second = (lipschitz(game, policy, schedule, trials=600, rng=0) for game in (mine, probed))
    assert (first.reward_kind, first.transition_kind, first.flow_kind) == ("exact",) * 3
    for exact, seen in ((first.reward, second.reward), (first.transition, second.transition)):
        assert exact * (1 - 1e-9) <= seen <= exact * (1 + 1e-12)
    assert (second.reward_kind, second.transition_kind, second.flow_kind) == ("lower bound",) * 3
    euclidean = first.flow_euclidean, second.flow_euclidean  # whose steepest directions are no edges
    for exact, seen, share in ((first.flow, second.flow, 0.9), (*euclidean, 0.8)):
        assert (seen <= exact * (1 + 1e-12)).all() and (seen >= share * exact).all()
    first, second = (monotonicity(game, schedule, trials=200, rng=0) for game in (mine, probed))
    assert first.affine and not second.affine and second.eigenvalues is None
    assert first.verdict == second.verdict == "not monotone"
    assert first.transition_depends_on_mu and second.transition_depends_on_mu


def test_a_long_affine_game_is_looked_at_once():
    """10^5 steps: tables that do not depend on t are not asked for again (seconds, if they were)."""
    game = tmf.games.garnet(6, n_actions=2, n_successors=3, coupling=0.5, horizon=100_000, rng=1, step=1).at()
    assert monotonicity(game, tmf.Synchronous()).verdict == "strictly monotone"
    found = lipschitz(game, tmf.TabularPolicy.uniform(game), tmf.Fraction(0.5))
    assert found.flow_kind == "exact" and len(found.flow) == 100_000


@pytest.mark.parametrize(
    ("slopes", "falling"),
    [([-1, -2, -3], 2), ([0, -1, -2], 2), ([0, 0, -1], 1), ([0, 0, 0], 1), ([1, -1, -1], 0), ([-1, -1, 1e-9], 0), ([2, 1, 1], 0)],
)
@pytest.mark.parametrize("shared", [0.0, 0.5])
def test_rewards_that_fall_are_told(slopes, falling, shared):
    """What monotonicity rests on: h(o, mu(o)) of these slopes, plus what everybody is paid by everybody."""
    paid = np.diag(np.array(slopes, float)) + shared
    game = tmf.games.affine(
        np.arange(6.0).reshape(3, 2), reward_mu=np.repeat(paid[:, None], 2, axis=1), transition0=np.full((3, 2, 3), 1 / 3), transition_mu=np.zeros((3, 2, 3, 3)),
        passive_reward_mu=paid, horizon=3, discount=1.0, initial=np.full(3, 1 / 3),
    )  # fmt: skip
    assert game.model.falling_reward == falling
    crowded = paid + np.eye(3)[::-1]  # one is paid by who is elsewhere: no such reward
    game = tmf.games.affine(
        np.zeros((3, 2)), reward_mu=np.repeat(crowded[:, None], 2, axis=1), transition0=np.full((3, 2, 3), 1 / 3), transition_mu=np.zeros((3, 2, 3, 3)),
        passive_reward_mu=crowded, horizon=3, discount=1.0, initial=np.full(3, 1 / 3),
    )  # fmt: skip
    assert game.model.falling_reward == 0


@pytest.mark.parametrize("n", [2, 3, 50, 301, 400])
@pytest.mark.broad(4)
def test_norms_and_forms_of_large_matrices(n):
    """Lanczos' method and the reflection, beside the decompositions that they replace."""
    matrix = np.random.default_rng(n).random((n, n))
    matrix[:, 0] += 1.0
    assert _spectral_norm(matrix) == pytest.approx(np.linalg.svd(matrix, compute_uv=False)[0], rel=1e-13)
    form = (matrix + matrix.T) / 2
    basis = np.linalg.svd(np.eye(n) - 1 / n)[0][:, : n - 1]
    np.testing.assert_allclose(
        np.linalg.eigvalsh(_on_tangent(form)), np.linalg.eigvalsh(basis.T @ form @ basis), rtol=0, atol=1e-12 * n
    )
