"""best_response and exploitability: definitions, bounds, and zero at equilibria known by hand."""

from __future__ import annotations

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore._limit.exploitability import best_response, exploitability
from tmfcore._model.evaluator import keep_kernels

SCHEDULES = [tmf.Synchronous(), tmf.Fraction(0.4), tmf.Bernoulli(0.1)]


@pytest.fixture
def game():
    return tmf.games.resource_selection((1.0, 0.8, 0.6), congestion=1.0, switching_cost=0.1, initial=(0.1, 0.2, 0.7), horizon=6, step=1).at()


@pytest.fixture
def uniform(game):
    return tmf.TabularPolicy.uniform(game)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("clock", ["schedule", "always"])
def test_definition(game, uniform, schedule, clock):
    """Section 4, from values computed apart."""
    own = tmf.evaluate(game, uniform, schedule, clock=clock)
    _, best = best_response(game, own.flow, schedule, clock=clock)
    gaps = best - own.values
    assert gaps.min() >= 0
    assert exploitability(game, uniform, schedule, clock=clock) == pytest.approx(game.initial @ gaps[0])
    assert exploitability(game, uniform, schedule, clock=clock, pointwise=True) == pytest.approx(gaps.max())


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_best_response_beats_random_policies(game, uniform, schedule):
    flow = tmf.mean_field(game, uniform, schedule)
    policy, values = best_response(game, flow, schedule)
    assert policy.table.shape == (6, 3, 3)
    assert set(np.unique(policy.table)) == {0.0, 1.0}
    rng = np.random.default_rng(0)
    for _ in range(20):
        other = tmf.TabularPolicy(rng.dirichlet(np.full(3, 0.3), size=(6, 3)))
        assert (tmf.evaluate(game, other, schedule, flow=flow).values <= values + 1e-12).all()


def test_ties_go_to_the_lowest_action():
    game = tmf.Game(2, 3, 4, 0.9, [0.5, 0.5], np.zeros((2, 3)), np.full((2, 3, 2), 0.5))
    flow = tmf.mean_field(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous())
    policy, values = best_response(game, flow, tmf.Synchronous())
    assert (policy.table[..., 0] == 1).all()
    assert (values == 0).all()


def test_zero_where_nothing_is_to_be_gained():
    """Equal values and an even population: everybody stays, and nobody regrets it."""
    game = tmf.games.resource_selection((1.0, 1.0), congestion=1.0, switching_cost=0.1, initial=(0.5, 0.5), horizon=8, step=1).at()
    stay = tmf.TabularPolicy(np.eye(2))
    for schedule in SCHEDULES:
        assert exploitability(game, stay, schedule) == pytest.approx(0, abs=1e-14)
        assert exploitability(game, stay, schedule, pointwise=True) == pytest.approx(0, abs=1e-14)


def test_batches_need_n_agents(game, uniform):
    with pytest.raises(ValueError, match="n_agents"):
        exploitability(game, uniform, tmf.Batch(2))
    small = exploitability(game, uniform, tmf.Batch(2), 20)
    assert small == pytest.approx(exploitability(game, uniform, tmf.Fraction(0.1)))


def test_errors(game, uniform):
    with pytest.raises(ValueError, match="clock is 'never'"):
        exploitability(game, uniform, tmf.Synchronous(), clock="never")
    with pytest.raises(TypeError, match="pointwise is 1"):
        exploitability(game, uniform, tmf.Synchronous(), pointwise=1)
    with pytest.raises(TypeError, match="flow"):
        best_response(game, None, tmf.Synchronous())
    flow = tmf.mean_field(game, uniform, tmf.Synchronous())
    for verb, what in ((exploitability, uniform), (best_response, flow), (tmf.mean_field, uniform), (tmf.evaluate, uniform)):
        with pytest.raises(TypeError, match="game is"):
            verb("game", what, tmf.Synchronous())
    sparse = tmf.mean_field(game, uniform, tmf.Synchronous(), record_every=3)
    with pytest.raises(ValueError, match="must have T"):
        best_response(game, sparse, tmf.Synchronous())


def moving(horizon: int, calls: list[str], everything: bool) -> tmf.Game:
    """Kernels that depend on the population, and say when they are called; the passive one if `everything`."""
    rng = np.random.default_rng(0)
    base, drift = rng.dirichlet(np.ones(3), size=(3, 2)), rng.dirichlet(np.ones(3), size=3)

    def transition(mu, t):
        calls.append(f"P{t}")
        return 0.7 * base + 0.3 * mu

    def passive(mu):
        calls.append("passive")
        return 0.5 * drift + 0.5 * mu

    def reward(mu):
        calls.append("r")
        return np.arange(6).reshape(3, 2) - mu[:, None]

    return tmf.Game(
        3, 2, horizon, 0.9, [0.2, 0.3, 0.5], reward, transition, passive_reward=rng.normal(size=3),
        passive_transition=passive if everything else drift,
    )  # fmt: skip


@pytest.mark.parametrize("everything", [False, True])
def test_kernels_are_called_once_a_step(everything, monkeypatch):
    """Flow and values share them, to the bit of calling them twice, which is what games too large to keep do."""
    calls: list[str] = []
    game, policy = moving(6, calls, everything), tmf.TabularPolicy.uniform(moving(6, calls, everything))
    verbs = {
        "exploitability": lambda: exploitability(game, policy, tmf.Fraction(0.4)),
        "evaluate": lambda: tmf.evaluate(game, policy, tmf.Fraction(0.4)).values.tolist(),
        "solve": lambda: tmf.solvers.TMFPG(iterations=3, tolerance=None).solve(game, tmf.Fraction(0.4)).exploitability,
    }
    found, made = {}, {}
    for name, verb in verbs.items():
        calls.clear()
        found[name] = verb()
        made[name] = calls.copy()
    for name in ("exploitability", "evaluate"):
        expected = ["r"] * 6 + [f"P{t}" for t in range(6)] + ["passive"] * (6 if everything else 0)
        assert sorted(made[name]) == sorted(expected)
    for module in ("tmfcore._limit.exploitability", "tmfcore._limit.mean_field"):
        monkeypatch.setattr(f"{module}.keep_kernels", lambda model, horizon: None)
    for name, verb in verbs.items():
        calls.clear()
        assert verb() == found[name]
        assert len(calls) > len(made[name])


def test_which_kernels_are_kept():
    game = moving(6, [], False)
    assert keep_kernels(game.model, 6) is not None
    assert keep_kernels(game.model, 6, 6 * (18 + 9) * 8) is not None
    assert keep_kernels(game.model, 6, 6 * (18 + 9) * 8 - 1) is None
    assert keep_kernels(tmf.games.beach_bar(5, step=1).at().model, 6) is None
    assert keep_kernels(tmf.games.queueing((0.1, 0.2), step=1).at().model, 6) is None  # comes with its rewards
    with pytest.raises(ValueError, match="horizon is 0; must lie in 1"):
        keep_kernels(game.model, 0)
