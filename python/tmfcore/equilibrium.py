"""Who would deviate: best responses to a flow and the exploitability of a policy (theory.md section 4)."""

from __future__ import annotations

import numpy as np

from tmfcore import _flow
from tmfcore import _validation as check
from tmfcore._evaluator import keep_kernels
from tmfcore._fingerprint import LIMIT, Fingerprint, same
from tmfcore._functions import SMALLER_GAME, fits_memory
from tmfcore._validation import FloatArray
from tmfcore.game import Game
from tmfcore.meanfield import Flow, active_fractions, evaluate, full_flow, is_always, mean_field, refuse_overflow
from tmfcore.policy import TabularPolicy, as_policy
from tmfcore.schedule import Schedule

__all__ = ["best_response", "exploitability"]


@fits_memory(SMALLER_GAME)
def best_response(
    game: Game, flow: Flow, schedule: Schedule, n_agents: int | None = None, *, clock: str = "schedule"
) -> tuple[TabularPolicy, FloatArray]:
    """A policy that maximises every agent's value along `flow`, and its values.

    Parameters
    ----------
    game : Game
    flow : Flow
        Of the same game under the same active fractions, recorded at every step.
    schedule : Schedule
    n_agents : int or None, optional
        Turns batch sizes into fractions, as in mean_field.
    clock : {"schedule", "always"}, optional
        Whether the responding agent acts as the schedule says (default) or at every step.

    Returns
    -------
    policy : TabularPolicy
        Deterministic, one stage a step (L = T); among equally good actions the lowest.
    values : (T+1, S) float64
        V^BR_t(o).

    Raises
    ------
    TypeError, ValueError
        Bad arguments; a flow of another game or other active fractions, or not recorded at every step.

    Notes
    -----
    Cost: O(T S A K) time, O(T S A) memory.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), 1.0)
    >>> flow = tmf.mean_field(game, tmf.TabularPolicy.uniform(game), tmf.Fraction(0.1))
    >>> policy, values = tmf.best_response(game, flow, tmf.Fraction(0.1))
    >>> print(f"{game.initial @ values[0]:.2f}")
    5.73
    """
    check.as_instance(game, "game", Game)
    active = active_fractions(game, schedule, n_agents)
    always = is_always(clock)
    mu = full_flow(flow, game)
    same("flow", flow.fingerprint, Fingerprint.of(game, schedule, n_agents), LIMIT)
    values = np.empty((game.horizon + 1, game.n_observations))
    greedy = np.empty((game.horizon, game.n_observations), dtype=np.int64)
    _flow.backward(game.model, None, mu, active, game.discount, always, values, None, greedy)
    refuse_overflow(values)
    probabilities = np.zeros((game.horizon, game.n_observations, game.n_actions))
    np.put_along_axis(probabilities, greedy[..., np.newaxis], 1.0, axis=-1)
    return TabularPolicy(probabilities, horizon=game.horizon), values


@fits_memory(SMALLER_GAME)
def exploitability(
    game: Game,
    policy: object,
    schedule: Schedule,
    n_agents: int | None = None,
    *,
    clock: str = "schedule",
    pointwise: bool = False,
) -> float:
    """How much an agent would gain by leaving `policy` while everybody else follows it.

    Parameters
    ----------
    game : Game
    policy : TabularPolicy, SoftmaxPolicy, Solution, (S, A) or (L, S, A) floats, or callable f(mu, t) -> (S, A)
    schedule : Schedule
    n_agents : int or None, optional
        Turns batch sizes into fractions, as in mean_field.
    clock : {"schedule", "always"}, optional
        Whether the deviating agent acts as the schedule says (default) or at every step.
    pointwise : bool, optional
        False (default): sum_o mu_0(o) [V^BR_0(o) - V^pi_0(o)], averaged over the initial population.
        True: max over t and o of V^BR_t(o) - V^pi_t(o), also where nobody is.

    Returns
    -------
    float
        >= 0 up to rounding, in units of return; 0 exactly at an equilibrium.

    Raises
    ------
    TypeError, ValueError
        Bad arguments, n_agents missing, a row of the game or policy that is no distribution.

    Notes
    -----
    Along the policy's own mean-field flow. Cost: O(T S A K) time, O(T S) memory; kernels given as functions of mu
    are called once a step, and kept up to 64 MB.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), 1.0)
    >>> print(f"{tmf.exploitability(game, tmf.TabularPolicy.uniform(game), tmf.Fraction(0.1)):.2f}")
    1.22
    """
    check.as_instance(game, "game", Game)
    kernel = as_policy(policy, game)
    active = active_fractions(game, schedule, n_agents)
    always = is_always(clock)
    pointwise = check.as_bool(pointwise, "pointwise")
    mu = np.empty((game.horizon + 1, game.n_observations))
    kept = keep_kernels(game.model, game.horizon)
    _flow.forward(game.model, kernel, game.initial, active, game.horizon, 1, mu, kept)
    average, largest, _ = _flow.gaps(game.model, kernel, mu, active, game.discount, always, kept)
    if not np.isfinite([average, largest]).all():
        evaluate(game, policy, schedule, n_agents, clock=clock)  # which names the step
        best_response(game, mean_field(game, policy, schedule, n_agents), schedule, n_agents, clock=clock)
        raise ValueError(f"the difference of two values is {largest}; must be finite: the rewards are too large")
    return float(largest if pointwise else average)
