"""Outputs of the command line as users see them: on a terminal of 80 columns, in a pipe, and with --json.

tests/golden/cli has a file for each case. `python -m tests.golden` writes them anew; read what changed before it is kept.
Numbers may differ in their last digits from machine to machine: files hold what was printed here, numbers of JSON to six
digits, and `differences` compares numbers by value and everything else by letter.
"""

import contextlib
import io
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from command_line import CODES, drained
from tmfcore.cli.app import app

FOLDER = Path(__file__).parent / "cli"
COLUMNS = 80
SMALL = ("queueing", "--n-agents", "50", "--horizon", "4")
GRID = ("crowd-motion", "--n-agents", "200", "--horizon", "3", "--set", "shape=3,3", "--set", "bar=1,1")

#: File -> commands. Those of one file run one after another in one empty folder.
CASES = {
    "help": [["--help"], ["solve", "--help"], ["simulate", "--help"], ["sweep", "--help"], ["games", "--help"], ["new", "--help"],
             ["reproduce", "--help"], ["bench", "--help"], ["info", "--help"], ["--version"]],
    "poisson": [["solve", "left-right", "--schedule", "poisson", "--step", "0.25", "--solver", "fixed-point", "--iterations", "2"],
                ["simulate", "left-right", "--rate", "2", "--n-agents", "50", "--times", "0.5"]],
    "games": [["games"]],
    "games-queueing": [["games", "queueing"]],
    "games-crowd-motion": [["games", "crowd-motion"]],
    "bench": [["bench", "--list", "--only", "flow", "--only", "solve-alone"]],
    "info": [["info"]],
    "solve": [["solve", *SMALL, "--iterations", "5", "--out", "queueing.npz"],
              ["simulate", *SMALL, "--replicas", "2", "--policy", "queueing.npz"]],
    "solve-sequential": [["solve", *SMALL, "--schedule", "sequential", "--iterations", "3"]],
    "solve-coarse": [["solve", *SMALL, "--schedule", "sequential", "--coarse", "5", "--iterations", "3"]],
    "solve-grid": [["solve", *GRID, "--solver", "mirror-descent", "--iterations", "4"]],
    "solve-tmf-pg": [["solve", *SMALL, "--batch", "10", "--solver", "tmf-pg", "--iterations", "2"]],
    "simulate": [["simulate", *SMALL, "--replicas", "3", "--out", "run.npz"]],
    "simulate-one": [["simulate", *SMALL, "--batch", "25", "--replicas", "1", "--engine", "agents"]],
    "pictures": [["solve", *SMALL, "--iterations", "1", "--pictures", "drawn"], ["simulate", *SMALL, "--pictures", "drawn"]],
    "simulate-grid": [["simulate", *GRID, "--replicas", "2"]],
    "new": [["new", "mine"], ["new", "mine"], ["simulate", "mine.toml", "--n-agents", "20"],
            ["simulate", "mine.py", "--n-agents", "20", "--replicas", "2"]],
    "reproduce": [["reproduce", "--size", "tiny", "--seed", "1", "--threads", "1"]],
    "errors": [
        ["sole"], ["--bogus"], ["solve"], ["solve", "queuing"], ["solve", "chess"], ["solve", "absent.npz"],
        ["solve", "queueing", "--batsh", "3"], ["solve", "queueing", "--schedule", "sequentiel"],
        ["solve", "queueing", "--schedule", "batch"], ["solve", "queueing", "--batch", "51", "--n-agents", "50"],
        ["solve", "queueing", "--fraction", "1.5"], ["solve", "queueing", "--set", "capacity=1"],
        ["solve", "queueing", "--set", "capacities=a,b"], ["solve", "queueing", "--tolerance", "-1"],
        ["solve", "queueing", "--solver", "newton"], ["solve", "queueing", "--initial", "1,1"],
        ["solve", "absent.toml"], ["simulate", "queueing", "--policy", "absent.npz"],
        ["simulate", "queueing", "--replicas", "0"], ["simulate", "queueing", "--n-agents", "1.5"],
        ["simulate", "queueing", "--out", "absent/run.npz"], ["new", "two words"], ["games", "quueing"],
        ["bench", "--only", "chess"], ["bench", "--fail-above", "2"], ["bench", "--with", "absent.py"], ["bench", "--size", "hug"],
        ["bench", "--save", "absent/times.json"], ["bench", "--picture", "bars.bmp"], ["bench", "--compare", "absent.json"],
    ],
}  # fmt: skip

VIEWS = ("terminal of 80 columns", "pipe", "--json")
#: Cases of one view: others would look the same, or are long.
ONLY = {"pictures": VIEWS[1], "help": VIEWS[0], "errors": VIEWS[1], "reproduce": VIEWS[0]}

