"""Runs of replicas by the kernels: what all replicas of one call share, and the arrays that they fill.

Replicas share read-only data only: each has its own random stream and its own rows of the output.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from tmfcore._base import needs
from tmfcore._base import pieces as _pieces
from tmfcore._base.entries import all_finite
from tmfcore._base.functions import SMALLER_GAME
from tmfcore._base.threads import available_processors
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._limit.sizes import cells_of
from tmfcore._model.game import Game
from tmfcore._model.model import Model
from tmfcore._model.policy import Policy
from tmfcore._model.schedules import Active
from tmfcore._model.table_model import TableModel
from tmfcore._population import agents as agents_kernel
from tmfcore._population import counts as counts_kernel
from tmfcore._population import lanes, names, skipping
from tmfcore._population.carried import words_of
from tmfcore._population.kept_on_ranks import AgreedPauses
from tmfcore._population.last_state import MOST, STREAM, LastState, heads
from tmfcore._population.pauses import Pauses
from tmfcore._population.ranks import Ranks
from tmfcore._population.simulation import Trajectories
from tmfcore._random import sampling, seeding

__all__ = ["Run", "groups_of", "population_needs", "records"]

LINE = 64  # bytes of a cache line
SHORT = 8 * LINE  # shorter rows would take an eighth more if they began at lines


class Run:
    """R replicas of a game in steps, played by one engine; all arguments are checked and read-only.

    counts (R, J+1, S), decisions (R, J, S, A) or None, rewards (R, J) and returns (R,) are filled in place; individuals
    are (J, N), the order of the kernel; with `ranks`, those of this rank alone. start: (1 or R, S); None: each replica
    draws its own. Before anything is allocated, `threads` and `seconds` of a replica serve to ask for the memory.
    """

    def __init__(
        self, game: Game, policy: Policy, engine: str, n_agents: int, batch: IntArray | None,
        probability: Active | None, record_every: int, start: IntArray | None, replicas: int, decisions: bool,
        trajectories: bool, threads: int | None = 1, seconds: float = 0.0,
        states: list[dict[str, Any]] | None = None, keep_state: bool = False, ranks: Ranks | None = None,
    ) -> None:  # fmt: skip
        self.model = model = game.model
        self.policy, self.engine, self.n_agents, self.start = policy, engine, n_agents, start
        self.horizon, self.discount, self.initial = game.n_steps, game.discount, game.initial
        self.batch, self.probability = batch, probability
        self.states = states  # to go on from
        self.ranks, self.shard = ranks, None if ranks is None else ranks.shard(n_agents)
        n_own = n_agents if self.shard is None else self.shard.end - self.shard.begin  # agents of this process
        self.first: int = 0 if states is None else states[0]["t"]
        n_steps = self.horizon - self.first
        self.asked_every, self.record_every = record_every, min(record_every, n_steps)
        n_obs, n_act, n_intervals = model.n_observations, model.n_actions, -(-n_steps // record_every)
        bytes_each = agents_kernel.observation_dtype(n_obs).itemsize if engine == "agents" else 0
        n_words = words_of(n_obs, n_act, engine == "agents")
        size = replicas * (8 * n_words + (bytes_each * n_agents or STREAM))
        self.keeps = ranks is None and (keep_state or size <= MOST)  # the states at the end
        outputs = 8 * replicas * ((n_intervals + 1) * (n_obs * (n_act + 1) + 1) + game._entries)
        if trajectories or not needs.passes(outputs + 2 * size):
            needed = records(replicas, n_intervals, n_obs, n_act, decisions)
            workers = 1 if ranks is not None else min(replicas, threads or available_processors())
            if isinstance(model, TableModel):  # others make single rows where they can
                needed["tables of a step"] = (8 * cells_of(model) * workers,)
            if engine == "agents":  # which move in the states at the end
                needed["agents"] = (bytes_each, replicas if self.keeps else workers, n_own)
            if self.keeps:
                needed["states at the end"] = (size - replicas * bytes_each * n_agents,)
            if trajectories:
                whole = bytes_each + agents_kernel.action_dtype(n_act).itemsize + 8
                needed["trajectories"] = (whole, n_intervals, n_own)
                needed["numbering of individuals"] = (12 * n_agents if ranks is None else 4 * n_agents + 8 * n_own,)
            needs.ask(needed, lambda: _shrink(needed, replicas, n_intervals), seconds * replicas)
        self.counts: IntArray = np.empty((replicas, n_intervals + 1, n_obs), np.int64)
        self.decisions: IntArray | None = None
        if decisions:
            self.decisions = np.empty((replicas, n_intervals, n_obs, n_act), np.int64)
        self.rewards: FloatArray = np.empty((replicas, n_intervals))
        self.returns: FloatArray = np.empty(replicas)
        self.sides: list[lanes.Side] = []  # that no thread uses now; their tables are made once
        self.n_replicas = replicas
        self.blocks: npt.NDArray[np.uint64] | None = None
        self.end_observations: npt.NDArray[np.uint8] | None = None
        self.streams: list[np.random.Generator | None] = []
        if self.keeps:
            self.blocks = np.zeros((replicas, n_words), np.uint64)
            self.streams = [None] * replicas
            if engine == "agents":
                self.end_observations = _rows(replicas, bytes_each * n_agents)
        self.individuals: tuple[npt.NDArray[Any], ...] | None = None  # of ranks, with the numbers (1, n_own) of agents
        if trajectories:
            table = (n_intervals, n_own)
            observations = np.zeros(table, dtype=agents_kernel.observation_dtype(n_obs))
            actions = np.zeros(table, dtype=agents_kernel.action_dtype(n_act))
            self.individuals = (observations, actions, np.zeros(table))
            if ranks is not None:
                self.individuals += (np.zeros((1, n_own), np.int64),)

    @property
    def trajectories(self) -> Trajectories | None:
        """The individuals, if they are recorded."""
        if self.individuals is None:
            return None
        observations, actions, rewards, *numbers = self.individuals
        return Trajectories(observations.T, actions.T, rewards.T, self.asked_every, numbers[0][0] if numbers else None)

    def fewest_beside(self, replicas: int) -> int:
        """The least number of replicas that are faster side by side; more than lanes.MOST if none can be."""
        fewest = lanes.fewest(self.model.n_observations)
        if self.decisions is not None and self.record_every == 1:
            return lanes.MOST + 1  # writing S A decisions at every step takes most of the time, and more in many places
        if self.states is not None:
            found = heads(np.stack([one["carried"] for one in self.states]))
            if not (found["fresh"] & found["opened"]).all():
                return lanes.MOST + 1
        if replicas >= fewest and self.engine == "counts" and self.batch is not None:
            single = self.batch[0] == 1 and self.decisions is None
            if single and skipping.applies(self.model, self.policy, self.horizon, self.n_agents):
                return lanes.MOST + 1
            if (side := self.side()) is not None:
                self.sides.append(side)
                return fewest
        return lanes.MOST + 1

    def side(self) -> lanes.Side | None:
        """A kernel that plays replicas side by side, if they can."""
        if self.batch is None or (self.batch != self.batch[0]).any():
            return None
        return lanes.side(
            self.model, self.policy, self.horizon, self.n_agents, self.decisions is not None, int(self.batch[0])
        )

    def side_by_side(
        self, group: range, seeds: Sequence[seeding.Stream], watch: IntArray, pieces: Pauses | None = None,
        states: list[dict[str, Any]] | None = None,
    ) -> None:  # fmt: skip
        """Run the replicas of `group`, from these states if they are given, and write their rows of the outputs."""
        rows = slice(group.start, group.stop)
        if states is None and self.states is not None:
            states = self.states[rows]
        if states is not None:
            start = np.stack([_begun(one) for one in states])
            keys = np.ascontiguousarray(heads(np.stack([one["carried"] for one in states]))["key"])
            states = [{"first": self.first, **one} for one in states]
        elif self.start is None:
            streams = [seeding.generator(seed) for seed in seeds[rows]]
            start = np.array([sampling.multinomial(one.bit_generator, self.n_agents, self.initial) for one in streams])
            keys = seeding.keys(streams)
        else:
            start = self.start[rows] if len(self.start) > 1 else self.start.repeat(len(group), axis=0)
            keys = seeding.keys(seeds[rows])
        try:
            side = self.sides.pop()
        except IndexError:  # each thread makes one
            made = self.side()
            assert made is not None, "as in fewest_beside"
            side = made
        side.run(
            keys, start, self.discount, self.record_every, self.counts[rows],
            None if self.decisions is None else self.decisions[rows], self.rewards[rows], self.returns[rows],
            watch[rows], pieces, states, None if self.blocks is None else self.blocks[rows],
        )  # fmt: skip
        self.sides.append(side)

    def alone(
        self, r: int, seed: seeding.Stream, threads: int, watch: IntArray, pieces: Pauses | None = None,
        state: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Run replica `r` on `threads` threads and write row `r` of the outputs; `watch` (R, 1) as for the kernels."""
        generator = seeding.generator(seed)
        if state is None and self.states is not None:
            state = self.states[r]
        if state is not None:
            start = _begun(state).copy()
            if state.get("generator") is not None:
                generator = seeding.restored(state["generator"])
            state = {"first": self.first, **state}
        elif self.start is None:
            start = sampling.multinomial(generator.bit_generator, self.n_agents, self.initial)
        else:
            start = self.start[r % len(self.start)]
        told, so_far = watch[r], self.returns[r : r + 1]
        shared = (self.horizon, self.discount, self.batch, self.probability, self.record_every)
        outputs = (self.counts[r], None if self.decisions is None else self.decisions[r], self.rewards[r])
        if pieces is not None:
            pieces = pieces.with_generator(generator)
            if self.ranks is not None:
                pieces = AgreedPauses(pieces, self.ranks)
        end = None if self.blocks is None else self.blocks[r]
        if self.engine == "counts":
            value = counts_kernel.run(
                self.model, self.policy, generator.bit_generator, start, *shared, *outputs, watch=told,
                so_far=so_far, pieces=pieces, state=state, end=end,
            )
            if end is not None and end[0]:  # "draws" of the head
                self.streams[r] = generator
        else:
            observations, actions, rewards = (None, None, None) if self.individuals is None else self.individuals[:3]
            key = seeding.key(generator) if state is None else heads(state["carried"][np.newaxis])["key"][0].copy()
            value = agents_kernel.run(
                self.model, self.policy, key, start, *shared, *outputs, observations, actions, rewards, threads, told,
                so_far, pieces, state, self.shard, end,
                None if self.end_observations is None else self.end_observations[r],
            )  # fmt: skip
            if self.individuals is not None:
                origin = start if state is None else state.get("origin", start)
                if self.shard is None:
                    names.rename(key, origin, *self.individuals)
                else:
                    names.numbers(key, origin, self.shard.begin, self.individuals[3][0])
        self.returns[r] = value

    def kept_ends(self, which: slice | list[int]) -> dict[str, Any]:
        """What a checkpoint has of the states at the end of these replicas."""
        if self.blocks is None:
            return {}
        observations = None if self.end_observations is None else self.end_observations[which]
        return {"blocks": self.blocks[which], "end_observations": observations}

    def last_state(self) -> LastState | None:
        """The states at the end of all replicas, if they are kept."""
        if self.blocks is None or not all(map(seeding.has_state, filter(None, self.streams))):
            return None
        origin = self.counts[:, 0]
        if self.states is not None:
            origin = np.stack([one["origin"] for one in self.states])
        return LastState(self.blocks, self.streams, origin, self.end_observations)

    def so_far(self, made: IntArray, whole: bool) -> tuple[int, slice] | None:
        """What is recorded of a run that ended early: the number of steps, and the replicas that made so many.

        made : (R, 1), the steps of each. Those that have made all steps or, unless only the `whole` ones are wanted,
        those that are furthest. None: there are none. The run cannot go on afterwards.
        """
        reached = int(made.max())
        if reached == self.first or (whole and reached < self.horizon):
            return None
        kept = np.flatnonzero(made[:, 0] == reached)
        if kept[-1] - kept[0] + 1 == len(kept):
            return reached, slice(int(kept[0]), int(kept[-1]) + 1)
        # Rows are moved over those between them, which are few: a copy of all may take a second.
        moved = np.flatnonzero(kept != np.arange(len(kept)))
        recorded = [self.counts, self.rewards, self.returns, *([] if self.decisions is None else [self.decisions])]
        for array in recorded:
            for part in _pieces.parts(len(moved), array[:1].size):
                array[moved[part]] = array[kept[moved[part]]]
        return reached, slice(0, len(kept))

    def refuse_overflow(self) -> None:
        """Raise unless rewards and returns are finite; the error names the first bad interval."""
        if all_finite(self.rewards) and all_finite(self.returns):
            return
        bad = ~np.isfinite(self.rewards)
        if bad.any():
            r, j = (int(i) for i in np.argwhere(bad)[0])
            raise ValueError(
                f"the mean reward of replica {r} in the interval from step t = {self.first + j * self.record_every} is "
                f"{self.rewards[r, j]}; must be finite: the sum of the rewards overflows{self.largest(r, j)}"
            )
        r = int(np.argmin(np.isfinite(self.returns)))
        j = int(np.argmax(np.abs(self.rewards[r])))
        raise ValueError(
            f"the return of replica {r} is {self.returns[r]}; must be finite: the rewards are too large"
            f"{self.largest(r, j)}"
        )

    def largest(self, r: int, j: int) -> str:
        """The largest reward at the beginning of an interval, in words."""
        mu, t = self.counts[r, j] / self.n_agents, self.first + j * self.record_every
        active, passive = self.model.rewards(mu, t)
        size = np.maximum(np.abs(active).max(axis=1), np.abs(passive))
        o = int(np.argmax(size))
        return f" (up to {size[o]:g} at step t = {t}, observation {o})"


