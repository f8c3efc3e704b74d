"""Streams: the same seed gives the same streams, whoever asks and in whatever order; no two are alike."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tmfcore as tmf
from tmfcore._random import seeding


def draws(generators):
    return [g.integers(0, 2**64, size=4, dtype=np.uint64).tolist() for g in generators]


@given(st.integers(0, 2**64), st.integers(1, 5), st.integers(0, 5))
def test_an_int_gives_the_same_streams_whatever_their_number(seed, n, more):
    few, many = draws(seeding.generators(seed, n)), draws(seeding.generators(seed, n + more))
    assert few == many[:n]
    assert len({tuple(words) for words in many}) == n + more


def test_streams_are_numpys_own_spawning():
    expected = [np.random.Generator(np.random.PCG64(s)) for s in np.random.SeedSequence(5).spawn(3)]
    assert draws(seeding.generators(5, 3)) == draws(expected)
    assert draws(seeding.generators(np.random.SeedSequence(5), 3)) == draws(seeding.generators(5, 3))
    assert draws(seeding.generators(np.random.default_rng(5), 3)) == draws(seeding.generators(5, 3))


@given(st.lists(st.integers(0, 2**33) | st.integers(0, 2**300), max_size=8), st.integers(0, 9), st.integers(1, 4))
def test_seeds_are_numpys_word_for_word(numbers, n_words, n_children):
    ours, theirs = seeding._seed(numbers), np.random.SeedSequence(numbers)
    for _ in range(3):
        for dtype in (np.uint32, np.uint64):
            found, expected = ours.generate_state(n_words, dtype), theirs.generate_state(n_words, dtype)
            assert found.dtype == expected.dtype and found.tolist() == expected.tolist()
        ours, theirs = ours.spawn(n_children)[-1], theirs.spawn(n_children)[-1]


@given(st.integers(0, 2**300), st.integers(1, 5))
def test_keys_are_the_first_words_of_the_generators(seed, n):
    found = seeding.keys(seeding.seeds(seed, n))
    assert found.tolist() == draws(np.random.Generator(np.random.PCG64(s)) for s in np.random.SeedSequence(seed).spawn(n))
    rng = np.random.default_rng(seed)
    assert seeding.keys(seeding.seeds(rng, n)).tolist() == draws(np.random.default_rng(seed).spawn(n))


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**32, 2**200 + 1, [2**40, 7]])
def test_streams_of_a_seed_spawn_further_streams_as_numpys_do(seed):
    ours, theirs = seeding.generators(seed, 2)[1], np.random.default_rng(seed).spawn(2)[1]
    assert draws(ours.spawn(2)) == draws(theirs.spawn(2))
    assert draws(ours.spawn(1)) == draws(theirs.spawn(1))  # children are counted
    again = pickle.loads(pickle.dumps(ours))
    assert seeding.key(ours).tolist() == draws([theirs])[0] == draws([again])[0]
    assert draws(again.spawn(2)) == draws(theirs.spawn(2))


def test_a_generator_gives_fresh_streams_at_every_call_and_keeps_its_own_state():
    rng = np.random.default_rng(5)
    state = rng.bit_generator.state
    first, second = draws(seeding.generators(rng, 2)), draws(seeding.generators(rng, 2))
    assert first != second
    assert rng.bit_generator.state == state


@pytest.mark.parametrize("kind", [np.random.Philox, np.random.MT19937, np.random.SFC64, np.random.PCG64DXSM])
def test_the_bit_generator_is_the_users_choice(kind):
    (stream,) = seeding.generators(np.random.Generator(kind(1)), 1)
    assert isinstance(stream.bit_generator, kind)
    assert seeding.key(stream).dtype == np.uint64


def test_none_differs_every_time():
    assert draws(seeding.generators(None, 1)) != draws(seeding.generators(None, 1))


def test_key():
    keys = [seeding.key(g) for g in seeding.generators(0, 3)]
    assert all(key.shape == (4,) and key.dtype == np.uint64 for key in keys)
    assert len({key.tobytes() for key in keys}) == 3
    assert max(int(key.max()) for key in keys) > 2**62  # all 64 bits are in use


HOLDS_ITSELF: list = [1]
HOLDS_ITSELF.append(HOLDS_ITSELF)


def matrix():
    with pytest.warns(PendingDeprecationWarning, match="matrix subclass"):
        return np.matrix([[1, 2]])


@pytest.mark.parametrize("rng", [matrix(), np.ones((2, 2), int), np.timedelta64(3, "s"), np.ma.array(3), set()])
def test_what_numpy_would_take_or_fall_over_is_refused(rng):
    with pytest.raises(TypeError, match=r"^rng is .*; must be an int, a Generator, a SeedSequence or None"):
        seeding.generators(rng, 1)


@pytest.mark.parametrize(("rng", "index"), [(HOLDS_ITSELF, 1), ([1, True], 1), (np.array([1.0]), 0), ([[1], 2], 0)])
def test_sequences_of_seeds_hold_integers(rng, index):
    with pytest.raises(TypeError, match=rf"^rng\[{index}\] is .*; must be an int$"):
        seeding.generators(rng, 1)


def test_sequences_of_seeds_are_numpys():
    expected = [np.random.Generator(np.random.PCG64(s)) for s in np.random.SeedSequence([5, 2**70]).spawn(2)]
    assert draws(seeding.generators([5, 2**70], 2)) == draws(expected)
    assert draws(seeding.generators(np.array([5, 7]), 2)) == draws(seeding.generators((5, 7), 2))


@pytest.mark.parametrize("rng", [True, np.False_, "seed", b"seed", 1.0, object(), {}])
def test_other_kinds_are_refused(rng):
    with pytest.raises(TypeError, match=r"^rng is .*; must be an int, a Generator, a SeedSequence or None"):
        seeding.generators(rng, 1)


def test_negative_seed():
    with pytest.raises(ValueError, match=r"^rng is -1; seeds must be >= 0"):
        seeding.generators(-1, 1)


def test_a_generator_that_cannot_spawn_is_refused():
    class Seedless(np.random.bit_generator.ISeedSequence):
        def generate_state(self, n_words, dtype=np.uint32):
            return np.ones(n_words, dtype=dtype)

    with pytest.raises(TypeError, match="cannot spawn"):
        seeding.generators(np.random.Generator(np.random.PCG64(Seedless())), 1)


def test_who_says_seed_is_told_to_say_rng():
    game = tmf.games.left_right(step=1).at()
    with pytest.raises(TypeError, match=r"^simulate\(\) has no argument 'seed'; pass rng=1$"):
        tmf.simulate(game, tmf.TabularPolicy.uniform(game), tmf.Sequential(), 10, seed=1)
    with pytest.raises(TypeError, match=r"^check_game\(\) has no argument 'random_state'; pass rng=3$"):
        tmf.testing.check_game(game, random_state=3)


@pytest.mark.parametrize("kind", [np.random.SeedSequence, np.random.default_rng])
@pytest.mark.parametrize("n", [0, 1, 5, 4096, 10_000])
@pytest.mark.broad
def test_skipped_streams_are_those_that_would_be_spawned(kind, n):
    """After a skip the next stream is that of a call which spawned the first n, and no other."""
    skipped, used = kind(3), kind(3)
    seeding.skip(skipped, n)
    assert seeding.spawned(skipped) == n
    for _ in range(n):
        used.spawn(1)
    ours, theirs = (np.random.default_rng(one.spawn(1)[0]).random() for one in (skipped, used))
    assert ours == theirs
    seeding.skip(skipped, n + 1)  # nothing is left to spawn
    assert seeding.spawned(skipped) == n + 1


@pytest.mark.parametrize("n", [-1, 2, 2**32])
def test_a_number_of_streams_that_cannot_be(n):
    stream = np.random.SeedSequence(3)
    stream.spawn(3)
    with pytest.raises(ValueError, match=f"3 streams are spawned; must be at most {n}"):
        seeding.skip(stream, n)
    assert seeding.spawned(stream) == 3
