"""What is wrong with a game, before it is run.

check_game(game) -> GameReport      everything that is found, as errors and remarks
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.functions import SMALLER_GAME, fits_memory, takes_rng
from tmfcore._base.records import Record
from tmfcore._base.validation import FloatArray
from tmfcore._limit.mean_field import mean_field
from tmfcore._model import promises as _promises
from tmfcore._model.game import Game
from tmfcore._model.policies import TabularPolicy
from tmfcore._model.promises import ROUNDING
from tmfcore._model.schedules import Fraction
from tmfcore._population.simulate import simulate
from tmfcore._random import seeding
from tmfcore.analysis._tables import Declared
from tmfcore.games._routing import Routing

__all__ = ["Finding", "GameReport", "check_game"]

TABLES = ("reward", "transition", "passive_reward", "passive_transition")
LARGE = 1e6  # rewards beyond it drown others in rounding, and step lengths of solvers are not made for them
JUMP = 1e-3  # of a table's range along a line: what changes by more over SHORT of the line is no smooth function
SHORT = 2.0**-30
ROWS_TRIED = 64  # rows asked for one by one, for each distribution
STEPS_TRIED = 5
AGENTS = 10_000  # of the populations held against the mean field, with REPLICAS of them
REPLICAS = 4
STEPS_PLAYED = 50
LONGEST = 2_000_000  # cells of the kernel, beyond which no population is played


@dataclass(frozen=True)
class Finding(Record):
    """One thing found.

    Parameters
    ----------
    kind : {"error", "remark"}
        An error will make a run fail or be wrong; a remark is what an author should know and may want.
    code : str
        What was looked at: "raises", "rows", "repeatable", "by_row", "promise", "declared", "ranges", "smooth", "mu",
        "time", "passive", "reach", "labels", "steps", "limit".
    text : str
        What was found, with index and value.
    """

    kind: str
    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind} ({self.code}): {self.text}"


@dataclass(frozen=True)
class GameReport(Record):
    """What check_game found.

    Parameters
    ----------
    findings : tuple of Finding
        Errors first.
    depends_on_mu, depends_on_time : tuple of str
        The tables of the game that were seen to change with the population distribution, and with the step.
    trials : int
        Distributions tried.
    game : str
        The game as it prints.
    """

    findings: tuple[Finding, ...]
    depends_on_mu: tuple[str, ...] = ()
    depends_on_time: tuple[str, ...] = ()
    trials: int = 0
    game: str = field(default="", compare=False)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that are errors."""
        return tuple(finding for finding in self.findings if finding.kind == "error")

    @property
    def remarks(self) -> tuple[Finding, ...]:
        """The findings that are remarks."""
        return tuple(finding for finding in self.findings if finding.kind == "remark")

    @property
    def ok(self) -> bool:
        """Whether there are no errors."""
        return not self.errors

    def raise_errors(self) -> None:
        """Raise ValueError with all errors, if there are any."""
        if self.errors:
            raise ValueError(f"{self.game}: " + "; ".join(str(finding) for finding in self.errors))

    def __str__(self) -> str:
        head = f"{self.game}: {len(self.errors)} errors and {len(self.remarks)} remarks in {self.trials} trials"
        changing = (
            f"changing with mu: {', '.join(self.depends_on_mu) or 'nothing'}; "
            f"with time: {', '.join(self.depends_on_time) or 'nothing'}"
        )
        return "\n".join([head, changing, *map(str, self.findings)])


