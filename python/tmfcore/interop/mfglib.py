"""Conversion of environments and policies from and to MFGLib (extra `peers`).

    from_environment(env)           an environment of MFGLib as a tmf.Game
    to_environment(game, schedule)  a tmf.Game as an mfglib.env.Environment, for MFGLib's solvers
    to_policy(policy, game, env)    a policy of tmfcore as a tensor (T + 1, *S, *A)
    from_policy(tensor, game)       a policy of MFGLib as a TabularPolicy

MFGLib works in torch's default type, by default float32; results then agree to about 1e-6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from typing import Any, Literal, TypeAlias

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base.types import FloatsLike, TableLike
from tmfcore._base.validation import FloatArray
from tmfcore._limit.mean_field import mean_field
from tmfcore._model.game import Game, in_steps
from tmfcore._model.legal import folded, uniform
from tmfcore._model.policies import PolicyLike, TabularPolicy, as_policy
from tmfcore._model.schedules import Schedule, Synchronous
from tmfcore.games.joint import _HalfSteps, joint
from tmfcore.interop import _shared, _synchronous

try:
    import torch
    from mfglib.env import Environment
except ModuleNotFoundError as error:
    raise _shared.missing(__name__, error, "peers") from error

__all__ = ["from_environment", "from_policy", "to_environment", "to_policy"]

Depends: TypeAlias = Literal["nothing", "mu", "law"]


def from_environment(env: Any, *, depends: Depends | None = None) -> Game:
    """Convert an environment of MFGLib to a Game. MFGLib's T is the last step, so the Game's horizon is T + 1.

    Parameters
    ----------
    env : mfglib.env.Environment
    depends : {"nothing", "mu", "law"}, optional
        What rewards and transitions depend on besides step, observation and action: "nothing"; at most the population
        "mu"; or the joint "law" L of observation and action. None (default): detect it for each by probing, at every
        step, the uniform population, three random ones and all agents at one observation, for every observation, each
        with two policies. State it if a dependence could be missed by these probes.

    Returns
    -------
    Game
        S and A flattened, discount 1, `observation_shape` env.S. Tables that depend on nothing are stored as arrays. If
        rewards or transitions depend on more of L than mu, it is a game of the joint law (`games.joint`), with two
        steps per step of MFGLib and S (1 + A) observations.

    Raises
    ------
    TypeError, ValueError
        env is not an Environment; a table has a wrong shape; a row is not a distribution.

    Notes
    -----
    MFGLib's functions are called with L in the type of ``env.mu0``, which is torch's default type during the call. Rows
    in float32 must sum to 1 within 1e-5 and are divided by their sum. The transitions of the last step,
    which have no effect, are those of the step before. MFGLib's games are synchronous: under other schedules, passive
    agents stay where they are, with reward 0.

    Examples
    --------
    >>> from mfglib.env import Environment
    >>> import tmfcore as tmf
    >>> game = tmf.interop.mfglib.from_environment(Environment.left_right())
    >>> game
    Game('left_right', S=3, A=2, T=2, discount=1)
    >>> round(tmf.exploitability(game, tmf.TabularPolicy.uniform(game), tmf.Synchronous()), 4)
    0.25
    """
    env = check.as_instance(env, "env", Environment)
    theirs = _Theirs(env)
    if depends is not None:
        depends = check.as_choice(depends, "depends", Depends)
    rewards = depends or theirs.what(env.reward, env.T + 1)
    moves = depends or theirs.what(env.prob, env.T)
    n_obs, n_act, horizon = theirs.n_observations, theirs.n_actions, theirs.horizon
    observations, actions = _labels(theirs.env.S), _labels(theirs.env.A)
    module = type(theirs.env.reward_fn).__module__
    name = module.rsplit(".", 1)[-1] if module.startswith("mfglib.env.examples.") else ""
    if "law" in (rewards, moves):
        return joint(
            n_obs,
            n_actions=n_act,
            horizon=horizon,
            discount=1.0,
            initial=theirs.initial,
            reward=theirs.of_law(theirs.reward, rewards),
            transition=theirs.of_law(theirs.transition, moves),
            name=name,
            observation_labels=observations,
            action_labels=actions,
        )
    return Game(
        n_obs,
        n_act,
        horizon,
        1.0,
        theirs.initial,
        theirs.of_mu(theirs.reward, rewards),
        theirs.of_mu(theirs.transition, moves),
        assumed=depends is None,
        name=name,
        observation_labels=observations,
        action_labels=actions,
        observation_shape=tuple(theirs.env.S),
    )


_Table = Callable[[int, FloatArray], FloatArray]


class _Theirs:
    """MFGLib's two functions on arrays: (t, L (S, A)) -> rewards (S, A) and transitions (S, A, S)."""

    def __init__(self, env: Any) -> None:
        self.env = env
        self.horizon = env.T + 1
        self.n_observations, self.n_actions = prod(env.S), prod(env.A)
        self.kind = env.mu0.dtype
        self.close = 1e-9 if self.kind == torch.float64 else 1e-4
        self.initial = check.as_probabilities(env.mu0.detach().cpu().numpy().ravel(), "env.mu0")

    def _law(self, law: FloatArray) -> Any:
        return torch.as_tensor(np.array(law), dtype=self.kind).reshape(*self.env.S, *self.env.A)

    def _asked(self, function: Any, t: int, law: FloatArray) -> Any:
        with _default(self.kind):
            return function(t, self._law(law)).detach()

    def reward(self, t: int, law: FloatArray) -> FloatArray:
        found = self._asked(self.env.reward, t, law).cpu().double().numpy()
        rewards: FloatArray = found.reshape(self.n_observations, self.n_actions)
        return rewards

    def transition(self, t: int, law: FloatArray) -> FloatArray:
        if self.horizon == 1:
            return np.repeat(np.eye(self.n_observations)[:, None], self.n_actions, axis=1)
        t = min(t, self.horizon - 2)
        found = self._asked(self.env.prob, t, law).cpu().numpy()
        rows = found.reshape(self.n_observations, self.n_observations, self.n_actions).transpose(1, 2, 0)
        return check.as_probabilities(rows, f"env.prob(t={t})")

    def what(self, function: Any, steps: int) -> str:
        """Detect what `function` depends on at the first `steps` steps: "nothing", "mu" or "law"."""
        rng = np.random.default_rng(0)
        size, n_act = self.n_observations, self.n_actions
        found = "nothing"
        for t in range(steps):
            base = None
            for mu in [np.full(size, 1 / size), *rng.dirichlet(np.ones(size), size=3), *np.eye(size)]:
                choices = rng.dirichlet(np.ones(n_act), size=(2, size))
                one, two = (self._asked(function, t, mu[:, None] * rows) for rows in choices)
                if not self._alike(one, two):
                    return "law"
                base = one if base is None else base
                if found == "nothing" and not self._alike(base, one):
                    found = "mu"
        return found

    def _alike(self, one: Any, two: Any) -> bool:
        if one.data_ptr() == two.data_ptr():  # the same stored table
            return True
        return float((one - two).abs().max()) <= self.close * max(1.0, float(one.abs().max()))

    def _steps(self, table: _Table) -> FloatArray:
        even = np.full((self.n_observations, self.n_actions), 1 / (self.n_observations * self.n_actions))
        return np.stack([table(t, even) for t in range(self.horizon)])

    def of_mu(self, table: _Table, depends: str) -> TableLike:
        """In the form for Game; L has the agents at each o spread evenly over actions."""
        if depends == "nothing":
            return _shared.by_step(self._steps(table))
        return _OfMu(table, self.n_actions)

    def of_law(self, table: _Table, depends: str) -> FloatsLike | Callable[..., FloatsLike]:
        """In the form for games.joint."""
        if depends == "nothing":
            steps = _shared.by_step(self._steps(table))
            return _OfLaw(steps.at) if isinstance(steps, _shared.BySteps) else steps
        return _OfLaw(table)


