"""Draw the rooms of the package and their imports: python -m bench.rooms writes docs/rooms.png.

A room is a folder of python/tmfcore and the folder of its kernels in tmfcore/. An arrow means that Python imports from
the room, or that kernels cimport or include from it; arrows that follow from longer paths are omitted. An import of
`tmfcore` itself counts as imports of all rooms that its __init__ imports. The exit status is 1 if the imports have a
cycle. Needs matplotlib (extra `app`).
"""

from __future__ import annotations

import ast
import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, KERNELS = ROOT / "python" / "tmfcore", ROOT / "tmfcore"
PICTURE = ROOT / "docs" / "rooms.png"
NAMED = re.compile(r'^ *from tmfcore\.(\w+)[\w.]* c?import|(?:#include|extern from) "(?:tmfcore/)?(\w+)/', re.MULTILINE)


def rooms() -> list[str]:
    """Folders of the package."""
    return sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def python_imports(path: Path) -> Iterator[str]:
    """Names of the tmfcore modules that a file of the package imports, except under TYPE_CHECKING."""
    package = path.relative_to(PACKAGE.parent).parent.parts
    pending: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            pending += node.orelse
            continue
        pending += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "tmfcore")
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            if base == "tmfcore":
                yield from (f"tmfcore.{alias.name}" for alias in node.names)
            elif base.startswith("tmfcore."):
                yield base


def kernel_imports(path: Path) -> Iterator[str]:
    """Rooms from which a .pyx, .pxd or .h cimports, imports or includes."""
    yield from (name or header for name, header in NAMED.findall(path.read_text(encoding="utf-8")))


def imports() -> dict[str, set[str]]:
    """For each room, the rooms from which it imports, cimports or includes."""
    known = rooms()
    front = {name.split(".")[1] for name in python_imports(PACKAGE / "__init__.py")}
    found: dict[str, set[str]] = {room: set() for room in known}
    for room in known:
        for path in (PACKAGE / room).rglob("*.py"):
            for name in python_imports(path):
                found[room].update(front if name == "tmfcore" else {name.split(".")[1]})
        for path in (KERNELS / room).rglob("*.*"):
            found[room].update(kernel_imports(path))
        found[room] &= set(known) - {room}
    return found


def floors(found: dict[str, set[str]]) -> dict[str, int]:
    """The level of each room: one above the highest that it imports from. ValueError if imports have a cycle."""
    floor: dict[str, int] = {}
    while len(floor) < len(found):
        ready = [room for room in found if room not in floor and found[room] <= set(floor)]
        if not ready:
            raise ValueError(f"imports have a cycle among {', '.join(sorted(set(found) - set(floor)))}")
        floor |= {room: 1 + max((floor[other] for other in found[room]), default=-1) for room in ready}
    return floor


def beyond(found: dict[str, set[str]], room: str) -> set[str]:
    """All rooms that a room imports from, directly or not."""
    return set().union(*(found[other] | beyond(found, other) for other in found[room]))


def places(arrows: list[tuple[str, str]], floor: dict[str, int]) -> dict[str, tuple[float, float]]:
    """Where the rooms are drawn: in an order and with a shift of each floor that let few arrows pass behind a room."""
    levels = [[room for room in floor if floor[room] == level] for level in range(max(floor.values()) + 1)]
    shifts = [0.0] * len(levels)

    def placed() -> dict[str, tuple[float, float]]:
        return {
            room: ((i - (len(here) - 1) / 2) * 2.4 + shift, float(level))
            for level, (here, shift) in enumerate(zip(levels, shifts, strict=True))
            for i, room in enumerate(here)
        }

    def cost() -> tuple[int, float]:
        where, hidden, length = placed(), 0, 0.0
        for upper, lower in arrows:
            (x0, y0), (x1, y1) = where[upper], where[lower]
            length += abs(x1 - x0)
            for room, (x, y) in where.items():
                if y1 < y < y0:
                    hidden += abs(x0 + (x1 - x0) * (y0 - y) / (y0 - y1) - x) < 0.06 * len(room) + 0.2
        return hidden, length

    for _ in range(4):
        for level in range(len(levels)):
            tried = {}
            for order in itertools.permutations(sorted(levels[level])):
                for step in range(-8, 9):
                    levels[level], shifts[level] = list(order), 0.3 * step
                    tried[order, shifts[level]] = cost()
            order, shifts[level] = min(tried, key=lambda way: (*tried[way], abs(way[1])))
            levels[level] = list(order)
    return placed()


def draw(found: dict[str, set[str]], floor: dict[str, int], path: Path) -> None:
    """Draw the rooms by levels, with arrows to the rooms that they import from."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    height = max(floor.values())
    arrows = [(room, other) for room, others in found.items() for other in sorted(others - beyond(found, room))]
    where = places(arrows, floor)
    figure, axes = plt.subplots(figsize=(8.0, 0.75 * (height + 1)), layout="constrained")
    boxes = {
        room: axes.text(
            x, y, room, ha="center", va="center", family="monospace", fontsize=11, zorder=2,
            bbox={"boxstyle": "round,pad=0.45", "facecolor": "#eef2f7", "edgecolor": "#33415c"},
        ).get_bbox_patch()
        for room, (x, y) in where.items()
    }  # fmt: skip
    for room, other in arrows:
        style = {"arrowstyle": "-|>", "color": "#33415c", "patchA": boxes[room], "patchB": boxes[other]}
        axes.annotate("", where[other], where[room], zorder=1, arrowprops=style)
    across = [x for x, _ in where.values()]
    axes.set_xlim(min(across) - 1.4, max(across) + 1.4)
    axes.set_ylim(-0.6, height + 0.6)
    axes.axis("off")
    figure.savefig(path, dpi=110, facecolor="white")


def main() -> int:
    """Draw the picture; print the numbers of rooms, levels and imports."""
    found = imports()
    try:
        floor = floors(found)
    except ValueError as error:
        print(error)
        return 1
    draw(found, floor, PICTURE)
    arrows = sum(map(len, found.values()))
    files = [path for path in PACKAGE.iterdir() if path.is_file() and path.suffix != ".so"]
    print(f"{len(found)} rooms on {max(floor.values()) + 1} levels, {arrows} imports between rooms, none upward")
    print(f"{len(files)} files in the root: {', '.join(sorted(path.name for path in files))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
