"""Softmax policies whose logits are linear in features of observation and action."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.functions import SMALLER_GAME, fits_memory
from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray
from tmfcore._model.game import Game
from tmfcore._model.legal import LegalArray, as_legal
from tmfcore._model.policies import SoftmaxPolicy
from tmfcore._model.policy import TablePolicy, softmax

__all__ = ["LinearSoftmax", "linear_logits"]


def linear_logits(features: FloatArray, weights: FloatArray) -> FloatArray:
    """The logits (L, S, A) of features (S, A, d) and weights (L, d); of one-hot features exactly the weights."""
    return np.asarray(np.einsum("oaf,lf->loa", features, weights))


@dataclass(frozen=True, eq=False, repr=False, init=False)
class LinearSoftmax(SoftmaxPolicy):
    """Softmax of logits that are linear in features: pi(a | o) is proportional to exp(sum_f features[o, a, f] w[f]).

    A SoftmaxPolicy with d numbers per stage instead of S A; it is played, evaluated and saved like any other. With
    one-hot features, d = S A, it is the SoftmaxPolicy with theta = weights.

    Parameters
    ----------
    features : (S, A, d) floats
        The features of every pair of observation and action.
    weights : (d,) or (L, d) floats or None, optional
        w, one row per stage; (d,) is L = 1. None: 0, the uniform policy.
    legal : (S, A) booleans or None, optional
        Actions that may be taken; the others never are. None: all.
    horizon : int or None, optional
        T >= L, the default horizon of the method `probabilities`. In a game the stages are spread over its own T steps.

    Attributes
    ----------
    features : (S, A, d) float64, read-only
    weights : (L, d) float64, read-only
    legal : (S, A) bool, read-only, or None
        None if every action is legal.
    theta : (L, S, A) float64, read-only
        The logits; -inf at illegal actions.
    kernel : tmfcore._model.policy.TablePolicy
        The compiled policy used by the kernels.

    Raises
    ------
    TypeError, ValueError
        Another shape; an entry that is not finite, or logits that are not; an observation without a legal action.

    Examples
    --------
    The pull towards place 1 of three, by the distance that remains after a step to the left, none, or one to the right:

    >>> import numpy as np, tmfcore as tmf
    >>> distance = np.abs(np.clip(np.arange(3)[:, None] + [-1, 0, 1], 0, 2) - 1)
    >>> policy = tmf.LinearSoftmax(distance[..., None], [-2.0])
    >>> policy.probabilities(mu=[0.2, 0.3, 0.5]).round(2)
    array([[0.11, 0.11, 0.79],
           [0.11, 0.79, 0.11],
           [0.79, 0.11, 0.11]])
    """

    features: FloatArray
    weights: FloatArray
    legal: LegalArray | None

    def __init__(
        self, features: FloatsLike, weights: FloatsLike | None = None, *, legal: FloatsLike | None = None,
        horizon: int | None = None,
    ) -> None:  # fmt: skip
        own = check.frozen(check.as_float_array(features, "features", shape=(None, None, None), letters="S, A, d"))
        n_obs, n_act, n_features = own.shape
        if weights is None:
            found = np.zeros((1, n_features))
        else:
            shapes, letters = [(n_features,), (None, n_features)], ["d", "L, d"]
            found = check.as_float_array(weights, "weights", shape=shapes, letters=letters).reshape(-1, n_features)
        allowed = as_legal(legal, n_obs, n_act)
        theta = linear_logits(own, found)
        if not np.isfinite(theta).all():
            at = [int(i) for i in np.argwhere(~np.isfinite(theta))[0]]
            raise ValueError(
                f"the logit of stage {at[0]}, observation {at[1]} and action {at[2]} is {theta[tuple(at)]}; must be "
                "finite: features or weights are too large"
            )
        if allowed is not None:
            theta[:, ~allowed] = -np.inf
        theta = check.frozen(theta)
        vars(self).update({"features": own, "weights": check.frozen(found), "legal": allowed})
        self._settle("theta", theta, TablePolicy(softmax(theta)), horizon)

    def to_json(self) -> str:
        """The policy as a JSON text; `from_json` restores it exactly."""
        own: dict[str, Any] = {"features": self.features.tolist(), "weights": self.weights.tolist()}
        if self.legal is not None:
            own["legal"] = self.legal.tolist()
        if self.horizon is not None:
            own["horizon"] = self.horizon
        return json.dumps({"kind": type(self).__name__, **own})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The policy that `to_json` wrote.

        Raises
        ------
        TypeError, ValueError
            Not such a text, a text of another class of policy, or arrays that are not a policy.
        """
        given = check.as_string(text, "text")
        try:
            data = json.loads(given)
            kind, features, weights = data["kind"], data["features"], data["weights"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"text is not such a policy in JSON ({error!r}); must come from {cls.__name__}.to_json"
            ) from None
        if kind != cls.__name__:
            raise ValueError(f"text holds a {say.short(str(kind))}; must hold a {cls.__name__}")
        return cls(features, weights, legal=data.get("legal"), horizon=data.get("horizon"))

    @classmethod
    @fits_memory(f"stages must be fewer, or {SMALLER_GAME}", asks=True)
    def uniform(cls, game: Game, stages: int = 1, *, affine: bool = False) -> Self:
        """Zero weights of one-hot features, d = S A, in `stages` equal stages; `affine` must be False."""
        check.as_instance(game, "game", Game)
        if check.as_bool(affine, "affine"):
            raise ValueError("affine is True; must be False: features do not depend on the population")
        horizon = None if game.step is None else game.n_steps
        n_stages = check.as_positive_int(stages, "stages", high=horizon)
        size = game.n_observations * game.n_actions
        needs.ask({"features": (16, size, size), "weights": (24, n_stages, size)})
        features = np.eye(size).reshape(game.n_observations, game.n_actions, size)
        return cls(features, np.zeros((n_stages, size)), legal=game.legal, horizon=horizon)

    def _state(self) -> dict[str, Any]:
        return {"features": self.features, "weights": self.weights, "legal": self.legal, "horizon": self.horizon}

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> Self:
        return cls(state["features"], state["weights"], legal=state["legal"], horizon=state["horizon"])

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented if not isinstance(other, SoftmaxPolicy) else False
        return all(
            np.array_equal(own, its)
            for own, its in ((self.features, other.features), (self.weights, other.weights), (self.theta, other.theta))
        )

    def __hash__(self) -> int:
        return hash((type(self), self.features.tobytes(), self.weights.tobytes(), self.theta.tobytes()))

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), legal=self.legal, horizon=self.horizon), (self.features, self.weights)
