"""`legal=`: which actions of a game are legal (Theory, section 1).

The strongest test: if every observation has B legal actions, the game is that of these B actions alone, renumbered,
whatever stands in the other rows. Kept in order, they are also the same where ties are broken.
"""

import pickle

import numpy as np
import pytest

import tmfcore as tmf
from game_cases import message
from legal_cases import FAMILIES, A, B, S, pair_of
from tmfcore._model.wrapped import Restricted
from tmfcore.analysis import bound, fluctuations, lipschitz, monotonicity
from tmfcore.solvers._registry import SOLVERS

families = pytest.mark.parametrize("kind", FAMILIES)


# ------------------------------------------------------------------------------------------------------- the game


@families
def test_verbs_give_what_the_game_of_the_legal_actions_gives(kind):
    pair = pair_of(kind)
    schedule = tmf.Fraction(0.4)
    wide, narrow = pair.policy()
    for policy in ((wide, narrow), (tmf.TabularPolicy.uniform(pair.padded), tmf.TabularPolicy.uniform(pair.compact))):
        for clock in ("schedule", "always"):
            found = tmf.evaluate(pair.padded, policy[0], schedule, clock=clock)
            wanted = tmf.evaluate(pair.compact, policy[1], schedule, clock=clock)
            np.testing.assert_allclose(found.flow.mu, wanted.flow.mu, rtol=0, atol=1e-14)
            np.testing.assert_allclose(found.values, wanted.values, rtol=0, atol=1e-13)
            np.testing.assert_allclose(pair.narrow(found.q), wanted.q, rtol=0, atol=1e-13)
            assert np.isnan(found.q[:, ~pair.legal]).all()
            best = tmf.best_response(pair.padded, found.flow, schedule, clock=clock)
            other = tmf.best_response(pair.compact, wanted.flow, schedule, clock=clock)
            np.testing.assert_array_equal(best.policy.table, pair.wide(other.policy.table))
            np.testing.assert_allclose(best.values, other.values, rtol=0, atol=1e-13)
        gaps = [
            tmf.exploitability(game, each, schedule)
            for game, each in zip((pair.padded, pair.compact), policy, strict=True)
        ]
        assert gaps[0] == pytest.approx(gaps[1], abs=1e-13)


@families
@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.parametrize("schedule", [tmf.Synchronous(), tmf.Sequential(), tmf.Batch(7)], ids=repr)
def test_nobody_takes_an_illegal_action(kind, engine, schedule):
    pair = pair_of(kind)
    run = tmf.simulate(pair.padded, pair.policy()[0], schedule, 40, replicas=2, engine=engine, rng=1)
    assert run.decisions.sum() > 0
    assert not run.decisions[..., ~pair.legal].any()
    uniform = tmf.simulate(
        pair.padded, tmf.SoftmaxPolicy.uniform(pair.padded, affine=True), schedule, 40, engine=engine, rng=1
    )
    assert not uniform.decisions[..., ~pair.legal].any()


@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.broad(1)
def test_populations_move_as_in_the_game_of_the_legal_actions(engine):
    """Mean counts at the end over 4,000 replicas; |z| <= 6 for 4 numbers, a false alarm in 1e8."""
    pair = pair_of("mu")
    ends = []
    for game, policy in zip((pair.padded, pair.compact), pair.policy(), strict=True):
        run = tmf.simulate(game, policy, tmf.Batch(5), 20, replicas=4000, engine=engine, rng=5)
        ends.append(run.counts[:, -1].astype(float))
    se = np.hypot(*(end.std(axis=0) / np.sqrt(4000) for end in ends))
    assert (np.abs(ends[0].mean(axis=0) - ends[1].mean(axis=0)) <= 6 * se).all()


@pytest.mark.parametrize("kind", [kind for kind in FAMILIES if kind not in ("compiled", "model")])
def test_what_stands_in_illegal_rows_does_not_matter(kind):
    """Compiled functions are not asked for them: the others fail if they are."""
    one, other = (pair_of(kind, garbage=garbage) for garbage in (np.nan, 1e300))
    assert all(
        np.array_equal(mine, theirs, equal_nan=True)
        for mine, theirs in zip(one.padded.tables(one.padded.initial), other.padded.tables(one.padded.initial), strict=True)
    )
    runs = [tmf.simulate(pair.padded, pair.policy()[0], tmf.Batch(3), 30, rng=3) for pair in (one, other)]
    assert runs[0].equals(runs[1])
    same = [tmf.mean_field(pair.padded, pair.policy()[0], tmf.Fraction(0.5)) for pair in (one, other)]
    assert same[0].equals(same[1])  # and their fingerprints
    assert same[0].fingerprint != tmf.mean_field(one.compact, one.policy()[1], tmf.Fraction(0.5)).fingerprint


