"""Which game, schedule, N and policy a result belongs to, so that only what belongs together is combined.

    Fingerprint.of(game, schedule, n_agents, clock)     what a result carries; costs nothing until it is compared
    same("run", run.fingerprint, other, PARTS)          a ValueError that names both where they do not belong together

A game in sweeps is one game under every schedule, whose steps are the schedule's part.
A game is known by a digest, 16 hexadecimal digits of blake2b, the same in every process. Games that are the same object
are the same without one. Of a game of constant arrays the digest takes every bit. Of any other it takes name, sizes,
horizon, discount, step, initial, the path of noise, and the tables at up to 20 pairs (mu, t), to 2**-32 of each number:
the last bits of exp and log differ between processors. Two such games that agree at all of them have one digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tmfcore._base.validation import FloatArray
from tmfcore._model.policy import Policy, TablePolicy
from tmfcore._results.packing import known

if TYPE_CHECKING:
    from tmfcore._model.game import Game
    from tmfcore._model.schedules import Schedule

__all__ = ["LIMIT", "PARTS", "Fingerprint", "differences", "differing", "digest_of", "same"]

PARTS = ("game", "schedule", "n_agents")  # of two results of one finite system
LIMIT = ("game", "fractions")  # of two results in the limit: who acts matters by the active fractions alone
NAMES = {
    "game": "game", "dynamics": "game", "schedule": "schedule", "fractions": "active fraction",
    "activation": "schedule", "n_agents": "N", "clock": "clock", "policy": "policy", "start": "start",
}  # fmt: skip
DIGESTS = ("game", "dynamics", "schedule", "fractions", "activation", "rule", "policy")

MOST_CELLS = 50_000  # entries of tables that a digest evaluates where it may choose
TRIED = 2.0**-10  # sweeps of a step in which the digest of a game in sweeps is taken
PAIRS = 5, 20  # (mu, t) at the least and at the most
BLOCK = 1 << 13  # entries that are rounded at a time
HALF = 1 << 19  # of the last bit that counts, the 32nd of 52; carries go into the exponent, as they should
NOISE = 2.0**-48  # below this share of a table's largest entry everything is 0


@known
class Fingerprint:
    """What a result belongs to.

    It keeps the game and the schedule until it is pickled or saved, when their digests take their place.

    Attributes
    ----------
    name : str
        Of the game.
    label : str
        Of the schedule; empty where there is none.
    n_agents : int or None
    clock : str
        "schedule", "always", or empty where nothing was valued.
    start : str
        "rounded", "sampled", "given", or empty where no agents started.
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
        """Of what is computed from these; all checked by the caller."""
        n_agents = None if n_agents is None else int(n_agents)
        made = cls(game.name, "" if schedule is None else schedule.label, n_agents, clock, start)
        made._game, made._schedule, made._policy = game, schedule, policy
        return made

    def on(self, clock: str) -> Fingerprint:
        """The same on another clock."""
        made = Fingerprint(self.name, self.label, self.n_agents, clock, self.start, self._digests)
        made._game, made._schedule, made._policy = self._game, self._schedule, self._policy
        return made

    @property
    def game(self) -> str:
        """Digest of the game, 16 hexadecimal digits."""
        return self._digest("game")

    @property
    def schedule(self) -> str:
        """Digest of who acts: the batch of every step or the probabilities; of the active fractions without N."""
        return self._digest("schedule")

    @property
    def fractions(self) -> str:
        """Digest of the active fraction of every step, which is all that the limit knows of a schedule."""
        return self._digest("fractions")

    def _state(self) -> dict[str, Any]:
        """What a saved file holds."""
        plain = {name: getattr(self, name) for name in ("name", "label", "n_agents", "clock", "start")}
        return {**plain, "digests": {name: self._digest(name) for name in DIGESTS}}

    @classmethod
    def _from_state(cls, state: Mapping[str, Any]) -> Fingerprint:
        return cls(**{**state, "digests": {name: str(state["digests"][name]) for name in DIGESTS}})

    def _digest(self, name: str) -> str:
        if name not in self._digests:
            self._digests[name] = self._compute(name)
        return self._digests[name]

    def _compute(self, name: str) -> str:
        game, schedule, n_agents = self._game, self._schedule, self.n_agents
        assert game is not None, "a fingerprint without a game has its digests"
        if name == "game":
            return digest_of(game)
        if name == "dynamics":
            return _hash(_parts(game, whole=False))
        if name == "policy":
            return "" if self._policy is None else _hash(_policy_parts(self._policy, game))
        if schedule is None:
            return ""
        kind = "each" if type(schedule).__name__ == "Bernoulli" else "batches"
        if name == "rule":  # of whatever N
            try:
                return _hash([kind, _short(schedule._active(game.n_steps, None))])
            except ValueError:
                return ""
        if name == "schedule" and n_agents is not None:
            batch, probability = schedule._kernel(game.n_steps, n_agents)
            return _hash([kind, _short(probability if batch is None else batch)])
        fractions = _short(schedule._active(game.n_steps, n_agents))
        return _hash([fractions] if name == "fractions" else [kind, fractions])

    def _has(self, name: str, other: Fingerprint) -> bool:
        """Whether the two agree in one part, without a digest where that can be known."""
        if name in ("n_agents", "clock", "start"):
            return bool(getattr(self, name) == getattr(other, name))
        ours, theirs = self._game, other._game
        if ours is not None and theirs is not None:
            if name == "game" and whole(ours) is whole(theirs):
                return True
            if name == "dynamics" and ours is theirs:
                return True
        if self._digest(name) == other._digest(name):
            return True
        # What is predicted for any N holds at every N at which the schedule is the same rule.
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
        """The game, under which schedule, with which N, as an error names them."""
        game = f"game {self.name!r}" if self.name else "a game without a name"
        schedule = f" under {self.label}" if self.label else ""
        agents = f" with N = {self.n_agents}" if self.n_agents is not None else ""
        clock = f" on clock {self.clock!r}" if self.clock == "always" else ""
        return game + schedule + agents + clock

    __repr__ = __str__


