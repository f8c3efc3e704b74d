"""The mean field of agents with Poisson clocks, in continuous time, and its values (Theory, section 12).

    flow_in_time(...)        mean_field      mu' = nu mu (A - I) + mu Q
    values_in_time(...)      evaluate        -V' = nu (pi q - V) + Q V + r0 - rho V,  q = r + P V
    response_in_time(...)    best_response   the same with max_a q
    gaps_in_time(...)        exploitability

The kernel in_time computes gains, and flows and values of policies at a few times for each stage. At more times scipy's
DOP853 does, of order 8 and with adaptive steps, to tolerances of 1e-11 (relative) and 1e-13, and they are read from its
dense solution. It also solves values along a flow that is given as a result, which is interpolated by cubic splines
between its times.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from tmfcore._base import validation as check
from tmfcore._base.pieces import parts
from tmfcore._base.types import Clock
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._limit import in_time
from tmfcore._limit.externality_in_time import PricesInTime
from tmfcore._limit.sizes import Needs
from tmfcore._model.continuous import Continuous, Stages, Timetable, pull

__all__ = [
    "LOOKS", "Gaps", "Knots", "Path", "Prices", "distribution", "flow_in_time", "flow_needs", "gaps_in_time",
    "refuse_always", "response_in_time", "solved", "values_in_time",
]  # fmt: skip

RELATIVE, ABSOLUTE = 1e-11, 1e-13
ROUGH = 100.0  # times as large with altruism: prices may be differences, whose rounding is not smooth
LOOKS = 1000  # intervals, at least, between the times at which a gain is read for its maximum
RECORDS = 25  # most records for each stage of a policy with which the kernel is faster than scipy

Derivative: TypeAlias = Callable[[float, FloatArray], FloatArray]
Solution: TypeAlias = Callable[[float | FloatArray], FloatArray]  # of one time (n,), or of J times (n, J)


def solved(
    derivative: Derivative, begin: float, end: float, y0: FloatArray, rough: float = 1.0
) -> tuple[Solution, FloatArray]:
    """The solution of y' = derivative(t, y) from `begin` to `end`, which may be earlier, and its value at the end.

    Tolerances are `rough` times the usual ones.
    """
    from scipy.integrate import solve_ivp  # at first use only: slow to load

    span = (begin, end)
    found = solve_ivp(
        derivative, span, y0, method="DOP853", dense_output=True, rtol=rough * RELATIVE, atol=rough * ABSOLUTE
    )
    if not found.success or not np.isfinite(found.y).all():
        raise ValueError(
            f"the equations in continuous time cannot be solved from t = {begin:g} to {end:g}: {found.message} "
            "Rewards, rates and policy must be bounded and continuous in mu"
        )
    return cast(Solution, found.sol), np.array(found.y[:, -1])


@dataclass(frozen=True, eq=False)
class Path:
    """A flow as a function of time: one piece for each stage of the policy that made it."""

    bounds: FloatArray  # (L+1,) ends of the stages
    pieces: list[Solution]

    def __call__(self, t: float, stage: int) -> FloatArray:
        """The distribution (S,) at time t of a stage."""
        piece = self.pieces[stage if len(self.pieces) > 1 else 0]
        return distribution(np.asarray(piece(t)))

    def at(self, times: FloatArray) -> Iterator[FloatArray]:
        """The distributions at several times."""
        stage_of = np.searchsorted(self.bounds, times, side="right") - 1
        for t, stage in zip(times.tolist(), stage_of.tolist(), strict=True):
            yield self(t, min(stage, len(self.bounds) - 2))


@dataclass(frozen=True, eq=False)
class Knots:
    """A flow at the ends of intervals so short that values can be solved back from one to the next.

    spans, stages (E,): their lengths, and the stage of the policy in each; first (J+1,): the knots that are recorded.
    """

    spans: FloatArray
    stages: npt.NDArray[np.int32]
    first: IntArray
    mu: FloatArray  # (E+1, S)


def distribution(values: FloatArray) -> FloatArray:
    """The distribution nearest to a solution: without negative rounding, and of sum 1."""
    mu = np.maximum(values, 0.0)
    return np.asarray(mu / mu.sum())


def bounds_of(horizon: float, n_stages: int) -> FloatArray:
    """Ends of the stages, (L+1,)."""
    return horizon * (np.arange(n_stages + 1) / n_stages)


def pieces_of(times: FloatArray, bounds: FloatArray) -> Iterator[tuple[int, float, float, IntArray]]:
    """Stage, begin, end, and the indices of the record times in (begin, end]; the first stage also has time 0."""
    for stage, (low, high) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)):
        inside = (times > low) & (times <= high) if stage else times <= high
        if stage == len(bounds) - 2:
            inside |= times > high
        yield stage, low, high, np.flatnonzero(inside)


def flow_needs(clocks: Continuous, stages: Stages, times: FloatArray) -> Needs:
    """What a flow takes, and values along it."""
    n_obs = clocks.game.n_observations
    found: Needs = {"mu": (8, len(times), n_obs)}
    if _has_knots(stages, times):
        n = stages.n_stages + len(times) + math.ceil(clocks.game.horizon * _fastest(clocks))
        found["mu and values of short intervals"] = (16, n, n_obs)
    return found


def _has_knots(stages: Stages, times: FloatArray) -> bool:
    """Whether the kernel solves the equations."""
    return len(times) <= RECORDS * stages.n_stages


def flow_in_time(
    clocks: Continuous, stages: Stages, times: FloatArray
) -> tuple[FloatArray, FloatArray, Path | Knots]:
    """Distributions (J+1, S) at `times`, actions of an agent up to each (J+1,), and the flow itself."""
    if _has_knots(stages, times):
        knots, acted = _knots(clocks, stages, times)
        return knots.mu[knots.first], acted[knots.first], knots
    n_obs, bounds = clocks.game.n_observations, bounds_of(clocks.game.horizon, stages.n_stages)
    out = np.empty((len(times), n_obs + 1))
    pieces: list[Solution] = []
    y = np.append(clocks.game.initial, 0.0)
    for stage, low, high, inside in pieces_of(times, bounds):

        def derivative(t: float, y: FloatArray, stage: int = stage) -> FloatArray:
            mu = distribution(y[:-1])
            return np.append(clocks.drift(mu, stages.table(mu, stage)), mu @ clocks.rate)

        solution, y = solved(derivative, low, high, y)
        for part in parts(len(inside), n_obs):
            out[inside[part]] = solution(times[inside[part]]).T
        y[:-1] = distribution(y[:-1])
        pieces.append(_first(solution, n_obs))
    mu = np.empty((len(out), n_obs))
    for part in parts(len(out), n_obs):
        np.maximum(out[part, :-1], 0.0, out=mu[part])
        mu[part] /= mu[part].sum(axis=1, keepdims=True)
    mu[0] = clocks.game.initial
    return mu, out[:, -1], Path(bounds, pieces)


def _knots(clocks: Continuous, stages: Stages, times: FloatArray) -> tuple[Knots, FloatArray]:
    """The flow by the kernel, and the actions of an agent up to each of its knots, (E+1,)."""
    table = Timetable.of(times, stages.n_stages)
    whole = np.diff(table.edges)
    pieces = np.maximum(1, np.ceil(whole * _fastest(clocks))).astype(np.int64)
    knot_of = np.concatenate([[0], np.cumsum(pieces)])
    spans, stage = np.repeat(whole / pieces, pieces), np.repeat(table.stage, pieces).astype(np.int32)
    mu, acted = np.empty((len(spans) + 1, clocks.game.n_observations)), np.empty(len(spans) + 1)
    mu[0] = clocks.game.initial
    in_time.forward(clocks.model, stages.kernel, clocks.rate, clocks.step, spans, stage, mu, acted)
    return Knots(spans, stage, knot_of[table.first], mu), acted


def _fastest(clocks: Continuous) -> float:
    """The largest rate of events of an agent, at the start."""
    return float((clocks.rate + clocks.leaving(clocks.game.initial)).max())


def _first(solution: Solution, n: int) -> Solution:
    return lambda t: np.asarray(solution(t)[:n])


def path_through(times: FloatArray, mu: FloatArray) -> Path:
    """The flow through distributions (J+1, S) at given times."""
    from scipy.interpolate import CubicSpline  # as above

    return Path(times[[0, -1]], [CubicSpline(times, mu, bc_type="not-a-knot" if len(times) > 3 else "natural")])


@dataclass(frozen=True, eq=False)
class Prices:
    """Altruism along a flow in continuous time: its weight, and the policy of all others, which made the flow."""

    altruism: float
    others: Stages

    @classmethod
    def of(cls, altruism: float, others: Stages) -> Prices | None:
        """None: altruism is 0."""
        return cls(altruism, others) if altruism > 0 else None


def _back(
    clocks: Continuous, stages: Stages | None, path: Path, times: FloatArray, prices: Prices | None = None
) -> FloatArray:
    """Values (J+1, S) at `times`: of the policy, if there is one, else of best responses."""
    rate, rho, n_obs = clocks.rate, clocks.decay, clocks.game.n_observations
    model = clocks.model
    n_own = 1 if stages is None else stages.n_stages
    n_stages, rough = n_own, 1.0
    kernel: PricesInTime | None = None
    if prices is not None:
        n_stages, rough = math.lcm(n_own, prices.others.n_stages), ROUGH
        kernel = PricesInTime(model, prices.others.kernel, rate, clocks.step)
    price, earned = np.empty((2, n_obs))
    out = np.zeros((len(times), n_obs))
    y = np.zeros(n_obs if prices is None else 2 * n_obs)  # with prices also the derivative of welfare
    for stage, low, high, inside in reversed(list(pieces_of(times, bounds_of(clocks.game.horizon, n_stages)))):

        def derivative(t: float, y: FloatArray, stage: int = stage) -> FloatArray:
            mu, values = path(t, stage), y[:n_obs]
            found = clocks.tables(mu)
            q = found.reward + pull(found.transition, values, model.successors)
            own = stage * n_own // n_stages
            acting = q.max(axis=1) if stages is None else (stages.table(mu, own) * q).sum(axis=1)
            slopes = (rate + rho) * values - rate * acting - found.standing
            if not model.passive_identity:
                slopes -= pull(found.generator, values, model.passive_successors)
            if kernel is None or prices is None:
                return np.asarray(slopes)
            social = np.ascontiguousarray(y[n_obs:])
            kernel.at(stage * prices.others.n_stages // n_stages, mu, social, price, earned)
            return np.concatenate([slopes - prices.altruism * price, rho * social - earned - price])

        solution, y = solved(derivative, high, low, y, rough)
        for part in parts(len(inside), n_obs):
            out[inside[part]] = solution(times[inside[part]])[:n_obs].T
    out[-1] = 0.0
    return out


def values_in_time(
    clocks: Continuous, stages: Stages, path: Path | Knots, times: FloatArray, prices: Prices | None = None
) -> tuple[FloatArray, FloatArray]:
    """V (J+1, S) at `times`, and the action values q (J, S, A) at all but the last, along a flow.

    `times` are those for which Knots were made; along Knots, which `stages` made, these are the others, too.
    """
    if isinstance(path, Path):
        values = _back(clocks, stages, path, times, prices)
        return values, _action_values(clocks, path.at(times[:-1]), values[:-1])
    start, found = np.empty((2, clocks.game.n_observations)), np.empty_like(path.mu)
    in_time.backward(
        clocks.model, stages.kernel, clocks.rate, clocks.decay, clocks.step, path.spans, path.stages, path.mu, start,
        found, 0.0 if prices is None else prices.altruism,
    )  # fmt: skip
    values = found[path.first]
    return values, _action_values(clocks, path.mu[path.first[:-1]], values[:-1])


def _action_values(clocks: Continuous, mu: Iterable[FloatArray], values: FloatArray) -> FloatArray:
    """Action values (J, S, A) at distributions (J, S), with values (J, S) of what follows."""
    q = np.empty((len(values), clocks.game.n_observations, clocks.game.n_actions))
    for j, now in enumerate(mu):
        found = clocks.tables(now)
        q[j] = found.reward + pull(found.transition, values[j], clocks.model.successors)
    return q


def response_in_time(
    clocks: Continuous, path: Path, times: FloatArray, prices: Prices | None = None
) -> tuple[FloatArray, IntArray]:
    """V^BR (J+1, S) at `times`, and the best actions (J, S) in the middle of each interval, along a flow."""
    middles = (times[:-1] + times[1:]) / 2
    both = np.sort(np.concatenate([times, middles]))
    values = _back(clocks, None, path, both, prices)
    q = _action_values(clocks, path.at(middles), values[1::2])
    return values[::2], q.argmax(axis=2)


class Gaps(NamedTuple):
    """A policy judged along its own flow; times are multiples of a part of the stages."""

    gains: FloatArray  # (S,) V^BR_0 - V_0
    values: FloatArray  # (S,) V_0
    largest: float  # gain at any of the times and any observation
    mu: FloatArray  # (M+1, S)
    actions: FloatArray  # (M+1,) of an agent up to each time


def gaps_in_time(clocks: Continuous, stages: Stages, looks: int = 1, altruism: float = 0.0) -> Gaps:
    """Judge a policy at M + 1 times, M a multiple of L and of 1 and at least `looks`, by the kernel in_time."""
    game, n_stages = clocks.game, stages.n_stages
    base = math.lcm(n_stages, looks) if looks > 1 else n_stages
    n = base * max(1, math.ceil(game.horizon * _fastest(clocks) / base))
    spans, stage = np.full(n, game.horizon / n), (np.arange(n) * n_stages // n).astype(np.int32)
    mu, actions, values = np.empty((n + 1, game.n_observations)), np.empty(n + 1), np.empty((2, game.n_observations))
    mu[0] = game.initial
    in_time.forward(clocks.model, stages.kernel, clocks.rate, clocks.step, spans, stage, mu, actions)
    largest = in_time.backward(
        clocks.model, stages.kernel, clocks.rate, clocks.decay, clocks.step, spans, stage, mu, values,
        None, altruism,
    )  # fmt: skip
    return Gaps(values[1] - values[0], values[0], largest, mu, actions)


def refuse_always(clock: Clock) -> None:
    """Raise unless the evaluated agent acts when its clock rings."""
    if check.as_choice(clock, "clock", Clock) == "always":
        raise ValueError("clock is 'always'; must be 'schedule' with Poisson clocks, as agents wait between actions")
