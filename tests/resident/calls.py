"""Good and failing calls of every public callable."""

import itertools
import warnings

import numpy as np

import tmfcore as tmf
from inputs import things
from inputs.doors import doors
from inputs.examples import EXAMPLES

KINDS = ("good", "bad", "raising")
#: What a bad argument is replaced by. No argument takes it, but for those that keep whatever they are given.
NOTHING = object()

class Midway(Exception):
    """Raised by a function of the caller's, in the middle of a call."""


class Countdown:
    """Counts calls of the caller's function, and raises Midway at number `at`."""

    def __init__(self):
        self.made = self.at = 0

    def tick(self):
        self.made += 1
        if self.made == self.at:
            raise Midway


def called(function, arguments):
    """Make a call, and what it returns whole if it is an iterator; without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = function(**arguments)
        if hasattr(result, "__next__"):
            result = list(result)
        if hasattr(result, "get_figure"):
            close(result.get_figure())
        elif hasattr(result, "savefig"):
            close(result)


def close(figure):
    from matplotlib import pyplot

    pyplot.close(figure)


def good(name):
    """A call of the example."""
    function, example = doors()[name].function, EXAMPLES[name]
    example()
    return lambda: called(function, example())


def bad(name):
    """Calls in each of which another argument is bad; None if no argument of it is ever refused."""
    door, example = doors()[name], EXAMPLES[name]
    refused = []
    for argument in door.parameters:
        if argument != "self":
            try:
                called(door.function, example() | {argument: NOTHING})
            except Exception:
                refused.append(argument)
    if not refused:
        return None
    order = itertools.cycle(refused)

    def call():
        try:
            called(door.function, example() | {next(order): NOTHING})
        except Exception:
            return
        raise AssertionError(f"{name} accepts what it has refused")

    return call


def raising(name):
    """Calls in which a function of the caller raises midway, of a game, a policy or a callback; None without one."""
    door, example = doors()[name], EXAMPLES[name]
    tried = []
    for argument, replaced in FUNCTIONS.items():
        count = Countdown()
        if argument not in door.parameters or name.endswith((".plot", ".load")) or name.startswith(PICTURES):
            continue
        try:
            arguments = example()
            arguments[argument] = replaced(count, arguments[argument])
            count.made = 0
            called(door.function, arguments)
        except Exception:  # another kind of game or policy is refused
            continue
        for at in {(count.made + 1) // 2, count.made, 1} if count.made else ():  # some calls are only tries
            if ends(door.function, example, argument, replaced, count, at):
                count.at = at
                tried.append((argument, replaced, count))
                break
    if not tried:
        return None
    order = itertools.cycle(tried)

    def call():
        argument, replaced, count = next(order)
        if not ends(door.function, example, argument, replaced, count, count.at):
            raise AssertionError(f"{name} did not raise what {argument} did")

    return call


def ends(function, example, argument, replaced, count, at):
    """Whether a call is ended by the caller's function, in the place of an argument, that raises at its `at`-th call."""
    arguments, count.at = example(), 0
    arguments[argument] = replaced(count, arguments[argument])
    count.made, count.at = 0, at
    try:
        called(function, arguments)
    except Midway:
        return True
    except Exception:  # what follows from it: some functions are tried, and may fail
        return False
    return False


def ticking_game(count, given):
    """A game whose rewards are a function, with or without random noise."""

    def reward(mu, t):
        count.tick()
        return things.crowded(mu, t)

    def noisy_reward(mu, t, z):
        return reward(mu, t) * z

    noise = things.noise_chain() if getattr(given, "noise", None) is not None else None
    return tmf.Game(
        things.S, things.A, things.T, 0.9, things.INITIAL, reward if noise is None else noisy_reward, things.ROWS,
        name="example", noise=noise,
    )  # fmt: skip


def ticking_policy(count, given):
    def policy(mu, t):
        count.tick()
        return things.TABLE

    return policy


#: Arguments in whose place a function of the caller may stand, and how it is made.
FUNCTIONS = {
    "game": ticking_game,
    "policy": ticking_policy,
    "callback": lambda count, given: lambda now: count.tick(),
    "progress": lambda count, given: lambda done, total: count.tick(),
}
PICTURES = "tmfcore.plotting."


def more():
    """Calls that the examples do not have: by name, functions without arguments, good or failing inside."""
    long, table = things.game(), things.TABLE
    swept, affine = things.swept(), np.stack([table, table])
    clocks = tmf.Poisson(0.5, most=2.0)

    def stopped(**options):
        def stop(done, total):
            raise Midway

        try:
            tmf.simulate(long, table, tmf.Synchronous(), 50, rng=1, progress=stop, **options)
        except Midway:
            return
        raise AssertionError("progress was not called")

    return {
        "simulate, agents": lambda: tmf.simulate(long, table, tmf.Batch(3), 20, engine="agents", rng=1),
        "simulate, trajectories": lambda: tmf.simulate(long, table, tmf.Batch(3), 20, trajectories=True, rng=1),
        "simulate, threads": lambda: tmf.simulate(long, table, tmf.Batch(3), 20, replicas=4, threads=2, rng=1),
        "simulate, side by side": lambda: tmf.simulate(
            constant(), table, tmf.Sequential(), 20, replicas=20, rng=1
        ),
        "simulate, Poisson clocks": lambda: tmf.simulate(swept, table, clocks, 20, replicas=4, rng=1),
        "simulate, Poisson clocks, stages": lambda: tmf.simulate(swept, affine, clocks, 20, rng=1, times="events"),
        "simulate, on paths": lambda: tmf.simulate(things.rainy(), table, tmf.Batch(3), 20, replicas=3, rng=1),
        "simulate, ended by progress": stopped,
        "simulate, ended by progress, threads": lambda: stopped(replicas=4, threads=2),
        "mean_field, Poisson clocks": lambda: tmf.mean_field(swept, table, clocks),
        "exploitability, Poisson clocks": lambda: tmf.exploitability(swept, table, clocks),
        "solve, paths": lambda: tmf.solve(
            things.rainy(), tmf.Synchronous(), solver="FictitiousPlay", iterations=2, tolerance=None, paths=4, rng=1
        ),
    }


def constant():
    """A game in which nothing depends on the population."""
    return tmf.Game(things.S, things.A, things.T, 0.9, things.INITIAL, things.REWARD, things.ROWS)
