"""A game that another library has, too: our time to a target and theirs."""

from __future__ import annotations

from dataclasses import dataclass

import tmfcore as tmf
from bench.shelf import Limits, Run
from bench.shelf.ours import SYNCHRONOUS, choosing, targets, until


@dataclass(frozen=True)
class Pair:
    """One of their games: the run of tmf.solve, and of each of their solvers. `ratio`, per target: the time of the best
    of theirs over ours, and whether this is only a lower bound, because none of theirs reached the target.
    """

    name: str
    library: str
    size: str
    ours: Run
    theirs: list[Run]

    def best(self, target: int) -> Run | None:
        reached = [run for run in self.theirs if run.seconds[target] is not None]
        return min(reached, key=lambda run: run.seconds[target]) if reached else None

    def ratio(self, target: int) -> tuple[float, bool] | None:
        mine, best = self.ours.seconds[target], self.best(target)
        if mine is None:
            return None
        if best is not None:
            return best.seconds[target] / mine, False
        return min(run.spent for run in self.theirs) / mine, True


def pair(entry, library: str, module, limits: Limits) -> Pair:
    """Ours runs first, since the time limit of theirs depends on it."""
    game = entry.ours()
    first = tmf.solve(game, SYNCHRONOUS)
    aims = targets(game, first.mean_return)
    mine, _ = until(game, "tmf.solve", choosing, aims, limits)
    judge = lambda table: tmf.exploitability(game, tmf.TabularPolicy(table), SYNCHRONOUS)
    needed = [s for s in mine.seconds if s is not None]
    theirs = module.runs(entry, aims, limits.theirs(max(needed, default=limits.ours)), judge)
    return Pair(entry.name, library, module.size(entry), mine, theirs)
