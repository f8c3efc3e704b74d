"""`tmfcore bench`: contestants of files are loaded, checked, timed, stored and compared."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import pytest

from command_line import run
from tmfcore.bench import Entry, contest, contestants, own, picture, processes, pytest_json, workloads
from tmfcore.bench.contest import Line, Results
from tmfcore.bench.measure import Effort, Timing, measure

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "benchmarks.md"
FLOW = next(workload for workload in workloads.WORKLOADS if workload.name == "flow-8")
GOOD = """
    import numpy as np
    class Good:
        name, version, notes = "good", "1.5", {"flow": "by products"}
        def flow(self, problem):
            kernel = np.einsum("oa,oax->ox", problem.pi, problem.transition)
            def run():
                print("said by the contestant")
                mu = [problem.initial]
                for _ in range(problem.steps):
                    mu.append(mu[-1] @ kernel)
                return np.array(mu)
            return run
"""
BAD = """
    from tmfcore.bench import Entry
    class Off:
        name = "off"
        def flow(self, problem):
            return lambda: problem.flow + 1e-6
    class Several:
        name = "several"
        def flow(self, problem):
            wrong = Entry("raises", lambda: 1 / 0, 1.0)
            similar = Entry("similar", lambda: None, 2.0, "not checked", usual=True)
            return [wrong, similar, lambda: problem.flow]
    class Nothing:
        name = "nothing"
        def flow(self, problem):
            return 3
    class _Hidden:
        name = "hidden"
        def flow(self, problem):
            raise AssertionError("not asked")
"""
ALONE = """
    import os
    class Alone:
        name, alone, usual = "alone", True, True
        def flow(self, problem):
            return lambda: problem.flow
        def values(self, problem):
            os._exit(3)
