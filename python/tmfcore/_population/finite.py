"""The gain of one of N agents from deviating: exploitability of the N-agent game (Theory, sections 4, 5 and 10)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from tmfcore._base import executors, needs
from tmfcore._base import validation as check
from tmfcore._base.functions import SMALLER_GAME, fits_memory, takes_rng
from tmfcore._base.types import Engine, Start
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._limit.checks import active_fractions
from tmfcore._limit.exploitability import exploitability
from tmfcore._limit.pricing import as_altruism
from tmfcore._limit.sizes import response_needs
from tmfcore._model.fingerprint import Fingerprint
from tmfcore._model.game import Game, in_steps
from tmfcore._model.legal import lawful
from tmfcore._model.policies import PolicyLike, TabularPolicy, as_policy
from tmfcore._model.schedules import Schedule
from tmfcore._population.costs import calls_python
from tmfcore._population.deviating import Alone, Others, respond, surprises
from tmfcore._population.simulate import REPLICAS, simulate
from tmfcore._random import seeding
from tmfcore._results import confidence as _intervals
from tmfcore._results.confidence import Interval
from tmfcore._results.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FiniteExploitability", "finite_exploitability"]


FEW = 5  # with fewer replicas equal returns may be chance


@dataclass(frozen=True, eq=False, repr=False)
class FiniteExploitability(Result[Literal["gain"]]):
    """Estimated gain of one of N agents from deviating, with a confidence interval.

    Parameters
    ----------
    value, se : float
        Gain of the deviation, in units of return, and its standard error. Not clipped at 0: the estimate for a
        deviation without gain scatters around 0.
    low, high : float
        Confidence interval of the gain of `policy`, which is a lower bound for the gain of the best deviation;
        `interval` computes other levels. NaN if there are fewer than 5 replicas and all have the same return although
        populations are random: this may be chance.
    deviator_return, deviator_se : float
        Expected discounted return of the deviating agent, and its standard error.
    population_return, population_se : float
        Expected discounted return of an agent if no agent deviates, and its standard error.
    policy : TabularPolicy
        The deviation; one stage per step (L = T) unless it was given.
    mean_field : float
        `exploitability` in the mean-field limit at the same active fractions.
    n_agents, replicas : int
        N and R.
    confidence : float
        Level of the interval.
    degrees : float
        Degrees of freedom of `se`, between R - 1 and 2 (R - 1); NaN if there is no interval.
    schedule, game : str
        Label and name.
    altruism : float
        The weight of the returns of all other agents in `value`.
    others_gain, others_se : float
        What all other agents together gain by the deviation, which `value` has `altruism` times, and its standard
        error; NaN with altruism 0.
    fingerprint : Fingerprint or None
        Identifies game, schedule, N and policy.

    Notes
    -----
    `plot` draws the gain with its interval, and the exploitability in the limit as a line.
    """

    value: float
    se: float
    low: float
    high: float
    deviator_return: float
    deviator_se: float
    population_return: float
    population_se: float
    policy: TabularPolicy
    mean_field: float
    n_agents: int
    replicas: int
    confidence: float
    degrees: float
    schedule: str
    game: str
    fingerprint: Fingerprint | None = None
    altruism: float = 0.0
    others_gain: float = np.nan
    others_se: float = np.nan

    def interval(self, confidence: float = 0.95) -> Interval:
        """Student's interval of the gain of `policy`.

        Parameters
        ----------
        confidence : float, optional
            In (0, 1).
        """
        return _intervals.student(self.value, self.se, self.degrees, _intervals.as_confidence(confidence))

    def __float__(self) -> float:
        return self.value

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "game", self.game
        yield "N", self.n_agents
        yield "schedule", self.schedule
        if self.altruism > 0:
            yield "altruism", self.altruism
            yield "the others gain", self.others_gain
        yield "gain", f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}] at {self.confidence:.0%}"
        yield "in the limit", self.mean_field
        yield "replicas", self.replicas

    def __str__(self) -> str:
        return (
            f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}] at {self.confidence:.0%}, N = {self.n_agents}, "
            f"{self.schedule}; {self.mean_field:.4g} in the limit"
        )

    def _picture(self, kind: str, **style: Any) -> Axes:
        from tmfcore import plotting

        return plotting.intervals(
            [f"N = {self.n_agents:,}"], [self.low], [self.high], estimate=[self.value], reference=self.mean_field,
            reference_label="in the limit", confidence=self.confidence,
            quantity="gain of a deviating agent (units of return)", **style,
        )  # fmt: skip


@takes_rng
@fits_memory(f"replicas must be fewer, or {SMALLER_GAME}", asks=True)
def finite_exploitability(
    game: Game,
    policy: PolicyLike,
    schedule: Schedule,
    n_agents: int,
    *,
    deviation: TabularPolicy | None = None,
    altruism: float = 0.0,
    start: Start = "rounded",
    replicas: int = REPLICAS,
    engine: Engine = "auto",
    confidence: float = 0.95,
    rng: seeding.RNG = None,
    threads: int | None = None,
    executor: Executor | None = None,
) -> FiniteExploitability:
    """Estimate the gain of one of `n_agents` agents from deviating while the others keep `policy` (Theory, section 10).

    Parameters
    ----------
    game : Game
    policy : TabularPolicy, SoftmaxPolicy, Solution, (S, A) or (L, S, A) floats, or callable f(mu, t) -> (S, A)
        The policy of all agents that do not deviate.
    schedule : Schedule
        The deviating agent acts as often as the others.
    n_agents : int
        N >= 1.
    deviation : TabularPolicy or None, optional
        Policy of the deviating agent. None: chosen as described below.
    altruism : float, optional
        lambda in [0, 1]: the deviating agent i maximises J_i + lambda sum_{j != i} J_j, the returns of all others with
        this weight (Theory, section 14). 0: its own return.
    start : {"rounded", "sampled"}, optional
        As in simulate. The deviating agent is drawn uniformly from all agents.
    replicas : int, optional
        R >= 2, the number of populations in each of three independent samples: to choose the deviation, to evaluate it,
        and to evaluate the policy.
    engine : {"auto", "counts", "agents"}, optional
        As in simulate.
    confidence : float, optional
        Level of the interval, in (0, 1).
    rng : int, Generator, SeedSequence or None, optional
    threads : int or None, optional
        As in simulate.
    executor : concurrent.futures.Executor or None, optional
        Where the populations are played, as in simulate; without threads.

    Returns
    -------
    FiniteExploitability

    Raises
    ------
    TypeError, ValueError
        Bad arguments; errors of simulate.

    Notes
    -----
    Deviations are policies of (t, o): the deviating agent does not observe the counts. Its decision problem is Markov
    in (t, o, counts) only. The best deviation is approximated by the best response to the rewards and rows of an agent
    at (t, o), averaged over simulated populations without a deviating agent, weighted by the number of agents at o.
    This choice neglects the information of the agent's own past about the others, and the effect of its actions on
    them, both of order 1/N. The value neglects nothing: the deviation is played in populations of N that include the
    deviating agent, on paths independent of the choice. So `value` is unbiased for the gain of the chosen `policy`, and
    in expectation a lower bound for the gain of the best deviation.

    Returns are estimated by their conditional expectation along the path, which removes the noise of the single agent
    and keeps that of the population: the standard error is of order 1/sqrt(N R). The interval is Welch's, for two means
    of different variance; its measured coverage is in the documentation, page "Intervals". Cost: O(R T S A K) time in
    addition to the simulations, O(R T S) memory for the paths that choose the deviation.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.resource_selection((1.0, 0.8, 0.6, 0.4), congestion=1.0)
    >>> uniform = tmf.TabularPolicy.uniform(game)
    >>> found = tmf.finite_exploitability(game, uniform, tmf.Fraction(0.1), 100, rng=1)
    >>> print(f"{found.value:.1f}, {found.mean_field:.1f} in the limit")
    3.3, 3.3 in the limit
    """
    game = in_steps(game, schedule, n_agents)
    kernel = as_policy(policy, game)
    n_agents = check.as_positive_int(n_agents, "n_agents")
    active = active_fractions(game, schedule, n_agents)
    altruism = as_altruism(altruism)
    if deviation is not None:
        as_policy(check.as_instance(deviation, "deviation", TabularPolicy), game, "deviation")
    start = check.as_choice(start, "start", Start)
    replicas = check.as_int(replicas, "replicas", low=2)
    engine = check.as_choice(engine, "engine", Engine)
    confidence = _intervals.as_confidence(confidence)
    executor = executors.checked(executor)
    if executor is not None and threads is not None:
        raise ValueError(f"threads is {threads} with executor; must be None")
    if executor is None and calls_python(game, kernel, schedule) and threads is None:
        threads = 1
    n_steps, n_obs = game.n_steps, game.n_observations
    needs.ask({"counts": (32, replicas, n_steps + 1, n_obs)} | response_needs(game))
    choosing, deviating, playing, tagging = seeding.generators(rng, 4)

    def populations(generator: np.random.Generator) -> IntArray:
        run = simulate(
            game, kernel if executor is None else policy, schedule, n_agents, replicas=replicas, engine=engine,
            start=start, rng=generator, threads=threads, decisions=False, executor=executor,
        )  # fmt: skip
        return run.counts

    # Predicted values, of the policy and of the deviation, in populations that play the policy.
    counts = populations(choosing)
    others = Others.of(altruism, game, kernel, active, n_agents)
    extra = None if others is None else others.externality
    foreseen = respond(game, kernel, counts, n_agents, active)[0]
    if deviation is None:
        best, greedy = respond(game, None, counts, n_agents, active, None if extra is None else altruism * extra)
        deviation = _policy_of(greedy, game)
        if others is not None:
            best = respond(game, deviation.kernel, counts, n_agents, active)[0]
    else:
        best = respond(game, deviation.kernel, counts, n_agents, active)[0]
    together = None if others is None else respond(game, deviation.kernel, counts, n_agents, active, extra)[0]
    random = bool((counts != counts[:1]).any())
    del counts

    counts = populations(playing)
    played = counts[:, 0] @ foreseen[0] / n_agents
    played += surprises(game, kernel, counts, counts, n_agents, active, foreseen)
    unmoved = None
    if others is not None:
        unmoved = (n_agents - 1) * surprises(game, kernel, counts, counts, n_agents, active, others.values)
    del counts
    alone = Alone(
        game, policy, deviation, schedule, n_agents, start, engine, threads, best, others, together
    )
    deviated, *moved = alone.returns(active, replicas, deviating, tagging, executor)

    gain = _gain(deviated, played, moved[0] if moved else None, unmoved, altruism)
    degrees = gain.degrees
    if random and replicas < FEW and gain.se <= 1e-12 * float(np.abs(best).max()):
        degrees = np.nan
    low, high = _intervals.student(gain.value, gain.se, degrees, confidence)
    return FiniteExploitability(
        value=gain.value,
        se=gain.se,
        low=float(low),
        high=float(high),
        deviator_return=float(deviated.mean()),
        deviator_se=_intervals.standard_error(deviated),
        population_return=float(played.mean()),
        population_se=_intervals.standard_error(played),
        policy=deviation,
        mean_field=exploitability(game, kernel, schedule, n_agents, altruism=altruism),
        n_agents=n_agents,
        replicas=replicas,
        confidence=confidence,
        degrees=degrees,
        schedule=schedule.label,
        game=game.name,
        fingerprint=Fingerprint.of(game, schedule, n_agents, policy=kernel, start=start),
        altruism=altruism,
        others_gain=gain.others,
        others_se=gain.others_se,
    )


def _policy_of(greedy: IntArray, game: Game) -> TabularPolicy:
    """The policy that takes the actions (T, S), or the first legal ones in place of illegal ones."""
    probabilities = np.zeros((game.n_steps, game.n_observations, game.n_actions))
    np.put_along_axis(probabilities, lawful(greedy, game.legal)[..., np.newaxis], 1.0, axis=-1)
    return TabularPolicy(probabilities, horizon=game.n_steps)


class _Gain(NamedTuple):
    """What a deviation gains, with its standard error and their degrees of freedom; what all others gain, or NaN."""

    value: float
    se: float
    degrees: float
    others: float
    others_se: float


def _gain(
    deviated: FloatArray, played: FloatArray, moved: FloatArray | None, unmoved: FloatArray | None, altruism: float
) -> _Gain:
    """The gain, from returns (R,) of independent populations with the deviation and without.

    moved, unmoved : (R,) those of all others together, with the deviation and without, if altruism counts them.
    """
    value, both, others, others_se = float(deviated.mean() - played.mean()), (deviated, played), np.nan, np.nan
    if moved is not None and unmoved is not None:
        others = float(moved.mean() - unmoved.mean())
        others_se = float(np.hypot(_intervals.standard_error(moved), _intervals.standard_error(unmoved)))
        value += altruism * others
        both = (deviated + altruism * moved, played + altruism * unmoved)
    errors = np.array([_intervals.standard_error(each) for each in both])
    degrees = _intervals.welch_degrees((errors / _intervals.unit_of(errors)) ** 2, len(played) - 1)
    return _Gain(value, float(np.hypot(*errors)), degrees, others, others_se)
