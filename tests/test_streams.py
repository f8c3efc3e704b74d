"""Addressed streams, word for word: Philox of numpy makes the seed, splitmix64 spreads it, xoshiro256++ goes on."""

import numpy as np
import pytest

from tmfcore.testing import _doors

pytestmark = pytest.mark.law

MASK = 2**64 - 1
LANES = 8


def philox(key, counter):
    """The four words of Philox4x64-10 at a counter; numpy's generator begins with the counter after the one it is given."""
    before = (sum(word << 64 * i for i, word in enumerate(counter)) - 1) % 2**256
    generator = np.random.Philox(key=np.array(key, np.uint64), counter=before)
    return [int(word) for word in generator.random_raw(4)]


def mix(x):
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & MASK
    return x ^ x >> 31


def turned(x, k):
    return (x << k | x >> 64 - k) & MASK


def xoshiro(state):
    """One word of xoshiro256++ (Blackman and Vigna 2021); changes the state."""
    a, b, c, d = state
    word = (turned(a + d & MASK, 23) + a) & MASK
    c, d = c ^ a, d ^ b
    state[:] = a ^ d, b ^ c, c ^ (b << 17 & MASK), turned(d, 45)
    return word


def slow(key, step, block, purpose, n_words):
    seed = philox(key[:2], [step, block, key[2] ^ purpose, key[3]])
    lanes = [[mix(word + 0x9E3779B97F4A7C15 * (lane + 1) & MASK) for word in seed] for lane in range(LANES)]
    return [xoshiro(lanes[i % LANES]) for i in range(n_words)]


def test_words_are_those_of_the_algorithms():
    rng = np.random.default_rng(1)
    keys = rng.integers(0, 2**64, (20, 4), np.uint64)
    keys[0], keys[1] = 0, MASK
    addresses = np.column_stack([rng.integers(0, 2**63, 20), rng.integers(0, 2**40, 20), rng.integers(0, 8, 20)]).astype(np.uint64)
    addresses[:2] = 0, 0, 0
    found = _doors.stream_words(keys, addresses, 24)
    for words, key, address in zip(found.tolist(), keys.tolist(), addresses.tolist(), strict=True):
        assert words == slow(key, *address, 24)


def test_what_has_no_stream_is_refused():
    with pytest.raises(ValueError, match="n_words is 3; must be of 4 and 3, a multiple of 8"):
        _doors.stream_words(np.zeros((1, 4), np.uint64), np.zeros((1, 3), np.uint64), 3)
