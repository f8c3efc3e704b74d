"""Solve each game by the command line, and write docs/gallery: a page with pictures per game, and the index.

    python -m bench.gallery                     every page, some seconds per game
    python -m bench.gallery NAME ...            only these games, and the index
    python -m bench.gallery --output FOLDER     write to FOLDER instead of docs/gallery
    python -m bench.gallery --quick             to a tolerance of 10%, to check that it works
    python -m bench.gallery --lists             no pages, only the lists of all games: LISTS, and the index

The text about a game is in its file (`tmfcore.games._shelf`). Equations and notes come from its docstring, numbers and
pictures from running the command on its page. Needs the extra `app`
(matplotlib brings Pillow).
"""

import argparse
import importlib
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

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "docs" / "gallery"


class Entry(NamedTuple):
    """The page of a game, from the entry in its file."""

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
        """The program that draws the map of a road network as the figure of `ax`; otherwise empty."""
        if self.rules != "routing":
            return ""
        arguments = ", ".join(f"{name}={value}" for name, value in re.findall(r"--(\w+) (\S+)", self.options))
        return MAP.format(name=self.name, arguments=arguments)

    @property
    def command(self) -> str:
        """The command as a reader types it."""
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

def entries() -> tuple[Entry, ...]:
    """All games with a page."""
    return tuple(Entry(entry.name, entry.about, **vars(entry.page)) for entry in tmf.games.SHELF.values() if entry.page)


# ------------------------------------------------------------------------------------------------------------ the pages


def description(name: str) -> str:
    """The docstring of the game up to its parameters, with indented equations as code."""
    text = inspect.getdoc(getattr(tmf.games, name)) or ""
    return "\n\n".join(map(_block, re.split(r"^Parameters\n-+$", text, flags=re.MULTILINE)[0].strip().split("\n\n")))


