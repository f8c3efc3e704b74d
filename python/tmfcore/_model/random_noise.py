"""What a game whose noise is random has besides: the same game on one path, and checks that it is not taken for one."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model import sources
from tmfcore._model.noise import Law, path_of
from tmfcore._model.sources import Sources

__all__ = ["RandomNoise", "steps_of"]


class RandomNoise:
    """Base of games. A game with random noise has no model, but one on each path."""

    if TYPE_CHECKING:  # of Core
        noise: FloatArray | Law | None
        _span: float
        _cut: Any
        _whole: Self | None
        _pickles: bool

        @property
        def n_steps(self) -> int: ...
        def _fill(self, values: dict[str, Any]) -> None: ...
        def _made_by(self, recipe: partial[Any] | None, *, pickles: bool = False) -> None: ...
        def replace(self, **changes: Any) -> Self: ...

    _first: Self | None  # of a game with random noise: the same game on a path, for sizes and names
    _sources: Sources  # of a game with random noise
    _random: Self | None  # of a game made by `on`: its game with random noise
    _states: IntArray | None  # of a game made by `on`: the states of its path, if the noise is a chain

    def _draw_from(self, law: Law, given: Sources) -> None:
        """Make the noise random: what the game was so far becomes `_first`; `given` are its tables."""
        first = object.__new__(type(self))
        first._fill({**vars(self), "_known": {}})
        self._fill({"noise": law, "_model": None, "_first": first, "_sources": given})

    def _refuse_random(self, name: str = "game") -> None:
        """Raise if the noise is random."""
        if self._first is not None:
            raise ValueError(
                f"{name} is {self!r}, whose noise is random; must be on one path of it, {name}.on(path): only "
                "simulate, mean_field, evaluate, exploitability and tmfcore.solve are about many paths"
            )

    @property
    def _law(self) -> Law | None:
        """The law of the noise, of a game with random noise and on a path of it."""
        law = self._random.noise if self._random is not None else self.noise if self._first is not None else None
        return None if isinstance(law, np.ndarray) else law

    @property
    def _path(self) -> FloatArray | None:
        """The path of the noise; in a game in steps made by `at` its entries are spread over the steps."""
        noise = (self if self._whole is None else self._whole).noise
        return noise if isinstance(noise, np.ndarray) else None

    def _random_at(self, first: Self) -> Self:
        """The game in steps with random noise, from the same game on a path."""
        made = object.__new__(type(self))
        made._fill(vars(first))
        made._draw_from(self.noise, self._sources)  # type: ignore[arg-type]  # the law
        made._fill({"_whole": self})
        made._made_by(partial(steps_of, self, first._span), pickles=self._pickles)
        return made

    def on(self, path: FloatsLike) -> Self:
        """The game on one path of its random noise, for functions that are about one path.

        Parameters
        ----------
        path : (T,) integers, or (T, ...) floats
            States of the chain; or, if the noise is a function, values as it returns them.

        Returns
        -------
        Game
            With the path's values as `noise`. Policies that see the noise know its states.

        Raises
        ------
        TypeError, ValueError
            Not a path of this noise; a game without random noise (use `replace`), or in sweeps (use `at` first).

        Examples
        --------
        >>> import numpy as np, tmfcore as tmf
        >>> def reward(mu, t, rain):
        ...     return np.repeat(-(mu + [0.0, rain])[:, None], 2, axis=1)
        >>> rain = tmf.NoiseChain([0.5, 0.5], [[0.5, 0.5], [0.5, 0.5]])
        >>> roads = tmf.Game(2, 2, 3, 1.0, [1, 0], reward, [[[1, 0], [0, 1]]] * 2, noise=rain)
        >>> wet = roads.on([1, 1, 1])
        >>> tmf.evaluate(wet, tmf.TabularPolicy.uniform(wet), tmf.Synchronous()).mean_return
        -3.0
        """
        if self._first is None:
            raise ValueError(f"{self!r} has no random noise; must have a NoiseChain or a function (see `replace`)")
        if self._cut is not None:
            raise ValueError(f"{self!r} is in sweeps; must be in steps: game.at(schedule, n_agents).on(path)")
        values, states = path_of(self.noise, path, self.n_steps)  # type: ignore[arg-type]  # the law
        if self._whole is None:  # without the checks of a new game, which take most of its time
            known = sources.path(values, self.n_steps)
            made = object.__new__(type(self))
            made._fill({**vars(self._first), "noise": known, "_model": replace(self._sources, noise=known).model()})
            vars(made).pop("_digest", None)
        else:
            made = self.replace(noise=values)
        made._fill({"_random": self, "_states": states})
        made._made_by(partial(_path_of, self, states if states is not None else values), pickles=self._pickles)
        return made


def steps_of(game: Any, step: float) -> Any:
    """`at`, as a function that pickles."""
    return game.at(step=step)


def _path_of(game: Any, path: FloatsLike) -> Any:
    return game.on(path)
