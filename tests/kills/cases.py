"""Calls with a checkpoint, each about a second of work: every verb, solver, analysis and command that takes one.

A case makes what its call needs, and returns the call, a function of `kept`: whether it keeps a checkpoint, FILE of the
working folder, written every EVERY seconds. `digest` says what must be equal.
"""

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import tmfcore as tmf
from tmfcore import reproduce
from tmfcore._results.packing import pack

CASES = {}
FILE = "checkpoint.npz"
EVERY = 0.02  # seconds


def case(name):
    """Register a case."""

    def register(make):
        CASES[name] = make
        return make

    return register


def digest(value):
    """The bits of a result, without what tells the time."""
    arrays = {}
    text = json.dumps(pack(timeless(value), "", arrays), sort_keys=True)
    found = sha256(text.encode())
    for name in sorted(arrays):
        if not name.endswith("seconds"):
            found.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode() + arrays[name].tobytes())
    return found.hexdigest()[:16]


def timeless(value):
    """A document without the entries that tell the time."""
    if isinstance(value, dict):
        return {key: timeless(entry) for key, entry in value.items() if key not in ("seconds", "date")}
    return [timeless(entry) for entry in value] if isinstance(value, list) else value


# ------------------------------------------------------------------------------------------------------- reproduce


@case("reproduce")
def _():
    settings = replace(reproduce.SETTINGS["tiny"], return_replicas=1000, convergence_replicas=200)

    def call(kept):
        results = reproduce.new_results(settings, 1)
        reproduce.run(settings, results, threads=1, checkpoint=FILE if kept else None)
        return reproduce.plain(results)

    return call


# -------------------------------------------------------------------------------------------------------- commands


def command(name, out, *words):
    """Register a command; `out` is the file that it must write."""

    @case(f"tmfcore {name}")
    def _():
        from tmfcore.cli.app import app

        def call(kept):
            always = words[0] == "reproduce"
            asked = [] if always or not kept else ["--checkpoint", FILE, "--checkpoint-every", str(EVERY)]
            app.main([*words, *asked], standalone_mode=False)
            assert not Path(FILE).exists(), "a command deletes its checkpoint"
            return json.loads(Path(out).read_text()) if out.endswith(".json") else tmf.load(out)

        return call


command("reproduce", "results.json", "reproduce", "--size", "tiny", "--out", ".", "--threads", "1")
