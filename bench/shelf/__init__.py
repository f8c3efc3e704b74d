"""Every built-in game solved, and the games that other libraries have, solved by their solvers, too.

    python -m bench.shelf                  everything, then docs/measured/shelf.md
    python -m bench.shelf --quick          small games, short limits; prints, writes nothing unless --output
    python -m bench.shelf --only NAME      games whose name starts with NAME; repeatable; writes nothing

    __main__        the command line
    ours            solvers of tmfcore on every game of games.BY_NAME
    with_mfglib, with_openspiel     the solvers of these libraries on their games; tests/peers/games.py has the table of
                    equal games, and tests/peers checks that they are equal
    page            writes docs/measured/shelf.md

Time is processor time on one processor, including checks and the exploitability of every iterate; for OpenSpiel, whose
solvers do not compute exploitabilities, without the latter.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2] / "tests"
if str(TESTS) not in sys.path:
    sys.path.append(str(TESTS))  # peers.games: the table of games that coincide


@dataclass(frozen=True)
class Limits:
    """Time limits.

    Parameters
    ----------
    ours : float
        Seconds for a solver of tmfcore.
    repeats : int
        Number of solves, of which the fastest counts; fewer if they take more than a second in total.
    share, least, most : float
        A solver of another library gets `share` times our time, but at least `least` and at most `most` seconds.
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
    """One solver on one game: seconds until each target was reached, or None; and the best result.

    Parameters
    ----------
    who : str
    seconds : tuple of float or None
        Per target.
    best : float
        Smallest exploitability.
    iterations : int
        Number of iterations.
    spent : float
        Total seconds, a lower bound if a target was not reached.
    """

    who: str
    seconds: tuple[float | None, ...]
    best: float
    iterations: int
    spent: float


def time_left(found: list[Run], limit: float) -> float:
    """The limit for the next of their solvers: at most the time that the best so far needed for the last target."""
    return min([limit, *(run.seconds[-1] for run in found if run.seconds[-1] is not None)])