class _OfMu:
    def __init__(self, table: _Table, n_actions: int) -> None:
        self.table, self.n_actions = table, n_actions

    def __call__(self, mu: FloatArray, t: int) -> FloatArray:
        return self.table(t, np.repeat(mu[:, None], self.n_actions, axis=1) / self.n_actions)


class _OfLaw:
    def __init__(self, table: _Table) -> None:
        self.table = table

    def __call__(self, law: FloatArray, mu: FloatArray, t: int) -> FloatArray:
        return self.table(t, law)


@contextmanager
def _default(kind: Any) -> Iterator[None]:
    """Run with `kind` as torch's default type, and without gradients."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(kind)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_default_dtype(usual)


def _labels(shape: tuple[int, ...]) -> list[str]:
    if len(shape) == 1:
        return [str(i) for i in range(shape[0])]
    return [", ".join(map(str, index)) for index in np.ndindex(*shape)]


def to_environment(game: Game, schedule: Schedule | None = None, *, r_max: float | None = None) -> Any:
    """Convert a game under a schedule to an Environment of MFGLib.

    Parameters
    ----------
    game : Game
    schedule : Schedule, optional
        Which agents act. In the Environment all agents act at every step, with the mean rewards and transitions of an
        agent that acts with probability beta_t; rewards are discounted. Default: Synchronous().
    r_max : float, optional
        A bound of all |rewards|, which MFGLib's MFOMO needs. Default: the largest |reward| at the first and last step,
        over the initial population, the uniform one, and all agents at one observation, for every observation.

    Returns
    -------
    mfglib.env.Environment
        T = horizon - 1, S = observation_shape, A = (A,). The exploitability_score of `to_policy(policy, game, it)` in
        it is the exploitability of the policy in `game` under `schedule`.

    Raises
    ------
    TypeError, ValueError
        game is not a Game, schedule not a Schedule, or r_max not positive.

    Notes
    -----
    MFGLib knows no illegal actions: they have the rows of the first legal one there, and `from_policy` maps them back.
    Tables are dense, O(S A S), and computed in numpy: solvers of MFGLib that differentiate an environment (MFOMO) fail
    with torch's message.

    Examples
    --------
    >>> from mfglib.alg import OnlineMirrorDescent
    >>> import tmfcore as tmf
    >>> game = tmf.games.left_right()
    >>> env = tmf.interop.mfglib.to_environment(game)
    >>> policies, scores, _ = OnlineMirrorDescent(alpha=1.0).solve(env, max_iter=50)
    >>> policy = tmf.interop.mfglib.from_policy(policies[-1], game)
    >>> tmf.exploitability(game, policy, tmf.Synchronous()) < 0.01
    True
    """
    tables = _synchronous.of(game, schedule)
    if r_max is None:
        size = tables.n_observations
        places = [tables.initial, np.full(size, 1 / size), *np.eye(size)]
        bound = max(float(np.abs(tables(t, mu)[0]).max()) for t in {0, tables.horizon - 1} for mu in places)
    else:
        bound = check.as_float(r_max, "r_max", low=0.0, low_open=True)
    shape = tables.game.observation_shape
    n_obs, n_act = tables.n_observations, tables.n_actions

    def at(t: int, law: Any) -> tuple[FloatArray, FloatArray]:
        return tables(t, law.reshape(n_obs, n_act).sum(dim=1).double().numpy())

    def as_tensor(array: FloatArray, size: tuple[int, ...]) -> Any:
        return torch.as_tensor(np.ascontiguousarray(array), dtype=torch.get_default_dtype()).reshape(size)

    return Environment(
        T=tables.horizon - 1,
        S=shape,
        A=(n_act,),
        mu0=as_tensor(tables.initial.copy(), shape),
        r_max=bound,
        reward_fn=lambda env, t, law: as_tensor(at(t, law)[0], (*shape, n_act)),
        transition_fn=lambda env, t, law: as_tensor(at(t, law)[1].transpose(2, 0, 1), (*shape, *shape, n_act)),
    )


def _halves(game: Game) -> _HalfSteps | None:
    """The parts of a game of the joint law; None for other games."""
    owner = getattr(game.reward, "__self__", None)
    return owner if isinstance(owner, _HalfSteps) else None


def to_policy(policy: PolicyLike, game: Game, env: object, schedule: Schedule | None = None) -> Any:
    """Convert a policy of tmfcore to MFGLib's form, a tensor (T + 1, *S, *A) in torch's default type.

    Parameters
    ----------
    policy : TabularPolicy, SoftmaxPolicy or callable
        A policy of `game`; one that depends on mu is evaluated along its own flow.
    game : Game
        Made by `from_environment(env)`, or the argument of the `to_environment` that made `env`.
    env : mfglib.env.Environment
    schedule : Schedule, optional
        The schedule with which `env` was made; it determines the flow of a policy that depends on mu.

    Returns
    -------
    torch.Tensor

    Raises
    ------
    TypeError, ValueError
        The sizes of game and env differ.
    """
    theirs = check.as_instance(env, "env", Environment)
    who = Synchronous() if schedule is None else check.as_instance(schedule, "schedule", Schedule)
    ours = in_steps(game, who)
    given = as_policy(policy, ours)
    mu = mean_field(ours, given, who).mu
    rows = np.stack([given.probabilities(mu[t], t, ours.n_steps) for t in range(ours.n_steps)])
    halves = _halves(ours)
    if halves is not None:
        rows = rows[::2, : halves.n_observations]
    wanted = (theirs.T + 1, prod(theirs.S), prod(theirs.A))
    if rows.shape != wanted:
        raise ValueError(f"policy has shape {rows.shape}; must be {wanted}, steps, observations and actions of env")
    tensor = torch.as_tensor(rows, dtype=torch.get_default_dtype())
    return tensor.reshape(wanted[0], *theirs.S, *theirs.A)


def from_policy(policy: object, game: Game) -> TabularPolicy:
    """Convert a policy of MFGLib to a TabularPolicy.

    Parameters
    ----------
    policy : torch.Tensor or array, (T + 1, *S, *A)
    game : Game
        Made by `from_environment`, or the argument of `to_environment`.

    Returns
    -------
    TabularPolicy
        In a game of the joint law, uniform at the observations (o, a), which have no decision. The probability of an
        illegal action, which in the Environment is the same as the first legal one, is added to that of the latter.

    Raises
    ------
    TypeError, ValueError
        The shape differs; a row does not sum to 1 within 1e-5, in float64 within 1e-8.
    """
    ours = check.as_instance(game, "game", Game)
    array = policy.detach().cpu().numpy() if isinstance(policy, torch.Tensor) else policy
    rows = check.as_numbers(array, "policy")
    if ours.time == "sweeps":  # use as many steps as the policy has
        ours = ours.at(step=ours.step or min(1.0, ours.horizon / max(1, rows.shape[0] if rows.ndim else 1)))
    halves = _halves(ours)
    horizon = ours.n_steps if halves is None else ours.n_steps // 2
    size = ours.n_observations if halves is None else halves.n_observations
    if rows.ndim < 3 or len(rows) != horizon or rows[0].size != size * ours.n_actions:
        raise ValueError(
            f"policy has shape {rows.shape}; must be ({horizon}, *S, *A) with {size} observations and "
            f"{ours.n_actions} actions"
        )
    table = check.as_probabilities(rows.reshape(horizon, size, ours.n_actions), "policy")
    if ours.legal is not None:
        table = folded(table, ours.legal[:size])
    if halves is None:
        return TabularPolicy(table, horizon=horizon)
    lifted = np.repeat(uniform(ours)[np.newaxis], ours.n_steps, axis=0)
    lifted[::2, :size] = table
    return TabularPolicy(lifted, horizon=ours.n_steps)
