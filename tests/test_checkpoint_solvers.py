"""Solves go on from a checkpoint as if they had not been stopped: every solver, in turns, on grids, over random noise."""

import dataclasses
import warnings

import numpy as np
import pytest
from noise_cases import noisy

import tmfcore as tmf
from solver_cases import cases, queueing, resource_selection, rock_paper_scissors
from tmfcore._results.checkpoint import Keeper
from tmfcore.solvers import (
    MFOMO,
    TMFPG,
    FictitiousPlay,
    FixedPoint,
    Homotopy,
    Iteration,
    MirrorDescent,
    PriorDescent,
    Stationary,
)

pytestmark = pytest.mark.filterwarnings("ignore::tmfcore.ConvergenceWarning")

GAME, WHO, N = queueing(horizon=5), tmf.Fraction(0.5), 20


class Killed(BaseException):
    """Stands for a signal that ends the process."""


@pytest.fixture
def writes(monkeypatch):
    """`writes.stop_after(k)`: the k-th write from now on is the last thing that the call does."""

    class Writes:
        left = made = 0

        def stop_after(self, k):
            self.left, self.made = k, 0

    plain, found = Keeper.save, Writes()

    def save(self, state):
        plain(self, state)
        found.made += 1
        if found.made == found.left:
            raise Killed

    monkeypatch.setattr(Keeper, "save", save)
    return found


def without_seconds(found):
    """A Solution without the one thing that may differ."""
    return dataclasses.replace(found, history={name: found.history[name] for name in found.history if name != "seconds"})


def same(found, expected):
    assert found.history["iteration"].tolist() == expected.history["iteration"].tolist()
    assert found.reason == expected.reason
    assert without_seconds(found).equals(without_seconds(expected))
    assert (np.diff(found.history["seconds"]) >= 0).all()


def resumed(call, path, writes, expected, after=(1, 2, 5)):
    """Stopped after the k-th write, for several k, and once more after the first of the second call; then at the end."""
    for k in after:
        path.unlink(missing_ok=True)
        for stop in (k, 1):
            writes.stop_after(stop)
            try:
                found = call(tmf.Checkpoint(path, 0.0))
            except Killed:
                continue
            break
        else:
            writes.stop_after(0)
            found = call(tmf.Checkpoint(path, 0.0))
        same(found, expected)
        kept = path.read_bytes()
        writes.stop_after(1)
        again = call(path)  # at its end: nothing is computed or written
        assert again.equals(found) and again.history["seconds"].tolist() == found.history["seconds"].tolist()
        assert again.fingerprint == expected.fingerprint and again.flow.fingerprint == expected.flow.fingerprint
        assert writes.made == 0 and path.read_bytes() == kept
        assert [each.name for each in path.parent.iterdir()] == [path.name]


SOLVERS = cases(iterations=9, tolerance=None, absolute_tolerance=None) | {
    name: dataclasses.replace(solver, iterations=9, tolerance=None)
    for name, solver in {
        "MirrorDescent with patience": MirrorDescent(patience=3, min_improvement=0.5),
        "MirrorDescent to a tolerance": MirrorDescent(),
        "FixedPoint linear": FixedPoint(weight_decay="linear"),
        "MFOMO stuck": MFOMO(steps=2),
        "TMFPG empirical": TMFPG(critic="empirical", replicas=2),
        "TMFPG returns": TMFPG(critic="returns", replicas=2),
        "TMFPG sgd, now and then": TMFPG(optimizer="sgd", evaluate_every=4, inner_updates=2, average=None),
        "TMFPG normalized": TMFPG(optimizer="normalized", gradient="plain", entropy=0.1),
    }.items()
}
SOLVERS["MirrorDescent to a tolerance"] = MirrorDescent()


@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS.keys())
@pytest.mark.broad(2)
def test_every_solver_goes_on(solver, tmp_path, writes):
    def call(checkpoint=None):
        return solver.solve(GAME, WHO, N, rng=3, checkpoint=checkpoint)

    resumed(call, tmp_path / "solve.npz", writes, call())


