"""The limit of infinitely many agents: flows of the population (Theory, section 2) and values (section 3)."""

from __future__ import annotations

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.functions import SMALLER_GAME, fits_memory, takes_rng
from tmfcore._base.types import Clock, FloatsLike
from tmfcore._base.validation import FloatArray
from tmfcore._limit import flow as flow_kernel
from tmfcore._limit import ode
from tmfcore._limit.checks import active_fractions, full_flow, is_always, refuse_overflow
from tmfcore._limit.evaluation import Evaluation, types_of
from tmfcore._limit.flows import Flow, flow_of
from tmfcore._limit.pricing import asked_others, checked_altruism, extra_of, extra_of_others
from tmfcore._limit.sizes import flow_needs, is_small, value_needs
from tmfcore._model import appearance as _appearance
from tmfcore._model.activation import ActingShares
from tmfcore._model.continuous import Continuous, Stages, record_times, refuse_steps, refuse_times
from tmfcore._model.evaluator import Kept, keep_kernels
from tmfcore._model.fingerprint import LIMIT, Fingerprint, same
from tmfcore._model.game import Game, in_steps
from tmfcore._model.legal import blank
from tmfcore._model.noise_paths import refuse_paths
from tmfcore._model.poisson import Poisson
from tmfcore._model.policies import PolicyLike, as_policy
from tmfcore._model.policy import Policy
from tmfcore._model.schedules import Active, Schedule
from tmfcore._random import seeding

__all__ = ["evaluate", "mean_field"]


@takes_rng
@fits_memory(f"record_every must be larger, or {SMALLER_GAME}", asks=True)
def mean_field(
    game: Game, policy: PolicyLike, schedule: Schedule, n_agents: int | None = None, *, record_every: int = 1,
    times: FloatsLike | None = None, paths: int | None = None, rng: seeding.RNG = None, threads: int | None = None,
) -> Flow:  # fmt: skip
    """The mean-field flow mu_{t+1} = Phi_t(mu_t) from game.initial (Theory, section 2).

    If the noise is random, there is one flow for each path (Theory, section 13).

    Parameters
    ----------
    game : Game
    policy : TabularPolicy, SoftmaxPolicy, Solution, (S, A) or (L, S, A) floats, or callable f(mu, t) -> (S, A)
    schedule : Schedule
    n_agents : int or None, optional
        N, to convert batch sizes to fractions beta = B / N; not needed by Synchronous, Fraction and Bernoulli. The
        flow is the limit N -> infinity with these fractions: it has no noise, and is not the expectation for N agents.
    record_every : int, optional
        Steps between recorded distributions; the last interval may be shorter. J = ceil(T / record_every).
    times : float, (J+1,) floats or None, optional
        Only with Poisson clocks: the times at which to record, from 0 to the horizon. A number: its multiples, and the
        horizon. None: 0, 1, 2, ... and the horizon.
    paths : int or None, optional
        R, only if the noise is random: the number of paths to draw. None: all paths of the chain, exactly, if there are
        at most 4,096. The first paths do not depend on their number.
    rng : int, Generator, SeedSequence or None, optional
        Seed of the paths; the same ones for the same seed.
    threads : int or None, optional
        Only if the noise is random: most threads to use over paths. None: 1, since the functions of such a game are
        Python's. Results do not depend on it.

    Returns
    -------
    Flow

    Raises
    ------
    TypeError, ValueError
        Bad arguments, n_agents missing, a row of the game or policy that is not a distribution.

    Notes
    -----
    Cost: O(T S A K) time, O(J S) memory. With Poisson clocks the flow solves an ordinary differential equation, by
    extrapolation to 1e-13 or, at more than 25 times for each stage of the policy, by scipy's DOP853 to 1e-11.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0)
    >>> flow = tmf.mean_field(game, tmf.TabularPolicy.uniform(game), tmf.Fraction(0.1))
    >>> print(flow.mu[-1].round(2))
    [0.25 0.25 0.25 0.25]
    """
    if isinstance(schedule, Poisson):
        refuse_paths(paths=paths, rng=rng, threads=threads)
        refuse_steps(record_every)
        clocks, stages = Continuous.of(game, schedule), Stages.of(policy, game)
        return _flow_of_clocks(clocks, stages, schedule, n_agents, record_times(times, game.horizon))[0]
    refuse_times(times)
    game = in_steps(game, schedule, n_agents, random=True)
    if game._first is not None:
        from tmfcore._limit.over_paths import mean_flow  # at first use only

        return mean_flow(game, policy, schedule, n_agents, record_every, paths, rng, threads)
    refuse_paths(paths=paths, rng=rng, threads=threads)
    kernel = as_policy(policy, game)
    active = active_fractions(game, schedule, n_agents)
    record_every = check.as_positive_int(record_every, "record_every")
    if not is_small(game):
        needs.ask(flow_needs(game, active, record_every))
    return _flow_of(game, kernel, active, record_every, None, Fingerprint.of(game, schedule, n_agents))