@takes_rng
@fits_memory(f"trials must be fewer, or {SMALLER_GAME}")
def check_game(game: Game, *, trials: int = 20, rng: seeding.RNG = None, play: bool = True) -> GameReport:
    """Ask a game for its tables at many distributions and steps, and report all that is wrong or odd.

    Parameters
    ----------
    game : Game
    trials : int, optional
        Distributions drawn, besides the start, the uniform one and those with everybody at one place: Dirichlet, some
        with empty places.
    rng : int, Generator, SeedSequence or None, optional
        Seed of the distributions and of the populations.
    play : bool, optional
        Also hold populations of 10,000 agents, half of whom act at a step, against the mean field, over up to 50 steps.

    Returns
    -------
    GameReport
        Its `findings`; nothing is raised for them (`raise_errors()` does that).

    Raises
    ------
    TypeError, ValueError
        game is no Game; bad trials or rng.

    Notes
    -----
    Looked at: whether the game raises, or returns what is no distribution or not finite, anywhere; whether it gives the
    same twice; whether single rows equal the tables; whether promises of a compiled game hold, and what a model
    declares for proofs; ranges; jumps of a table along lines between distributions, by bisection; dependence on mu and
    on time; passive agents; observations that nobody can reach; labels; and populations beside their limit. What was
    not met was not found:
    more trials see more. Cost: O((trials + S) S A K) and the simulations.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> print(tmf.testing.check_game(tmf.games.queueing((0.5, 0.4)), rng=1))
    Game('queueing', S=3, A=3, T=20, discount=0.95): 0 errors and 0 remarks in 25 trials
    changing with mu: reward, transition, passive_reward, passive_transition; with time: nothing
    """
    check.as_instance(game, "game", Game)
    trials = check.as_positive_int(trials, "trials")
    play = check.as_bool(play, "play")
    drawn, agents = seeding.generators(rng, 2)
    probe = _Probe(game, _distributions(game, trials, drawn), _steps(game, drawn), drawn)
    findings: list[Finding] = []
    if probe.failures:
        findings += probe.failures
    for look in (_repeatable, _by_row, _promised, _declared):
        findings += _guarded(look, probe)
    errors = bool(findings)
    for look in (_ranges, _smooth, _dependence, _passive, _reach, _labels, _divided):
        findings += _guarded(look, probe)
    if play and not errors and game.n_observations**2 * game.n_actions <= LONGEST:
        findings += _limit(game, agents)
    findings.sort(key=lambda finding: finding.kind != "error")
    return GameReport(
        tuple(findings),
        tuple(TABLES[i] for i in range(4) if probe.changes_with_mu(i)),
        tuple(TABLES[i] for i in range(4) if probe.changes_with_time(i)),
        len(probe.mus),
        repr(game),
    )


# ------------------------------------------------------------------------------------------------ where to look

Tables = tuple[FloatArray, FloatArray, FloatArray, FloatArray]


def _distributions(game: Game, trials: int, rng: np.random.Generator) -> list[FloatArray]:
    """The start, uniform, everybody at one place (up to `trials` places), and `trials` drawn ones; sums are 1."""
    n = game.n_observations
    places = range(n) if n <= trials else rng.choice(n, trials, replace=False)
    mus = [game.initial, np.full(n, 1.0 / n), *(np.eye(1, n, int(o))[0] for o in places)]
    for i in range(trials):
        weights = rng.dirichlet(np.full(n, (1.0, 0.2, 20.0)[i % 3]))
        if i % 4 == 3:
            weights[rng.random(n) < 0.5] = 0.0
        total = weights.sum()
        mus.append(weights / total if np.isfinite(total) and total > 0 else np.full(n, 1.0 / n))
    return mus


def _steps(game: Game, rng: np.random.Generator) -> list[int]:
    """0, T - 1, and some in between, in order."""
    drawn = rng.integers(game.horizon, size=STEPS_TRIED - 2)
    return sorted({0, game.horizon - 1, *(int(t) for t in drawn)})


class _Probe:
    """A game's tables at every distribution and step tried; what it raises becomes a finding, once a kind."""

    def __init__(
        self, game: Game, mus: list[FloatArray], steps: list[int], rng: np.random.Generator
    ) -> None:
        self.game, self.mus, self.steps, self.rng = game, mus, steps, rng
        self.tables: dict[tuple[int, int], Tables] = {}
        self.failures: list[Finding] = []
        counted: dict[str, list[str]] = {}
        asked = 0
        for i in range(len(mus)):
            for t in steps if i < 3 else sorted({steps[0], steps[i % len(steps)]}):
                asked += 1
                try:
                    self.tables[i, t] = self.ask(mus[i], t)
                except _FailedError as error:
                    code, said = error.args
                    counted.setdefault(code, []).append(f"at t={t} and mu = {_short(mus[i])}: {said}")
        for code, texts in counted.items():
            self.failures.append(Finding("error", code, f"{texts[0]} ({len(texts)} of {asked} trials)"))

    def ask(self, mu: FloatArray, t: int) -> Tables:
        """The four tables at (mu, t), or a _FailedError."""
        tables: Tables = _asked(self.game.model.tables, mu, t)
        return tables

    def at_first_step(self) -> list[int]:
        """Indices of distributions whose tables at step 0 are known."""
        return [i for i in range(len(self.mus)) if (i, self.steps[0]) in self.tables]

    def changes_with_mu(self, i: int) -> bool:
        """Whether table i was seen to differ between two distributions at one step."""
        for t in self.steps:
            seen = [tables[i] for (_, s), tables in self.tables.items() if s == t]
            if any(not _equal(seen[0], other) for other in seen[1:]):
                return True
        return False

    def changes_with_time(self, i: int) -> bool:
        """Whether table i was seen to differ between two steps at one distribution."""
        for k in range(min(3, len(self.mus))):
            seen = [self.tables[k, t][i] for t in self.steps if (k, t) in self.tables]
            if any(not _equal(seen[0], other) for other in seen[1:]):
                return True
        return False


