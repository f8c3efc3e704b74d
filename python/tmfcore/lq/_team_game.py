"""Linear-quadratic mean-field type games: the matrices of dynamics and costs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._results.records import Record
from tmfcore._results.result import Saved
from tmfcore.lq._matrices import apart, covariance, items, series, symmetric

__all__ = ["LQGame"]

Matrices: TypeAlias = Sequence[FloatsLike]

ONE = {"kind": "FloatArray"}
EACH = {"kind": "tuple[FloatArray, ...]"}


@dataclass(frozen=True, eq=False, repr=False)
class LQGame(Saved, Record):
    """N teams that act on one population of agents, with linear dynamics and quadratic costs (Theory, section 17).

    Agent j has the state x_j in R^m, and team i moves it by the control u_ij in R^p_i. With x~ the mean of all agents,
    c_i the mean of the controls that team i plans for them, and at every step a share beta of the agents who act:

        acts:    x_j' = A x_j + A_bar x~ + sum_i (B_i u_ij + B_bar_i c_i) + noise_j + common noise
        waits:   x_j' = A_passive x_j + A_passive_bar x~                 + noise_j + common noise

    and team i pays at every step, as means over the agents and discounted by `discount` per step,

        |x_j - x~|^2 weighted by Q_i + |x~|^2 weighted by Q_bar_i,    of all agents, at the last step Q_end, Q_bar_end
        |u_ij - c_i|^2 weighted by R_i + |c_i|^2 weighted by R_bar_i,  of those who act

    Parameters
    ----------
    A : (m, m) or (T, m, m) floats, or float
        One matrix for all steps, or one for each. A number stands for a multiple of the identity, here and below; m is
        1 if A is a number.
    B : sequence of N of (m, p_i) or (T, m, p_i) floats, or float
        One per team. A number needs p_i = m.
    Q, R : sequence of N of (m, m) and (p_i, p_i) floats, or of (T, ...), or float
        Symmetric. The cost of a team must have a minimum in its own control, which `riccati` checks; Q may be
        negative.
    horizon : int
        T >= 1, the number of steps. States at 0, ..., T are paid for.
    A_bar, B_bar : as A, B, or None, optional
        None: 0.
    Q_bar, R_bar : as Q, R, or None, optional
        None: Q and R: then |x_j|^2 and |u_ij|^2 are paid for.
    Q_end, Q_bar_end : sequence of N of (m, m) floats, or float, or None, optional
        None: Q and Q_bar of the last step.
    A_passive, A_passive_bar : as A, or None, optional
        None: the identity, and 0: agents that wait stay where they are, but for the noise.
    noise : (m, m) floats or float, optional
        Covariance of the noise of each agent, independent of all others.
    common_noise : (m, m) floats or float, optional
        Covariance of the noise that all agents share.
    initial_mean : (m,) floats or None, optional
        Mean of x_j at step 0. None: 0.
    initial_covariance : (m, m) floats or float, optional
        Covariance of x_j at step 0, independent of all others.
    discount : float, optional
        In (0, 1], per step.
    groups : sequence of H ints or None, optional
        Sizes that sum to m: the state is split into parts, each with agents of its own, as many as `n_agents` says for
        it. Groups meet in their means only: A, A_passive, Q, noise and initial_covariance are 0 between groups, and a
        column of B acts on one group. With one group per team, each team has agents of its own. None: one group.

    Raises
    ------
    TypeError, ValueError
        A matrix has the wrong shape, is not symmetric, or couples groups.

    Notes
    -----
    The paper of the games, of the stage equations in the limit and of MRNPG is Zaman, Koppel, Lauriere and Basar,
    arXiv:2403.11345, in which all agents act. Agents that wait, finite populations and groups are ours.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.lq.LQGame(1.1, [0.8, 0.5], [1.0, 0.6], [1.0, 2.0], horizon=3)
    >>> game
    LQGame(2 teams, m=1, controls (1, 1), T=3)
    """

    A: FloatsLike = field(metadata=ONE)
    B: Matrices = field(metadata=EACH)
    Q: Matrices = field(metadata=EACH)
    R: Matrices = field(metadata=EACH)
    horizon: int = field(kw_only=True)
    A_bar: FloatsLike | None = field(default=None, kw_only=True, metadata=ONE)
    B_bar: Matrices | None = field(default=None, kw_only=True, metadata=EACH)
    Q_bar: Matrices | None = field(default=None, kw_only=True, metadata=EACH)
    R_bar: Matrices | None = field(default=None, kw_only=True, metadata=EACH)
    Q_end: Matrices | None = field(default=None, kw_only=True, metadata=EACH)
    Q_bar_end: Matrices | None = field(default=None, kw_only=True, metadata=EACH)
    A_passive: FloatsLike | None = field(default=None, kw_only=True, metadata=ONE)
    A_passive_bar: FloatsLike | None = field(default=None, kw_only=True, metadata=ONE)
    noise: FloatsLike = field(default=0.0, kw_only=True, metadata=ONE)
    common_noise: FloatsLike = field(default=0.0, kw_only=True, metadata=ONE)
    initial_mean: FloatsLike | None = field(default=None, kw_only=True, metadata=ONE)
    initial_covariance: FloatsLike = field(default=1.0, kw_only=True, metadata=ONE)
    discount: float = field(default=1.0, kw_only=True)
    groups: Sequence[int] | None = field(default=None, kw_only=True, metadata={"kind": "tuple[int, ...]"})

    UNCOMPARED: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        T = check.as_positive_int(self.horizon, "horizon")
        m = _size(self.A, "A")
        one = {"A": series(self.A, "A", T, m, m, "m, m")}
        for name, default in (("A_bar", 0.0), ("A_passive", 1.0), ("A_passive_bar", 0.0)):
            given = getattr(self, name)
            one[name] = series(default if given is None else given, name, T, m, m, "m, m")
        given = items(self.B, "B")
        n = len(given)
        B = tuple(series(each, f"B[{i}]", T, m, _columns(each, f"B[{i}]", m), "m, p") for i, each in enumerate(given))
        sizes = [each.shape[2] for each in B]
        if self.B_bar is None:
            B_bar = tuple(np.broadcast_to(0.0, each.shape) for each in B)
        else:
            pairs = enumerate(zip(items(self.B_bar, "B_bar", n), sizes, strict=True))
            B_bar = tuple(series(each, f"B_bar[{i}]", T, m, p, "m, p") for i, (each, p) in pairs)
        many = {"B": B, "B_bar": B_bar}
        for name, letters, widths in (("Q", "m, m", [m] * n), ("R", "p, p", sizes)):
            many[name] = _weights(getattr(self, name), name, T, widths, letters)
            bar = getattr(self, f"{name}_bar")
            many[f"{name}_bar"] = many[name] if bar is None else _weights(bar, f"{name}_bar", T, widths, letters)
        for name in ("Q", "Q_bar"):
            end = getattr(self, f"{name}_end")
            last = tuple(each[-1] for each in many[name])
            if end is not None:
                last = tuple(each[0] for each in _weights(end, f"{name}_end", 1, [m] * n, "m, m"))
            many[f"{name}_end"] = last
        for name in ("noise", "common_noise", "initial_covariance"):
            one[name] = covariance(getattr(self, name), name, m)
        mean = self.initial_mean
        one["initial_mean"] = np.zeros(m) if mean is None else check.as_float_array(
            mean, "initial_mean", shape=(m,), letters="m"
        )  # fmt: skip
        discount = check.as_float(self.discount, "discount", low=0.0, high=1.0, low_open=True)
        groups = _groups(self.groups, m)
        for name, value in {**one, **many, "horizon": T, "discount": discount, "groups": groups}.items():
            object.__setattr__(self, name, value)
        self._refuse_couplings()
        super().__post_init__()

    def _refuse_couplings(self) -> None:
        """Check that groups meet in their means only."""
        if len(self._groups) == 1:
            return
        where = self._of_state
        for name in ("A", "A_passive", "noise", "initial_covariance"):
            apart(getattr(self, name), name, where, where)
        for name in ("Q", "Q_end"):
            for i, each in enumerate(getattr(self, name)):
                apart(each, f"{name}[{i}]", where, where)
        for i, (B, acts_on) in enumerate(zip(self._B, self._of_control, strict=True)):
            apart(B, f"B[{i}]", where, acts_on)
            for name in ("R", "R_bar"):
                apart(getattr(self, name)[i], f"{name}[{i}]", acts_on, acts_on)

    # ------------------------------------------------------------------------------------------------------ sizes

    @property
    def n_states(self) -> int:
        """The dimension m of a state."""
        return int(self._A.shape[-1])

    @property
    def n_teams(self) -> int:
        """The number N of teams."""
        return len(self.B)

    @property
    def n_controls(self) -> tuple[int, ...]:
        """The dimension p_i of the controls of each team."""
        return tuple(each.shape[2] for each in self._B)

    # ------------------------------------------------------- the fields as what the constructor has made of them

    @property
    def _A(self) -> FloatArray:
        found: Any = self.A
        return found  # type: ignore[no-any-return]

    @property
    def _B(self) -> tuple[FloatArray, ...]:
        found: Any = self.B
        return found  # type: ignore[no-any-return]

    @property
    def _groups(self) -> tuple[int, ...]:
        found: Any = self.groups
        return found  # type: ignore[no-any-return]

    @cached_property
    def _of_state(self) -> IntArray:
        """The group of each entry of a state."""
        return np.repeat(np.arange(len(self._groups)), self._groups)

    @cached_property
    def _of_control(self) -> tuple[IntArray, ...]:
        """The group on which each control of each team acts: that of the first row of B it enters, else of B_bar."""
        bar: Any = self.B_bar
        found = []
        for own, mean in zip(self._B, bar, strict=True):
            rows = [(each != 0).any(axis=0) for each in (own, mean)]
            first = [each.argmax(axis=0) for each in rows]
            found.append(self._of_state[np.where(rows[0].any(axis=0), *first)])
        return tuple(found)

    def replace(self, **changes: Any) -> Self:
        """The game with other values of some arguments of the constructor; all are checked again.

        With another horizon, matrices that are given for each step must be replaced, too.
        """
        given = self._state()
        T = changes.get("horizon", self.horizon)
        if T != self.horizon:
            given = {name: _shortened(value) for name, value in given.items()}
        unknown = [name for name in changes if name not in given]
        if unknown:
            raise TypeError(f"replace() has no argument {unknown[0]!r}; must be one of {', '.join(given)}")
        return dataclasses.replace(self, **(given | changes))

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "teams", self.n_teams
        yield "m", self.n_states
        yield "controls", str(self.n_controls)
        if len(self._groups) > 1:
            yield "groups", str(self._groups)
        yield "T", self.horizon
        if self.discount < 1:
            yield "discount", self.discount


def _size(A: object, name: str) -> int:
    """m, from A."""
    if not check.is_array(A):
        return 1
    shapes = [(None, None), (None, None, None)]
    return int(check.as_float_array(A, name, shape=shapes, letters=["m, m", "T, m, m"], copy=False).shape[-1])


def _columns(B: object, name: str, m: int) -> int:
    """p, from the B of a team."""
    if not check.is_array(B):
        return m
    shapes = [(m, None), (None, m, None)]
    return int(check.as_float_array(B, name, shape=shapes, letters=["m, p", "T, m, p"], copy=False).shape[-1])


def _weights(value: object, name: str, T: int, sizes: Sequence[int], letters: str) -> tuple[FloatArray, ...]:
    """Symmetric matrices, one per team."""
    pairs = enumerate(zip(items(value, name, len(sizes)), sizes, strict=True))
    return tuple(symmetric(series(each, f"{name}[{i}]", T, p, p, letters), f"{name}[{i}]") for i, (each, p) in pairs)


def _groups(value: object, m: int) -> tuple[int, ...]:
    if value is None:
        return (m,)
    found = tuple(check.as_int_array(value, "groups", shape=(None,), letters="H", low=1).tolist())
    if sum(found) != m:
        raise ValueError(f"groups sum to {sum(found)}; must sum to m = {m}")
    return found


def _shortened(value: Any) -> Any:
    """Matrices that are the same at all steps, as one matrix."""
    if isinstance(value, tuple) and value and isinstance(value[0], np.ndarray):
        return tuple(map(_shortened, value))
    if isinstance(value, np.ndarray) and value.ndim == 3 and (value == value[0]).all():
        return value[0]
    return value
