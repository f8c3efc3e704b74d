"""Policies as arrays. A callable f(mu, t) -> (S, A) is also accepted as a policy (`as_policy`).

    TabularPolicy(probabilities)    (S, A) or (L, S, A)
    SoftmaxPolicy(theta)            (S, A), (L, S, A), or (L, S, A, 1+S) with logits affine in mu

The L stages of a policy are spread evenly over the T steps of a game: stage floor(t L / T) is played at step t.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.functions import SMALLER_GAME, fits_memory, of_mu_and_t
from tmfcore._base.types import FloatsLike, PolicyKind
from tmfcore._base.validation import FloatArray
from tmfcore._model.game import Game
from tmfcore._model.legal import as_lawful_policy, never_taken, uniform
from tmfcore._model.played import Played, Sees
from tmfcore._model.policy import AffinePolicy, CallablePolicy, Policy, TablePolicy, softmax
from tmfcore._results.result import Result
from tmfcore._results.tables import Variable

__all__ = ["Played", "PolicyFunction", "PolicyLike", "SoftmaxPolicy", "TabularPolicy", "as_policy"]

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, repr=False, init=False)
class _ArrayPolicy(Result[PolicyKind], ABC):
    """Base of both classes: one read-only array, and the compiled policy used by the kernels."""

    kernel: Policy
    horizon: int | None

    @abstractmethod
    def __init__(self, array: FloatsLike, /, *, horizon: int | None = None) -> None: ...

    @property
    @abstractmethod
    def _array(self) -> FloatArray: ...

    @property
    def n_stages(self) -> int:
        """L, the number of stages of equal length that the horizon is divided into."""
        return int(self._array.shape[0])

    @property
    def n_observations(self) -> int:
        """S."""
        return int(self._array.shape[1])

    @property
    def n_actions(self) -> int:
        """A."""
        return int(self._array.shape[2])

    def probabilities(self, mu: FloatsLike, t: int = 0, horizon: int | None = None) -> FloatArray:
        """Action probabilities at one step.

        Parameters
        ----------
        mu : (S,) floats
            Population distribution.
        t : int, optional
            Step, 0 <= t < horizon.
        horizon : int or None, optional
            T, the number of steps over which the stages are spread. None: the policy's own horizon, which policies
            from solvers have; a policy of one stage then takes any t.

        Returns
        -------
        (S, A) float64
            pi_t(a | o, mu).

        Raises
        ------
        TypeError, ValueError
            mu is not a distribution over S observations; t is out of range; or t > 0 and the policy has several stages
            but there is no horizon to spread them over.
        """
        mu = check.as_probabilities(mu, "mu", shape=(self.n_observations,), letters="S")
        if horizon is None and self.n_stages == 1:
            check.as_int(t, "t", low=0)
            return self.kernel.probabilities(mu, 0, 1)
        horizon = self.horizon if horizon is None else horizon
        if horizon is None:
            t = check.as_int(t, "t", low=0)
            if t > 0:
                raise ValueError(
                    f"t is {t} and horizon None for a policy of {self.n_stages} stages; must come with horizon=T, the "
                    "number of steps over which its stages are spread"
                )
            return self.kernel.probabilities(mu, 0, self.n_stages)
        horizon = check.as_positive_int(horizon, "horizon")
        if horizon < self.n_stages:
            raise ValueError(f"horizon is {horizon}; must be >= {self.n_stages}, the number of stages")
        return self.kernel.probabilities(mu, check.as_int(t, "t", low=0, high=horizon - 1), horizon)

    def to_json(self) -> str:
        """The policy as a JSON text; `from_json` restores it exactly."""
        own = {} if self.horizon is None else {"horizon": self.horizon}
        return json.dumps({"kind": type(self).__name__, "array": self._array.tolist(), **own})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The policy that `to_json` wrote.

        Raises
        ------
        TypeError, ValueError
            Not such a text, a text of another class of policy, or an array that is not a policy.
        """
        try:
            data = json.loads(check.as_string(text, "text"))
            kind, array, horizon = data["kind"], data["array"], data.get("horizon")
        except (ValueError, KeyError, TypeError) as error:
            if not isinstance(text, str):
                raise
            raise ValueError(
                f"text is not a policy in JSON ({error!r}); must come from {cls.__name__}.to_json"
            ) from None
        if kind != cls.__name__:
            raise ValueError(f"text holds a {kind}; must hold a {cls.__name__}")
        return cls(array, horizon=horizon)

    def plot(
        self, kind: PolicyKind | None = None, *, game: Game | None = None, mu: FloatsLike | None = None,
        label: str | None = None, color: str | None = None, title: str | None = None, ax: Axes | None = None,
    ) -> Axes:  # fmt: skip
        """Draw the probability of each action at each observation.

        Parameters
        ----------
        kind : {"auto", "table", "time", "grid"}, optional
            "table": rows are observations, columns are actions; the average of the stages if there are several.
            "time": one panel per action, stages on the x axis, observations on the y axis. "grid": observations at the
            points of their grid, one row of pictures per action, at up to four stages. "auto": grid if the game's
            observations form a grid with two axes, else time if there are several stages, else table.
        game : Game or None, optional
            The game whose labels, grid and times are drawn. None: numbers.
        mu : (S,) floats or None, optional
            The population at which a policy affine in mu is drawn. None: the game's initial one, else the uniform one.
        label, color, title, ax : optional
            As for every result; label and color must be omitted, since the picture is a colour map.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            matplotlib (extra `app`) is not installed.
        TypeError, ValueError
            An unknown kind, or one that does not fit the observations; a game of another size.
        """
        if game is not None:
            check.as_instance(game, "game", Game)
            have, want = (self.n_observations, self.n_actions), (game.n_observations, game.n_actions)
            if have != want:
                raise ValueError(f"game has (S, A) = {want}; must be the policy's, {have}")
        return self._drawn(kind, appearance=game, mu=mu, label=label, color=color, title=title, ax=ax)

    def _picture(self, kind: Any, *, appearance: Any = None, mu: object = None, **style: Any) -> Axes:
        """Draw with the labels, grid and times of `appearance`, a game or a result."""
        from tmfcore import plotting

        if mu is None and appearance is not None:
            mu = appearance.initial if isinstance(appearance, Game) else appearance.mu[0]
        return plotting.policy(
            self._stages(mu), getattr(appearance, "observation_labels", ()), getattr(appearance, "action_labels", ()),
            getattr(appearance, "observation_shape", ()), kind=kind,
            **_span(appearance), **style,
        )  # fmt: skip

    def _title(self) -> str:
        return repr(self)

    def _stages(self, mu: object = None) -> FloatArray:
        """Probabilities of every stage, (L, S, A), at population mu; None: the uniform one."""
        n = self.n_observations
        at = np.full(n, 1 / n) if mu is None else check.as_probabilities(mu, "mu", shape=(n,), letters="S")
        return np.stack([self.kernel.probabilities(at, stage, self.n_stages) for stage in range(self.n_stages)])

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "L", self.n_stages
        yield "S", self.n_observations
        yield "A", self.n_actions

    def _variables(self) -> dict[str, Variable]:
        return {"probability": (("stage", "observation", "action"), self._stages())}

    def _state(self) -> dict[str, Any]:
        return {self._names()[-1]: self._array, "horizon": self.horizon}

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> Self:
        array, horizon = state.values()
        return cls(array, horizon=horizon)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _ArrayPolicy):
            return NotImplemented
        return type(self) is type(other) and np.array_equal(self._array, other._array)

    def __hash__(self) -> int:
        return hash((type(self), self._array.shape, self._array.tobytes()))

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), horizon=self.horizon), (self._array,)

    def _settle(self, name: str, array: FloatArray, kernel: Policy, horizon: object) -> None:
        """Fill the frozen fields."""
        if horizon is not None:
            horizon = check.as_int(horizon, "horizon", low=len(array))
        vars(self).update({name: array, "kernel": kernel, "horizon": horizon})


