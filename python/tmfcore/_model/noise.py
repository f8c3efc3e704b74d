"""Random common noise of a game: a Markov chain, or a function that draws a path (Theory, section 13).

NoiseChain(initial, transition, values)    a Markov chain of Z states, all agents hit by the same path
as_law(noise)                              the chain or the function, None if `noise` is a path
first_path(law, n_steps)                   a path of the law, on which a game is checked
path_of(law, path, n_steps)                values of a path that a user gave, and its states
drawn(law, n_paths, n_steps, rng)          independent paths
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from tmfcore._base import needs, pieces
from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory, noted, takes_rng
from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._random import sampling, seeding

__all__ = ["Law", "NoiseChain", "as_law", "drawn", "first_path", "path_of"]

MOST_PATHS = 2**20
MOST_STATES = 2**10  # of a chain: sampling compares with Z numbers a step


@dataclass(frozen=True, eq=False, repr=False, init=False)
class NoiseChain:
    """A Markov chain z_0, z_1, ... of Z states: the law of a common noise, whose path is the same for all agents.

    `Game(..., noise=chain)` is a game with this noise.

    Parameters
    ----------
    initial : (Z,) floats
        Distribution of z_0.
    transition : (Z, Z) floats
        C(z, z'), the probability that z' follows z, from one step of the game to the next.
    values : (Z, ...) floats or None, optional
        What functions f(mu, t, z) of the game and of policies get as z in each state. None: 0.0, 1.0, ..., Z - 1.

    Raises
    ------
    TypeError, ValueError
        Not numbers, another shape, a row that is not a distribution, more than 1,024 states.

    Notes
    -----
    Arrays are read-only float64 copies; two chains with the same numbers are equal.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> weather = tmf.NoiseChain([0.5, 0.5], [[0.9, 0.1], [0.1, 0.9]])
    >>> weather.sample(10, paths=2, rng=1)
    array([[0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
           [0, 1, 1, 1, 1, 1, 1, 1, 1, 1]])
    """

    initial: FloatArray
    transition: FloatArray
    values: FloatArray

    def __init__(self, initial: FloatsLike, transition: FloatsLike, values: FloatsLike | None = None) -> None:
        start = check.frozen(check.as_probabilities(initial, "initial", shape=(None,), letters="Z"))
        n = len(start)
        if n > MOST_STATES:
            raise ValueError(f"initial has {n} states; must have at most {MOST_STATES}")
        rows = check.frozen(check.as_probabilities(transition, "transition", shape=(n, n), letters="Z, Z"))
        given = check.as_float_array(np.arange(float(n)) if values is None else values, "values")
        if given.ndim == 0 or len(given) != n:
            raise ValueError(f"values has shape {given.shape}; must be (Z, ...) with Z = {n}, as initial")
        vars(self).update(initial=start, transition=rows, values=check.frozen(given))

    @property
    def n_states(self) -> int:
        """Z."""
        return len(self.initial)

    @takes_rng
    @fits_memory("paths or n_steps must be smaller", asks=True)
    def sample(self, n_steps: int, paths: int = 1, rng: seeding.RNG = None) -> IntArray:
        """Independent paths of states.

        Parameters
        ----------
        n_steps : int
            T.
        paths : int, optional
            R. The first paths do not depend on their number, and the first states of a path not on n_steps.
        rng : int, Generator, SeedSequence or None, optional

        Returns
        -------
        (R, T) int64
        """
        n_steps, n_paths = check.as_positive_int(n_steps, "n_steps"), check.as_positive_int(paths, "paths")
        needs.ask({
            "states": (8, n_paths, n_steps), "uniform numbers": (8, n_paths, n_steps),
            "ends of intervals": (17, n_paths, self.n_states),
        })  # fmt: skip
        return self._sampled(n_steps, n_paths, rng)

    def _sampled(self, n_steps: int, n_paths: int, rng: seeding.RNG) -> IntArray:
        """`sample` of arguments that are checked, and whose memory was asked for."""
        key = seeding.key(seeding.generators(rng, 1)[0])
        uniform, states = np.empty((n_paths, n_steps)), np.empty((n_paths, n_steps), np.int64)
        for part in pieces.parts(n_paths, n_steps):
            sampling.uniforms(key, part.start, uniform[part])  # of which a longer path has the same first ones
            states[part] = 0  # memory is touched here, row by row, and not in the first column
        first, following = _cumulative(self.initial), _cumulative(self.transition)
        for t in range(n_steps):
            ends = first if t == 0 else following[states[:, t - 1]]
            states[:, t] = (uniform[:, t, np.newaxis] >= ends).sum(axis=-1)
        return states

    @fits_memory("n_steps must be smaller", asks=True)
    def paths(self, n_steps: int) -> tuple[IntArray, FloatArray]:
        """All paths of positive probability, in lexicographic order.

        Parameters
        ----------
        n_steps : int
            T.

        Returns
        -------
        states : (R, T) int64
        probabilities : (R,) float64
            They sum to 1.

        Raises
        ------
        ValueError
            More than 2**20 paths.
        """
        n_steps = check.as_positive_int(n_steps, "n_steps")
        possible = self.transition > 0
        ending = [int(p > 0) for p in self.initial]  # number of paths by last state
        for t in range(n_steps):
            if t > 0:
                ending = [sum(n for n, may in zip(ending, column, strict=True) if may) for column in possible.T]
            if sum(ending) > MOST_PATHS:
                raise ValueError(
                    f"n_steps is {n_steps}; must be at most {t}: the chain has {sum(ending)} paths of {t + 1} steps, "
                    f"more than {MOST_PATHS} (use sample)"
                )
        needs.ask({"states": (8, sum(ending), n_steps), "paths that are continued": (48 * sum(ending),)})
        last = np.flatnonzero(self.initial)
        probabilities = self.initial[last]
        steps = [(last, last)]  # of each path so far: the number of the path it continues, and its last state
        for _ in range(n_steps - 1):
            before, z = np.nonzero(possible[last])
            probabilities = probabilities[before] * self.transition[last[before], z]
            last = z
            steps.append((before, z))
        states = np.empty((len(last), n_steps), np.int64)
        path = np.arange(len(last))
        for t, (before, z) in reversed(list(enumerate(steps))):
            states[:, t] = z[path]
            path = before[path] if t else path
        return states, probabilities

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NoiseChain):
            return NotImplemented
        return all(np.array_equal(own, vars(other)[name]) for name, own in vars(self).items())

    def __hash__(self) -> int:
        return hash(tuple((array.shape, array.tobytes()) for array in vars(self).values()))

    def __repr__(self) -> str:
        shape = f", values {self.values.shape}" if self.values.ndim > 1 else ""
        return f"NoiseChain(Z={self.n_states}{shape})"

    def __reduce__(self) -> tuple[Any, ...]:
        return NoiseChain, (self.initial, self.transition, self.values)


def _cumulative(rows: FloatArray) -> FloatArray:
    """Upper ends of the intervals of [0, 1) that belong to each state; states of probability 0 have none."""
    ends = rows.cumsum(axis=-1)
    return np.asarray(ends / ends[..., -1:])


#: The law of a random noise.
Law: TypeAlias = NoiseChain | Callable[[np.random.Generator], FloatsLike]


def as_law(noise: object) -> Law | None:
    """`noise` of a Game if it is a law; None if it is a path."""
    if isinstance(noise, NoiseChain):
        return noise
    if callable(noise) and not isinstance(noise, type) and not check.is_array(noise):
        return noise
    return None


def first_path(law: Law, n_steps: int | None) -> FloatArray:
    """Values of a path (T, ...), or of one entry for a chain if n_steps is None, on which a game is checked."""
    if not isinstance(law, NoiseChain):
        return check.as_float_array(noted(law, "noise", "(rng)")(np.random.default_rng(0)), "noise(rng)")
    states = [int(law.initial.argmax())]
    for _ in range((n_steps or 1) - 1):
        states.append(int(law.transition[states[-1]].argmax()))
    return np.asarray(law.values[states])


def path_of(law: Law, path: FloatsLike, n_steps: int) -> tuple[FloatArray, IntArray | None]:
    """Values of a path that a user gave, and its states (T,) if the law is a chain."""
    if not isinstance(law, NoiseChain):
        return check.as_float_array(path, "path"), None
    states = check.as_int_array(path, "path", shape=(n_steps,), letters="T", low=0, high=law.n_states - 1)
    return np.asarray(law.values[states]), states


def drawn(law: Law, n_paths: int, n_steps: int, rng: seeding.RNG) -> IntArray | FloatArray:
    """Independent paths: states (R, T) of a chain, or values (R, T, ...). The first do not depend on their number."""
    needs.ask({"paths of the noise": (16, n_paths, n_steps)}, lambda: "paths must be fewer", first=True)
    if isinstance(law, NoiseChain):
        return law._sampled(n_steps, n_paths, rng)
    sample = noted(law, "noise", "(rng)")
    found: list[FloatArray] = []
    for r, stream in enumerate(seeding.generators(rng, n_paths)):
        path = check.as_float_array(sample(stream), f"noise(rng), path {r},")
        if found and path.shape != found[0].shape:
            raise ValueError(f"noise(rng) has shape {path.shape} on path {r}; must be {found[0].shape}, as on path 0")
        found.append(path)
    return np.stack(found)
