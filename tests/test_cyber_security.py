"""Cyber security: rows case by case, its two equivalent forms, derivatives, N agents by enumeration, and its equilibrium."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import stat_tests
import tmfcore as tmf
from tmfcore.games import by_type, cyber_security

NUMBERS = {  # of the public code whose defaults these are, by its own names
    "private": {"v z": (0.1 * 0.05, 0.1 * 0.1), "DD": 0.2, "UD": 0.3, "DU": 0.9, "UU": 1.0, "recovery": (0.4, 0.3), "k_D": 0.6, "k_I": 2.0},
    "corporate": {"v z": (0.1 * 0.05, 0.1 * 0.1), "DD": 0.1, "UD": 0.2, "DU": 0.7, "UU": 0.8, "recovery": (0.4, 0.3), "k_D": 0.7, "k_I": 2.0},
}


def slow_tables(mu, wish):
    """Transition (8, 2, 8) and reward (8,), one case after another; its infection as that code writes it, a sum of products."""
    rows, reward = np.zeros((8, 2, 8)), np.zeros(8)
    g_d, g_u = mu[0] + mu[4], mu[2] + mu[6]
    for m, of in enumerate(NUMBERS.values()):
        for u, h in itertools.product(range(2), range(2)):
            o = 4 * m + 2 * u + h
            reward[o] = -of["k_D"] * (u == 0) - of["k_I"] * (h == 0)
            z, a, b = of["v z"][u], of["DU" if u else "DD"] * g_d, of["UU" if u else "UD"] * g_u
            caught = z + a + b - z * a - z * b - a * b + z * a * b
            healthy = of["recovery"][u] if h == 0 else 1 - caught
            for action, switches in itertools.product(range(2), range(2)):
                p = action * wish if switches else 1 - action * wish
                base = 4 * m + 2 * (u ^ switches)
                rows[o, action, base] += p * (1 - healthy)
                rows[o, action, base + 1] += p * healthy
    return rows, reward


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.3, 1.0]))
def test_rows_and_rewards_are_those_of_its_source(seed, switching):
    game = cyber_security(switching)
    mu = np.random.default_rng(seed).dirichlet(np.full(8, 0.4))
    reward, rows, passive_reward, passive = game.tables(mu)
    wanted, paid = slow_tables(mu, switching)
    np.testing.assert_allclose(rows, wanted, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(passive, wanted[:, 0], rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(reward, np.stack([paid, paid], axis=1))
    np.testing.assert_array_equal(passive_reward, paid)
    for o, a in itertools.product(range(8), range(-1, 2)):
        row, _ = game.model.row(mu, 0, o, a)
        own = slice(o // 4 * 4, o // 4 * 4 + 4)
        np.testing.assert_array_equal(row, passive[o, own] if a < 0 else rows[o, a, own])


def test_slopes_and_bends():
    """Along differences of populations, against central differences."""
    game = cyber_security(0.6)
    rng = np.random.default_rng(1)
    mu, f = rng.dirichlet(np.ones(8)), rng.normal(size=8)
    f = 1e-4 * (f - f.mean())
    for o, a in itertools.product(range(8), range(-1, 2)):
        slope, bend = game.model.slopes(mu, 0, o, a, np.outer(f, f))
        ahead, here, behind = (game.model.row(mu + h * f, 0, o, a)[0] for h in (1, 0, -1))
        np.testing.assert_allclose(slope @ f, (ahead - behind) / 2, rtol=1e-8, atol=1e-14)
        np.testing.assert_allclose(bend, ahead + behind - 2 * here, rtol=1e-5, atol=1e-14)


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_a_wish_carried_out_at_random_is_random_activation(share):
    """switching=l for agents that all act, and switching=1 under Bernoulli(l): one game."""
    policy = tmf.TabularPolicy(np.random.default_rng(2).dirichlet(np.ones(2), size=8))
    first, second = cyber_security(share), cyber_security(1.0)
    found = [tmf.evaluate(first, policy, tmf.Synchronous()), tmf.evaluate(second, policy, tmf.Bernoulli(share))]
    np.testing.assert_allclose(found[0].flow.mu, found[1].flow.mu, atol=1e-14)
    np.testing.assert_allclose(found[0].values, found[1].values, atol=1e-11)
    gaps = [tmf.exploitability(first, policy, tmf.Synchronous()), tmf.exploitability(second, policy, tmf.Bernoulli(share))]
    assert gaps[0] == pytest.approx(gaps[1], abs=1e-10)


def test_one_type_is_a_game_of_its_own():
    """Two types alike are one type, and two types that see each other as `typed` sees them are this game."""
    one = {"attack": [[0.01, 0.02]], "contagion": [[[0.1, 0.2], [0.7, 0.8]]], "recovery": [[0.4, 0.3]], "defence_cost": [0.7], "infection_cost": [2.0]}
    single = cyber_security(**one, names=["all"])
    twice = cyber_security(**{name: value * 2 for name, value in one.items()})
    policy = np.random.default_rng(3).dirichlet(np.ones(2), size=4)
    flows = [tmf.mean_field(game, np.tile(policy, (k, 1)), tmf.Synchronous()).mu for k, game in ((1, single), (2, twice))]
    np.testing.assert_allclose(flows[1].reshape(51, 2, 4).sum(axis=1), flows[0], atol=1e-14)
    whole = tmf.games.typed([single, single], shares=[0.5, 0.5])
    again = tmf.mean_field(whole, np.tile(policy, (2, 1)), tmf.Synchronous())
    np.testing.assert_allclose(sum(by_type(whole, again).values()), flows[0], atol=1e-14)


@pytest.mark.parametrize("engine", ["counts", "agents"])
def test_simulated_counts_have_the_law_of_one_step(engine):
    """Three agents, one of whom acts, after a step, against all their moves; rate of false alarms 1e-6."""
    start = [1, 2, 5]  # a defended infected and an undefended infected private one, a defended susceptible corporate one
    initial = np.bincount(start, minlength=8) / 3
    game = cyber_security(0.5, horizon=1, initial=initial)
    rows, _ = slow_tables(initial, 0.5)
    law = {}
    for actor, ends in itertools.product(range(3), itertools.product(range(8), repeat=3)):
        p = math.prod(rows[o, int(i == actor), x] for i, (o, x) in enumerate(zip(start, ends, strict=True))) / 3
        if p:
            counts = tuple(np.bincount(ends, minlength=8).tolist())
            law[counts] = law.get(counts, 0.0) + p
    switch = tmf.TabularPolicy([[0.0, 1.0]] * 8)
    run = tmf.simulate(game, switch, tmf.Sequential(), 3, replicas=20_000, engine=engine, rng=1)
    stat_tests.assert_law(run.counts[:, -1], law)


@pytest.mark.parametrize(("schedule", "ends"), [(tmf.Synchronous(), (0.85, 0.77)), (tmf.Fraction(0.25), (0.95, 0.57))], ids=repr)
def test_the_equilibrium_with_the_costs_of_its_code(schedule, ends):
    """Which charges private computers 0.7 and corporate ones 0.6: who is undefended at the end, as games of `typed` gave it."""
    found = tmf.solve(cyber_security(defence_cost=(0.7, 0.6)), schedule)
    assert found.converged
    parts = np.split(found.flow.mu[-1], 2)
    np.testing.assert_allclose([part[2:].sum() / part.sum() for part in parts], ends, atol=0.006)
    np.testing.assert_allclose(found.flow.mu.reshape(-1, 2, 4).sum(axis=-1), 0.5, atol=1e-12)


def test_who_pays_less_defends():
    """Private computers, although they are more exposed: at the end nobody does."""
    found = tmf.solve(cyber_security(), tmf.Synchronous())
    undefended = found.flow.mu.reshape(-1, 2, 2, 2)[:, :, 1].sum(axis=-1) / 0.5
    np.testing.assert_allclose(undefended[40], [0.23, 1.0], atol=0.02)
    assert found.policy.table[-1, ::2, 1].max() < 0.51  # a wish in the last step changes nothing


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"switching": 1.5}, ValueError, "switching is 1.5"),
        ({"attack": [[0.1, 0.2]]}, ValueError, r"attack has shape \(1, 2\)"),
        ({"contagion": [[[0.1, 0.2], [0.7, 1.8]]]}, ValueError, r"contagion\[0, 1, 1\] is 1.8"),
        ({"recovery": [[0.4, 0.3], [0.4, -0.3]]}, ValueError, r"recovery\[1, 1\] is -0.3"),
        ({"names": ["a", "a"]}, ValueError, "names"),
        ({"initial": [0.5, 0.5]}, ValueError, r"initial has shape \(2,\)"),
        ({"horizon": 0}, ValueError, "horizon is 0"),
    ],
)
def test_errors(arguments, error, text):
    with pytest.raises(error, match=text):
        cyber_security(**arguments)