@dataclass(frozen=True, eq=False, repr=False, init=False)
class TabularPolicy(_ArrayPolicy):
    """Action probabilities by stage and observation, independent of the population.

    Parameters
    ----------
    probabilities : (S, A) or (L, S, A) floats
        pi(a | o): entries >= 0, every row summing to 1 within 1e-8 (float32: 1e-5, then scaled). (S, A) is L = 1.
    horizon : int or None, optional
        T >= L, the default horizon of the method `probabilities`. In a game the stages are spread over its own T steps.

    Attributes
    ----------
    table : (L, S, A) float64, read-only
    kernel : tmfcore._model.policy.TablePolicy
        The compiled policy used by the kernels.

    Raises
    ------
    TypeError, ValueError
        Another shape, or a row that is not a distribution.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> policy = tmf.TabularPolicy([[0.9, 0.1], [0.5, 0.5]])
    >>> policy.probabilities(mu=[0.5, 0.5])
    array([[0.9, 0.1],
           [0.5, 0.5]])
    """

    table: FloatArray

    def __init__(self, probabilities: FloatsLike, *, horizon: int | None = None) -> None:
        self._read(probabilities, "probabilities", horizon)

    def _read(self, array: object, name: str, horizon: int | None = None) -> Self:
        shapes, letters = [(None, None), (None, None, None)], ["S, A", "L, S, A"]
        table = check.as_probabilities(array, name, shape=shapes, letters=letters, copy=False)  # TablePolicy makes one
        kernel = TablePolicy(table.reshape(-1, *table.shape[-2:]))
        self._settle("table", kernel.table, kernel, horizon)
        return self

    @classmethod
    def _named(cls, array: object, name: str) -> Self:
        """The policy of an argument `name` of a user."""
        return object.__new__(cls)._read(array, name)

    @classmethod
    def _trusted(cls, table: FloatArray, horizon: int, own: bool = False) -> Self:
        """A policy of (L, S, A) probabilities that a kernel computed: only its rows are checked, by TablePolicy.

        `own`: of the array itself, which becomes read-only, not of a copy.
        """
        policy = object.__new__(cls)
        kernel = TablePolicy(table, own)
        vars(policy).update({"table": kernel.table, "kernel": kernel, "horizon": horizon})
        return policy

    @property
    def _array(self) -> FloatArray:
        return self.table

    @classmethod
    @fits_memory(f"stages must be fewer, or {SMALLER_GAME}", asks=True)
    def uniform(cls, game: Game, stages: int = 1) -> Self:
        """Every legal action equally likely, in `stages` equal stages."""
        shape = _shape(game, stages)
        needs.ask({"table": (24, *shape)})  # and two copies
        return cls(np.broadcast_to(uniform(game), shape), horizon=_steps(game))


