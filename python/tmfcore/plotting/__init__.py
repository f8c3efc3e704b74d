"""Pictures of solved games: one function per picture, each draws on one Axes and returns it.

    lines, heat, profiles, snapshots     one number of every observation over time; `over_time` chooses among them
    policy, panels                       probabilities of actions, and other tables
    individuals                          where single agents are, and when they act
    roads                                a map of a road network, links as wide as their volumes
    exploitability, trials, convergence, bound, by_step     curves of studies
    intervals, fluctuations              estimates with their intervals, beside what they should be

Nothing here computes or shows. matplotlib (extra ``app``) is imported when a picture is drawn, and only its object
interface is used: no pyplot, no global list of figures, no choice of a screen: it works on a server as in a notebook.
Give ``ax=`` to draw into a figure of your own; without it a new one is made (``ax.figure``). What is drawn over
something else takes the next colours; ``label=`` and ``color=`` say what it is called and drawn with.

Colours are Okabe and Ito's set, which readers with the common colour-vision deficiencies tell apart, and every line
also has a marker of its own, so the pictures survive a black-and-white printer.

Results draw themselves with these functions: every one has ``plot(kind)``.
"""

from tmfcore.plotting._canvas import DPI, GUIDE, MARKERS, PALETTE, figure, save
from tmfcore.plotting._choice import KINDS, over_time
from tmfcore.plotting._courses import SHARE, Course
from tmfcore.plotting._curves import ErrorLine, bound, by_step, convergence, exploitability, trials
from tmfcore.plotting._heat import heat, snapshots
from tmfcore.plotting._intervals import fluctuations, intervals
from tmfcore.plotting._lines import individuals, lines, profiles
from tmfcore.plotting._networks import roads
from tmfcore.plotting._panels import panels, policy

__all__ = [
    "DPI", "GUIDE", "KINDS", "MARKERS", "PALETTE", "SHARE", "Course", "ErrorLine", "bound", "by_step", "convergence",
    "exploitability", "figure", "fluctuations", "heat", "individuals", "intervals", "lines", "over_time", "panels",
    "policy", "profiles", "roads", "save", "snapshots", "trials",
]  # fmt: skip
