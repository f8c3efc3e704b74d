"""The reproduction: what its results hold, that they depend on the seed alone, and that an end too early keeps them."""

import copy
import json
import math
from dataclasses import replace

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore import reproduce
from tmfcore._population import journal
from tmfcore._results.checkpoint import opened
from tmfcore.reproduce import compute, figures, report
from tmfcore.reproduce.settings import GAMES, SETTINGS, Goals

TINY = SETTINGS["tiny"]


@pytest.fixture(scope="module")
def results():
    found = reproduce.new_results(TINY, seed=7)
    reproduce.run(TINY, found, threads=1)
    return found


def numbers(value):
    """The results without times and dates."""
    if isinstance(value, dict):
        return {key: numbers(entry) for key, entry in value.items() if key not in ("seconds", "date")}
    return value


def test_the_results_hold_every_piece(results):
    assert results["complete"]
    assert set(results["games"]) == {"resource_selection", "queueing"}
    for part in results["games"].values():
        assert list(part["batches"]) == ["B = 5", "B = N", "B = 5, sees \u03bc"]
        assert [case["solve"]["sees_mu"] for case in part["batches"].values()] == [False, False, True]
        assert list(part["convergence"]) == list(compute.BATCH_RULES)
        for case in part["batches"].values():
            mu = np.array(case["play"]["mu"]["agents"])
            np.testing.assert_allclose(mu.sum(axis=1), 1)
            assert case["play"]["mu"]["times"][-1] == pytest.approx(20)
            assert case["solve"]["exploitability"] >= 0
            low, mean, high = (case["play"]["returns"][key] for key in ("low", "mean", "high"))
            assert low <= mean <= high


def test_the_numbers_depend_on_the_seed_and_not_on_threads(results):
    again, other = reproduce.new_results(TINY, seed=7), reproduce.new_results(TINY, seed=8)
    reproduce.run(TINY, again, threads=2)
    assert numbers(again) == numbers(results)
    reproduce.run(TINY, other, threads=2)
    assert numbers(other)["games"] != numbers(results)["games"]


def test_exploitability_and_return_are_those_of_the_learned_policy():
    spec = GAMES["queueing"]
    policy, found = compute.solve(spec, 5, TINY, np.random.SeedSequence(1), lambda done, total: None)
    game, schedule = spec.build().at(step=0.1), tmf.Batch(5)
    assert found["exploitability"] == pytest.approx(tmf.exploitability(game, policy, schedule, 50))
    assert found["mean_return"] == pytest.approx(tmf.evaluate(game, policy, schedule, 50).mean_return)
    assert min(found["history"]["exploitability"]) == found["exploitability"]


def test_one_policy_sees_the_population():
    """Its logits are affine in mu, and have learned to use it; it is judged as it plays."""
    spec = GAMES["queueing"]
    policy, found = compute.solve(spec, 5, TINY, np.random.SeedSequence(1), lambda done, total: None, aware=True)
    assert policy.affine and np.abs(policy.theta[..., 1:]).max() > 0.01
    assert found["sees_mu"]
    game, schedule = spec.build().at(step=0.1), tmf.Batch(5)
    assert found["exploitability"] == pytest.approx(tmf.exploitability(game, policy, schedule, 50))


