"""Random games, policies and schedules: valid by construction, nasty on purpose.

Every spec builds two things from one set of numbers: the plain function that reference.py reads, and the tmfcore object
under test.  Specs are drawn by numpy from an integer, so a parametrised test can name one, and by hypothesis, which
shrinks towards small, dense, mu-free games.
"""

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

import reference

CONCENTRATIONS = (1.0, 50.0, 0.05)


def rows(rng, shape, concentration, zeros=True):
    """Random distributions over the last axis: Dirichlet rows, some with exact zeros, some certain."""
    table = rng.dirichlet(np.full(shape[-1], concentration), size=shape[:-1])
    if zeros and shape[-1] > 1:
        drop = rng.random(shape) < 0.25
        drop[np.arange(shape[-1]) == table.argmax(axis=-1)[..., None]] = False
        table[drop] = 0.0
    table = np.where(np.isfinite(table), table, 0.0)
    empty = table.sum(axis=-1) == 0
    table[empty, 0] = 1.0
    return table / table.sum(axis=-1, keepdims=True)


def dense(table, successors, size):
    """Table (..., K) over successors (..., K) or None -> (..., S)."""
    if successors is None:
        return table
    full = np.zeros((*table.shape[:-1], size), table.dtype)
    for index in np.ndindex(table.shape):
        full[(*index[:-1], successors[index])] += table[index]
    return full


ROW = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.c_double),
    ctypes.POINTER(ctypes.c_double), ctypes.POINTER(ctypes.c_double), ctypes.c_void_p,
)  # fmt: skip


@dataclass(frozen=True)
class GameSpec:
    """A random game as tables affine in mu: table(mu, t) = sum_y mu(y) base[t % 2, y], or base[0, 0] when fixed."""

    n_observations: int
    n_actions: int
    horizon: int
    discount: float
    initial: np.ndarray
    dependence: str  # "fixed": arrays; "mu": callables f(mu); "mu_t": callables f(mu, t)
    reward: np.ndarray  # (2, S, S, A)
    transition: np.ndarray  # (2, S, S, A, K)
    passive_reward: np.ndarray | None  # (2, S, S), None: 0
    passive_transition: np.ndarray | None  # (2, S, S, K0), None: identity
    successors: np.ndarray | None  # (S, A, K)
    passive_successors: np.ndarray | None  # (S, K0)
    compiled: bool = False  # reach the kernels as a C function, row by row

    def table(self, base, mu, t):
        """One table at (mu, t)."""
        if self.dependence == "fixed":
            return base[0, 0]
        base = base[t % 2 if self.dependence == "mu_t" else 0]
        return (mu @ base.reshape(len(mu), -1)).reshape(base.shape[1:])

    def reference(self) -> reference.Game:
        """The game as dense tables."""
        size = self.n_observations

        def tables(mu, t):
            passive_reward, passive = np.zeros(size), np.eye(size)
            if self.passive_reward is not None:
                passive_reward = self.table(self.passive_reward, mu, t)
            if self.passive_transition is not None:
                passive = dense(self.table(self.passive_transition, mu, t), self.passive_successors, size)
            transition = dense(self.table(self.transition, mu, t), self.successors, size)
            return self.table(self.reward, mu, t), transition, passive_reward, passive

        return reference.Game(size, self.n_actions, self.horizon, self.discount, self.initial, tables)

    def argument(self, base):
        """What the user would pass for one table: an array, f(mu) or f(mu, t)."""
        if self.dependence == "fixed":
            return base[0, 0]
        if self.dependence == "mu":
            return lambda mu: self.table(base, mu, 0)
        return lambda mu, t: self.table(base, mu, t)

    def row(self, t, o, a, mu, probabilities, reward, user):
        """The C row function: probabilities and reward of (t, o, a, mu); a = -1 is passive."""
        mu = np.array(mu[: self.n_observations])
        rows, rewards = (self.passive_transition, self.passive_reward) if a < 0 else (self.transition, self.reward)
        index = (o,) if a < 0 else (o, a)
        for k, p in enumerate(self.table(rows[:, :, *index], mu, t)):
            probabilities[k] = p
        reward[0] = self.table(rewards[:, :, *index], mu, t)
        return 0

    def build(self) -> Any:
        """The game as tmfcore.Game."""
        import tmfcore as tmf

        if self.compiled:
            function = ROW(self.row)
            return tmf.Game.compiled(
                ctypes.cast(function, ctypes.c_void_p).value, self.n_observations, self.n_actions, self.horizon,
                self.discount, self.initial, successors=self.successors, passive_successors=self.passive_successors,
                owner=function,
            )  # fmt: skip
        options = {}
        if self.passive_reward is not None:
            options["passive_reward"] = self.argument(self.passive_reward)
        if self.passive_transition is not None:
            options["passive_transition"] = self.argument(self.passive_transition)
        if self.successors is not None:
            options["successors"] = self.successors
        if self.passive_successors is not None:
            options["passive_successors"] = self.passive_successors
        return tmf.Game(
            self.n_observations, self.n_actions, self.horizon, self.discount, self.initial,
            self.argument(self.reward), self.argument(self.transition), **options,
        )  # fmt: skip


