"""OpenSpiel's solvers at OpenSpiel's games. Its iterates are scored by our kernels, off the clock: see tests/peers.

Twice: at the game as it comes, where rewards for the last action are booked under keys that do not name it, so that a
solver heads for another equilibrium; and ("tables") at the same game made of our tables, whose keys are right.
"""

from __future__ import annotations

import time

import numpy as np
import open_spiel.python.mfg.games  # noqa: F401, registers games
import pyspiel
from open_spiel.python import policy as policies
from open_spiel.python.mfg.algorithms.distribution import DistributionPolicy
from open_spiel.python.mfg.algorithms.fictitious_play import FictitiousPlay
from open_spiel.python.mfg.algorithms.mirror_descent import MirrorDescent

import tmfcore as tmf
from bench.shelf import Run
from peers import in_openspiel, tables
from peers.games import IN_OPENSPIEL

ENTRIES = IN_OPENSPIEL

SOLVERS = {
    "OMD, rate 0.1": lambda game: MirrorDescent(game, lr=0.1),
    "OMD, rate 1": lambda game: MirrorDescent(game, lr=1.0),
    "FP": lambda game: FictitiousPlay(game),
}


def size(entry) -> str:
    game = entry.ours()
    return f"{entry.theirs[0]}, S={game.n_observations}, A={game.n_actions}, T={game.horizon}"


def runs(entry, aims: tuple[float, ...], limit: float, judge) -> list[Run]:
    made = in_openspiel.Game(tables.of(entry.ours(), tmf.Synchronous()))
    found = []
    for label, game, place in (
        ("", pyspiel.load_game(*entry.theirs), entry.place),
        (", tables", made, lambda state: (state.now.t, state.now.x)),
    ):
        nodes = decisions(game, place)
        found += [_run(who + label, make(game), nodes, entry, aims, limit, judge) for who, make in SOLVERS.items()]
    return found


def decisions(game, place) -> dict:
    """One decision node for every (t, x) that can be reached."""
    found, layer = {}, {"": game.new_initial_state()}
    flow = DistributionPolicy(game, policies.UniformRandomPolicy(game))
    while layer:
        following = {}
        for state in layer.values():
            if state.is_terminal():
                continue
            if state.current_player() == pyspiel.PlayerId.MEAN_FIELD:
                moved = state.clone()
                moved.update_distribution([flow.value_str(s, 0.0) for s in state.distribution_support()])
                children = [moved]
            elif state.current_player() == pyspiel.PlayerId.CHANCE:
                children = [state.child(a) for a, _ in state.chance_outcomes()]
            else:
                found.setdefault(place(state), state)
                children = [state.child(a) for a in state.legal_actions()]
            for child in children:
                following.setdefault(str(child), child)  # of several paths the first, as their tables have it
        layer = following
    return found


def _run(who, solver, nodes, entry, aims, limit, judge) -> Run:
    game = entry.ours()
    uniform = np.full((game.horizon, game.n_observations, game.n_actions), 1 / game.n_actions)
    scores, times = [judge(uniform)], [0.0]
    while times[-1] < limit and min(scores) > min(aims):
        began = time.process_time()
        solver.iteration()
        times.append(times[-1] + time.process_time() - began)
        table, policy = uniform.copy(), solver.get_policy()
        for place, state in nodes.items():
            table[place] = 0.0
            for action, p in policy.action_probabilities(state).items():
                table[(*place, action)] = p
        scores.append(judge(table / table.sum(axis=-1, keepdims=True)))
    reached = [next((t for t, s in zip(times, scores) if s <= aim), None) for aim in aims]
    return Run(f"OpenSpiel {who}", tuple(reached), float(min(scores)), len(scores) - 1, times[-1])