@pytest.mark.parametrize("when", [0, 1, 5, 11, 13])
def test_an_interruption_keeps_what_was_finished(tmp_path, when):
    found = reproduce.new_results(TINY, seed=7)

    def observe(name, finished, pieces, done, total):
        if finished == when:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reproduce.run(TINY, found, observe=observe)
    written = reproduce.write(found, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.json", "summary.md"]
    assert len(written) == 2
    saved = json.loads((tmp_path / "results.json").read_text())
    assert saved["complete"] is False
    pieces = [entry for part in saved["games"].values() for case in part["batches"].values() for entry in case]
    pieces += [rule for part in saved["games"].values() for rule in part["convergence"]]
    assert len(pieces) == when
    assert "The run ended early" in (tmp_path / "summary.md").read_text()


def stopped_at(piece, seed, checkpoint):
    """A run that ends when it begins a piece; the number of pieces that it began itself."""
    found, begun = reproduce.new_results(TINY, seed=seed), []

    def observe(name, finished, pieces, done, total):
        if finished == piece:
            raise KeyboardInterrupt
        begun.append(name)

    if piece is None:
        reproduce.run(TINY, found, checkpoint=checkpoint, observe=observe)
    else:
        with pytest.raises(KeyboardInterrupt):
            reproduce.run(TINY, found, checkpoint=checkpoint, observe=observe)
    return found, len(set(begun) - {"done"})


@pytest.mark.parametrize("stops", [[1], [3, 9], [8, 8, 15], [20]])
@pytest.mark.broad(1)
def test_a_run_goes_on_from_its_finished_pieces(results, tmp_path, stops):
    path, before = tmp_path / "parts.npz", 0
    for stop in stops:
        _, begun = stopped_at(stop, 7, path)
        assert begun == stop - before
        before = stop
    found, begun = stopped_at(None, 7, path)
    assert begun == 20 - before
    assert found["complete"] and numbers(found) == numbers(results)
    assert json.dumps(reproduce.plain(numbers(found))) == json.dumps(reproduce.plain(numbers(results)))
    again, begun = stopped_at(None, 7, path)
    assert begun == 0 and numbers(again) == numbers(results)
    assert [file.name for file in tmp_path.iterdir()] == ["parts.npz"]


#: A piece, and what makes it long enough to be stopped in its middle; all others are as short as they are.
LONGER = {
    "solving, B = N": {"iterations": 30, "tolerance": 1e-9},
    "playing, B = 5": {"return_replicas": 2000},
    "convergence, B = N/10": {"convergence_replicas": 1200},
}


@pytest.mark.parametrize("which", LONGER)
@pytest.mark.broad(1)
def test_a_run_goes_on_from_within_a_piece(tmp_path, monkeypatch, which):
    """It is stopped in the middle of a piece, and makes only what is left of it."""
    monkeypatch.setattr(journal, "SHARE", 1.0)
    path, reports, settings = tmp_path / "parts.npz", [], replace(TINY, games=("queueing",), **LONGER[which])
    longer = reproduce.new_results(settings, seed=7)
    reproduce.run(settings, longer, threads=1)

    def run(stop):
        found = reproduce.new_results(settings, seed=7)

        def observe(name, finished, pieces, done, total):
            if name.endswith(which) and total > 1:
                reports.append(done / total)
                if stop and done > 0.6 * total:
                    raise KeyboardInterrupt

        reproduce.run(settings, found, threads=1, checkpoint=tmf.Checkpoint(path, 1e-9), observe=observe)
        return found

    with pytest.raises(KeyboardInterrupt):
        run(stop=True)
    assert 0.6 < reports[-1] < 1
    state = opened(path, "reproduce", reproduce._task(longer)).state
    assert state["part"] is not None and state["seconds"] > 0
    reports.clear()
    found = run(stop=False)
    assert numbers(found) == numbers(longer)
    assert found["seconds"] > state["seconds"]
    assert 0.1 < reports[0] and reports[-1] == 1  # the last writing was before the stop, by as much as the machine was busy


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda task: task | {"settings": "full"}, r'settings was "tiny", is "full"'),
        (lambda task: task | {"seed": 8}, "of another call of reproduce .seed was 7, is 8.; must be"),
        (lambda task: task | {"numpy": "9.9"}, 'numpy was "[^"]*", is "9.9"'),
        (lambda task: task | {"n_agents": 51}, "n_agents was 50, is 51"),
        (lambda task: task | {"queueing game": {}}, "queueing game was {.*, is {}"),
    ],
)
def test_pieces_of_another_run_are_refused_by_name_and_stay(tmp_path, monkeypatch, change, match):
    path = tmp_path / "parts.npz"
    stopped_at(1, 7, path)
    before, task = path.read_bytes(), reproduce._task
    monkeypatch.setattr(reproduce, "_task", lambda results: change(task(results)))
    found = reproduce.new_results(TINY, seed=7)
    with pytest.raises(tmf.FileError, match=match):
        reproduce.run(TINY, found, checkpoint=path)
    assert path.read_bytes() == before
    assert found["goals"] == [] and not found["complete"]


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: data[:-700] + b"x" + data[-699:]])
def test_a_damaged_file_of_pieces_is_refused_and_stays(tmp_path, damage):
    path = tmp_path / "parts.npz"
    stopped_at(1, 7, path)
    path.write_bytes(damage(path.read_bytes()))
    before = path.read_bytes()
    with pytest.raises(tmf.FileError, match=r"parts\.npz"):
        reproduce.run(TINY, reproduce.new_results(TINY, seed=7), checkpoint=path)
    assert path.read_bytes() == before


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def ended_early(results, pieces):
    """The results as they are when Ctrl-C comes after the solves and some of what follows."""
    early = copy.deepcopy(results) | {"complete": False}
    for part in early["games"].values():
        part["convergence"] = dict(list(part["convergence"].items())[:pieces])
    return early


