"""Damaged games in files: what comes of one is a Game, or an error that names the file."""

import random
from functools import partial

import tmfcore as tmf
from tmfcore.games import gamefile

from .judge import alarm, within
from .things import folder

SOURCES = (
    gamefile.TEMPLATE.format(name="mine"),
    '[game]\nkind = "queueing"\ncapacities = [0.5, 0.4, 0.3]\nhorizon = 5\n',
    '[game]\nkind = "beach-bar"\nn_places = 11\nhorizon = 4\n',
    '[game]\nkind = "pairwise-revision"\npayoffs = [[0, -1, 1], [1, 0, -1], [-1, 1, 0]]\nhorizon = 3\n',
    '[game]\nkind = "garnet"\nn_observations = 4\nn_actions = 2\nrng = 1\n',
    '[game]\nkind = "crowd-motion"\nshape = [3, 3]\nhorizon = 3\n',
    '[game]\nkind = "resource-selection"\nworth = [1.0, 0.5]\ncongestion = 1.0\n',
    '[game]\nkind = "infection-by-contact"\n',
)
VALUES = (
    "0", "-1", "1", "2", "1e308", "-1e-300", "nan", "inf", "true", '""', '"x"', "[]", "[[]]", "{}", "[1, [2]]", "9" * 30, "0.5", "1e9",
    "2147483648", "9223372036854775807", '"\\u0000"', "1979-05-27", "[nan]", "[1e308, 1e308]", "[" * 300 + "]" * 300, "9" * 5000, "[0.1, 0.2]",
)  # fmt: skip
MEMORY = 1 << 30
SECONDS = 5.0


def trials(count, seed):
    """`count` pairs of a label and a function that says what leaked, or None; each has its own seed."""
    for i in range(count):
        rng = random.Random(f"{seed} game {i}")
        damage = rng.choice(DAMAGES)
        yield f"gamefile.read({damage.__name__}, {i})", partial(judged, damage, rng)


def judged(damage, rng):
    """What leaked when a damaged game was read, or None."""
    path = folder() / "damaged.toml"
    text = rng.choice(SOURCES)
    for _ in range(rng.randint(1, 2)):
        text = damage(text, rng)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    try:
        with within(MEMORY), alarm(SECONDS):
            gamefile.read(path)
    except (tmf.FileError, MemoryError) as error:
        return None if str(path) in str(error) else f"the file is not named: {error}"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"{type(error).__name__}: {error}; {text[:2000]!r}"
    return None


def flipped(text, rng):
    data = bytearray(text.encode("utf-8", "surrogateescape"))
    for _ in range(rng.randint(1, 4)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return data.decode("utf-8", "surrogateescape")


def cut(text, rng):
    return text[: rng.randrange(len(text))] or "\n"


def value_replaced(text, rng):
    """Another value of a key."""
    lines = [line for line in text.split("\n") if line]
    places = [i for i, line in enumerate(lines) if " = " in line] or [0]
    i = rng.choice(places)
    lines[i] = f"{lines[i].partition(' = ')[0]} = {rng.choice(VALUES)}"
    return "\n".join(lines) + "\n"


def key_added(text, rng):
    key = rng.choice(("horizon", "discount", "initial", "step", "name", "rng", "n_observations", "noise", "passive_reward", "a", "a.b", '""'))
    return f"{text}{key} = {rng.choice(VALUES)}\n"


def line_repeated(text, rng):
    lines = text.split("\n")
    lines.insert(rng.randrange(len(lines)), rng.choice(lines))
    return "\n".join(lines)


def kind_replaced(text, rng):
    """The keys of one game for another."""
    return text.replace(text.partition('kind = "')[2].partition('"')[0] or "\n", rng.choice(sorted(gamefile.kinds())), 1)


DAMAGES = (flipped, cut, value_replaced, value_replaced, value_replaced, key_added, line_repeated, kind_replaced)
