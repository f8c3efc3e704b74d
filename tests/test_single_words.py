"""Which random word decides what when one agent acts, or few, against a second implementation of the streams in numpy.

The game has deterministic moves, and policies are uniform over a power of two of actions: the action is the top bits of the
draw, and each event can be recomputed from its word.
"""

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore._population import agents as agents_kernel
from tmfcore._population import counts as counts_kernel

pytestmark = pytest.mark.law

SINGLES, SINGLES_AGAIN = 4, 6
WORD = (1 << 64) - 1


def philox(key, step, block, purpose):
    """Four words at an address; numpy adds 1 to the counter before it draws."""
    counter = step | block << 64 | (key[2] ^ purpose) << 128 | key[3] << 192
    counter = (counter - 1) % (1 << 256)
    return [int(w) for w in np.random.Philox(counter=counter, key=key[0] | key[1] << 64).random_raw(4)]


def mix(x):
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & WORD
    x = (x ^ x >> 27) * 0x94D049BB133111EB & WORD
    return x ^ x >> 31


def stream(key, step, n):
    """n words of the stream (step, 0, SINGLES): eight generators xoshiro256++, in turn."""

    def turned(x, k):
        return (x << k | x >> 64 - k) & WORD

    seed, out = philox(key, step, 0, SINGLES), []
    lanes = [[mix((seed[w] + 0x9E3779B97F4A7C15 * (lane + 1)) & WORD) for w in range(4)] for lane in range(8)]
    while len(out) < n:
        for s in lanes:
            out.append((turned((s[0] + s[3]) & WORD, 23) + s[0]) & WORD)
            shifted = s[1] << 17 & WORD
            s[2] ^= s[0]
            s[3] ^= s[1]
            s[1] ^= s[2]
            s[0] ^= s[3]
            s[2] ^= shifted
            s[3] = turned(s[3], 45)
    return out[:n]


def chosen(key, t, bits, n_agents, sign):
    """An agent by 32 bits or, as long as it is rejected, by the words at t and sign, 2 sign..; the number of rejections."""
    product, attempt = bits * n_agents, 0
    while product & 0xFFFFFFFF < (1 << 32) % n_agents:
        attempt += 1
        product = (philox(key, t, sign * attempt & WORD, SINGLES_AGAIN)[0] >> 32) * n_agents
    return product >> 32, attempt