def _equal(x: FloatArray, y: FloatArray) -> bool:
    scale = max(float(np.abs(x).max()), float(np.abs(y).max()))
    return float(np.abs(x - y).max()) <= 1e-13 * scale


def _short(mu: FloatArray) -> str:
    """A distribution as an error can show it."""
    most = np.argsort(-mu, kind="stable")[:3]
    if len(mu) <= 4:
        return "[" + ", ".join(f"{p:.4g}" for p in mu) + "]"
    return "mostly " + ", ".join(f"{mu[o]:.4g} at {o}" for o in most if mu[o] > 0)


class _FailedError(Exception):
    """The game raised; args are the code of the finding and what it said."""


def _asked(call: Callable[..., Any], *arguments: Any) -> Any:
    """What the game answers; what it raises as a _FailedError, so that it is told from mistakes of this module."""
    try:
        return call(*arguments)
    except ValueError as error:
        raise _FailedError("promise" if " is promised, but " in str(error) else "rows", str(error)) from error
    except Exception as error:
        raise _FailedError("raises", f"{type(error).__name__}: {error}") from error


def _guarded(look: Callable[[_Probe], Iterator[Finding]], probe: _Probe) -> list[Finding]:
    """What one look finds; a game that raises meanwhile is found, too, unless that is known already."""
    found: list[Finding] = []
    try:
        for finding in look(probe):
            found.append(finding)
    except _FailedError as error:
        if not probe.failures:
            probe.failures.append(Finding("error", *error.args))
            found.append(probe.failures[-1])
    return found


# ------------------------------------------------------------------------------------------------- what to look at


def _repeatable(probe: _Probe) -> Iterator[Finding]:
    """The same mu and t must give the same, to the last bit."""
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
                    f"t={t}; a game must give the same twice, draw nothing and keep no state",
                )
                return


def _by_row(probe: _Probe) -> Iterator[Finding]:
    """A row asked for alone must be the row of the tables, up to rounding."""
    model = probe.game.model
    for i in probe.at_first_step()[:4]:
        t = probe.steps[0]
        tables = probe.tables[i, t]
        for _ in range(ROWS_TRIED):
            o = int(probe.rng.integers(model.n_observations))
            a = int(probe.rng.integers(-1, model.n_actions))
            row, reward = _asked(model.row, probe.mus[i], t, o, a)
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


def _promised(probe: _Probe) -> Iterator[Finding]:
    """Flags of the model, by which kernels leave out calls."""
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


def _declared(probe: _Probe) -> Iterator[Finding]:
    """Flags of the model from which analysis proves: they are held against every table known."""
    said, n = Declared.by(probe.game), probe.game.n_observations
    if said.affine and n**3 * probe.game.n_actions <= LONGEST:
        corners = [probe.ask(corner, probe.steps[0]) for corner in np.eye(n)]
        for (i, t), tables in probe.tables.items():
            for k in range(4):
                mixed = np.tensordot(probe.mus[i], np.stack([corner[k] for corner in corners]), axes=1)
                scale = max(1.0, *(float(np.abs(corner[k]).max()) for corner in corners))
                if np.abs(tables[k] - mixed).max() > ROUNDING * scale:
                    yield _broken("affine", k, t, probe.mus[i], "the mixture of what it is at the corners")
                    return
    for (i, t), tables in probe.tables.items():
        first = probe.tables.get((0, t))
        if first is None:
            continue
        for k in (0, 2):
            if said.constant_reward and not _equal(tables[k], first[k]):
                yield _broken("constant_reward", k, t, probe.mus[i], "what it is at the start's population")
                return
        if said.falling_reward:
            added, before = tables[0] - tables[2][:, np.newaxis], first[0] - first[2][:, np.newaxis]
            scale = max(1.0, *(float(np.abs(table).max()) for table in (tables[0], first[0], tables[2], first[2])))
            rises = (tables[2] - first[2]) * np.sign(probe.mus[i] - probe.mus[0])
            if np.abs(added - before).max() > ROUNDING * scale or rises.max() > ROUNDING * scale:
                yield _broken("falling_reward", 2, t, probe.mus[i], "falling in the share of the own place alone")
                return


def _broken(flag: str, k: int, t: int, mu: FloatArray, wanted: str) -> Finding:
    text = f"{flag} is declared, but {TABLES[k]} at t={t} and mu = {_short(mu)} is not {wanted}"
    return Finding("error", "declared", text)