@pytest.mark.parametrize("solver", [MirrorDescent(iterations=160), PriorDescent(iterations=160), MFOMO(iterations=30, steps=4)], ids=lambda solver: solver.name)
@pytest.mark.broad(1)
def test_descents_that_begin_again(solver, tmp_path, writes):
    """Mirror descent cycles here: rates, secants and restarts are kept over many iterations."""
    game = rock_paper_scissors()

    def call(checkpoint=None):
        return solver.solve(game, tmf.Synchronous(), initial=np.array([[[0.5, 0.3, 0.2]] * 4] * 2), checkpoint=checkpoint)

    resumed(call, tmp_path / "solve.npz", writes, call(), after=(20, 105))


@pytest.mark.parametrize("solver", [Stationary(iterations=9), Stationary(momentum=0.5, iterations=9), Homotopy(iterations=3)])
def test_other_horizons(solver, tmp_path, writes):
    game = resource_selection(discount=0.9)

    def call(checkpoint=None):
        return solver.solve(game, tmf.Synchronous(), checkpoint=checkpoint)

    resumed(call, tmp_path / "solve.npz", writes, call())


def test_without_agents_no_number_is_drawn(tmp_path, writes):
    solver = TMFPG(iterations=9, tolerance=None)

    def call(checkpoint=None):
        return solver.solve(GAME, WHO, checkpoint=checkpoint)

    resumed(call, tmp_path / "solve.npz", writes, call())


@pytest.mark.parametrize("kind", [np.random.default_rng, np.random.SeedSequence, np.random.MT19937])
def test_seeds_of_every_kind(kind, tmp_path, writes):
    """A generator is left as by a call that was not stopped: the next call draws other numbers, and the same ones."""
    solver, made = TMFPG(iterations=6, tolerance=None, critic="empirical"), []

    def call(checkpoint=None):
        made.append(kind(8))
        return solver.solve(GAME, WHO, N, rng=made[-1], checkpoint=checkpoint)

    resumed(call, tmp_path / "solve.npz", writes, call())
    following = [solver.solve(GAME, WHO, N, rng=rng).history["exploitability"].tolist() for rng in (made[0], made[-1])]
    assert following[0] == following[1]
    with pytest.raises(tmf.FileError, match="rng was"):
        solver.solve(GAME, WHO, N, rng=made[0], checkpoint=tmp_path / "solve.npz")  # it has spawned streams since


# --------------------------------------------------------------------------------------------------------------- solve

TURNS = {
    "three in turns": {"tolerance": 1e-12, "iterations": 420},
    "two that end": {"solver": [FictitiousPlay(iterations=130), FixedPoint(iterations=4)], "tolerance": 1e-9},
    "with samples": {"solver": [FictitiousPlay(), TMFPG(iterations=60, critic="empirical")], "tolerance": 1e-6,
                     "iterations": 230, "rng": 4},
    "on two clocks": {"solver": [FictitiousPlay(clock="always"), FixedPoint()], "tolerance": 1e-9, "iterations": 210},
}  # fmt: skip


@pytest.mark.parametrize("options", TURNS.values(), ids=TURNS.keys())
@pytest.mark.broad(1)
def test_turns_go_on(options, tmp_path, writes):
    game = queueing(horizon=3)

    def call(checkpoint=None):
        return tmf.solve(game, WHO, N, checkpoint=checkpoint, **options)

    expected = call()
    writes.stop_after(0)
    resumed(call, tmp_path / "solve.npz", writes, expected, after=(101, 205))