"""


@pytest.fixture
def written(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write


def compete(*files):
    return processes.compete([FLOW], "tiny", files)


def test_contestants_of_files_are_checked_and_timed(written):
    seen = []
    files = [written("good.py", GOOD), written("bad.py", BAD), written("alone.py", ALONE)]
    results = processes.compete([FLOW], "tiny", files, lambda done, total: seen.append((done, total)))
    lines = results.lines[FLOW]
    assert [line.label for line in lines] == ["tmfcore", "good", "similar", "several", "alone"]
    assert [line.ours for line in lines] == [True, False, False, False, False]
    assert [line.usual for line in lines] == [False, False, True, False, True]
    good = lines[1]
    assert (good.note, good.version) == ("by products", "1.5")
    assert all(second > 0 for line in lines for second in (*line.timing.cpu, *line.timing.wall))
    assert results.ratio(FLOW, lines[0]) == 1.0
    wrong = dict(text.removeprefix("flow-8, ").split(": ", 1) for text in results.wrong)
    assert set(wrong) == {"off", "raises", "nothing"}
    assert wrong["off"].startswith("flow is off by 1e-06; must agree within")
    assert wrong["raises"].startswith("ZeroDivisionError: division by zero (") and "bad.py, line 10)" in wrong["raises"]
    assert "flow(problem) returned int; must return the function to be timed" in wrong["nothing"]
    assert seen == [(1, 2), (2, 2)]


def test_files_that_cannot_be_used(written):
    with pytest.raises(ValueError, match=r"empty\.py defines no contestant; must define a class with `name`.*flow, values"):
        compete(written("empty.py", "class Some:\n    name = 3\n"))
    with pytest.raises(ValueError, match=r"raising\.py: KeyError: 'x' \(.*raising\.py, line 1\)"):
        compete(written("raising.py", "{}['x']"))
    absent = written("absent.py", "import no_such_library")
    assert compete(absent).skipped == {str(absent): "No module named 'no_such_library'"}
    values = next(workload for workload in workloads.WORKLOADS if workload.name == "values-8")
    with pytest.raises(RuntimeError, match=r"alone\.py: the process ended early, with exit code 3"):
        processes.compete([values], "tiny", [written("alone.py", ALONE)])


def test_alone_is_read_without_running_the_file(written):
    assert contestants.is_alone(written("a.py", ALONE))
    assert not contestants.is_alone(written("b.py", ALONE.replace("name, alone, usual", "name, alone_, usual")))
    assert contestants.is_alone(written("c.py", "raise SystemExit\nclass A:\n    alone = True\n"))
    assert not contestants.is_alone(written("d.py", "alone = True\nclass A:\n    alone = False\n"))


def test_every_kind_of_workload_has_a_method_of_tmfcore_and_a_unit():
    kinds = {workload.problem(workloads.TINY).kind for workload in workloads.WORKLOADS}
    assert kinds == set(own.KINDS)
    for workload in workloads.WORKLOADS:
        assert workloads.UNITS[workload.unit](workload.problem(workloads.TINY)) > 0
    names = [workload.name for workload in workloads.WORKLOADS]
    assert len(set(names)) == len(names)


def test_a_workload_without_an_answer_of_tmfcore_is_omitted():
    def supply(cls):
        return contestants.Supply("x", lambda: [cls])

    class Wrong:
        name = "tmfcore"
        flow = staticmethod(lambda problem: Entry("tmfcore", lambda: problem.flow + 1, 1.0, ours=True))

    class Other:
        name = "other"
        flow = staticmethod(lambda problem: lambda: problem.flow)

    said = []
    found = contest.run([FLOW], workloads.TINY, [supply(Wrong), contestants.Supply("y", lambda: [Other])], said.append)
    assert not found.lines and len(found.wrong) == 1
    found = contest.run([FLOW], workloads.TINY, [contestants.Supply("y", lambda: [Other])], said.append, own=False)
    assert [line.label for line in found.lines[FLOW]] == ["other"]


def test_measure_counts_programs_that_it_waits_for_and_divides_by_units():
    burn = [sys.executable, "-c", "sum(range(3_000_000))"]
    timing, none = measure([Entry("a", lambda: subprocess.run(burn, check=True), 10.0), Entry("b", lambda: None, 1.0)],
                           Effort(rounds=3, sample=1e-4, budget=10.0))  # fmt: skip
    assert len(timing.cpu) == 3 and 0.02 < 10 * timing.least(False) < 5.0  # the program, not the call that starts it
    assert none.calls >= 5 and none.least(True) < 1e-4
    assert timing.typical(True) >= timing.least(True) and timing.scatter(True) >= 0


def results(**seconds):
    """Of one workload, by contestant."""
    lines = [Line(label.replace("_", " "), Timing(each, each, 2), ours=label == "tmfcore") for label, each in seconds.items()]
    return Results({FLOW: lines})


def test_documents_are_those_of_pytest_benchmark(tmp_path):
    """Read by its own compare, which computes its ratio column from them."""
    for name, factor in (("one.json", 1.0), ("two.json", 2.0)):
        found = pytest_json.document(results(tmfcore=(1e-6 * factor, 3e-6 * factor), my_loop=(4e-6, 5e-6, 9e-6)), "tiny")
        (tmp_path / name).write_text(json.dumps(found), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest_benchmark", "compare", "one.json", "two.json", "--group-by=group", "--sort=min",
         "--columns=min,max,mean,stddev,median,iqr,outliers,ops,rounds,iterations", "--csv=out.csv"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "benchmark 'flow-8': 4 tests" in done.stdout and "WARNING" not in done.stdout + done.stderr
    text = " ".join(done.stdout.split())
    for row in ("flow-8[tmfcore] (one) 1.0000 (1.0) 3.0000 (1.0) 2.0000 (1.0)", "flow-8[tmfcore] (two) 2.0000 (2.00) 6.0000 (2.00)",
                "flow-8[my loop] (one) 4.0000 (4.00) 9.0000 (3.00) 6.0000 (3.00) 2.6458 (1.87) 5.0000"):
        assert row in text, text
    assert (tmp_path / "out.csv").read_text().count("flow-8[my loop]") == 2
    first = found["benchmarks"][0]
    assert first["stats"]["data"] == [2e-6, 6e-6] and first["stats"]["iterations"] == 2 and first["param"] == "tmfcore"
    assert first["extra_info"]["unit"] == "step" and found["commit_info"]["id"] and found["machine_info"]["cpu"]["brand_raw"]


def test_changes_are_beyond_the_noise_or_not():
    then = pytest_json.document(results(tmfcore=(1e-6, 1.2e-6), gone=(1e-6,), once=(1e-6,), same=(1e-6, 3e-6)), "tiny")
    now = pytest_json.document(results(tmfcore=(2e-6, 2.2e-6), new=(1e-6,), once=(9e-6,), same=(1.5e-6, 1.6e-6)), "tiny")
    changes, apart = pytest_json.changes(then, now)
    assert [(c.label, c.beyond_noise) for c in changes] == [("tmfcore", True), ("once", False), ("same", False)]
    assert changes[0].ratio == 2.0 and changes[0].workload == "flow-8 (tiny)"
    assert apart == ["flow-8 (tiny), gone", "flow-8 (tiny), new"]
    other = pytest_json.document(results(tmfcore=(1e-6, 1.2e-6)), "quick")
    assert pytest_json.changes(then, other) == ([], ["flow-8 (quick), tmfcore"])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"benchmarks": [{"group": "x"}]}'])
def test_what_is_no_document_is_refused(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"x\.json is not a result of --save"):
        pytest_json.read(path)


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_picture(tmp_path, ending):
    path = tmp_path / f"bars.{ending}"
    assert picture.draw(results(tmfcore=(1e-6,)), path) is None and not path.exists()
    assert picture.draw(results(tmfcore=(1e-6,), rival=(2e-6,), rival_two=(5e-7,)), path) == path
    if ending == "svg":
        assert "<svg" in path.read_text(encoding="utf-8")
    assert path.stat().st_size > 5_000


def test_command_stores_compares_and_fails(written, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    good = written("good.py", GOOD)
    done = run("bench", "--with", good, "--only", "flow-8", "--size", "tiny", "--save", "a.json", "--picture", "a.svg")
    assert done.exit_code == 0, done.output
    for text in ("workload  contestant", "flow-8    tmfcore", "good", "by products", "wrote a.json", "wrote a.svg"):
        assert text in done.stdout
    assert "said by the contestant" not in done.stdout
    stored = pytest_json.read(tmp_path / "a.json")
    for each in stored["benchmarks"]:  # a hundred times faster then, in several rounds
        each["stats"] |= {name: each["stats"][name] / 100 for name in ("min", "median")} | {"rounds": 5}
    (tmp_path / "a.json").write_text(json.dumps(stored), encoding="utf-8")

    found = results(tmfcore=(1e-3, 1e-3), good=(1e-12, 1e-12))

    def compete(wanted, size, files, progress):
        return found

    monkeypatch.setattr(processes, "compete", compete)
    options = ["bench", "--only", "flow-8", "--size", "tiny", "--compare", "a.json"]
    done = run(*options)
    assert done.exit_code == 0 and "beyond the noise" in done.stdout and "Changes" in done.stdout
    done = run(*options, "--fail-above", "1.5")
    assert done.exit_code == 1 and done.stderr.startswith("Error: flow-8 (tiny), tmfcore: ") and "good" not in done.stderr
    document = json.loads(run(*options, "--json").stdout)
    assert document["interrupted"] is False and len(document["benchmarks"]) == 2
    found.interrupted = True
    done = run(*options, "--save", "b.json")
    assert done.exit_code == 130 and "wrote b.json" in done.stdout
    assert [len(pytest_json.read(tmp_path / name)["benchmarks"]) for name in ("a.json", "b.json")] == [2, 2]


def test_ctrl_c_keeps_what_is_finished(written):
    class Pressed:
        def __call__(self, done, total):
            raise KeyboardInterrupt

    found = processes.compete([FLOW, *workloads.WORKLOADS[:3]], "tiny", [written("good.py", GOOD)], Pressed())
    assert found.interrupted and len(found.lines) == 1 and not found.wrong


def test_command_reports_wrong_answers_and_files(written):
    done = run("bench", "--with", written("bad.py", BAD), "--only", "flow-8", "--size", "tiny")
    assert done.exit_code == 1 and done.stderr.endswith("Error: 3 wrong answers\n")
    assert "WRONG, and not timed: flow-8, off: flow is off by 1e-06" in done.stdout
    done = run("bench", "--with", written("broken.py", "class A(:\n"), "--only", "flow-8", "--size", "tiny")
    assert done.exit_code == 2 and "broken.py, line 1: invalid syntax" in done.stderr
    done = run("bench", "--with", written("empty.py", ""), "--only", "flow-8", "--size", "tiny")
    assert done.exit_code == 2 and "empty.py defines no contestant" in done.stderr


def test_classes_of_a_module_are_its_own(tmp_path):
    module = ModuleType("some")
    module.__file__ = "some.py"
    module.Imported = own.Tmfcore
    with pytest.raises(ValueError, match=r"some\.py defines no contestant"):
        contestants.classes_of(module, own.KINDS)


@pytest.mark.skipif(not PAGE.is_file(), reason="not in a source tree")
def test_the_page_has_every_method():
    page = PAGE.read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert sorted(" ".join(rows).replace("`", "").split()) == sorted(own.KINDS)
