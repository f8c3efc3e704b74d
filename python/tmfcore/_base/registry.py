"""Registries: entries register themselves where they are defined, so that no list of names is maintained.

Registry(what)              a mapping of names to entries, in alphabetical order
discover(package, path)     import the public modules of a package, which register what they define
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, ValuesView
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import TypeVar

from tmfcore._base import validation as check

__all__ = ["Registry", "discover"]

Entry = TypeVar("Entry")


class Registry(Mapping[str, Entry]):
    """Entries by name, in alphabetical order.

    Parameters
    ----------
    what : str
        What the entries are, for errors.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self._entries: dict[str, Entry] = {}
        self._places: dict[str, str] = {}

    def add(self, name: str, entry: Entry, module: str) -> None:
        """Register an entry that `module` defines; a module that is run again replaces its own entries."""
        if self._places.get(name, module) != module:
            raise ValueError(f"{self.what} {name!r} is already registered by {self._places[name]}; use another name")
        self._entries = dict(sorted({**self._entries, name: entry}.items(), key=lambda item: item[0]))
        self._places[name] = module

    def find(self, name: object, argument: str) -> Entry:
        """The entry of `name`, given by a user as `argument`; the ValueError for an unknown name lists all names."""
        return self._entries[check.as_choice(name, argument, list(self))]

    def values(self) -> ValuesView[Entry]:
        """The entries."""
        return self._entries.values()

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __getitem__(self, name: str) -> Entry:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def discover(package: str, path: Iterable[str]) -> list[ModuleType]:
    """Import every module of a package whose name does not begin with an underscore."""
    names = sorted(found.name for found in iter_modules(path))
    return [import_module(f"{package}.{name}") for name in names if not name.startswith("_")]