@pytest.mark.parametrize(
    "options",
    [
        {}, {"solver": FictitiousPlay(tolerance=0.003)}, {"step": 0.125},
        {"solver": TMFPG(tolerance=2e-3, stages=32, critic="empirical"), "n_agents": 10**5},
    ],
    ids=["default", "one solver", "one grid", "samples"],
)  # fmt: skip
@pytest.mark.broad(1)
def test_grids_under_poisson_clocks_go_on(options, tmp_path, writes):
    game = tmf.games.resource_selection((1.0, 0.6, 0.2), congestion=1.0, horizon=2.0)

    def call(checkpoint=None):
        return tmf.solve(game, tmf.Poisson(), rng=2, checkpoint=checkpoint, **options)

    expected = call()
    refined = expected.discretisation.step < 1 / 16
    assert refined == (options != {"step": 0.125})
    resumed(call, tmp_path / "solve.npz", writes, expected, after=(1, 4, 14))


@pytest.mark.parametrize("options", [{}, {"paths": 8, "rng": 3, "iterations": 12}, {"solver": "PriorDescent", "iterations": 9}],
                         ids=["tree", "paths", "PriorDescent on the tree"])  # fmt: skip
@pytest.mark.broad(1)
def test_solves_over_random_noise_go_on(options, tmp_path, writes):
    game = noisy(3)

    def call(checkpoint=None):
        return tmf.solve(game, tmf.Fraction(0.6), checkpoint=checkpoint, **options)

    resumed(call, tmp_path / "solve.npz", writes, call(), after=(1, 2, 7))


def test_a_game_that_is_solved_at_once_has_an_end(tmp_path, writes):
    game = tmf.Game(2, 2, 4, 1.0, [0.5, 0.5], [[1, 0], [0, 2]], np.full((2, 2, 2), 0.5))

    def call(checkpoint=None):
        return tmf.solve(game, tmf.Synchronous(), checkpoint=checkpoint)

    resumed(call, tmp_path / "solve.npz", writes, call(), after=(1,))


def test_a_game_that_depends_on_nothing_goes_on_if_nothing_is_small_enough(tmp_path, writes):
    game = tmf.Game(2, 2, 4, 1.0, [0.5, 0.5], [[1, 0], [0, 2]], np.full((2, 2, 2), 0.5))

    def call(checkpoint=None):
        return FixedPoint(iterations=5, tolerance=None).solve(game, tmf.Synchronous(), checkpoint=checkpoint)

    resumed(call, tmp_path / "solve.npz", writes, call(), after=(1, 3))


# -------------------------------------------------------------------------------------------------------- what is kept


@pytest.mark.parametrize("error", [RuntimeError("mine"), KeyboardInterrupt()], ids=lambda error: type(error).__name__)
def test_a_game_that_fails_loses_one_iteration(error, tmp_path):
    """What the game raises comes out; the next call goes on from the last update before it."""
    calls, failing = [0], [np.inf]

    def reward(mu):
        calls[0] += 1
        if calls[0] == failing[0]:
            raise error
        return np.repeat(-mu[:, None], 2, axis=1)

    def call(checkpoint=None):
        game = tmf.Game(2, 2, 3, 1.0, [1, 0], reward, np.eye(2)[None].repeat(2, 0))
        return FictitiousPlay(iterations=12, tolerance=None).solve(game, tmf.Synchronous(), checkpoint=checkpoint)

    def count(path):
        calls[0] = 0
        found, made = call(path), calls[0]
        same(found, expected)
        return made

    expected, path = call(), tmp_path / "solve.npz"
    whole, alone = count(path), count(path)  # alone: to compare the game with that of the file
    for share in (0.4, 0.6, 0.8):
        path.unlink()
        calls[0], failing[0] = 0, alone + round(share * (whole - alone))
        with pytest.raises(type(error)):
            call(tmf.Checkpoint(path, 0.0))
        failing[0] = np.inf
        assert count(path) - alone <= (1.2 - share) * (whole - alone)


def test_a_callback_sees_every_iteration_once(tmp_path, writes):
    seen: list[Iteration] = []

    def call(checkpoint=None):
        return MirrorDescent(iterations=8, tolerance=None).solve(GAME, WHO, callback=seen.append, checkpoint=checkpoint)

    writes.stop_after(3)
    with pytest.raises(Killed):
        call(tmf.Checkpoint(tmp_path / "solve.npz", 0.0))
    writes.stop_after(0)
    found = call(tmp_path / "solve.npz")
    assert [each.iteration for each in seen] == list(range(9))
    assert [each.exploitability for each in seen] == found.history["exploitability"].tolist()
    call(tmp_path / "solve.npz")
    assert len(seen) == 9


