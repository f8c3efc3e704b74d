"""Reading a mean-field game of OpenSpiel by walking its State objects.

    Reader      the layers of states, the names of observations, and steps at any (mu, t)

A step of the game goes from one *layer* of states to the next. A layer has the mean-field nodes, which receive the
population, and the decision nodes that do not directly follow such a node; a step contains at most one decision. An
observation is the string of a state of a layer, the key of OpenSpiel's distributions and values, without the step, so
that it is the same at all steps. A mean-field node that receives nothing and precedes a chance node is in no layer.

States with the same string are merged, but may differ in something that the string omits; `_trial` therefore compares
different paths to a string. A layer has the states of all populations; a node receives the distributions of all.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tmfcore._base.validation import FloatArray
from tmfcore.interop import _names
from tmfcore.interop._trial import LEVELS, Trial, merged
from tmfcore.interop._walk import DECISION, FIELD, TERMINAL, Crowd, Key, Segment, States, Walker, kind_of

__all__ = ["Reader"]


class Reader(Walker):
    """A game of OpenSpiel: its observations, and the result of a step at (mu, t).

    layers[t]       {(string, last action or None): state}, T + 1 layers of which the last is terminal
    walked[t]       {the same key: the step from it at some population}
    names[t]        {the same key: observation}
    initial         by population, {key of layer 0: probability}
    population_of   string -> population
    trial           what was detected to depend on the population, the last action, ...
    """

    def __init__(self, game: Any, last_action: str) -> None:
        super().__init__(game)
        self.layers: list[States] = []
        self.displays: list[dict[str, str]] = []  # by layer: string -> display
        self.walked: list[dict[Key, Segment]] = []
        self.population_of: dict[str, int] = {}
        self.initial: list[dict[Key, float]] = []
        self.trial = Trial(self)
        self._explore()
        if self.trial.carries and last_action == "refuse":
            raise ValueError(
                f"rewards of {self.title} depend on the last action, which its state strings omit; use "
                "last_action='carry' to make it part of the observation"
            )
        if not self.trial.carries:
            self.initial = [merged(law) for law in self.initial]
            self.layers = [{(s, None): state for (s, _), state in reversed(one.items())} for one in self.layers]
            self.walked = [{(s, None): step for (s, _), step in reversed(one.items())} for one in self.walked]
        self._name()
        self._standing: dict[int, list[tuple[int, Key, Any, bool, float]]] = {}

    @property
    def horizon(self) -> int:
        return len(self.layers) - 1

    def _explore(self) -> None:
        """Find all states: every string of every layer, with every last action."""
        layer: States = {}
        for root in self.roots:
            law: dict[Key, float] = {}
            if self._spread(root, 1.0, None, law, layer) != 0:
                raise ValueError(f"{self.title} has a reward before its first decision; it cannot be used")
            self.initial.append(law)
        others: list[tuple[Key, Any]] = []
        while True:
            self._place(layer)
            ends = [kind_of(state) == TERMINAL for state in layer.values()]
            if all(ends):
                break
            if any(ends):
                raise ValueError(f"{self.title} ends earlier along some paths than along others; it cannot be used")
            self.layers.append(layer)
            walked, display, layer, others = self.trial.of_layer(len(self.layers) - 1, layer, others)
            self.walked.append(walked)
            self.displays.append(display)
        self.layers.append(layer)

    def _place(self, layer: States) -> None:
        for (s, _), state in layer.items():
            if s not in self.population_of:
                self.population_of[s] = self.population(state)

    def _name(self) -> None:
        shown = _names.shown(self.displays, (s for s, _ in self.layers[-1]))
        names = [{key: _names.label(shown[t][key[0]], key[1]) for key in layer} for t, layer in enumerate(self.layers)]
        owner = {names[t][key]: self.population_of[key[0]] for t, layer in enumerate(self.layers) for key in layer}
        order = sorted({name for layer in names for name in layer.values()}, key=_names.natural)
        number = {name: o for o, name in enumerate(order)}
        self.observation_labels = tuple(order)
        self.owner = np.array([owner[name] for name in order])  # (S,) population of each observation
        self.names = [{key: number[name] for key, name in layer.items()} for layer in names]

    def crowd(self, t: int, mu: FloatArray) -> Crowd:
        """The population mu (S,) at layer t by strings; each population's shares sum to 1."""
        if self.n_populations > 1:
            total = np.bincount(self.owner, weights=mu, minlength=self.n_populations)[self.owner]
            mu = np.divide(mu, total, out=np.zeros(len(mu)), where=total > 0)
        shares: dict[str, float] = {}
        there = mu.tolist()
        for key, o in self.names[t].items():
            shares[key[0]] = shares.get(key[0], 0.0) + there[o]
        return Crowd(shares)

    def even(self, t: int) -> Crowd:
        names = self.names[t]
        return self.crowd(t, np.bincount(list(names.values()), minlength=len(self.observation_labels)).astype(float))

    def segments(self, t: int, crowd: Crowd) -> dict[int, Segment]:
        """The step from every state of layer t, by observation."""
        names = self.names[t]
        return {names[key]: self.segment(state, key, crowd, None) for key, state in self.layers[t].items()}

    def steps(self, t: int) -> dict[int, Segment]:
        """The step from every state of layer t at some population, by observation."""
        if self.trial.deep:
            return self.segments(t, self.even(t))
        return {self.names[t][key]: step for key, step in self.walked[t].items()}

    def standing(self, t: int) -> list[tuple[int, Key, Any, bool, float]]:
        """Observation, key, state, whether it is a mean-field node, and reward, of every state of layer t."""
        if t not in self._standing:
            names = self.names[t]
            self._standing[t] = [
                (names[key], key, state, kind_of(state) == FIELD, self.paid(state))
                for key, state in self.layers[t].items()
            ]
        return self._standing[t]

    def here(self, t: int, crowd: Crowd) -> FloatArray:
        """Rewards (S,) paid at layer t before the decision, without walking on; 0 at observations not in the layer."""
        found = np.zeros(len(self.observation_labels))
        for o, key, state, told, paid in self.standing(t):
            here = paid
            if told:
                moved = self.updated(state, crowd, key[0])
                if kind_of(moved) == DECISION:
                    here += self.paid(moved)
            found[o] = here
        return found

    def row(self, t: int, reached: dict[Key, float]) -> dict[int, float]:
        """The law of a move into layer t + 1, by observation."""
        names, carries, row = self.names[t + 1], self.trial.carries, dict[int, float]()
        for key, p in reached.items():
            o = names.get(key if carries else (key[0], None))
            if o is None:
                raise ValueError(
                    f"{self.title} reaches {key[0]!r} at step {t + 1}, a state that was not found when the game was "
                    f"read with {LEVELS} shares of agents per state; it cannot be played at this population"
                )
            row[o] = row.get(o, 0.0) + p
        return row
