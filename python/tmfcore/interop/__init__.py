"""Conversion to and from other libraries. Each module is imported on first use.

    interop.pettingzoo      N agents as a PettingZoo environment, parallel or agent by agent
    interop.gymnasium       one agent facing a population, as a Gymnasium environment, single or vectorised
    interop.openspiel       mean-field games and policies of OpenSpiel, both ways
    interop.mfglib          environments and policies of MFGLib, both ways

The first two need the extra `envs`, the others the extra `peers`.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

__all__ = ["gymnasium", "mfglib", "openspiel", "pettingzoo"]


def __getattr__(name: str) -> ModuleType:
    """Import a module of this folder on first use: it needs a library that tmfcore itself does not need."""
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
