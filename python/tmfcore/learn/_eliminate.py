"""Which of several games is being played: candidates are eliminated by what agents see (Theory, section 18)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import inf, log
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from tmfcore._base import bars, needs
from tmfcore._base import validation as check
from tmfcore._base.functions import fits_memory, takes_rng
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._limit.checks import active_fractions
from tmfcore._limit.exploitability import exploitability
from tmfcore._limit.mean_field import mean_field
from tmfcore._model.game import Game
from tmfcore._model.schedules import Schedule
from tmfcore._random import seeding
from tmfcore._results.result import Result
from tmfcore._results.tables import Table, Variable
from tmfcore.learn._distances import View, all_pairs, distances, loglikelihood, looks, needs_of_distances
from tmfcore.learn._oracle import Play, played, steps_of
from tmfcore.solvers import Solution, solve
from tmfcore.solvers.auto import OWN, Own

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Elimination", "eliminate"]

CLOSE = 0.1  # candidates are neighbours if they differ by less than this share of epsilon

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, repr=False)
class Elimination(Result[Literal["candidates"]]):
    """The candidate that was found, and how the others were eliminated.

    Parameters
    ----------
    candidate : int
        The game that was found is games[candidate].
    solution : Solution
        Its equilibrium.
    survivors : (n,) int64
        The candidates that were not eliminated, increasing.
    exploitability : (n,) float64
        That of the policy of `solution` in each survivor.
    loglikelihood : (M,) float64
        Of all that was seen until the candidate was eliminated, minus that of the likeliest candidate then; -inf if
        something was seen that it says is impossible.
    eliminated : (M,) int64
        The number of trajectories after which the candidate was eliminated; -1 for survivors.
    trajectories : (I,) int64
        How many had been seen at the end of each round.
    remaining : (I,) int64
        Candidates after each round.
    reference : (I,) int64
        The candidate whose equilibrium the population played.
    distance : (I,) float64
        How far apart the two candidates were between which the agent looked for differences, the farthest apart then.
    converged : bool
        Whether it ended by itself, not at the limit of trajectories.
    delta : float
    game, schedule : str
        Names: that of the game found, and of the schedule.

    Notes
    -----
    `plot` draws the number of candidates that are left after each round.
    """

    SHAPES: ClassVar[dict[str, str]] = {
        "trajectories": "I", "remaining": "I", "reference": "I", "distance": "I", "survivors": "n",
        "exploitability": "n", "loglikelihood": "M", "eliminated": "M",
    }  # fmt: skip
    RANGES: ClassVar[dict[str, str]] = {
        ">= 0": "trajectories remaining reference survivors", "finite": "distance exploitability",
    }  # fmt: skip

    candidate: int
    solution: Solution
    survivors: IntArray
    exploitability: FloatArray
    loglikelihood: FloatArray
    eliminated: IntArray
    trajectories: IntArray
    remaining: IntArray
    reference: IntArray
    distance: FloatArray
    converged: bool
    delta: float
    game: str = ""
    schedule: str = ""

    @property
    def guarantee(self) -> float:
        """The largest exploitability of the policy in any survivor.

        With probability 1 - delta or more the true game is a survivor, and this bounds the exploitability in it.
        """
        return float(self.exploitability.max())

    @property
    def n_trajectories(self) -> int:
        """How many trajectories were seen."""
        return int(self.trajectories[-1]) if len(self.trajectories) else 0

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "game", self.game
        yield "found", f"games[{self.candidate}]"
        yield "survivors", f"{len(self.survivors)} of {len(self.eliminated)}"
        yield "trajectories", self.n_trajectories
        yield "exploitability at most", self.guarantee
        yield "converged", self.converged

    def _table(self) -> Table:
        names = ("trajectories", "remaining", "reference", "distance")
        columns: dict[str, Variable] = {name: (("round",), getattr(self, name)) for name in names}
        about: dict[str, str | int | float] = {
            "game": self.game, "schedule": self.schedule, "candidate": self.candidate, "guarantee": self.guarantee,
        }  # fmt: skip
        return Table({"round": np.arange(len(self.trajectories))}, columns, "remaining", {}, about)

    def _picture(self, kind: str, **style: Any) -> Axes:
        from tmfcore import plotting

        left = np.concatenate([[len(self.eliminated)], self.remaining]).astype(np.float64)
        return plotting.by_step(
            {"not eliminated": left}, 1.0, level_label="one left", quantity="candidates", x_label="round", **style
        )


@takes_rng
@fits_memory("games must be fewer, or have fewer observations or actions", asks=True)
def eliminate(
    games: Iterable[Game],
    oracle: Play,
    schedule: Schedule,
    n_agents: int | None = None,
    *,
    epsilon: float = 1e-3,
    delta: float = 1e-3,
    rounds: int = 50,
    most: int = 100_000,
    solver: Any = None,
    iterations: int | None = None,
    time_limit: float | None = None,
    tolerance: float | Own | None = OWN,
    absolute_tolerance: float | Own | None = OWN,
    threads: int | None = None,
    rng: seeding.RNG = None,
    progress: bars.Progress = False,
) -> Elimination:
    """Find out which of several games is being played, and its equilibrium, from few trajectories of single agents.

    The heuristic algorithm of Huang, He and Krause (arXiv:2402.05724): the population plays the equilibrium of some
    candidate, the reference; one agent looks for what tells two candidates apart; candidates under which all that was
    seen is too unlikely are eliminated.

    Parameters
    ----------
    games : sequence of Game
        The candidates, which have the same sizes, horizon and start, and of which one is the true game. Only their rows
        are compared.
    oracle : callable
        oracle(agent, population) -> (observations, actions), of an agent with the policy `agent` while all others play
        `population`: (T+1,) and (T,) integers, -1 where the agent does not act; or (n, T+1) and (n, T) for several. An
        `Oracle` plays a game.
    schedule : Schedule
    n_agents : int or None, optional
        N, to convert batch sizes to fractions, as in mean_field.
    epsilon : float, optional
        > 0, of at most 2 T. Candidates that differ by less, with the population at an equilibrium of one of them, are
        not told apart.
    delta : float, optional
        In (0, 1): the probability with which the true game may be eliminated.
    rounds : int, optional
        The number of rounds with one reference; in each round there are two calls of the oracle.
    most : int, optional
        The number of trajectories after which no further round begins.
    solver, iterations, time_limit, tolerance, absolute_tolerance : optional
        As in `solve`, for the equilibria of candidates.
    threads : int or None, optional
        For the distances. None: as many as pay off.
    rng : int, Generator, SeedSequence or None, optional
        For the choice of references; the oracle has its own.
    progress : bool or callable, optional
        True: a bar (extra `app`). A function of (done, total): candidates eliminated, of all but one.

    Returns
    -------
    Elimination

    Raises
    ------
    TypeError, ValueError
        Bad arguments; games of different sizes, horizons or starts; what the oracle returns does not have the right
        shape or range, or is impossible in every candidate; random noise, or Poisson clocks.

    Warns
    -----
    ConvergenceWarning
        An equilibrium has not met its tolerance.

    Notes
    -----
    With mu^M the population of the reference policy in the candidate M, rows P^M at mu^M, and agents that act at
    every step,

        d(M, M') = max over policies of E_M sum_t |P^M_t(.|o_t,a_t) - P^M'_t(.|o_t,a_t)|_1

    Candidates are neighbours if d(M, M') and d(M', M) are less than epsilon / 10. References are tried in random order:
    the first one is taken under whose policy no candidate has more than half of all as neighbours; if there is none,
    that with the most neighbours of its own. In the second case the search ends if the reference is not eliminated; and
    it ends if all survivors are within epsilon of each other.

    Ours: a candidate is eliminated when its likelihood is less than delta / (M - 1) times that of the likeliest one. By
    Ville's inequality the true game then survives any number of rounds with probability 1 - delta, if observed
    agents move by the rows at the population's mean field; in a finite population they move by those at the mu of N
    agents. All T moves of a trajectory count, so that a round takes 2 trajectories instead of 2 T.

    Cost: O(n^2 T S^2 A) for all distances of n survivors, once per reference; an equilibrium per reference; and the
    rows that were seen, in all survivors. An exception, Ctrl-C among them, carries what was found so far as `partial`.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> games = [tmf.games.linear_features(12, n_actions=4, candidate=k, perturbation=0.5, rng=1) for k in range(8)]
    >>> oracle = tmf.learn.Oracle(games[5], tmf.Synchronous(), rng=1)
    >>> found = tmf.learn.eliminate(games, oracle, tmf.Synchronous(), rng=2)
    >>> found.candidate
    5
    """
    bars.check(progress)
    check.as_function(oracle, "oracle", "(agent, population)")
    items = check.as_items(games, "games", "a sequence of Game")
    candidates = [check.as_instance(game, f"games[{i}]", Game) for i, game in enumerate(items)]
    if not candidates:
        raise ValueError("games is empty; must have at least one Game")
    search = _Search(
        [steps_of(game, schedule, n_agents, f"games[{i}]") for i, game in enumerate(candidates)], candidates, oracle,
        schedule, n_agents, check.as_float(epsilon, "epsilon", low=0.0, low_open=True),
        check.as_float(delta, "delta", low=0.0, high=1.0, low_open=True, high_open=True),
        check.as_positive_int(rounds, "rounds"), check.as_positive_int(most, "most"),
        None if threads is None else check.as_positive_int(threads, "threads"),
        {
            "solver": solver, "iterations": iterations, "time_limit": time_limit, "tolerance": tolerance,
            "absolute_tolerance": absolute_tolerance,
        },
        seeding.generators(rng, 1)[0],
    )  # fmt: skip
    needs.ask(needs_of_distances(search.games[0], len(candidates)))
    try:
        with bars.reporter(progress, max(1, len(candidates) - 1), "candidates eliminated") as report:
            converged = search.run(report)
        return search.found(converged)
    except BaseException as error:
        error.partial = search.found(False) if search.solutions else None  # type: ignore[attr-defined]  # ours
        raise


class _Search:
    """The state of an elimination."""

    def __init__(
        self, games: list[Game], whole: list[Game], oracle: Play, schedule: Schedule, n_agents: int | None,
        epsilon: float, delta: float, rounds: int, most: int, threads: int | None, options: dict[str, Any],
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        first = games[0]
        for i, game in enumerate(games[1:], 1):
            for name in ("n_observations", "n_actions", "n_steps", "dt"):
                have, wanted = getattr(game, name), getattr(first, name)
                if have != wanted:
                    raise ValueError(f"games[{i}].{name} is {have}; must be {wanted}, that of games[0]")
            if not np.array_equal(game.initial, first.initial):
                raise ValueError(f"games[{i}].initial differs from that of games[0]; must be the same start")
            if not np.array_equal(game.legal, first.legal):  # type: ignore[arg-type]  # of None, too
                raise ValueError(f"games[{i}].legal differs from that of games[0]; must be the same legal actions")
        self.games, self.whole, self.oracle, self.schedule, self.n_agents = games, whole, oracle, schedule, n_agents
        self.epsilon, self.delta, self.rounds, self.most = epsilon, delta, rounds, most
        self.threads, self.options, self.rng = threads, options, rng
        self.actives = [active_fractions(game, schedule, n_agents) for game in games]
        self.threshold = log(max(1, len(games) - 1) / delta)
        self.alive = list(range(len(games)))
        self.solutions: dict[int, Solution] = {}
        self.likelihood = np.zeros(len(games))
        self.behind = np.zeros(len(games))
        self.left = np.full(len(games), -1)
        self.seen = 0
        self.history: list[tuple[int, int, int, float]] = []
        self.last: int | None = None  # the last reference

    # ---------------------------------------------------------------------------------------------------- the search

    def run(self, report: Any) -> bool:
        """Play until one candidate is left, or survivors need not be told apart; False at the limit of trajectories."""
        report(0)
        while len(self.alive) > 1:
            reference, views, apart, dense = self.next_reference()
            self.last = reference
            end = self.stage(reference, views, apart, report)
            if end == "limit":
                return False
            if reference in self.alive and (dense or end == "near"):
                break
        return True

    def stage(
        self, reference: int, views: dict[int, View], apart: FloatArray, report: Any
    ) -> Literal["near", "limit", "rounds"]:
        """Rounds with one reference, and why they end: all survivors are within epsilon of each other, or a limit.

        apart : (n, n) d(j, k) of the survivors, in their order
        """
        population = self.solutions[reference].policy
        for done in range(self.rounds + 1):
            far = float(apart.max())
            if far <= self.epsilon:
                return "near"
            if done == self.rounds:
                break
            if self.seen >= self.most:
                return "limit"
            j, k = (self.alive[int(i)] for i in np.unravel_index(int(apart.argmax()), apart.shape))
            agent = looks([views[j], views[k]], 0, 1)
            for policy in (population, agent):
                for observations, actions in played(self.oracle, policy, population, self.games[0]):
                    self.seen += 1
                    for i in self.alive:
                        self.likelihood[i] += loglikelihood(views[i], observations, actions)
            best = self.likelihood[self.alive].max()
            if best == -inf:
                raise ValueError(
                    f"games has no candidate in which what the oracle returned is possible, after {self.seen} "
                    "trajectories; must contain the game that is played"
                )
            self.behind[self.alive] = self.likelihood[self.alive] - best
            kept = [n for n, i in enumerate(self.alive) if self.behind[i] >= -self.threshold]
            for i in set(self.alive) - {self.alive[n] for n in kept}:
                self.left[i] = self.seen
            self.alive, apart = [self.alive[n] for n in kept], apart[np.ix_(kept, kept)]
            self.history.append((self.seen, len(self.alive), reference, far))
            report(len(self.games) - len(self.alive))
        return "rounds"

    def next_reference(self) -> tuple[int, dict[int, View], FloatArray, bool]:
        """A reference, the survivors in the flow of its policy, their distances, and whether it has most neighbours.

        A reference under which its own candidate has many neighbours cannot have few neighbours for all: this is known
        after n distances, without those of all pairs.
        """
        n, close = len(self.alive), CLOSE * self.epsilon
        most, dense = -1, self.alive[0]
        for i in (self.alive[place] for place in self.rng.permutation(n)):
            views = self.views(i)
            row = self.distances(views, i)
            neighbours = int((row < close).sum())  # itself among them
            if 2 * neighbours <= n:
                apart = self.distances(views)
                if 2 * int((np.maximum(apart, apart.T) < close).sum(axis=1).max()) <= n:
                    _log.debug("%d candidates, far from each other under the equilibrium of %d", n, i)
                    return i, views, apart, False
            if neighbours > most:
                most, dense = neighbours, i
        _log.debug("%d candidates, %d of them near %d under its equilibrium", n, most, dense)
        views = self.views(dense)
        return dense, views, self.distances(views), True

    # ----------------------------------------------------------------------------------------------- what it is made of

    def equilibrium(self, i: int) -> Solution:
        """Of a candidate, from that of another one."""
        if i not in self.solutions:
            start = self.solutions[next(reversed(self.solutions))].policy if self.solutions else None
            self.solutions[i] = solve(self.whole[i], self.schedule, self.n_agents, initial=start, rng=0, **self.options)
        return self.solutions[i]

    def views(self, reference: int) -> dict[int, View]:
        """The survivors, in the flow of the equilibrium of one of them."""
        policy = self.equilibrium(reference).policy
        return {
            i: View(self.games[i], mean_field(self.games[i], policy, self.schedule, self.n_agents).mu, self.actives[i])
            for i in self.alive
        }

    def distances(self, views: dict[int, View], of: int | None = None) -> FloatArray:
        """(n, n) d(j, k) of all survivors, or the larger one of d(of, k), d(k, of), (n,)."""
        n, listed = len(self.alive), [views[i] for i in self.alive]
        if of is not None:
            place = self.alive.index(of)
            others = [k for k in range(n) if k != place]
            pairs = np.array([sorted((place, k)) for k in others], np.intp).reshape(-1, 2)
            row = np.zeros(n)
            row[others] = distances(listed, pairs, self.threads).max(axis=1)
            return row
        pairs = all_pairs(n)
        found = distances(listed, pairs, self.threads)
        apart = np.zeros((n, n))
        apart[pairs[:, 0], pairs[:, 1]], apart[pairs[:, 1], pairs[:, 0]] = found[:, 0], found[:, 1]
        return apart

    def found(self, converged: bool) -> Elimination:
        """What is known at present."""
        if self.last in self.alive and (converged or self.likelihood[self.last] == self.likelihood[self.alive].max()):
            candidate = self.last
        else:
            candidate = max(self.alive, key=lambda i: self.likelihood[i])
        assert candidate is not None, "somebody is left"
        solution = self.equilibrium(candidate)
        gaps = [exploitability(self.games[i], solution.policy, self.schedule, self.n_agents) for i in self.alive]
        kinds = (np.int64, np.int64, np.int64, np.float64)
        seen, remaining, reference, distance = (
            np.array([entry[i] for entry in self.history], kind) for i, kind in enumerate(kinds)
        )
        return Elimination._made(
            candidate=candidate, solution=solution, survivors=np.array(self.alive, np.int64),
            exploitability=np.array(gaps, np.float64), loglikelihood=self.behind, eliminated=self.left.astype(np.int64),
            trajectories=seen, remaining=remaining, reference=reference, distance=distance, converged=converged,
            delta=self.delta, game=self.whole[candidate].name, schedule=self.schedule.label,
        )  # fmt: skip
