"""Legal actions in Gymnasium's and PettingZoo's environments, and of games of OpenSpiel and MFGLib."""

import numpy as np
import pytest

import tmfcore as tmf
from game_cases import message
from legal_cases import A, S, pair_of
from peers import need

PAIR = pair_of("mu")
GAME, LEGAL = PAIR.padded, PAIR.legal
SYNCHRONOUS = tmf.Synchronous()


def illegal(o):
    """An illegal action, and the legal ones, in words."""
    return int(np.argmin(LEGAL[o])), np.flatnonzero(LEGAL[o]).tolist()


# -------------------------------------------------------------------------------------------------- environments


@pytest.mark.parametrize("clock", ["schedule", "always"])
def test_a_gymnasium_agent_sees_and_takes_legal_actions(clock):
    pytest.importorskip("gymnasium", reason="needs the extra `envs`")
    from tmfcore.interop.gymnasium import env, make_vec

    flow = tmf.mean_field(GAME, PAIR.policy()[0], tmf.Fraction(0.5))
    one = env(GAME, flow, clock=clock)
    one.action_space.seed(1)
    seen = 0
    for episode in range(10):
        _, info = one.reset(seed=episode)
        over = False
        while not over:
            o, mask = info["observation"], info["action_mask"]
            assert mask.dtype == np.int8
            wanted = LEGAL[o] if info["acts"] else np.arange(A) == LEGAL[o].argmax()
            np.testing.assert_array_equal(mask, wanted)
            if info["acts"]:
                seen += 1
                bad, allowed = illegal(o)
                text = f"action is {bad}, which is illegal at observation {o}; must be one of {allowed}, as action_mask says"
                with pytest.raises(ValueError, match=message(text)):
                    one.step(bad)
                action = one.action_space.sample(mask=mask)
            else:
                action = illegal(o)[0]  # ignored
            _, _, over, _, info = one.step(action)
    assert seen > 5
    many = make_vec(GAME, PAIR.policy()[0], tmf.Fraction(0.5), 20, num_envs=50, clock="always")
    _, infos = many.reset(seed=1)
    np.testing.assert_array_equal(infos["action_mask"], LEGAL[infos["observation"]])
    actions = infos["action_mask"].argmax(axis=1)
    o = int(infos["observation"][7])
    actions[7], allowed = illegal(o)
    text = f"actions[7] is {actions[7]}, which is illegal at observation {o}; must be one of {allowed}, as action_mask says"
    with pytest.raises(ValueError, match=message(text)):
        many.step(actions)
    many.step(infos["action_mask"].argmax(axis=1))


@pytest.mark.parametrize("schedule", [tmf.Batch(3), SYNCHRONOUS], ids=repr)
def test_pettingzoo_agents_see_and_take_legal_actions(schedule):
    pytest.importorskip("pettingzoo", reason="needs the extra `envs`")
    from tmfcore.interop.pettingzoo import aec_env, parallel_env

    together = parallel_env(GAME, schedule, 8)
    _, infos = together.reset(seed=1)
    while together.agents:
        actions = {}
        for name, info in infos.items():
            o = info["observation"]
            wanted = LEGAL[o] if info["acts"] else np.arange(A) == LEGAL[o].argmax()
            np.testing.assert_array_equal(info["action_mask"], wanted)
            actions[name] = together.action_space(name).sample(mask=info["action_mask"]) if info["acts"] else illegal(o)[0]
        name = next(name for name, info in infos.items() if info["acts"])
        o = infos[name]["observation"]
        bad, allowed = illegal(o)
        text = f"actions[{name!r}] is {bad}, which is illegal at observation {o}; must be one of {allowed}, as action_mask says"
        with pytest.raises(ValueError, match=message(text)):
            together.step(actions | {name: bad})
        _, _, _, _, infos = together.step(actions)
    turns = aec_env(GAME, schedule, 8)
    turns.reset(seed=2)
    for name in turns.agent_iter():
        _, _, over, _, info = turns.last()
        if not over:
            o, mask = info["observation"], info["action_mask"]
            np.testing.assert_array_equal(mask, LEGAL[o])
            with pytest.raises(ValueError, match=f"^action is {illegal(o)[0]}, which is illegal at observation {o}"):
                turns.step(illegal(o)[0])
            turns.step(turns.action_space(name).sample(mask=mask))
        else:
            turns.step(None)


