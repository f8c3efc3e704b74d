"""What altruism costs an iteration of mirror descent in affine games, whose derivatives are known."""

import time

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore.solvers._descent import Iterate

ROUNDS, STEPS = 25, 50
MOST = 1.5  # times the iteration without


def dense(n_observations, n_actions, rows):
    """Rewards, and with `rows` the kernel too, depend on all of mu."""
    rng = np.random.default_rng(1)
    shape = (n_observations, n_actions, n_observations)
    corners = rng.dirichlet(np.ones(n_observations), size=(*shape[:2], n_observations if rows else 1))
    first = corners[:, :, 0]
    return tmf.games.affine(
        rng.normal(size=shape[:2]), reward_mu=-rng.random(shape), transition0=first,
        transition_mu=np.moveaxis(corners, 2, 3) - first[..., None] if rows else None,
        horizon=20, discount=0.95, initial=np.ones(n_observations) / n_observations,
    )  # fmt: skip


GAMES = {
    "resource_selection": lambda: tmf.games.resource_selection(np.linspace(1, 2, 12), congestion=1.0),
    "rock_paper_scissors": lambda: tmf.games.rock_paper_scissors(horizon=50),
    "susceptible_infected": lambda: tmf.games.susceptible_infected(),
    "infection_by_contact": lambda: tmf.games.infection_by_contact(),
    "rewards of all of mu": lambda: dense(20, 5, False),
    "rows of all of mu": lambda: dense(10, 3, True),
}


def seconds(iterate, logits):
    """Of an iteration: the policy judged along its own flow, and the next one."""
    begin = time.perf_counter()
    for _ in range(STEPS):
        iterate.evaluate()
        iterate.ascend(logits, None, 0.01, 0.0)
    return (time.perf_counter() - begin) / STEPS


def cost(name):
    """(seconds of an iteration, with altruism over without): the fastest of several rounds, in turns."""
    game, fastest = GAMES[name]().at(tmf.Synchronous()), [np.inf, np.inf]
    for _ in range(ROUNDS):
        for kind in (0, 1):
            iterate = Iterate(
                game.model, game.initial, np.ones(1), game.n_steps, game.discount, False, altruism=float(kind)
            )
            fastest[kind] = min(fastest[kind], seconds(iterate, np.zeros(iterate.policy.shape)))
    return fastest[0], fastest[1] / fastest[0]


@pytest.mark.parametrize("name", GAMES)
def test_an_iteration_with_altruism(name):
    alone, ratio = cost(name)
    print(f"{name}: {1e6 * alone:.1f} us, with altruism {ratio:.2f} times that")
    assert ratio <= MOST