def test_a_callback_stops_once_and_for_all(tmp_path):
    solver, path = MirrorDescent(tolerance=None), tmp_path / "solve.npz"
    found = solver.solve(GAME, WHO, callback=lambda now: now.iteration == 4, checkpoint=path)
    assert found.reason == "stopped by callback at iteration 4"
    assert solver.solve(GAME, WHO, checkpoint=path).equals(found)


def test_seconds_are_those_of_all_calls(tmp_path, writes, monkeypatch):
    """A time limit counts the work of the calls before; each iteration takes a second here."""
    now = [0.0]

    def clock():
        now[0] += 1e-6
        return now[0]

    for module in ("solvers._loop", "_results.checkpoint"):
        monkeypatch.setattr(f"tmfcore.{module}.time.perf_counter", clock)

    def work(_):
        now[0] += 1.0

    def call(checkpoint=None):
        solver = MirrorDescent(tolerance=None, iterations=100)
        return solver.solve(GAME, WHO, callback=work, time_limit=7.5, checkpoint=checkpoint)

    expected = call()
    assert expected.reason.startswith("time limit of 7.5 s reached") and len(expected.history["seconds"]) == 9
    writes.stop_after(2)  # due after 3 and 6 seconds
    with pytest.raises(Killed):
        call(tmf.Checkpoint(tmp_path / "solve.npz", 3.0))
    now[0] += 1000.0  # nobody works
    writes.stop_after(0)
    found = call(tmp_path / "solve.npz")
    same(found, expected)
    np.testing.assert_allclose(found.history["seconds"], expected.history["seconds"], atol=1e-2)


def test_progress_goes_on(tmp_path, writes):
    path, seen = tmp_path / "solve.npz", []
    writes.stop_after(3)
    for _ in range(2):
        try:
            MirrorDescent(iterations=8, tolerance=None).solve(
                GAME, WHO, checkpoint=tmf.Checkpoint(path, 0.0), progress=lambda done, total: seen.append((done, total))
            )
        except Killed:
            seen.clear()
    assert seen[-1] == (8, 8) and min(done for done, _ in seen if done) >= 4