def test_the_field_legal():
    pair = pair_of("mu")
    game = pair.padded
    np.testing.assert_array_equal(game.legal, pair.legal)
    assert game.legal.dtype == np.bool_
    assert not game.legal.flags.writeable
    assert pair.compact.legal is None
    assert pair.compact.replace(legal=np.ones((S, B), np.bool_)).legal is None
    arrays = pair_of("arrays").padded
    again = pickle.loads(pickle.dumps(arrays))
    np.testing.assert_array_equal(again.legal, arrays.legal)
    assert arrays.replace(horizon=3).legal is arrays.legal or (arrays.replace(horizon=3).legal == arrays.legal).all()
    sweeps = pair_of("sweeps")
    np.testing.assert_array_equal(sweeps.padded.at().legal, sweeps.legal)
    np.testing.assert_array_equal(sweeps.padded.legal, sweeps.legal)
    assert np.isnan(arrays.tables(arrays.initial).transition[~arrays.legal]).all()
    assert np.isfinite(arrays.tables(arrays.initial).transition[arrays.legal]).all()


def test_a_result_with_illegal_actions_is_saved_and_read(tmp_path):
    pair = pair_of("arrays")
    found = tmf.evaluate(pair.padded, pair.policy()[0], tmf.Synchronous())
    found.save(tmp_path / "values.npz")
    assert tmf.load(tmp_path / "values.npz").equals(found)
    policy = tmf.SoftmaxPolicy.uniform(pair.padded)
    assert tmf.SoftmaxPolicy.from_json(policy.to_json()) == policy
    assert pickle.loads(pickle.dumps(policy)) == policy
    policy.save(tmp_path / "policy.npz")
    assert tmf.load(tmp_path / "policy.npz") == policy
    assert "nan" not in repr(pair.padded.tables(pair.padded.initial))[:40]


@pytest.mark.parametrize(
    ("legal", "text"),
    [
        (np.ones((S, A + 1), bool), f"legal has shape {(S, A + 1)}; must be (S, A) = {(S, A)}"),
        (
            np.arange(S * A).reshape(S, A) >= A,
            f"legal[0] has no True; each observation must have at least one legal action (1 of {S} rows are bad)",
        ),
    ],
    ids=["shape", "none"],
)
def test_bad_legal(legal, text):
    game = pair_of("arrays").padded
    with pytest.raises(ValueError, match=message(text)):
        game.replace(legal=legal)
    with pytest.raises(ValueError, match=message(text)):
        pair_of("compiled").padded.replace(legal=legal)
    with pytest.raises(TypeError, match="legal holds dtype int64; must hold True or False"):
        game.replace(legal=np.ones((S, A), np.int64))


def test_kernels_check_legal_and_are_not_restricted_twice():
    model = pair_of("arrays").padded.model
    with pytest.raises(ValueError, match="TableModel has illegal actions already"):
        Restricted(model, model.legal)
    plain = pair_of("arrays").compact.model
    with pytest.raises(ValueError, match=r"legal\[1\] has no legal action"):
        Restricted(plain, np.array([[True, True], [False, False], [True, True], [True, True]]))
    with pytest.raises(ValueError, match=r"legal has shape \(1, 1\); must be \(4, 2\)"):
        Restricted(plain, np.ones((1, 1), bool))
    assert Restricted(plain, np.ones((S, B), bool)).legal is None