def _flow_of_clocks(
    clocks: Continuous, stages: Stages, schedule: Poisson, n_agents: int | None, times: FloatArray
) -> tuple[Flow, ode.Path | ode.Knots]:
    """The flow of a policy under Poisson clocks at `times`, and the solution of which it is read."""
    n_agents = None if n_agents is None else check.as_positive_int(n_agents, "n_agents")
    needs.ask(ode.flow_needs(clocks, stages, times))
    mu, actions, path = ode.flow_in_time(clocks, stages, times)
    flow = Flow._made(
        mu=mu, steps=np.arange(len(times)), active_fraction=np.diff(actions), horizon=len(times) - 1,
        game=clocks.game.name, **_appearance.appearance_in_time(clocks.game, times),
        fingerprint=Fingerprint.of(clocks.game, schedule, n_agents),
    )  # fmt: skip
    return flow, path


def _flow_of(
    game: Game, kernel: Policy, active: Active, record_every: int, kept: Kept | None, fingerprint: Fingerprint
) -> Flow:
    """The flow of a policy; the kernels along it are stored in `kept`."""
    horizon = game.n_steps
    steps = _appearance.recorded_steps(horizon, record_every)
    mu = np.empty((len(steps), game.n_observations))
    acted = np.empty(horizon) if isinstance(active, ActingShares) else None
    flow_kernel.forward(game.model, kernel, game.initial, active, horizon, min(record_every, horizon), mu, kept, acted)
    return flow_of(game, mu, steps, active if acted is None else acted, fingerprint)


