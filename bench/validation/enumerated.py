"""The chain of a tiny population, enumerated: what an interval of one or two steps may do, and how likely."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

import reference_laws
from bench.validation.checks import Finding
from bench.validation.significance import given_findings


class Chain:
    """Outcomes (n, c') of an interval that begins at the counts c; n, what was done, is the sum over its steps.

    Parameters
    ----------
    right, policy
        Game and policy of tests/reference.py, which do not depend on t.
    move
        Who acts at every step, of tests/twin/moves.py.
    n_agents : int
    steps : int
        Steps of an interval.
    decisions : bool
        False leaves n out.
    """

    def __init__(self, right, policy, move, n_agents: int, steps: int = 1, decisions: bool = True) -> None:
        self.decisions = decisions
        self.states = list(reference_laws.compositions(n_agents, right.n_observations))
        laws = {c: reference_laws.counts_step_law(right, policy, c, 0, move) for c in self.states}
        intervals = laws
        for _ in range(steps - 1):
            intervals = {c: _followed(law, laws) for c, law in intervals.items()}
        if not decisions:
            intervals = {c: _forgotten(law) for c, law in intervals.items()}
        self.radix = steps * n_agents + 1
        rows = [(c, n, after, p) for c, law in intervals.items() for (n, after), p in law.items()]
        index = {c: i for i, c in enumerate(self.states)}
        codes = np.array([self._code((*c, *n, *after)) for c, n, after, _ in rows])
        order = np.argsort(codes)
        self.codes = codes[order]  # (J,) sorted
        self.p = np.array([p for *_, p in rows])[order]  # (J,) given the state before
        self.before = np.array([index[c] for c, *_ in rows])[order]  # (J,) states
        self.after = np.array([index[after] for _, _, after, _ in rows])[order]

    def _code(self, numbers):
        numbers = np.asarray(numbers, np.int64)
        return numbers @ self.radix ** np.arange(numbers.shape[-1])

    def outcomes(self, counts: np.ndarray, decisions: np.ndarray | None) -> np.ndarray:
        """Which outcome each interval of a run has, (T,); J if it is none. counts (T+1, S), decisions (T, S, A)."""
        parts = [counts[:-1], counts[1:]]
        if self.decisions:
            parts.insert(1, decisions.reshape(len(decisions), -1))
        codes = self._code(np.concatenate(parts, axis=1))
        found = np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)
        return np.where(self.codes[found] == codes, found, len(self.codes))

    def single_findings(self, what: str, law: str, outcomes: np.ndarray) -> Iterator[Finding]:
        """Every interval given the state before it."""
        seen = np.bincount(outcomes, minlength=len(self.p) + 1)
        groups = [np.flatnonzero(self.before == i) for i in range(len(self.states))]
        yield from given_findings(what, law, [(seen[g], self.p[g]) for g in groups], int(seen[-1]))

    def pair_findings(self, what: str, law: str, outcomes: np.ndarray) -> Iterator[Finding]:
        """Two intervals in turn, in disjoint pairs, given the state before them."""
        first, second = outcomes[: len(outcomes) // 2 * 2].reshape(-1, 2).T
        stray = (first == len(self.p)) | (second == len(self.p))
        following = [np.flatnonzero(self.before == i) for i in range(len(self.states))]
        cells: dict[int, list] = defaultdict(list)
        if stray.all():
            yield Finding(what, law, len(stray), "all draws of probability 0", 0.0)
            return
        codes, often = np.unique(first[~stray] * len(self.p) + second[~stray], return_counts=True)
        for j, state in enumerate(self.before):
            then = following[self.after[j]]
            wanted = j * len(self.p) + then
            at = np.searchsorted(codes[:-1], wanted)
            seen = np.where(codes[at] == wanted, often[at], 0)
            cells[int(state)].append((seen, self.p[j] * self.p[then]))
        groups = [tuple(map(np.concatenate, zip(*parts, strict=True))) for parts in cells.values()]
        strays = int(stray.sum()) + int(often.sum()) - sum(int(seen.sum()) for seen, _ in groups)
        yield from given_findings(what, law, groups, strays)


def _followed(law, laws):
    """The law of (n, c') after one more step."""
    more = defaultdict(float)
    for (done, middle), p in law.items():
        for (n, after), q in laws[middle].items():
            more[tuple(x + y for x, y in zip(done, n, strict=True)), after] += p * q
    return dict(more)


def _forgotten(law):
    """The law of c' alone."""
    less = defaultdict(float)
    for (_, after), p in law.items():
        less[(), after] += p
    return dict(less)
