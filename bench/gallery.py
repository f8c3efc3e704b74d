"""Solve a game of each kind by the command line, and write docs/gallery: a page and pictures a game, and the index.

    python -m bench.gallery                     every page, some seconds a game
    python -m bench.gallery NAME ...            only these games; the index is written, too
    python -m bench.gallery --output FOLDER     elsewhere than docs/gallery
    python -m bench.gallery --quick             to a tolerance of 10%: to see that it works

A new game is a new entry of ENTRIES. Its equations and notes are those of its docstring, its numbers and pictures those
of the command on its page, which is run as it stands there. Needs the extra `app`
(matplotlib brings Pillow).
"""

import argparse
import inspect
import io
import re
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from click.testing import CliRunner
from PIL import Image

import tmfcore as tmf
from tmfcore import plotting
from tmfcore._base import files
from tmfcore.cli.app import app

OUTPUT = Path(__file__).resolve().parents[1] / "docs" / "gallery"


class Entry(NamedTuple):
    """A page: the game's name in BY_NAME, what it is about, what its picture shows, and options of `tmfcore solve`.

    `rules` names the function of `tmfcore.games` whose docstring has the rules that the game shares with others;
    `title` is the name as a title where that needs more than a capital.
    """

    name: str
    about: str
    picture: str
    options: str = ""
    rules: str = ""
    title: str = ""

    @property
    def heading(self) -> str:
        return self.title or self.name.replace("_", " ").capitalize()

    @property
    def map(self) -> str:
        """Of a road network, the program that draws its map as the figure of `ax`; else nothing."""
        if self.rules != "routing":
            return ""
        arguments = ", ".join(f"{name}={value}" for name, value in re.findall(r"--(\w+) (\S+)", self.options))
        return MAP.format(name=self.name, arguments=arguments)

    @property
    def command(self) -> str:
        """As a reader types it."""
        word = self.name.replace("_", "-")
        return " ".join(part for part in ("tmfcore solve", word, self.options, f"--pictures {word}") if part)


MAP = """\
import tmfcore as tmf
from tmfcore.plotting import roads

game = tmf.games.{name}({arguments})
flow = tmf.solve(game, tmf.Synchronous()).flow
most = [max(on_link) for on_link in zip(*map(game.model.volumes, flow.mu))]
ax = roads(game.model.network, most, quantity="most vehicles at once")
"""

ROOMS = (
    ".....#.....", ".....#.....", "...........", ".....#.....", ".....#.....", "##.#####.##",
    ".....#.....", ".....#.....", "...........", ".....#.....", ".....#.....",
)  # fmt: skip

