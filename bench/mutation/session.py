"""Try the mutants of one module, in a copy of the tree: `python -m bench.mutation.session MODULE COUNT SEED SECONDS`.

The tests of a Python module are collected once. Each mutant runs in a fork: the code of the changed function is
replaced, and the tests that execute the statement run, quickest first, until one fails. Mutants that survive this, that
are outside functions, or that are of kernels are tried in a new process that imports everything and runs every test.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import json
import os
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from . import build, results
from .children import LONGEST, in_child
from .operators import Mutant
from .selection import is_compiled, kernels_of, path_of, tests_of

#: Seconds of processor time that a mutant may take in addition to three times the time of its tests.
SPARE = 30
#: Examples per property, derandomised: fewer than in the test suite, so that it kills every mutant that is killed here.
EXAMPLES = 25
NOT_EXCHANGED = "not exchanged"
OPTIONS = [
    "-q", "--assert=plain", "--capture=sys", "--basetemp=build/mutation-tmp",
    "-p", "no:cacheprovider", "-p", "no:benchmark", "-m", "",  # all cases
]  # fmt: skip


class Runner:
    """A plugin of pytest: runs the collected tests in child processes, and answers for each mutant."""

    def __init__(self, module: str, todo: list[Mutant]) -> None:
        self.module, self.todo = module, todo
        self.path = path_of(module)
        self.text = self.path.read_text(encoding="utf-8")
        self.failed: str | None = None
        self.seconds: dict[str, float] = {}

    def pytest_collection(self) -> None:
        from hypothesis import settings

        usual = settings.get_profile("dev")
        settings.register_profile("mutation", usual, max_examples=EXAMPLES, derandomize=True, database=None)
        settings.load_profile("mutation")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration
        if report.failed:
            self.failed = report.nodeid

    def run(self, items: list[pytest.Item]) -> str | None:
        """Run the tests until one fails; return which."""
        self.failed = None
        for i, item in enumerate(items):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=items[i + 1] if i + 1 < len(items) else None)
            if self.failed:
                break
        return self.failed


class Server(Runner):
    """Tries the mutants of a Python module that are in functions; `left`: the mutants that it cannot try."""

    left: list[int]
    seed: str

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.items, self.left = session.items, []
        known = in_child(self.measure, LONGEST)
        if "answer" not in known:
            raise SystemExit(f"the tests of {self.module} do not end: {known}")
        seconds, lines, self.broken = known["answer"]
        self.seconds = seconds
        for i, mutant in enumerate(self.todo):
            mine = [
                item for item in self.items
                if item.nodeid not in self.broken
                and any(mutant.lines[0] <= line <= mutant.lines[1] for line in lines[item.nodeid])
            ]  # fmt: skip
            mine.sort(key=lambda item: seconds[item.nodeid])
            if (function := _function_at(self.text, mutant.line)) is None:
                self.left.append(i)
                continue
            limit = SPARE + 3 * sum(seconds[item.nodeid] for item in mine)
            with changed(self.path, mutant.apply(self.text)):
                found = in_child(partial(self.attempt, function, mine), limit)
            if found.get("answer", "died") in (None, NOT_EXCHANGED):
                self.left.append(i)  # survivors, too: functions made by decorators at import still have the old code
                continue
            results.store(self.module, self.text, mutant, found, self.seed)
        return True

    def attempt(self, function: str, items: list[pytest.Item]) -> str | None:
        """The test that fails with the present code of the file."""
        return self.run(items) if _exchange(self.module, self.path, function) else NOT_EXCHANGED

    def measure(self) -> tuple[dict[str, float], dict[str, list[int]], list[str]]:
        """Run every test; record its time, the lines of the module that it executes, and whether it fails."""
        target, lines, broken = str(self.path.resolve()), {}, []
        now: set[int] = set()

        def local(frame: FrameType, event: str, argument: Any) -> Any:
            now.add(frame.f_lineno)
            return local

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            return local(frame, event, argument) if frame.f_code.co_filename == target else None

        threading.settrace(trace)
        for item in self.items:
            now.clear()
            sys.settrace(trace)
            failed = self.run([item])
            sys.settrace(None)
            lines[item.nodeid] = sorted(now)
            broken += [failed] if failed else []
        return self.seconds, lines, broken


class Fresh(Runner):
    """Runs tests of a module in this process, quickest first, until one fails or `most` seconds are over."""

    order: dict[str, float]
    broken: list[str]
    most: float

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        taken = 0.0
        items = []
        for item in sorted(session.items, key=lambda item: self.order.get(item.nodeid, 0.0)):
            taken += self.order.get(item.nodeid, 0.0)
            if item.nodeid not in self.broken and taken <= self.most:
                items.append(item)
        self.run(items)
        return True


def afresh(module: str, order: dict[str, float], broken: list[str], most: float) -> str | None:
    """The test that fails with the present code; for processes that have not imported the package yet."""
    runner = Fresh(module, [])
    runner.order, runner.broken, runner.most = order, broken, most
    code = pytest.main([*OPTIONS, *tests_of(module)], plugins=[runner])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):
        raise RuntimeError(f"pytest ends with {code!r}")
    return runner.failed or ("the tests cannot be collected" if code else None)


@contextlib.contextmanager
def changed(path: Path, text: str) -> Iterator[bool]:
    """Replace the text of the file, for subprocesses that import it."""
    before, times = path.read_bytes(), path.stat()
    path.write_text(text, encoding="utf-8")
    try:
        yield True
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _function_at(text: str, line: int) -> str | None:
    """Qualified name of the outermost function whose body contains the line."""
    names: list[str] = []
    node: ast.AST = ast.parse(text)
    while True:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.ClassDef, ast.FunctionDef)) and child.lineno <= line <= (child.end_lineno or 0):
                names.append(child.name)
                if isinstance(child, ast.FunctionDef):
                    return ".".join(names) if line >= child.body[0].lineno else None
                node = child
                break
            if isinstance(child, (ast.If, ast.With, ast.Try)) and child.lineno <= line <= (child.end_lineno or 0):
                node = child
                break
        else:
            return None


def _exchange(module: str, path: Path, qualified: str) -> bool:
    """Give the function of the loaded module the present code of its file; False if it is not found."""
    name = "tmfcore." + module.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    code = compile(path.read_text(encoding="utf-8"), str(path.resolve()), "exec")
    codes = list(_codes_named(code, qualified))
    found: Any = importlib.import_module(name)
    for part in qualified.split("."):
        found = found.__dict__.get(part) if hasattr(found, "__dict__") else None
    found = getattr(found, "fget", None) or getattr(found, "func", None) or getattr(found, "__func__", None) or found
    while hasattr(found, "__wrapped__"):
        found = found.__wrapped__
    if len(codes) != 1 or not hasattr(found, "__code__") or found.__code__.co_freevars != codes[0].co_freevars:
        return False
    if found.__code__.co_qualname != qualified:
        return False
    found.__code__ = codes[0]
    return True


def _codes_named(code: CodeType, qualified: str) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_qualname == qualified:
                yield constant
            yield from _codes_named(constant, qualified)


def measured(files: list[str]) -> tuple[dict[str, float], list[str]]:
    """The time of each test of these files, and the tests that fail."""
    broken: list[str] = []

    class All(Runner):
        def pytest_runtestloop(self, session: pytest.Session) -> bool:
            for item in session.items:
                if self.run([item]):
                    broken.append(item.nodeid)
            return True

    runner = All("__init__.py", [])
    pytest.main([*OPTIONS, *files], plugins=[runner])
    return runner.seconds, broken


def known_tests(module: str) -> dict[str, Any]:
    """The result of `measured` for the tests of a module; each file is measured once."""
    memory = results.path().with_name("tests.json")
    seconds, broken = json.loads(memory.read_text(encoding="utf-8")) if memory.exists() else ({}, [])
    files = tests_of(module)
    fresh = [name for name in files if not any(test.startswith(f"{name}::") for test in seconds)]
    if fresh:
        found = in_child(partial(measured, fresh), LONGEST)
        if "answer" not in found:
            return found
        seconds, broken = seconds | found["answer"][0], broken + found["answer"][1]
        memory.write_text(json.dumps([seconds, broken]), encoding="utf-8")
    mine = tuple(f"{name}::" for name in files)
    order = dict(sorted((pair for pair in seconds.items() if pair[0].startswith(mine)), key=lambda pair: pair[1]))
    return {"answer": [order, [name for name in broken if name.startswith(mine)]]}


def served(module: str, todo: list[Mutant], seed: str) -> tuple[list[int], dict[str, float], list[str]]:
    """Try the mutants that a server can try; return the others, the times of the tests, and the failing tests."""
    server = Server(module, todo)
    server.seed = seed
    if code := pytest.main([*OPTIONS, *tests_of(module)], plugins=[server]):
        raise RuntimeError(f"pytest ends with {code}")
    return server.left, server.seconds, server.broken


def main(module: str, count: str, seed: str, most: str) -> None:
    """Try those of `count` mutants of a module without a result; kernels by `most` seconds of their quickest tests."""
    path = path_of(module)
    text = path.read_text(encoding="utf-8")
    todo = results.missing(module, text, int(count), seed)
    if not todo:
        return
    is_kernel = is_compiled(module)
    first = known_tests(module) if is_kernel else in_child(partial(served, module, todo, seed), None)
    if "answer" not in first:
        raise SystemExit(f"the tests of {module} do not end: {first}")
    *left, order, broken = first["answer"]
    if broken:
        print(f"{module}: these tests fail without a change: {broken}", file=sys.stderr)
    for name in ("Cython.Compiler.Main", "hypothesis", "matplotlib.pyplot", "numpy", "scipy.sparse", "scipy.stats"):
        importlib.import_module(name)  # once, before the forks
    limit = SPARE + 3 * min(sum(order.values()), float(most))
    for mutant in todo if is_kernel else [todo[i] for i in left[0]]:
        wrong = mutant.apply(text)
        with build.mutated(path, wrong, kernels_of(module)) if is_kernel else changed(path, wrong) as made:
            found = in_child(partial(afresh, module, order, broken, float(most)), limit) if made else {"invalid": True}
        results.store(module, text, mutant, found, seed)


if __name__ == "__main__":
    main(*sys.argv[1:])