def _rows(n: int, width: int) -> npt.NDArray[np.uint8]:
    """Bytes (n, width), whose rows begin at cache lines unless they are short, as the agents engine wants them."""
    if width < SHORT:
        return np.empty((n, width), np.uint8)
    whole = -(-width // LINE) * LINE
    memory = np.empty(n * whole + LINE, np.uint8)
    first = -int(memory.__array_interface__["data"][0]) % LINE
    return memory[first : first + n * whole].reshape(n, whole)[:, :width]


def _begun(state: dict[str, Any]) -> IntArray:
    """The counts at the first step that is recorded."""
    counts: IntArray = state["record"]["counts"][0] if "record" in state else state["now"]
    return counts


def records(replicas: int, n_intervals: int, n_obs: int, n_act: int, decisions: bool) -> dict[str, tuple[int, ...]]:
    """What the outputs of a run need."""
    found: dict[str, tuple[int, ...]] = {
        "counts": (8, replicas, n_intervals + 1, n_obs),
        "rewards": (8, replicas, n_intervals),
        "returns and random streams": (72 * replicas,),
    }
    if decisions:
        found["decisions"] = (8, replicas, n_intervals, n_obs, n_act)
    return found


def population_needs(
    model: Model, engine: str, n_agents: int, replicas: int, decisions: bool
) -> dict[str, tuple[int, ...]]:
    """What a Population needs: its state twice, so that a failed step changes nothing."""
    n_obs, n_act = model.n_observations, model.n_actions
    found: dict[str, tuple[int, ...]] = {
        "counts": (32, replicas, n_obs),
        "random streams": ((700 if engine == "agents" else 17_500) * replicas,),  # and words drawn ahead by counts
    }
    if decisions:
        found["decisions"] = (16, replicas, n_obs, n_act)
    if engine == "agents":
        found["agents"] = (2 * agents_kernel.observation_dtype(n_obs).itemsize, replicas, n_agents)
    return found


def _shrink(needed: dict[str, tuple[int, ...]], replicas: int, n_intervals: int) -> str:
    """What makes a run smaller, the most effective first."""
    agents = prod(needed.get("agents", (0,)))
    ways = [
        ("record_every", "larger", "trajectories" in needed and n_intervals > 1),
        ("trajectories", "False", "trajectories" in needed),
        ("engine", "'counts'", "trajectories" not in needed and 4 * agents > sum(map(prod, needed.values()))),
        ("replicas", "fewer", replicas > n_intervals),
        ("record_every", "larger", "trajectories" not in needed and n_intervals > 1),
        ("decisions", "False", "decisions" in needed),
        ("replicas", "fewer", 1 < replicas <= n_intervals),
    ]
    ways = [way for way in ways if way[2]]
    first = [f"{name} must be {how}" if i == 0 else f"{name} {how}" for i, (name, how, _) in enumerate(ways)]
    return ", ".join([*first, f"or {SMALLER_GAME}" if first else SMALLER_GAME])


def groups_of(replicas: int, workers: int, fewest: int) -> list[range]:
    """The replicas that one call of a kernel plays: `fewest` or more side by side, the others alone."""
    if replicas == 1:
        return [range(1)]
    size = min(lanes.MOST, -(-replicas // workers))
    last = 0 if size < fewest else replicas if replicas % size >= fewest else replicas - replicas % size
    beside = [range(first, min(first + size, last)) for first in range(0, last, size)]
    return beside + [range(r, r + 1) for r in range(last, replicas)]
