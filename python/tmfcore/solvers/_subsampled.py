"""Policies of agents who see kappa neighbours, by value iteration over histograms (Theory, section 15).

    Subsampled(kappa, ...).solve(game, schedule) -> Subsampling

It is not in the registry of solvers, whose iterates are policies over (t, o), judged at the flow of the population:
here an agent takes its sample for its neighbourhood, and the policy is one table over histograms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, field
from math import comb
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tmfcore._base import needs, options, pieces
from tmfcore._base import validation as check
from tmfcore._base.functions import ConvergenceWarning, fits_memory, takes_rng, warn
from tmfcore._base.types import FloatsLike
from tmfcore._base.validation import FloatArray, IntArray
from tmfcore._limit.checks import active_fractions
from tmfcore._limit.sizes import Needs
from tmfcore._model.activation import ActingShares
from tmfcore._model.game import Game, in_steps
from tmfcore._model.model import Model
from tmfcore._model.played import Played
from tmfcore._model.poisson import Poisson
from tmfcore._model.policies import TabularPolicy
from tmfcore._model.sampled_policy import SampledPolicy, histograms
from tmfcore._model.schedules import Schedule
from tmfcore._random import seeding
from tmfcore._results.packing import known
from tmfcore._results.result import Result
from tmfcore._results.tables import Variable
from tmfcore.games._typed import Typed
from tmfcore.solvers._endless import refuse_time
from tmfcore.solvers._solver import COUNT, NOT_NEGATIVE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Subsampled", "Subsampling"]

EXACT = 2_000_000  # operations for the law of the next histogram, up to which it is enumerated
SAMPLES = 50  # as in the published experiments


@known
@dataclass(frozen=True, eq=False, repr=False)
class Subsampling(Result[Literal["convergence", "policy"]], Played):
    """The policy of agents that see kappa neighbours, and how it was found.

    Parameters
    ----------
    policy : SampledPolicy
        With `neighbours` "average" what the neighbours play, otherwise the greedy policy for `q`; of equally good
        actions the first.
    q : (Z, S, A) floats
        Value of each action at each histogram and observation, discounted over an infinite horizon; NaN at illegal
        actions.
    residual : (I,) floats
        Largest change of q at each iteration.
    gap : (I,) floats
        Largest gain of q over what the neighbours play, at any histogram and observation.
    converged : bool
        Whether the tolerance was met.
    samples : int or None
        M, of the next histogram; None: its law was enumerated.
    active_fraction : float
        beta.
    game, schedule : str
        Name of the game, label of the schedule.

    Notes
    -----
    Accepted wherever a policy is. `plot` draws "convergence", residual and gap on a log scale, or "policy", as the
    policy does.
    """

    policy: SampledPolicy
    q: FloatArray
    residual: FloatArray
    gap: FloatArray
    converged: bool
    samples: int | None
    active_fraction: float
    game: str
    schedule: str

    def _facts(self) -> Iterator[tuple[str, object]]:
        yield "game", self.game
        yield "kappa", str(self.policy.kappa)
        yield "samples", self.samples
        yield "stopped", f"{'converged' if self.converged else 'not converged'} in {len(self.residual)}"

    def _variables(self) -> dict[str, Variable]:
        return {
            "residual": (("iteration",), self.residual), "gap": (("iteration",), self.gap),
            "q": (("histogram", "observation", "action"), self.q),
        }  # fmt: skip

    def _picture(self, kind: Any, **style: Any) -> Axes:
        from tmfcore import plotting

        if kind == "policy":
            return self.policy._drawn(None, **style)
        from tmfcore.plotting._canvas import style_of

        label = style.pop("label")
        style_of(label, None)
        start = f"{label}: " if label else ""
        at = np.arange(1, len(self.residual) + 1)
        return plotting.exploitability(
            {f"{start}change of q": (at, self.residual), f"{start}gap": (at, self.gap)}, goal=None, goal_label=None,
            relative=False, **style,
        )  # fmt: skip


@dataclass(frozen=True)
class Subsampled:
    """Value iteration of agents who see kappa neighbours (Algorithm 1 of GMFS, arXiv:2602.16196).

    An agent at o that sees the histogram z (S,) of kappa agents takes g = z / kappa for its neighbourhood, and the
    agents in it for those of its next step. With z' the histogram that they become,

        Q(z, o, a) = r(o, a, g) + gamma sum_x P(x | o, a, g) E[V(z', x) | z],
        V(z, o) = beta max_a Q(z, o, a) + (1 - beta) (r0(o, g) + gamma sum_x P0(x | o, g) E[V(z', x) | z])

    Each of the z(x) agents at x moves independently by

        beta sum_a pi_n(a | z, x) P(. | x, a, g) + (1 - beta) P0(. | x, g)

    What these neighbours play, pi_n, is a choice:

    * "average": the mean of the greedy actions of all iterations so far, the k-th with weight k (fictitious play;
      ours). The result is what they play, from which no agent that believes in its histogram gains by deviating.
    * "greedy": the greedy action of the present Q, as the algorithm is printed. This cycles where an action that is
      best if others do not take it is not if they do, as in `games.robotics`.
    * a policy: then the iteration is that of a Markov decision process. In the published code neighbours play action 0
      for ever, since their moves are drawn once, while Q is 0.

    Parameters
    ----------
    kappa : int
        >= 1.
    neighbours : {"average", "greedy"} or policy, optional
        A policy is a TabularPolicy or probabilities (S, A), or a SampledPolicy of as many agents.
    iterations : int, optional
        The largest number of updates of Q, from 0.
    tolerance : float, optional
        Converged if Q changes by at most this share of its largest absolute value, and, with "average", no action is
        better by more than that.
    samples : int or None, optional
        M: the mean over z' is that over M draws, whose random numbers are the same at all iterations. None: exact if
        the law of z' takes at most 2 million operations an iteration (S = 3: kappa <= 22), otherwise M = 50, as in the
        paper.

    Raises
    ------
    TypeError, ValueError
        A value of the wrong kind or out of range.

    Notes
    -----
    With Z = C(kappa + S - 1, S - 1) histograms an iteration costs O(Z S (C(kappa + S - 1, S) + Z)), exactly, or
    O(Z S kappa M). Memory is O(Z^2) for the law of z', or O(Z kappa M) for random numbers of 4 bytes. It is not among
    the solvers of `tmf.solve`, which search for policies over (t, o) at the population's own mu.

    The paper bounds the loss against agents who see their whole neighbourhood. We know of a counterexample to the bound
    (docs/related.md), so that nothing of it is computed here; how good a policy is say `tmf.evaluate` and
    `tmf.exploitability`, exactly.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> game = tmf.games.robotics()
    >>> for kappa in (1, 10):
    ...     found = tmf.solvers.Subsampled(kappa).solve(game, tmf.Synchronous())
    ...     print(kappa, round(tmf.exploitability(game, found.policy, tmf.Synchronous())))
    1 22
    10 2
    """

    kappa: int = field(metadata=COUNT)
    _: KW_ONLY
    neighbours: Literal["average", "greedy"] | SampledPolicy | TabularPolicy | FloatsLike = "average"
    iterations: int = field(default=2000, metadata=COUNT)
    tolerance: float = field(default=1e-3, metadata=NOT_NEGATIVE)
    samples: int | None = field(default=None, metadata=COUNT)

    def __post_init__(self) -> None:
        options.settle(self)
        given = self.neighbours
        if isinstance(given, str):
            check.as_choice(given, "neighbours", ("average", "greedy"))
        elif not isinstance(given, (SampledPolicy, TabularPolicy)):
            object.__setattr__(self, "neighbours", TabularPolicy._named(given, "neighbours"))

    @takes_rng
    @fits_memory("kappa or samples must be smaller, or game must have fewer observations", asks=True)
    def solve(
        self, game: Game, schedule: Schedule, n_agents: int | None = None, *, rng: seeding.RNG = None
    ) -> Subsampling:
        """Find the policy of a game.

        Parameters
        ----------
        game : Game
            Whose tables do not depend on t, and whose discount is < 1; the horizon is not used. Or a game of types that
            are all alike, such as `games.graphon`: the policy is that of the game of a type.
        schedule : Schedule
            Of which the active fraction beta is used, which must be one number.
        n_agents : int or None, optional
            N, for the active fraction of batches.
        rng : int, Generator, SeedSequence or None, optional
            Seed, if z' is drawn.

        Returns
        -------
        Subsampling

        Raises
        ------
        TypeError, ValueError
            A game or a schedule that does not fit; neighbours of other sizes.
        MemoryError
            The tables do not fit.

        Warns
        -----
        ConvergenceWarning
            The tolerance was not met.
        """
        if isinstance(schedule, Poisson):
            raise ValueError("schedule is under Poisson clocks; must be in steps")
        check.as_instance(game, "game", Game)
        played = in_steps(game, schedule, n_agents)
        if not played.discount < 1:
            raise ValueError(f"game.discount is {played.discount:g}; must be < 1 over an infinite horizon")
        beta, gamma = _fraction(played, schedule, n_agents), played.discount
        model = _type_of(played)
        if model is played.model:
            refuse_time(played, played.initial)
        n_obs, n_act = model.n_observations, model.n_actions
        n_hist = comb(self.kappa + n_obs - 1, n_obs - 1)
        work = n_hist * comb(self.kappa + n_obs - 1, n_obs) * n_obs
        drawn = None if self.samples is None and work <= EXACT else self.samples or SAMPLES
        needed: Needs = {"tables": (8, n_hist, n_obs, n_act, n_obs + 4)}
        if drawn is None:
            needed["law of the next histogram"] = (8, n_hist, n_hist)
        else:
            needed["random numbers"] = (4, n_hist, drawn, self.kappa)
        needs.ask(needed)
        tables = _AtHistograms(model, beta, self.kappa)
        stream = seeding.seeds(rng, 1)[0]
        following = _Enumerated(tables) if drawn is None else _Drawn(tables, drawn, seeding.generator(stream))
        q, passive, residual, gap = np.zeros((n_hist, n_obs, n_act)), np.zeros((n_hist, n_obs)), [], []
        plays = tables.greedy(q) if isinstance(self.neighbours, str) else self._given(n_hist, n_obs, n_act)
        converged = False
        for k in range(1, self.iterations + 1):
            value = beta * tables.best(q) + (1 - beta) * passive
            ahead = following.mean(value, tables.moves(plays))
            new = tables.reward + gamma * np.einsum("zoax,zx->zoa", tables.rows, ahead)
            passive = tables.passive_reward + gamma * np.einsum("zox,zx->zo", tables.passive_rows, ahead)
            residual.append(float(np.abs(new - q).max()))
            q, largest = new, float(np.abs(new).max())
            gap.append(float((tables.best(q) - (plays * q).sum(axis=-1)).max()))
            off = max(residual[-1], gap[-1] if self.neighbours == "average" else 0.0)
            if converged := off <= self.tolerance * largest:
                break
            if self.neighbours == "greedy":
                plays = tables.greedy(q)
            elif self.neighbours == "average":
                plays = plays + 2 / (k + 2) * (tables.greedy(q) - plays)
        if not converged:
            warn(
                f"Subsampled has not converged in {self.iterations} iterations: Q, up to {largest:.3g}, still changes "
                f"by {residual[-1]:.3g}, and some action is better than what neighbours play by {gap[-1]:.3g}",
                ConvergenceWarning,
            )
        table = plays if self.neighbours == "average" else tables.greedy(q)
        if model.legal is not None:
            q[:, ~model.legal] = np.nan
        return Subsampling(
            SampledPolicy(table, self.kappa), q, np.array(residual), np.array(gap), converged, drawn, beta, game.name,
            schedule.label,
        )  # fmt: skip

    def _given(self, n_hist: int, n_obs: int, n_act: int) -> FloatArray:
        """The policy of the neighbours, (Z, S, A)."""
        given: Any = self.neighbours
        table = given.table
        if isinstance(given, SampledPolicy) and given.kappa != self.kappa:
            raise ValueError(f"neighbours see kappa = {given.kappa} agents; must see {self.kappa}")
        if len(table) != 1 or table.shape[-2:] != (n_obs, n_act):
            raise ValueError(
                f"neighbours have a table of shape {table.shape}; must have one stage, S = {n_obs} and A = {n_act}"
            )
        return np.broadcast_to(table[0], (n_hist, n_obs, n_act))


class _AtHistograms:
    """Rewards and rows of a model at all histograms; the axes of all arrays begin with z."""

    def __init__(self, model: Model, beta: float, kappa: int) -> None:
        self.kappa, self.beta, self.legal = kappa, beta, model.legal
        self.z = histograms(kappa, model.n_observations)
        n_hist, n_obs, n_act = len(self.z), model.n_observations, model.n_actions
        self.reward, self.passive_reward = np.empty((n_hist, n_obs, n_act)), np.empty((n_hist, n_obs))
        self.rows, self.passive_rows = np.zeros((n_hist, n_obs, n_act, n_obs)), np.zeros((n_hist, n_obs, n_obs))
        o, a = np.ogrid[:n_obs, :n_act]
        for i, mu in enumerate(self.z / kappa):
            self.reward[i], rows, self.passive_reward[i], passive_rows = model.tables(mu, 0)
            if model.successors is None:
                self.rows[i] = rows
            else:
                np.add.at(self.rows[i], (o[..., np.newaxis], a[..., np.newaxis], model.successors), rows)
            if model.passive_identity:
                self.passive_rows[i] = np.eye(n_obs)
            elif model.passive_successors is None:
                self.passive_rows[i] = passive_rows
            else:
                np.add.at(self.passive_rows[i], (o, model.passive_successors), passive_rows)

    def best(self, q: FloatArray) -> FloatArray:
        """The largest q of a legal action, (Z, S)."""
        return np.asarray(self._legal(q).max(axis=-1))

    def greedy(self, q: FloatArray) -> FloatArray:
        """The policy of the first of the best legal actions, (Z, S, A)."""
        return np.asarray(np.eye(q.shape[-1])[self._legal(q).argmax(axis=-1)])

    def _legal(self, q: FloatArray) -> FloatArray:
        return q if self.legal is None else np.where(self.legal, q, -np.inf)

    def moves(self, plays: FloatArray) -> FloatArray:
        """Rows of neighbours that play so, (Z, S, S)."""
        active = np.einsum("zoa,zoax->zox", plays, self.rows)
        return np.asarray(self.beta * active + (1 - self.beta) * self.passive_rows)


class _Enumerated:
    """The exact law of the next histogram given each z: agents are added one at a time."""

    def __init__(self, tables: _AtHistograms) -> None:
        n_obs, kappa = tables.z.shape[1], tables.kappa
        self.agents = _agents(tables)
        one = np.eye(n_obs, dtype=np.int64)
        self.added = [  # the place of each histogram of k agents after another one came to y
            [places(histograms(k, n_obs) + one[y], k + 1) for y in range(n_obs)] for k in range(kappa)
        ]
        self.law = np.empty((len(tables.z), len(tables.z)))

    def mean(self, value: FloatArray, moves: FloatArray) -> FloatArray:
        """E[value (z', x) | z] if neighbours move so, (Z, S)."""
        for z in pieces.parts(len(self.law), len(self.law)):
            law = np.ones((z.stop - z.start, 1))
            for k, added in enumerate(self.added):
                row = moves[np.arange(z.start, z.stop), self.agents[z, k]]
                grown = np.zeros((len(law), comb(k + row.shape[1], k + 1)))
                for y, place in enumerate(added):
                    if row[:, y].any():
                        grown[:, place] += law * row[:, y, np.newaxis]
                law = grown
            self.law[z] = law
        return np.asarray(self.law @ value)


class _Drawn:
    """Draws of the next histogram, by the same random numbers for all neighbours at every iteration."""

    def __init__(self, tables: _AtHistograms, samples: int, rng: np.random.Generator) -> None:
        self.kappa, self.agents = tables.kappa, _agents(tables)
        self.uniform = rng.random((len(tables.z), samples, tables.kappa), np.float32)

    def mean(self, value: FloatArray, moves: FloatArray) -> FloatArray:
        """The mean of value (z', x) over the draws given z, (Z, S)."""
        out, n_obs = np.empty(value.shape), value.shape[1]
        ends = np.cumsum(moves, axis=-1).astype(np.float32)
        for z in pieces.parts(len(out), self.uniform[0].size):
            u, own = self.uniform[z], ends[np.arange(z.start, z.stop)[:, np.newaxis], self.agents[z]]
            below = [(u < own[:, np.newaxis, :, y]).sum(axis=-1) for y in range(n_obs - 1)]
            arrived = np.diff(np.stack([*below, np.full(u.shape[:2], self.kappa)], axis=-1), axis=-1, prepend=0)
            out[z] = value[places(arrived, self.kappa)].mean(axis=1)
        return out


def _agents(tables: _AtHistograms) -> IntArray:
    """The observation of each agent of each histogram, (Z, kappa)."""
    n_hist, n_obs = tables.z.shape
    return np.repeat(np.tile(np.arange(n_obs), n_hist), tables.z.ravel()).reshape(n_hist, tables.kappa)


def places(z: IntArray, kappa: int) -> IntArray:
    """The places of histograms (..., S) of kappa agents in lexicographic order, as in a table."""
    n_obs = z.shape[-1]
    found, left = np.zeros(z.shape[:-1], np.int64), np.full(z.shape[:-1], kappa)
    for x in range(n_obs - 1):
        below = np.array([comb(n + n_obs - 1 - x, n_obs - 1 - x) for n in range(kappa + 1)])
        found += below[left]
        left = left - z[..., x]
        found -= below[left]
    return found


def _fraction(game: Game, schedule: Schedule, n_agents: int | None) -> float:
    """beta, which is one number."""
    active = active_fractions(game, schedule, n_agents)
    if isinstance(active, ActingShares):
        raise ValueError(f"schedule has {active.name} by observation or of mu; must have one number for all agents")
    if (active != active[0]).any():
        t = int(np.argmax(active != active[0]))
        raise ValueError(
            f"the active fraction is {active[t]:g} at t={t} and {active[0]:g} at t=0; must not depend on t"
        )
    return float(active[0])


def _type_of(game: Game) -> Model:
    """The model of the game, or of its types if they are all alike."""
    model = game.model
    if not isinstance(model, Typed):
        return model
    first = model.models[0]
    probes = [np.full(first.n_observations, 1 / first.n_observations), *np.eye(first.n_observations)]
    for i, other in enumerate(model.models):
        if other is first and model.rates[i] == 1:
            continue
        alike = other.n_observations == first.n_observations and other.n_actions == first.n_actions
        alike = alike and model.rates[i] == 1 and all(
            a.shape == b.shape and np.array_equal(a, b)
            for mu in probes for a, b in zip(other.tables(mu, 0), first.tables(mu, 0), strict=True)
        )  # fmt: skip
        if not alike:
            raise ValueError(
                f"{model.names[i]} has another game, or rate, than {model.names[0]}; all types must be alike, since "
                "all agents play one table"
            )
    return first