def notes(name: str) -> str:
    """The section Notes of the docstring, or an empty text."""
    text = inspect.getdoc(getattr(tmf.games, name)) or ""
    found = re.search(r"^Notes\n-+\n(.*?)(?=^\w+\n-+$|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    return "\n\n".join(map(_block, found[1].strip().split("\n\n"))) if found else ""


def _block(paragraph: str) -> str:
    if paragraph.startswith("    "):
        return f"```text\n{inspect.cleandoc(paragraph)}\n```"
    text = re.sub(r"([<|]|(?<!\*)\*(?!\*))", r"\\\1", paragraph.replace("``", "`"))
    text = text.replace("Theory, section", "[Theory](../theory.md), section")
    return re.sub(r"arXiv:(\d+\.\d+)", r"[arXiv:\1](https://arxiv.org/abs/\1)", text)


def page(entry: Entry, solution: tmf.Solution) -> str:
    """The page of a game, with the numbers of its solution."""
    flow = solution.flow
    length = f"T = {flow.horizon}" + (f" steps of {flow.step:g} sweeps" if flow.step < 1 else " steps")
    rows = (
        ("game", f"S = {flow.mu.shape[1]} observations, A = {solution.policy.table.shape[-1]} actions, {length}"),
        ("schedule", solution.schedule + (f", N = {solution.n_agents:,}" if solution.n_agents else "")),
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
        *([f"### Rules, from `tmf.games.{entry.rules}`", description(entry.rules)] if entry.rules else []),
        "## Its equilibrium",
        "\n".join(["| | |", "|---|---|", *(f"| {head} | {value} |" for head, value in rows)]),
        f"![Probability of each action]({entry.name}-policy.png)",
        f"![Exploitability by iteration]({entry.name}-exploitability.png)",
        "This command writes these pictures and the one at the top:",
        f"```sh\n{entry.command}\n```",
        "[All games](index.md)",
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
    for entry in entries():
        picture = f'[<img src="{entry.name}.png" width="280" alt="{entry.heading}">]({entry.name}.md)'
        lines.append(f"| {picture} | [**{entry.heading}**]({entry.name}.md)<br>{entry.about} |")
    return "\n".join([*lines, "", "```{toctree}", ":hidden:", ":glob:", "", "*", "```"]) + "\n"


def exports() -> str:
    """The exports of modules with games, as imports for type checkers."""
    modules = {entry.make.__module__ for entry in tmf.games.SHELF.values()}
    found = [(module, name) for module in sorted(modules) for name in importlib.import_module(module).__all__]
    return "".join(f"    from {module} import {name} as {name}\n" for module, name in found)


def table() -> str:
    """All games of the shelf, what they model, and what they must be given."""
    lines = ["| game | what it models | arguments it needs |", "|---|---|---|"]
    for name, entry in tmf.games.SHELF.items():
        needed = [f"`{p.name}`" for p in inspect.signature(entry.make).parameters.values() if p.default is p.empty]
        link = f"[`{name}`](gallery/{name}.md)" if entry.page else f"`{name}`"
        lines.append(f"| {link} | {entry.about} | {', '.join(needed)} |")
    return "\n".join(lines) + "\n"


def reference() -> str:
    """All games of the shelf, as directives of the reference."""
    return "".join(f"\n.. autofunction:: tmfcore.games.{name}\n" for name in tmf.games.SHELF) + "\n"


#: File -> (the line before a list of all games, the line after it, the list).
LISTS = {
    ROOT / "python" / "tmfcore" / "games" / "__init__.py": ("if TYPE_CHECKING:", "\n", exports),
    ROOT / "docs" / "games.md": ("<!-- written by `python -m bench.gallery --lists` -->", "<!-- end -->", table),
    ROOT / "docs" / "reference" / "shelf.rst": (".. written by", ".. end", reference),
}


def with_list(path: Path) -> str:
    """The text of a file with today's list in its place."""
    first, last, text = LISTS[path]
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    begin = next(i for i, line in enumerate(lines) if line.startswith(first)) + 1
    end = next(i for i, line in enumerate(lines[begin:], begin) if line.startswith(last))
    return "".join([*lines[:begin], text(), *lines[end:]])


# ------------------------------------------------------------------------------------------------------------- the work


def arguments(entry: Entry, folder: Path, *, quick: bool = False) -> list[str]:
    """The words of the entry's command, which writes pictures and solution to `folder`."""
    words = shlex.split(entry.command)[1:-1]
    return [*words, str(folder), "--out", str(folder / "solution.npz"), *(["--tolerance", "0.1"] if quick else [])]


def solve(entry: Entry, folder: Path, *, quick: bool = False) -> tmf.Solution:
    """Run the entry's command and return its solution."""
    done = CliRunner().invoke(app, arguments(entry, folder, quick=quick))
    if done.exit_code:
        raise RuntimeError(f"{entry.command} ended with code {done.exit_code}: {done.output}")
    return tmf.Solution.load(folder / "solution.npz")


def write(folder: Path, chosen: tuple[Entry, ...], *, quick: bool = False) -> list[Path]:
    """Write the pages and pictures of the chosen, and the index; the paths written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for entry in chosen:
        with tempfile.TemporaryDirectory() as work:
            found = solve(entry, Path(work), quick=quick)
            names = {"flow.png": f"{entry.name}.png"}
            names |= {f"{what}.png": f"{entry.name}-{what}.png" for what in ("policy", "exploitability")}
            contents = {name: small(Path(work) / drawn) for drawn, name in names.items()}
            if entry.map:
                contents[f"{entry.name}-map.png"] = _map(entry.map, Path(work))
        contents[f"{entry.name}.md"] = page(entry, found).encode()
        written += [_write(folder / name, content) for name, content in contents.items()]
    return [*written, _write(folder / "index.md", index().encode())]


def write_lists() -> list[Path]:
    """Write the lists of all games; the paths written."""
    return [_write(path, with_list(path).encode()) for path in LISTS]


def _map(program: str, work: Path) -> bytes:
    """The picture that the program of a page draws."""
    names: dict[str, Any] = {}
    exec(program, names)
    plotting.save(names["ax"], work / "map.png", dpi=100)
    return small(work / "map.png")


def small(picture: Path) -> bytes:
    """The PNG file with a palette of 256 colours, which takes a third of the bytes."""
    with Image.open(picture) as image, io.BytesIO() as file:
        image.convert("RGB").quantize(256).save(file, format="png", optimize=True)
        return file.getvalue()


def _write(path: Path, content: bytes) -> Path:
    with files.replacing(path) as file:
        file.write(content)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.gallery", description=__doc__.splitlines()[0])
    known = {entry.name: entry for entry in entries()}
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"games: {', '.join(known)}")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder to write to")
    parser.add_argument("--quick", action="store_true", help="stop at a tolerance of 10%%")
    parser.add_argument("--lists", action="store_true", help="only the lists of all games")
    options = parser.parse_args()
    for name in options.names:
        if name not in known:
            parser.error(f"{name!r} has no entry; must be one of {', '.join(known)}")
    chosen = () if options.lists else tuple(known[name] for name in options.names) or entries()
    written = write(options.output, chosen, quick=options.quick)
    for path in written + (write_lists() if options.output == OUTPUT else []):
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
