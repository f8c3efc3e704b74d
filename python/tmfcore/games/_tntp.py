"""The file format of Transportation Networks for Research: NAME_net.tntp, and _trips, _node and _flow beside it.

Networks and trips begin with lines "<NAME> value" up to "<END OF METADATA>"; then follow rows. "~" begins a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any

from tmfcore._base import needs
from tmfcore._base.disk import FileError, text_of

FIELDS = (
    "init node", "term node", "capacity", "length", "free flow time", "b", "power", "speed", "toll", "link type",
)  # fmt: skip
ROWS = 30  # bytes of memory that a byte of a file takes
NEEDED = 7  # fields that every row of a network has
FLOW_FIELDS = ("tail", "head", "volume", "cost")
OTHER_NAMES = {"from": "tail", "to": "head", "init": "tail", "term": "head", "flow": "volume", "time": "cost"}


def read(path: Path, toll_factor: float, distance_factor: float) -> dict[str, Any]:
    """The arguments of a RoadNetwork, from the files beside `path`."""
    if path.is_dir():
        nets = sorted(path.glob("*_net.tntp"))
        if len(nets) != 1:
            raise FileError(f"{str(path)!r} has {len(nets)} files *_net.tntp; must have one, or name it by path")
        (path,) = nets
    if not path.name.endswith("_net.tntp"):
        raise FileError(f"{str(path)!r}: the name must end with _net.tntp")
    stem = path.name.removesuffix("_net.tntp")
    trips, places, flows = (path.with_name(f"{stem}_{part}.tntp") for part in ("trips", "node", "flow"))
    if path.is_file():
        files = [file for file in (path, trips, places, flows) if file.is_file()]
        needs.ask({f"rows of {file.name}": (ROWS * file.stat().st_size,) for file in files})
    found, n_nodes = _links(path, toll_factor, distance_factor)
    if trips.exists():
        found["trips"] = _trips(trips, {node for edge in found["edges"] for node in edge})
    if places.exists():
        found["positions"] = _positions(places, n_nodes)
    if flows.exists():
        found["known_volumes"], found["known_times"] = _flows(flows, found["edges"])
    return found


class _File:
    """A file of the format: its metadata, which some kinds of files may omit, and the rows after it."""

    def __init__(self, path: Path, *, needs_metadata: bool = True) -> None:
        self.path = path
        self.begin = 0
        self.about: dict[str, tuple[int, str]] = {}
        self.lines = text_of(path, "a file of Transportation Networks", errors="replace").split("\n")
        for i, line in enumerate(self.lines, 1):
            if tag := re.match(r"\s*<([^>]+)>(.*)", line):
                name = " ".join(tag[1].upper().split())
                if name == "END OF METADATA":
                    self.begin = i
                    return
                self.about[name] = i, tag[2].split("~")[0].strip()
        if needs_metadata or self.about:
            raise FileError(f"{str(path)!r} has no line <END OF METADATA>; must be a file of Transportation Networks")

    def rows(self) -> Iterator[tuple[int, str]]:
        """Numbers and texts of the rows, without comments and empty ones."""
        for i, line in enumerate(self.lines[self.begin :], self.begin + 1):
            if text := line.split("~")[0].strip():
                yield i, text

    def whole(self, name: str, default: int | None = None) -> int:
        """A number of the metadata."""
        if name not in self.about:
            if default is not None:
                return default
            raise FileError(f"{str(self.path)!r} has no line <{name}>; must have it before <END OF METADATA>")
        line, text = self.about[name]
        return int(self.number(line, name, text, low=0, whole=True))

    def number(
        self, line: int, field: str, text: str, *, low: float | None = None, low_open: bool = False,
        high: float | None = None, whole: bool = False,
    ) -> float:  # fmt: skip
        """A field of a line, checked."""
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        kind = "an integer" if whole else "a number"
        fits = isfinite(value) and (not whole or value == int(value))
        bounds = []
        if low is not None:
            fits = fits and (value > low if low_open else value >= low)
            bounds.append(f"> {low:g}" if low_open else f">= {low:g}")
        if high is not None:
            fits = fits and value <= high
            bounds.append(f"<= {high:g}")
        if not fits:
            raise self.error(line, f"{field} is {text!r}; must be {' '.join([kind, ' and '.join(bounds)]).strip()}")
        return value

    def error(self, line: int, text: str) -> FileError:
        return FileError(f"{str(self.path)!r}, line {line}: {text}")


def _links(path: Path, toll_factor: float, distance_factor: float) -> tuple[dict[str, Any], int]:
    file = _File(path)
    n_nodes, n_links = file.whole("NUMBER OF NODES"), file.whole("NUMBER OF LINKS")
    through = file.whole("FIRST THRU NODE", 1)
    edges, columns = [], []
    needed = 9 if toll_factor else NEEDED
    for line, text in file.rows():
        fields = text.replace(";", " ").split()
        if not fields:
            continue
        if len(fields) < needed:
            raise file.error(line, f"the row has {len(fields)} fields; must have {', '.join(FIELDS[:needed])}")
        tail, head = (
            int(file.number(line, FIELDS[j], fields[j], low=1, high=n_nodes, whole=True)) for j in (0, 1)
        )
        capacity = file.number(line, FIELDS[2], fields[2], low=0, low_open=True)
        length, time, b, power = (file.number(line, FIELDS[j], fields[j], low=0) for j in range(3, 7))
        fixed = distance_factor * length
        if toll_factor:
            fixed += toll_factor * file.number(line, FIELDS[8], fields[8], low=0)
        edges.append((str(tail), str(head)))
        # time (1 + b x) + fixed, written as one BPR function
        columns.append((time + fixed, capacity, b * time / (time + fixed) if fixed else b, power))
    if len(edges) != n_links:
        raise FileError(f"{str(path)!r} has {len(edges)} links; must have {n_links}, its <NUMBER OF LINKS>")
    if not edges:
        raise FileError(f"{str(path)!r} has no links; must have at least one")
    free, capacities, bs, powers = (list(column) for column in zip(*columns, strict=True))
    known = {node for edge in edges for node in edge}
    closed = tuple(sorted((node for node in known if int(node) < through), key=int))
    return {
        "edges": edges, "free_flow_time": free, "capacity": capacities, "congestion": bs, "power": powers,
        "no_through": closed,
    }, n_nodes  # fmt: skip


def _trips(path: Path, known: set[str]) -> list[tuple[str, str, float]]:
    file = _File(path)
    n_zones = file.whole("NUMBER OF ZONES")
    found: dict[tuple[int, int], tuple[str, str, float]] = {}
    origin = 0
    for line, text in file.rows():
        if text.lower().startswith("origin"):
            origin = int(file.number(line, "origin", text[6:].strip(), low=1, high=n_zones, whole=True))
            continue
        for entry in filter(str.strip, text.split(";")):
            if not origin:
                raise file.error(line, f"{entry.strip()!r} stands before the first origin; must follow 'Origin n'")
            node, colon, flow = entry.partition(":")
            if not colon:
                raise file.error(line, f"{entry.strip()!r}; must be 'destination : vehicles;'")
            destination = int(file.number(line, "destination", node.strip(), low=1, high=n_zones, whole=True))
            vehicles = file.number(line, "vehicles", flow.strip(), low=0)
            if vehicles == 0 or destination == origin:
                continue
            pair = origin, destination
            if pair in found:
                raise file.error(line, f"trips from {origin} to {destination} occur twice; must be given once")
            for zone in pair:
                if str(zone) not in known:
                    raise file.error(line, f"zone {zone} has trips but no link; must be on a link of the network")
            found[pair] = str(origin), str(destination), vehicles
    return list(found.values())


def _positions(path: Path, n_nodes: int) -> dict[str, tuple[float, float]]:
    """Node, x and y in each row, after a first row with names. These files have no metadata."""
    found: dict[str, tuple[float, float]] = {}
    for i, line in enumerate(text_of(path, "a file of Transportation Networks", errors="replace").split("\n"), 1):
        fields = line.split("~")[0].replace(";", " ").split()
        if not fields or (not found and not fields[0].isdigit()):
            continue
        try:
            node, x, y = int(fields[0]), float(fields[1]), float(fields[2])
        except (IndexError, ValueError):
            raise FileError(f"{str(path)!r}, line {i}: {line.strip()!r}; must be node, x and y") from None
        if not 1 <= node <= n_nodes or not (isfinite(x) and isfinite(y)):
            raise FileError(f"{str(path)!r}, line {i}: {line.strip()!r}; must have a node <= {n_nodes}, finite x and y")
        found[str(node)] = (x, y)
    return found


def _flows(path: Path, edges: list[tuple[str, str]]) -> tuple[list[float], list[float]]:
    """Best known volume and cost of each link: tail, head, volume and cost in each row, or columns as a first row says.

    Parallel links have their rows in the order of the network.
    """
    file = _File(path, needs_metadata=False)
    free: dict[tuple[str, str], list[int]] = {}
    for link in reversed(range(len(edges))):
        free.setdefault(edges[link], []).append(link)
    column = {name: j for j, name in enumerate(FLOW_FIELDS)}
    found: dict[int, tuple[float, float]] = {}
    for line, text in file.rows():
        fields = text.replace(":", " ").replace(";", " ").split()
        if not found and fields and fields[0][0].isalpha():
            names = [OTHER_NAMES.get(name.lower(), name.lower()) for name in fields]
            if missing := [name for name in FLOW_FIELDS if name not in names]:
                raise file.error(line, f"the row of names lacks {missing[0]!r}; must have {', '.join(FLOW_FIELDS)}")
            column = {name: names.index(name) for name in FLOW_FIELDS}
        elif fields:
            if len(fields) <= max(column.values()):
                raise file.error(line, f"the row has {len(fields)} fields; must have {', '.join(column)}")
            places = (fields[column[end]] for end in FLOW_FIELDS[:2])
            tail, head = (int(file.number(line, "node", node, low=1, whole=True)) for node in places)
            if not free.get((str(tail), str(head))):
                raise file.error(line, f"{tail}->{head} is no link of the network, or occurs twice; must be given once")
            volume, cost = (file.number(line, name, fields[column[name]], low=0) for name in FLOW_FIELDS[2:])
            found[free[str(tail), str(head)].pop()] = volume, cost
    if len(found) < len(edges):
        link = next(e for e in range(len(edges)) if e not in found)
        raise FileError(f"{str(path)!r} has no row of link {'->'.join(edges[link])}; must have one for each link")
    volumes, costs = zip(*(found[link] for link in range(len(edges))), strict=True)
    return list(volumes), list(costs)
