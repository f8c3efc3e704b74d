"""Conversion of mean-field games and policies from and to OpenSpiel (extra `peers`).

from_game(name_or_game)         an OpenSpiel game as a tmf.Game, read by walking its states
to_game(game, schedule)         a tmf.Game as an OpenSpiel game, for OpenSpiel's algorithms
to_policy(policy, game)         a policy of tmfcore as an open_spiel.python.policy.Policy
from_policy(policy, game)       a policy of OpenSpiel as a TabularPolicy
verify(game, flow)              compare the tables of a game that was read with its states along a flow
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore._base.validation import FloatArray
from tmfcore._limit.flows import Flow
from tmfcore._limit.mean_field import mean_field
from tmfcore._model.game import Game
from tmfcore._model.legal import uniform
from tmfcore._model.policies import PolicyLike, TabularPolicy, as_policy
from tmfcore._model.schedules import Schedule, Synchronous
from tmfcore.interop import _shared, _synchronous

try:
    import pyspiel
    from open_spiel.python import policy as spiel_policy
    from open_spiel.python.mfg import games as _games  # registers those written in Python
except ModuleNotFoundError as error:
    raise _shared.missing(__name__, error, "peers") from error

from tmfcore.interop._source import Source
from tmfcore.interop._spiel import PolicyByRows, TablesGame, asked
from tmfcore.interop._states import Reader
from tmfcore.interop._trial import CLOSE
from tmfcore.interop._walk import DECISION, FIELD, kind_of
from tmfcore.interop._walk import string as _string

__all__ = ["from_game", "from_policy", "to_game", "to_policy", "verify"]

del _games

LastAction: TypeAlias = Literal["carry", "refuse"]

_READ: WeakKeyDictionary[Game, Source] = WeakKeyDictionary()


def from_game(
    game: object,
    parameters: dict[str, Any] | None = None,
    *,
    last_action: LastAction = "carry",
    constant: bool | None = None,
) -> Game:
    """Read a mean-field game of OpenSpiel, written in C++ or Python, as a Game.

    An observation is the string of a mean-field node, or of a first decision node, without the step: the key of
    OpenSpiel's distributions. Its label is the string of the decision that follows, if that is unique. The population
    at step t is the argument of ``update_distribution`` there. The rewards of mean-field, decision and terminal nodes
    are added up, as in OpenSpiel's algorithms; terminal rewards count, in expectation, at the last step.

    A game of M populations becomes one of `tmfcore.games.typed` with M types ("population 0", ...) of equal shares.
    Every type has the observations of all populations, but its agents are only at those of their own population.
    Rewards are computed at the distribution of each population among its own agents. NashConv, a sum over populations,
    is M times `tmf.exploitability`.

    Parameters
    ----------
    game : str or pyspiel.Game
        A name for ``pyspiel.load_game`` ("mfg_garnet", "mean_field_lin_quad(size=5)"), or a game object.
    parameters : dict, optional
        Parameters of the game; only with a name.
    last_action : {"carry", "refuse"}, optional
        What to do if rewards at a state depend on the action before it, which its string omits. (Most of OpenSpiel's
        own games have this problem, and their values are wrong because of it.) "carry" (default): make the action part
        of the observation, "(3, t) after 2". "refuse": raise an error.
    constant : bool, optional
        Whether transitions depend on the step, the state and the action alone. None (default): detect it by probing
        two populations at every state, uniform and random, and four more at one state of every fourth step: all agents
        at this state, none, all at the first and all at the last. That is no proof: at each new population at which a
        reward is computed, one move is checked, each time another; `verify` checks all moves along a flow. True:
        transitions are read at the uniform population and never checked. False: they are walked at every population.

    Returns
    -------
    Game
        T is the number of decisions of an agent; the discount is 1; `assumed` is set. Observations that do not exist at
        a step are not reached at that step. Under schedules in which not all agents act, passive agents stay where they
        are, with reward 0; OpenSpiel has no such agents.

    Raises
    ------
    TypeError, ValueError
        The game is not a mean-field game; a chance node has a reward, which OpenSpiel's algorithms ignore; the game
        ends at different times; rewards or transitions depend on more of the past than the last action; the support of
        a mean-field node depends on the path to it. Later, when the game is used: a state is reached that was not found
        when the game was read, or a move is not constant.

    Notes
    -----
    Actions keep their numbers if all states have the same legal actions; otherwise action k is legal action number k,
    and `game.legal` has as many as the state has. Of a state that has fewer at some steps than at others, or whose
    legal actions depend on the population, they are counted modulo their number there.

    Constant transitions, and rewards that do not depend on the population, are stored as arrays. A reward that depends
    on it costs one ``update_distribution`` and one ``rewards`` per observation and step; a
    transition that depends on it, all states of the step: O(S A K) of OpenSpiel's objects. Reading a game makes about
    S A + 2 S' (A + K) objects per step, S' the number of strings and S that of observations, about as many as its
    NashConv (documentation, page "Reading games of OpenSpiel"). Chance nodes of one string are followed once, as in
    OpenSpiel's own algorithms, unless two probed ones differ.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> beach = tmf.interop.openspiel.from_game("mfg_crowd_modelling", {"size": 10, "horizon": 10})
    >>> beach
    Game('mfg_crowd_modelling', S=40, A=3, T=10, discount=1)
    >>> beach.observation_labels[:3]
    ('(0, t)', '(0, t) after 0', '(0, t) after 1')
    >>> round(tmf.exploitability(beach, tmf.TabularPolicy.uniform(beach), tmf.Synchronous()), 4)
    2.7867
    """
    last_action = check.as_choice(last_action, "last_action", LastAction)
    if isinstance(game, str):
        spiel = _loaded(game, parameters)
    else:
        spiel = check.as_instance(game, "game", pyspiel.Game)
        if parameters is not None:
            raise TypeError("parameters are given with a game object; must be omitted, or given with a name")
    reader = Reader(spiel, last_action)
    source = Source(reader, None if constant is None else check.as_bool(constant, "constant"))
    made = source.game()
    if isinstance(game, str):
        recipe = partial(from_game, game, parameters, last_action=last_action, constant=constant)
        object.__setattr__(made, "_recipe", recipe)
    _READ[made] = source
    return made


def _loaded(name: str, parameters: dict[str, Any] | None) -> Any:
    """Load a game of OpenSpiel by name and parameters."""
    if parameters is not None:
        for key, value in check.as_instance(parameters, "parameters", dict).items():
            check.as_instance(value, f"parameters[{say.show(key)}]", (bool, int, float, str))
    try:
        return pyspiel.load_game(name, parameters) if parameters else pyspiel.load_game(name)
    except (pyspiel.SpielError, TypeError, ValueError, RuntimeError) as error:
        told = str(error).partition("\n")[0]
        given = f" with parameters {say.short(str(parameters))}" if parameters else ""
        raise ValueError(f"game is {say.short(repr(name))}{given}, which OpenSpiel cannot load: {told}") from error


def verify(game: Game, flow: Flow) -> None:
    """Compare the tables of a game that was read with its states, walked again at every population of a flow.

    `from_game` detects constant tables by probing; this checks them along a flow of interest, such as that of a
    solution. Cost: O(T S A K) of OpenSpiel's objects.

    Parameters
    ----------
    game : Game made by `from_game`
    flow : Flow or (T + 1, S) floats
        Populations: `tmf.mean_field(game, policy, tmf.Synchronous())`, or `solution.flow`.

    Raises
    ------
    TypeError, ValueError
        The game was not made by `from_game`; flow has another shape; an entry differs: step, observation and action.

    Examples
    --------
    >>> import tmfcore as tmf
    >>> beach = tmf.interop.openspiel.from_game("mfg_crowd_modelling", {"size": 4, "horizon": 3})
    >>> tmf.interop.openspiel.verify(beach, tmf.solve(beach, tmf.Synchronous()).flow)
    """
    ours = check.as_instance(game, "game", Game)
    source = _source_of(ours)
    shape = (source.horizon + 1, ours.n_observations)
    mu = check.as_probabilities(getattr(flow, "mu", flow), "flow", shape=shape, letters="T + 1, S")
    for t in range(source.horizon):
        there = source.reader.segments(t, source.reader.crowd(t, source.together(mu[t])))
        wanted = source.tables_of(t, there)
        reward, moves, _, _ = ours.tables(mu[t], t)
        rows = _synchronous.dense(moves, ours.successors, ours.n_observations)
        found = reward[source.index], source.together(rows[source.index])
        for name, one, two in zip(("reward", "transition"), found, wanted, strict=True):
            off = np.abs(one - two) > CLOSE * np.maximum(1.0, np.abs(two))
            bad = [tuple(map(int, index)) for index in np.argwhere(off) if index[0] in there]
            if bad:
                at = [int(source.index[bad[0][0]]), *bad[0][1:]]
                raise ValueError(
                    f"{name}{at} of {ours!r} at step {t} is {one[bad[0]]:.6g}; its states have "
                    f"{two[bad[0]]:.6g} at this population ({len(bad)} entries differ): read it with constant=False"
                )


def _source_of(game: Game) -> Source:
    if game not in _READ:
        raise ValueError(f"game is {game!r}; must be made by interop.openspiel.from_game")
    return _READ[game]


# Policies.


def to_policy(policy: PolicyLike, game: Game) -> Any:
    """Convert a policy of tmfcore to a policy of OpenSpiel.

    Parameters
    ----------
    policy : TabularPolicy, SoftmaxPolicy or callable
        A policy of `game`.
    game : Game made by `from_game`, or pyspiel.Game made by `to_game`

    Returns
    -------
    open_spiel.python.policy.Policy
        A policy of the OpenSpiel game. It looks up states by their string. If several observations of the Game have the
        same string (with carried last actions), it plays the mixture of their rows, weighted by their shares in the
        policy's own flow, which has the same flow and values. ``to_tabular()`` works wherever OpenSpiel's does.

    Raises
    ------
    TypeError, ValueError
        The game was made in another way; while it is played, a state does not occur in the policy's own flow.
    """
    if isinstance(game, pyspiel.Game):
        owner = _game_of(game)
        given = as_policy(policy, owner)
        table = _in_flow(given, owner, mean_field(owner, given, _schedule_of(game)).mu)
        return PolicyByRows(game, table, legal=owner.legal)
    ours = check.as_instance(game, "game", Game)
    source = _source_of(ours)
    given = as_policy(policy, ours)
    mu = mean_field(ours, given, Synchronous()).mu
    table = _in_flow(given, ours, mu)[:, source.index]
    mu = source.together(mu)
    shares: dict[str, dict[int, float]] = {}
    weights: dict[str, float] = {}
    plain: dict[str, list[dict[int, float]]] = {}
    for t in range(source.horizon):
        for o, state in _decisions(source, t, mu[t]):
            legal = state.legal_actions()
            row: dict[int, float] = dict.fromkeys(legal, 0.0)
            for a, p in enumerate(table[t, o].tolist()):
                row[legal[a % len(legal)]] += p
            name, weight = _string(state), float(mu[t, o])
            plain.setdefault(name, []).append(row)
            mixed = shares.setdefault(name, dict.fromkeys(legal, 0.0))
            weights[name] = weights.get(name, 0.0) + weight
            for a, p in row.items():
                mixed[a] += weight * p
    for name, rows in plain.items():
        if len(rows) == 1:
            shares[name] = rows[0]
        elif weights[name] > 0:
            shares[name] = {a: p / weights[name] for a, p in shares[name].items()}
        else:
            shares[name] = {a: sum(row[a] for row in rows) / len(rows) for a in rows[0]}
    return _ByString(source.reader.game, shares)


def from_policy(policy: object, game: Game) -> TabularPolicy:
    """Convert a policy of OpenSpiel to a TabularPolicy, by its probabilities at every state of its own flow.

    Parameters
    ----------
    policy : open_spiel.python.policy.Policy
        Any object with ``action_probabilities(state)``, such as OpenSpiel's TabularPolicy or the policy of a solver.
    game : Game made by `from_game`, or pyspiel.Game made by `to_game`

    Returns
    -------
    TabularPolicy
        (T, S, A); uniform over legal actions at observations that do not exist at a step.

    Raises
    ------
    TypeError, ValueError
        The game was made in another way; probabilities do not sum to 1.
    """
    if not callable(getattr(policy, "action_probabilities", None)):
        raise TypeError(f"policy is {type(policy).__name__}; must have action_probabilities(state)")
    ask: Any = policy
    if isinstance(game, pyspiel.Game):
        return TabularPolicy(asked(ask, game))
    ours = check.as_instance(game, "game", Game)
    source = _source_of(ours)
    table = np.repeat(uniform(ours)[np.newaxis, : source.size], source.horizon, axis=0)
    n_populations, mu = source.reader.n_populations, ours.initial
    for t in range(source.horizon):
        for o, state in _decisions(source, t, source.together(mu)):
            legal, found = state.legal_actions(), dict(ask.action_probabilities(state))
            table[t, o] = 0.0
            table[t, o, : len(legal)] = _shared.row(found, legal)
        table[t] = check.as_probabilities(table[t], f"policy at step {t}")
        _, moves, _, _ = ours.model.tables(mu, t)
        rows = _synchronous.dense(moves, ours.model.successors, ours.n_observations)
        mu = np.einsum("o,oa,oax->x", mu, np.tile(table[t], (n_populations, 1)), rows)
    return TabularPolicy(np.tile(table, (1, n_populations, 1)), horizon=source.horizon)


def _decisions(source: Source, t: int, mu: FloatArray) -> list[tuple[int, Any]]:
    """(observation, decision state) of layer t at the population mu; observations without a decision are left out."""
    reader, found = source.reader, []
    crowd = reader.crowd(t, mu)
    for key, state in reader.layers[t].items():
        there = reader.updated(state, crowd, key[0]) if kind_of(state) == FIELD else state
        if kind_of(there) == DECISION:
            found.append((reader.names[t][key], there))
    return found


def _in_flow(policy: Any, game: Game, mu: FloatArray) -> FloatArray:
    """The rows (T, S, A) of a policy along a flow mu (T + 1, S)."""
    return np.stack([policy.probabilities(mu[t], t, game.n_steps) for t in range(game.n_steps)])


class _ByString(spiel_policy.Policy):
    """Probabilities of the legal actions by state string."""

    def __init__(self, game: Any, rows: dict[str, dict[int, float]]) -> None:
        super().__init__(game, list(range(game.num_players())))
        self.rows = rows

    def action_probabilities(self, state: Any, player_id: int | None = None) -> dict[int, float]:
        name = _string(state)
        if name not in self.rows:
            raise ValueError(
                f"state is {name!r}; must be one of the {len(self.rows)} decision states in the policy's own flow"
            )
        return dict(self.rows[name])


# From tmfcore to OpenSpiel.


def to_game(game: Game, schedule: Schedule | None = None) -> Any:
    """Convert a game under a schedule to a mean-field game of OpenSpiel, written in Python, for its algorithms.

    Each of T steps has a decision (t, o), a mean-field node (t, o, a) that pays r(o, a, mu_t), a chance node, and a
    mean-field node (t + 1, o) that receives mu_{t+1}. Strings name all that rewards depend on ("decide,3,0,0" at t=3).

    Parameters
    ----------
    game : Game
    schedule : Schedule, optional
        Which agents act. In the OpenSpiel game all agents act at every step, with the mean rewards and transitions of
        an agent that acts with probability beta_t; rewards are discounted. Default: Synchronous().

    Returns
    -------
    pyspiel.Game
        The NashConv of `to_policy(policy, it)` there is the exploitability of the policy in `game` under `schedule`.

    Raises
    ------
    TypeError
        game is not a Game, or schedule not a Schedule.

    Examples
    --------
    >>> from open_spiel.python.mfg.algorithms import mirror_descent
    >>> import tmfcore as tmf
    >>> game = tmf.games.left_right()
    >>> theirs = tmf.interop.openspiel.to_game(game)
    >>> solver = mirror_descent.MirrorDescent(theirs, lr=1.0)
    >>> for _ in range(30):
    ...     solver.iteration()
    >>> policy = tmf.interop.openspiel.from_policy(solver.get_policy(), theirs)
    >>> tmf.exploitability(game, policy, tmf.Synchronous()) < 0.01
    True
    """
    return TablesGame(_synchronous.of(game, schedule), schedule)


def _game_of(game: Any) -> Game:
    if not isinstance(game, TablesGame):
        raise ValueError(f"game is {game}; must be made by interop.openspiel.to_game")
    return game.tables.game


def _schedule_of(game: Any) -> Schedule:
    schedule: Schedule = game.schedule
    return schedule
