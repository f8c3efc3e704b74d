"""Which bad values go where: every argument times every value, then pairs drawn at random."""

import random

from . import values
from .doors import doors
from .examples import EXAMPLES
from .judge import Case

#: Arguments that say how much work to do: a large number is a wish, and takes as long as it takes.
WORK = {
    "iterations", "replicas", "trials", "steps", "inner_updates", "distribution_steps", "horizon", "n_places", "seconds",
    "n_observations", "n_actions", "n_successors", "n_steps", "paths", "episodes", "trajectories",
}  # fmt: skip
#: Arguments that are an address of code where they are an integer: nobody can tell a wrong one.
ADDRESSES = {("tmfcore.Game.compiled", "function")}
#: Numbers that are valid there and mean more work than a trial may take.
LARGE = {"1e6", "2**31-1", "2**31", "2**53+1", "2**62", "2**63-1", "maxsize", "1e300"}
#: Of these, what no memory holds is tried where the work is an array.
BEYOND = {"2**62", "2**63-1", "maxsize"}
ARRAYS = {"replicas", "n_places"}


def arguments(door):
    """Arguments of a door that may be replaced; a method is not called on something else."""
    return [name for name in door.parameters if name != "self"]


def bad_values(door, name, valid):
    """Bad values for one argument, those aside that ask for much work."""
    for bad in (*values.general(), *values.bent(valid)):
        if name in WORK and bad.label in LARGE and not (name in ARRAYS and bad.label in BEYOND):
            continue
        if (door.name, name) in ADDRESSES and bad.kind in ("number", "bool"):
            continue
        yield bad


def singles(only=""):
    """Every argument of every door times every bad value for it."""
    for door in doors().values():
        if only not in door.name:
            continue
        valid = EXAMPLES[door.name]()
        for name in arguments(door):
            for bad in bad_values(door, name, valid[name]):
                yield Case(door, ((name, bad),))


def pairs(count, seed):
    """`count` cases of two bad arguments each, drawn."""
    rng = random.Random(seed)
    found = [door for door in doors().values() if len(arguments(door)) > 1]
    known = {}
    for _ in range(count):
        door = rng.choice(found)
        if door.name not in known:
            valid = EXAMPLES[door.name]()
            known[door.name] = {name: list(bad_values(door, name, valid[name])) for name in arguments(door)}
        names = rng.sample(sorted(known[door.name]), 2)
        yield Case(door, tuple((name, rng.choice(known[door.name][name])) for name in names))