def events(key, n_agents, horizon):
    """The agent and the 32 bits of its draw, event by event; and how many words were rejected, if n_agents < 2^32."""
    found, rejected = [], 0
    for t in range(horizon):
        if t % 256 == 0:
            words = stream(key, t // 256, 512)
        word = words[t % 256]
        if n_agents >= 1 << 32:
            found.append((word * n_agents >> 64, words[256 + t % 256] & 0xFFFFFFFF))
            continue
        agent, attempts = chosen(key, t, word >> 32, n_agents, 1)
        rejected += attempts
        found.append((agent, word & 0xFFFFFFFF))
    return found, rejected


def place(where, now, agent):
    """The observation of an agent: of an individual, or in order of observation."""
    if where is not None:
        return int(where[agent])
    o, before = 0, 0
    while agent >= before + now[o]:
        before += now[o]
        o += 1
    return o


CASES = [  # size, agents, least number of rejected words
    (1, 1, 0), (2, 3, 0), (3, 7, 0), (8, 100, 0), (9, 1_000, 0), (64, 70, 0), (64, 10_000, 0), (70, 1_000_000, 0),
    (3, 3 << 30, 200), (5, (1 << 31) + 1, 300), (4, (1 << 32) - 1, 0), (4, 1 << 32, 0), (4, 1 << 40, 0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("engine", "size", "n_agents", "most_rejected"),
    [("counts", *case) for case in CASES] + [("agents", *case) for case in CASES if case[1] <= 1_000_000],
)
@pytest.mark.broad(7)
def test_events_are_those_of_their_words(engine, size, n_agents, most_rejected):
    """800 events in four chunks and two stages: who acts, the action, where it goes, and what all earn."""
    horizon, rng = 800, np.random.default_rng(size)
    successors = rng.integers(0, size, (size, 4, 1))
    level, slope, extra = rng.normal(size=size), rng.normal(size=size), rng.normal(size=(size, 4))
    standing_mu = np.diag(slope)
    game = tmf.games.affine(
        reward0=level[:, None] + extra, reward_mu=np.repeat(standing_mu[:, None], 4, axis=1), passive_reward0=level,
        passive_reward_mu=standing_mu, transition0=np.ones((size, 4, 1)), transition_mu=None, successors=successors,
        horizon=horizon, discount=0.999, initial=np.full(size, 1 / size),
    )  # fmt: skip
    policy = tmf.TabularPolicy(np.stack([np.full((size, 4), 0.25), np.tile([0.0, 0.0, 1.0, 0.0], (size, 1))]))
    start = rng.multinomial(n_agents, np.full(size, 1 / size))
    generator = np.random.PCG64(11)
    key = [int(w) for w in np.random.PCG64(11).random_raw(4)]
    counts, rewards = np.zeros((horizon + 1, size), np.int64), np.zeros(horizon)
    decisions = np.zeros((horizon, size, 4), np.int64)
    rest = (start, horizon, 0.999, np.array([1]), None, 1, counts, decisions, rewards)
    if engine == "counts":
        total = counts_kernel.run(game.model, policy.kernel, generator, *rest)
        where = None
    else:
        total = agents_kernel.run(game.model, policy.kernel, np.array(key, np.uint64), *rest)
        where = np.repeat(np.arange(size), start)
    now, whole = [int(n) for n in start], 0.0
    found, rejected = events(key, n_agents, horizon)
    assert rejected >= most_rejected
    for t, (agent, draw) in enumerate(found):
        o = place(where, now, agent)
        action = draw >> 30 if t < 400 else 2
        x = int(successors[o, action, 0])
        expected = np.zeros((size, 4), np.int64)
        expected[o, action] = 1
        np.testing.assert_array_equal(decisions[t], expected)
        standing = np.dot(now, level + slope * np.array(now) / n_agents)
        np.testing.assert_allclose(rewards[t] * n_agents, standing + extra[o, action], rtol=1e-12, atol=1e-9)
        whole += 0.999**t * rewards[t]
        now[o] -= 1
        now[x] += 1
        np.testing.assert_array_equal(counts[t + 1], now)
        if where is not None:
            where[agent] = x
    assert total == pytest.approx(whole, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("batch", [2, 3, 8, 13, 31, 32, 33, 100, 128, 256])
@pytest.mark.parametrize(("size", "n_agents", "least_rejected"), [(8, 66_000, 0), (9, 70_000, 0), (70, 1_000_000, 0), (8, 3 << 30, 100)])
@pytest.mark.broad
def test_batches_are_those_of_their_words(size, n_agents, batch, least_rejected):
    """Of every 32 or 256 words those of whole steps are used; all agents of a step leave before the first arrives."""
    horizon, rng = -(-900 // batch), np.random.default_rng(size)
    successors = rng.integers(0, size, (size, 4, 1))
    level, slope, extra = rng.normal(size=size), rng.normal(size=size), rng.normal(size=(size, 4))
    standing_mu = np.diag(slope)
    game = tmf.games.affine(
        reward0=level[:, None] + extra, reward_mu=np.repeat(standing_mu[:, None], 4, axis=1), passive_reward0=level,
        passive_reward_mu=standing_mu, transition0=np.ones((size, 4, 1)), transition_mu=None, successors=successors,
        horizon=horizon, discount=0.999, initial=np.full(size, 1 / size),
    )  # fmt: skip
    policy = tmf.TabularPolicy(np.full((size, 4), 0.25))
    start = rng.multinomial(n_agents, np.full(size, 1 / size))
    key = [int(w) for w in np.random.PCG64(13).random_raw(4)]
    counts, rewards = np.zeros((horizon + 1, size), np.int64), np.zeros(horizon)
    decisions = np.zeros((horizon, size, 4), np.int64)
    total = counts_kernel.run(
        game.model, policy.kernel, np.random.PCG64(13), start, horizon, 0.999, np.array([batch]), None, 1, counts,
        decisions, rewards,
    )  # fmt: skip
    now, rejected, whole = [int(n) for n in start], 0, 0.0
    group = 32 if batch <= 32 else 256
    steps = group // batch
    words = [w for chunk in range(horizon // (steps * (256 // group)) + 1) for w in stream(key, chunk, 256)]
    for t in range(horizon):
        standing = np.dot(now, level + slope * np.array(now) / n_agents)
        expected, arrivals = np.zeros((size, 4), np.int64), []
        for i in range(batch):
            word = words[t // steps * group + t % steps * batch + i]
            agent, attempts = chosen(key, t * batch + i, word >> 32, n_agents - i, 1)
            rejected += attempts
            o, action = place(None, now, agent), (word & 0xFFFFFFFF) >> 30
            now[o] -= 1
            arrivals.append(successors[o, action, 0])
            expected[o, action] += 1
        for x in arrivals:
            now[x] += 1
        np.testing.assert_array_equal(decisions[t], expected)
        np.testing.assert_array_equal(counts[t + 1], now)
        np.testing.assert_allclose(rewards[t] * n_agents, standing + (expected * extra).sum(), rtol=1e-12, atol=1e-9)
        whole += 0.999**t * rewards[t]
    assert total == pytest.approx(whole, rel=1e-12, abs=1e-12)
    assert rejected >= least_rejected


@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.parametrize(
    ("size", "n_agents", "most_rejected"),
    [(2, 3, 0), (3, 7, 0), (8, 100, 0), (9, 1_000, 0), (30, 50, 0), (30, 10_000, 0), (3, 3 << 30, 300)],
)
def test_partners_are_those_of_their_words(engine, size, n_agents, most_rejected):
    """Where an agent goes is a function of its observation, its action and the observation of its partner."""
    if engine == "agents":
        n_agents, most_rejected = min(n_agents, 20_000), 0
    horizon, rng = 600, np.random.default_rng(size)
    goes = rng.integers(0, size, (size, 4, size))  # (o, a, y)
    game = tmf.games.affine(
        reward0=np.zeros((size, 4)), reward_mu=None, transition0=np.zeros((size, 4, size)),
        transition_mu=np.moveaxis(np.eye(size)[goes], 2, 3), horizon=horizon, discount=1.0,
        initial=np.full(size, 1 / size),
    )  # fmt: skip
    policy = tmf.TabularPolicy(np.full((1, size, 4), 0.25))
    start = rng.multinomial(n_agents, np.full(size, 1 / size))
    key = [int(w) for w in np.random.PCG64(12).random_raw(4)]
    counts, rewards = np.zeros((horizon + 1, size), np.int64), np.zeros(horizon)
    decisions = np.zeros((horizon, size, 4), np.int64)
    rest = (start, horizon, 1.0, np.array([1]), None, 1, counts, decisions, rewards)
    if engine == "counts":
        counts_kernel.run(game.model, policy.kernel, np.random.PCG64(12), *rest)
        where = None
    else:
        agents_kernel.run(game.model, policy.kernel, np.array(key, np.uint64), *rest)
        where = np.repeat(np.arange(size), start)
    now, rejected = [int(n) for n in start], 0
    for t in range(horizon):
        if t % 256 == 0:
            words = stream(key, t // 256, 768)
        agent, again = chosen(key, t, words[t % 256] >> 32, n_agents, 1)
        partner, more = chosen(key, t, words[t % 256] & 0xFFFFFFFF, n_agents, -1)
        rejected += again + more
        o, y, action = place(where, now, agent), place(where, now, partner), words[256 + 2 * (t % 256)] >> 62
        assert decisions[t, o, action] == 1
        assert decisions[t].sum() == 1
        x = int(goes[o, action, y])
        now[o] -= 1
        now[x] += 1
        np.testing.assert_array_equal(counts[t + 1], now)
        if where is not None:
            where[agent] = x
    assert rejected >= most_rejected


@pytest.mark.parametrize("engine", ["counts", "agents"])
@pytest.mark.parametrize("averaged", [True, False])
@pytest.mark.parametrize(("size", "n_agents"), [(8, 3), (4, 50), (8, 100), (8, 20_000), (4, 3 << 30), (4, 1 << 40)])
@pytest.mark.broad
def test_moves_of_meetings_are_32_bits_of_their_words(engine, averaged, size, n_agents):
    """Uniform rows over a power of two: the successor is the top bits, averaged over the actions or for a game of one.

    An agent at 0 that meets another one there stays. (If few of them changed place, steps would be skipped.)
    """
    n_agents = min(n_agents, 20_000) if engine == "agents" else n_agents
    horizon, n_actions = 600, size if averaged else 1
    o, a, y = np.ogrid[:size, :n_actions, :size]
    met = np.eye(size)[(o + a + y) % size] if averaged else np.full((size, 1, size, size), 1 / size)
    met[0, :, 0] = np.eye(size)[0]
    game = tmf.games.affine(
        reward0=np.zeros((size, n_actions)), reward_mu=None, transition0=np.zeros((size, n_actions, size)),
        transition_mu=np.moveaxis(met, 2, 3), horizon=horizon, discount=1.0, initial=np.full(size, 1 / size),
    )  # fmt: skip
    policy = tmf.TabularPolicy(np.full((1, size, n_actions), 1 / n_actions))
    start = np.random.default_rng(size).multinomial(n_agents, np.full(size, 1 / size))
    key = [int(w) for w in np.random.PCG64(12).random_raw(4)]
    counts, rewards = np.zeros((horizon + 1, size), np.int64), np.zeros(horizon)
    rest = (start, horizon, 1.0, np.array([1]), None, 1, counts, None, rewards)
    where = np.repeat(np.arange(size), start) if engine == "agents" else None
    if engine == "counts":
        counts_kernel.run(game.model, policy.kernel, np.random.PCG64(12), *rest)
    else:
        agents_kernel.run(game.model, policy.kernel, np.array(key, np.uint64), *rest)
    now, wide = [int(n) for n in start], n_agents >= 1 << 32
    for t in range(horizon):
        i = t % 256
        if i == 0:
            words = stream(key, t // 256, 768)
        agent = words[i] * n_agents >> 64 if wide else chosen(key, t, words[i] >> 32, n_agents, 1)[0]
        partner = words[256 + i] * n_agents >> 64 if wide else chosen(key, t, words[i] & 0xFFFFFFFF, n_agents, -1)[0]
        moves = words[(512 if wide else 256) + i // 2]
        o, y = place(where, now, agent), place(where, now, partner)
        x = (moves & 0xFFFFFFFF if i % 2 else moves >> 32) >> 33 - size.bit_length() if o or y else 0
        now[o] -= 1
        now[x] += 1
        np.testing.assert_array_equal(counts[t + 1], now)
        if where is not None:
            where[agent] = x


@pytest.mark.parametrize(
    ("size", "n_agents"), [(2, 10), (8, 1_000), (9, 60), (200, 3_000), (64, 1_000_000), (64, 1_000)]
)
@pytest.mark.broad(3)
def test_places_are_exact_while_counts_change(size, n_agents):
    """Counts recorded once, at each event, or in between: the same at the end; places within a block depend on its length."""
    game = tmf.games.resource_selection(
        np.linspace(1, 0.2, size), congestion=1.0, horizon=2_000 / n_agents, step=1 / n_agents
    )
    game = game.at()
    policy = tmf.TabularPolicy(np.random.default_rng(1).dirichlet(np.full(size, 0.3), size))
    ends = [
        tmf.simulate(game, policy, tmf.Sequential(), n_agents, engine="counts", rng=2, record_every=every)
        for every in (1, 7, 2_000)
    ]
    for run in ends:
        assert (run.counts >= 0).all() and (run.counts.sum(-1) == n_agents).all()
        np.testing.assert_array_equal(run.counts[0, -1], ends[0].counts[0, -1])
        np.testing.assert_array_equal(run.decisions[0].sum(0), ends[0].decisions[0].sum(0))
    np.testing.assert_array_equal(ends[1].counts[0, 1:-1], ends[0].counts[0, 7:-1:7])