def test_what_ends_early_replaces_nothing_better(results, tmp_path):
    first, second, third = (ended_early(results, pieces) for pieces in (1, 2, 3))
    assert [path.parent for path in reproduce.write(second, tmp_path)] == [tmp_path] * 2
    before = contents(tmp_path)
    assert [path.parent for path in reproduce.write(first, tmp_path)] == [tmp_path / "unfinished"] * 2
    assert contents(tmp_path).items() > before.items()
    assert json.loads((tmp_path / "unfinished" / "results.json").read_text())["complete"] is False
    assert [path.parent for path in reproduce.write(third, tmp_path)] == [tmp_path] * 2
    assert len(json.loads((tmp_path / "results.json").read_text())["games"]["queueing"]["convergence"]) == 3

    reproduce.write(results, tmp_path)
    before = contents(tmp_path)
    written = reproduce.write(third, tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in written] == ["unfinished/results.json", "unfinished/summary.md"]
    assert {name: data for name, data in contents(tmp_path).items() if not name.startswith("unfinished")} == {
        name: data for name, data in before.items() if not name.startswith("unfinished")
    }


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"complete": false, "games": 3}', "\udc80"])
def test_a_file_of_somebody_else_stays(results, tmp_path, text):
    (tmp_path / "results.json").write_text(text, errors="surrogateescape")
    before = contents(tmp_path)
    assert reproduce.write(ended_early(results, 2), tmp_path)[0] == tmp_path / "unfinished" / "results.json"
    assert contents(tmp_path).items() > before.items()