@dataclass(frozen=True, eq=False, repr=False, init=False)
class SoftmaxPolicy(_ArrayPolicy):
    """Softmax of logits by stage and observation; if theta has four axes the logits are affine in the population.

    pi(a | o, mu) is proportional to exp(theta[l, o, a]),
    or to exp(theta[l, o, a, 0] + sum_x theta[l, o, a, 1+x] mu(x)).

    Parameters
    ----------
    theta : (S, A), (L, S, A) or (L, S, A, 1+S) floats
        Finite, or -inf for actions that are never taken, such as illegal ones: not for all actions of a row, and of
        logits affine in mu only in theta[..., 0]. (S, A) is L = 1.
    horizon : int or None, optional
        T >= L, the default horizon of the method `probabilities`. In a game the stages are spread over its own T steps.

    Attributes
    ----------
    theta : (L, S, A) or (L, S, A, 1+S) float64, read-only
    kernel : tmfcore._model.policy.TablePolicy or AffinePolicy
        The compiled policy used by the kernels.

    Raises
    ------
    TypeError, ValueError
        Another shape, or an entry that is neither finite nor such a -inf.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> tmf.SoftmaxPolicy([[0.0, 0.0]]).probabilities(mu=[1.0])
    array([[0.5, 0.5]])
    """

    theta: FloatArray

    def __init__(self, theta: FloatsLike, *, horizon: int | None = None) -> None:
        never = never_taken(theta)
        array = check.as_float_array(
            theta if never is None else np.where(never, 0.0, check.as_real_array(theta, "theta")),
            "theta",
            shape=[(None,) * n for n in (2, 3, 4)],
            letters=["S, A", "L, S, A", "L, S, A, 1+S"],
        )
        if never is not None:
            array[never] = -np.inf
        if array.ndim == 4 and array.shape[3] != 1 + array.shape[1]:
            raise ValueError(
                f"theta has shape {array.shape}; must be (L, S, A, 1+S), with last axis {1 + array.shape[1]}"
            )
        array = check.frozen(array[np.newaxis] if array.ndim == 2 else array)
        kernel = TablePolicy(softmax(array)) if array.ndim == 3 else AffinePolicy(array)
        self._settle("theta", array, kernel, horizon)

    @property
    def _array(self) -> FloatArray:
        return self.theta

    @property
    def affine(self) -> bool:
        """Whether the logits depend on the population."""
        return self.theta.ndim == 4

    @classmethod
    @fits_memory(f"stages must be fewer, or {SMALLER_GAME}", asks=True)
    def uniform(cls, game: Game, stages: int = 1, *, affine: bool = False) -> Self:
        """Zero theta, -inf at illegal actions, in `stages` equal stages; logits affine in mu if `affine`."""
        shape = *_shape(game, stages), 1 + game.n_observations if check.as_bool(affine, "affine") else 1
        needs.ask({"theta": (24, *shape)})  # a copy, and its softmax
        theta = np.zeros(shape)
        if game.legal is not None:
            theta[:, ~game.legal, 0] = -np.inf
        return cls(theta if affine else theta[..., 0], horizon=_steps(game))


