"""`python -m bench.mutation`: every module has tests, mutants are what they say, and a wrong module is found out."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.skipif(not (ROOT / "bench" / "mutation").is_dir(), reason="not in a source tree"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
]

MODULE = '''
"""A docstring with 1 < 2."""
import numpy as np

RATE: float = 0.5


def f(a: int, b: int = 3) -> int:
    """Return a - b if a < 2."""
    if not a and b is None:  # 5 + 5
        raise ValueError(f"a is {a + 1}; must be < 2")
    b.x[0] = max(a, 1) - 1
    b += 2
    np.copyto(b, a)
    return a * b if a >= -1 else g(a=a, b=b)
'''.lstrip()

KERNEL = '''
cdef int f(const double *x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef double total = 0
    for i in range(n):
        total += x[i] * <double>(i < 3)
    if x == NULL:
        free(x)
        raise MemoryError("none")
    return -1
'''.lstrip()


@pytest.fixture
def mutation(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from bench import mutation
    from bench.mutation import operators, page, results, selection  # noqa: F401  # as attributes

    return mutation


def test_every_module_has_tests(mutation):
    known = mutation.selection.modules()
    assert len(known) == len(set(known)) > 100
    for module in known:
        assert (ROOT / mutation.selection.path_of(module)).is_file()
        for name in mutation.selection.tests_of(module):
            assert (ROOT / name).is_file(), f"{module}: {name}"
    rooms = {str(folder) for module in known for folder in PurePosixPath(module).parents}
    assert set(mutation.selection._TESTS) <= {*known, *rooms}, "tests of modules that are gone"
    with pytest.raises(KeyError):
        mutation.selection.tests_of("no_module.py")


def changes(mutation, text):
    """(kind, line, what stood there, what stands there)."""
    return {(m.kind, m.line, text[m.start : m.end], m.after) for m in mutation.operators.mutants(text)}


def test_mutants_of_python(mutation):
    assert changes(mutation, MODULE) == {
        ("constant", 4, "0.5", "1.5"), ("constant", 4, "0.5", "0.25"),
        ("logic", 9, "not ", ""), ("logic", 9, "and", "or"), ("comparison", 9, "is", "is not"),
        ("negated condition", 9, "not a and b is None", "not (not a and b is None)"),
        ("dropped statement", 10, 'raise ValueError(f"a is {a + 1}; must be < 2")', "pass"),
        ("constant", 11, "0", "1"), ("name", 11, "max", "min"),
        ("constant", 11, "1", "2"), ("constant", 11, "1", "0"), ("arithmetic", 11, "-", "+"),
        ("dropped statement", 11, "b.x[0] = max(a, 1) - 1", "pass"),
        ("arithmetic", 12, "+=", "-="), ("constant", 12, "2", "3"), ("constant", 12, "2", "1"),
        ("dropped statement", 12, "b += 2", "pass"),
        ("swapped arguments", 13, "b, a", "a, b"), ("dropped statement", 13, "np.copyto(b, a)", "pass"),
        ("arithmetic", 14, "*", "/"), ("boundary", 14, ">=", ">"), ("comparison", 14, ">=", "<"),
        ("constant", 14, "1", "2"), ("constant", 14, "1", "0"),
        ("return value", 14, "a * b if a >= -1 else g(a=a, b=b)", "0"),
    }  # fmt: skip


def test_mutants_of_a_kernel(mutation):
    found = changes(mutation, KERNEL)
    assert ("boundary", 5, "<", "<=") in found
    assert ("arithmetic", 5, "+=", "-=") in found
    assert ("comparison", 6, "==", "!=") in found
    assert ("return value", 9, "-1", "0") in found
    assert not [change for change in found if change[1] in (1, 2, 7, 8)]  # declarations; leaks and a full memory
    assert not [change for change in found if change[2] == "*" and change[1] != 5]  # pointers


def test_a_mutant_is_another_text_of_as_many_lines(mutation):
    texts = [ROOT / mutation.selection.path_of(name) for name in ("_model/game.py", "games/routing.py", "_population/counts.pyx")]
    for path in texts:
        text = path.read_text(encoding="utf-8")
        found = mutation.operators.mutants(text)
        for mutant in mutation.operators.chosen(found, 30, "1"):
            other = mutant.apply(text)
            assert other != text
            assert other.count("\n") == text.count("\n")
            if path.suffix == ".py":
                compile(other, "mutant", "exec")


def test_a_longer_choice_begins_with_a_shorter_one(mutation):
    found = mutation.operators.mutants(MODULE)
    chosen = mutation.operators.chosen
    assert chosen(found, 6, "1") == chosen(found, 12, "1")[:6]
    assert len({mutant.kind for mutant in chosen(found, 6, "1")}) == 6
    assert sorted(chosen(found, 100, "1"), key=str) == sorted(found, key=str)
    assert chosen(found, 12, "1") != chosen(found, 12, "2")


def test_a_mutant_keeps_its_name_where_its_line_is_moved(mutation):
    results, mutants = mutation.results, mutation.operators.mutants
    names = [[results.key("m.py", results.identity(text, mutant)) for mutant in mutants(text)] for text in (MODULE, "\n\n" + MODULE)]
    assert names[0] == names[1]
    assert len(set(names[0])) == len(names[0])
    twice = "x = f(1)\n" * 2
    assert len({results.key("m.py", results.identity(twice, mutant)) for mutant in mutants(twice)}) == len(mutants(twice)) == 4


def test_a_wrong_module_is_found_out(mutation, tmp_path):
    """The whole way, on the module with the quickest tests: mutants are killed, and results are stored once."""
    pytest.importorskip("Cython", reason="extra `dev`: kernels are mutated, too")
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(ROOT)]), "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    command = [sys.executable, "-m", "bench.mutation", "_random/seeding.py", "--mutants", "4", "--seed", "a test", "--work", str(tmp_path / "work")]
    for tried in (4, 0):
        ended = subprocess.run(command, cwd=ROOT, env=environment, text=True, capture_output=True, check=False)
        assert ended.returncode == 0, ended.stderr
        assert f"_random/seeding.py: {tried} tried" in ended.stdout
    rows = [json.loads(line) for line in (tmp_path / "work" / "results.jsonl").read_text().splitlines()]
    assert len({row["key"] for row in rows}) == 4
    killed = [row for row in rows if row["outcome"] == "killed"]
    assert len(killed) >= 3
    assert all(row["by"].startswith(("tests/test_rng.py::", "tests/test_checkpoint.py::")) for row in killed)


def test_every_survivor_on_the_page_has_a_reason(mutation):
    text = mutation.PAGE.read_text(encoding="utf-8")
    survivors = re.findall(r"^  \(([0-9a-f]{12})\): (.*)$", text, flags=re.MULTILINE)
    assert survivors
    known = mutation.results.reasons()
    for key, reason in survivors:
        assert known[key]["reason"] in reason
    figures = re.search(r"^(\d+) mutants, (\d+) killed \(([\d.]+)%\), (\d+) survived", text, flags=re.MULTILINE)
    tried, killed, share, left = float(figures[1]), float(figures[2]), float(figures[3]), float(figures[4])
    assert tried >= 300
    assert share >= 90
    assert killed + left == tried
    assert left == len(survivors)
