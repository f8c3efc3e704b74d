"""Every result has the same bits whichever instructions the CPU offers, and the choice can be capped and is reported.

Each level runs in a process of its own, since the kernels choose when they are loaded: `python test_instruction_sets.py 1`
prints what is used and a digest of every result below. `python test_instruction_sets.py 1 arrays` leaves single numbers out, such
as means, which numpy adds in the order of the machine's BLAS: `.ci/platforms` compares compilers and processors so.
"""

import hashlib
import itertools
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import lane_cases
import tmfcore as tmf
from legal_cases import lawful
from tmfcore.learn._distances import View, all_pairs, distances

pytestmark = pytest.mark.law

LEVELS = {"base": "x86-64", "avx2": "AVX2", "avx512": "AVX-512", "avx512vbmi": "AVX-512 VBMI"}

SCHEDULES = {
    "synchronous": tmf.Synchronous(),
    "sequential": tmf.Sequential(),
    "batch": tmf.Batch(37),
    "fraction": tmf.Fraction(0.3),
    "bernoulli": tmf.Bernoulli(0.2),
}


def dense(n_observations, n_actions, passive=False, horizon=12):
    """Rows of Dirichlet(0.3): unequal, so that aliases and ties come up; passive agents move if asked for."""
    rng = np.random.default_rng(n_observations)
    shape = (n_observations, n_actions)
    moves = {"passive_transition": rng.dirichlet(np.ones(n_observations), n_observations)} if passive else {}
    return tmf.Game(
        *shape, horizon, 0.95, rng.dirichlet(np.ones(n_observations)), rng.normal(size=shape),
        rng.dirichlet(np.full(n_observations, 0.3), size=shape), passive_reward=rng.normal(size=n_observations), **moves,
    )


def sparse(n_observations, n_actions=3, n_successors=3, horizon=12):
    rng = np.random.default_rng(n_observations)
    shape = (n_observations, n_actions)
    return tmf.Game(
        *shape, horizon, 0.95, np.full(n_observations, 1 / n_observations), rng.normal(size=shape),
        rng.dirichlet(np.ones(n_successors), size=shape),
        successors=rng.integers(n_observations, size=(*shape, n_successors)),
    )


def affine(n_observations, n_actions, horizon=6):
    """Every reward and every row depends on all of mu."""
    rng = np.random.default_rng(n_observations)
    shape = (n_observations, n_actions)
    corners = rng.dirichlet(np.full(n_observations, 0.3), size=(*shape, n_observations))
    passive = rng.dirichlet(np.ones(n_observations), size=(n_observations, n_observations))
    return tmf.games.affine(
        rng.normal(size=shape), reward_mu=rng.normal(size=(*shape, n_observations)),
        transition0=np.zeros((*shape, n_observations)), transition_mu=np.moveaxis(corners, 2, 3),
        passive_reward_mu=rng.normal(size=(n_observations, n_observations)),
        passive_transition0=np.zeros((n_observations, n_observations)), passive_transition_mu=np.moveaxis(passive, 1, 2),
        horizon=horizon, discount=0.95, initial=np.full(n_observations, 1 / n_observations),
    )  # fmt: skip


def meetings(n_observations, coupled, horizon=600):
    """Rows drawn by meeting a partner; r0 depends on the agents at the same place, or on all."""
    rng = np.random.default_rng(n_observations)
    shape = (n_observations, 3)
    standing_mu = rng.normal(size=(n_observations, n_observations)) if coupled else -np.eye(n_observations)
    corners = rng.dirichlet(np.full(n_observations, 0.3), size=(*shape, n_observations))
    return tmf.games.affine(
        rng.normal(size=shape), reward_mu=np.repeat(standing_mu[:, None], 3, axis=1), passive_reward_mu=standing_mu,
        transition0=np.zeros((*shape, n_observations)), transition_mu=np.moveaxis(corners, 2, 3), horizon=horizon,
        discount=0.999, initial=np.full(n_observations, 1 / n_observations),
    )  # fmt: skip


def types():
    """Widened tables, a type that passes turns, and a coupling with rounding in it."""
    kinds = [
        tmf.games.resource_selection([1, 0.7, 0.3], congestion=np.ones(3), switching_cost=0.05, horizon=6, step=1).at(),
        tmf.games.queueing([0.1, 0.2, 0.3], horizon=6, step=1).at(),
        tmf.games.beach_bar(13, horizon=6, discount=0.95, step=1).at(),
    ]
    places = [kind.n_observations for kind in kinds]
    coupling = np.random.default_rng(3).random((sum(places), sum(places))) / 10
    return tmf.games.typed(kinds, shares=[0.2, 0.3, 0.5], coupling=coupling, rates=[1, 0.7, 1])


