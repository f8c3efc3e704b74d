"""Environments copy and pickle: a copy goes on to the same bits, and moves nothing but itself."""

import copy
import multiprocessing
import pickle

import numpy as np
import pytest

import tmfcore as tmf

gymnasium = pytest.importorskip("gymnasium", reason="needs the extra `envs`")
pytest.importorskip("pettingzoo", reason="needs the extra `envs`")

import cloudpickle

from copy_cases import GAME, KINDS, equal, made_by_gymnasium, many, play_there, single
from tmfcore.interop import gymnasium as tagged

WAYS = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda env: pickle.loads(pickle.dumps(env)),
    "cloudpickle": lambda env: pickle.loads(cloudpickle.dumps(env)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_continues_with_the_same_bits(kind, way):
    """From the middle of an episode over its end; two copies of one moment do not know of each other."""
    make, play = KINDS[kind]
    env = make()
    env.reset(seed=3)
    play(env, 7)
    if getattr(env, "render_mode", None):
        env.render()
    first, second = WAYS[way](env), WAYS[way](env)
    found = play(first, 30)
    assert equal(found, play(env, 30))
    assert equal(found, play(second, 30)), "a copy moved when the others did"
    assert not equal(found, play(env, 30))


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_of_what_was_never_reset(kind):
    make, play = KINDS[kind]
    env = make()
    other = pickle.loads(pickle.dumps(env))
    env.reset(seed=5)
    other.reset(seed=5)
    assert equal(play(other, 5), play(env, 5))


def test_a_game_of_functions_needs_cloudpickle():
    """Functions without a name of a module are none of pickle's; a copy in the same process shares them."""
    game = GAME.replace(discount=0.9)
    others = lambda mu, t: np.full((4, 4), 0.25)  # noqa: E731
    env = tagged.env(game, others, tmf.Bernoulli(lambda mu, t: 0.1 + 0.5 * mu), 10)
    env.reset(seed=1)
    with pytest.raises(Exception, match="lambda"):
        pickle.dumps(env)
    for way in ("deepcopy", "cloudpickle"):
        assert equal(single(WAYS[way](env), 5), single(copy.deepcopy(env), 5))


def test_a_policy_given_as_an_array_is_that_of_the_start():
    table = np.full((4, 4), 0.25)
    env = tagged.make_vec(GAME, table, tmf.Batch(3), 10, num_envs=50)
    table[:] = np.eye(4)
    other = copy.deepcopy(env)
    env.reset(seed=1)
    other.reset(seed=1)
    assert equal(many(other, 10), many(env, 10))


@pytest.mark.parametrize("kind", ["parallel", "population"])
def test_in_a_process_of_its_own(kind):
    """Started anew, as Windows and macOS do it and as learners ask for: no memory is shared."""
    make, play = KINDS[kind]
    env = make()
    env.reset(seed=3)
    play(env, 7)
    context = multiprocessing.get_context("spawn")
    out = context.Queue()
    process = context.Process(target=play_there, args=(kind, cloudpickle.dumps(env), out))
    process.start()
    found = pickle.loads(out.get(timeout=120))
    process.join()
    assert equal(found, play(env, 25))


def test_gymnasiums_processes():
    """AsyncVectorEnv under spawn plays what the environments play here."""
    envs = gymnasium.vector.AsyncVectorEnv([made_by_gymnasium] * 2, context="spawn")
    ours = [made_by_gymnasium() for _ in range(2)]
    try:
        rows, _ = envs.reset(seed=3)
        assert equal(list(rows), [env.reset(seed=3 + i)[0] for i, env in enumerate(ours)])
        for t in range(5):
            rows, rewards, *_ = envs.step(np.array([t % 4, 1]))
            expected = [env.step(a) for env, a in zip(ours, (t % 4, 1))]
            assert equal(list(rows), [step[0] for step in expected]) and rewards.tolist() == [s[1] for s in expected]
    finally:
        envs.close()