def test_actions_told_to_a_population_are_legal():
    pair = pair_of("mu")
    who = tmf.Population(pair.padded, tmf.Batch(6), 10, engine="counts", rng=1)
    acting = who.draw()[0]
    decisions = np.zeros((S, A), np.int64)
    decisions[np.arange(S), pair.legal.argmax(axis=1)] = acting
    o = int(acting.argmax())
    bad, good, allowed = int(pair.legal[o].argmin()), int(pair.legal[o].argmax()), np.flatnonzero(pair.legal[o]).tolist()
    wrong = decisions.copy()
    wrong[o, [good, bad]] = [acting[o] - 1, 1]
    rule = f"action {bad} is illegal at observation {o}, where the actions {allowed} are legal"
    with pytest.raises(ValueError, match=message(f"actions[0, {o}, {bad}] is 1; must be 0: {rule}")):
        who.act(wrong)
    who.act(decisions)
    assert who.t == 1
    crowd = tmf.Population(pair.padded, tmf.Batch(6), 10, engine="agents", rng=1)
    acting, places = crowd.draw()[0], crowd.observations[0]
    actions = np.full(10, -1)
    actions[acting] = pair.legal.argmax(axis=1)[places[acting]]
    wrong, i = actions.copy(), int(acting[2])
    o = int(places[i])
    wrong[i], allowed = pair.legal[o].argmin(), np.flatnonzero(pair.legal[o]).tolist()
    rule = f"action {wrong[i]} is illegal at observation {o}, where the actions {allowed} are legal"
    with pytest.raises(ValueError, match=message(f"actions[0, {i}] is {wrong[i]}; {rule}")):
        crowd.act(wrong)
    assert crowd.t == 0
    crowd.act(actions)
    assert crowd.t == 1


# ----------------------------------------------------------------------------------------------------- policies


def test_uniform_policies_are_uniform_over_legal_actions():
    pair = pair_of("arrays")
    table = tmf.TabularPolicy.uniform(pair.padded, stages=2).table
    np.testing.assert_array_equal(table, np.broadcast_to(pair.legal / B, (2, S, A)))
    soft = tmf.SoftmaxPolicy.uniform(pair.padded)
    np.testing.assert_array_equal(soft.theta[0], np.where(pair.legal, 0.0, -np.inf))
    np.testing.assert_array_equal(soft.probabilities(pair.padded.initial), table[0])
    affine = tmf.SoftmaxPolicy.uniform(pair.padded, affine=True)
    np.testing.assert_array_equal(affine.probabilities(pair.padded.initial), table[0])


def test_weight_on_an_illegal_action_is_an_error():
    pair = pair_of("mu")
    game, schedule = pair.padded, tmf.Synchronous()
    rule = "game.legal[0, 1] is False, and legal at observation 0 are the actions [3, 4]"
    table = np.repeat(pair.wide(np.full((S, B), 0.5))[None], 3, axis=0)
    table[2, 0] = [0.0, 0.25, 0.0, 0.5, 0.25]
    with pytest.raises(ValueError, match=message(
        f"policy[2, 0, 1] is 0.25; must be 0: {rule}; start from TabularPolicy.uniform(game)"
    )):
        tmf.evaluate(game, table, schedule)
    with pytest.raises(ValueError, match=message(f"policy(mu, t=4)[0, 1] is 0.25; must be 0: {rule}")):
        tmf.simulate(game, lambda mu, t: table[2 if t == 4 else 0], schedule, 10)
    with pytest.raises(ValueError, match=r"^policy\[0, 0, 0\] is 0.2; must be 0"):
        tmf.mean_field(game, tmf.SoftmaxPolicy(np.zeros((S, A))), schedule)
    theta = tmf.SoftmaxPolicy.uniform(game, affine=True).theta.copy()
    theta[0, 0, 1, 0] = -2.0
    with pytest.raises(ValueError, match=message(
        f"policy.theta[0, 0, 1, 0] is -2; must be -inf, for weight 0: {rule}; start from TabularPolicy.uniform(game)"
    )):
        tmf.mean_field(game, tmf.SoftmaxPolicy(theta), schedule)
    for each in SOLVERS.values():
        if not each.endless:
            n_agents = 10 if each.word == "tmf-pg" else None
            with pytest.raises(ValueError, match=r"^initial\[2, 0, 1\] is 0.25; must be 0"):
                each.solver(iterations=1).solve(game, schedule, n_agents, initial=tmf.TabularPolicy(table))


