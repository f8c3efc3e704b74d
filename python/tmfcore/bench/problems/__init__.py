"""The problems of the standard workloads: data as arrays, and a check of answers.

    population    N independent agents: samples of their counts
    coupled       agents who meet: kernels that depend on mu
    limit         the mean field: flow, values, push-forward, exploitability
    learning      gradients from samples, and mirror descent
    solving       games for anybody's solver

Every problem has `kind`, the name of the method by which contestants solve it, its data, and `check(answer)`, which
raises Disagreement if the answer is wrong. Notation: N agents, S observations, A actions, T steps, R replicas.
"""

from .coupled import Coupled, Imitation, Meeting
from .learning import Descent, Direction, Gradient
from .limit import BeachBar, DenseGame, JostledBar, close
from .playing import SIGMAS, Answer, Disagreement, Floats, Ints, Playing, Replicas, near
from .solving import Solving

__all__ = [
    "SIGMAS",
    "Answer",
    "BeachBar",
    "Coupled",
    "DenseGame",
    "Descent",
    "Direction",
    "Disagreement",
    "Floats",
    "Gradient",
    "Imitation",
    "Ints",
    "JostledBar",
    "Meeting",
    "Playing",
    "Replicas",
    "Solving",
    "close",
    "near",
]