def games():
    """Observations of 1, 2 and 4 bytes; tables in registers, in cache and beyond; moving and resting passive agents.

    And every compiled model of tmf.games.
    """
    return {
        "resource selection": tmf.games.resource_selection(np.linspace(1, 0.3, 8), congestion=np.ones(8), switching_cost=0.05, horizon=12, step=1).at(),
        "queueing": tmf.games.queueing([0.1, 0.2, 0.3], horizon=12, step=1).at(),
        "beach bar": tmf.games.beach_bar(37, horizon=6, discount=0.95, step=1).at(),
        "crowd, five actions": tmf.games.crowd_motion((5, 7), horizon=6, step=0.5).at(),
        "linear-quadratic": tmf.games.linear_quadratic(13, horizon=6, step=1).at(),
        "linear-quadratic, rounded": tmf.games.linear_quadratic(37, rounding="nearest position", wrap=True, horizon=6, step=1).at(),
        "routing": tmf.games.braess(horizon=6),
        "affine, S=5": affine(5, 2),
        "affine, S=33": affine(33, 3),
        "affine, sparse": tmf.games.garnet(40, horizon=6, coupling=0.5, step=1).at(),
        "pairwise revision": tmf.games.pairwise_revision(np.random.default_rng(4).normal(size=(9, 9)), intensity=3.0, mutation=0.1, horizon=300, step=1).at(),
        "logit": tmf.games.pairwise_revision(np.random.default_rng(5).normal(size=(5, 5)), rule="logit", horizon=12, step=1).at(),
        "meetings, S=3": meetings(3, False),
        "meetings, S=17": meetings(17, True),
        "types": types(),
        "linear features": tmf.games.linear_features(21, n_actions=3, n_features=5, step=0.5).at(),
        "dense, S=3": dense(3, 2),
        "dense, S=8": dense(8, 4, passive=True),
        "dense, S=13": dense(13, 5),
        "dense, S=64": dense(64, 4),
        "dense, S=130": dense(130, 2, passive=True),
        "dense, S=300": dense(300, 3),
        "sparse, S=50": sparse(50),
        "sparse, S=1000": sparse(1000),
        "sparse, S=70000": sparse(70_000, 2, 2, horizon=2),
    }


def policies(game):
    rng = np.random.default_rng(9)
    yield "tabular", tmf.TabularPolicy(lawful(rng.dirichlet(np.ones(game.n_actions), size=game.n_observations), game))
    if game.n_observations <= 13:
        shape = (2, game.n_observations, game.n_actions, 1 + game.n_observations)
        theta = rng.normal(size=shape)
        if game.legal is not None:
            theta[:, ~game.legal, 0] = -np.inf
        yield "softmax in mu, two stages", tmf.SoftmaxPolicy(theta)


def arrays_of(result):
    """The arrays and numbers of a Simulation, Flow or Evaluation, by name."""
    return [np.asarray(v) for _, v in sorted(vars(result).items()) if isinstance(v, (np.ndarray, float, np.floating))]


