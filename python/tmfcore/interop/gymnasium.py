"""One tagged agent facing a population, as a Gymnasium environment, single or vectorised (extra `envs`).

    env(game, population, ...)                   gymnasium.Env
    make_vec(game, population, ..., num_envs=)   gymnasium.vector.VectorEnv, run by the kernels
    to_stable_baselines3(envs)                   the same as a VecEnv of stable-baselines3

Importing this module registers ``tmfcore/Tagged-v0``, so that ``gymnasium.make`` and ``gymnasium.make_vec`` work, too:
``gymnasium.make("tmfcore/Tagged-v0", game=game, population=flow)``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory
from tmfcore._base.types import Clock, Start
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._limit.flows import Flow
from tmfcore._model.game import Game
from tmfcore._model.policies import PolicyLike
from tmfcore._model.schedules import Schedule
from tmfcore.interop import _shared
from tmfcore.interop._frames import Frames
from tmfcore.interop._worlds import World, world

try:
    import gymnasium
    from gymnasium import spaces
    from gymnasium.error import ResetNeeded
    from gymnasium.vector import AutoresetMode, VectorEnv
    from gymnasium.vector.utils import batch_space
except ModuleNotFoundError as error:
    raise _shared.missing(__name__, error) from error

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

__all__ = ["ID", "TaggedEnv", "TaggedVectorEnv", "env", "make_vec", "to_stable_baselines3"]

ID = "tmfcore/Tagged-v0"
RenderMode: TypeAlias = Literal["ansi", "rgb_array"]
AutoresetWord: TypeAlias = Literal["NextStep", "SameStep", "Disabled"]  # values of AutoresetMode

Row = npt.NDArray[np.float32]


def env(
    game: Game,
    population: Flow | PolicyLike,
    schedule: Schedule | None = None,
    n_agents: int | None = None,
    *,
    clock: Clock = "schedule",
    start: Start = "rounded",
    render_mode: RenderMode | None = None,
) -> TaggedEnv:
    """A Gymnasium environment for one tagged agent, in a mean-field flow or in a finite population that plays a policy.

    Observations are (2S+1,) float32 in [0, 1]: own observation (one-hot, S), mu (S), t / T. The episode terminates
    after T steps; it is never truncated, since no rewards follow the horizon. ``info`` has

    * ``"acts"``: bool, whether the agent acts at this step. If it does not, its action is ignored;
    * ``"action_mask"``: (A,) int8, the legal actions if it acts, else only the first of them; an illegal one is an
      error: ``env.action_space.sample(mask=info["action_mask"])``;
    * ``"observation"``: int, its own observation.

    Parameters
    ----------
    game : Game
    population : Flow, or TabularPolicy, SoftmaxPolicy or callable f(mu, t) -> (S, A)
        A Flow, recorded at every step: the population is infinite, and the agent has no effect on it. A policy: the
        N - 1 other agents play it; the tagged agent counts in mu and in the batch.
    schedule : Schedule, optional
        Which of the N agents act; only with a policy. A Flow has its own active fraction.
    n_agents : int, optional
        N >= 1; only with a policy.
    clock : {"schedule", "always"}, optional
        "schedule" (default): the agent acts as often as all others, with probability beta_t, or when it is in the
        batch. "always": it acts at every step; in a population it is then in every batch, with B_t - 1 others.
    start : {"rounded", "sampled"}, optional
        Counts of the N agents at the start, as in simulate; the tagged agent is drawn uniformly from them.
    render_mode : {"ansi", "rgb_array"} or None, optional
        ``render()`` returns text, or a picture, (480, 640, 3) uint8: the population on a map of a grid, or as bars, and
        where the agent is.

    Returns
    -------
    TaggedEnv
        A ``gymnasium.Env`` without wrappers. ``reset`` accepts ``options``, as Gymnasium requires, and ignores them.

    Raises
    ------
    TypeError, ValueError
        An argument is bad; a batch is 0 at some step, with N agents and clock="always".

    Notes
    -----
    Rewards are not discounted: give the learner the discount of a step, ``game.at(schedule, n_agents).discount``. With
    it, the expected return of a policy in the flow is
    ``evaluate(game, policy, schedule, flow=flow, clock=clock).mean_return``.
    An environment is used by one thread at a time.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.queueing([0.1, 0.2, 0.3])
    >>> flow = tmf.mean_field(game, tmf.TabularPolicy.uniform(game), tmf.Fraction(0.5))
    >>> env = tmf.interop.gymnasium.env(game, flow)
    >>> observation, info = env.reset(seed=1)
    >>> observation.tolist()  # idle, like all other agents, at time 0
    [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    >>> observation, reward, terminated, truncated, info = env.step(1)
    """
    options: dict[str, Any] = {
        "game": game, "population": population, "schedule": schedule, "n_agents": n_agents, "clock": clock,
        "start": start, "render_mode": render_mode,
    }  # fmt: skip
    made = TaggedEnv(**options)
    made.spec = replace(gymnasium.spec(ID), kwargs=options)
    return made


def make_vec(
    game: Game,
    population: Flow | PolicyLike,
    schedule: Schedule | None = None,
    n_agents: int | None = None,
    *,
    num_envs: int,
    clock: Clock = "schedule",
    start: Start = "rounded",
    autoreset_mode: AutoresetWord | AutoresetMode = AutoresetMode.SAME_STEP,
) -> TaggedVectorEnv:
    """`num_envs` independent copies of `env`, which the kernels step in one call.

    All copies are at the same step of the game, so their episodes end together. ``infos`` has the entries of `env` as
    arrays ("acts", "action_mask", "observation"), with Gymnasium's masks ("_acts", ...).

    Parameters
    ----------
    game, population, schedule, n_agents, clock, start
        As in `env`.
    num_envs : int
        Number n >= 1 of copies. If population is a policy, each copy has its own finite population.
    autoreset_mode : gymnasium.vector.AutoresetMode or its value, optional
        SAME_STEP (default): the step that ends the episodes returns the first observations of the next episodes, and
        the last ones of the old in ``infos["final_obs"]`` and ``infos["final_info"]``. NEXT_STEP: the following step
        only resets. DISABLED: ``reset`` must be called.

    Returns
    -------
    TaggedVectorEnv
        A ``gymnasium.vector.VectorEnv``.

    Raises
    ------
    TypeError, ValueError
        As in `env`.

    Notes
    -----
    A step costs O(n S) time in a flow, plus the tables of the game; with N agents O(n S A K), independent of N.
    An environment is used by one thread at a time.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.queueing([0.1, 0.2, 0.3])
    >>> flow = tmf.mean_field(game, tmf.TabularPolicy.uniform(game), tmf.Fraction(0.5))
    >>> envs = tmf.interop.gymnasium.make_vec(game, flow, num_envs=1000)
    >>> observations, infos = envs.reset(seed=1)
    >>> observations, rewards, terminations, truncations, infos = envs.step(envs.action_space.sample())
    >>> observations.shape
    (1000, 9)
    """
    options: dict[str, Any] = {
        "game": game, "population": population, "schedule": schedule, "n_agents": n_agents, "clock": clock,
        "start": start, "autoreset_mode": autoreset_mode,
    }  # fmt: skip
    made = TaggedVectorEnv(num_envs, **options)
    mode = {"num_envs": made.num_envs, "vectorization_mode": "vector_entry_point"}
    made.spec = replace(gymnasium.spec(ID), kwargs={**options, **mode})
    return made


class TaggedEnv(gymnasium.Env):
    """One tagged agent; made by `env`, or by ``gymnasium.make(ID, game=..., population=...)``."""

    metadata: dict[str, Any] = {"render_modes": list(get_args(RenderMode)), "render_fps": 4}  # noqa: RUF012  as Gymnasium reads it

    def __init__(
        self,
        game: Game,
        population: Flow | PolicyLike,
        schedule: Schedule | None = None,
        n_agents: int | None = None,
        *,
        clock: Clock = "schedule",
        start: Start = "rounded",
        render_mode: RenderMode | None = None,
    ) -> None:
        self.render_mode = _as_render_mode(render_mode)
        self._world = world(game, population, schedule, n_agents, clock=clock, start=start, n=1)
        self._frames = Frames(self._world.game, self.render_mode)
        self.observation_space, self.action_space = _spaces(game)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Row, dict[str, Any]]:
        """Go to the start of the game; returns the observation and the info."""
        _shared.as_options(options)
        super().reset(seed=_shared.as_seed(seed))
        self._world.reset(self.np_random)
        return self._world.rows()[0], self._info()

    def step(self, action: Any) -> tuple[Row, float, bool, bool, dict[str, Any]]:
        """Make one step; returns observation, reward, terminated, truncated (always False) and info."""
        _ready(self._world)
        actions = np.array([_shared.as_action(action, self._world.game.n_actions)])
        _legal(self._world, actions, lambda _: "action")
        rewards = self._world.step(self.np_random, actions)
        return self._world.rows()[0], float(rewards[0]), self._world.over, False, self._info()

    def render(self) -> str | npt.NDArray[np.uint8] | None:
        """The population and the agent as `render_mode` says; see `env`."""
        _begun(self._world)
        mu, own = self._world.mu.reshape(-1), int(self._world.observations[0])
        if self.render_mode == "ansi":
            return self._frames.text(mu, self._world.t, own)
        return self._frames.picture(mu, self._world.t, own) if self.render_mode == "rgb_array" else None

    def _info(self) -> dict[str, Any]:
        acts = self._world.acts
        return {
            "acts": bool(acts[0]),
            "action_mask": _shared.masks(acts, self._world.game, self._world.observations)[0],
            "observation": int(self._world.observations[0]),
        }


class TaggedVectorEnv(VectorEnv):
    """Many tagged agents; made by `make_vec`, or by ``gymnasium.make_vec(ID, game=..., population=...)``."""

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    @fits_memory("num_envs must be smaller")
    def __init__(
        self,
        num_envs: int,
        game: Game,
        population: Flow | PolicyLike,
        schedule: Schedule | None = None,
        n_agents: int | None = None,
        *,
        clock: Clock = "schedule",
        start: Start = "rounded",
        autoreset_mode: AutoresetWord | AutoresetMode = AutoresetMode.SAME_STEP,
    ) -> None:
        self.num_envs = check.as_positive_int(num_envs, "num_envs")
        self._world = world(game, population, schedule, n_agents, clock=clock, start=start, n=self.num_envs)
        self._mode = _as_mode(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self._mode}
        self.single_observation_space, self.single_action_space = _spaces(game)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Row, dict[str, Any]]:
        """Move all copies to the start; returns observations (n, 2S+1) and infos.

        ``options["reset_mask"]`` (n,), if given, must be all True, since the copies step together.
        """
        mask = _shared.as_options(options).get("reset_mask")
        if mask is not None and (np.shape(mask) != (self.num_envs,) or not np.all(mask)):
            raise ValueError(f"options['reset_mask'] must be True for all {self.num_envs} copies, which step together")
        super().reset(seed=_shared.as_seed(seed))
        self._world.reset(self.np_random)
        return self._world.rows(), self._infos()

    def step(
        self, actions: Any
    ) -> tuple[Row, FloatArray, npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]:
        """Make one step of all copies; `actions` (n,) integers.

        Returns
        -------
        observations : (n, 2S+1) float32
        rewards : (n,) float64
        terminations, truncations : (n,) bool
        infos : dict
        """
        faced = self._world
        nothing = np.zeros(self.num_envs, dtype=np.bool_)
        if faced.over and self._mode is AutoresetMode.NEXT_STEP:
            faced.reset(self.np_random)
            return faced.rows(), np.zeros(self.num_envs), nothing, nothing.copy(), self._infos()
        _ready(faced)
        chosen = _shared.as_actions(actions, self.num_envs, faced.game.n_actions)
        _legal(faced, chosen, lambda i: f"actions[{i}]")
        rewards = faced.step(self.np_random, chosen)
        terminations = np.full(self.num_envs, faced.over)
        infos: dict[str, Any] = {}
        if faced.over and self._mode is AutoresetMode.SAME_STEP:
            last = np.empty(self.num_envs, dtype=object)
            last[:] = list(faced.rows())
            infos = {"final_obs": last, "final_info": self._infos()}
            infos |= {f"_{name}": np.ones(self.num_envs, dtype=np.bool_) for name in infos}
            faced.reset(self.np_random)
        return faced.rows(), rewards, terminations, nothing, infos | self._infos()

    def _infos(self) -> dict[str, Any]:
        acts = self._world.acts
        infos: dict[str, Any] = {
            "acts": acts.copy(),
            "action_mask": _shared.masks(acts, self._world.game, self._world.observations),
            "observation": self._world.observations.copy(),
        }
        return infos | {f"_{name}": np.ones(self.num_envs, dtype=np.bool_) for name in infos}


def _legal(world: World, actions: IntArray, name: Callable[[int], str]) -> None:
    """Raise if an agent that acts takes an illegal action."""
    if world.game.legal is not None:
        acting = np.flatnonzero(world.acts)
        taken = actions[acting], world.observations[acting]
        _shared.refuse_illegal(*taken, world.game, lambda i: name(int(acting[i])))


def to_stable_baselines3(envs: TaggedVectorEnv) -> VecEnv:
    """The copies of `make_vec` as a VecEnv of stable-baselines3, whose interface differs from Gymnasium's.

    Parameters
    ----------
    envs : TaggedVectorEnv
        With autoreset_mode SAME_STEP.

    Returns
    -------
    stable_baselines3.common.vec_env.VecEnv
        Has ``action_masks()``, which MaskablePPO of sb3-contrib calls.

    Raises
    ------
    ModuleNotFoundError
        stable-baselines3 is not installed (it is in no extra, because it needs PyTorch).
    TypeError, ValueError
        envs is not a TaggedVectorEnv, or has another autoreset_mode.
    """
    check.as_instance(envs, "envs", TaggedVectorEnv)
    mode = envs.metadata["autoreset_mode"]
    if mode is not AutoresetMode.SAME_STEP:
        raise ValueError(f"envs have autoreset_mode {mode.name}; must be SAME_STEP, as in stable-baselines3")
    from tmfcore.interop._stable_baselines3 import Copies

    return Copies(envs)


def _spaces(game: Game) -> tuple[spaces.Box, spaces.Discrete]:
    box = spaces.Box(0.0, 1.0, (2 * game.n_observations + 1,), np.float32)
    return box, spaces.Discrete(game.n_actions)


def _as_mode(mode: object) -> AutoresetMode:
    if isinstance(mode, AutoresetMode):
        return mode
    return AutoresetMode(check.as_choice(mode, "autoreset_mode", AutoresetWord))


def _as_render_mode(mode: object) -> str | None:
    return None if mode is None else check.as_choice(mode, "render_mode", RenderMode)


def _begun(faced: World) -> None:
    if faced.t < 0:
        raise ResetNeeded("the environment has not been reset; call reset() first")


def _ready(faced: World) -> None:
    _begun(faced)
    if faced.over:
        raise ResetNeeded("the episode is over; call reset()")


gymnasium.register(id=ID, entry_point=f"{__name__}:TaggedEnv", vector_entry_point=f"{__name__}:TaggedVectorEnv")
