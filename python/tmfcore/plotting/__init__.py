"""Pictures of games and results: one function per picture; each draws on one Axes and returns it.

    lines, heat, profiles, snapshots     one number per observation over time; `over_time` chooses among them
    policy, panels                       probabilities of actions, and other tables
    individuals                          observations of single agents, and when they act
    roads                                a map of a road network; the width of a link is its volume
    exploitability, trials, convergence, bound, by_step     curves of studies
    intervals, fluctuations              estimates with their intervals, compared with predictions
    estimates                            estimates with their intervals, against a parameter

Nothing is computed here, and no window is opened. matplotlib (extra ``app``) is imported when a picture is drawn, and
only its object interface is used: no pyplot, no global list of figures, no choice of a backend. It works on a server
and in a notebook, which shows Axes as their figure if they are the last value of a cell (``IPython.display.display``
shows others). Pass ``ax=`` to draw into your own figure; without it a new one is made (``ax.figure``). Several results
drawn on the same Axes get different colours; ``label=`` and ``color=`` set name and colour.

The colours are those of Okabe and Ito, which readers with the common colour-vision deficiencies can distinguish. Every
line also has its own marker, for black-and-white print.

The method ``plot(kind)`` of results uses these functions.
"""

from tmfcore.plotting._canvas import DPI, GUIDE, MARKERS, PALETTE, figure, save
from tmfcore.plotting._choice import KINDS, over_time
from tmfcore.plotting._courses import SHARE, Course
from tmfcore.plotting._curves import ErrorLine, bound, by_step, convergence, exploitability, trials
from tmfcore.plotting._estimates import EstimateLine, estimates
from tmfcore.plotting._heat import heat, snapshots
from tmfcore.plotting._intervals import fluctuations, intervals
from tmfcore.plotting._lines import individuals, lines, profiles
from tmfcore.plotting._networks import roads
from tmfcore.plotting._panels import panels, policy

__all__ = [
    "DPI", "GUIDE", "KINDS", "MARKERS", "PALETTE", "SHARE", "Course", "ErrorLine", "EstimateLine", "bound", "by_step",
    "convergence", "estimates", "exploitability", "figure", "fluctuations", "heat", "individuals", "intervals", "lines",
    "over_time", "panels", "policy", "profiles", "roads", "save", "snapshots", "trials",
]  # fmt: skip
