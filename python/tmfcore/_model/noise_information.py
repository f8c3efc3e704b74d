"""What a policy knows of the noise: its last m states, as one of H = Z^m histories (Theory, section 13)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.noise import NoiseChain
from tmfcore._model.noise_paths import Paths
from tmfcore._model.noise_policy import NoisePolicy, histories_on, levels_of
from tmfcore._model.policies import TabularPolicy

__all__ = ["Information"]

LEVELS = 8  # of the noise at present, if it is a function whose values are not few
FEW = 16  # numbers that are states themselves
MOST_HISTORIES = 2**16
TINY = 1e-280  # the weight of a path on which nobody is at an observation: enough where nobody is on any


@dataclass(frozen=True)
class Information:
    """The last `memory` states of the noise, Z of them; `edges` between the states of numbers, None for a chain."""

    n_states: int
    memory: int
    edges: FloatArray | None = None

    @classmethod
    def of(cls, paths: Paths, memory: object) -> Information:
        """What can be known of the noise on these paths."""
        m, law = check.as_int(memory, "memory", low=0), paths.game.noise
        edges: FloatArray | None = None
        if isinstance(law, NoiseChain):
            n_states = law.n_states
        elif m == 0:
            n_states = 1
        elif paths.noise.ndim != 2:
            raise ValueError(
                f"noise(rng) has shape {paths.noise.shape[1:]}; must be (T,), one number per step, for policies that "
                "see it: pass memory=0 for those that do not, or a NoiseChain"
            )
        else:
            found = np.unique(np.asarray(paths.noise, dtype=np.float64))
            if len(found) <= FEW:
                edges = found[:-1] / 2 + found[1:] / 2
            else:
                edges = np.unique(np.asarray(np.quantile(paths.noise, np.arange(1, LEVELS) / LEVELS), dtype=np.float64))
            n_states = len(edges) + 1
        m = min(m, paths.game.n_steps)
        if n_states == 1:
            m = min(m, 1)
        if m * np.log2(n_states) > np.log2(MOST_HISTORIES):
            raise ValueError(
                f"memory is {m}; must be at most {int(np.log2(MOST_HISTORIES) / np.log2(n_states))}: there are "
                f"Z**memory histories, with Z = {n_states}"
            )
        return cls(n_states, m, edges)

    @property
    def n_histories(self) -> int:
        """H."""
        return int(self.n_states**self.memory)

    @property
    def words(self) -> str:
        """What is known, in words."""
        of = "state" if self.edges is None else "level"
        if self.memory == 0:
            return "nothing of the noise"
        return f"the present {of} of the noise" if self.memory == 1 else f"the last {self.memory} {of}s of the noise"

    def on(self, paths: Paths) -> IntArray:
        """The history at each step of each path, (R, T)."""
        n_steps, noise = paths.game.n_steps, paths.noise
        if self.memory == 0:
            return np.zeros((len(paths), n_steps), np.int64)
        if self.edges is None:
            return histories_on(noise.astype(np.int64), self.n_states, self.memory)
        spread = np.asarray(noise[:, np.arange(n_steps) * noise.shape[1] // n_steps], dtype=np.float64)
        return histories_on(levels_of(spread, self.edges), self.n_states, self.memory)

    def policy(self, table: FloatArray) -> NoisePolicy | TabularPolicy:
        """The policy of a table (L, H, S, A)."""
        if self.memory == 0:
            return TabularPolicy(table[:, 0])
        return NoisePolicy(table, self.memory, self.edges)

    def mean(self, weights: FloatArray, values: FloatArray, histories: IntArray) -> FloatArray:
        """The means (H, S, ...) of values (R, S, ...) given history and observation.

        `weights` (R, S) are those of path and observation, and `histories` (R,) those of one step. Where no path has a
        history, it is the mean given fewer states.
        """
        n, axes = self.n_histories, (1,) * (values.ndim - 2)
        weights = np.maximum(weights, TINY)
        total = np.zeros((n, weights.shape[1]))
        sums = np.zeros((n, *values.shape[1:]))
        np.add.at(total, histories, weights)
        np.add.at(sums, histories, weights.reshape(*weights.shape, *axes) * values)
        found = sums / np.where(total > 0, total, 1.0).reshape(*total.shape, *axes)
        known = self.memory
        missing = total[:, 0] == 0
        while missing.any():
            known -= 1
            shorter = self.n_states**known
            some, of_all = (part.reshape(-1, shorter, *part.shape[1:]).sum(axis=0) for part in (total, sums))
            coarse = of_all / np.where(some > 0, some, 1.0).reshape(*some.shape, *axes)
            here = np.flatnonzero(missing)
            found[here] = coarse[here % shorter]
            missing[here] = some[here % shorter, 0] == 0
        return found
