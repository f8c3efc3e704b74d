"""The search space of `tune`: settings of a solver, and the values each may take."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import product
from math import exp, isfinite, log
from typing import TYPE_CHECKING, Any

import numpy as np

from tmfcore._base import validation as check
from tmfcore._base import wording as say
from tmfcore.solvers._descent import Iterate
from tmfcore.solvers._problem import Problem
from tmfcore.solvers._registry import Space, entry_of
from tmfcore.solvers._solver import Solver

if TYPE_CHECKING:
    import optuna

__all__ = ["checked", "default_space", "scale_of", "suggest"]

# Fields of every solver state the goal of a solve, not its method: they are not searched.
FIXED = tuple(each.name for each in dataclasses.fields(Solver))


def default_space(solver: Solver[Any], scale: float = 1.0) -> Space:
    """The settings that `tune` searches if no space is given.

    Parameters
    ----------
    solver : solver
    scale : float, optional
        R, the scale of rewards: learning rates lie around 1 / R and temperatures around R.

    Returns
    -------
    dict of str to (low, high), (low, high, "log") or list of choices
    """
    scale = check.as_float(scale, "scale", low=1e-300, high=1e300)
    return entry_of(type(check.as_instance(solver, "solver", Solver))).space(scale)


def scale_of(problems: Sequence[Problem]) -> float:
    """The geometric mean over the games of the largest difference of two Q at one (t, o), at the uniform policy."""
    spreads = []
    for problem in problems:
        game = problem.game
        uniform = Iterate(game.model, game.initial, problem.active, game.n_steps, game.discount, problem.always)
        uniform.evaluate()
        spread = float(np.ptp(uniform.q, axis=-1).max())
        if isfinite(spread) and spread > 0:
            spreads.append(log(spread))
    return exp(sum(spreads) / len(spreads)) if spreads else 1.0


def checked(space: Mapping[str, Any], base: Solver[Any]) -> dict[str, tuple[Any, bool]]:
    """The allowed values of each setting, and whether it is an integer; every bound and choice is tried on `base`."""
    if not isinstance(space, Mapping):
        raise TypeError(f"space is {say.show(space)}; must be a dict of settings")
    if not space:
        raise ValueError("space is empty; must name at least one setting")
    types = {each.name: str(each.type) for each in dataclasses.fields(base)}
    searched: dict[str, tuple[Any, bool]] = {}
    for name, allowed in space.items():
        label = f"space[{name!r}]"
        if name in FIXED:
            raise ValueError(f"{label} cannot be searched: {say.listed(FIXED)} state the goal of a solve")
        check.as_choice(name, "a setting of space", [each for each in types if each not in FIXED])
        whole = "int" in types[name].split() and "float" not in types[name].split()
        if isinstance(allowed, list):
            if not allowed:
                raise ValueError(f"{label} is empty; must list at least one choice")
            searched[name] = (list(allowed), whole)
            continue
        if not (isinstance(allowed, tuple) and (len(allowed) == 2 or (len(allowed) == 3 and allowed[2] == "log"))):
            found = repr(allowed) if isinstance(allowed, tuple) else say.show(allowed)
            raise TypeError(f'{label} is {found}; must be (low, high), (low, high, "log") or a list of choices')
        if not whole and "float" not in types[name].split():
            raise TypeError(f"{label} is {allowed!r}; must be a list of choices, because {name} is not a number")
        as_number: Any = check.as_int if whole else check.as_float
        low = as_number(allowed[0], f"{label}[0]", **({"low": 1} if whole and len(allowed) == 3 else {}))
        if len(allowed) == 3 and not low > 0:
            raise ValueError(f'{label}[0] is {low}; must be > 0 with "log"')
        high = as_number(allowed[1], f"{label}[1]", low=low)
        searched[name] = ((low, high, len(allowed) == 3), whole)
    ends = {name: found if isinstance(found, list) else list(found[:2]) for name, (found, _) in searched.items()}
    for name, choices in ends.items():
        for choice in choices:
            _try(base, {**ends, name: [choice]}, name)
    return searched


def _try(base: Solver[Any], choices: dict[str, list[Any]], name: str) -> None:
    """Raise unless the one choice of a setting is valid with some choice of the settings that it depends on."""
    on = {each.name: set(each.metadata.get("on", ())) for each in dataclasses.fields(base)}
    linked = {each for each in choices if each in on[name] or name in on[each] or on[name] & on[each]}
    failed: Exception | None = None
    others = {each: found[0] for each, found in choices.items()}
    for chosen in product(*(choices[each] for each in linked)):
        try:
            dataclasses.replace(base, **others | dict(zip(linked, chosen, strict=True)))
        except (TypeError, ValueError) as error:
            failed = failed or error
        else:
            return
    if failed is not None:
        failed.add_note(f"in space[{name!r}]")
        raise failed


def suggest(trial: optuna.Trial, name: str, allowed: Any, whole: bool) -> Any:
    """A value of one setting."""
    if isinstance(allowed, list):
        # Optuna stores plain values only; a tuple or function is stored as its index in the list.
        plain = all(choice is None or isinstance(choice, (bool, int, float, str)) for choice in allowed)
        if plain:
            return trial.suggest_categorical(name, allowed)
        return allowed[int(str(trial.suggest_categorical(name, [f"{i}" for i in range(len(allowed))])))]
    low, high, logarithmic = allowed
    if whole:
        return trial.suggest_int(name, low, high, log=logarithmic)
    return trial.suggest_float(name, low, high, log=logarithmic)
