"""OpenSpiel's solvers on OpenSpiel's games. Our kernels compute exploitabilities of its iterates, which is not timed.

Each game is solved twice: in its own form, which stores rewards of the last action under keys that do not contain the
action, so that solvers tend to another equilibrium; and ("tables") made from our tables, with complete keys.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import open_spiel.python.mfg.games  # noqa: F401, registers games
import pyspiel
from open_spiel.python import policy as policies
from open_spiel.python.mfg.algorithms.distribution import DistributionPolicy
from open_spiel.python.mfg.algorithms.fictitious_play import FictitiousPlay
from open_spiel.python.mfg.algorithms.mirror_descent import MirrorDescent

import tmfcore as tmf
from bench.shelf import Run, time_left
from peers import openspiel_routing
from peers.games import IN_OPENSPIEL
from tmfcore.games.braess import roads
from tmfcore.games.sioux_falls import _on_links, _trips
from tmfcore.interop import openspiel
from tmfcore.interop._spiel import place


@dataclass(frozen=True)
class Route:
    """A game of python_mfg_dynamic_routing, whose keys contain everything that values depend on."""

    name: str
    ours: Callable[[], tmf.Game]
    load: Callable[[], pyspiel.Game]
    network: tmf.games.RoadNetwork
    theirs: tuple[str] = ("python_mfg_dynamic_routing",)


def _routes() -> list[Route]:
    game, data = openspiel_routing.dynamic_routing.MeanFieldRoutingGame, openspiel_routing.dynamic_routing_data
    short = {"max_num_time_step": 20, "time_step_length": 0.25, "players": -1}
    long = {"max_num_time_step": 14, "time_step_length": 3.0, "players": -1}
    return [
        Route("braess", lambda: tmf.games.braess(step=0.25, horizon=20, rounding="down"), lambda: game(short),
              roads(True)[0]),
        Route("sioux_falls",
              lambda: tmf.games.sioux_falls(
                  source="openspiel", step=3.0, horizon=14, rounding="down", max_delay=None
              ),
              lambda: game(long, data.SIOUX_FALLS_NETWORK, data.SIOUX_FALLS_DUMMY_OD_DEMAND),
              _on_links(_trips("pair"), True, True)[0]),
    ]  # fmt: skip


ENTRIES = [*IN_OPENSPIEL, *_routes()]

SOLVERS = {
    "OMD, rate 0.1": lambda game: MirrorDescent(game, lr=0.1),
    "OMD, rate 1": lambda game: MirrorDescent(game, lr=1.0),
    "FP": lambda game: FictitiousPlay(game),
}


def size(entry) -> str:
    game = entry.ours()
    return f"{entry.theirs[0]}, S={game.n_observations}, A={game.n_actions}, T={game.horizon}"


def runs(entry, aims: tuple[float, ...], limit: float, judge) -> list[Run]:
    found: list[Run] = []
    for label, game, fill in _games(entry):
        for who, make in SOLVERS.items():
            if who == "FP" and isinstance(entry, Route):
                continue  # raises KeyError: it stores rows for the states of one flow, and visits others at the next
            found.append(_run(who + label, make(game), fill, entry, aims, time_left(found, limit), judge))
    return found


def _games(entry) -> Iterator[tuple[str, pyspiel.Game, Callable]]:
    """Label, game, and fill(table, policy), which writes the rows of a policy of theirs at (t, x)."""
    if isinstance(entry, Route):
        game = entry.load()
        yield "", game, _by_link(entry, game)
        return
    yield "", *_by_place(pyspiel.load_game(*entry.theirs), entry.place)
    yield ", tables", *_by_place(openspiel.to_game(entry.ours()), place)


def _by_place(game, place) -> tuple[pyspiel.Game, Callable]:
    nodes = decisions(game, place)

    def fill(table, policy):
        for at, state in nodes.items():
            table[at] = 0.0
            for action, p in policy.action_probabilities(state).items():
                table[(*at, action)] = p

    return game, fill


def _by_link(entry: Route, game) -> Callable:
    """Their decision at the end of a link corresponds to two places of tmf.games.routing."""
    network, name = game.network, openspiel_routing.ours
    exits = openspiel_routing.exits_of(entry.network)
    at: dict = {}
    for o, link, steps, destination in openspiel_routing.places(entry.ours())[0]:
        if steps <= 0:
            at.setdefault((link, destination), []).append(o)

    def place(state):
        if state.legal_actions() == [0]:
            return None
        return state.current_time_step, name(state._vehicle_location), name(state._vehicle_destination)

    nodes = decisions(game, place)

    def fill(table, policy):
        for (t, link, destination), state in nodes.items():
            row = np.zeros(table.shape[-1])
            for action, p in policy.action_probabilities(state).items():
                section = name(network.get_road_section_from_action_id(action))
                if section in exits[link]:  # their network has additional dead ends
                    row[exits[link].index(section)] = p
            if row.sum() > 0:
                table[t, at.get((link, destination), [])] = row

    return fill


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
                if (at := place(state)) is not None:
                    found.setdefault(at, state)
                children = [state.child(a) for a in state.legal_actions()]
            for child in children:
                following.setdefault(str(child), child)  # the first of several paths, as in their tables
        layer = following
    return found


def _run(who, solver, fill, entry, aims, limit, judge) -> Run:
    game = entry.ours()
    uniform = np.full((game.horizon, game.n_observations, game.n_actions), 1 / game.n_actions)
    scores, times = [judge(uniform)], [0.0]
    while times[-1] < limit and min(scores) > min(aims):
        began = time.process_time()
        solver.iteration()
        times.append(times[-1] + time.process_time() - began)
        table = uniform.copy()
        fill(table, solver.get_policy())
        scores.append(judge(table / table.sum(axis=-1, keepdims=True)))
    reached = [next((t for t, s in zip(times, scores) if s <= aim), None) for aim in aims]
    return Run(f"OpenSpiel {who}", tuple(reached), float(min(scores)), len(scores) - 1, times[-1])
