"""The shelf: every game, solved; and the games that others have, beside their own solvers.

    python -m bench.shelf                  everything, then docs/measured/shelf.md
    python -m bench.shelf --quick          small games, short limits; prints, writes nothing unless --output
    python -m bench.shelf --only NAME      games whose name starts with NAME; may be given again; writes nothing

    __main__        the command line
    ours            solvers of tmfcore at every game of games.BY_NAME
    with_mfglib, with_openspiel     their solvers at their games; which of ours these are, and that they are the same,
                    is said by tests/peers (games.py there is the table of both)
    page            docs/measured/shelf.md from what was measured

Time is processor time on one processor, checks and the exploitability of every iterate included; of OpenSpiel, whose
solvers do not judge their iterates, without it.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2] / "tests"
if str(TESTS) not in sys.path:
    sys.path.append(str(TESTS))  # peers.games: the table of games that coincide


@dataclass(frozen=True)
class Limits:
    """How long to go on.

    Parameters
    ----------
    ours : float
        Seconds that a solver of ours may take.
    repeats : int
        Solves of which the fastest counts, as long as they take less than a second together.
    share, least, most : float
        One of theirs gets `share` times our time, but at least `least` and at most `most` seconds.
    """

    ours: float
    repeats: int
    share: float
    least: float
    most: float

    def theirs(self, our_seconds: float) -> float:
        return min(max(self.share * our_seconds, self.least), self.most)


FULL = Limits(ours=10.0, repeats=3, share=150.0, least=1.0, most=6.0)
QUICK = Limits(ours=2.0, repeats=1, share=20.0, least=0.2, most=1.0)
TARGETS = (1e-2, 1e-4)  # exploitability / |mean return|


@dataclass(frozen=True)
class Run:
    """One solver at one game: seconds until each target was reached, or None; what it reached; how far it got.

    Parameters
    ----------
    who : str
    seconds : tuple of float or None
        By target.
    best : float
        Smallest exploitability.
    iterations : int
        Made in all.
    spent : float
        Seconds in all: what can be said where a target was not reached.
    """

    who: str
    seconds: tuple[float | None, ...]
    best: float
    iterations: int
    spent: float


def time_left(found: list[Run], limit: float) -> float:
    """What the next of their solvers is given: no more than the best of them needed for the last target."""
    return min([limit, *(run.seconds[-1] for run in found if run.seconds[-1] is not None)])
