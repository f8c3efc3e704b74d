"""Games learnt from logged play: rewards and transitions estimated, with their standard errors, and a Game to solve.

    fit(data, ...) -> Fit        from trajectories of individuals, or from the counts of simulations
    Fit.game                     constant or affine in mu; every verb and solver takes it

Play may be asynchronous: who did not act (action -1) teaches the passive rewards and transitions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tmfcore import _validation as check
from tmfcore._validation import FloatArray, IntArray
from tmfcore.game import Game
from tmfcore.games.affine import affine
from tmfcore.simulate import Simulation, Trajectories

__all__ = ["Fit", "fit"]

KINDS = ("constant", "affine")
PASSIVE = ("fit", "stay")


@dataclass(frozen=True, eq=False)
class Fit:
    """An estimated game.

    Parameters
    ----------
    game : Game
        The estimate, ready to simulate and to solve.
    kind : {"constant", "affine"}
    visits : (S, A) int64
        How often an acting agent was seen to do a at o.
    passive_visits : (S,) int64
        How often a passive agent was seen at o.
    reward, reward_se : (S, A) float64, or (S, A, S) of an affine game
        Estimate and standard error; of an affine game the reward at the corners e_y of the simplex, last axis y.
        infinity where there is nothing to tell it by: (o, a) never seen, or never seen to lead anywhere; rewards seen
        no more often than there are numbers to tell; counts of no more steps than there are rows; and, where prior=0,
        corners of which the populations seen say nothing.
    transition, transition_se : (S, A, S) float64, or (S, A, S, S) of an affine game
        The same of P(x | o, a), or of P(x | o, a, e_y).
    passive_reward, passive_reward_se : (S,) float64, or (S, S)
    passive_transition, passive_transition_se : (S, S) float64, or (S, S, S)
        The same of those who do not act; standard errors are 0 with passive="stay".
    """

    game: Game
    kind: str
    visits: IntArray
    passive_visits: IntArray
    reward: FloatArray
    reward_se: FloatArray
    transition: FloatArray
    transition_se: FloatArray
    passive_reward: FloatArray
    passive_reward_se: FloatArray
    passive_transition: FloatArray
    passive_transition_se: FloatArray

    @property
    def unseen(self) -> list[tuple[int, int]]:
        """The (o, a) nobody was seen to do: their rows are the prior's."""
        return [(int(o), int(a)) for o, a in np.argwhere(self.visits == 0)]


