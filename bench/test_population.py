"""One call of Population, so that a loop in Python can own the steps: its Python layer and one step of the engine."""

import numpy as np
import pytest

import tmfcore as tmf

S, A, N = 8, 4, 1_000_000
RNG = np.random.default_rng(7)
DENSE = tmf.Game(
    S, A, 10**9, 1.0, np.full(S, 1 / S), RNG.random((S, A)), RNG.dirichlet(np.ones(S), size=(S, A)), name="dense"
)  # fmt: skip
RESOURCES = tmf.games.resource_selection(
    np.linspace(1, 0.3, S), congestion=np.ones(S), horizon=10**9, step=1
).at()  # fmt: skip
GAMES = {"resources": RESOURCES, "dense": DENSE}
SCHEDULES = {"B=N": tmf.Synchronous(), "B=1": tmf.Sequential(), "p=0.1": tmf.Bernoulli(0.1)}


@pytest.mark.benchmark(group="population")
@pytest.mark.parametrize("who", SCHEDULES)
@pytest.mark.parametrize(("name", "decisions"), [("resources", True), ("dense", False), ("dense", True)])
def test_step(measure, name, decisions, who):
    """us of a step by counts with the policy of the call before; S = 8, N = 10^6."""
    game = GAMES[name]
    population = tmf.Population(game, SCHEDULES[who], N, engine="counts", decisions=decisions, rng=1)
    policy = tmf.TabularPolicy.uniform(game)
    measure(lambda: population.step(policy), units=1, unit="step")
    assert population.counts.sum() == N


@pytest.mark.benchmark(group="population")
def test_step_of_an_array(measure):
    """us of a step whose policy is a new array, checked and converted."""
    population = tmf.Population(DENSE, tmf.Synchronous(), N, engine="counts", decisions=False, rng=1)
    policy = np.full((S, A), 1 / A)
    measure(lambda: population.step(policy), units=1, unit="step")
    assert population.counts.sum() == N


@pytest.mark.benchmark(group="population")
@pytest.mark.parametrize("engine", ["counts", "agents"])
def test_act(measure, engine):
    """us of a step whose decisions are given: S = 8 by counts, 1000 individuals."""
    population = tmf.Population(DENSE, tmf.Synchronous(), 1000, engine=engine, rng=1)

    def act():
        if engine == "agents":
            population.act(population.observations % A)
        else:
            population.act(np.eye(A, dtype=np.int64)[np.arange(S) % A] * population.counts[..., None])

    measure(act, units=1, unit="step")
    assert population.counts.sum() == 1000


@pytest.mark.benchmark(group="population")
@pytest.mark.parametrize("engine", ["counts", "agents"])
def test_restart(measure, engine):
    """us to go back to step 0, beside `new`: a Population made for each episode; S = 8, N = 1000."""
    population = tmf.Population(DENSE, tmf.Synchronous(), 1000, engine=engine, rng=1)
    measure(population.restart, units=1, unit="restart")
    assert population.t == 0 and population.counts.sum() == 1000


@pytest.mark.benchmark(group="population")
@pytest.mark.parametrize("engine", ["counts", "agents"])
def test_new(measure, engine):
    made = measure(
        lambda: tmf.Population(DENSE, tmf.Synchronous(), 1000, engine=engine, rng=1), units=1, unit="population"
    )
    assert made.t == 0