def random_game(seed, n_observations=3, n_actions=2, horizon=4, discount=0.9, *, dependence="fixed", concentration=1.0,
                sparse=False, n_cells=2, passive="identity", zeros=True, initial=None, compiled=False):
    """A GameSpec from an integer; the rows of a sparse one have n_cells.

    passive is "none" (both defaults), "identity" (agents stand still and are paid), "dense" or "sparse".
    """
    rng = np.random.default_rng([seed, n_observations, n_actions])
    size = n_observations
    n_successors = min(n_cells, size) if sparse else size
    n_passive = min(2, size) if passive == "sparse" else size

    def choose(shape, k):  # distinct successors, unsorted
        return np.stack([rng.permutation(size)[:k] for _ in range(int(np.prod(shape)))]).reshape(*shape, k)

    still = passive in ("none", "identity")
    resting = None if still else rows(rng, (2, size, size, n_passive), concentration, zeros)
    resting_rewards = None if passive == "none" else rng.normal(size=(2, size, size))
    resting_successors = choose((size,), n_passive) if passive == "sparse" else None
    if compiled and still:  # a C function has no default: one successor, itself
        resting, resting_successors = np.ones((2, size, size, 1)), np.arange(size)[:, None]
        resting_rewards = np.zeros((2, size, size)) if passive == "none" else resting_rewards
    return GameSpec(
        n_observations=size, n_actions=n_actions, horizon=horizon, discount=discount,
        initial=rows(rng, (size,), 1.0, zeros) if initial is None else np.asarray(initial, float),
        dependence=dependence,
        reward=rng.normal(size=(2, size, size, n_actions)),
        transition=rows(rng, (2, size, size, n_actions, n_successors), concentration, zeros),
        passive_reward=resting_rewards,
        passive_transition=resting,
        successors=choose((size, n_actions), n_successors) if sparse else None,
        passive_successors=resting_successors,
        compiled=compiled,
    )  # fmt: skip


@dataclass(frozen=True)
class PolicySpec:
    """A random policy: parameters (L,S,A) or (L,S,A,1+S) and how they are read."""

    kind: str  # "tabular", "softmax", "affine", "callable"
    parameters: np.ndarray

    def reference(self, horizon):
        """f(mu, t) -> (S, A)."""
        if self.kind == "tabular":
            return reference.tabular(self.parameters, horizon)
        if self.kind == "softmax":
            return reference.tabular(reference.softmax(self.parameters), horizon)
        return reference.affine(self.parameters, horizon)

    def build(self, horizon) -> Any:
        """The policy as the user would pass it."""
        import tmfcore as tmf

        if self.kind == "callable":
            return self.reference(horizon)
        return tmf.TabularPolicy(self.parameters) if self.kind == "tabular" else tmf.SoftmaxPolicy(self.parameters)


def random_policy(seed, n_observations, n_actions, *, kind="tabular", stages=1, concentration=1.0, scale=1.0):
    """A PolicySpec from an integer."""
    rng = np.random.default_rng([seed, 7])
    shape = (stages, n_observations, n_actions)
    if kind == "tabular":
        return PolicySpec(kind, rows(rng, shape, concentration))
    if kind == "softmax":
        return PolicySpec(kind, scale * rng.normal(size=shape))
    return PolicySpec(kind, scale * rng.normal(size=(*shape, 1 + n_observations)))