def fit(
    data: object,
    *,
    n_observations: int | None = None,
    n_actions: int | None = None,
    kind: str = "constant",
    passive: str = "fit",
    prior: float = 1.0,
    mu: object = None,
    horizon: int | None = None,
    discount: float | None = None,
    initial: object = None,
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
        Whether who does not act is estimated too, or known to stay where it is for nothing.
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
        Values of the wrong kind, shape or range; observations or actions outside S and A; no data.

    Notes
    -----
    Individuals: smoothed frequencies and means; in affine games, for each (o, a), the ridge regression of rewards and
    of who went where on mu_t, towards them. Counts: the same regressions of c_{t+1} and of the mean reward on who did
    what, of all (o, a) together, since nobody is seen to move. They are slower to learn from, and of batches of one
    size they cannot tell what all who act earn from what all who do not: let the number vary, or say passive="stay".

    Rows of a regression are projected on the simplex, at each corner in affine games. Standard errors are those before
    that, and of counts robust to unequal variances. With F = 1 feature, or S where affine, the time is
    O(N T + T S A F^2 + S A F^3) of individuals, O(R T P^2 + P^3) of counts, P = S (A + 1).

    Examples
    --------
    >>> import tmfcore as tmf
    >>> true = tmf.games.left_right(horizon=4)
    >>> logs = [tmf.simulate(true, tmf.TabularPolicy([[p, 1 - p]] * 3), tmf.Fraction(0.5), 1000,
    ...                      trajectories=True, rng=1) for p in (0.2, 0.5, 0.8)]
    >>> found = tmf.fit(logs, n_observations=3, n_actions=2, kind="affine", prior=0.01)
    >>> found.transition[0, 1].argmax(axis=0)          # from 0, action 1 leads to 2, whatever mu
    array([2, 2, 2])
    >>> solution = tmf.solve(found.game, tmf.Synchronous())
    >>> tmf.exploitability(true, solution.policy, tmf.Synchronous()) < 0.01
    True
    """
    affine_in_mu = check.as_choice(kind, "kind", KINDS) == "affine"
    stays = check.as_choice(passive, "passive", PASSIVE) == "stay"
    strength = check.as_float(prior, "prior", low=0.0)
    runs = _runs(data)
    discounts = {run.discount for run in runs if isinstance(run, Simulation)}
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
        evidence: _Individuals | _Counts = _Counts(runs, stays)
        for value, what, have in (
            (n_observations, "n_observations", evidence.n_observations),
            (n_actions, "n_actions", evidence.n_actions),
        ):
            if value is not None and check.as_positive_int(value, what) != have:
                raise ValueError(f"{what} is {value}; the data has {have}")
    elif n_observations is None or n_actions is None:
        raise TypeError("n_observations and n_actions are None; must be given, since trajectories do not tell them")
    else:
        evidence = _Individuals(
            logged,
            mu,
            check.as_positive_int(n_observations, "n_observations"),
            check.as_positive_int(n_actions, "n_actions"),
        )
    n_obs, n_act = evidence.n_observations, evidence.n_actions

    rows = np.full((n_obs, n_act + 1, n_obs), 1.0 / n_obs)
    rows[:, n_act] = np.eye(n_obs)
    rewards = np.full((n_obs, n_act + 1), evidence.mean_reward)
    rewards[:, n_act] = 0.0
    base = np.concatenate([rows, rewards[..., np.newaxis]], axis=-1).reshape(1, -1, n_obs + 1)
    estimate, error = evidence.regress(False, base, strength)
    if affine_in_mu:
        estimate, error = evidence.regress(True, np.repeat(estimate, n_obs, axis=0), strength)
    estimate[..., :n_obs] = _on_simplex(estimate[..., :n_obs])
    error[:, evidence.visits.ravel() == 0] = np.inf
    # (F, cells, S + 1) -> (S, A + 1, S + 1) or (S, A + 1, S + 1, F), the corners last
    shape = (n_obs, n_act + 1, n_obs + 1, len(estimate))
    tables, errors = (np.ascontiguousarray(np.moveaxis(x, 0, -1).reshape(shape)) for x in (estimate, error))
    if not affine_in_mu:
        tables, errors = tables[..., 0], errors[..., 0]
    if stays:
        tables[:, n_act] = errors[:, n_act] = 0.0
        o = np.arange(n_obs)
        tables[o, n_act, o] = 1.0
    return Fit(
        _game(tables, n_act, affine_in_mu, evidence.horizon if horizon is None else horizon, discount,
              evidence.initial if initial is None else initial, name),
        kind,
        evidence.visits[:, :n_act],
        evidence.visits[:, n_act],
        tables[:, :n_act, n_obs],
        errors[:, :n_act, n_obs],
        tables[:, :n_act, :n_obs],
        errors[:, :n_act, :n_obs],
        tables[:, n_act, n_obs],
        errors[:, n_act, n_obs],
        tables[:, n_act, :n_obs],
        errors[:, n_act, :n_obs],
    )  # fmt: skip


def _game(
    tables: FloatArray, n_act: int, affine_in_mu: bool, horizon: object, discount: float, initial: object, name: str
) -> Game:
    """The Game of the estimates (S, A + 1, S + 1[, S])."""
    n_obs = len(tables)
    reward, passive_reward = tables[:, :n_act, n_obs], tables[:, n_act, n_obs]
    transition, passive_transition = tables[:, :n_act, :n_obs], tables[:, n_act, :n_obs]
    if not affine_in_mu:
        return Game(
            n_obs, n_act, check.as_positive_int(horizon, "horizon"), discount, initial, reward, transition,
            passive_reward=passive_reward, passive_transition=passive_transition, name=name,
        )  # fmt: skip
    return affine(
        np.zeros((n_obs, n_act)), reward, np.zeros((n_obs, n_act, n_obs)), transition,
        passive_reward_mu=passive_reward, passive_transition0=np.zeros((n_obs, n_obs)),
        passive_transition_mu=passive_transition, horizon=check.as_positive_int(horizon, "horizon"),
        discount=discount, initial=initial, name=name,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------- what is given


def _runs(data: object) -> list[Trajectories | Simulation]:
    """The runs of `data`, all logged by individuals or none."""
    single = isinstance(data, (Trajectories, Simulation)) or (
        isinstance(data, tuple)
        and len(data) == 3
        and all(check.is_array(part) and not isinstance(part, tuple) for part in data)  # three runs are tuples each
    )
    several = isinstance(data, (list, tuple)) or (isinstance(data, Iterable) and not check.is_array(data))
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


_KINDS_OF_DATA = "Trajectories, a Simulation or (observations, actions, rewards)"


# ------------------------------------------------------------------------------------------------------------ evidence


class _Individuals:
    """Who went where: sums over agents, step by step. The passive are action A; cells are (o, a), flat."""

    def __init__(self, logged: Sequence[Trajectories | None], mu: object, n_observations: int, n_actions: int) -> None:
        self.n_observations, self.n_actions = n_observations, n_actions
        self.logs = []
        for i, log in enumerate(logged):
            assert log is not None
            observations = check.as_int_array(
                log.observations, f"data[{i}].observations", shape=(None, None), letters="N, T", low=0,
                high=n_observations - 1,
            )  # fmt: skip
            shape = observations.shape
            actions = check.as_int_array(
                log.actions, f"data[{i}].actions", shape=shape, letters="N, T", low=-1, high=n_actions - 1
            )
            rewards = check.as_float_array(log.rewards, f"data[{i}].rewards", shape=shape, letters="N, T")
            cells = observations * (n_actions + 1) + np.where(actions < 0, n_actions, actions)
            self.logs.append((observations, cells, rewards))
        self.flows = self._flows(mu)
        self.initial = np.mean([flow[0] for flow in self.flows], axis=0)
        self.horizon = max(log[0].shape[1] for log in self.logs)
        self.mean_reward = float(np.mean(np.concatenate([log[2].ravel() for log in self.logs])))
        n_cells = n_observations * (n_actions + 1)
        visits = sum(np.bincount(log[1].ravel(), minlength=n_cells) for log in self.logs)
        self.visits = np.asarray(visits).reshape(n_observations, n_actions + 1)

    def _flows(self, mu: object) -> list[FloatArray]:
        """The population (T, S) during each log: the caller's, or that of the agents logged."""
        size = self.n_observations
        if mu is None:
            return [np.stack([np.bincount(at, minlength=size) for at in log[0].T]) / len(log[0]) for log in self.logs]
        given = [mu] if len(self.logs) == 1 and np.ndim(mu) == 2 else list(mu)  # type: ignore[arg-type, call-overload]
        if len(given) != len(self.logs):
            raise ValueError(f"mu has {len(given)} populations; must be {len(self.logs)}, one a trajectory")
        return [
            check.as_probabilities(flow, f"mu[{i}]", shape=(log[0].shape[1], size), letters="T, S")
            for i, (flow, log) in enumerate(zip(given, self.logs, strict=True))
        ]

    def regress(self, on_mu: bool, base: FloatArray, prior: float) -> tuple[FloatArray, FloatArray]:
        """Next observations and rewards on 1 or mu_t, cell by cell: estimates and standard errors (F, cells, S + 1)."""
        size, n_features = self.n_observations, self.n_observations if on_mu else 1
        n_cells = base.shape[1]
        grams = np.zeros((2, n_cells, n_features, n_features))  # of those seen to move, and of those seen
        targets = np.zeros((n_cells, n_features, size + 1))
        squares = np.zeros(n_cells)
        for (observations, cells, rewards), flow in zip(self.logs, self.flows, strict=True):
            for t in range(cells.shape[1]):
                feature = flow[t] if on_mu else np.ones(1)
                outer = np.outer(feature, feature)
                seen = np.bincount(cells[:, t], minlength=n_cells)
                grams[1] += seen[:, None, None] * outer
                targets[..., size] += np.outer(np.bincount(cells[:, t], rewards[:, t], minlength=n_cells), feature)
                squares += np.bincount(cells[:, t], rewards[:, t] ** 2, minlength=n_cells)
                if t + 1 < cells.shape[1]:  # where agents went last is not logged
                    moves = np.bincount(cells[:, t] * size + observations[:, t + 1], minlength=n_cells * size)
                    grams[0] += seen[:, None, None] * outer
                    targets[..., :size] += feature[:, None] * moves.reshape(n_cells, 1, size)
        start = np.moveaxis(base, 0, 1)  # (cells, F, S + 1)
        rows, spread = _ridge(grams[0], targets[..., :size], start[..., :size], prior)
        rewards, reward_spread = _ridge(grams[1], targets[..., size:], start[..., size:], prior)
        likely = np.clip(start[..., :size] if on_mu else rows, 0.0, 1.0)
        explained = (rewards * (2 * targets[..., size:] - grams[1] @ rewards)).sum(axis=(1, 2))
        seen = grams[1].sum(axis=(1, 2))  # features sum to 1
        noise = np.maximum(squares - explained, 0.0) / np.maximum(seen - n_features, 1.0)
        errors = np.concatenate(
            [
                np.sqrt(likely * (1 - likely) * np.diagonal(spread, axis1=1, axis2=2)[..., None]),
                np.sqrt(noise[:, None, None] * np.diagonal(reward_spread, axis1=1, axis2=2)[..., None]),
            ],
            axis=-1,
        )
        errors[..., :size][~_told(grams[0], prior)] = np.inf
        errors[..., size][~_told(grams[1], prior) | (seen <= n_features)[:, None]] = np.inf
        return np.moveaxis(np.concatenate([rows, rewards], axis=-1), 1, 0), np.moveaxis(errors, 1, 0)


class _Counts:
    """How many went where, all together: the columns of one regression."""

    def __init__(self, runs: Sequence[object], stays: bool) -> None:
        self.stays = stays
        designs, follows, sizes = [], [], []
        for i, run in enumerate(runs):
            assert isinstance(run, Simulation)
            if run.decisions is None or run.record_every != 1:
                raise ValueError(
                    f"data[{i}] has no decisions of single steps; must be simulated with decisions=True, record_every=1"
                )
            counts, decisions = run.counts, run.decisions
            resting = counts[:, :-1] - decisions.sum(axis=-1)
            size, n_actions = decisions.shape[2:]
            earned = run.n_agents * run.rewards[..., None]
            designs.append(np.concatenate([decisions, resting[..., None]], axis=-1).reshape(-1, size, n_actions + 1))
            follows.append(np.concatenate([counts[:, 1:], earned], axis=-1).reshape(-1, size + 1))
            sizes.append(np.full(len(follows[-1]), float(run.n_agents)))
        shapes = {design.shape[1:] for design in designs}
        if len(shapes) > 1:
            raise ValueError(f"data has games of {len(shapes)} sizes; must be runs of one game")
        self.n_observations, self.n_actions = designs[0].shape[1], designs[0].shape[2] - 1
        self.design = np.concatenate(designs).reshape(-1, self.n_observations * (self.n_actions + 1)).astype(np.float64)
        self.follows = np.concatenate(follows)
        self.sizes = np.concatenate(sizes)
        first = [run.mu[:, 0] for run in runs if isinstance(run, Simulation)]
        self.initial = np.concatenate(first).mean(axis=0)
        self.horizon = max(run.horizon for run in runs if isinstance(run, Simulation))
        self.mean_reward = float((self.follows[:, -1] / self.sizes).mean())
        self.visits = self.design.sum(axis=0).astype(np.int64).reshape(self.n_observations, self.n_actions + 1)

    def regress(self, on_mu: bool, base: FloatArray, prior: float) -> tuple[FloatArray, FloatArray]:
        """Next counts and rewards on who did what: estimates and standard errors (1, cells, S + 1)."""
        assert not on_mu, "refused before"
        size = self.n_observations
        cells = np.ones((size, self.n_actions + 1), dtype=bool)
        outcome = self.follows
        if self.stays:
            cells[:, -1] = False
            outcome = outcome.copy()
            outcome[:, :size] -= self.design[:, ~cells.ravel()]
        used = cells.ravel()
        x = self.design[:, used] / np.sqrt(self.sizes)[:, None]
        y = outcome / np.sqrt(self.sizes)[:, None]
        estimate, error = base.copy(), np.zeros_like(base)
        estimate[0, used], inverse = _ridge(x.T @ x, x.T @ y, base[0, used], prior)
        residuals = y - x @ estimate[0, used]
        if len(x) > x.shape[1]:
            freedom = len(x) / (len(x) - x.shape[1])
            error[0, used] = np.sqrt(freedom * ((x @ inverse) ** 2).T @ residuals**2)
        else:  # the estimates go through every point
            error[0, used] = np.inf
        return estimate, error


def _ridge(gram: FloatArray, target: FloatArray, base: FloatArray, prior: float) -> tuple[FloatArray, FloatArray]:
    """The c of least squared error + prior |c - base|^2, and the inverse of gram + prior; the smallest if singular."""
    inverse = np.asarray(np.linalg.pinv(gram + prior * np.eye(gram.shape[-1]), hermitian=True), dtype=np.float64)
    return base + inverse @ (target - gram @ base), inverse


def _told(gram: FloatArray, prior: float) -> npt.NDArray[np.bool_]:
    """Whether the data, or a prior beside some data, tells each coefficient: (cells, F) of grams (cells, F, F)."""
    if prior > 0:
        return np.repeat(np.any(gram != 0, axis=(1, 2), keepdims=True)[:, 0], gram.shape[1], axis=1)
    within = np.linalg.pinv(gram, hermitian=True) @ gram  # the projection on what was seen
    told: npt.NDArray[np.bool_] = np.diagonal(within, axis1=1, axis2=2) > 1 - 1e-6
    return told


def _on_simplex(points: FloatArray) -> FloatArray:
    """The nearest distributions, along the last axis (Duchi et al., ICML 2008)."""
    ordered = -np.sort(-points, axis=-1)
    surplus = np.cumsum(ordered, axis=-1) - 1.0
    ranks = np.arange(1, points.shape[-1] + 1)
    last = np.sum(ordered * ranks > surplus, axis=-1, keepdims=True) - 1
    near: FloatArray = np.maximum(points - np.take_along_axis(surplus, last, axis=-1) / (last + 1), 0.0)
    return near