def results(every=1):
    """Name and arrays of everything compared; of games and schedules, one pair in so many."""
    for (name, game), (how, schedule) in itertools.islice(itertools.product(games().items(), SCHEDULES.items()), 0, None, every):
        for kind, policy in policies(game):
            title = f"{name}, {kind}, {how}"
            n_agents = 5_003  # two whole tiles, and one that is not
            for engine, decisions in itertools.product(("agents", "counts"), (True, False)):
                if engine == "counts" and game.n_observations > 1000 and how != "sequential":
                    continue
                run = tmf.simulate(
                    game, policy, schedule, n_agents, engine=engine, rng=5, decisions=decisions, threads=1,
                    record_every=5,
                )
                yield f"{title}, {engine}, decisions={decisions}", arrays_of(run)
            flow = tmf.mean_field(game, policy, schedule, n_agents)
            evaluation = tmf.evaluate(game, policy, schedule, n_agents, flow=flow)
            gap = tmf.exploitability(game, policy, schedule, n_agents)
            yield f"{title}, limit", [*arrays_of(flow), *arrays_of(evaluation), np.float64(gap)]
    for game in (dense(8, 4, horizon=90), dense(13, 5, passive=True, horizon=150), dense(65, 2, horizon=30)):
        evaluation = tmf.evaluate(game, tmf.TabularPolicy.uniform(game), tmf.Fraction(0.3))
        yield f"eight steps at once, S={game.n_observations}", [evaluation.flow.mu, evaluation.values, evaluation.q]
    policy = tmf.TabularPolicy.uniform(dense(512, 4))
    many = tmf.simulate(dense(512, 4), policy, tmf.Synchronous(), 400_000, engine="agents", rng=1, threads=1)
    yield "4.8 million draws, of which some tie", arrays_of(many)
    coin = dense(3, 2, passive=True)
    for share in (0.02, 0.3, 0.5, 0.97):  # bits of who acts: of 2 million numbers of 16 bits, 30 are the threshold itself
        drawn = tmf.simulate(coin, tmf.TabularPolicy.uniform(coin), tmf.Fraction(share), 200_003, engine="agents", rng=4)
        yield f"who acts, {share}", arrays_of(drawn)
    small = games()["queueing"]
    single = tmf.simulate(small, tmf.TabularPolicy.uniform(small), tmf.Batch(50), 300, rng=2, trajectories=True)
    yield "trajectories", arrays_of(single.trajectories)
    for size in (8, 9, 40):
        game = lane_cases.resources(size, 5000)
        kernel = lane_cases.as_policy(lane_cases.staged(game), game)
        if lane_cases.lanes.side(game.model, kernel, game.n_steps, 10**9, True, 1) is None:
            continue  # a compiler without vectors (compiler.h)
        arrays, _ = lane_cases.beside(game, lane_cases.staged(game), lane_cases.starts(game, 10**9, 13), 100)
        yield f"side by side, S={size}", arrays
    rare = tmf.games.resource_selection(np.linspace(1, 0.3, 5), congestion=0.5, power=1.5, horizon=20_000, step=1).at()
    ill = tmf.games.infection_by_contact(0.9, recovery=0.3, horizon=20_000, step=1).at().replace(discount=0.9995)
    for game, policy in ((rare, 0.99 * np.eye(5) + 0.002), (ill, tmf.TabularPolicy.uniform(ill))):
        run = tmf.simulate(game, policy, tmf.Sequential(), 5_003, rng=5, record_every=100, decisions=False)
        yield f"steps that change nothing are skipped, S={game.n_observations}", arrays_of(run)
    candidates = [tmf.games.linear_features(21, n_actions=3, candidate=k, step=0.5).at() for k in range(3)]
    policy = tmf.TabularPolicy.uniform(candidates[0])
    views = [View(each, tmf.mean_field(each, policy, tmf.Fraction(0.4)).mu, np.array([0.4])) for each in candidates]
    yield "candidates told apart", [distances(views, all_pairs(3), 1)]
    for critic in ("model", "empirical", "returns"):
        solver = tmf.solvers.TMFPG(critic=critic, replicas=2, iterations=3, tolerance=None)
        solution = solver.solve(small, tmf.Batch(50), 300, rng=2)
        yield f"TMFPG, {critic}", [solution.policy.probabilities(small.initial, 0)]


def digests(every, least_dimension=0):
    return {
        name: hashlib.sha256(b"".join(str(a.shape).encode() + a.tobytes() for a in arrays if a.ndim >= least_dimension)).hexdigest()
        for name, arrays in results(every)
    }


def start(level, *arguments):
    environment = {**os.environ, "TMFCORE_INSTRUCTION_SET": level}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=300)


@cache
def run_at(level, every):
    """(instruction set used, digest by result)."""
    done = start(level, __file__, str(every))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("level", [pytest.param("", id="highest"), *(pytest.param(level, marks=pytest.mark.rest) for level in LEVELS if level != "base")])
def test_same_bits_at_every_level(level):
    """At the highest that this CPU has, of one pair of games and schedules in four; and at each, of all."""
    every = 1 if level else 4
    lowest, expected = run_at("base", every)
    if lowest == "portable":
        pytest.skip("the kernels of this platform are compiled once")
    assert lowest == LEVELS["base"]
    used, found = run_at(level, every)
    if level and used != LEVELS[level]:
        pytest.skip(f"this CPU has {used} at most")
    assert len(expected) > 250 / every
    different = [name for name in expected if found[name] != expected[name]]
    assert not different, f"{level} differs from base in {len(different)} results: {different[:8]}"


def test_only_one_header_asks_the_cpu():
    """All others go by tmf_instruction_level(), which TMFCORE_INSTRUCTION_SET caps: their base bodies are tested too."""
    folder = Path(__file__).resolve().parents[1] / "tmfcore"
    if not folder.is_dir():
        pytest.skip("not in a source tree")
    sources = [path for path in folder.rglob("*") if path.suffix in (".h", ".pyx", ".pxd")]
    assert "cpu.h" in [path.name for path in sources]
    asking = re.compile(r"cpu_supports|cpu_init|cpuid|xgetbv|__AVX|__SSE|target\(")
    assert [path.name for path in sources if asking.search(path.read_text(encoding="utf-8"))] == ["cpu.h"]


def test_unknown_level_is_refused():
    if tmf.build_info()["instruction_set"] == "portable":
        pytest.skip("the kernels of this platform are compiled once")
    done = start("sse9", "-c", "import tmfcore")
    assert done.returncode == 1
    assert "TMFCORE_INSTRUCTION_SET is 'sse9'; must be base, avx2, avx512 or avx512vbmi" in done.stderr


if __name__ == "__main__":
    print(json.dumps([tmf.build_info()["instruction_set"], digests(int(sys.argv[1]), int(sys.argv[2:] == ["arrays"]))]))