def differences(one: Fingerprint, other: Fingerprint, parts: Iterable[str] = PARTS) -> list[str]:
    """In which of `parts` the two differ; see `same`."""
    return [name for name in parts if not one._has(name, other)]


def same(what: str, one: Fingerprint | None, other: Fingerprint | None, parts: Iterable[str] = PARTS) -> None:
    """Raise unless a result belongs to what it is combined with.

    Parameters
    ----------
    what : str
        The argument that holds the result, as the caller calls it.
    one : Fingerprint or None
        Of the result; None: it does not say where it comes from.
    other : Fingerprint or None
        Of what it must belong to.
    parts : iterable of str, optional
        What must agree: PARTS, LIMIT, or any of "game"; "dynamics", the game but for name, horizon, discount and start;
        "schedule", who acts among N; "activation", the same in shares, of any N where one was made for any;
        "fractions", the active fractions alone; "n_agents", "clock", "policy", "start".

    Raises
    ------
    ValueError
        Something differs, or one of the two has no fingerprint; both are named.
    """
    if one is None or other is None:
        whose = what if one is None else f"what {what} is combined with"
        raise ValueError(
            f"{whose} has no fingerprint, so that it may be of another game; must be a result as tmfcore returns it "
            "(dataclasses.replace puts other numbers into one)"
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
    """Parts that differ, in words."""
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
    """The game in sweeps that a game is the steps of, else the game: what is the same under every schedule."""
    return game if game._whole is None else game._whole


def _parts(game: Game, whole: bool = True) -> Iterator[object]:
    """All of a game, or what runs of it have in common whatever their length, discount and start."""
    yield from (game.n_observations, game.n_actions)
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
    if rates:
        game = game.at(step=game.step or max(TRIED, game.horizon / 2**20))
    model = game.model
    yield from (model.successors, model.passive_successors)
    cells = game.n_observations * (1 + game.n_actions) * (1 + game.model.n_successors)
    pairs = list(_pairs(game, cells, PAIRS[1])) if whole else [(mu, 0) for mu in _populations(game)[1:]]
    together = max(1, BLOCK // cells)  # small tables are rounded in one go
    for first in range(0, len(pairs), together):
        yield from _rounded_tables(game, pairs[first : first + together])


def _rounded_tables(game: Game, pairs: list[tuple[FloatArray, int]]) -> Iterator[object]:
    """The four tables at each pair, rounded; the name of the error where the game is not defined.

    A game need not be defined where nobody ever is: that, too, tells it from others.
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
    """Probabilities: of tables at every stage, of others at some populations and steps."""
    stages = policy.n_stages if isinstance(policy, TablePolicy) else 0
    if stages:
        rows = [policy.probabilities(game.initial, stage, stages) for stage in range(stages)]
        same_rows = all(np.array_equal(row, rows[0]) for row in rows)
        yield _rounded(np.array([rows[:1] if same_rows else rows]))[0]
        return
    for mu, t in _pairs(game, game.n_observations * game.n_actions, 64):
        try:
            played = policy.probabilities(mu, t, game.n_steps)
        except Exception as error:  # as of games
            yield type(error).__name__
        else:
            yield _rounded(played[np.newaxis])[0]


def _populations(game: Game) -> list[FloatArray]:
    """Four distributions at which games and policies are asked; the first is where the game starts."""
    n = game.n_observations
    golden = (np.sqrt(5.0) - 1) / 2
    populations = [game.initial, np.full(n, 1.0 / n)]
    for k in (1, 2):
        weights = 0.05 + (np.arange(1, n + 1) * golden * k) % 1.0
        populations.append(weights**k / (weights**k).sum())
    return populations


def _pairs(game: Game, cells: int, most: int) -> Iterator[tuple[FloatArray, int]]:
    """Populations and steps at which to ask for so many numbers each: four populations along the horizon."""
    populations, last = _populations(game), game.n_steps - 1
    count = int(min(max(PAIRS[0], MOST_CELLS // cells), most))
    for j in range(count):
        # Five steps to four populations, so that populations and steps do not go round together.
        yield populations[j % 4], round(last * j / (count - 1))


def _rounded(tables: FloatArray) -> npt.NDArray[np.int64]:
    """The leading bits of each number of tables (n, ...), rounded in the binary representation."""
    size = np.abs(tables)
    largest = size.max(axis=tuple(range(1, size.ndim)), keepdims=True, initial=0.0)
    words = np.where(size < largest * NOISE, 0.0, tables).view(np.int64)
    return np.asarray((words + HALF) & -2 * HALF)


def _short(values: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
    """One number where all steps have the same."""
    assert values is not None, "a schedule has batches or probabilities"
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
