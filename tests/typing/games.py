"""Games of one's own: arrays, functions, compiled code; schedules and policies."""

import numpy as np
from numpy.typing import NDArray

import tmfcore as tmf
from tmfcore.typing import TableLike

moves = [[[1.0, 0.0], [0.0, 1.0]]] * 2


def crowd(mu: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rewards of the population."""
    return np.eye(2) - mu[:, None]


def later(mu: NDArray[np.float64], t: int) -> list[list[float]]:
    """Rewards of the population and the step."""
    return [[0.0, float(t)], [0.0, mu[0]]]


def windy(mu: NDArray[np.float64], t: int, z: float) -> NDArray[np.float64]:
    """Rewards of the population, the step and the noise."""
    return np.eye(2) * z


def words(mu: NDArray[np.float64]) -> str:
    """No rewards."""
    return "good"


game = tmf.Game(2, 2, 10, 0.9, [1, 0], crowd, moves, name="own")
tmf.Game(2, 2, 10, 0.9, [1, 0], later, np.array(moves), passive_reward=lambda mu: -mu)
tmf.Game(2, 2, 10, 0.9, (1, 0), windy, moves, noise=np.zeros(10))
tmf.Game(2, 2, 10, 0.9, [1, 0], [[0, 1], [1, 0]], [np.eye(2), np.eye(2)])
tmf.Game(2, 2, 10, 0.9, [1, 0], words, moves)  # error
tmf.Game(2, 2, 10, 0.9, [1, 0], "crowd", moves)  # error
tmf.Game(2, 2, 10, 0.9, None, crowd, moves)  # error
tmf.Game("2", 2, 10, 0.9, [1, 0], crowd, moves)  # error
tmf.Game(2, 2, 10.0, 0.9, [1, 0], crowd, moves, time="sweeps", passive_rates=np.zeros((2, 2)))
tmf.Game(2, 2, 10, 0.9, [1, 0], crowd, moves, time="sweep")  # error
tmf.Game(2, 2, 10, 0.9, [1, 0], crowd, moves, passive_reward=lambda: 0.0)  # error
tmf.Game(2, 2, 10, 0.9, [1, 0], crowd, moves, observation_labels=[1, 2])  # error
rewards: TableLike = crowd
rewards = later
rewards = None  # error

reward = game.tables([0.5, 0.5]).reward
game.tables("half")  # error
shorter: tmf.Game = game.replace(horizon=5)
game.horizon = 5  # error

tmf.Batch(10)
tmf.Batch("10")  # error
tmf.Fraction(0.1)
tmf.Fraction(None)  # error
tmf.Bernoulli([0.1, 0.2])

policy = tmf.TabularPolicy([[0.5, 0.5], [1.0, 0.0]], horizon=10)
policy.table[0].sum()
policy.theta.sum()  # error
tmf.TabularPolicy("uniform")  # error
tmf.SoftmaxPolicy(np.zeros((2, 2))).theta.max()
tmf.SoftmaxPolicy(zeros=np.zeros((2, 2)))  # error
tmf.TabularPolicy.uniform(game, stages=2).probabilities([1, 0], 3)
tmf.TabularPolicy.uniform("game")  # error
