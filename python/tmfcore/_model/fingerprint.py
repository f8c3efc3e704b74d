"""Fingerprints: the game, schedule, N and policy of a result, so that results of different games are not combined.

    Fingerprint.of(game, schedule, n_agents, clock)     part of a result; computed when it is first compared
    same("run", run.fingerprint, other, PARTS)          raises a ValueError that names both if they differ

A game in sweeps has the same fingerprint under every schedule; the length of its steps belongs to the schedule.
A game is identified by a digest, 16 hexadecimal digits of blake2b, equal in every process; the same object needs none.
The digest of a game of constant arrays covers every bit. That of any other game covers name, sizes, horizon, discount,
step, initial, the path of noise, and the tables at up to 20 pairs (mu, t), to 2**-32 of each number, since the last
bits of exp and log differ between processors. Two such games that agree at all these points have the same digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tmfcore._base.validation import FloatArray
from tmfcore._model.activation import ActingShares
from tmfcore._model.noise import NoiseChain
from tmfcore._model.policy import Policy, TablePolicy
from tmfcore._results.packing import known

if TYPE_CHECKING:
    from tmfcore._model.game import Game
    from tmfcore._model.schedules import Active, Schedule

__all__ = ["LIMIT", "PARTS", "Fingerprint", "differences", "differing", "digest_of", "same"]

PARTS = ("game", "schedule", "n_agents")  # must agree for two results of one finite system
LIMIT = ("game", "fractions")  # for two results in the limit, where only the active fractions of a schedule matter
NAMES = {
    "game": "game", "dynamics": "game", "schedule": "schedule", "fractions": "active fraction",
    "activation": "schedule", "n_agents": "N", "clock": "clock", "policy": "policy", "start": "start",
}  # fmt: skip
OF_SCHEDULE = ("schedule", "fractions", "activation")
DIGESTS = ("game", "dynamics", "schedule", "fractions", "activation", "rule", "policy")

MOST_CELLS = 50_000  # most entries of tables that a digest evaluates, if PAIRS allows
TRIED = 2.0**-10  # length in sweeps of the step at which the digest of a game in sweeps is taken
PAIRS = 5, 20  # least and most pairs (mu, t)
BLOCK = 1 << 13  # number of entries that are rounded together
HALF = 1 << 19  # half of the last bit kept, the 32nd of 52; a carry into the exponent is correct
NOISE = 2.0**-48  # entries smaller than this share of a table's largest entry count as 0


@known
class Fingerprint:
    """The game, schedule, N, clock and policy that a result was computed from.

    It holds the game, schedule and policy themselves; when pickled or saved, their digests replace them.

    Attributes
    ----------
    name : str
        Name of the game.
    label : str
        Label of the schedule; empty if there is none.
    n_agents : int or None
    clock : str
        "schedule", "always", or empty if no values were computed.
    start : str
        "rounded", "sampled", "given", or empty if there are no agents.
    """

    __slots__ = ("_digests", "_game", "_policy", "_schedule", "clock", "label", "n_agents", "name", "start")

    name: str
    label: str
    n_agents: int | None
    clock: str
    start: str

    def __init__(
        self, name: str, label: str, n_agents: int | None, clock: str, start: str,
        digests: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.name, self.label, self.n_agents, self.clock, self.start = name, label, n_agents, clock, start
        self._game: Game | None = None
        self._schedule: Schedule | None = None
        self._policy: Policy | None = None
        self._digests = dict(digests or {})

    @classmethod
    def of(
        cls, game: Game, schedule: Schedule | None = None, n_agents: int | None = None, clock: str = "",
        policy: Policy | None = None, start: str = "",
    ) -> Fingerprint:  # fmt: skip
        """The fingerprint of a result computed from these arguments, which the caller has checked."""
        made = cls.__new__(cls)
        made.name, made.label = game.name, "" if schedule is None else schedule.label
        made.n_agents, made.clock, made.start = None if n_agents is None else int(n_agents), clock, start
        made._game, made._schedule, made._policy, made._digests = game, schedule, policy, {}
        return made

    def on(self, clock: str) -> Fingerprint:
        """The same with another clock."""
        made = Fingerprint(self.name, self.label, self.n_agents, clock, self.start, self._digests)
        made._game, made._schedule, made._policy = self._game, self._schedule, self._policy
        return made

    @property
    def game(self) -> str:
        """Digest of the game, 16 hexadecimal digits."""
        return self._digest("game")

    @property
    def schedule(self) -> str:
        """Digest of the batch sizes or probabilities of every step; without N, of the active fractions."""
        return self._digest("schedule")

    @property
    def fractions(self) -> str:
        """Digest of the active fraction of every step, the only property of a schedule that matters in the limit."""
        return self._digest("fractions")

    def acting(self, active_fraction: FloatArray) -> Active:
        """The probability of acting, by observation if it depends on it; `active_fraction` (T,) is the result's own.

        Raises
        ------
        ValueError
            It depends on the observation, and the schedule was not saved with the result.
        """
        game, schedule = self._game, self._schedule
        if game is not None and schedule is not None:
            return schedule._active(game.n_steps, self.n_agents)
        if self._digest("fractions") != _hash([_short(np.ascontiguousarray(active_fraction))]):
            raise ValueError(
                f"the flow was loaded from a file or pickled, without its schedule {self.label}, under which the "
                "probability of acting depends on the observation; must be a flow as mean_field returns it"
            )
        return active_fraction

    def task(self) -> dict[str, Any]:
        """Game, schedule, N, clock, policy and start, as a checkpoint compares them (`_results.checkpoint`).

        Names stand with the digests, so that errors name them.
        """
        return {
            "game": f"{self.name} {self.game}",
            "schedule": f"{self.label} {self.schedule}".strip(),
            "n_agents": self.n_agents,
            "clock": self.clock,
            "policy": self._digest("policy"),
            "start": self.start,
        }

    def _state(self) -> dict[str, Any]:
        """The contents of a saved file."""
        plain = {name: getattr(self, name) for name in ("name", "label", "n_agents", "clock", "start")}
        return {**plain, "digests": {name: self._digest(name) for name in DIGESTS}}

    @classmethod
    def _from_state(cls, state: Mapping[str, Any]) -> Fingerprint:
        made = cls(**{**state, "digests": {name: str(state["digests"][name]) for name in DIGESTS}})
        for name in ("name", "label", "clock", "start"):
            if not isinstance(getattr(made, name), str):
                raise TypeError(f"{name} of a fingerprint is {getattr(made, name)!r}; must be a string")
        if type(made.n_agents) not in (int, type(None)):  # not compared with ==, which an array answers entry by entry
            raise TypeError(f"n_agents of a fingerprint is {made.n_agents!r}; must be an integer or None")
        return made

    def _digest(self, name: str) -> str:
        if name not in self._digests:
            self._digests[name] = self._compute(name)
        return self._digests[name]

    def _compute(self, name: str) -> str:
        game, schedule, n_agents = self._game, self._schedule, self.n_agents
        assert game is not None, "a fingerprint without a game has all digests"
        if name == "game":
            return digest_of(game)
        if name == "dynamics":
            return _hash(_parts(game, whole=False))
        if name == "policy":
            return "" if self._policy is None else _hash(_policy_parts(self._policy, _short_steps(game)))
        if schedule is None:
            return ""
        if type(schedule).__name__ == "Poisson":
            return _hash(["clocks", np.asarray(schedule._values()[0], dtype=np.float64)])
        kind = "each" if type(schedule).__name__ == "Bernoulli" else "batches"
        if name == "rule":  # independent of N
            try:
                return _hash([kind, *_acting(schedule._active(game.n_steps, None), game)])
            except ValueError:
                return ""
        if name == "schedule" and n_agents is not None:
            batch, probability = schedule._kernel(game.n_steps, n_agents)
            return _hash([kind, *_acting(probability if batch is None else batch, game)])
        fractions = list(_acting(schedule._active(game.n_steps, n_agents), game))
        return _hash(fractions if name == "fractions" else [kind, *fractions])

    def _has(self, name: str, other: Fingerprint) -> bool:
        """Whether the two agree in one part; digests are computed only if they are needed."""
        if name in ("n_agents", "clock", "start"):
            return bool(getattr(self, name) == getattr(other, name))
        ours, theirs = self._game, other._game
        if ours is not None and theirs is not None:
            if name == "game" and whole(ours) is whole(theirs):
                return True
            if name == "dynamics" and ours is theirs:
                return True
            if name in OF_SCHEDULE and ours.horizon == theirs.horizon and self.n_agents == other.n_agents:
                if self._schedule is other._schedule or self._schedule == other._schedule:
                    return True
        if self._digest(name) == other._digest(name):
            return True
        # A prediction for any N holds for every N for which the schedule is the same rule.
        anyhow = name == "activation" and (self.n_agents is None or other.n_agents is None)
        return anyhow and self._digest("rule") == other._digest("rule") != ""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Fingerprint):
            return NotImplemented
        return not differences(self, other, (*PARTS, "clock"))

    def __hash__(self) -> int:
        return hash((self.game, self.schedule, self.n_agents, self.clock))

    def __reduce__(self) -> tuple[Any, ...]:
        digests = {name: self._digest(name) for name in DIGESTS}
        return Fingerprint, (self.name, self.label, self.n_agents, self.clock, self.start, digests)

    def __deepcopy__(self, memo: object) -> Fingerprint:
        return self

    def __str__(self) -> str:
        """Game, schedule and N, for errors."""
        game = f"game {self.name!r}" if self.name else "a game without a name"
        schedule = f" under {self.label}" if self.label else ""
        agents = f" with N = {self.n_agents}" if self.n_agents is not None else ""
        clock = f" on clock {self.clock!r}" if self.clock == "always" else ""
        return game + schedule + agents + clock

    __repr__ = __str__


def differences(one: Fingerprint, other: Fingerprint, parts: Iterable[str] = PARTS) -> list[str]:
    """The `parts` in which the two differ; see `same`."""
    return [name for name in parts if not one._has(name, other)]


def same(what: str, one: Fingerprint | None, other: Fingerprint | None, parts: Iterable[str] = PARTS) -> None:
    """Raise an error unless two fingerprints agree.

    Parameters
    ----------
    what : str
        The name of the argument with the first fingerprint.
    one : Fingerprint or None
        Its fingerprint; None if it has none.
    other : Fingerprint or None
        The fingerprint it must agree with.
    parts : iterable of str, optional
        The parts that must agree: PARTS, LIMIT, or any of "game"; "dynamics", the game without name, horizon, discount
        and start; "schedule", batch sizes or probabilities; "activation", the same as shares of N, where a prediction
        for any N agrees with every N; "fractions", the active fractions only; "n_agents", "clock", "policy", "start".

    Raises
    ------
    ValueError
        A part differs, or one of the two has no fingerprint; the error names both.
    """
    if one is None or other is None:
        whose = what if one is None else f"the result that {what} is combined with"
        raise ValueError(
            f"{whose} has no fingerprint, so it may belong to another game; must be a result as tmfcore returns it "
            "(to change its numbers use dataclasses.replace)"
        )
    found = differences(one, other, parts)
    if not found:
        return
    differ = differing(found)
    hint = ""
    if "start" in found:
        hint = f": {one.start!r} and {other.start!r}"
    if "game" in found and one.name == other.name:
        hint = f": the games have digests {one.game} and {other.game}"
    elif "fractions" in found and one.label == other.label:
        hint = f": N is {one.n_agents} and {other.n_agents}"
    raise ValueError(f"{what} is of {one}; must be of {other} ({differ}{hint})")


def differing(found: Iterable[str]) -> str:
    """The parts that differ, for an error text."""
    words = list(dict.fromkeys(NAMES[name] for name in found))
    return f"{' and '.join(words)} {'differs' if len(words) == 1 else 'differ'}"


def digest_of(game: Game) -> str:
    """Digest of a game, computed once."""
    game = whole(game)
    known: str | None = vars(game).get("_digest")
    if known is None:
        known = _hash(_parts(game))
        object.__setattr__(game, "_digest", known)
    return known


def whole(game: Game) -> Game:
    """The game in sweeps from which `at` made a game, else the game itself: it is the same for every schedule."""
    return game if game._whole is None else game._whole


def _parts(game: Game, whole: bool = True) -> Iterator[object]:
    """The data of a game for its digest; `whole=False` omits name, horizon, discount, step, start and noise."""
    yield from (game.n_observations, game.n_actions)
    if game.legal is not None:
        yield game.legal
    if game._first is not None:  # the law of a random noise; a function is known by one of its paths
        if whole:
            law = vars(game.noise).values() if isinstance(game.noise, NoiseChain) else ()
            yield from ("random", *law)
        game = game._first
    if whole:
        yield from (game.horizon, game.discount, game.step, game.initial)
    rates = game.time == "sweeps"
    passive = game.passive_rates if rates else game.passive_transition
    given = (game.reward, game.transition, game.passive_reward, passive)
    if all(isinstance(table, np.ndarray) for table in given[:3]) and not callable(given[3]):
        yield from (*given, game.successors, game.passive_successors)
        return
    if whole:
        yield from (game.name, game.noise)
    game = _short_steps(game)
    model = game.model
    yield from (model.successors, model.passive_successors)
    cells = game.n_observations * (1 + game.n_actions) * (1 + game.model.n_successors)
    pairs = list(_pairs(game, cells, PAIRS[1])) if whole else [(mu, 0) for mu in _populations(game)[1:]]
    together = max(1, BLOCK // cells)  # small tables are rounded in one go
    for first in range(0, len(pairs), together):
        yield from _rounded_tables(game, pairs[first : first + together])


def _short_steps(game: Game) -> Game:
    """A game in sweeps in steps that do not depend on the schedule; a game in steps itself."""
    return game if game._cut is None else game.at(step=game.step or max(TRIED, game.horizon / 2**20))


def _rounded_tables(game: Game, pairs: list[tuple[FloatArray, int]]) -> Iterator[object]:
    """The four tables at each pair, rounded; the name of the error if the game raises one there.

    A game may be undefined at populations that never occur; the error then is part of its digest.
    """
    asked: list[tuple[FloatArray, ...] | str] = []
    with np.errstate(all="ignore"):
        for mu, t in pairs:
            try:
                asked.append(game.model.tables(mu, t))
            except Exception as error:
                asked.append(type(error).__name__)
    found = [tables for tables in asked if not isinstance(tables, str)]
    kinds = [_rounded(np.stack(tables)) for tables in zip(*found, strict=True)]
    rounded = zip(*kinds, strict=True)
    for tables in asked:
        yield from (tables,) if isinstance(tables, str) else next(rounded)


def _policy_parts(policy: Policy, game: Game) -> Iterator[object]:
    """The probabilities of a policy for its digest: every stage of a table, others at some populations and steps."""
    if isinstance(policy, TablePolicy):
        rows = list(policy.table)
        same_rows = all(np.array_equal(row, rows[0]) for row in rows)
        yield _rounded(np.array([rows[:1] if same_rows else rows]))[0]
        return
    for mu, t in _pairs(game, game.n_observations * game.n_actions, 64):
        try:
            played = policy.probabilities(mu, t, game.n_steps)
        except Exception as error:  # as for games
            yield type(error).__name__
        else:
            yield _rounded(played[np.newaxis])[0]


def _populations(game: Game) -> list[FloatArray]:
    """Four distributions at which games and policies are evaluated; the first is the initial one."""
    n = game.n_observations
    golden = (np.sqrt(5.0) - 1) / 2
    populations = [game.initial, np.full(n, 1.0 / n)]
    for k in (1, 2):
        weights = 0.05 + (np.arange(1, n + 1) * golden * k) % 1.0
        populations.append(weights**k / (weights**k).sum())
    return populations


def _pairs(game: Game, cells: int, most: int) -> Iterator[tuple[FloatArray, int]]:
    """At most `most` pairs of a population and a step, fewer if a pair has many `cells`, spread over the horizon."""
    populations, last = _populations(game), game.n_steps - 1
    count = int(min(max(PAIRS[0], MOST_CELLS // cells), most))
    for j in range(count):
        # At least five steps and four populations, so that their combinations vary.
        yield populations[j % 4], round(last * j / (count - 1))


def _rounded(tables: FloatArray) -> npt.NDArray[np.int64]:
    """Tables (n, ...) with each number rounded to its leading bits, in the binary representation."""
    size = np.abs(tables)
    largest = size.max(axis=tuple(range(1, size.ndim)), keepdims=True, initial=0.0)
    words = np.where(size < largest * NOISE, 0.0, tables).view(np.int64)
    return np.asarray((words + HALF) & -2 * HALF)


def _acting(values: npt.NDArray[Any] | ActingShares | None, game: Game) -> Iterator[object]:
    """Batches or probabilities of all steps, the first alone if they are equal; of a function, at some (mu, t)."""
    assert values is not None, "a schedule has batches or probabilities"
    if isinstance(values, ActingShares) and values.table is not None:
        values = values.table
    if not isinstance(values, ActingShares):
        yield _short(values)
        return
    for mu, t in _pairs(game, game.n_observations, 64):
        try:
            asked = values.shares(mu, t)
        except Exception as error:  # as for games
            yield type(error).__name__
        else:
            yield _rounded(asked[np.newaxis])[0]


def _short(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The values of all steps; the first alone if they are equal."""
    return values[:1] if (values == values[0]).all() else values


def _hash(parts: Iterable[object]) -> str:
    digest = blake2b(digest_size=8)
    for part in parts:
        if isinstance(part, np.ndarray):
            kind = "<f8" if part.dtype.kind == "f" else "<i8"
            array = np.ascontiguousarray(part, dtype=kind)
            digest.update(f"{kind}{array.shape}".encode())
            digest.update((array if kind == "<i8" else array + 0.0).tobytes())  # -0.0 + 0 is 0.0
        else:
            digest.update(f"{type(part).__name__} {part!r};".encode())
    return digest.hexdigest()