def _ranges(probe: _Probe) -> Iterator[Finding]:
    """Rewards so large that rounding eats the others."""
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
                f"{_short(probe.mus[when[0]])}; beyond {LARGE:g} rounding and step lengths suffer",
            )


def _smooth(probe: _Probe) -> Iterator[Finding]:
    """Jumps in mu: on lines between distributions, bisect towards where a table changes most."""
    known = probe.at_first_step()
    t = probe.steps[0]
    found: set[int] = set()
    lines = [(known[j], known[(j * 7 + 1) % len(known)]) for j in range(len(known))] if len(known) > 1 else []
    for i, j in lines:
        if i == j:
            continue
        for k in range(4):
            if k in found or _equal(probe.tables[i, t][k], probe.tables[j, t][k]):
                continue
            jump = _jump(probe, probe.mus[i], probe.mus[j], t, k)
            if jump is not None:
                found.add(k)
                yield Finding("remark", "smooth", jump)


def _jump(probe: _Probe, start: FloatArray, end: FloatArray, t: int, k: int) -> str | None:
    """Where table k jumps between two distributions, in words, or None."""

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
        f"{_short((1 - low) * start + low * end)}, t={t}; mean-field limits and solvers need a continuous game"
    )


def _dependence(probe: _Probe) -> Iterator[Finding]:
    if len(probe.tables) > 1 and not any(probe.changes_with_mu(i) for i in range(4)):
        yield Finding("remark", "mu", "nothing depends on mu: agents do not meet, and a single one is the whole game")
    if any(probe.changes_with_time(i) for i in range(4)):
        which = ", ".join(TABLES[i] for i in range(4) if probe.changes_with_time(i))
        yield Finding("remark", "time", f"{which} change with the step; a stationary solver does not apply")


def _passive(probe: _Probe) -> Iterator[Finding]:
    """Passive agents who earn nothing while the others do: often forgotten."""
    tables = list(probe.tables.values())
    if not tables:
        return
    if all((one[2] == 0).all() for one in tables) and any((one[0] != 0).any() for one in tables):
        yield Finding(
            "remark", "passive", "passive_reward is 0 everywhere: who does not act earns nothing, and waiting is free"
        )


def _reach(probe: _Probe) -> Iterator[Finding]:
    """Observations that are neither in the start nor at the end of any row."""
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
            f"nobody starts at or moves to observation {missed[0]} ({len(missed)} of {n} are never reached)",
        )


def _labels(probe: _Probe) -> Iterator[Finding]:
    """Numbers where words would do: plots and tables show them."""
    game = probe.game
    plain = [
        name
        for name, labels in (("observation", game.observation_labels), ("action", game.action_labels))
        if labels == tuple(map(str, range(len(labels)))) and 1 < len(labels) <= 20
    ]
    if plain and not game.name:
        yield Finding("remark", "labels", f"no name and no {' or '.join(plain)} labels: plots will show numbers")


def _divided(probe: _Probe) -> Iterator[Finding]:
    """Routing that divides vehicles between two numbers of steps."""
    model = probe.game.model
    if isinstance(model, Routing) and model.linear:
        yield Finding(
            "remark",
            "steps",
            "rounding='linear' divides vehicles that leave together, and the first of them meet only each other on the "
            "next link: where travel times are no whole numbers of steps, they do not converge as time_step falls; "
            "those of rounding='down' do",
        )


def _limit(game: Game, rng: np.random.Generator) -> Iterator[Finding]:
    """Populations of AGENTS beside the mean field, everybody acting at random, half of them at a step."""
    policy, schedule = TabularPolicy.uniform(game), Fraction(0.5)
    every = max(1, game.horizon // STEPS_PLAYED)
    try:
        flow = mean_field(game, policy, schedule, AGENTS, record_every=every)
        run = simulate(
            game, policy, schedule, AGENTS, replicas=REPLICAS, rng=rng, record_every=every, decisions=False, threads=1
        )
    except Exception as error:
        yield Finding("error", "limit", f"a run of the mean field or of {AGENTS} agents ended with: {error}")
        return
    # The l1 distance of a sampled histogram from its law is below sqrt(S / N); what a step adds may grow a little.
    distance = np.abs(run.mu.mean(0) - flow.mu).sum(-1)
    bound = 10 * np.sqrt(game.n_observations / AGENTS)
    if distance.max() > bound:
        j = int(np.argmax(distance > bound))
        yield Finding(
            "remark",
            "limit",
            f"{AGENTS} agents are {distance[j]:.3g} away (l1) from their mean field at step {flow.steps[j]}, expected "
            f"at most {bound:.3g}: the game jumps, or small differences grow",
        )
