"""Both experiments of the paper in one call: TMF-PG at several B, N agents and the mean field, the error against N.

    run(settings, results, ...)       compute everything; fills `results`, a dict for JSON, piece by piece
    write(results, folder)            write results.json, summary.md and the figures; never overwrites better results
    check_folder(folder)              raise before the work starts if the folder cannot be written to

`compute` has the numbers, `report` the tables, `figures` the pictures, `settings` the games, sizes and goals. Every
piece of work has its own random stream, so numbers depend on the seed alone: not on threads, and not on which other
pieces are run, or were run by a process that was killed.
"""

from __future__ import annotations

import io
import json
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import tmfcore as tmf
from tmfcore import plotting
from tmfcore._base import files as _files
from tmfcore._results.checkpoint import CheckpointLike, Keeper, opened

from . import compute, figures, report
from .settings import GAMES, SETTINGS, Settings

__all__ = ["SETTINGS", "Settings", "check_folder", "new_results", "plain", "run", "write"]

#: Receives (name of the current piece, pieces finished, number of pieces, done and total of the current piece).
Observer = Callable[[str, int, int, int, int], object]


def new_results(settings: Settings, seed: int) -> dict[str, Any]:
    """Return the results of a run that has not started: settings, seed, date and versions."""
    info = tmf.build_info()
    return {
        "complete": False,
        "settings": settings.name,
        "seed": seed,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": 0.0,
        "versions": {name: info[name] for name in ("tmfcore", "python", "numpy", "scipy", "platform")},
        "parameters": settings.as_dict(),
        "games": {
            name: {"parameters": dict(GAMES[name].parameters), "batches": {}, "convergence": {}}
            for name in settings.games
        },
        "goals": [],
    }


