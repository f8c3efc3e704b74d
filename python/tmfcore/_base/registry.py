"""Registries: what is registered where it is defined, found without a list of names.

Registry(what)              entries by name, in alphabetical order
discover(package, path)     import the public modules of a package, which register what they define
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Generic, TypeVar

from tmfcore._base import validation as check

__all__ = ["Registry", "discover"]

Entry = TypeVar("Entry")


class Registry(Generic[Entry]):
    """Entries by name.

    Parameters
    ----------
    what : str
        Of what, for errors.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self._entries: dict[str, Entry] = {}
        self._places: dict[str, str] = {}

    def add(self, name: str, entry: Entry, module: str) -> None:
        """Register an entry that `module` defines; a module that is run again replaces its own entries."""
        if self._places.get(name, module) != module:
            raise ValueError(f"{self.what} {name!r} is registered by {self._places[name]} already; take another name")
        self._entries[name], self._places[name] = entry, module

    def find(self, name: object, argument: str) -> Entry:
        """The entry of a name that a user gave as `argument`; ValueError says which there are."""
        return self._entries[check.as_choice(name, argument, list(self))]

    def __getitem__(self, name: str) -> Entry:
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def values(self) -> list[Entry]:
        """Entries in the order of their names."""
        return [self._entries[name] for name in self]


def discover(package: str, path: Iterable[str]) -> None:
    """Import every module of a package whose name has no underscore in front."""
    for module in sorted(found.name for found in iter_modules(path)):
        if not module.startswith("_"):
            import_module(f"{package}.{module}")
