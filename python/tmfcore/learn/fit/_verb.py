"""`fit`: checks its arguments, runs the regressions, and assembles a Fit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import numpy as np

from tmfcore._base import needs
from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory
from tmfcore._base.types import FloatsLike
from tmfcore._model.fingerprint import same
from tmfcore._population.simulation import Simulation, Trajectories
from tmfcore.learn.fit._by_agents import AgentLog
from tmfcore.learn.fit._by_counts import CountLog
from tmfcore.learn.fit._regression import on_simplex
from tmfcore.learn.fit._result import Fit, game_of

Kind: TypeAlias = Literal["constant", "affine"]
Passive: TypeAlias = Literal["fit", "stay"]


@fits_memory("data must have fewer agents, steps or replicas, or n_observations and n_actions be smaller", asks=True)
def fit(
    data: object,
    *,
    n_observations: int | None = None,
    n_actions: int | None = None,
    kind: Kind = "constant",
    passive: Passive = "fit",
    prior: float = 1.0,
    mu: FloatsLike | Sequence[FloatsLike] | None = None,
    horizon: int | None = None,
    discount: float | None = None,
    initial: FloatsLike | None = None,
    name: str = "fitted",
) -> Fit:
    """Estimate a game from logged play: rewards and transitions, with confidence intervals.

    Parameters
    ----------
    data : Trajectories, Simulation, (observations, actions, rewards), or a sequence of one of them
        Individuals: arrays (N, T) as in Trajectories of every step (record_every=1), with action -1 if an agent did not
        act; a Simulation with trajectories counts as individuals. Otherwise counts: Simulations with decisions and
        record_every=1, whose replicas are pooled.
    n_observations, n_actions : int, optional
        S and A; required for trajectories, and otherwise known from the data.
    kind : {"constant", "affine"}, optional
        "constant": rewards and rows that do not depend on mu. "affine": rewards and rows affine in mu,
        r(o, a, mu) = sum_y C[o, a, y] mu(y); needs individuals, since totals do not identify such a game.
    passive : {"fit", "stay"}, optional
        "fit": estimate the rewards and rows of agents that do not act, too. "stay": such agents stay where they are,
        with reward 0; data that contradicts this is refused.
    prior : float, optional
        >= 0, the smoothing: this many observations of a uniform row (for passive agents: of staying), and of the mean
        reward, are added to each (o, a). In affine games it pulls with the same weight towards the constant estimates.
    mu : (T, S) floats or a sequence of them, optional
        The population during each trajectory, if only some agents were logged. None: that of the logged agents.
    horizon : int, optional
        T of the game. None: the length of the data.
    discount : float, optional
        gamma of the game. None: that of the Simulations; required otherwise.
    initial : (S,) floats, optional
        mu_0 of the game. None: the mean over the runs.
    name : str, optional
        Name of the game.

    Returns
    -------
    Fit

    Raises
    ------
    TypeError, ValueError
        A value has the wrong type, shape or range; there is no data; Simulations are of games that differ in more than
        horizon, discount and start; passive="stay" but agents move, or have rewards, when they do not act.

    Notes
    -----
    From individuals: smoothed frequencies and means; in affine games, for each (o, a), ridge regressions of rewards and
    of next observations on mu_t, shrunk towards these. From counts: one regression of c_{t+1} and of the mean reward on
    the decisions of all (o, a), since the moves of single agents are not known. Counts need more data. If all batches
    have the same size, counts cannot separate the mean reward of active agents from that of passive ones: vary the
    batch size, or use passive="stay".

    Estimated rows are projected on the simplex, at each corner in affine games. Standard errors are computed before the
    projection; from counts they are robust to unequal variances (HC1). `Fit.interval` gives confidence intervals. With
    F = 1 feature, or F = S if affine, the time is O(N T + T S A F^2 + S A F^3) from individuals, O(R T P^2 + P^3) from
    counts, P = S (A + 1).

    Examples
    --------
    >>> import tmfcore as tmf
    >>> true = tmf.games.left_right(horizon=4, step=1)
    >>> logs = [tmf.simulate(true, tmf.TabularPolicy([[p, 1 - p]] * 3), tmf.Fraction(0.5), 1000,
    ...                      trajectories=True, rng=1) for p in (0.2, 0.5, 0.8)]
    >>> found = tmf.learn.fit(logs, n_observations=3, n_actions=2, kind="affine", prior=0.01)
    >>> found.transition[0, 1].argmax(axis=0)          # from 0, action 1 leads to 2, whatever mu
    array([2, 2, 2])
    >>> solution = tmf.solve(found.game, tmf.Synchronous())
    >>> tmf.exploitability(true, solution.policy, tmf.Synchronous()) < 0.01
    True
    """
    affine_in_mu = check.as_choice(kind, "kind", Kind) == "affine"
    stays = check.as_choice(passive, "passive", Passive) == "stay"
    strength = check.as_float(prior, "prior", low=0.0)
    if 0 < strength < LEAST_PRIOR:
        raise ValueError(f"prior is {strength}; must be 0 or at least {LEAST_PRIOR}")
    runs = _runs(data)
    simulated = [run for run in runs if isinstance(run, Simulation)]
    for i, run in enumerate(simulated[1:], 1):
        same(f"data[{i}]", run.fingerprint, simulated[0].fingerprint, ("dynamics",))
    discounts = {run.discount for run in simulated}
    if discount is None:
        if len(discounts) != 1:
            raise TypeError("discount is None; must be given: the data has no single discount")
        (discount,) = discounts
    logged = [run.trajectories if isinstance(run, Simulation) else run for run in runs]
    if all(log is None for log in logged):
        if mu is not None:
            raise ValueError("mu is given, but the data is counts, which contain mu; must be None")
        if affine_in_mu:
            raise ValueError(
                "kind is 'affine', but the data is counts; must be trajectories: totals do not separate r(o, a, mu) "
                "from r(o, a, mu) + sum_y K(o, y) mu(y) with K(o, y) = -K(y, o), for which the sum of mu K mu is 0"
            )
        needs.ask(_needs_of_counts(runs))
        evidence: AgentLog | CountLog = CountLog(runs, stays)
        for value, what, have in (
            (n_observations, "n_observations", evidence.n_observations),
            (n_actions, "n_actions", evidence.n_actions),
        ):
            if value is not None and check.as_positive_int(value, what) != have:
                raise ValueError(f"{what} is {value}; must be {have}, as in the data")
    elif n_observations is None or n_actions is None:
        raise TypeError("n_observations and n_actions are None; must both be given with trajectories")
    else:
        n_observations = check.as_positive_int(n_observations, "n_observations")
        n_actions = check.as_positive_int(n_actions, "n_actions")
        needs.ask(_needs_of_agents(logged, n_observations, n_actions, affine_in_mu))
        evidence = AgentLog(logged, mu, n_observations, n_actions, stays)
    n_obs, n_act = evidence.n_observations, evidence.n_actions

    rows = np.full((n_obs, n_act + 1, n_obs), 1.0 / n_obs)
    rows[:, n_act] = np.eye(n_obs)
    rewards = np.full((n_obs, n_act + 1), evidence.mean_reward)
    rewards[:, n_act] = 0.0
    base = np.concatenate([rows, rewards[..., np.newaxis]], axis=-1).reshape(1, -1, n_obs + 1)
    found = evidence.regress(False, base, strength)
    if affine_in_mu:
        found = evidence.regress(True, np.repeat(found.smoothed, n_obs, axis=0), strength)
    estimate, error = found.smoothed.copy(), found.error.copy()
    estimate[..., :n_obs] = on_simplex(estimate[..., :n_obs])
    # (F, cells, S + 1) -> (S, A + 1, S + 1) or (S, A + 1, S + 1, F), the corners last
    shape = (n_obs, n_act + 1, n_obs + 1, len(estimate))
    tables, errors = (np.ascontiguousarray(np.moveaxis(x, 0, -1).reshape(shape)) for x in (estimate, error))
    if not affine_in_mu:
        tables, errors = tables[..., 0], errors[..., 0]
    if stays:
        tables[:, n_act] = errors[:, n_act] = 0.0
        o = np.arange(n_obs)
        tables[o, n_act, o] = 1.0
    told = {
        "reward": tables[:, :n_act, n_obs], "transition": tables[:, :n_act, :n_obs],
        "passive_reward": tables[:, n_act, n_obs], "passive_transition": tables[:, n_act, :n_obs],
    }  # fmt: skip
    return Fit(
        game=game_of(
            affine_in_mu, **told, horizon=evidence.horizon if horizon is None else horizon, discount=discount,
            initial=evidence.initial if initial is None else initial, name=name,
        ),
        kind=kind,
        visits=evidence.visits[:, :n_act],
        passive_visits=evidence.visits[:, n_act],
        **told,
        reward_se=errors[:, :n_act, n_obs],
        transition_se=errors[:, :n_act, :n_obs],
        passive_reward_se=errors[:, n_act, n_obs],
        passive_transition_se=errors[:, n_act, :n_obs],
        regression=found,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------- what is given


def _runs(data: object) -> list[Trajectories | Simulation]:
    """The runs in `data`; all must be logs of individuals, or all counts."""
    single = isinstance(data, (Trajectories, Simulation)) or (
        isinstance(data, tuple)
        and len(data) == 3
        and all(check.is_array(part) and not isinstance(part, tuple) for part in data)  # not a sequence of three runs
    )
    several = isinstance(data, (list, tuple)) or (
        isinstance(data, Iterable) and not check.is_array(data) and not hasattr(data, "ndim")
    )
    if not single and not several:
        raise TypeError(f"data is {type(data).__name__}; must be {_KINDS_OF_DATA}, or a sequence of one of them")
    runs: list[Trajectories | Simulation] = []
    given: Iterable[object] = [data] if single else data  # type: ignore[assignment]
    for i, run in enumerate(given):
        if isinstance(run, (Trajectories, Simulation)):
            runs.append(run)
        elif isinstance(run, tuple) and len(run) == 3:
            runs.append(Trajectories(*run))
        else:
            raise TypeError(f"data[{i}] is {type(run).__name__}; must be {_KINDS_OF_DATA}")
    if not runs:
        raise ValueError("data is empty; must hold at least one run")
    by_counts = [isinstance(run, Simulation) and run.trajectories is None for run in runs]
    if any(by_counts) and not all(by_counts):
        raise TypeError("data mixes trajectories and counts; must be runs of one kind")
    return runs


def _needs_of_agents(
    logged: Sequence[Trajectories | None], n_observations: int, n_actions: int, affine_in_mu: bool
) -> dict[str, tuple[int, ...]]:
    """Copies of the logs, what is summed at each step, and the regressions."""
    n_entries, n_steps = 0, 0
    for log in logged:
        shape = np.shape(log.observations) if log is not None and hasattr(log.observations, "shape") else ()
        if len(shape) == 2:  # else it is a list, or will be refused
            n_entries += shape[0] * shape[1]
            n_steps += shape[1]
    n_cells, n_features = n_observations * (n_actions + 1), n_observations if affine_in_mu else 1
    return {
        "logs": (50, n_entries),
        "visits by step": (40, n_steps, n_cells),
        "regressions": (72, n_features, n_cells, n_observations + 1),
        "sums of squares": (56, n_cells, n_features, n_features),
    }


def _needs_of_counts(runs: Sequence[Trajectories | Simulation]) -> dict[str, tuple[int, ...]]:
    n_rows, n_obs, n_cells = 0, 0, 0
    for run in runs:
        if isinstance(run, Simulation) and run.decisions is not None:
            replicas, n_steps, n_obs, n_actions = run.decisions.shape
            n_rows, n_cells = n_rows + replicas * n_steps, n_obs * (n_actions + 1)
    return {
        "decisions of all steps": (32, n_rows, n_cells),
        "counts of all steps": (40, n_rows, n_obs + 1),
        "regression": (56, n_cells, n_cells),
    }


LEAST_PRIOR = 1e-100  # with a smaller prior, smoothed estimates would not be finite
_KINDS_OF_DATA = "Trajectories, a Simulation or (observations, actions, rewards)"
