"""What a notebook shows: pictures, one line for everything, and bars that move. A real kernel where nbclient is installed."""

import base64
import gc
import importlib.util
import json
import re
import struct
import subprocess
import sys
import weakref

import pytest

import tmfcore as tmf
from command_line import CODES
from tmfcore import plotting

GAME = tmf.games.queueing([0.1, 0.2, 0.3], horizon=20)
FLOW = tmf.mean_field(GAME, tmf.TabularPolicy.uniform(GAME), tmf.Synchronous())


def size_of(png):
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", png[16:24])


def test_axes_are_shown_as_their_figure():
    """Twice the pixels of the page, for dense screens; so is the figure itself."""
    ax = FLOW.plot()
    png, page = ax._repr_png_()
    assert page == {"width": 480, "height": 288}  # 6 x 3.6 inches
    assert size_of(png) == (960, 576)
    assert ax.figure._repr_png_()[1] == page
    assert len(png) < 150_000


def test_axes_of_another_figure_stay_as_they_are():
    """pyplot shows those at the end of the cell: they would stand there twice."""
    from matplotlib.figure import Figure

    own = Figure().subplots()
    assert FLOW.plot(ax=own) is own
    assert not hasattr(own, "_repr_png_")


def test_panels_of_one_figure_are_shown_together():
    figure, panels = plotting.figure(2, 1)
    FLOW.plot(ax=panels[0])
    assert panels[1]._repr_png_()[1] == {"width": 768, "height": 288}
    assert panels[0].get_figure() is figure


def test_figures_go_when_nobody_holds_them():
    """No list of figures keeps them, as pyplot's does, which warns from the 21st on."""
    figures = []
    for k in range(25):
        ax = FLOW.plot()
        if k > 22:
            ax._repr_png_()
        figures.append(weakref.ref(ax.figure))
    del ax
    gc.collect()
    assert [kept() for kept in figures] == [None] * 25


def test_pictures_are_pickled():
    import pickle

    ax = pickle.loads(pickle.dumps(FLOW.plot()))
    assert ax._repr_png_()[1]["width"] == 480


# ------------------------------------------------------------------------------------------------------ a real kernel

CELLS = {
    "game": """\
import tmfcore as tmf
game = tmf.games.queueing([0.1, 0.2, 0.3], horizon=20)
policy = tmf.TabularPolicy.uniform(game)
game""",
    "schedule": "tmf.Sequential()",
    "policy": "policy",
    "run": """\
run = tmf.simulate(game, policy, tmf.Sequential(), 1000, rng=1)
flow = tmf.mean_field(game, policy, tmf.Sequential(), 1000)
run""",
    "plot": "run.plot(flow=flow)",
    "figure": "run.plot().figure",
    "silent": "run.plot();",
    "inline": """\
%matplotlib inline
import matplotlib.pyplot as plt
figure, ax = plt.subplots()
flow.plot(ax=ax);""",
    "steps": """\
played = tmf.simulate(game, policy, tmf.Sequential(), 2_000_000, rng=1, record_every=2_000_000, decisions=False, progress=True)""",
    "iterations": """\
solution = tmf.solvers.TMFPG(tolerance=1e-9, iterations=15).solve(game, tmf.Sequential(), 1000, rng=1, progress=True)""",
    "ended early": "solved = tmf.solvers.MirrorDescent().solve(game, tmf.Synchronous(), progress=True)",
    "study": """\
study = tmf.analysis.convergence(game, policy, tmf.Sequential(), [10, 30], replicas=4, rng=1, progress=True)""",
}


#: Run in a process of its own, which the libraries of notebooks leave with open sockets.
EXECUTE = """
import json, sys
import nbclient, nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

sources = json.load(sys.stdin)
renewed = [[] for _ in sources]

class Here(KernelSpecManager):
    def get_kernel_spec(self, name):
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name=name, language="python")

class Client(nbclient.NotebookClient):
    def process_message(self, message, cell, index):
        if message["msg_type"] == "update_display_data":
            renewed[index].append(message["content"]["data"]["text/plain"])
        return super().process_message(message, cell, index)

book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
Client(book, km=AsyncKernelManager(kernel_name="here", kernel_spec_manager=Here()), timeout=300).execute()
json.dump([[cell.outputs for cell in book.cells], renewed], sys.stdout)
"""


@pytest.fixture(scope="module")
def shown():
    """Outputs of each cell in a kernel of this interpreter, and the texts by which shown ones were renewed."""
    for library in ("ipykernel", "nbclient"):
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"needs {library}")
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE], input=json.dumps(list(CELLS.values())), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [dict(zip(CELLS, found, strict=True)) for found in json.loads(done.stdout)]


@pytest.mark.parametrize("cell", ["game", "schedule", "policy", "run"])
def test_everything_says_itself_in_one_line(shown, cell):
    (output,) = shown[0][cell]
    assert output["data"]["text/plain"].count("\n") == 0
    if cell in ("policy", "run"):
        assert "width='300'" in output["data"]["text/html"]


@pytest.mark.parametrize("cell", ["plot", "figure"])
def test_a_plot_is_shown_where_it_is_the_last_line(shown, cell):
    (output,) = shown[0][cell]
    assert output["metadata"]["image/png"] == {"width": 480, "height": 288}
    assert size_of(base64.b64decode(output["data"]["image/png"])) == (960, 576)


def test_a_semicolon_hides_it(shown):
    assert shown[0]["silent"] == []


def test_a_figure_of_pyplot_is_shown_once(shown):
    (output,) = shown[0]["inline"]
    assert "image/png" in output["data"] and output["output_type"] == "display_data"


BAR = re.compile(r"(\w+) +\S+ +([\d,]+) of ([\d,]+) \d:\d\d:\d\d\n")


def bars(shown, cell):
    """The name of the bar of a cell, the numbers it went through, and its total while it ran."""
    (output,) = [each for each in shown[0][cell] if each["output_type"] == "display_data"]  # beside a warning
    texts = [CODES.sub("", text) for text in shown[1][cell]]
    assert CODES.sub("", output["data"]["text/plain"]) == texts[-1], "the last is what the notebook keeps"
    assert "<pre" in output["data"]["text/html"]
    found = [BAR.fullmatch(text).groups() for text in texts]
    numbers = [(int(done.replace(",", "")), int(total.replace(",", ""))) for _, done, total in found]
    assert numbers[-1][0] == numbers[-1][1]
    assert [done for done, _ in numbers] == sorted(done for done, _ in numbers)
    return found[0][0], [done for done, _ in numbers], numbers[0][1]


def test_a_bar_moves_by_steps_within_one_replica(shown):
    name, done, total = bars(shown, "steps")
    assert (name, total, done[-1]) == ("steps", 40_000_000, 40_000_000)
    assert len(set(done)) > 3


@pytest.mark.parametrize(("cell", "name", "total"), [("iterations", "TMFPG", 15), ("ended early", "MirrorDescent", 0)])
def test_a_bar_counts_iterations(shown, cell, name, total):
    found, done, first = bars(shown, cell)
    assert found == name
    assert done[-1] == total or (total == 0 and 0 < done[-1] < first)


def test_a_bar_of_a_study_counts_the_steps_of_all_populations(shown):
    name, done, _ = bars(shown, "study")
    assert (name, done[-1]) == ("steps", 4 * 20 * (10 + 30))
