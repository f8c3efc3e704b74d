"""N agents as a PettingZoo environment: all at once, or the active agents of each step in turn (extra `envs`).

    parallel_env(game, schedule, n_agents)   every agent is listed at every step; agents that do not act are masked
    aec_env(game, schedule, n_agents)        the agents of a batch act one after another, in random order

Both sample the law of `simulate` (Theory, sections 1 and 5): a batch is drawn uniformly without replacement, and all
draws of a step are made at the population of its start. With the same seed and actions both give the same trajectories.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.types import Start
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._model.game import Game, in_steps
from tmfcore._model.schedules import Schedule, as_schedule
from tmfcore._population.population import Population
from tmfcore.interop import _shared
from tmfcore.interop._frames import Frames

try:
    from gymnasium import spaces
    from pettingzoo import AECEnv, ParallelEnv
except ModuleNotFoundError as error:
    raise _shared.missing(__name__, error) from error

__all__ = ["AgentByAgent", "Parallel", "aec_env", "parallel_env"]

RenderMode: TypeAlias = Literal["human", "ansi", "rgb_array"]
MOST_AGENTS = 10_000_000  # PettingZoo's dictionaries take more than a kilobyte per agent

Row = npt.NDArray[np.float32]

_NOBODY: IntArray = np.zeros(0, dtype=np.int64)


def parallel_env(
    game: Game,
    schedule: Schedule,
    n_agents: int,
    *,
    start: Start = "rounded",
    render_mode: RenderMode | None = None,
) -> Parallel:
    """N agents as a PettingZoo ParallelEnv.

    Every agent, "agent_0" to "agent_{N-1}", is listed at every step. The batch is drawn before actions are chosen, and
    ``infos[agent]`` has:

    * ``"acts"``: bool, whether the agent acts at this step;
    * ``"action_mask"``: (A,) int8, the legal actions of agents that act, and only the first of them for the others,
      whose actions are ignored and may be missing. (A masked policy gives it probability 1, which has no gradient.);
    * ``"observation"``: int, the agent's own observation.

    Observations are (2S+1,) float32 in [0, 1]: own observation (one-hot, S), mu (S), t / T. ``state()`` is
    (mu, t / T). Rewards are those of the game, for active and passive agents. All agents terminate after T steps; they
    are never truncated, since no rewards follow the horizon.

    Parameters
    ----------
    game : Game
    schedule : Schedule
        Which agents act at each step.
    n_agents : int
        N, 1 to 10,000,000.
    start : {"rounded", "sampled"}, optional
        Counts at the start, as in simulate. Agents are assigned to observations uniformly at random.
    render_mode : {"human", "ansi", "rgb_array"} or None, optional
        ``render()`` writes text to standard output, returns it, or returns a picture, (480, 640, 3) uint8: a map
        of a grid, or bars.

    Returns
    -------
    Parallel
        A ``pettingzoo.ParallelEnv``. ``reset(seed)`` starts a new random stream; without a seed the old stream
        continues. ``options`` are accepted, as PettingZoo requires, and ignored.

    Raises
    ------
    TypeError, ValueError
        An argument is bad; in ``step``, an active agent has no action, or an action is out of range.

    Notes
    -----
    A step costs O(N S) time and new memory, plus the tables of the game.
    An environment is used by one thread at a time.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.queueing([0.1, 0.2, 0.3])
    >>> env = tmf.interop.pettingzoo.parallel_env(game, tmf.Batch(2), n_agents=5)
    >>> observations, infos = env.reset(seed=1)
    >>> sum(info["acts"] for info in infos.values())
    2
    >>> observations, rewards, *_ = env.step({agent: 1 for agent in env.agents})
    >>> env.state().round(2).tolist()[:2]  # two of five went to the first server
    [0.6000000238418579, 0.4000000059604645]
    """
    return Parallel(_Crowd(game, schedule, n_agents, start), render_mode)


def aec_env(
    game: Game,
    schedule: Schedule,
    n_agents: int,
    *,
    start: Start = "rounded",
    render_mode: RenderMode | None = None,
) -> AgentByAgent:
    """N agents as a PettingZoo AECEnv: the active agents of a step act one by one, in random order.

    ``agent_selection`` goes through the batch of a step. All agents of the batch observe the population at the start of
    the step. After the last one has chosen, all N agents move and receive rewards, and the next batch is drawn. Steps
    with an empty batch are skipped, and their rewards added up. ``last()`` returns the reward that an agent received
    since its last action, for acting and for waiting.

    Observations, rewards and termination are those of `parallel_env`. The info of the selected agent has
    ``"action_mask"`` (the legal actions, (A,) int8) and ``"observation"``; the infos of all others are empty.

    Parameters
    ----------
    game, schedule, n_agents, start, render_mode
        As in `parallel_env`.

    Returns
    -------
    AgentByAgent
        A ``pettingzoo.AECEnv``; ``reset`` as in `parallel_env`.

    Raises
    ------
    TypeError, ValueError
        An argument is bad, or an action is out of range.

    Notes
    -----
    O(S) time per action, and O(N) at the end of a step, to fill PettingZoo's dictionaries.
    An environment is used by one thread at a time.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.queueing([0.1, 0.2, 0.3], horizon=1)
    >>> env = tmf.interop.pettingzoo.aec_env(game, tmf.Batch(2), n_agents=5)
    >>> env.reset(seed=1)
    >>> for agent in env.agent_iter():
    ...     observation, reward, terminated, truncated, info = env.last()
    ...     env.step(None if terminated else 1)
    >>> env.state().round(2).tolist()[:2]
    [0.800000011920929, 0.20000000298023224]
    """
    return AgentByAgent(_Crowd(game, schedule, n_agents, start), render_mode)


class _Crowd:
    """N individuals of a Population, and the batch that acts next: the state of both environments."""

    def __init__(self, game: Game, schedule: Schedule, n_agents: int, start: Start) -> None:
        self.n_agents = check.as_positive_int(n_agents, "n_agents", high=MOST_AGENTS)
        self.start = check.as_choice(start, "start", Start)
        self.game = in_steps(game, schedule, n_agents)
        self.schedule = as_schedule(schedule)
        self.names = [f"agent_{i}" for i in range(self.n_agents)]
        self.index = {name: i for i, name in enumerate(self.names)}
        self.horizon, self.n_actions = self.game.n_steps, self.game.n_actions
        self.population = Population(
            self.game, self.schedule, self.n_agents, engine="agents", start=self.start, decisions=False
        )
        self.t = -1  # before the first reset

    @property
    def over(self) -> bool:
        return self.t == self.horizon

    def reset(self, seed: int | None) -> None:
        self.population.restart(rng=_shared.as_seed(seed))
        self._look(self.population.observations[0].astype(np.int64))

    def _look(self, observations: IntArray) -> None:
        """See the population and, before the end, draw the next batch in the order of acting."""
        self.observations = observations
        self.t = self.population.t
        self.mu: FloatArray = self.population.mu[0]
        self.acting: IntArray = _NOBODY if self.t == self.horizon else self.population._batches()[0]

    def step(self, actions: IntArray) -> FloatArray:
        """Move all agents; `actions` (B,) are those of self.acting. Returns the rewards (N,)."""
        rewards, observations = self.population._moved([actions])
        self._look(observations[0])
        row: FloatArray = rewards[0]
        return row

    def rows(self) -> _shared.Rows:
        """The observations of all agents, (N, 2S+1)."""
        return _shared.encode(self.observations, self.mu, self.t, self.horizon)

    def row(self, i: int) -> Row:
        """The observation of agent i, (2S+1,)."""
        row: Row = _shared.encode(self.observations[i : i + 1], self.mu, self.t, self.horizon)[0]
        return row

    def state(self) -> Row:
        """(mu, t / T), (S+1,)."""
        return np.append(self.mu, self.t / self.horizon).astype(np.float32)


class _Common:
    """The attributes and methods that PettingZoo requires of both kinds of environment."""

    metadata: dict[str, Any]

    def __init__(self, crowd: _Crowd, render_mode: RenderMode | None, *, parallel: bool) -> None:
        check.as_instance(crowd, "crowd", _Crowd)
        if render_mode is not None:
            check.as_choice(render_mode, "render_mode", RenderMode)
        name = "_".join((crowd.game.name or "game").split())
        self.metadata = {"name": name, "render_modes": list(get_args(RenderMode)), "is_parallelizable": parallel}
        self.render_mode = render_mode
        self.possible_agents: list[str] = list(crowd.names)
        self.agents: list[str] = []
        self._crowd, self._frames = crowd, Frames(crowd.game, render_mode)
        self._observation_spaces: dict[str, spaces.Box] = {}
        self._action_spaces: dict[str, spaces.Discrete] = {}
        size = crowd.game.n_observations + 1
        self.state_space = spaces.Box(0.0, 1.0, (size,), np.float32)

    def observation_space(self, agent: str) -> spaces.Box:
        """Box(0, 1, (2S+1,), float32), one object per agent."""
        self._known(agent)
        if agent not in self._observation_spaces:
            self._observation_spaces[agent] = spaces.Box(
                0.0, 1.0, (2 * self._crowd.game.n_observations + 1,), np.float32
            )
        return self._observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Discrete:
        """Discrete(A), one object per agent, so that each has its own random stream."""
        self._known(agent)
        if agent not in self._action_spaces:
            self._action_spaces[agent] = spaces.Discrete(self._crowd.game.n_actions)
        return self._action_spaces[agent]

    def state(self) -> Row:
        """(mu, t / T), (S+1,) float32."""
        self._begun()
        return self._crowd.state()

    def render(self) -> str | npt.NDArray[np.uint8] | None:
        """The population as `render_mode` says; see `parallel_env`."""
        self._begun()
        crowd = self._crowd
        if self.render_mode == "rgb_array":
            return self._frames.picture(crowd.mu, crowd.t)
        line = self._frames.text(crowd.mu, crowd.t)
        if self.render_mode == "ansi":
            return line
        if self.render_mode == "human":
            sys.stdout.write(line + "\n")
        return None

    def close(self) -> None:
        """Do nothing: no resources are open."""

    def _begun(self) -> None:
        if self._crowd.t < 0:
            raise ValueError("the environment has not been reset; call reset() first")

    def _known(self, agent: str) -> int:
        if not isinstance(agent, str) or agent not in self._crowd.index:
            last = self._crowd.n_agents - 1
            raise ValueError(f"agent is {say.show(agent)}; must be one of 'agent_0' .. 'agent_{last}'")
        return self._crowd.index[agent]


class Parallel(_Common, ParallelEnv):
    """N agents that step together; made by `parallel_env`."""

    def __init__(self, crowd: _Crowd, render_mode: RenderMode | None) -> None:
        super().__init__(crowd, render_mode, parallel=True)

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Row], dict[str, dict[str, Any]]]:
        """Move all agents to the start; returns observations and infos."""
        _shared.as_options(options)
        self._crowd.reset(seed)
        self.agents = list(self.possible_agents)
        return self._seen()

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[dict[str, Row], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Make one step of all agents; only the `actions` of active agents are read.

        Returns
        -------
        observations, rewards, terminations, truncations, infos : dict
            By agent.
        """
        self._begun()
        if not self.agents:
            return {}, {}, {}, {}, {}
        crowd = self._crowd
        names = crowd.names
        acting = crowd.acting.tolist()
        if type(actions) is not dict:
            check.as_instance(actions, "actions", Mapping)
        try:
            given = [actions[names[i]] for i in acting]
        except KeyError as error:
            raise ValueError(f"actions has no entry for {error.args[0]}, which acts at this step") from None
        chosen = _shared.as_actions(given, len(acting), crowd.n_actions)
        _shared.refuse_illegal(
            chosen, crowd.observations[crowd.acting], crowd.game, lambda i: f"actions[{names[acting[i]]!r}]"
        )
        rewards = crowd.step(chosen)
        observations, infos = self._seen()
        earned = dict(zip(names, rewards.tolist()))
        over = crowd.over
        terminations = dict.fromkeys(names, over)
        if over:
            self.agents = []
        return observations, earned, terminations, dict.fromkeys(names, False), infos

    def _seen(self) -> tuple[dict[str, Row], dict[str, dict[str, Any]]]:
        """Observations and infos by agent: rows of arrays made for this step."""
        crowd = self._crowd
        acts = np.zeros(crowd.n_agents, dtype=np.bool_)
        acts[crowd.acting] = True
        masks = _shared.masks(acts, crowd.game, crowd.observations)
        infos = [
            {"acts": a, "action_mask": mask, "observation": o}
            for a, mask, o in zip(acts.tolist(), masks, crowd.observations.tolist())
        ]
        return dict(zip(crowd.names, crowd.rows())), dict(zip(crowd.names, infos))