#: What differs from machine to machine, or from run to run.
MASKS = (
    (re.compile(r"^(tmfcore, version) \S+$", re.MULTILINE), r"\1 ..."),
    (re.compile(r"^( *seconds +)\d+\.\d\d *$", re.MULTILINE), r"\1..."),
    (re.compile(r"^\d+ s; wrote", re.MULTILINE), "... s; wrote"),
)
FACTS = {"info"}  # cases that print nothing but facts of the machine, after a name each
TIMES = {"seconds"}  # keys of JSON
NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d[\d,]*\.?\d*|\.\d+)(?:e[-+]?\d+)?")


def run(arguments, *, terminal):
    """Standard output, standard error and exit code of a command in this process, on a terminal or in a pipe."""
    errors = io.StringIO()
    if not terminal:
        output = io.StringIO()
        code = _main(arguments, output, errors)
        return output.getvalue(), errors.getvalue(), code
    import pty

    master, slave = pty.openpty()
    with ThreadPoolExecutor(1) as reader:
        printed = reader.submit(drained, master)
        with open(slave, "w", encoding="utf-8") as output:
            code = _main(arguments, output, errors)
    os.close(master)
    return CODES.sub("", printed.result().decode()).replace("\r\n", "\n"), errors.getvalue(), code


def _main(arguments, output, errors):
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            app.main(list(arguments), prog_name="tmfcore")
        except SystemExit as ended:
            return ended.code or 0
    return 0


@contextlib.contextmanager
def surroundings(folder, *, terminal):
    """An empty folder, and an environment that says how wide a terminal is and asks for no colours or none."""
    before, here = dict(os.environ), Path.cwd()
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        os.environ.pop(name, None)
    os.environ["TERM"] = "xterm-256color"
    if terminal:
        os.environ["COLUMNS"] = str(COLUMNS)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)
        os.environ.clear()
        os.environ.update(before)


def page(name, folder):
    """The file of a case: each of its commands in each view."""
    found = []
    for view in VIEWS if name not in ONLY else [ONLY[name]]:
        place = Path(folder) / view.replace(" ", "-")
        place.mkdir()
        terminal, more = view.startswith("terminal"), ["--json"] if view == "--json" else []
        with surroundings(place, terminal=terminal):
            for arguments in CASES[name]:
                output, errors, code = run([*arguments, *more], terminal=terminal)
                output = _json(output, hide=name in FACTS) if more and not code else _masked(name, output)
                found.append(f"##### {' '.join(['tmfcore', *arguments, *more])}" + (f"   ({view})" if not more else ""))
                found += [text.rstrip("\n") for text in (output, errors) if text]
                found += [f"(exit code {code})"] if code else []
                found.append("")
    return "\n".join(found)


def _masked(name, text):
    if name in FACTS:  # a name, two spaces or more, a fact
        text = re.sub(r"^( *\w[\w ]*?)(  +)\S.*$", r"\1\2...", text, flags=re.MULTILINE)
        text = re.sub("\u2500+", "\u2500" * 10, text)
    for mask, instead in MASKS:
        text = mask.sub(instead, text)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def _json(text, *, hide):
    """A document with one key a line, numbers to six digits, without what differs from machine to machine."""
    document = {key: "..." if hide else _rounded(key, value) for key, value in json.loads(text).items()}
    lines = [f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in document.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _rounded(key, value):
    if key in TIMES:
        return "..."
    if isinstance(value, dict):
        return {name: _rounded(name, entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_rounded("", entry) for entry in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def differences(found, stored):
    """Lines that differ by more than their numbers' last digits: (number of the line, stored, found)."""
    one, other = stored.splitlines(), found.splitlines()
    if len(one) != len(other):
        first = next((i for i, (a, b) in enumerate(zip(one, other)) if not _alike(a, b)), min(len(one), len(other)))
        return [(first + 1, one[first : first + 3], other[first : first + 3])]
    return [(i + 1, a, b) for i, (a, b) in enumerate(zip(one, other)) if not _alike(a, b)]


def _alike(one, other):
    if one == other:
        return True
    blank = [re.sub(r"\s+|─+|-{2,}", " ", NUMBER.sub("#", line)).strip() for line in (one, other)]
    if blank[0] != blank[1]:
        return False
    pairs = zip(NUMBER.findall(one), NUMBER.findall(other))
    return all(_near(float(a.replace(",", "")), float(b.replace(",", ""))) for a, b in pairs)


def _near(one, other):
    """Equal to 1%, or both below what a solver's rounding leaves."""
    return abs(one - other) <= 1e-2 * max(abs(one), abs(other)) or max(abs(one), abs(other)) < 1e-9
