"""Games from compiled code: a row function of numba, cffi, ctypes or Cython, or any tmfcore._model.model.Model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self

from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory
from tmfcore._base.types import FloatsLike, Time
from tmfcore._model import clock, native, sources
from tmfcore._model import promises as _promises
from tmfcore._model.compiled_model import CompiledModel
from tmfcore._model.core import TINY, Core
from tmfcore._model.legal import as_legal
from tmfcore._model.model import Model
from tmfcore._model.wrapped import Restricted

__all__ = ["LARGE", "Compiled"]

LARGE = "n_observations or n_actions must be smaller, or successors given"  # advice about memory


class Compiled(Core):
    """The two constructors of games from compiled code."""

    @classmethod
    @fits_memory(LARGE)
    def compiled(
        cls,
        function: Any,
        n_observations: int,
        n_actions: int,
        horizon: float,
        discount: float,
        initial: FloatsLike,
        *,
        successors: FloatsLike | None = None,
        passive_successors: FloatsLike | None = None,
        legal: FloatsLike | None = None,
        user_data: int | None = None,
        owner: object = None,
        constant_transition: bool = False,
        local_passive_reward: bool = False,
        separable_reward: bool = False,
        time: Time = "steps",
        step: float | None = None,
        name: str = "",
        observation_labels: Sequence[str] | None = None,
        action_labels: Sequence[str] | None = None,
        observation_shape: Sequence[int] | None = None,
    ) -> Self:
        """A game whose rows come from a compiled function, called without the GIL.

        The function is `int row(int t, int observation, int action, const double *mu, double *probabilities,
        double *reward, void *user)`. It fills one row (K probabilities; K0 for a passive agent, which has action = -1)
        and the reward, and returns 0; any other value is an error.

        Parameters
        ----------
        function : scipy.LowLevelCallable, numba cfunc, ctypes or cffi function, PyCapsule or int
            The function, a capsule named by its C signature, or its address. With time="sweeps" the row of action -1
            holds K0 rates, all of which must be filled and sum to 0, its reward is a rate, and t is the number of
            completed sweeps.
        n_observations, n_actions, horizon, discount, initial, time, step, name, observation_labels, action_labels,
        observation_shape
            As in Game.
        successors, passive_successors : (S, A, K) and (S, K0) integers, optional
            The observations of the K and K0 entries of a row; None: entry x is observation x.
        legal : (S, A) booleans, optional
            As in Game: the function is never called for an illegal action.
        user_data : int, optional
            Address passed to the function as `user`.
        owner : object, optional
            Kept alive with the game: the owner of the code behind an address, and of the user data.
        constant_transition, local_passive_reward, separable_reward : bool, optional
            Promises that let kernels call the function less often. constant_transition: rows depend on neither mu nor
            t. local_passive_reward: the passive reward of o depends on o and mu(o) only. separable_reward (requires
            local_passive_reward): reward minus passive reward (with time="sweeps": the reward) depends on (o, a) only.
            Checked here at three distributions and two steps; `testing.check_game` checks more, and rows promised
            constant are checked at every call. Analysis uses promises in proofs.

        Raises
        ------
        TypeError, ValueError
            As Game; another signature; a row at (initial, 0) that is not a distribution; a broken promise.

        Notes
        -----
        Without promises a step of one agent costs S + 1 calls of the function, with local_passive_reward 3. The tables
        cost S (A + 1) calls, with constant_transition and separable_reward S. With time="sweeps" the row of an action
        also calls the function for the passive row.
        """
        in_sweeps = clock.is_sweeps(time, step)
        n_obs, n_act = sources.sizes(n_observations, n_actions)
        allowed = as_legal(legal, n_obs, n_act)
        active, passive = sources.successor_arrays(successors, passive_successors, n_obs, n_act, allowed)
        own = sources.own_cells(n_obs, passive) if in_sweeps else None
        if user_data is not None:
            user_data = check.as_int(user_data, "user_data", low=0)
        row, address, alive = native.row_function(function, user_data, owner)
        given = (constant_transition, local_passive_reward, separable_reward)
        promises: dict[str, Any] = {name: check.as_bool(value, name) for name, value in zip(_promises.NAMES, given)}
        look: dict[str, Any] = {
            "name": name, "observation_labels": observation_labels, "action_labels": action_labels,
            "observation_shape": observation_shape, "successors": active, "passive_successors": passive,
        }  # fmt: skip

        def model(**of_step: Any) -> CompiledModel:
            return CompiledModel(
                n_obs, n_act, row, active, passive, address, alive, legal=allowed, **of_step, **promises
            )

        game = object.__new__(cls)
        if own is None:
            game._settle(model(), horizon, discount, initial, probe=True, **look)
            trial = game
        else:

            def cut(dt: float, n_steps: int, gamma: float) -> Core:
                return cls._trusted(model(step=dt, own=own), n_steps, gamma, initial, step=dt, **look)

            game._sweep(cut, horizon, discount, step, TINY, probe=True)
            trial = game._trial
        kept = [name for name, promised in promises.items() if promised]
        if kept:
            steps = sorted({0, trial.n_steps - 1})
            broken = _promises.broken(trial.model.tables, kept, _promises.points(game.initial), steps)
            if broken:
                raise ValueError(broken)
        game._made_by(
            partial(
                cls.compiled, function, n_observations=n_obs, n_actions=n_act, horizon=game.horizon,
                discount=game.discount, initial=game.initial, legal=allowed, user_data=user_data, owner=owner,
                time=game.time, step=step, **promises, **look,
            )
        )  # fmt: skip
        return game

    @classmethod
    @fits_memory("model must have fewer observations, actions or successors")
    def from_model(
        cls,
        model: Model | Callable[[float], Model],
        horizon: float,
        discount: float,
        initial: FloatsLike,
        *,
        legal: FloatsLike | None = None,
        time: Time = "steps",
        step: float | None = None,
        name: str = "",
        observation_labels: Sequence[str] | None = None,
        action_labels: Sequence[str] | None = None,
        observation_shape: Sequence[int] | None = None,
    ) -> Self:
        """A game from a compiled Model, such as a cdef subclass of tmfcore._model.model.Model.

        Parameters
        ----------
        model : tmfcore._model.model.Model, or function of dt
            With time="sweeps" a function of dt that returns the Model of a step of dt sweeps: its rewards and its rows
            are those of one such step.
        horizon, discount, initial, time, step, name, observation_labels, action_labels, observation_shape
            As in Game.
        legal : (S, A) booleans, optional
            As in Game: the model is never asked for the row of an illegal action, and its tables are filled row by row.

        Raises
        ------
        TypeError, ValueError
            As Game; a row at (initial, 0) that is not a distribution.

        Notes
        -----
        `game.tables` returns dense tables even if the model is sparse; `game.model.tables` returns the sparse ones.
        """
        look: dict[str, Any] = {
            "name": name, "observation_labels": observation_labels, "action_labels": action_labels,
            "observation_shape": observation_shape,
        }  # fmt: skip

        def restricted(base: Model) -> Model:
            allowed = as_legal(legal, base.n_observations, base.n_actions)
            return base if allowed is None else Restricted(base, allowed)

        game = object.__new__(cls)
        if clock.is_sweeps(time, step):
            if isinstance(model, Model) or not callable(model):
                raise TypeError(
                    f"model is {type(model).__name__}; must be a function of dt that returns a Model, with "
                    "time='sweeps': the rows and rewards of a Model are those of one step"
                )
            make = model

            def cut(dt: float, n_steps: int, gamma: float) -> Core:
                made = restricted(check.as_instance(make(dt), "model(dt)", Model))
                return cls._trusted(made, n_steps, gamma, initial, step=dt, **look)

            game._sweep(cut, horizon, discount, step, 2.0**-10, probe=True)
        else:
            given = restricted(check.as_instance(model, "model", Model))
            game._settle(given, horizon, discount, initial, probe=True, **look)
        game._made_by(
            partial(
                cls.from_model, model, horizon=game.horizon, discount=game.discount, initial=game.initial,
                legal=legal, time=game.time, step=step, **look,
            )
        )  # fmt: skip
        return game