def run(
    settings: Settings,
    results: dict[str, Any],
    *,
    threads: int | None = None,
    checkpoint: CheckpointLike | None = None,
    observe: Observer = lambda *_: None,
) -> None:
    """Compute everything into `results`, which keeps the finished pieces if an exception (such as Ctrl-C) ends the run.

    Parameters
    ----------
    settings : Settings
    results : dict
        From `new_results`; filled in place.
    threads : int or None, optional
        As in `tmfcore.simulate`; only the seconds depend on it.
    checkpoint : path, Checkpoint or None, optional
        A file that keeps the finished pieces and the state of the present one, written once a minute or as often as a
        Checkpoint says, and after each piece. If it is there, the run goes on from it, to the same results, in every
        bit, as those of a run that was never stopped. See `tmfcore.Checkpoint`.
    observe : callable, optional
        See `Observer`.

    Raises
    ------
    FileError
        The file of `checkpoint` is damaged, or of a run with other settings, seed or versions; it stays as it is.
    """
    began = time.perf_counter()
    players = [_Player(g, settings, results, threads) for g in range(len(settings.games))]
    pieces = [piece for player in players for piece in player.solves()]
    pieces += [piece for player in players for piece in player.plays()]
    pieces += [piece for player in players for piece in player.studies()]
    kept = opened(checkpoint, "reproduce", _task(results))
    finished: dict[str, dict[str, Any]] = {}
    part: dict[str, Any] | None = None  # the state of the piece after them
    before = 0.0
    if kept is not None and kept.state is not None:
        with kept.restoring():
            finished, part, before = dict(kept.state["pieces"]), kept.state["part"], float(kept.state["seconds"])
            for piece in pieces[: len(finished)]:
                piece.store(finished[piece.name])
        kept.state = None

    def seconds() -> float:
        return before + time.perf_counter() - began

    def state(part: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return {"pieces": finished, "part": part, "seconds": seconds()}

    try:
        for i, piece in enumerate(pieces[len(finished) :], len(finished)):
            observe(piece.name, i, len(pieces), 0, 1)
            of_piece = None if kept is None else kept.part(state, part)
            finished[piece.name] = piece.work(partial(observe, piece.name, i, len(pieces)), of_piece)
            piece.store(finished[piece.name])
            part = None
            if kept is not None:
                kept.save(state())
        results["complete"] = True
        observe("done", len(pieces), len(pieces), 1, 1)
    finally:
        results["seconds"] = seconds()
        results["goals"] = compute.goals(results, settings)


def _task(results: dict[str, Any]) -> dict[str, Any]:
    """What the pieces of a run depend on."""
    return {
        **{name: results[name] for name in ("settings", "seed")},
        **results["versions"],
        **{name: value for name, value in results["parameters"].items() if name not in ("name", "goals")},
        **{f"{name} game": part["parameters"] for name, part in results["games"].items()},
    }


def write(results: dict[str, Any], folder: Path, *, progress: compute.Report = lambda done, total: None) -> list[Path]:
    """Write results.json, summary.md and, if the results are complete, the figures; return their paths.

    Complete results replace those in the folder once all figures are drawn. Incomplete results replace only less
    complete ones. If the folder has more complete results, or a results.json that cannot be read, they go into its
    subfolder "unfinished". So do complete results if an exception (such as Ctrl-C) ends the drawing.

    Raises
    ------
    OSError
        The folder cannot be written to.
    """
    if not results["complete"]:
        return _write_texts(results, _place_of_unfinished(results, folder), figures=False)
    drawn = {}
    try:
        pictures = figures.draw(results)
        for done, (name, picture) in enumerate(pictures.items()):
            progress(done, len(pictures))
            drawn[name] = png = io.BytesIO()
            picture.savefig(png, dpi=plotting.DPI, format="png")
    except BaseException:
        _write_texts(results, _place_of_unfinished(results, folder), figures=False)
        raise
    written = _write_texts(results, folder, figures=True)
    for name, png in drawn.items():
        with _files.replacing(folder / name) as file:
            file.write(png.getbuffer())
        written.append(folder / name)
    return written


def _write_texts(results: dict[str, Any], folder: Path, *, figures: bool) -> list[Path]:
    folder.mkdir(exist_ok=True)
    texts = {
        folder / "results.json": json.dumps(plain(results), indent=1, allow_nan=False),
        folder / "summary.md": report.summary(results, figures=figures),
    }
    for path, text in texts.items():
        with _files.replacing(path) as file:
            file.write(text.encode())
    return list(texts)


def _place_of_unfinished(results: dict[str, Any], folder: Path) -> Path:
    """`folder`, or its subfolder "unfinished" if the results in it are at least as complete."""
    path = folder / "results.json"
    try:
        found = json.loads(path.read_bytes())
        better = bool(found["complete"]) or _finished(found) > _finished(results)
    except FileNotFoundError:
        better = False
    except (AttributeError, KeyError, OSError, TypeError, ValueError):  # not ours to replace
        better = True
    return folder / "unfinished" if better else folder


def _finished(results: dict[str, Any]) -> int:
    """Pieces of work that the results hold."""
    return sum(
        len(part["convergence"]) + sum(len(case) for case in part["batches"].values())
        for part in results["games"].values()
    )


def check_folder(folder: Path) -> None:
    """Make `folder` if it is missing, and raise OSError if files cannot be written to it."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


@dataclass(frozen=True)
class _Piece:
    """A description, a function that computes a value, and one that stores it in the results."""

    name: str
    work: Callable[[compute.Report, Keeper | None], dict[str, Any]]
    store: Callable[[dict[str, Any]], None]


class _Player:
    """The pieces of work on one game; holds the learned policies; everything else goes into the results."""

    def __init__(self, index: int, settings: Settings, results: dict[str, Any], threads: int | None) -> None:
        self.index = index
        self.settings = settings
        self.spec = GAMES[settings.games[index]]
        self.part = results["games"][settings.games[index]]
        self.seed = results["seed"]
        self.threads = threads
        self.policies: dict[tuple[int, bool], tmf.TabularPolicy | tmf.SoftmaxPolicy] = {}

    def solves(self) -> Iterator[_Piece]:
        for b, case in enumerate(self.settings.cases()):
            yield self._piece(f"solving, {self._label(case)}", self._solve, self._solved, b, case)

    def plays(self) -> Iterator[_Piece]:
        for b, case in enumerate(self.settings.cases()):
            yield self._piece(f"playing, {self._label(case)}", self._play, self._played, b, case)

    def studies(self) -> Iterator[_Piece]:
        for r, rule in enumerate(compute.BATCH_RULES):
            yield self._piece(f"convergence, {rule}", self._study, self._studied, r, rule)

    def _piece(self, name: str, work: Callable[..., Any], store: Callable[..., Any], place: int, what: Any) -> _Piece:
        return _Piece(f"{self.spec.title}: {name}", partial(work, place, what), partial(store, what))

    def _label(self, case: tuple[int, bool]) -> str:
        batch, aware = case
        return compute.label_of(batch, self.settings.n_agents, aware)

    def _stream(self, kind: int, place: int) -> np.random.SeedSequence:
        return np.random.SeedSequence(self.seed, spawn_key=(self.index, kind, place))

    def _solve(
        self, b: int, case: tuple[int, bool], report: compute.Report, kept: Keeper | None
    ) -> dict[str, Any]:
        batch, aware = case
        policy, found = compute.solve(self.spec, batch, self.settings, self._stream(0, b), report, kept, aware)
        return {"policy": policy, "found": found}

    def _solved(self, case: tuple[int, bool], value: dict[str, Any]) -> None:
        self.policies[case] = value["policy"]
        self.part["batches"][self._label(case)] = {"solve": value["found"]}

    def _play(
        self, b: int, case: tuple[int, bool], report: compute.Report, kept: Keeper | None
    ) -> dict[str, Any]:
        seed, policy, (batch, _) = self._stream(1, b), self.policies[case], case
        return {"found": compute.play(self.spec, policy, batch, self.settings, seed, self.threads, report, kept)}

    def _played(self, case: tuple[int, bool], value: dict[str, Any]) -> None:
        self.part["batches"][self._label(case)]["play"] = value["found"]

    def _study(self, r: int, rule: str, report: compute.Report, kept: Keeper | None) -> dict[str, Any]:
        seed, policy = self._stream(2, r), self.policies[self.settings.batches[-1], False]
        return {"found": compute.study(self.spec, policy, rule, self.settings, seed, self.threads, report, kept)}

    def _studied(self, rule: str, value: dict[str, Any]) -> None:
        self.part["convergence"][rule] = value["found"]


def plain(value: Any) -> Any:
    """Return `value` for JSON: tuples and arrays as lists, paths as text, NaN and infinities as null."""
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    return os.fspath(value) if isinstance(value, os.PathLike) else value
