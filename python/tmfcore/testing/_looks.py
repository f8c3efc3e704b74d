"""The checks of check_game: each is a generator of findings about one kind of mistake."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from tmfcore._base.validation import FloatArray
from tmfcore._limit.mean_field import mean_field
from tmfcore._model import promises as _promises
from tmfcore._model.game import Game
from tmfcore._model.policies import TabularPolicy
from tmfcore._model.promises import ROUNDING
from tmfcore._model.schedules import Fraction
from tmfcore._population.simulate import simulate
from tmfcore.analysis._corners import Declared
from tmfcore.games._routing import Routing
from tmfcore.testing._probe import TABLES, Probe, asked, equal, short
from tmfcore.testing._report import Finding

LARGE = 1e6  # larger rewards cause rounding errors in others, and solvers' default step sizes do not fit them
JUMP = 1e-3  # a table that changes by more than this share of its range within SHORT of a line has a jump
SHORT = 2.0**-30
ROWS_TRIED = 64  # rows computed one by one, for each distribution
AGENTS = 10_000  # agents of each population that is compared with the mean field
REPLICAS = 4  # number of these populations
STEPS_PLAYED = 50
LONGEST = 2_000_000  # largest kernel, in entries, for which all corners are computed


def repeatable(probe: Probe) -> Iterator[Finding]:
    """The same mu and t must give exactly the same tables."""
    for (i, t), tables in probe.tables.items():
        again = probe.ask(probe.mus[i], t)
        for k in range(4):
            bad = np.argwhere(tables[k] != again[k])
            if len(bad):
                at = tuple(int(j) for j in bad[0])
                yield Finding(
                    "error",
                    "repeatable",
                    f"{TABLES[k]}{list(at)} is {tables[k][at]:.12g} and then {again[k][at]:.12g} at the same mu and "
                    f"t={t}; a game must be deterministic: no random draws, no state",
                )
                return


def by_row(probe: Probe) -> Iterator[Finding]:
    """A row computed alone must equal the row of the tables, up to rounding."""
    model = probe.game.model
    for i in probe.at_first_step()[:4]:
        t = probe.steps[0]
        tables = probe.tables[i, t]
        for _ in range(ROWS_TRIED):
            o = int(probe.rng.integers(model.n_observations))
            a = int(probe.rng.integers(-1, model.n_actions))
            row, reward = asked(model.row, probe.mus[i], t, o, a)
            wanted = (tables[3][o], tables[2][o]) if a < 0 else (tables[1][o, a], tables[0][o, a])
            scale = max(1.0, float(np.abs(tables[0]).max()), float(np.abs(tables[2]).max()))
            if np.abs(row - wanted[0]).max() > ROUNDING or abs(reward - wanted[1]) > ROUNDING * scale:
                who = "passive" if a < 0 else f"action {a}"
                yield Finding(
                    "error",
                    "by_row",
                    f"the row of observation {o}, {who} is {row} with reward {reward:.6g} alone, and {wanted[0]} with "
                    f"{wanted[1]:.6g} in the tables, at t={t}",
                )
                return


def promised(probe: Probe) -> Iterator[Finding]:
    """Flags of the model that let kernels skip calls must be true."""
    model = probe.game.model
    promises = [name for name in _promises.NAMES if getattr(model, name)]
    mus = [probe.mus[i] for i in probe.at_first_step()]
    if promises and mus:
        broken = _promises.broken(probe.ask, promises, mus, probe.steps)
        if broken:
            yield Finding("error", "promise", broken)
    if model.passive_identity:
        for (_, t), tables in probe.tables.items():
            n = model.n_observations
            target = np.arange(n) if model.passive_successors is None else model.passive_successors
            away = np.where(target == np.arange(n)[:, np.newaxis], 0.0, tables[3]).sum(-1)
            if away.max() > ROUNDING:
                o = int(away.argmax())
                yield Finding(
                    "error",
                    "promise",
                    f"passive_identity is set, but a passive agent leaves observation {o} with probability "
                    f"{away[o]:.6g} at t={t}",
                )
                return


def declared(probe: Probe) -> Iterator[Finding]:
    """Flags of the model that analysis uses in proofs must be true for every table computed."""
    said, n = Declared.by(probe.game), probe.game.n_observations
    if said.affine and n**3 * probe.game.n_actions <= LONGEST:
        corners = [probe.ask(corner, probe.steps[0]) for corner in np.eye(n)]
        for (i, t), tables in probe.tables.items():
            for k in range(4):
                mixed = np.tensordot(probe.mus[i], np.stack([corner[k] for corner in corners]), axes=1)
                scale = max(1.0, *(float(np.abs(corner[k]).max()) for corner in corners))
                if np.abs(tables[k] - mixed).max() > ROUNDING * scale:
                    yield _broken("affine", k, t, probe.mus[i], "the mixture of its values at the corners")
                    return
    for (i, t), tables in probe.tables.items():
        first = probe.tables.get((0, t))
        if first is None:
            continue
        for k in (0, 2):
            if said.constant_reward and not equal(tables[k], first[k]):
                yield _broken("constant_reward", k, t, probe.mus[i], "equal to that at the initial population")
                return
        if said.falling_reward:
            added, before = tables[0] - tables[2][:, np.newaxis], first[0] - first[2][:, np.newaxis]
            scale = max(1.0, *(float(np.abs(table).max()) for table in (tables[0], first[0], tables[2], first[2])))
            rises = (tables[2] - first[2]) * np.sign(probe.mus[i] - probe.mus[0])
            if np.abs(added - before).max() > ROUNDING * scale or rises.max() > ROUNDING * scale:
                yield _broken("falling_reward", 2, t, probe.mus[i], "decreasing in its own observation's share only")
                return


def _broken(flag: str, k: int, t: int, mu: FloatArray, wanted: str) -> Finding:
    text = f"{flag} is declared, but {TABLES[k]} at t={t} and mu = {short(mu)} is not {wanted}"
    return Finding("error", "declared", text)


def ranges(probe: Probe) -> Iterator[Finding]:
    """Rewards so large that others are lost in rounding."""
    for k in (0, 2):
        worst, when = 0.0, (0, 0)
        at: tuple[int, ...] = ()
        for where, tables in probe.tables.items():
            size = float(np.abs(tables[k]).max())
            if size > worst:
                index = np.unravel_index(int(np.abs(tables[k]).argmax()), tables[k].shape)
                worst, at, when = size, tuple(int(j) for j in index), where
        if worst > LARGE:
            yield Finding(
                "remark",
                "ranges",
                f"{TABLES[k]}{list(at)} is {probe.tables[when][k][at]:.4g} at t={when[1]} and mu = "
                f"{short(probe.mus[when[0]])}; beyond {LARGE:g} rounding errors grow and step sizes of solvers fail",
            )


def smooth(probe: Probe) -> Iterator[Finding]:
    """Jumps in mu: on lines between distributions, bisect towards the largest change of a table."""
    known = probe.at_first_step()
    t = probe.steps[0]
    found: set[int] = set()
    lines = [(known[j], known[(j * 7 + 1) % len(known)]) for j in range(len(known))] if len(known) > 1 else []
    for i, j in lines:
        if i == j:
            continue
        for k in range(4):
            if k in found or equal(probe.tables[i, t][k], probe.tables[j, t][k]):
                continue
            jump = _jump(probe, probe.mus[i], probe.mus[j], t, k)
            if jump is not None:
                found.add(k)
                yield Finding("remark", "smooth", jump)


def _jump(probe: Probe, start: FloatArray, end: FloatArray, t: int, k: int) -> str | None:
    """A text about a jump of table k between two distributions, or None."""

    def table(s: float) -> FloatArray:
        return probe.ask((1 - s) * start + s * end, t)[k]

    cuts = np.linspace(0.0, 1.0, 9)
    seen = [table(float(s)) for s in cuts]
    steps = [float(np.abs(b - a).max()) for a, b in pairwise(seen)]
    whole = max(float(np.ptp(np.stack(seen), axis=0).max()), 1e-300)
    m = int(np.argmax(steps))
    low, high, below, above = float(cuts[m]), float(cuts[m + 1]), seen[m], seen[m + 1]
    while high - low > SHORT:
        middle = 0.5 * (low + high)
        between = table(middle)
        if np.abs(between - below).max() >= np.abs(above - between).max():
            high, above = middle, between
        else:
            low, below = middle, between
        if np.abs(above - below).max() <= JUMP * whole:
            return None
    change = np.abs(above - below)
    at = tuple(int(j) for j in np.unravel_index(int(change.argmax()), change.shape))
    return (
        f"{TABLES[k]}{list(at)} jumps from {below[at]:.6g} to {above[at]:.6g} near mu = "
        f"{short((1 - low) * start + low * end)}, t={t}; mean-field limits and solvers need a continuous game"
    )


def dependence(probe: Probe) -> Iterator[Finding]:
    if len(probe.tables) > 1 and not any(probe.changes_with_mu(i) for i in range(4)):
        yield Finding("remark", "mu", "nothing depends on mu: agents do not interact, this is a single-agent problem")
    if any(probe.changes_with_time(i) for i in range(4)):
        which = ", ".join(TABLES[i] for i in range(4) if probe.changes_with_time(i))
        yield Finding("remark", "time", f"{which} change with the step; stationary solvers do not apply")


def passive(probe: Probe) -> Iterator[Finding]:
    """Passive agents that earn nothing although acting ones do: often a passive reward was forgotten."""
    tables = list(probe.tables.values())
    if not tables:
        return
    if all((one[2] == 0).all() for one in tables) and any((one[0] != 0).any() for one in tables):
        yield Finding(
            "remark", "passive", "passive_reward is 0 everywhere: agents that do not act earn nothing and pay nothing"
        )


def reach(probe: Probe) -> Iterator[Finding]:
    """Observations that are neither in the initial distribution nor reached from another observation."""
    model = probe.game.model
    n = model.n_observations
    reached = probe.game.initial > 0
    for tables in probe.tables.values():
        for rows, successors in ((tables[1], model.successors), (tables[3], model.passive_successors)):
            origin = np.arange(n).reshape((n,) + (1,) * (rows.ndim - 1))
            into = np.broadcast_to(np.arange(n) if successors is None else successors, rows.shape)
            reached[into[(rows > 0) & (into != origin)]] = True
    missed = np.flatnonzero(~reached)
    if len(missed) and probe.tables:
        yield Finding(
            "remark",
            "reach",
            f"no agent starts at or moves to observation {missed[0]} ({len(missed)} of {n} are never reached)",
        )


def labels(probe: Probe) -> Iterator[Finding]:
    """Missing labels: plots and tables will show numbers."""
    game = probe.game
    plain = [
        name
        for name, labels in (("observation", game.observation_labels), ("action", game.action_labels))
        if labels == tuple(map(str, range(len(labels)))) and 1 < len(labels) <= 20
    ]
    if plain and not game.name:
        yield Finding("remark", "labels", f"no name and no {' or '.join(plain)} labels: plots will show numbers")


def divided(probe: Probe) -> Iterator[Finding]:
    """Routing with rounding="linear", whose results need not converge as step falls."""
    model = probe.game.model
    if isinstance(model, Routing) and model.linear:
        yield Finding(
            "remark",
            "steps",
            "rounding='linear' splits vehicles that leave together over two steps, and the first of them meet only "
            "each other on the next link: if travel times are not whole numbers of steps, they do not converge as step "
            "falls; with rounding='down' they do",
        )


def limit(game: Game, rng: np.random.Generator) -> Iterator[Finding]:
    """Populations of AGENTS must stay near the mean field; uniform policy, half of the agents act at a step."""
    policy, schedule = TabularPolicy.uniform(game), Fraction(0.5)
    every = max(1, game.n_steps // STEPS_PLAYED)
    try:
        flow = mean_field(game, policy, schedule, AGENTS, record_every=every)
        run = simulate(
            game, policy, schedule, AGENTS, replicas=REPLICAS, rng=rng, record_every=every, decisions=False, threads=1
        )
    except Exception as error:
        yield Finding("error", "limit", f"a run of the mean field or of {AGENTS} agents ended with: {error}")
        return
    # The l1 distance of a drawn histogram from its law is below sqrt(S / N); it may grow over time.
    distance = np.abs(run.mu.mean(0) - flow.mu).sum(-1)
    bound = 10 * np.sqrt(game.n_observations / AGENTS)
    if distance.max() > bound:
        j = int(np.argmax(distance > bound))
        yield Finding(
            "remark",
            "limit",
            f"{AGENTS} agents are {distance[j]:.3g} away (l1) from their mean field at step {flow.steps[j]}, expected "
            f"at most {bound:.3g}: the game is discontinuous in mu, or small differences grow",
        )
