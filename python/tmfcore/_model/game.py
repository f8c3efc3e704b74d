"""Games: what is played. Rewards and transitions of acting and of passive agents.

    Game(...)               from arrays and Python callables
    Game.compiled(...)      from a compiled row function (numba, cffi, ctypes, Cython)
    Game.from_model(...)    on any tmfcore._model.model.Model

Notation: S observations, A actions, K successors of an acting agent, K0 of a passive one, T steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.functions import of_mu_and_t
from tmfcore._base.validation import FloatArray, SuccessorArray
from tmfcore._model import native
from tmfcore._model import promises as _promises
from tmfcore._model.model import CompiledModel, Model, TableModel

__all__ = ["Game", "Table"]

Table: TypeAlias = (
    FloatArray | Callable[..., Any]
)  # as a Game keeps it: a read-only array, or the function as given

INT32_MAX = 2**31 - 1  # observations, actions and steps are C ints in the kernels


class Tables(NamedTuple):
    """The four arrays of a game at one population distribution and step: `Game.tables`.

    Parameters
    ----------
    reward : (S, A) float64
    transition : (S, A, S) or (S, A, K) float64
    passive_reward : (S,) float64
    passive_transition : (S, S) or (S, K0) float64
    """

    reward: FloatArray
    transition: FloatArray
    passive_reward: FloatArray
    passive_transition: FloatArray


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Game:
    """A temporal mean-field game (theory.md section 1). Frozen: arrays are copied and read-only.

    Parameters
    ----------
    n_observations, n_actions : int
        S and A.
    horizon : int
        T, steps.
    discount : float
        gamma in [0, 1], per step.
    initial : (S,) floats
        mu_0, the population distribution at the start.
    reward : (S, A) floats or callable
        r_t(o, a, mu) of an acting agent.
    transition : (S, A, S) floats or callable
        P_t(x | o, a, mu): every row of the last axis a distribution over next observations. (S, A, K) with
        `successors`.
    passive_reward : (S,) floats, callable or one number, optional
        r0_t(o, mu) of an agent that does not act. Default 0.
    passive_transition : (S, S) floats, callable or None, optional
        P0_t(x | o, mu). None (default): passive agents stay where they are. (S, K0) with
        `passive_successors`.
    successors : (S, A, K) integers, optional
        The observations an acting agent can reach: entry k of a row of `transition` is the probability of
        successors[o, a, k]. A row may name one twice (as padding, say): the probabilities add up.
    passive_successors : (S, K0) integers, optional
        The same for passive agents.
    noise : (T, ...) floats, optional
        A path of common noise, the same for all agents: callables may then be f(mu, t, z), with z = noise[t]. `given`
        makes the same game on another path.
    assumed : bool, optional
        The arrays among the tables were found constant by trying, not known to be: the game is played with them as they
        are, but analysis proves nothing from them.
    name : str, optional
    observation_labels, action_labels : sequences of S and of A different strings, optional
        For tables and plots; default "0", "1", ... Of labels "place, detail" they add up observations of a place.
    observation_shape : tuple of int, optional
        Observations as points of a grid, numbered row by row, for plots: (rows, columns), say, with product S.
        Default (S,).

    Attributes
    ----------
    model : tmfcore._model.model.Model
        What the compiled kernels run on.
    step : float
        dt, the share of a sweep one step lasts (theory.md section 8); 1.0 unless the game has another.
    reward, transition, passive_reward, passive_transition
        As given: read-only arrays, or the callables; None where not given, or inside a compiled model.

    Raises
    ------
    TypeError
        A value of the wrong kind, or a callable that takes neither (mu) nor (mu, t).
    ValueError
        A wrong shape, a row that is no distribution, NaN or infinity, an index out of range.

    Notes
    -----
    Each callable is a function of (mu) or (mu, t): two required arguments, or a second one called t, mean the
    latter; three mean (mu, t, z), in a game with `noise`. It gets mu as a fresh read-only (S,) float64 array and
    t as an int, once a step, and returns an array as above. The result is checked at every use, and once here at
    (initial, 0), so that a slip shows up early. What it raises comes out as it is, with a note that names the callable
    and the step.

    Examples
    --------
    Two roads; the more agents share one, the longer it takes.

    >>> import numpy as np, tmfcore as tmf
    >>> roads = tmf.Game(2, 2, horizon=10, discount=0.9, initial=[1, 0],
    ...                  reward=lambda mu: np.repeat(-mu[:, None], 2, axis=1),
    ...                  transition=[[[1, 0], [0, 1]], [[1, 0], [0, 1]]], name="roads")
    >>> roads
    Game('roads', S=2, A=2, T=10, discount=0.9)
    >>> roads.tables(mu=[0.75, 0.25])[0]
    array([[-0.75, -0.75],
           [-0.25, -0.25]])
    """

    n_observations: int
    n_actions: int
    horizon: int
    discount: float
    initial: FloatArray
    reward: Table | None
    transition: Table | None
    passive_reward: Table | None
    passive_transition: Table | None
    successors: SuccessorArray | None
    passive_successors: SuccessorArray | None
    noise: FloatArray | None
    assumed: bool
    name: str
    observation_labels: tuple[str, ...]
    action_labels: tuple[str, ...]
    observation_shape: tuple[int, ...]
    step: float
    model: Model
    _recipe: Callable[[], Game] | None  # makes an equal game; how pickle copies it

    def __init__(
        self,
        n_observations: int,
        n_actions: int,
        horizon: int,
        discount: float,
        initial: object,
        reward: object,
        transition: object,
        *,
        passive_reward: object = 0.0,
        passive_transition: object = None,
        successors: object = None,
        passive_successors: object = None,
        noise: object = None,
        assumed: bool = False,
        name: str = "",
        observation_labels: Sequence[str] | None = None,
        action_labels: Sequence[str] | None = None,
        observation_shape: Sequence[int] | None = None,
    ) -> None:
        n_obs, n_act = _sizes(n_observations, n_actions)
        if passive_transition is None and passive_successors is not None:
            raise ValueError("passive_successors is given without passive_transition; must come with it")
        active, passive = _successors(successors, passive_successors, n_obs, n_act)
        rewards = _table(reward, "reward", (n_obs, n_act), "S, A")
        if active is None:
            moves = _rows(transition, "transition", (n_obs, n_act, n_obs), "S, A, S")
        else:
            moves = _rows(transition, "transition", active.shape, "S, A, K")
        if not callable(passive_reward) and not check.is_array(passive_reward):
            passive_reward = np.full(n_obs, check.as_float(passive_reward, "passive_reward"))
        passive_rewards = _table(passive_reward, "passive_reward", (n_obs,), "S")
        if passive_transition is None:
            passive_moves = None
        elif passive is None:
            passive_moves = _rows(passive_transition, "passive_transition", (n_obs, n_obs), "S, S")
        else:
            passive_moves = _rows(passive_transition, "passive_transition", passive.shape, "S, K0")

        path = None if noise is None else _path(noise, horizon)
        model = TableModel(
            n_obs,
            n_act,
            _source(rewards, "reward", path),
            _source(moves, "transition", path),
            _source(passive_rewards, "passive_reward", path),
            np.ones((n_obs, 1)) if passive_moves is None else _source(passive_moves, "passive_transition", path),
            active,
            np.arange(n_obs, dtype=np.int32)[:, np.newaxis] if passive_moves is None else passive,
        )
        self._settle(
            model,
            horizon,
            discount,
            initial,
            reward=rewards,
            transition=moves,
            passive_reward=passive_rewards,
            passive_transition=passive_moves,
            successors=active,
            passive_successors=passive,
            noise=path,
            assumed=assumed,
            name=name,
            observation_labels=observation_labels,
            action_labels=action_labels,
            observation_shape=observation_shape,
            probe=any(callable(table) for table in (rewards, moves, passive_rewards, passive_moves)),
        )
        again = partial(
            Game,
            n_obs,
            n_act,
            self.horizon,
            self.discount,
            self.initial,
            rewards,
            moves,
            passive_reward=passive_rewards,
            passive_transition=passive_moves,
            successors=active,
            passive_successors=passive,
            noise=path,
            assumed=self.assumed,
            name=self.name,
            observation_labels=self.observation_labels,
            action_labels=self.action_labels,
            observation_shape=self.observation_shape,
        )
        object.__setattr__(self, "_recipe", again)

    @classmethod
    def compiled(
        cls,
        function: Any,
        n_observations: int,
        n_actions: int,
        horizon: int,
        discount: float,
        initial: object,
        *,
        successors: object = None,
        passive_successors: object = None,
        user_data: int | None = None,
        owner: object = None,
        constant_transition: bool = False,
        local_passive_reward: bool = False,
        separable_reward: bool = False,
        name: str = "",
        observation_labels: Sequence[str] | None = None,
        action_labels: Sequence[str] | None = None,
        observation_shape: Sequence[int] | None = None,
        step: float = 1.0,
    ) -> Game:
        """A game whose rows come from a compiled function, called without the GIL.

        The function is `int row(int t, int observation, int action, const double *mu, double *probabilities,
        double *reward, void *user)`: it fills one row (K probabilities, K0 for action = -1, a passive agent)
        and its reward, and returns 0, or anything else for an error.

        Parameters
        ----------
        function : scipy.LowLevelCallable, numba cfunc, ctypes or cffi function, PyCapsule or int
            The function, a capsule named by its C signature, or its address.
        n_observations, n_actions, horizon, discount, initial, name, observation_labels, action_labels,
        observation_shape
            As in Game.
        successors, passive_successors : (S, A, K) and (S, K0) integers, optional
            The observations the K and K0 cells stand for; None: cell x is observation x.
        user_data : int, optional
            Address handed to the function as `user`.
        owner : object, optional
            Kept alive with the game: whatever owns the code behind an address, and the user data.
        constant_transition, local_passive_reward, separable_reward : bool, optional
            Promises that let kernels call the function less often: rows depend on neither mu nor t; the passive reward
            of o depends on o and mu(o) alone; reward and passive reward differ by a number of (o, a) alone (needs the
            promise before it). Tried here at three distributions and two steps; `testing.check_game` tries more, and
            rows promised constant are held to it whenever the function is asked for one. Analysis proves from promises.
        step : float, optional
            dt in (0, 1], for the record: `discount` and `horizon` are per step already.

        Raises
        ------
        TypeError, ValueError
            As Game; a function of another signature; a row at (initial, 0) that is no distribution; a broken promise.

        Notes
        -----
        With no promise a step of one agent costs S + 1 calls of the function, with local_passive_reward 3, and tables
        S (A + 1) calls, with constant_transition and separable_reward S.
        """
        n_obs, n_act = _sizes(n_observations, n_actions)
        active, passive = _successors(successors, passive_successors, n_obs, n_act)
        if user_data is not None:
            user_data = check.as_int(user_data, "user_data", low=0)
        function, user_data, owner = native.row_function(function, user_data, owner)
        given = (constant_transition, local_passive_reward, separable_reward)
        promises = {name: check.as_bool(value, name) for name, value in zip(_promises.NAMES, given)}
        model = CompiledModel(n_obs, n_act, function, active, passive, user_data, owner, **promises)
        game = object.__new__(cls)
        game._settle(
            model,
            horizon,
            discount,
            initial,
            successors=active,
            passive_successors=passive,
            name=name,
            observation_labels=observation_labels,
            action_labels=action_labels,
            observation_shape=observation_shape,
            step=step,
            probe=True,
        )
        kept = [name for name, promised in promises.items() if promised]
        if kept:
            steps = sorted({0, game.horizon - 1})
            broken = _promises.broken(model.tables, kept, _promises.points(game.initial), steps)
            if broken:
                raise ValueError(broken)
        return game

    @classmethod
    def from_model(
        cls,
        model: Model,
        horizon: int,
        discount: float,
        initial: object,
        *,
        name: str = "",
        observation_labels: Sequence[str] | None = None,
        action_labels: Sequence[str] | None = None,
        observation_shape: Sequence[int] | None = None,
        step: float = 1.0,
    ) -> Game:
        """A game on a compiled Model, such as a cdef subclass of tmfcore._model.model.Model.

        Parameters
        ----------
        model : tmfcore._model.model.Model
        horizon, discount, initial, name, observation_labels, action_labels,
        observation_shape
            As in Game.
        step : float, optional
            dt in (0, 1], for the record: `discount` and `horizon` are per step already.

        Raises
        ------
        TypeError, ValueError
            As Game; a row at (initial, 0) that is no distribution.

        Notes
        -----
        `tables` shows the game densely, also where the model is sparse inside: `game.model.tables` shows it
        as it is.
        """
        game = object.__new__(cls)
        game._settle(
            check.as_instance(model, "model", Model),
            horizon,
            discount,
            initial,
            name=name,
            observation_labels=observation_labels,
            action_labels=action_labels,
            observation_shape=observation_shape,
            step=step,
            probe=True,
        )
        return game

    @classmethod
    def _trusted(
        cls, model: Model, horizon: int, discount: float, initial: FloatArray, **settings: Any
    ) -> Game:
        """from_model for the built-in games: their models need no probe, and a `recipe` makes them pickle."""
        game = object.__new__(cls)
        game._settle(model, horizon, discount, initial, probe=False, **settings)
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
        step: object = 1.0,
        reward: Table | None = None,
        transition: Table | None = None,
        passive_reward: Table | None = None,
        passive_transition: Table | None = None,
        successors: SuccessorArray | None = None,
        passive_successors: SuccessorArray | None = None,
        noise: FloatArray | None = None,
        assumed: object = False,
        recipe: Callable[[], Game] | None = None,
    ) -> None:
        """Check what every game has, and fill the frozen fields; `probe` runs user code at (initial, 0)."""
        n_obs, n_act = model.n_observations, model.n_actions
        values: dict[str, Any] = {
            "n_observations": n_obs,
            "n_actions": n_act,
            "horizon": check.as_positive_int(horizon, "horizon", high=INT32_MAX),
            "discount": check.as_float(discount, "discount", low=0.0, high=1.0),
            "initial": check.frozen(check.as_probabilities(initial, "initial", shape=(n_obs,), letters="S")),
            "reward": reward,
            "transition": transition,
            "passive_reward": passive_reward,
            "passive_transition": passive_transition,
            "successors": successors,
            "passive_successors": passive_successors,
            "noise": noise,
            "assumed": check.as_bool(assumed, "assumed"),
            "name": check.as_string(name, "name"),
            "observation_labels": _labels(observation_labels, "observation_labels", n_obs),
            "action_labels": _labels(action_labels, "action_labels", n_act),
            "observation_shape": _shape(observation_shape, n_obs),
            "step": check.as_float(step, "step", low=0.0, high=1.0, low_open=True),
            "model": model,
            "_recipe": recipe,
        }
        if probe:
            model.tables(values["initial"], 0)
        for field, value in values.items():
            object.__setattr__(self, field, value)

    def given(self, noise: object) -> Game:
        """The same game on another path of common noise.

        Parameters
        ----------
        noise : (T, ...) floats
            As in Game.

        Returns
        -------
        Game
            All verbs take it: simulated agents, the mean field and values of one path come from the same Game.

        Raises
        ------
        TypeError, ValueError
            A game without noise; a path of another shape; callables that misbehave on it.

        Examples
        --------
        Rain makes the second road slow, for everybody.

        >>> import numpy as np, tmfcore as tmf
        >>> def reward(mu, t, rain):
        ...     return np.repeat(-(mu + [0.0, rain])[:, None], 2, axis=1)
        >>> dry = tmf.Game(2, 2, 3, 1.0, [1, 0], reward, [[[1, 0], [0, 1]]] * 2, noise=np.zeros(3))
        >>> wet = dry.given([0.0, 1.0, 0.0])
        >>> uniform = tmf.TabularPolicy.uniform(dry)
        >>> [tmf.evaluate(game, uniform, tmf.Synchronous()).mean_return for game in (dry, wet)]
        [-2.0, -2.5]
        """
        if self.noise is None:
            raise TypeError(f"{self!r} has no noise; give Game(..., noise=...) a first path")
        path = _path(noise, self.horizon)
        if path.shape != self.noise.shape:
            raise ValueError(f"noise has shape {path.shape}; must be {self.noise.shape}")
        recipe = self._recipe
        assert isinstance(recipe, partial), "a game with noise was made by Game(...)"
        again: Game = recipe(noise=path)
        return again

    def tables(self, mu: object, t: int = 0) -> Tables:
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

        Raises
        ------
        TypeError, ValueError
            mu is no distribution, t is out of range, or the game's own functions misbehave.

        Notes
        -----
        Cost: O(S A S) time and memory where dense. Fresh arrays, the caller's own.
        """
        mu = check.as_probabilities(mu, "mu", shape=(self.n_observations,), letters="S")
        t = check.as_int(t, "t", low=0, high=self.horizon - 1)
        reward, transition, passive_reward, passive_transition = self.model.tables(mu, t)
        if self.successors is None and self.model.successors is not None:
            transition = _dense(transition, self.model.successors)
        if self.passive_successors is None and self.model.passive_successors is not None:
            passive_transition = _dense(passive_transition, self.model.passive_successors)
        return Tables(reward, transition, passive_reward, passive_transition)

    def __repr__(self) -> str:
        name = f"{self.name!r}, " if self.name else ""
        sizes = f"S={self.n_observations}, A={self.n_actions}, T={self.horizon}"
        step = f", step={self.step:g}" if self.step != 1 else ""
        return f"Game({name}{sizes}, discount={self.discount:g}{step})"

    def __deepcopy__(self, memo: object) -> Game:
        """The game itself, which is frozen: libraries copy the settings they keep, games on compiled code too."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        if self._recipe is None:
            raise TypeError(
                f"{self!r} runs on compiled code and cannot be pickled; make it anew in the other process"
            )
        return self._recipe, ()


# ----------------------------------------------------------------------------------------------------- pieces


def _sizes(n_observations: object, n_actions: object) -> tuple[int, int]:
    return (
        check.as_positive_int(n_observations, "n_observations", high=INT32_MAX),
        check.as_positive_int(n_actions, "n_actions", high=INT32_MAX),
    )


def _successors(
    successors: object, passive_successors: object, n_obs: int, n_act: int
) -> tuple[SuccessorArray | None, SuccessorArray | None]:
    """Both successor arrays, checked and read-only, or None."""
    active = passive = None
    if successors is not None:
        active = check.frozen(
            check.as_successors(
                successors, "successors", shape=(n_obs, n_act, None), letters="S, A, K", n_observations=n_obs
            )
        )
    if passive_successors is not None:
        passive = check.frozen(
            check.as_successors(
                passive_successors,
                "passive_successors",
                shape=(n_obs, None),
                letters="S, K0",
                n_observations=n_obs,
            )
        )
    return active, passive


def _table(value: object, name: str, shape: tuple[int, ...], letters: str) -> Table:
    """Rewards as a Game keeps them: a read-only array, or the callable."""
    if callable(value):
        return value
    return check.frozen(check.as_float_array(value, name, shape=shape, letters=letters))


def _rows(value: object, name: str, shape: tuple[int, ...], letters: str) -> Table:
    """Transition rows as a Game keeps them: a read-only array, or the callable."""
    if callable(value):
        return value
    return check.frozen(check.as_probabilities(value, name, shape=shape, letters=letters))


def _source(table: Table, name: str, noise: FloatArray | None) -> Table:
    """A table as the compiled model takes it: callables as f(mu, t)."""
    hint = ", or give noise=, a path (T, ...), for functions of (mu, t, z)"
    return of_mu_and_t(table, name, noise, hint) if callable(table) else table


def _path(noise: object, horizon: object) -> FloatArray:
    """A path of common noise, checked and read-only."""
    n_steps = check.as_positive_int(horizon, "horizon", high=INT32_MAX)
    path = check.frozen(check.as_float_array(noise, "noise"))
    if path.ndim == 0 or len(path) != n_steps:
        raise ValueError(f"noise has shape {path.shape}; must be ({n_steps}, ...), one entry a step")
    return path


def _labels(value: object, name: str, n: int) -> tuple[str, ...]:
    return tuple(map(str, range(n))) if value is None else check.as_labels(value, name, n)


def _shape(value: object, n: int) -> tuple[int, ...]:
    if value is None:
        return (n,)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise TypeError(f"observation_shape is {type(value).__name__}; must be a tuple of ints")
    shape = tuple(
        check.as_positive_int(size, f"observation_shape[{i}]", high=INT32_MAX) for i, size in enumerate(value)
    )
    if prod(shape) != n:
        raise ValueError(f"observation_shape is {shape}, {prod(shape)} points; must be {n} = n_observations")
    return shape


def _dense(rows: FloatArray, successors: SuccessorArray) -> FloatArray:
    """Rows over K successors (..., K) as rows over observations (..., S); repeated successors add up."""
    n_obs, n_cells = successors.shape[0], successors.shape[-1]
    dense = np.zeros((*rows.shape[:-1], n_obs))
    flat = dense.reshape(-1, n_obs)
    np.add.at(
        flat,
        (np.arange(len(flat))[:, np.newaxis], successors.reshape(-1, n_cells)),
        rows.reshape(-1, n_cells),
    )
    return dense
