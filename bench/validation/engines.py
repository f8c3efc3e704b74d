"""Both engines against the enumerated chain, and large populations against closed forms.

The laws are those of [tests/twin](https://github.com/tmfcore/tmfcore/tree/main/tests/twin), and of
tests/reference_laws.py, which sums over all outcomes of a step; both are plain Python, and tests hold them to each
other. A long run is cut into pairs of steps: given the counts before, each pair is a fresh draw of who acts, what they
do and where they go, twice in turn. Rewards are compared path by path.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache

import numpy as np

import reference
import tmfcore as tmf
from bench.validation import enumerated
from bench.validation.checks import Finding, check
from bench.validation.significance import dict_findings
from strategies import GameSpec, random_game, random_policy
from tmfcore._model.policies import as_policy
from tmfcore._population import lanes
from twin import agents, chance, counts, moves

ENGINES = ("counts", "agents")
STEPS = 250_000  # of one run, whose arrays are then small


# ----------------------------------------------------------------------------------------- paths from their beginning

N, T, START = 3, 2, (1, 2)


def _share(mu, t):
    return np.array([0.2 + 0.6 * mu[1], 0.9 - 0.3 * t])


def _size(mu, t):
    return int(1 + (mu[0] > 0.5) + t % 2)


def _fraction(mu, t=0):
    return 0.3 + mu[1] / 2


SCHEDULES = {
    "synchronous": (tmf.Synchronous(), moves.synchronous(T, N)),
    "sequential": (tmf.Sequential(), moves.sequential(T, N)),
    "batches of 0 and N": (tmf.Batch(np.array([0, N])), moves.batch([0, N], T)),
    "batches of 1 and N": (tmf.Batch(np.array([1, N])), moves.batch([1, N], T)),
    "batches of N - 1": (tmf.Batch(N - 1), moves.batch(N - 1, T)),
    "batches of mu and t": (tmf.Batch(_size), moves.batch(_size, T)),
    "fraction 1/2": (tmf.Fraction(0.5), moves.fraction(0.5, T, N)),
    "fraction of mu": (tmf.Fraction(lambda mu: _fraction(mu)), moves.fraction(_fraction, T, N)),
    "Bernoulli 0.35": (tmf.Bernoulli(0.35), moves.bernoulli(0.35, T)),
    "Bernoulli 0 and 1": (tmf.Bernoulli([0.0, 1.0]), moves.bernoulli([0.0, 1.0], T)),
    "Bernoulli by observation": (tmf.Bernoulli(np.array([[0.2, 0.7]])), moves.bernoulli(np.array([0.2, 0.7]), T)),
    "Bernoulli of mu and t": (tmf.Bernoulli(_share), moves.bernoulli(_share, T)),
}


@cache
def _twin(schedule):
    """The game, the policy, the law of all paths, and (rewards, return) of each."""
    game = random_game(11, 2, 2, T, 0.8, dependence="mu_t", passive="dense", zeros=False, initial=[1 / 3, 2 / 3])
    policy = random_policy(12, 2, 2, kind="affine", stages=2)
    right, plays, earned = game.reference(), policy.reference(T), {}

    def program(choose):
        run = counts.play(right, plays, SCHEDULES[schedule][1], START, choose)
        path = agents.path(run)
        earned[path] = np.array(run.rewards), run.mean_return
        return path

    return game.build(), policy.build(T), chance.law(program), earned


@check("paths of the twin")
def paths_of_the_twin(draws, seed):
    """All paths of three agents over two steps: counts, decisions, rewards and returns.

    Tables and schedules are functions of mu and t, passive agents move, the policy sees mu and has two stages.
    """
    for (schedule, engine), child in zip(_both(SCHEDULES), seed.spawn(2 * len(SCHEDULES)), strict=True):
        game, policy, law, earned = _twin(schedule)
        size = draws(5e4)
        run = tmf.simulate(
            game, policy, SCHEDULES[schedule][0], N, replicas=size, engine=engine, start=START, rng=child, threads=1
        )
        done = run.decisions.reshape(size, T, -1)
        flat = np.concatenate([run.counts[:, 0], done[:, 0], run.counts[:, 1], done[:, 1], run.counts[:, 2]], axis=1)
        paths, first, often = np.unique(flat, axis=0, return_index=True, return_counts=True)
        keys = [(tuple(p[:2]), tuple(p[2:6]), tuple(p[6:8]), tuple(p[8:12]), tuple(p[12:])) for p in paths.tolist()]
        seen = dict(zip(keys, often.tolist(), strict=True))
        yield from dict_findings(f"{engine}, {schedule}", "all paths", seen, law)
        for place, part in ((1, "decisions at 0"), (3, "decisions at 1"), (4, "counts at 2")):
            yield from dict_findings(f"{engine}, {schedule}", part, _part(seen, place), _part(law, place))
        worst = 0.0
        for key, r in zip(keys, first.tolist(), strict=True):
            if key in earned:
                rewards, value = earned[key]
                worst = max(worst, float(np.abs(run.rewards[r] - rewards).max()), abs(float(run.returns[r]) - value))
        what = f"rewards and returns of {len(keys):,} paths"
        yield Finding(f"{engine}, {schedule}", what, 0, "", None, worst, 1e-12)


def _part(paths, place):
    """Numbers or probabilities of one part of the paths."""
    found = defaultdict(int)
    for path, weight in paths.items():
        found[path[place]] += weight
    return dict(found)


def _both(cases):
    return [(case, engine) for case in cases for engine in ENGINES]


# ------------------------------------------------------------------------------------------------- pairs of steps


def affine(spec: GameSpec) -> tmf.Game:
    """A spec that depends on mu as a compiled game whose rows and rewards are affine in mu."""

    def by_mu(base):
        return None if base is None else np.moveaxis(base[0], 0, -1)

    passive = {}
    if spec.passive_transition is not None:
        size = (spec.n_observations,) * 2
        passive = {"passive_transition0": np.zeros(size), "passive_transition_mu": by_mu(spec.passive_transition)}
    return tmf.games.affine(
        np.zeros(spec.reward.shape[2:]), reward_mu=by_mu(spec.reward), transition0=np.zeros(spec.transition.shape[2:]),
        transition_mu=by_mu(spec.transition), passive_reward_mu=by_mu(spec.passive_reward), successors=spec.successors,
        horizon=spec.horizon, discount=spec.discount, initial=spec.initial, **passive,
    )  # fmt: skip


def _made(seed, size, **options) -> GameSpec:
    return random_game(seed, size, 2, STEPS, 0.9, initial=np.full(size, 1 / size), **options)


def _epidemic():
    """SIS: whoever goes out (action 0) meets somebody, and is infected with probability 0.9 if that one is ill."""

    def tables(mu, t):
        rows = np.zeros((2, 2, 2))
        rows[0, 0] = 1 - 0.9 * mu[1], 0.9 * mu[1]
        rows[0, 1] = 1, 0
        rows[1, :] = 0.4, 0.6
        return np.zeros((2, 2)), rows, np.zeros(2), np.eye(2)

    right = reference.Game(2, 2, STEPS, 1.0, np.array([0.5, 0.5]), tables)
    return tmf.games.infection_by_contact(0.9, recovery=0.4, horizon=STEPS, step=1, initial=[0.5, 0.5]).at(), right


def _resources(size):
    worth, jam = np.linspace(1, 0.5, size), np.full(size, 0.7)
    game = tmf.games.resource_selection(worth, congestion=jam, horizon=STEPS, step=1, initial=np.full(size, 1 / size))
    return game.at(), reference.resource_selection(worth, jam, horizon=STEPS)


@cache
def _game(kind):
    """(game, game of tests/reference.py, policy, its function)."""
    mu_aware = random_policy(3, 2, 2, kind="affine")
    if kind == "resources":
        (game, right), policy = _resources(3), random_policy(5, 3, 3)
    elif kind == "epidemic":
        (game, right), policy = _epidemic(), random_policy(6, 2, 2)
    elif kind == "arrays":
        spec, policy = _made(1, 2, passive="dense", zeros=False), mu_aware
    elif kind == "arrays, passive agents stay":
        spec, policy = _made(2, 3, zeros=False), random_policy(4, 3, 2)
    elif kind == "sparse arrays":
        spec, policy = _made(3, 3, sparse=True, passive="sparse"), random_policy(4, 3, 2, kind="affine")
    else:
        passive = "dense" if kind == "affine, passive agents move" else "identity"
        spec, policy = _made(4, 2, dependence="mu", passive=passive, zeros=False), mu_aware
    if kind not in ("resources", "epidemic"):
        game, right = (affine(spec) if kind.startswith("affine") else spec.build()), spec.reference()
    return game, right, policy.build(1), policy.reference(1)


GAMES = (
    "arrays", "arrays, passive agents stay", "sparse arrays", "affine", "affine, passive agents move", "resources",
    "epidemic",
)  # fmt: skip


def _schedules(n_agents, size):
    """Schedules that do not depend on t, with what the twin calls them."""
    by_observation = np.linspace(0.15, 0.9, size)
    return {
        "B = 1": (tmf.Sequential(), ("batch", 1)),
        "B = 2": (tmf.Batch(2), ("batch", 2)),
        "B = N - 1": (tmf.Batch(n_agents - 1), ("batch", n_agents - 1)),
        "B = N": (tmf.Synchronous(), ("batch", n_agents)),
        "Bernoulli 0.3": (tmf.Bernoulli(0.3), ("coin", 0.3)),
        "Bernoulli by observation": (tmf.Bernoulli(by_observation[None]), ("coin", by_observation)),
    }


@cache
def _chain(kind, schedule, n_agents, steps, decisions):
    game, right, _, plays = _game(kind)
    move = _schedules(n_agents, game.n_observations)[schedule][1]
    return enumerated.Chain(right, plays, move, n_agents, steps, decisions)


def _outcomes(chain, seeds, kind, schedule, n_agents, total, **options):
    """What each interval of long runs did, (M,), `total` steps in all."""
    game, _, policy, _ = _game(kind)
    replicas = options.get("replicas", 1)
    found = []
    for child in seeds:
        run = tmf.simulate(
            game,
            policy,
            _schedules(n_agents, game.n_observations)[schedule][0],
            n_agents,
            rng=child,
            threads=1,
            **options,
        )
        decisions = [None] * replicas if run.decisions is None else run.decisions
        found += [chain.outcomes(c, d) for c, d in zip(run.counts, decisions, strict=True)]
    return np.concatenate(found)[:total]


@check("pairs of steps")
def pairs_of_steps(draws, seed):
    """Long runs of three or four agents: counts and decisions of two steps in turn, given the counts before them."""
    for kind in GAMES:
        n_agents = 4 if _game(kind)[0].n_observations == 2 else 3
        for schedule in _schedules(n_agents, 2):
            for engine in ENGINES:
                total = draws(2.5e6)
                chain = _chain(kind, schedule, n_agents, 1, True)
                seeds = seed.spawn(-(-total // STEPS))
                outcomes = _outcomes(chain, seeds, kind, schedule, n_agents, total, engine=engine)
                what = f"{kind}, {schedule}, {engine}"
                yield from chain.single_findings(what, f"a step, {len(chain.p):,} outcomes", outcomes)
                yield from chain.pair_findings(what, "two steps in turn", outcomes)


@check("pairs of steps without decisions")
def pairs_without_decisions(draws, seed):
    """The same, if decisions are not recorded: rows are then averaged over the policy."""
    for kind in GAMES:
        n_agents = 4 if _game(kind)[0].n_observations == 2 else 3
        for schedule in ("B = 1", "B = 2", "Bernoulli by observation"):
            for engine in ENGINES:
                total = draws(2.5e6)
                chain = _chain(kind, schedule, n_agents, 1, False)
                seeds = seed.spawn(-(-total // STEPS))
                options = {"engine": engine, "decisions": False}
                outcomes = _outcomes(chain, seeds, kind, schedule, n_agents, total, **options)
                what = f"{kind}, {schedule}, {engine}"
                yield from chain.single_findings(what, f"a step, {len(chain.p):,} outcomes", outcomes)
                yield from chain.pair_findings(what, "two steps in turn", outcomes)


@check("replicas side by side")
def replicas_side_by_side(draws, seed):
    """Sixteen replicas in the lanes of one kernel: intervals of two steps with decisions, pairs of steps without."""
    game, _, policy, _ = _game("resources")
    for n_agents, schedule, batch in ((4, "B = 1", 1), (4, "B = 2", 2), (5, "B = 2", 2)):
        for decisions in (True, False):
            if lanes.side(game.model, as_policy(policy, game), STEPS, n_agents, decisions, batch) is None:
                raise RuntimeError(f"replicas with {schedule} of {n_agents} are not played side by side any more")
            total, steps = draws(8e6), 2 if decisions else 1
            chain = _chain("resources", schedule, n_agents, steps, decisions)
            options = {"replicas": 16, "engine": "counts", "decisions": decisions, "record_every": steps}
            seeds = seed.spawn(-(-total * steps // (16 * STEPS)))
            outcomes = _outcomes(chain, seeds, "resources", schedule, n_agents, total, **options)
            what = f"N = {n_agents}, {schedule}"
            if decisions:
                what += ", with decisions"
                yield from chain.single_findings(what, f"two steps, {len(chain.p):,} outcomes", outcomes)
            else:
                what += ", without decisions"
                yield from chain.single_findings(what, f"a step, {len(chain.p):,} outcomes", outcomes)
                yield from chain.pair_findings(what, "two steps in turn", outcomes)
