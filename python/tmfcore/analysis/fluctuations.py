"""Predicted deviations of N agents from their mean field (Theory, section 6), and their comparison with simulations.

    fluctuations(...) -> Fluctuations     covariance, bias and expected error of mu-hat, to first order in 1/N
    Fluctuations.compare(simulation)      predicted and measured values, with standard errors

The recursions run in a compiled kernel; this module checks arguments, allocates arrays, and wraps the results.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base.functions import SMALLER_GAME, fits_memory
from tmfcore._base.options import GIVEN, required
from tmfcore._base.types import FloatsLike, Start, Time
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._limit.checks import active_fractions
from tmfcore._limit.sizes import fluctuation_needs
from tmfcore._model import appearance
from tmfcore._model.activation import ActingShares
from tmfcore._model.continuous import Continuous, Stages, record_times, refuse_steps, refuse_times
from tmfcore._model.fingerprint import Fingerprint, same
from tmfcore._model.game import Game, in_steps
from tmfcore._model.poisson import Poisson
from tmfcore._model.policies import PolicyLike, as_policy
from tmfcore._model.schedules import Bernoulli, Schedule
from tmfcore._population.simulation import Simulation
from tmfcore._population.starts import rounded_counts
from tmfcore._results.result import Result
from tmfcore.analysis import _fluctuations
from tmfcore.analysis._comparison import Comparison
from tmfcore.analysis._deviation import mean_deviation
from tmfcore.analysis._linear_noise import is_exact, linear_noise

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Comparison", "Fluctuations", "fluctuations"]

Jacobian: TypeAlias = Literal["auto", "exact", "differences"]
MARKERS = 20  # per line
SYSTEM = ("game", "activation", "policy", "start")  # parts of the fingerprint that simulation and prediction share


@dataclass(frozen=True, eq=False, repr=False)
class Fluctuations(appearance.Timed, Result[Literal["band"]]):
    """Mean field, covariance and bias of the population distribution mu-hat of N agents, to first order in 1/N.

    Exact at n_agents if the game declares constant transitions and the policy does not depend on the population.

    Parameters
    ----------
    mu : (J+1, S) float64
        Mean-field flow at each recorded time.
    covariance : (J+1, S, S) float64
        Sigma: N times the covariance of mu-hat at n_agents. With batches it depends on N.
    bias : (J+1, S) float64
        m: N times the mean of mu-hat - mu. Starts at the rounding of n_agents * initial to whole agents.
    steps : (J+1,) int64
        Step of each recorded time, from 0 to the horizon.
    n_agents : int or None
        The N of the prediction. None: any N; the noise of the schedule is then its limit, and nothing is rounded.
    horizon : int
        T.
    jacobian : {"exact", "differences"}
        Whether the derivatives of Phi_t are exact or finite differences (central; forward along the bias).
    start : {"rounded", "sampled"}
    schedule, game : str
        Label and name.
    observation_labels : tuple of S str
    step : float
        dt, the length of a step in sweeps; 1.0 if time is counted in steps.
    time : str
        The unit of time, "steps" or "sweeps".
    record_times : (J+1,) float64 or None
        The recorded times under Poisson clocks, which `steps` then numbers; None: steps * step.
    fingerprint : Fingerprint or None
        Of game, schedule, N, policy and start; simulations must have the same to be compared.
    """

    SHAPES: ClassVar[dict[str, str]] = {
        "mu": "J+1 S", "covariance": "J+1 S S'", "bias": "J+1 S", "steps": "J+1", "observation_labels": "S",
        "record_times": "J+1",
    }  # fmt: skip
    RANGES: ClassVar[dict[str, str]] = {"share": "mu", "finite": "covariance", ">= 0": "steps"}

    mu: FloatArray
    covariance: FloatArray
    bias: FloatArray
    steps: IntArray
    n_agents: int | None
    horizon: int
    jacobian: str
    start: Start
    schedule: str
    game: str
    observation_labels: tuple[str, ...]
    step: float = 1.0
    time: Time = "steps"
    record_times: FloatArray | None = None
    fingerprint: Fingerprint | None = None

    @property
    def constant(self) -> FloatArray:
        """E || mu-hat_t - mu_t ||_1 in units of 1 / sqrt(N) as N grows, (J+1,): sum_x sqrt(2 Sigma(x,x) / pi)."""
        return np.asarray(np.sqrt(2 / np.pi * self._variances()).sum(axis=1))

    def expected(self, n_agents: int | None = None) -> FloatArray:
        """E mu-hat to first order, mu + m / N, (J+1, S)."""
        return self.mu + self.bias / self._n(n_agents)

    def deviation(self, n_agents: int | None = None) -> FloatArray:
        """Standard deviation of mu-hat, sqrt(Sigma(x,x) / N), (J+1, S)."""
        return np.asarray(np.sqrt(self._variances() / self._n(n_agents)))

    def error(self, n_agents: int | None = None) -> FloatArray:
        """E || mu-hat_t - mu_t ||_1 of N agents, (J+1,).

        Parameters
        ----------
        n_agents : int or None, optional
            N. None: the N of the prediction.

        Returns
        -------
        (J+1,) float64
            Tends to constant / sqrt(N) as N grows. At finite N, each count N mu-hat(x) is modelled as binomial, Poisson
            or negative binomial (normal if its variance is large) with mean N mu(x) + m(x) and variance N Sigma(x,x).
            This includes the rounding of the start to whole agents, and counts of few agents are integers >= 0. Exact
            for agents that are independent and have the same initial law.

        Raises
        ------
        TypeError, ValueError
            n_agents is not a positive integer, or not the N of the prediction.
        """
        n = self._n(n_agents)
        means = n * self.mu
        return np.asarray(mean_deviation(means, means + self.bias, n * self._variances(), n).sum(axis=1) / n)

    def compare(self, simulation: Simulation) -> Comparison:
        """Compare the prediction with measurements of a simulation of the same system.

        Parameters
        ----------
        simulation : Simulation
            At least two replicas, with the same game, policy, schedule and start, and some recorded times in common.

        Returns
        -------
        Comparison

        Raises
        ------
        TypeError, ValueError
            Game, policy, schedule, N or start differ; there is only one replica; no recorded time t > 0 is shared.
        """
        check.as_instance(simulation, "simulation", Simulation)
        n = self._n(simulation.n_agents, "simulation.n_agents")
        if self.record_times is None and simulation.horizon != self.horizon:
            raise ValueError(f"simulation.horizon is {simulation.horizon}; must be {self.horizon}")
        same("simulation", simulation.fingerprint, self.fingerprint, SYSTEM)
        if simulation.replicas < 2:
            raise ValueError(f"simulation has {simulation.replicas} replica; must have at least 2 to measure a spread")
        both = (self.steps, simulation.steps) if self.record_times is None else (self.times, simulation.times)
        shared, here, there = np.intersect1d(*both, return_indices=True)
        if not (shared > 0).any():
            raise ValueError(
                "simulation.steps shares no time t > 0 with the prediction; use the same record_every (or times)"
            )
        off = simulation.mu[:, there] - self.mu[here]
        root = np.sqrt(simulation.replicas)
        errors = np.abs(off).sum(axis=-1)
        late = shared > 0
        averages = errors[:, late].mean(axis=1)
        centred = off - off.mean(axis=0)
        squares = n * centred**2 * (simulation.replicas / (simulation.replicas - 1))
        return Comparison(
            steps=self.steps[here],
            record_times=None if self.record_times is None else shared,
            n_agents=n,
            replicas=simulation.replicas,
            error=self.error(simulation.n_agents)[here],
            error_measured=errors.mean(axis=0),
            error_se=errors.std(axis=0, ddof=1) / root,
            mean_error=float(self.error(simulation.n_agents)[here][late].mean()),
            mean_error_measured=float(averages.mean()),
            mean_error_se=float(averages.std(ddof=1) / root),
            variance=self._variances()[here],
            variance_measured=squares.mean(axis=0),
            variance_se=squares.std(axis=0, ddof=1) / root,
            bias=self.bias[here],
            bias_measured=n * off.mean(axis=0),
            bias_se=n * off.std(axis=0, ddof=1) / root,
            schedule=self.schedule,
            game=self.game,
            observation_labels=self.observation_labels,
            step=self.step,
            time=self.time,
        )

    def plot(
        self,
        kind: Literal["band"] | None = None,
        *,
        simulation: Simulation | None = None,
        n_agents: int | None = None,
        markers: int | None = None,
        label: str | None = None,
        color: str | None = None,
        title: str | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """Draw the predicted mean of mu-hat with a band of two standard deviations, over a simulation.

        Parameters
        ----------
        kind, label, color, title, ax : optional
            As in `plot` of every result.
        simulation : Simulation or None, optional
            Drawn as the mean over its replicas (markers) with bars of two standard deviations. As in `compare`, but one
            replica is enough, and is drawn without bars.
        n_agents : int or None, optional
            N of the band. None: that of the simulation, or of the prediction.
        markers : int or None, optional
            The largest number of markers per line; only with a simulation. None: 20.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ImportError
            matplotlib (extra `app`) is not installed.
        TypeError, ValueError
            As in `compare` and `error`.
        """
        own = {"simulation": simulation, "n_agents": n_agents, "markers": markers}
        if title is None and self.n_agents is None:
            n = simulation.n_agents if isinstance(simulation, Simulation) else n_agents
            title = f"{self._title()}, N = {n:,} agents" if isinstance(n, int) else None
        return self._drawn(kind, **own, label=label, color=color, title=title, ax=ax)

    def _picture(self, kind: str, **style: Any) -> Axes:
        from tmfcore import plotting

        simulation, n_agents = style.pop("simulation", None), style.pop("n_agents", None)
        markers = style.pop("markers", None)
        required("markers", markers, "simulation", simulation, GIVEN)
        markers = MARKERS if markers is None else check.as_positive_int(markers, "markers")
        measured, every = None, None
        if simulation is not None:
            run = check.as_instance(simulation, "simulation", Simulation)
            n_agents = int(self._n(run.n_agents if n_agents is None else n_agents))
            same("simulation", run.fingerprint, self.fingerprint, SYSTEM)
            mu = run.mu
            spread = mu.std(axis=0, ddof=1) if run.replicas > 1 else None
            measured = (run.times, mu.mean(axis=0), spread)
            every = -(-len(run.steps) // markers)
        n = int(self._n(n_agents))
        return plotting.fluctuations(
            self.times, self.expected(n), self.deviation(n), self.observation_labels, measured=measured,
            marker_every=every, unit=self.time, **style,
        )  # fmt: skip

    def _title(self) -> str:
        agents = "" if self.n_agents is None else f"N = {self.n_agents:,} agents"
        return ", ".join(part for part in (super()._title(), agents) if part)

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "game", self.game
        yield "N", "any" if self.n_agents is None else self.n_agents
        yield "schedule", self.schedule
        yield "S", self.mu.shape[1]
        yield "T", self.horizon
        at_end = float(self.constant[-1])
        yield "error at T", f"{at_end:.4g} / sqrt(N)"
        yield "jacobian", self.jacobian

    def _axes(self) -> appearance.Coordinates:
        axes: appearance.Coordinates = {"step": ("step", self.steps), "time": ("step", self.times)}
        names = np.array(self.observation_labels)
        return axes | {"observation": ("observation", names), "next_observation": ("next_observation", names)}

    def _variances(self) -> FloatArray:
        """Sigma(x, x), (J+1, S), clipped at 0 because rounding can make a zero variance negative."""
        return np.maximum(np.diagonal(self.covariance, axis1=1, axis2=2), 0.0)

    def _n(self, n_agents: int | None, name: str = "n_agents") -> float:
        if n_agents is None:
            if self.n_agents is None:
                raise ValueError(f"{name} is None; the prediction is for any N, so it must be given")
            return float(self.n_agents)
        n_agents = check.as_positive_int(n_agents, name)
        if self.n_agents is not None and n_agents != self.n_agents:
            raise ValueError(f"{name} is {n_agents}; the prediction was made for N = {self.n_agents}")
        return float(n_agents)


@fits_memory(f"record_every must be larger, or {SMALLER_GAME}", asks=True)
def fluctuations(
    game: Game,
    policy: PolicyLike,
    schedule: Schedule,
    n_agents: int | None = None,
    *,
    start: Start = "rounded",
    record_every: int = 1,
    jacobian: Jacobian = "auto",
    times: FloatsLike | None = None,
) -> Fluctuations:
    """Predict the deviation of N agents from their mean-field flow: covariance, bias, error (Theory, section 6).

    Parameters
    ----------
    game : Game
    policy : TabularPolicy, SoftmaxPolicy, Solution, (S, A) or (L, S, A) floats, or callable f(mu, t) -> (S, A)
        May depend on the population; its derivative in mu then enters the Jacobian.
    schedule : Schedule
        Which agents act. Batches drawn without replacement and Bernoulli activation have different covariances.
    n_agents : int or None, optional
        N; required for Sequential and Batch. None (Synchronous, Fraction, Bernoulli): a prediction for any N.
    start : {"rounded", "sampled"}, optional
        As in simulate. "rounded": Sigma_0 = 0, and the bias starts at the rounding, counts - N mu_0 (0 without
        n_agents). "sampled": every agent is drawn from mu_0, so Sigma_0 = diag mu_0 - mu_0 mu_0'.
    record_every : int, optional
        Steps between recorded times; the last interval may be shorter. J = ceil(T / record_every).
    jacobian : {"auto", "exact", "differences"}, optional
        "exact": needs a kernel that does not depend on mu or t, or a game that gives its derivatives (games.affine,
        games built from it, queueing), and a TabularPolicy or SoftmaxPolicy. "differences": finite differences of
        Phi_t, step 1/4096 in units of mu, inside the simplex; the relative error is near 1e-7 if the game is smooth on
        the scale of 1. "auto" (default): exact if possible.
    times : float, (J+1,) floats or None, optional
        Only with Poisson clocks: the times at which to record, as in mean_field.

    Returns
    -------
    Fluctuations

    Raises
    ------
    TypeError, ValueError
        An argument is bad; n_agents is missing; jacobian="exact" is not available; a row of the game or policy is not a
        distribution; the covariance overflows.

    Notes
    -----
    Sigma_{t+1} = J Sigma_t J' + Q_t, m_{t+1} = J m_t + 1/2 H : Sigma_t, with the noise Q_t of the step, the Jacobian J
    and the second derivative H of Phi_t at mu_t. If transitions are declared constant (arrays, for instance) and the
    policy does not depend on mu, mean and covariance at n_agents are exact. Otherwise this is a system-size expansion,
    valid for large N if Phi_t is twice differentiable along the flow. If Phi_t has a kink at mu_t (as games.routing has
    at travel times of a whole number of steps), the mean of mu-hat - mu is of order 1 / sqrt(N), and the bias from
    differences has no meaning; if Phi_t jumps, neither bias nor covariance has. Observations that hold less than 1e-9
    of the population are moved, but the effect of their share on rows of the game is left out.
    With Poisson clocks Sigma and m solve the equations of linear noise (Theory, section 12) to a relative tolerance of
    1e-11. "exact" then needs rates affine in mu; "differences" are of order 5, step 1/64, for J, and 4 for H.
    Cost: O(T S (S^2 + S A K)) time, O(J S^2) memory.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0)
    >>> found = tmf.analysis.fluctuations(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous(), 1000)
    >>> found.jacobian
    'exact'
    >>> print(f"{found.error()[-1]:.3f}")
    0.044
    """
    if isinstance(schedule, Poisson):
        refuse_steps(record_every)
        return _of_clocks(game, policy, schedule, n_agents, start, jacobian, times)
    refuse_times(times)
    game = in_steps(game, schedule, n_agents)
    kernel = as_policy(policy, game)
    n_agents = None if n_agents is None else check.as_positive_int(n_agents, "n_agents")
    active = active_fractions(game, schedule, n_agents, smooth=True)
    start = check.as_choice(start, "start", Start)
    record_every = min(check.as_positive_int(record_every, "record_every"), game.n_steps)
    jacobian = check.as_choice(jacobian, "jacobian", Jacobian)
    moves = not (game.model.constant_transition or game.model.differentiable)
    known = not moves and kernel.differentiable and not (isinstance(active, ActingShares) and active.depends_on_mu)
    if jacobian == "exact" and not known:
        what = "policy is a callable" if not kernel.differentiable else "schedule is a function of mu"
        what = "transitions depend on mu or t" if moves else what
        raise ValueError(f"jacobian is 'exact', but the {what}; must be 'auto' or 'differences'")
    exact = known and jacobian != "differences"

    n_obs = game.n_observations
    needs.ask(fluctuation_needs(game.model, -(-game.n_steps // record_every)))
    steps = appearance.recorded_steps(game.n_steps, record_every)
    mu, bias = np.zeros((2, len(steps), n_obs))
    covariance = np.zeros((len(steps), n_obs, n_obs))
    mu[0] = game.initial
    covariance[0], bias[0] = _at_start(game.initial, n_agents, start)
    ratio = 1.0 if n_agents is None or n_agents == 1 else n_agents / (n_agents - 1)
    share = 0.0 if n_agents is None else 1.0 / n_agents
    _fluctuations.run(
        game.model, kernel, active, ratio, isinstance(schedule, Bernoulli), share, exact, record_every, game.n_steps,
        mu, covariance, bias,
    )  # fmt: skip
    return Fluctuations(
        mu=mu, covariance=covariance, bias=bias, steps=steps, n_agents=n_agents, horizon=game.n_steps,
        jacobian="exact" if exact else "differences", start=start, schedule=schedule.label, game=game.name,
        observation_labels=game.observation_labels, step=game.dt, time=game.unit,
        fingerprint=Fingerprint.of(game, schedule, n_agents, policy=kernel, start=start),
    )  # fmt: skip


def _at_start(initial: FloatArray, n_agents: int | None, start: Start) -> tuple[FloatArray, FloatArray]:
    """Sigma_0 (S, S) and m_0 (S,)."""
    nothing = np.zeros((len(initial), len(initial)))
    if start == "sampled":
        return np.diag(initial) - np.outer(initial, initial), nothing[0]
    return nothing, nothing[0] if n_agents is None else rounded_counts(initial, n_agents) - n_agents * initial


def _of_clocks(
    game: Game, policy: PolicyLike, schedule: Poisson, n_agents: int | None, start: Start, jacobian: Jacobian,
    times: FloatsLike | None,
) -> Fluctuations:  # fmt: skip
    """`fluctuations` under Poisson clocks."""
    clocks, stages = Continuous.of(game, schedule), Stages.of(policy, game)
    n_agents = None if n_agents is None else check.as_positive_int(n_agents, "n_agents")
    start = check.as_choice(start, "start", Start)
    exact = is_exact(clocks, stages)
    if check.as_choice(jacobian, "jacobian", Jacobian) == "exact" and not exact:
        raise ValueError("jacobian is 'exact', but the rates are not affine in mu; must be 'auto' or 'differences'")
    exact = exact and jacobian != "differences"
    grid, share = record_times(times, game.horizon), 0.0 if n_agents is None else 1 / n_agents
    needs.ask(fluctuation_needs(clocks.model, len(grid) - 1))
    first = _at_start(game.initial, n_agents, start)
    mu, covariance, bias = linear_noise(clocks, stages, grid, *first, exact, share)
    return Fluctuations(
        mu=mu, covariance=covariance, bias=bias, steps=np.arange(len(grid)), n_agents=n_agents, horizon=len(grid) - 1,
        jacobian="exact" if exact else "differences", start=start, schedule=schedule.label, game=game.name,
        observation_labels=game.observation_labels, step=game.horizon / (len(grid) - 1), time=game.time,
        record_times=grid, fingerprint=Fingerprint.of(game, schedule, n_agents, policy=stages.kernel, start=start),
    )  # fmt: skip
