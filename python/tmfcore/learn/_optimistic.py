"""Learning to cooperate in a game whose rows are not known, by optimism (Theory, section 18)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from tmfcore._base import bars, needs
from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.functions import SMALLER_GAME, fits_memory, takes_rng
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._limit.welfare import welfare
from tmfcore._model import sources
from tmfcore._model.game import Game
from tmfcore._model.schedules import Schedule
from tmfcore._random import seeding
from tmfcore._results import confidence as _intervals
from tmfcore._results.result import Result
from tmfcore._results.tables import Table, Variable
from tmfcore.learn._oracle import Oracle, Play, played, steps_of
from tmfcore.learn._planner import plan, rerouted
from tmfcore.learn._rows import Counts
from tmfcore.solvers import Solution, solve
from tmfcore.solvers.auto import OWN, Own

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Episodes", "optimistic"]


@dataclass(frozen=True, eq=False, repr=False)
class Episodes(Result[Literal["regret", "cumulative"]]):
    """What was learnt in each episode, and the rows in the end.

    Parameters
    ----------
    solution : Solution
        The plan of the last episode: a policy of high welfare, for the rows that it hoped for.
    planned : (I,) float64
        The welfare that each plan hoped for.
    welfare : (I,) float64
        That of its policy in the game that was played; NaN if an `oracle` was given, since that game is not known.
    optimum : float
        The highest welfare that `solve` found in the game that was played; NaN likewise.
    inside : (I,) float64
        The share of rows (o, a) of the game that was played which were in their confidence sets when the episode was
        planned; NaN likewise. Sets of a width below 1 hold no row in which a move is impossible.
    moves : (S, A, S) int64
        How often each move was seen, in all.
    transition, low, high : (S, A, S) float64
        Estimated rows, and the ends of their confidence sets, in the end.
    confidence, width : float
    game, schedule : str
        Names.

    Notes
    -----
    `plot` draws the regret per episode, or cumulated.
    """

    SHAPES: ClassVar[dict[str, str]] = {
        "planned": "I", "welfare": "I", "inside": "I", "moves": "S A S'", "transition": "S A S'", "low": "S A S'",
        "high": "S A S'",
    }  # fmt: skip
    RANGES: ClassVar[dict[str, str]] = {">= 0": "moves", "finite": "planned transition low high"}

    solution: Solution
    planned: FloatArray
    welfare: FloatArray
    optimum: float
    inside: FloatArray
    moves: IntArray
    transition: FloatArray
    low: FloatArray
    high: FloatArray
    confidence: float
    width: float
    game: str = ""
    schedule: str = ""

    @property
    def regret(self) -> FloatArray:
        """The optimum minus the welfare of each episode, (I,)."""
        return self.optimum - self.welfare

    @property
    def visits(self) -> IntArray:
        """How often agents were seen to choose a at o, (S, A)."""
        visits: IntArray = self.moves.sum(axis=-1)
        return visits

    def estimated(self, game: Game) -> Game:
        """A game in steps with the rewards of `game`, in steps, and the rows that were estimated in the end.

        Parameters
        ----------
        game : Game
            The game that was played, or another one of its sizes.

        Returns
        -------
        Game

        Raises
        ------
        TypeError, ValueError
            A game of other sizes, or in sweeps without a step of its own (use `game.at(schedule, n_agents)`).
        """
        check.as_instance(game, "game", Game)
        for name, have, wanted in zip(
            ("n_observations", "n_actions"), (game.n_observations, game.n_actions), self.visits.shape, strict=True
        ):
            if have != wanted:
                raise ValueError(f"game.{name} is {have}; must be {wanted}, as that of the game that was played")
        if game._cut is not None:
            if game.step is None:
                raise ValueError(f"game is {game!r}; must be in steps: game.at(schedule, n_agents)")
            game = game.at()
        return rerouted(game, self.transition[np.newaxis])

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "game", self.game
        yield "episodes", len(self.planned)
        yield "moves", int(self.moves.sum())
        if np.isfinite(self.optimum):
            yield "regret", float(self.regret.sum())
            yield "of the last", float(self.regret[-1])

    def _table(self) -> Table:
        columns: dict[str, Variable] = {
            name: (("episode",), np.asarray(getattr(self, name))) for name in ("planned", "welfare", "regret", "inside")
        }
        about: dict[str, str | int | float] = {
            "game": self.game, "schedule": self.schedule, "optimum": self.optimum, "confidence": self.confidence,
            "width": self.width,
        }  # fmt: skip
        return Table({"episode": np.arange(len(self.planned))}, columns, "regret", {}, about)

    def _picture(self, kind: str, **style: Any) -> Axes:
        from tmfcore import plotting

        if not np.isfinite(self.optimum):
            raise ValueError("nothing to draw: the game that was played is not known, and so its optimum")
        values = self.regret if kind == "regret" else np.cumsum(self.regret)
        return plotting.by_step(
            {"policy of the episode" if kind == "regret" else "cumulated": values}, 0.0, level_label="optimum",
            quantity="regret (units of return)", x_label="episode", **style,
        )  # fmt: skip


@takes_rng
@fits_memory(SMALLER_GAME, asks=True)
def optimistic(
    game: Game,
    schedule: Schedule,
    n_agents: int | None = None,
    *,
    episodes: int = 50,
    oracle: Play | None = None,
    trajectories: int = 1,
    confidence: float = 0.95,
    width: float = 1.0,
    prior: float = 1.0,
    solver: Any = None,
    iterations: int | None = None,
    time_limit: float | None = None,
    tolerance: float | Own | None = OWN,
    absolute_tolerance: float | Own | None = OWN,
    rng: seeding.RNG = None,
    progress: bars.Progress = False,
) -> Episodes:
    """Learn a policy of high welfare in a game whose rows are not known: plan for the best rows that are likely.

    In each episode all agents play the policy that has the highest welfare if rows are as favourable as what was seen
    allows; the moves of some agents are added to what was seen. This is optimism as in M3-UCRL (arXiv:2107.04050), for
    finite observations and rows that do not depend on mu or t (ours).

    Parameters
    ----------
    game : Game
        The game that is played. Its rewards, passive rows and start are known to the learner; its rows are not, and are
        used only to play, and to measure regret.
    schedule : Schedule
    n_agents : int or None, optional
        N, to convert batch sizes to fractions, as in mean_field.
    episodes : int, optional
    oracle : callable or None, optional
        Plays in the place of `game`, whose rows then have no meaning: oracle(policy, policy) -> (observations, actions)
        as in `eliminate`. None: an `Oracle` of the game, in the mean field.
    trajectories : int, optional
        How many agents are seen in each episode, if there is no `oracle`.
    confidence : float, optional
        In (0, 1), of the confidence sets of all rows together, in one episode.
    width : float, optional
        >= 0: the sets are so many times as wide. 0: certainty equivalence, the policy for the estimated rows.
    prior : float, optional
        >= 0, the smoothing of the estimates, as in `fit`.
    solver, iterations, time_limit, tolerance, absolute_tolerance : optional
        As in `solve`, for every plan.
    rng : int, Generator, SeedSequence or None, optional
        For the trajectories, if there is no `oracle`.
    progress : bool or callable, optional
        True: a bar (extra `app`). A function of (done, total): episodes.

    Returns
    -------
    Episodes

    Raises
    ------
    TypeError, ValueError
        Bad arguments; rows that depend on mu or t; what the oracle returns does not have the right shape or range;
        random noise, or Poisson clocks.

    Warns
    -----
    ConvergenceWarning
        A plan has not met its tolerance.

    Notes
    -----
    A row's confidence set is a box: Clopper and Pearson's intervals of its entries at the level 1 - (1 - confidence) /
    (S A S), from moves that were seen (Theory, section 18). The most favourable row in it is found by a sort. Plans are
    found by turns of rows and policy, and are stationary points: the regret is not bounded where welfare has others.

    Cost: a few solves per episode, and O(T S^2 A log S) for the rows of each. An exception, Ctrl-C among them, carries
    the episodes so far as `partial`.

    Examples
    --------
    Bars on a beach, whose wind nobody knows:

    >>> import tmfcore as tmf
    >>> game = tmf.games.beach_bar(6, horizon=6, step=1)
    >>> found = tmf.learn.optimistic(game, tmf.Synchronous(), episodes=8, trajectories=20, rng=1)
    >>> bool(found.regret[-4:].mean() < found.regret[:4].mean())
    True
    """
    bars.check(progress)
    steps = steps_of(game, schedule, n_agents)
    if not steps.model.constant_transition:
        raise ValueError(
            f"game is {game!r}, whose rows depend on mu or t, or may do so; must have constant rows: one is learnt for "
            "each observation and action"
        )
    n_episodes = check.as_positive_int(episodes, "episodes")
    learner = _Learner(
        steps, schedule, n_agents, oracle, check.as_positive_int(trajectories, "trajectories"),
        _intervals.as_confidence(confidence), check.as_float(width, "width", low=0.0),
        check.as_float(prior, "prior", low=0.0),
        {
            "solver": solver, "iterations": iterations, "time_limit": time_limit, "tolerance": tolerance,
            "absolute_tolerance": absolute_tolerance, "rng": 0,
        },
        rng,
    )  # fmt: skip
    size, n_actions = steps.n_observations, steps.n_actions
    needs.ask({
        "rows that are hoped for": (32, steps.n_steps, size, n_actions, size),
        "confidence sets": (64, size, n_actions, size),
    })  # fmt: skip
    try:
        with bars.reporter(progress, n_episodes, "episodes") as report:
            for done in range(n_episodes):
                learner.play()
                report(done + 1)
        return learner.found()
    except BaseException as error:
        error.partial = learner.found() if learner.planned else None  # type: ignore[attr-defined]  # ours
        raise


class _Learner:
    """The state of a learner: what it has seen, and how its policies did."""

    def __init__(
        self, game: Game, schedule: Schedule, n_agents: int | None, oracle: Play | None, trajectories: int,
        confidence: float, width: float, prior: float, options: dict[str, Any], rng: seeding.RNG,
    ) -> None:  # fmt: skip
        self.game, self.schedule, self.n_agents = game, schedule, n_agents
        self.confidence, self.width, self.prior, self.options = confidence, width, prior, options
        self.true: FloatArray | None = None
        self.best = float("nan")
        if oracle is None:
            oracle = Oracle(game, schedule, n_agents, trajectories=trajectories, rng=rng)
            model = game.model
            rows = model.tables(game.initial, 0)[1]
            self.true = rows if model.successors is None else sources.dense(rows, model.successors)
        elif trajectories != 1:
            raise ValueError(
                f"trajectories is {trajectories} with an oracle; must be omitted: the oracle says how many"
            )
        elif rng is not None:
            raise ValueError(f"rng is {say.show(rng)} with an oracle; must be omitted: only the oracle draws")
        self.oracle = check.as_function(oracle, "oracle", "(agent, population)")
        size = game.n_observations
        self.moves = np.zeros((size, game.n_actions, size), np.int64)
        self.planned: list[float] = []
        self.welfare: list[float] = []
        self.inside: list[float] = []
        self.solution: Solution | None = None

    @property
    def counts(self) -> Counts:
        return Counts(self.moves, self.prior)

    def play(self) -> None:
        """An episode: plan, play, and add what was seen."""
        counts = self.counts
        box = counts.box(self.confidence, self.width)
        sets = box if self.width > 0 else None
        found = plan(self.game, counts.estimate, sets, self.schedule, self.n_agents, self.options)
        policy = found.solution.policy
        for observations, actions in played(self.oracle, policy, policy, self.game):
            acts = actions >= 0
            np.add.at(self.moves, (observations[:-1][acts], actions[acts], observations[1:][acts]), 1)
        inside, reached = float("nan"), float("nan")
        if self.true is not None:
            inside = float(box.holds(self.true).mean())
            reached = welfare(self.game, policy, self.schedule, self.n_agents)
            if not self.planned:
                self.best = solve(self.game, self.schedule, self.n_agents, altruism=1.0, **self.options).mean_return
        self.planned.append(found.welfare)
        self.welfare.append(reached)
        self.inside.append(inside)
        self.solution = found.solution

    def found(self) -> Episodes:
        """What was learnt so far."""
        counts = self.counts
        box = counts.box(self.confidence, self.width)
        return Episodes._made(
            solution=self.solution, planned=np.array(self.planned), welfare=np.array(self.welfare), optimum=self.best,
            inside=np.array(self.inside), moves=self.moves.copy(), transition=counts.estimate, low=box.low,
            high=box.high, confidence=self.confidence, width=self.width, game=self.game.name,
            schedule=self.schedule.label,
        )  # fmt: skip