_Probabilities: TypeAlias = Callable[[FloatArray, int], FloatsLike] | Callable[[FloatArray, int, Any], FloatsLike]
PolicyFunction: TypeAlias = Callable[[FloatArray], FloatsLike] | _Probabilities
PolicyLike: TypeAlias = SoftmaxPolicy | TabularPolicy | Played | Sees | Policy | FloatsLike | PolicyFunction


def _span(appearance: Any) -> dict[str, Any]:
    """The length of a game or a result, and its unit of time."""
    if appearance is None:
        return {}
    if isinstance(appearance, Game):
        whole = appearance.time == "sweeps"
        return {"length": appearance.horizon * (1.0 if whole else appearance.dt), "unit": appearance.unit}
    return {"length": appearance.horizon * appearance.step, "unit": appearance.time}


def as_policy(policy: object, game: Game, name: str = "policy") -> Policy:
    """The compiled policy of any value accepted as a policy, checked against the game.

    Parameters
    ----------
    policy
        TabularPolicy, SoftmaxPolicy, an array (S, A) or (L, S, A) of probabilities, a Solution (its policy), a compiled
        tmfcore._model.policy.Policy, or a callable f(mu, t) or f(mu) returning (S, A) probabilities. It is called once
        per step with mu (S,) read-only, and checked at every call; t is the step, or for a game in sweeps the sweeps
        that have passed. In a game on a path of noise also a NoisePolicy, or a callable f(mu, t, z).
    game
        Its S, A and number of steps must fit.
    name
        The name of the argument in errors.

    Raises
    ------
    TypeError, ValueError
        Another type; an S or A that is not the game's, more stages than steps, or an illegal action that has weight: a
        table is checked here, a function at every call.
    """
    check.as_instance(game, "game", Game)
    if type(policy) not in (TabularPolicy, SoftmaxPolicy):  # instances of abstract classes take longer to tell
        if isinstance(policy, Played):
            policy = policy.policy
        if isinstance(policy, Sees):
            policy = policy._in(game, name)
    if isinstance(policy, (TabularPolicy, SoftmaxPolicy)):
        kernel: Policy = policy.kernel
    elif isinstance(policy, Policy):
        kernel = policy
    elif check.is_array(policy) and not callable(policy):
        kernel = TabularPolicy._named(policy, name).kernel
    elif callable(policy):
        step, path = (game.dt if game.unit == "sweeps" else None), game._path
        function = of_mu_and_t(policy, name, path, "", step, 0 if path is None else game.n_steps, check.as_rows)
        return CallablePolicy(function, game.n_observations, game.n_actions, game.legal, name)
    else:
        raise TypeError(
            f"{name} is {say.show(policy)}; must be a TabularPolicy, a SoftmaxPolicy, a Solution, an array (S, A) or "
            "(L, S, A) of probabilities or a callable f(mu, t) returning (S, A) probabilities"
        )
    if kernel.n_observations != game.n_observations or kernel.n_actions != game.n_actions:
        have, want = (kernel.n_observations, kernel.n_actions), (game.n_observations, game.n_actions)
        raise ValueError(f"{name} has (S, A) = {have}; must be the game's, {want}")
    if kernel.n_stages > game.n_steps:
        raise ValueError(
            f"{name} has {kernel.n_stages} stages; must have at most one per step, horizon = {game.n_steps}"
        )
    return kernel if game.legal is None else as_lawful_policy(kernel, game.legal, name)


def _shape(game: Game, stages: int) -> tuple[int, int, int]:
    check.as_instance(game, "game", Game)
    return check.as_positive_int(stages, "stages", high=_steps(game)), game.n_observations, game.n_actions


def _steps(game: Game) -> int | None:
    """T; None for a game in sweeps if its number of steps depends on the schedule."""
    return None if game.step is None else game.n_steps
