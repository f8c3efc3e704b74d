"""Arguments of `fit`, and what a Fit is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory
from tmfcore._base.types import FloatsLike
from tmfcore._model.fingerprint import same
from tmfcore._population.simulation import Simulation, Trajectories
from tmfcore.analysis.fit._by_agents import AgentLog
from tmfcore.analysis.fit._by_counts import CountLog
from tmfcore.analysis.fit._regression import on_simplex
from tmfcore.analysis.fit._result import Fit, game_of

Kind: TypeAlias = Literal["constant", "affine"]
Passive: TypeAlias = Literal["fit", "stay"]


@fits_memory("n_observations and n_actions must be smaller")
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
    """The game that logged play was a play of, estimated.

    Parameters
    ----------
    data : Trajectories, Simulation, (observations, actions, rewards), or a sequence of one of them
        Individuals: arrays (N, T) as in Trajectories, action -1 where an agent did not act; a Simulation with
        trajectories is taken as those. Otherwise counts: Simulations with decisions and record_every=1, whose replicas
        are pooled.
    n_observations, n_actions : int, optional
        S and A; needed where the data is trajectories, and known otherwise.
    kind : {"constant", "affine"}, optional
        What does not depend on mu, or rewards and rows affine in mu: r(o, a, mu) = sum_y C[o, a, y] mu(y). The latter
        needs individuals: totals tell a game only up to what cancels between observations.
    passive : {"fit", "stay"}, optional
        Whether who does not act is estimated too, or known to stay where it is for nothing; data in which somebody
        does not is refused.
    prior : float, optional
        >= 0, the smoothing: this many observations of a uniform row (for the passive: of staying), and of the mean
        reward, are added to each (o, a). In affine games it pulls as much towards what does not depend on mu.
    mu : (T, S) floats or a sequence of them, optional
        The population during each trajectory, where only some agents were logged. None: that of the agents logged.
    horizon : int, optional
        T of the game. None: the length of the data.
    discount : float, optional
        gamma of the game. None: the Simulation's; needed otherwise.
    initial : (S,) floats, optional
        mu_0 of the game. None: the mean of the data's.
    name : str, optional

    Returns
    -------
    Fit

    Raises
    ------
    TypeError, ValueError
        Values of the wrong kind, shape or range; observations or actions outside S and A; no data; Simulations of games
        that differ in more than horizon, discount and start; passive="stay" of agents that move, or are paid, when they
        do not act.

    Notes
    -----
    Individuals: smoothed frequencies and means; in affine games, for each (o, a), the ridge regression of rewards and
    of who went where on mu_t, towards them. Counts: the same regressions of c_{t+1} and of the mean reward on who did
    what, of all (o, a) together, since nobody is seen to move. They are slower to learn from, and of batches of one
    size they cannot tell what all who act earn from what all who do not: let the number vary, or say passive="stay".

    Rows of a regression are projected on the simplex, at each corner in affine games. Standard errors are those before
    that, and of counts robust to unequal variances (HC1). `Fit.interval` gives confidence intervals.
    With F = 1 feature, or S where affine, the time is
    O(N T + T S A F^2 + S A F^3) of individuals, O(R T P^2 + P^3) of counts, P = S (A + 1).

    Examples
    --------
    >>> import tmfcore as tmf
    >>> true = tmf.games.left_right(horizon=4, step=1)
    >>> logs = [tmf.simulate(true, tmf.TabularPolicy([[p, 1 - p]] * 3), tmf.Fraction(0.5), 1000,
    ...                      trajectories=True, rng=1) for p in (0.2, 0.5, 0.8)]
    >>> found = tmf.fit(logs, n_observations=3, n_actions=2, kind="affine", prior=0.01)
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
            raise TypeError("discount is None; must be given: the data does not tell one")
        (discount,) = discounts
    logged = [run.trajectories if isinstance(run, Simulation) else run for run in runs]
    if all(log is None for log in logged):
        if mu is not None:
            raise ValueError("mu is given with counts, which have their own; must be None")
        if affine_in_mu:
            raise ValueError(
                "kind is 'affine' and the data counts; must be trajectories: totals do not tell r(o, a, mu) from "
                "r(o, a, mu) + sum_y K(o, y) mu(y) with K(o, y) = -K(y, o), since sum_o mu(o) K(o, y) mu(y) is 0"
            )
        evidence: AgentLog | CountLog = CountLog(runs, stays)
        for value, what, have in (
            (n_observations, "n_observations", evidence.n_observations),
            (n_actions, "n_actions", evidence.n_actions),
        ):
            if value is not None and check.as_positive_int(value, what) != have:
                raise ValueError(f"{what} is {value}; the data has {have}")
    elif n_observations is None or n_actions is None:
        raise TypeError("n_observations and n_actions are None; must be given, since trajectories do not tell them")
    else:
        evidence = AgentLog(
            logged,
            mu,
            check.as_positive_int(n_observations, "n_observations"),
            check.as_positive_int(n_actions, "n_actions"),
            stays,
        )
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
    """The runs of `data`, all logged by individuals or none."""
    single = isinstance(data, (Trajectories, Simulation)) or (
        isinstance(data, tuple)
        and len(data) == 3
        and all(check.is_array(part) and not isinstance(part, tuple) for part in data)  # three runs are tuples each
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


LEAST_PRIOR = 1e-100  # below, what it smooths is no number
_KINDS_OF_DATA = "Trajectories, a Simulation or (observations, actions, rewards)"