# -------------------------------------------------------------------------------------------------------- peers


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
def test_a_game_given_to_openspiel_has_its_legal_actions():
    need("pyspiel")
    from open_spiel.python.mfg.algorithms import mirror_descent, nash_conv

    from tmfcore.interop import openspiel

    theirs = openspiel.to_game(GAME, tmf.Fraction(0.5))
    policies = PAIR.policy(stages=GAME.n_steps)[0]
    wanted = tmf.exploitability(GAME, policies, tmf.Fraction(0.5))
    given = openspiel.to_policy(policies, theirs)
    assert nash_conv.NashConv(theirs, given).nash_conv() == pytest.approx(wanted, abs=1e-12)
    state = theirs.new_initial_state()
    for o, _ in state.chance_outcomes():
        assert state.child(o).legal_actions() == np.flatnonzero(LEGAL[o]).tolist()
    np.testing.assert_allclose(openspiel.from_policy(given, theirs).table, policies, rtol=0, atol=1e-12)
    solver = mirror_descent.MirrorDescent(theirs, lr=1.0)
    solver.iteration()
    found = openspiel.from_policy(solver.get_policy(), theirs)
    assert not found.table[:, ~LEGAL].any()
    assert tmf.exploitability(GAME, found, tmf.Fraction(0.5)) < wanted


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
def test_a_game_of_openspiel_has_the_legal_actions_of_its_states():
    """A line of six places: two actions at its ends. Uniform policies of theirs and ours are the same."""
    need("pyspiel")
    from open_spiel.python import policy as spiel_policy
    from open_spiel.python.mfg.algorithms import nash_conv, policy_value
    from open_spiel.python.mfg.algorithms.distribution import DistributionPolicy

    from spiel_cases import ByHash, Plain
    from tmfcore.interop import openspiel

    line = Plain("edges")
    for constant in (None, False):
        game = openspiel.from_game(line, constant=constant)
        assert game.n_actions == 3
        assert sorted(game.legal.sum(axis=1).tolist())[-6:] == [2, 2, 3, 3, 3, 3]
        uniform = tmf.TabularPolicy.uniform(game)
        even = spiel_policy.UniformRandomPolicy(line)
        assert tmf.exploitability(game, uniform, SYNCHRONOUS) == pytest.approx(nash_conv.NashConv(line, even).nash_conv())
        values = policy_value.PolicyValue(line, DistributionPolicy(line, even), even)
        assert tmf.evaluate(game, uniform, SYNCHRONOUS).mean_return == pytest.approx(values(line.new_initial_state()))
        other = ByHash(line, 3)
        ours = openspiel.from_policy(other, game)
        assert not ours.table[:, ~game.legal].any()
        assert tmf.exploitability(game, ours, SYNCHRONOUS) == pytest.approx(nash_conv.NashConv(line, other).nash_conv())
        back = openspiel.to_policy(ours, game)
        assert nash_conv.NashConv(line, back).nash_conv() == pytest.approx(nash_conv.NashConv(line, other).nash_conv())
        openspiel.verify(game, tmf.mean_field(game, uniform, SYNCHRONOUS))


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")
def test_mfglib_has_the_rows_of_legal_actions_in_place_of_illegal_ones():
    torch = need("torch")
    need("mfglib.alg")  # first: its imports are circular
    from mfglib.scoring import exploitability_score

    from tmfcore.interop import mfglib

    env = mfglib.to_environment(GAME)
    policy = PAIR.policy(stages=GAME.n_steps)[0]
    tensor = mfglib.to_policy(policy, GAME, env)
    wanted = tmf.exploitability(GAME, policy, SYNCHRONOUS)
    assert float(exploitability_score(env, tensor)) == pytest.approx(wanted, rel=1e-4, abs=1e-5)
    theirs = torch.full((GAME.n_steps, S, A), 1 / A)
    ours = mfglib.from_policy(theirs, GAME)
    first = LEGAL.argmax(axis=1)
    table = np.where(LEGAL, 1 / A, 0.0)
    table[np.arange(S), first] += (~LEGAL).sum(axis=1) / A
    np.testing.assert_allclose(ours.table, np.broadcast_to(table, ours.table.shape), rtol=0, atol=1e-7)
    found = tmf.exploitability(GAME, ours, SYNCHRONOUS)
    assert float(exploitability_score(env, theirs)) == pytest.approx(found, rel=1e-4, abs=1e-5)