@pytest.mark.parametrize("there", [True, False])
def test_drawing_that_ends_early_leaves_old_figures_with_old_numbers(results, tmp_path, there, monkeypatch):
    if there:
        reproduce.write(results, tmp_path)
    before = contents(tmp_path)

    def interrupt(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reproduce.write({**results, "seed": 8}, tmp_path, progress=interrupt)
    after = contents(tmp_path)
    place = "unfinished/" if there else ""
    assert set(after) == {*before, f"{place}results.json", f"{place}summary.md"}
    assert before.items() <= after.items()
    assert json.loads(after[f"{place}results.json"])["seed"] == 8
    text = after[f"{place}summary.md"].decode()
    assert "there are no figures" in text
    assert ".png" not in text


def test_write_writes_json_tables_and_pictures_and_nothing_else(results, tmp_path):
    reproduce.write(results, tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    pictures = ["convergence.png", "exploitability.png", "mu.png", "returns.png"]
    assert names == sorted([*pictures, "results.json", "summary.md"])
    for name in pictures:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    saved = json.loads((tmp_path / "results.json").read_text())
    assert saved["seed"] == 7
    assert saved["parameters"]["n_agents"] == 50
    text = (tmp_path / "summary.md").read_text()
    for table in report.tables(results):
        assert table.title in text
    rows = [line.replace(r"\|", "") for line in text.splitlines() if line.startswith("|")]
    widths = [row.count("|") - 1 for row in rows]
    assert sorted(set(widths)) == sorted({len(table.heads) for table in report.tables(results)})
    for name in pictures:
        assert f"({name})" in text
    figures.draw(saved)  # results read back are enough to draw from


def test_no_number_of_the_results_is_missing_from_json(results):
    broken = copy.deepcopy(results)
    broken["games"]["queueing"]["convergence"]["B = N"] |= {"slope": math.nan, "slope_se": math.nan}
    plain = json.loads(json.dumps(reproduce.plain(broken), allow_nan=False))
    assert plain["games"]["queueing"]["convergence"]["B = N"]["slope"] is None
    report.summary(plain)


def test_goals_are_met_and_missed_where_they_should(results):
    good = copy.deepcopy(results)
    for part in good["games"].values():
        for case in part["batches"].values():
            case["solve"] |= {"relative_exploitability": 0.005, "mean_return": -2.0}
            case["play"]["returns"]["mean"] = -2.019
        for line in part["convergence"].values():
            line["slope"] = -0.529
    assert all(goal["met"] for goal in compute.goals(good, TINY))
    bad = copy.deepcopy(good)
    case = bad["games"]["queueing"]["batches"]["B = 5"]
    case["solve"]["relative_exploitability"] = 0.0051
    case["play"]["returns"]["mean"] = -2.2
    bad["games"]["queueing"]["convergence"]["B = 1"]["slope"] = -0.469
    bad["games"]["queueing"]["convergence"]["B = N"]["slope"] = math.nan
    missed = {(goal["game"], goal["case"]) for goal in compute.goals(bad, TINY) if not goal["met"]}
    assert missed == {("queueing", case) for case in ("B = 5", "all B", "B = 1", "B = N")}
    text = report.summary({**bad, "goals": compute.goals(bad, TINY)})
    assert "| no |" in text
    assert "\u2713" in text


def test_goals_are_those_of_the_issue():
    assert Goals() == Goals(0.005, 0.01, 0.04, -0.5, 0.03)


def test_full_has_the_sizes_of_the_paper_and_quick_is_the_same_picture():
    full, quick = SETTINGS["full"], SETTINGS["quick"]
    assert (full.n_agents, full.batches, full.convergence_replicas) == (1000, (1, 10, 100, 1000), 200)
    assert full.ladder[0] == 100
    assert full.ladder[-1] == 10**6
    assert full.ladder_sequential[-1] == 10**5
    assert quick.games == full.games
    assert full.aware == quick.aware == 100  # which is neither one by one nor all at once
    assert quick.batches[0] == 1
    assert quick.batches[-1] == quick.n_agents
    assert len(GAMES["resource_selection"].parameters["worth"]) == 10
    assert len(GAMES["queueing"].parameters["capacities"]) == 5


def test_batch_rules():
    assert [rule(10_000) for rule in compute.BATCH_RULES.values()] == [1, 100, 1000, 10_000]


def test_interval_is_students():
    samples = np.random.default_rng(0).normal(3.0, 2.0, size=(2000, 5))
    inside = [low <= 3.0 <= high for _, low, high in map(compute.interval, samples)]
    assert 0.92 < np.mean(inside) < 0.98  # 95%; six standard errors are 0.03


def test_an_unwritable_folder_is_refused_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        reproduce.check_folder(tmp_path / "file")
    with pytest.raises(OSError, match="file"):
        reproduce.check_folder(tmp_path / "file" / "below")
    reproduce.check_folder(tmp_path / "new" / "below")
    assert not list((tmp_path / "new" / "below").iterdir())