ENTRIES = (
    Entry(
        "resource_selection",
        "Drivers and roads, users and channels, shoppers and shops: everybody would take the best, if only the others "
        "did not. Changing one's mind can cost.",
        "Everybody starts at the best of four resources and leaves it until the three best pay the same. The fourth "
        "pays less even to who is alone there. The last moves earn nothing, and are made at random.",
        "--batch 100",
    ),
    Entry(
        "queueing",
        "Jobs wait at servers of different capacity, a longer queue serves each of them more slowly, and who is served "
        "comes back idle.",
        "Everybody is idle at first. Queues then fill in proportion to the capacities of their servers, 0.1, 0.2 and "
        "0.3 jobs a head and sweep.",
        "--batch 10",
    ),
    Entry(
        "beach_bar",
        "Towels on a beach: near the bar is best, but not where everybody lies, and the wind carries off who moves.",
        "From a beach evenly covered people gather around the bar at place 50, the nearer the more densely.",
    ),
    Entry(
        "crowd_motion",
        "People in rooms: all want to be near a bar, none in the crowd, and doors are narrow.",
        "From four rooms evenly filled people go to the bar, in the middle of the room at the lower right. From the "
        "room at the upper left it is two doors away.",
        "--set obstacles='" + ";".join(ROOMS) + "' --set bar=8,8 --set wrap=false --horizon 15",
    ),
    Entry(
        "building_evacuation",
        "A building on fire: the ground floor is safe, one staircase leads down, and stairs are crowded.",
        "Three floors of 10 by 10 places, layer 0 the ground floor. Stairs down are at the upper left of each floor, "
        "stairs up at the lower right. People stream to the stairs, and from them spread out over the ground floor. "
        "The last move earns nothing, and is made at random: some go up.",
        "--set n-floors=3 --horizon 18",
    ),
    Entry(
        "linear_quadratic",
        "Fish in a school: each wants to be where the others are on average, steering costs, and water is rough.",
        "From everywhere on the line all come to its middle, against noise, and steer most towards the end, where "
        "distance costs most.",
    ),
    Entry(
        "braess",
        "Five roads, and a shortcut that makes everybody slower: each driver gains by it, and all of them lose.",
        "Shares of all vehicles by link. Three quarters take A->B. At B a quarter of all goes on to D, and half takes "
        "the shortcut B->C, so that three quarters crowd C->D as well. Everybody drives for 15 steps, a time of 3.75; "
        "without the shortcut (`--set shortcut=false`) it is 3.5.",
        rules="routing",
        title="Braess' paradox",
    ),
    Entry(
        "sioux_falls",
        "A town of 24 crossings and 76 roads, and drivers who cross it both ways, each by the fastest roads that the "
        "others leave.",
        "Shares of all 14,000 vehicles, on the links used most and arrived. Drivers from 1 to 19 start on 1->2 and "
        "2->6, all but one in twenty; those from 19 to 1 pass 16->8. All arrive between steps 23 and 30 of 0.01 hours.",
        "--horizon 40",
        rules="routing",
        title="Sioux Falls",
    ),
    Entry(
        "left_right",
        "Two sides of a street: both are worse the fuller they are, and one is twice as bad as the other.",
        "Two thirds go left, where a crowd costs half as much as on the right. The second and last move earns nothing, "
        "and is made at random.",
    ),
    Entry(
        "rock_paper_scissors",
        "Everybody shows a hand to everybody, and hands win different stakes: the game is not monotone, and methods "
        "that rely on monotonicity need not find its equilibrium.",
        "No hand earns more than another. Mirror descent does not get there; the optimisation that `tmf.solve` tries "
        "next, which needs no monotonicity, does. The last move earns nothing, and is made at random.",
    ),
    Entry(
        "susceptible_infected",
        "An epidemic: who goes out may catch it from those who are ill, keeping away costs every day, being ill costs "
        "more.",
        "From a wave with more than half of all people ill, the infection falls to about the share at which going out "
        "and keeping away are worth the same, and then goes above and below it: nobody mixes, on some days everybody "
        "goes out. Towards the end there is less to protect, and it comes back.",
    ),
    Entry(
        "garnet",
        "A random game, to try methods on: few successors a row, random rewards, and crowds that are felt.",
        "Twenty observations without names. Within five steps the population gathers in some of them.",
    ),
)


# ------------------------------------------------------------------------------------------------------------ the pages


def description(name: str) -> str:
    """What the docstring says of the game before its parameters; equations, which are indented there, as code."""
    text = inspect.getdoc(getattr(tmf.games, name)) or ""
    return "\n\n".join(map(_block, re.split(r"^Parameters\n-+$", text, flags=re.MULTILINE)[0].strip().split("\n\n")))