def test_no_convergence_is_said_again(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", tmf.ConvergenceWarning)
        for call in (lambda **o: MirrorDescent(iterations=2).solve(GAME, WHO, **o), lambda **o: tmf.solve(GAME, WHO, iterations=2, **o)):
            path = tmp_path / "solve.npz"
            path.unlink(missing_ok=True)
            texts = []
            for _ in range(2):
                with pytest.raises(tmf.ConvergenceWarning) as told:
                    call(checkpoint=path)
                texts.append(str(told.value))
            assert texts[0] == texts[1] and "has not converged" in texts[0]


# ------------------------------------------------------------------------------------------------------ what is refused

OTHERS = {
    "game was": lambda o: o | {"game": queueing(horizon=6)},
    "schedule was": lambda o: o | {"schedule": tmf.Fraction(0.25)},
    "n_agents was 20, is 40": lambda o: o | {"n_agents": 40},
    "solver was": lambda o: o | {"learning_rate": 0.5},
    r"rng was \[1\], is \[2\]": lambda o: o | {"rng": 2},
    "initial was null, is ": lambda o: o | {"initial": np.full((1, 4, 3), 1 / 3)},
    "time_limit was null, is 100": lambda o: o | {"time_limit": 100.0},
}


@pytest.mark.parametrize("text", OTHERS)
@pytest.mark.parametrize("done", [False, True])
def test_another_call_is_refused_and_the_file_stays(text, done, tmp_path, writes):
    path = tmp_path / "solve.npz"

    def call(game=GAME, schedule=WHO, n_agents=20, rng=1, initial=None, time_limit=None, learning_rate=0.7):
        solver = TMFPG(iterations=4, tolerance=None, learning_rate=learning_rate)
        options = {"rng": rng, "initial": initial, "time_limit": time_limit, "checkpoint": tmf.Checkpoint(path, 0.0)}
        return solver.solve(game, schedule, n_agents, **options)

    writes.stop_after(0 if done else 2)
    if done:
        call()
    else:
        with pytest.raises(Killed):
            call()
    kept = path.read_bytes()
    other = OTHERS[text]({})
    if "initial" in other:
        other["initial"] = np.full((1, GAME.n_observations, GAME.n_actions), 1 / GAME.n_actions)
    with pytest.raises(tmf.FileError, match=rf"another call of solve.*{text}"):
        call(**other)
    assert path.read_bytes() == kept
    writes.stop_after(0)
    assert call().history["iteration"].tolist() == [0, 1, 2, 3, 4]


def test_what_changes_nothing_may_differ(tmp_path, writes):
    solver, path = TMFPG(iterations=5, tolerance=None), tmp_path / "solve.npz"
    writes.stop_after(2)
    with pytest.raises(Killed):
        solver.solve(GAME, WHO, N, rng=1, threads=1, checkpoint=tmf.Checkpoint(path, 0.0))
    writes.stop_after(0)
    found = solver.solve(queueing(horizon=5), tmf.Fraction(np.full(5, 0.5)), N, rng=1, threads=2, progress=lambda *_: None,
                         checkpoint=tmf.Checkpoint(path, 7.0))  # fmt: skip
    same(found, solver.solve(GAME, WHO, N, rng=1))


def test_initial_solutions_are_compared_by_what_is_continued(tmp_path):
    solver = FictitiousPlay(iterations=3, tolerance=None)
    first, again = solver.solve(GAME, WHO), solver.solve(GAME, WHO)
    found = solver.solve(GAME, WHO, initial=first, checkpoint=tmp_path / "solve.npz")
    assert first.history["seconds"].tolist() != again.history["seconds"].tolist()
    assert solver.solve(GAME, WHO, initial=again, checkpoint=tmp_path / "solve.npz").equals(found)
    for other in (found, found.policy):
        with pytest.raises(tmf.FileError, match="initial was"):
            solver.solve(GAME, WHO, initial=other, checkpoint=tmp_path / "solve.npz")


def test_functions_are_compared_by_what_they_return(tmp_path):
    solver, path = FictitiousPlay(iterations=3, tolerance=None), tmp_path / "solve.npz"
    uniform, first = np.full((GAME.n_observations, GAME.n_actions), 1 / GAME.n_actions), np.eye(GAME.n_actions)
    found = solver.solve(GAME, WHO, initial=lambda mu: uniform, checkpoint=path)
    assert solver.solve(GAME, WHO, initial=lambda mu: uniform + 0 * mu[:1], checkpoint=path).equals(found)
    with pytest.raises(tmf.FileError, match="initial was"):
        solver.solve(GAME, WHO, initial=lambda mu: first[[0] * len(mu)], checkpoint=path)


@pytest.mark.parametrize(
    "call",
    [
        lambda path: TMFPG().solve(GAME, WHO, N, checkpoint=path),
        lambda path: tmf.solve(GAME, WHO, N, solver=[FictitiousPlay(), TMFPG()], checkpoint=path),
        lambda path: tmf.solve(noisy(3), WHO, paths=4, checkpoint=path),
    ],
    ids=["TMFPG", "in turns", "paths"],
)
def test_random_numbers_need_a_seed(call, tmp_path):
    with pytest.raises(ValueError, match="rng is None; must be a seed if checkpoint is given"):
        call(tmp_path / "solve.npz")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_while_memory_is_estimated(tmp_path):
    tmf.estimate(tmf.solve, GAME, WHO, checkpoint=tmp_path / "solve.npz")
    assert list(tmp_path.iterdir()) == []
