"""Base class of games of every kind: sizes, time, start, model, and methods that return a changed game.

    Core.at(schedule, n_agents)     the game in steps that a schedule plays; itself if its time is in steps
    Core.replace(...)               the same game with other arguments
    Core.tables(mu, t)              rewards and transition rows at one population and step

A game in sweeps has no model but a function `_cut`, which makes the game in steps of a given length.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, TypeAlias

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.functions import fits_memory
from tmfcore._base.types import FloatsLike, Time
from tmfcore._base.validation import FloatArray, SuccessorArray
from tmfcore._model import clock, sources
from tmfcore._model.legal import LegalArray, blank
from tmfcore._model.model import Model
from tmfcore._model.noise import Law, NoiseChain
from tmfcore._model.random_noise import RandomNoise, steps_of
from tmfcore._model.sources import INT32_MAX, Table
from tmfcore._results.records import read_only
from tmfcore._results.result import Result
from tmfcore._results.tables import Variable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tmfcore._model.schedules import Schedule

__all__ = ["TINY", "Core", "Cut", "Tables"]

Cut: TypeAlias = Callable[[float, int, float], Any]  # (dt, T, discount of a step) -> the game in such steps

KNOWN = 8  # most step lengths for which the game in steps is cached
TINY = 2.0**-40  # a step, in sweeps, for which no rate is too large: to probe functions that return rates


class _Tables(NamedTuple):
    reward: FloatArray
    transition: FloatArray
    passive_reward: FloatArray
    passive_transition: FloatArray


class Tables(Result[Literal["reward", "transition"]], _Tables):
    """The four arrays of a game at one population distribution and step: `Game.tables`.

    Parameters
    ----------
    reward : (S, A) float64
        NaN at illegal actions, and so in transition.
    transition : (S, A, S) or (S, A, K) float64
    passive_reward : (S,) float64
    passive_transition : (S, S) or (S, K0) float64

    Notes
    -----
    A named tuple. `plot` draws "reward" (rows are observations, columns are actions) or "transition" (one panel per
    action).
    """

    def __new__(
        cls, reward: FloatArray, transition: FloatArray, passive_reward: FloatArray, passive_transition: FloatArray
    ) -> Self:
        given = (reward, transition, passive_reward, passive_transition)
        return super().__new__(cls, *map(read_only, given, cls._fields))

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "S", self.reward.shape[0]
        yield "A", self.reward.shape[1]
        yield "K", self.transition.shape[2]
        yield "reward", f"{np.nanmin(self.reward):.4g} to {np.nanmax(self.reward):.4g}"

    def _variables(self) -> dict[str, Variable]:
        to = "next_observation" if self.transition.shape[2] == len(self.reward) else "successor"
        rest = "next_observation" if self.passive_transition.shape[1] == len(self.reward) else "passive_successor"
        return {
            "reward": (("observation", "action"), self.reward),
            "transition": (("observation", "action", to), self.transition),
            "passive_reward": (("observation",), self.passive_reward),
            "passive_transition": (("observation", rest), self.passive_transition),
        }

    def _picture(self, kind: str, **style: Any) -> Axes:
        from tmfcore import plotting

        if kind == "reward":
            return plotting.panels(self.reward[np.newaxis], x_label="action", quantity="reward", **style)
        heads = [f"action {a}" for a in range(self.reward.shape[1])]
        return plotting.panels(
            self.transition.swapaxes(0, 1), heads, x_label="next observation", quantity="probability", **style
        )


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Core(RandomNoise):
    """The frozen fields of a Game, and its methods."""

    n_observations: int
    n_actions: int
    horizon: float
    discount: float
    initial: FloatArray
    reward: Table | None
    transition: Table | None
    passive_reward: Table | None
    passive_transition: Table | None
    passive_rates: Table | None
    successors: SuccessorArray | None
    passive_successors: SuccessorArray | None
    noise: FloatArray | Law | None
    legal: LegalArray | None  # as the model has it
    assumed: bool
    time: Time
    step: float | None
    name: str
    observation_labels: tuple[str, ...]
    action_labels: tuple[str, ...]
    observation_shape: tuple[int, ...]
    _model: Model | None  # of a game in steps
    _recipe: partial[Any] | None  # makes an equal game; used by pickle and `replace`
    _pickles: bool
    _cut: Cut | None  # of a game in sweeps
    _trial: Self  # of a game in sweeps: the game in steps of some length, for its sizes, names and model class
    _known: dict[float, Self]  # cache of games in steps, by step length
    _last: tuple[object, int | None, Self] | None  # arguments and result of the last call of `at`
    _whole: Self | None  # of a game in steps made by `at`: its game in sweeps
    _short: Model | None  # of a game in sweeps, for Poisson clocks: in very short steps, once it was asked for
    _span: float  # length in sweeps of a step of the schedule, which may be several steps of the game

    @classmethod
    def _trusted(
        cls, model: Model, horizon: int, discount: float, initial: object, *, recipe: partial[Any] | None = None,
        **settings: Any,
    ) -> Self:  # fmt: skip
        """from_model for the built-in games, without a probe; a game with a `recipe` can be pickled."""
        game = object.__new__(cls)
        game._settle(model, horizon, discount, initial, probe=False, **settings)
        game._made_by(recipe, pickles=recipe is not None)
        return game

    @classmethod
    def _swept(
        cls, cut: Cut, horizon: object, discount: object, step: object, recipe: partial[Any], trial: Any = 1.0,
        *, pickles: bool = True,
    ) -> Self:  # fmt: skip
        """A built-in game in sweeps: `cut` makes it in steps, here once with a step of `trial` sweeps."""
        game = object.__new__(cls)
        game._sweep(cut, horizon, discount, step, trial, probe=False)
        game._made_by(recipe, pickles=pickles)
        return game

    def _settle(
        self,
        model: Model,
        horizon: object,
        discount: object,
        initial: object,
        *,
        probe: bool,
        name: object = "",
        observation_labels: object = None,
        action_labels: object = None,
        observation_shape: object = None,
        assumed: object = False,
        step: float = 1.0,
        **tables: Any,
    ) -> None:
        """Check the arguments common to all games, fill the frozen fields; `probe` runs user code at (initial, 0)."""
        n_obs, n_act = model.n_observations, model.n_actions
        values: dict[str, Any] = {
            "n_observations": n_obs,
            "n_actions": n_act,
            "horizon": check.as_positive_int(horizon, "horizon", high=INT32_MAX),
            "discount": check.as_float(discount, "discount", low=0.0, high=1.0),
            "initial": check.frozen(check.as_probabilities(initial, "initial", shape=(n_obs,), letters="S")),
            "assumed": check.as_bool(assumed, "assumed"),
            "legal": model.legal,
            "time": "steps",
            "step": step,
            "name": check.as_string(name, "name"),
            "observation_labels": sources.labels(observation_labels, "observation_labels", n_obs),
            "action_labels": sources.labels(action_labels, "action_labels", n_act),
            "observation_shape": sources.shape_of(observation_shape, n_obs),
            "_model": model,
        }
        if probe:
            sources.probe(model, values["initial"])
        self._fill({**_NOTHING, **tables, **values})

    def _sweep(
        self, cut: Cut, horizon: object, discount: object, step: object, trial: Any, *, probe: bool, **tables: Any
    ) -> None:
        """As `_settle`, for a game in sweeps: its fields are those of the game in steps that `cut` makes.

        The length of the step is that of the game, else `trial`, which may also be the game in steps itself.
        """
        span = check.as_float(horizon, "horizon", low=0.0, low_open=True)
        gamma = check.as_float(discount, "discount", low=0.0, high=1.0)
        own = None if step is None else clock.step_length(step)
        if own is not None:
            first = cut(own, clock.whole_steps(span, own), gamma**own)
        else:
            first = trial if isinstance(trial, Core) else cut(trial, 1, gamma**trial)
        if probe:
            sources.probe(first.model, first.initial)
        same = ("n_observations", "n_actions", "initial", "successors", "passive_successors", "legal")
        values = {name: getattr(first, name) for name in same}
        values |= {"horizon": span, "discount": gamma, "time": "sweeps", "step": own, "_cut": cut, "_trial": first}
        self._fill({**_NOTHING, **tables, **values, **first._look(), "_known": {}})

    def _fill(self, values: dict[str, Any]) -> None:
        vars(self).update(values)

    def _made_by(self, recipe: partial[Any] | None, *, pickles: bool = False) -> None:
        self._fill({"_recipe": recipe, "_pickles": pickles})

    def _look(self) -> dict[str, Any]:
        """Fields that do not affect play."""
        names = ("name", "observation_labels", "action_labels", "observation_shape", "assumed")
        return {name: getattr(self, name) for name in names}

    @property
    def n_steps(self) -> int:
        """T, the number of steps. For a game in sweeps without its own `step` use `at(...).n_steps`."""
        return int(self.horizon) if self._cut is None else self.at().n_steps

    @property
    def dt(self) -> float:
        """Length of a step in sweeps; 1.0 if time is in steps. For a game in sweeps without its own `step` use `at`."""
        if self.step is None:
            clock.step_under(self, None, None)
        return self.step or 1.0

    @property
    def model(self) -> Model:
        """The compiled model used by the kernels. For a game in sweeps without its own `step` use `at(...).model`."""
        if self._first is not None:
            self._refuse_random()
        return self.at().model if self._model is None else self._model

    @property
    def unit(self) -> Time:
        """Unit of the time axis, "steps" or "sweeps"."""
        return self.time if self._whole is None else "sweeps"

    def at(self, schedule: Schedule | None = None, n_agents: int | None = None, *, step: float | None = None) -> Self:
        """The game in steps that a schedule plays: a game in sweeps becomes T = round(horizon / dt) steps of dt sweeps.

        Parameters
        ----------
        schedule : Schedule or None, optional
            dt is its active fraction, B / N, unless the game has its own `step`, which takes precedence.
        n_agents : int or None, optional
            N; Sequential and Batch need it.
        step : float or None, optional
            dt in (0, 1], instead of schedule and n_agents; an error beside them.

        Returns
        -------
        Game
            Its `horizon` is T, its `discount` and tables are per step. A game in steps is returned itself.

        Raises
        ------
        TypeError, ValueError
            dt is undefined: there is no schedule, its batch varies over time, or no agent acts. dt times a rate exceeds
            1. The horizon is less than half a step. `step` is given for a game in steps.

        Notes
        -----
        All functions that take a game do this by themselves. The last 8 games are cached, for calls of a few us.

        Examples
        --------
        >>> import tmfcore as tmf
        >>> still = tmf.Game(1, 1, 20.0, 0.95, [1.0], [[0.0]], [[[1.0]]], time="sweeps")
        >>> still.at(tmf.Batch(10), n_agents=100)
        Game(S=1, A=1, T=200, discount=0.994884, step=0.1)
        """
        if self._cut is None:
            if step is not None and step != self.step:
                raise ValueError(f"step is {say.show(step)}; must be omitted for {self!r}, which is in steps")
            return self
        if step is not None and (schedule is not None or n_agents is not None):
            raise ValueError(f"step is {say.show(step)} beside schedule or n_agents; give either step, or those")
        if self._first is not None:
            return self._random_at(self._first.at(schedule, n_agents, step=step))
        last = self._last
        plain = n_agents is None or type(n_agents) is int  # others are checked every time
        if step is None and last is not None and plain and last[1] == n_agents:
            if last[0] is schedule or (type(last[0]) is type(schedule) and last[0] == schedule):
                return last[2]
        dt = clock.step_under(self, schedule, n_agents) if step is None else clock.step_length(step)
        known = self._known.get(dt)
        if known is None:
            cause = "step" if step is not None else "schedule" if n_agents is None else "schedule and n_agents"
            made: Self = sources.at(self._cut, dt, clock.whole_steps(self.horizon, dt, cause), self.discount**dt)
            known = made
            known._fill({"_whole": self, "_span": dt})
            known._made_by(partial(steps_of, self, dt), pickles=self._pickles)
            known = self._known.setdefault(dt, known)  # another thread may have made it, or drop the same ones
            for oldest in list(self._known)[:-KNOWN]:
                self._known.pop(oldest, None)
        if step is None and plain:
            self._fill({"_last": (schedule, n_agents, known)})
        return known

    def _like(self, n_steps: int, step: float) -> Self:
        """The game in steps that a result of `n_steps` steps, each of `step` sweeps, belongs to."""
        if self._cut is None:
            return self
        found = self.at(step=step)
        return found if found.n_steps == n_steps else self.at(step=min(1.0, 2 * step))  # `joint` plays each step in two

    def replace(self, **changes: Any) -> Self:
        """The same game with some arguments changed, for games of every kind: `game.replace(horizon=40, noise=path)`.

        Parameters
        ----------
        **changes
            Arguments of the function that made the game: `Game`, `Game.compiled`, or a function of `games`. If the game
            was made from a game in sweeps by `at`, the change is made there, and the result has the same step length.

        Returns
        -------
        Game
            Checked like a new game.

        Raises
        ------
        TypeError
            An argument that this function does not have, or a game that was not made by such a function.
        ValueError
            A value that this function refuses.

        Examples
        --------
        Rain, which is common noise, makes the second road slow for all agents.

        >>> import numpy as np, tmfcore as tmf
        >>> def reward(mu, t, rain):
        ...     return np.repeat(-(mu + [0.0, rain])[:, None], 2, axis=1)
        >>> dry = tmf.Game(2, 2, 3, 1.0, [1, 0], reward, [[[1, 0], [0, 1]]] * 2, noise=np.zeros(3))
        >>> wet = dry.replace(noise=[0.0, 1.0, 0.0])
        >>> uniform = tmf.TabularPolicy.uniform(dry)
        >>> [tmf.evaluate(game, uniform, tmf.Synchronous()).mean_return for game in (dry, wet)]
        [-2.0, -2.5]
        """
        if self._random is not None:
            again: Self = self._random.replace(**changes)
            if again._first is None or "noise" in changes:
                return again
            path = self._states if self._states is not None else self._path
            return again.on(path)  # type: ignore[arg-type]  # one of the two
        if self._whole is not None:
            return self._whole.replace(**changes).at(step=self._span)
        if self._recipe is None:
            raise TypeError(f"{self!r} was not made by a function with arguments to replace; make a new game instead")
        known = [name for name in inspect.signature(self._recipe.func).parameters if name != "function"]
        for name in changes:
            if name not in known:
                raise TypeError(f"{name} is not an argument of {self!r}; must be one of {', '.join(known)}")
        with needs.apart():
            again = self._recipe(**changes)
        return again

    @fits_memory("game must have fewer observations or actions", asks=True)
    def tables(self, mu: FloatsLike, t: int = 0) -> Tables:
        """The four arrays at one population distribution and step.

        Parameters
        ----------
        mu : (S,) floats
            Population distribution.
        t : int, optional
            Step, 0 <= t < T.

        Returns
        -------
        Tables
            A named tuple: reward (S, A); transition (S, A, S), or (S, A, K) in a game with `successors`;
            passive_reward (S,); passive_transition (S, S), or (S, K0) in a game with `passive_successors`; all float64.
            Rewards and rows of illegal actions are NaN.

        Raises
        ------
        TypeError, ValueError
            mu is not a distribution, t is out of range, or a function of the game fails; a game in sweeps without its
            own `step` (use `game.at(schedule, n_agents).tables`).

        Notes
        -----
        Cost: O(S A S) time and memory for dense games. The arrays are new and read-only.
        """
        mu = check.as_probabilities(mu, "mu", shape=(self.n_observations,), letters="S")
        t = check.as_int(t, "t", low=0, high=self.n_steps - 1)
        model, n_obs = self.model, self.n_observations
        cells = n_obs if self.successors is None else model.n_successors
        passive_cells = n_obs if self.passive_successors is None else model.n_passive_successors
        needs.ask({"transition": (8, n_obs, self.n_actions, cells), "passive_transition": (8, n_obs, passive_cells)})
        reward, transition, passive_reward, passive_transition = model.tables(mu, t)
        if self.successors is None and model.successors is not None:
            transition = sources.dense(transition, model.successors)
        if self.passive_successors is None and model.passive_successors is not None:
            passive_transition = sources.dense(passive_transition, model.passive_successors)
        reward, transition = blank(reward, model), blank(transition, model)
        return Tables(reward, transition, passive_reward, passive_transition)

    def __repr__(self) -> str:
        name = f"{self.name!r}, " if self.name else ""
        span = f"T={self.horizon:g}{' sweeps' if self.time == 'sweeps' else ''}"
        sizes = f"S={self.n_observations}, A={self.n_actions}, {span}"
        step = f", step={self.step:g}" if self.step is not None and self.unit == "sweeps" else ""
        noise = ""
        if self._first is not None:
            noise = f", noise={self.noise!r}" if isinstance(self.noise, NoiseChain) else ", noise=function"
        return f"Game({name}{sizes}, discount={self.discount:g}{step}{noise})"

    def __deepcopy__(self, memo: object) -> Self:
        """The game itself, since it is frozen. Libraries deep-copy their settings, also those with compiled games."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        if not self._pickles:
            raise TypeError(
                f"{self!r} runs on compiled code and cannot be pickled; make a new one in the other process"
            )
        return self._recipe, ()


_NOTHING: dict[str, Any] = dict.fromkeys(
    ("reward", "transition", "passive_reward", "passive_transition", "passive_rates", "successors",
     "passive_successors", "noise", "legal", "_model", "_cut", "_whole", "_trial", "_known", "_last", "_span", "_first",
     "_sources", "_random", "_states", "_short")
)  # fmt: skip
