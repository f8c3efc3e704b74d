"""One word for one thing: arguments of public functions use the words of the table in docs/architecture.md."""

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

import tmfcore as tmf
from inputs.doors import doors

PAGE = Path(__file__).parents[1] / "docs" / "architecture.md"
DOORS = {name: door for name, door in doors().items() if not name.startswith("tmfcore.interop")}
GAMES = {
    name: door for name, door in DOORS.items()
    if re.fullmatch(r"tmfcore\.games\.[a-z_]+", name) and inspect.signature(door.function).return_annotation == "Game"
}  # fmt: skip
#: Words that are wrong only as arguments of games: elsewhere `values` are the values of a policy.
OF_GAMES = {"values"}


def words():
    """The table: word -> the words it replaces."""
    section = PAGE.read_text(encoding="utf-8").split("## One word for one thing")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| ([\w, ]+) \|$", section, flags=re.MULTILINE)
    return {word: set(others.split(", ")) for word, others in rows}


WORDS = words()


def test_the_table_is_read():
    assert {"worth", "congestion", "step", "rng", "game"} <= set(WORDS)
    assert len(GAMES) >= 17


@pytest.mark.parametrize("word", sorted(set(WORDS) - {"game"}))
def test_arguments_of_everything_public_use_the_word(word):
    found = [
        f"{name}({other}=)"
        for name, door in DOORS.items()
        for other in WORDS[word].intersection(door.parameters)
        if other not in OF_GAMES or name in GAMES or name == "tmfcore.games.wardrop"
    ]
    assert not found
    assert any(word in door.parameters for door in DOORS.values())


def test_results_call_the_name_of_their_game_game():
    kinds = [door.function for name, door in DOORS.items() if dataclasses.is_dataclass(door.function)]
    named = [kind for kind in kinds if {"game", "name"} & {field.name for field in dataclasses.fields(kind)}]
    results = [kind for kind in named if kind is not tmf.Game]
    assert tmf.Flow in results and tmf.Simulation in results
    assert not [kind for kind in results if "name" in {field.name for field in dataclasses.fields(kind)}]


@pytest.mark.parametrize("name", sorted(GAMES))
def test_games_take_their_arguments_by_name_after_the_first(name):
    first, *others = inspect.signature(GAMES[name].function).parameters.values()
    assert first.kind is first.POSITIONAL_OR_KEYWORD
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in others)
