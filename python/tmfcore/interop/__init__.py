"""At home in other libraries: games as environments, and games of others. Nothing is loaded before it is asked for.

    interop.pettingzoo      N agents as a PettingZoo environment, parallel or agent by agent
    interop.gymnasium       one tagged agent facing a population, single or vectorised
    interop.openspiel       mean-field games and policies of OpenSpiel, in and out
    interop.mfglib          environments and policies of MFGLib, in and out

The first two need the extra `envs`, the others `peers`.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

__all__ = ["gymnasium", "mfglib", "openspiel", "pettingzoo"]


def __getattr__(name: str) -> ModuleType:
    """A module of this folder, imported when asked for: it needs a library that tmfcore does not."""
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