class AgentByAgent(_Common, AECEnv):
    """N agents, of which the active ones act in turn; made by `aec_env`."""

    def __init__(self, crowd: _Crowd, render_mode: RenderMode | None) -> None:
        super().__init__(crowd, render_mode, parallel=False)

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Move all agents to the start, and draw the first batch."""
        _shared.as_options(options)
        self._crowd.reset(seed)
        names = self.possible_agents
        self.agents = list(names)
        self.rewards = dict.fromkeys(names, 0.0)
        self.terminations = dict.fromkeys(names, False)
        self.truncations = dict.fromkeys(names, False)
        self.infos: dict[str, dict[str, Any]] = {name: {} for name in names}
        self._cumulative_rewards = dict.fromkeys(names, 0.0)
        self._owed = np.zeros(self._crowd.n_agents)  # the same as an array
        self._paid = False  # whether self.rewards has anything but zeros
        self._chosen: list[int] = []  # actions of the agents of the batch that have had their turn
        earned = self._pass_over()
        if earned is not None:
            self._pay(earned)
        self._select()

    def step(self, action: Any) -> None:
        """Take the action of `agent_selection`; None for a terminated agent."""
        self._begun()
        agent = self.agent_selection
        if not self.agents:
            raise ValueError("the episode is over; call reset()")
        if self.terminations[agent]:
            self._bury(agent, action)
            return
        crowd = self._crowd
        taken = _shared.as_action(action, crowd.n_actions)
        own = crowd.index[agent]
        _shared.refuse_illegal(np.array([taken]), crowd.observations[own : own + 1], crowd.game, lambda _: "action")
        chosen = [*self._chosen, taken]
        complete = len(chosen) == len(crowd.acting)
        earned = crowd.step(np.array(chosen, dtype=np.int64)) if complete else None  # raises before any state changes
        self._chosen = [] if complete else chosen
        self._owed[crowd.index[agent]] = 0.0
        self._cumulative_rewards[agent] = 0.0
        self.infos[agent] = {}
        self._clear()
        if earned is not None:
            more = self._pass_over()
            self._pay(earned if more is None else earned + more)
        self._select()

    def observe(self, agent: str) -> Row:
        """The observation of an agent, (2S+1,) float32: own observation (one-hot), mu, t / T."""
        self._begun()
        return self._crowd.row(self._known(agent))

    def _pass_over(self) -> FloatArray | None:
        """Play steps with an empty batch; returns the sum of their rewards (N,), or None if there are none."""
        crowd = self._crowd
        earned = None
        while not crowd.over and len(crowd.acting) == 0:
            rewards = crowd.step(np.zeros(0, dtype=np.int64))
            earned = rewards if earned is None else earned + rewards
        return earned

    def _pay(self, earned: FloatArray) -> None:
        self._owed += earned
        self.rewards = dict(zip(self.possible_agents, earned.tolist()))
        self._cumulative_rewards = dict(zip(self.possible_agents, self._owed.tolist()))
        self._paid = True

    def _clear(self) -> None:
        if self._paid:
            self.rewards = dict.fromkeys(self.agents, 0.0)
            self._paid = False

    def _select(self) -> None:
        """Select the next agent of the batch; at the end, terminate all agents and select the first."""
        crowd = self._crowd
        if crowd.over:
            self.terminations = dict.fromkeys(self.agents, True)
            self.agent_selection = self.agents[0]
            return
        i = int(crowd.acting[len(self._chosen)])
        self.agent_selection = crowd.names[i]
        legal = crowd.game.legal
        allowed = np.ones(crowd.n_actions, dtype=np.int8) if legal is None else legal[crowd.observations[i]]
        self.infos[crowd.names[i]] = {
            "action_mask": allowed.astype(np.int8, copy=False),
            "observation": int(crowd.observations[i]),
        }

    def _bury(self, agent: str, action: object) -> None:
        """Remove a terminated agent in O(1) dictionary operations; AECEnv's own method searches all agents."""
        if action is not None:
            raise ValueError(f"action is {say.show(action)}; must be None, since {agent} is terminated")
        self._clear()
        for held in (self.terminations, self.truncations, self.rewards, self._cumulative_rewards, self.infos):
            del held[agent]
        self.agents.remove(agent)
        if self.agents:
            self.agent_selection = self.agents[0]
