"""The shelf: arrays, words, and names of arguments."""

import numpy as np

import tmfcore as tmf

tmf.games.queueing([0.1, 0.2], horizon=10)
tmf.games.queueing(np.array([0.1, 0.2]), initial=(1, 0, 0))
tmf.games.queueing("fast")  # error
tmf.games.queueing([0.1, 0.2], 1.0)  # error
tmf.games.queueing(capacity=[0.1])  # error
tmf.games.resource_selection((1.0, 0.8), congestion=[1.0, 2.0])
tmf.games.resource_selection((1.0, 0.8), congestion="much")  # error
tmf.games.beach_bar(20, worth=np.zeros(20), wrap=False)
tmf.games.beach_bar(20, wrap="no")  # error
tmf.games.crowd_motion(obstacles=["..", ".#"])
tmf.games.linear_quadratic(rounding="nearest position")
tmf.games.linear_quadratic(rounding="nearest_position")  # error
tmf.games.sioux_falls(source="openspiel", delay="relative")
tmf.games.sioux_falls("pairs")  # error
tmf.games.sioux_falls(source="published", delay="relativ")  # error
tmf.games.braess(rounding="down")
tmf.games.braess(rounding="up")  # error
rows = np.full((2, 2, 2), 0.5)
tmf.games.affine(np.eye(2), reward_mu=None, transition0=rows, transition_mu=None, horizon=5, discount=0.9, initial=[1, 0])
tmf.games.affine(np.eye(2), reward_mu=None, transition0=None, transition_mu=None, horizon=5, discount=0.9, initial=[1, 0])  # error
tmf.games.joint(n_observations=2, n_actions=2, horizon=5, discount=0.9, initial=[1, 0], reward=lambda law, mu, t: -law, transition=rows)
tmf.games.joint(n_observations=2, n_actions=2, horizon=5, discount=0.9, initial=[1, 0], reward=lambda law: -law, transition=rows)  # error
two = [tmf.games.queueing(), tmf.games.queueing()]
tmf.games.typed(two, shares=[0.5, 0.5], coupling=[[1, 0.5], [0.5, 1]], names=["calm", "wary"])
tmf.games.typed(two, shares="equal")  # error
game = tmf.games.garnet(n_observations=3)
horizon: float = game.horizon