@dataclass(frozen=True)
class ScheduleSpec:
    """A schedule: "synchronous", "sequential", "batch" n, "fraction" beta, "bernoulli" p; sizes a number or one per step."""

    kind: str
    size: Any = None

    def moves(self, horizon, n_agents):
        """T moves as reference.py reads them."""
        if self.kind in ("synchronous", "sequential"):
            return [("batch", n_agents if self.kind == "synchronous" else 1)] * horizon
        sizes = np.broadcast_to(self.size, (horizon,))
        if self.kind == "bernoulli":
            return [("coin", float(p)) for p in sizes]
        if self.kind == "fraction":
            return [("batch", int(np.floor(beta * n_agents + 0.5))) for beta in sizes]
        return [("batch", int(b)) for b in sizes]

    def build(self) -> Any:
        """The schedule as tmfcore object."""
        import tmfcore as tmf

        name = self.kind.capitalize()
        return getattr(tmf, name)() if self.size is None else getattr(tmf, name)(self.size)


@dataclass(frozen=True)
class Case:
    """One game with one policy and one schedule."""

    game: GameSpec
    policy: PolicySpec
    schedule: ScheduleSpec

    def reference(self):
        """(game, policy function) for reference.py."""
        return self.game.reference(), self.policy.reference(self.game.horizon)

    def moves(self, n_agents):
        """The schedule's T moves for N agents."""
        return self.schedule.moves(self.game.horizon, n_agents)

    def build(self):
        """(game, policy, schedule) for tmfcore."""
        return self.game.build(), self.policy.build(self.game.horizon), self.schedule.build()


# ------------------------------------------------------------------------------------------------------ hypothesis

seeds = st.integers(0, 2**32 - 1)


@st.composite
def games(draw, max_observations=4, max_actions=3, max_horizon=5, dependences=("fixed", "mu", "mu_t"),
          concentrations=CONCENTRATIONS, initial=None, compiled=None):
    """Random GameSpec; one in three reaches the kernels as a C function unless told."""
    return random_game(
        draw(seeds), draw(st.integers(1, max_observations)), draw(st.integers(1, max_actions)),
        draw(st.integers(1, max_horizon)), draw(st.sampled_from((1.0, 0.9, 0.0))),
        dependence=draw(st.sampled_from(dependences)), concentration=draw(st.sampled_from(concentrations)),
        sparse=draw(st.booleans()), passive=draw(st.sampled_from(("none", "identity", "dense", "sparse"))),
        initial=initial,
        compiled=draw(st.sampled_from((False, False, True))) if compiled is None else compiled,
    )  # fmt: skip


@st.composite
def policies(draw, game, kinds=("tabular", "softmax", "affine", "callable")):
    """Random PolicySpec for a GameSpec."""
    return random_policy(
        draw(seeds), game.n_observations, game.n_actions, kind=draw(st.sampled_from(kinds)),
        stages=draw(st.integers(1, game.horizon)), concentration=draw(st.sampled_from(CONCENTRATIONS)),
    )  # fmt: skip


@st.composite
def schedules(draw, horizon, n_agents, kinds=("synchronous", "sequential", "batch", "fraction", "bernoulli")):
    """Random ScheduleSpec valid for n_agents; sizes are a number or one per step."""
    kind = draw(st.sampled_from(kinds))
    if kind in ("synchronous", "sequential"):
        return ScheduleSpec(kind)
    size = {  # 0 is a batch like any other
        "batch": st.integers(0, n_agents),
        "fraction": st.floats(min(1.0, 1.0 / n_agents), 1.0),
        "bernoulli": st.floats(0.0, 1.0),
    }[kind]
    if draw(st.booleans()):
        return ScheduleSpec(kind, draw(size))
    return ScheduleSpec(kind, np.array([draw(size) for _ in range(horizon)]))


@st.composite
def cases(draw, n_agents, **options):
    """Random Case valid for n_agents."""
    game = draw(games(**options))
    return Case(game, draw(policies(game)), draw(schedules(game.horizon, n_agents)))