def test_a_compiled_policy_is_checked_at_every_use():
    from tmfcore._population.tagged import TaggedPolicy  # any compiled policy that is no table

    pair = pair_of("arrays")
    half = S // 2
    legal = np.concatenate([pair.legal[:half]] * 2)
    game = pair.padded.replace(legal=legal)
    good = tmf.TabularPolicy((legal / B)[:half]).kernel
    bad = tmf.TabularPolicy(np.full((half, A), 1 / A)).kernel
    one, other = (tmf.mean_field(game, policy, tmf.Synchronous()) for policy in (TaggedPolicy(good, good), legal / B))
    np.testing.assert_allclose(one.mu, other.mu, rtol=0, atol=1e-15)
    text = r"^policy at t=0, in row\[2, 0\] is 0.2; must be 0: game.legal\[2, 0\] is False"
    for engine in ("counts", "agents"):
        with pytest.raises(ValueError, match=text):
            tmf.simulate(game, TaggedPolicy(good, bad), tmf.Sequential(), 10, engine=engine, rng=1)
    with pytest.raises(ValueError, match=text):
        tmf.mean_field(game, TaggedPolicy(good, bad), tmf.Synchronous())


@pytest.mark.parametrize(
    ("theta", "text"),
    [
        ([[0.0, np.inf]], "theta[0, 1] is inf; must be finite (1 of 2 entries are bad)"),
        ([[0.0, np.nan]], "theta[0, 1] is nan; must be finite (1 of 2 entries are bad)"),
        ([[0.0, 1.0], [-np.inf, -np.inf]], "theta[0, 1] is -inf for every action; must be finite for at least one"),
        (np.full((1, 1, 2, 2), [[0.0, -np.inf], [0.0, 0.0]]), "theta[0, 0, 0, 1] is -inf; must be finite (1 of 4 entries are bad)"),
        (np.full((1, 1, 2, 2), [[-np.inf, 0.0], [-np.inf, 0.0]]), "theta[0, 0] is -inf for every action; must be finite for at least one"),
    ],
    ids=range(5),
)  # fmt: skip
def test_bad_logits(theta, text):
    with pytest.raises(ValueError, match=message(text)):
        tmf.SoftmaxPolicy(theta)


# ----------------------------------------------------------------------------------------------------- analysis


@pytest.mark.parametrize("kind", ["arrays", "mu", "affine"])
def test_analysis_is_that_of_the_game_of_the_legal_actions(kind):
    pair = pair_of(kind)
    wide, narrow = pair.policy()
    schedule = tmf.Fraction(0.5)
    both = ((pair.padded, wide), (pair.compact, narrow))
    one, other = (fluctuations(game, policy, schedule, 100) for game, policy in both)
    np.testing.assert_allclose(one.covariance, other.covariance, rtol=1e-6, atol=1e-9)
    one, other = (lipschitz(game, policy, schedule, rng=1) for game, policy in both)
    for name in ("reward", "transition", "flow"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-6)
    one, other = (bound(game, policy, schedule, 100, rng=1) for game, policy in both)
    np.testing.assert_allclose(one.l1, other.l1, rtol=1e-6)
    one, other = (monotonicity(game, schedule, rng=1) for game, _ in both)
    assert one.verdict == other.verdict
    if other.eigenvalues is not None:
        np.testing.assert_allclose(one.eigenvalues, other.eigenvalues, rtol=1e-9, atol=1e-12)


def test_violations_of_monotonicity_are_between_policies_of_the_game():
    """Agents gain where others are; in the padded game a third action, which is illegal, would lead there at once."""
    legal = np.array([[True, True, False], [True, False, True]])
    moves = np.array([[[1, 0], [0, 1], [0, 1]], [[0, 1], [1, 0], [1, 0]]], dtype=float)
    game = tmf.Game(2, 3, 3, 1.0, [0.5, 0.5], lambda mu: np.repeat(mu[:, None], 3, axis=1), moves, legal=legal)
    found = monotonicity(game, tmf.Synchronous(), rng=1)
    assert found.verdict == "not monotone"
    for policy in found.violation.policies:
        assert not policy.table[:, ~legal].any()
        tmf.mean_field(game, policy, tmf.Synchronous())


@pytest.mark.parametrize("kind", ["mu", "sweeps"])
def test_finite_exploitability_deviates_to_legal_actions(kind):
    pair = pair_of(kind)
    found = tmf.finite_exploitability(pair.padded, pair.policy()[0], tmf.Batch(5), 10, replicas=20, rng=1)
    assert not found.policy.table[:, ~pair.legal].any()
    wanted = tmf.finite_exploitability(pair.compact, pair.policy()[1], tmf.Batch(5), 10, replicas=20, rng=1)
    assert abs(found.value - wanted.value) <= 6 * np.hypot(found.se, wanted.se)
