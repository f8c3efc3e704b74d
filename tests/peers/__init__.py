"""Held against code we did not write: OpenSpiel's mean-field games and MFGLib.

our_side.py     the answers of this package
in_mfglib.py    the answers of MFGLib, for an Environment of theirs or one made of our tables
in_openspiel.py the answers of OpenSpiel, for a game made of our tables
openspiel_states.py  values by a recursion over OpenSpiel's states, keyed by all that their rewards depend on
openspiel_routing.py    OpenSpiel's routing game on our networks
games.py        which games, how large, and which of theirs they are

A module of the others is asked for by `need`. TMFCORE_PEERS=required makes its absence an error, so that a run that is
there to compare cannot pass by skipping.
"""

import importlib
import os
import warnings
from types import ModuleType


def need(name: str) -> ModuleType:
    """The module, imported; where it is missing a skip, or an error if TMFCORE_PEERS=required."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        if os.environ.get("TMFCORE_PEERS") == "required":
            return importlib.import_module(name)
        import pytest

        return pytest.importorskip(name, reason=f"{name} (extra `peers`) is not installed", exc_type=ImportError)
