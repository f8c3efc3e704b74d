"""Chance, in two readings of one program: drawn, or all of it.

    Drawn(seed).choose           one index, drawn in proportion to weights
    law(program)                 {outcome: probability} of program(choose), which returns something hashable
"""

import random
from collections import defaultdict


class Drawn:
    """Draws by Python's own generator, so that nothing is shared with the compiled samplers, numpy's included."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def choose(self, weights):
        """An index i with probability weights[i] / sum(weights)."""
        return self.random.choices(range(len(weights)), [float(w) for w in weights])[0]

    def wait(self, rate):
        """An exponential time of this rate."""
        return self.random.expovariate(rate)


def law(program):
    """The law of program(choose): it is played once for every sequence of choices that has a positive probability.

    Choices form a tree; `path` is the branch that is being played, from its root: the index taken, and the weights.
    """
    outcomes = defaultdict(float)
    path = []
    while True:
        depth, weight = 0, 1.0

        def choose(weights):
            nonlocal depth, weight
            if depth == len(path):
                weights = [float(w) for w in weights]
                path.append([_next_positive(weights, 0), weights])
            index, known = path[depth]
            depth += 1
            weight *= known[index] / sum(known)
            return index

        outcome = program(choose)
        outcomes[outcome] += weight
        while path and (following := _next_positive(path[-1][1], path[-1][0] + 1)) is None:
            path.pop()
        if not path:
            return dict(outcomes)
        path[-1][0] = following


def _next_positive(weights, first):
    return next((i for i in range(first, len(weights)) if weights[i] > 0), None)