@takes_rng
@fits_memory(SMALLER_GAME, asks=True)
def evaluate(
    game: Game, policy: PolicyLike, schedule: Schedule, n_agents: int | None = None, *, clock: Clock = "schedule",
    flow: Flow | None = None, altruism: float = 0.0, others: PolicyLike | None = None,
    times: FloatsLike | None = None, paths: int | None = None, rng: seeding.RNG = None, threads: int | None = None,
) -> Evaluation:  # fmt: skip
    """Values of `policy` along a flow, by default its own (Theory, section 3).

    If the noise is random, they are means over paths (Theory, section 13).

    Parameters
    ----------
    game : Game
    policy : TabularPolicy, SoftmaxPolicy, Solution, (S, A) or (L, S, A) floats, or callable f(mu, t) -> (S, A)
    schedule : Schedule
        Sets the flow (unless given) and, for clock="schedule", how often the evaluated agent acts.
    n_agents : int or None, optional
        N, to convert batch sizes to fractions, as in mean_field.
    clock : {"schedule", "always"}, optional
        "schedule" (default): the value of an agent of the population, which acts at step t with probability beta_t.
        "always": the paper's value, of an agent that acts at every step. They are equal under Synchronous().
    flow : Flow or None, optional
        Evaluate the policy along this flow, of the same game and active fractions, recorded at every step, instead of
        its own: the policy then is a deviation from the one that made the flow.
    altruism : float, optional
        In [0, 1]: the weight of what the agent does to the returns of all others (Theory, section 14), which is then
        part of its values. Along the own flow, on the clock "schedule", its mean is 0, so that the mean return stays
        that of agents. 1: V_0(o) is then the derivative of `welfare` in mu_0(o), but for a constant. 0: none.
    others : policy or None, optional
        Only with altruism and `flow`: the policy that all others play, whose flow it is.
    times : float, (J+1,) floats or None, optional
        Only with Poisson clocks: the times of the values, as in mean_field; those of `flow` if it is given.
    paths, rng, threads : optional
        As in mean_field, if the noise is random; with `flow` the paths are those of the flow.

    Returns
    -------
    Evaluation

    Raises
    ------
    TypeError, ValueError
        Bad arguments; a flow of another game or other active fractions, or not recorded at every step.

    Notes
    -----
    Cost: O(T S A K) time, O(T S A) memory. With Poisson clocks values solve an ordinary differential equation (as in
    mean_field) along the flow's own solution or, if `flow` is given, along cubic splines between its times.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0)
    >>> found = tmf.evaluate(game, tmf.TabularPolicy.uniform(game), tmf.Fraction(0.1))
    >>> print(f"{found.mean_return:.2f}")
    5.54
    """
    altruism = checked_altruism(altruism, others)
    if others is not None and flow is None:
        raise ValueError("others is given without flow; must be None: all others play the policy itself")
    if isinstance(schedule, Poisson):
        refuse_paths(paths=paths, rng=rng, threads=threads)
        return _evaluate_clocks(game, policy, schedule, n_agents, clock, flow, times, altruism, others)
    refuse_times(times)
    game = in_steps(game, schedule, n_agents, random=True)
    if game._first is not None:
        from tmfcore._limit.over_paths import evaluated  # at first use only

        return evaluated(
            game, policy, schedule, n_agents, clock, flow, paths, rng, threads, altruism, others
        )
    refuse_paths(paths=paths, rng=rng, threads=threads)
    kernel = as_policy(policy, game)
    active = active_fractions(game, schedule, n_agents)
    always = is_always(clock)
    own = Fingerprint.of(game, schedule, n_agents)
    kept = None
    if not is_small(game):
        needs.ask(flow_needs(game, active, 1 if flow is None else 0) | value_needs(game))
    if flow is None:
        kept = keep_kernels(game.model, game.n_steps)
        flow = _flow_of(game, kernel, active, 1, kept, own)
        mu = flow.mu
        extra = extra_of(altruism, game.model, game.discount, kernel, mu, active, kept)
    else:
        mu = full_flow(flow, game)
        same("flow", flow.fingerprint, own, LIMIT)
        extra = extra_of_others(altruism, others, game, mu, active)
    values = np.empty((game.n_steps + 1, game.n_observations))
    q = np.empty((game.n_steps, game.n_observations, game.n_actions))
    if not flow_kernel.backward(game.model, kernel, mu, active, game.discount, always, values, q, None, kept, extra):
        refuse_overflow(values)
        refuse_overflow(q)
    return Evaluation._made(
        flow=flow, values=values, q=blank(q, game.model), mean_return=float(game.initial @ values[0]), clock=clock,
        types=types_of(game.model), fingerprint=own.on(clock),
    )  # fmt: skip


def _evaluate_clocks(
    game: Game, policy: PolicyLike, schedule: Poisson, n_agents: int | None, clock: Clock, flow: Flow | None,
    times: FloatsLike | None, altruism: float, others: PolicyLike | None,
) -> Evaluation:  # fmt: skip
    """`evaluate` under Poisson clocks."""
    ode.refuse_always(clock)
    clocks, stages = Continuous.of(game, schedule), Stages.of(policy, game)
    own = Fingerprint.of(game, schedule, None if n_agents is None else check.as_positive_int(n_agents, "n_agents"))
    prices = ode.Prices.of(altruism, stages)
    if flow is None:
        flow, path = _flow_of_clocks(clocks, stages, schedule, n_agents, record_times(times, game.horizon))
    else:
        if times is not None:
            raise ValueError(f"times is {say.show(times)} beside flow; must be omitted: they are those of the flow")
        path = path_of(flow, own)
        if altruism > 0:
            prices = ode.Prices(altruism, Stages.of(asked_others(altruism, others), game, "others"))
    values, q = ode.values_in_time(clocks, stages, path, flow.times, prices)
    return Evaluation._made(
        flow=flow, values=values, q=blank(q, clocks.model), mean_return=float(game.initial @ values[0]), clock=clock,
        types=types_of(clocks.model), fingerprint=own.on(clock),
    )  # fmt: skip


def path_of(flow: Flow, own: Fingerprint) -> ode.Path:
    """A flow under Poisson clocks as a function of time."""
    check.as_instance(flow, "flow", Flow)
    if flow.record_times is None:
        raise ValueError("flow is one in steps; must be one under Poisson clocks, as mean_field returns it")
    same("flow", flow.fingerprint, own, LIMIT)
    return ode.path_through(flow.times, flow.mu)
