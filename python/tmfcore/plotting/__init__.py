"""Pictures of solved games: one function per picture, each draws on one Axes and returns it.

    lines, heat, profiles, snapshots     one number of every observation over time; `over_time` chooses among them
    roads                                a map of a road network, links as wide as their volumes
    population                           N agents (markers) over their mean field (lines)
    exploitability, returns, convergence, fluctuations, bound, by_step     what studies measure

Nothing here computes or shows. matplotlib (extra ``app``) is imported when a picture is drawn, and only its object
interface is used: no pyplot, no global list of figures, no choice of a screen: it works on a server as in a notebook.
Give ``ax=`` to draw into a figure of your own; without it a new one is made (``ax.figure``).

Colours are Okabe and Ito's set, which readers with the common colour-vision deficiencies tell apart, and every line
also has a marker of its own, so the pictures survive a black-and-white printer.

Results draw themselves with these functions: ``Flow.plot``, ``Simulation.plot``, ``Evaluation.plot``, ``Solution.plot``
and the ``plot`` of what ``tmfcore.analysis`` returns.
"""

from tmfcore.plotting._canvas import DPI, GUIDE, MARKERS, PALETTE, figure, save
from tmfcore.plotting._networks import roads
from tmfcore.plotting._populations import KINDS, SHARE, Course, heat, lines, over_time, population, profiles, snapshots
from tmfcore.plotting._studies import ErrorLine, bound, by_step, convergence, exploitability, fluctuations, returns

__all__ = [
    "DPI",
    "GUIDE",
    "KINDS",
    "MARKERS",
    "PALETTE",
    "SHARE",
    "Course",
    "ErrorLine",
    "bound",
    "by_step",
    "convergence",
    "exploitability",
    "figure",
    "fluctuations",
    "heat",
    "lines",
    "over_time",
    "population",
    "profiles",
    "returns",
    "roads",
    "save",
    "snapshots",
]