def notes(name: str) -> str:
    """The section Notes of the docstring, or nothing."""
    text = inspect.getdoc(getattr(tmf.games, name)) or ""
    found = re.search(r"^Notes\n-+\n(.*?)(?=^\w+\n-+$|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    return "\n\n".join(map(_block, found[1].strip().split("\n\n"))) if found else ""


def _block(paragraph: str) -> str:
    if paragraph.startswith("    "):
        return f"```text\n{inspect.cleandoc(paragraph)}\n```"
    text = re.sub(r"([<|]|(?<!\*)\*(?!\*))", r"\\\1", paragraph.replace("``", "`"))
    text = text.replace("theory.md", "[theory.md](../theory.md)")
    return re.sub(r"arXiv:(\d+\.\d+)", r"[arXiv:\1](https://arxiv.org/abs/\1)", text)


def page(entry: Entry, solution: tmf.Solution) -> str:
    """The page of a game, with the numbers of its solution."""
    flow = solution.flow
    length = f"T = {flow.horizon}" + (f" steps of {flow.step:g} sweeps" if flow.step < 1 else " steps")
    rows = (
        ("game", f"S = {flow.mu.shape[1]} observations, A = {solution.policy.table.shape[-1]} actions, {length}"),
        ("who acts", solution.schedule + (f", N = {solution.n_agents:,}" if solution.n_agents else "")),
        ("solver", f"{solution.solver['name']}, {solution.history['iteration'][-1]:,} iterations"),
        ("exploitability", f"{solution.exploitability:.1e}, {_relative(solution)}"),
        ("mean return", f"{solution.mean_return:.4f}"),
    )
    more = notes(entry.name)
    word = entry.name.replace("_", "-")
    parts = [
        f"# {entry.heading}",
        entry.about,
        f"![Flow of the population at the equilibrium]({entry.name}.png)",
        entry.picture,
        *([f"![Map of the roads]({entry.name}-map.png)", f"```python\n{entry.map}```"] if entry.map else []),
        "## The game",
        description(entry.name),
        f"Parameters: `tmfcore games {word}`, or `help(tmf.games.{entry.name})`.",
        *([more] if more else []),
        *([f"### The rules, of `tmf.games.{entry.rules}`", description(entry.rules)] if entry.rules else []),
        "## Its equilibrium",
        "\n".join(["| | |", "|---|---|", *(f"| {head} | {value} |" for head, value in rows)]),
        f"![Exploitability by iteration]({entry.name}-exploitability.png)",
        "The command that made this picture and the first:",
        f"```sh\n{entry.command}\n```",
        "[All games](README.md)",
    ]
    return "\n\n".join(parts) + "\n"


def _relative(solution: tmf.Solution) -> str:
    if solution.mean_return == 0:
        return "in units of return (the mean return is 0)"
    return f"which is {solution.relative_exploitability:.1e} of the mean return"


def index() -> str:
    """The list of all games, each with its picture."""
    lines = [
        "# Gallery",
        "",
        "A page for each game of `tmfcore.games`: what it models, its equations, its equilibrium, and the command that",
        "found it. Written by `python -m bench.gallery`.",
        "",
        "| | |",
        "|---|---|",
    ]
    for entry in ENTRIES:
        picture = f'<a href="{entry.name}.md"><img src="{entry.name}.png" width="280" alt="{entry.heading}"></a>'
        lines.append(f"| {picture} | [**{entry.heading}**]({entry.name}.md)<br>{entry.about} |")
    return "\n".join(lines) + "\n"


# ------------------------------------------------------------------------------------------------------------- the work


def arguments(entry: Entry, folder: Path, *, quick: bool = False) -> list[str]:
    """The words of the entry's command, with its pictures and its solution in `folder`."""
    words = shlex.split(entry.command)[1:-1]
    return [*words, str(folder), "--out", str(folder / "solution.npz"), *(["--tolerance", "0.1"] if quick else [])]


def solve(entry: Entry, folder: Path, *, quick: bool = False) -> tmf.Solution:
    """Run the entry's command; the solution it found."""
    done = CliRunner().invoke(app, arguments(entry, folder, quick=quick))
    if done.exit_code:
        raise RuntimeError(f"{entry.command} ended with code {done.exit_code}: {done.output}")
    return tmf.Solution.load(folder / "solution.npz")


def write(folder: Path, entries: tuple[Entry, ...] = ENTRIES, *, quick: bool = False) -> list[Path]:
    """Write the pages and pictures of the entries, and the index; the paths written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for entry in entries:
        with tempfile.TemporaryDirectory() as work:
            found = solve(entry, Path(work), quick=quick)
            names = {"flow.png": f"{entry.name}.png", "exploitability.png": f"{entry.name}-exploitability.png"}
            contents = {name: small(Path(work) / drawn) for drawn, name in names.items()}
            if entry.map:
                contents[f"{entry.name}-map.png"] = _map(entry.map, Path(work))
        contents[f"{entry.name}.md"] = page(entry, found).encode()
        written += [_write(folder / name, content) for name, content in contents.items()]
    return [*written, _write(folder / "README.md", index().encode())]


def _map(program: str, work: Path) -> bytes:
    """The picture that the program of a page draws."""
    names: dict[str, Any] = {}
    exec(program, names)
    plotting.save(names["ax"], work / "map.png", dpi=100)
    return small(work / "map.png")


def small(picture: Path) -> bytes:
    """The PNG file with a palette of 256 colours: a third of the bytes."""
    with Image.open(picture) as image, io.BytesIO() as file:
        image.convert("RGB").quantize(256).save(file, format="png", optimize=True)
        return file.getvalue()


def _write(path: Path, content: bytes) -> Path:
    with files.replacing(path) as file:
        file.write(content)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.gallery", description=__doc__.splitlines()[0])
    known = {entry.name: entry for entry in ENTRIES}
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"games: {', '.join(known)}")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder to write to")
    parser.add_argument("--quick", action="store_true", help="stop at a tolerance of 10%%")
    options = parser.parse_args()
    for name in options.names:
        if name not in known:
            parser.error(f"{name!r} has no entry; must be one of {', '.join(known)}")
    chosen = tuple(known[name] for name in options.names) or ENTRIES
    for path in write(options.output, chosen, quick=options.quick):
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
