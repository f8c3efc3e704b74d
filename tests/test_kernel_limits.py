"""Sizes that do not fit: kernels say so before they take memory or number rows."""

import ctypes

import numpy as np
import pytest

import tmfcore as tmf
from strategies import ROW
from tmfcore._model import evaluator
from tmfcore._model.compiled_model import CompiledModel
from tmfcore._population import agents as agents_kernel
from tmfcore.solvers import _occupation

pytestmark = pytest.mark.law


@ROW
def certain(t, observation, action, mu, probabilities, reward, user):
    probabilities[0] = 1.0
    reward[0] = 0.0
    return 0


def huge(n_observations, n_actions):
    """A model whose tables have n_observations^2 n_actions cells, none of which is there yet."""
    return CompiledModel(n_observations, n_actions, ctypes.cast(certain, ctypes.c_void_p).value, owner=certain)


@pytest.mark.parametrize(("size", "n_actions"), [(2**16, 2**31 - 1), (2**20, 2**24), (2**20, 2**20), (2**20, 2**19 + 1)])
def test_tables_whose_bytes_wrap_around_are_refused(size, n_actions):
    """S A K cells of 8 bytes are 2^66, 2^67, 2^63 and just over 2^62: products in 64 bits ask for next to nothing."""
    with pytest.raises(MemoryError, match="the tables of the game do not fit in memory: they take"):
        evaluator.Evaluator(huge(size, n_actions), None, 1)


def test_occupation_measures_refuse_them_too():
    """They take their memory themselves; S A K is 2^61, and 2^64 bytes."""
    size = 2**20
    with pytest.raises(MemoryError, match="the tables of the game do not fit in memory: they take"):
        _occupation.Occupation(huge(size, 2**21), np.full(size, 1 / size), np.ones(1), 1, 1.0, False, 1.0, 1.0)


def test_rows_are_counted_again_where_the_layout_changes(monkeypatch):
    """Averaged over the policy there are 3 rows; for two agents that see mu rows are scanned, by action: 12."""
    rng = np.random.default_rng(51)
    game = tmf.Game(3, 4, 2, 1.0, np.full(3, 1 / 3), np.zeros((3, 4)), rng.dirichlet(np.ones(3), (3, 4)))
    policy = tmf.SoftmaxPolicy(rng.normal(size=(1, 3, 4, 4)))
    options = {"engine": "agents", "decisions": False, "rng": 1}
    monkeypatch.setattr(agents_kernel, "MAX_ROWS", 12)
    tmf.simulate(game, policy, tmf.Synchronous(), 2, **options)
    monkeypatch.setattr(agents_kernel, "MAX_ROWS", 11)
    with pytest.raises(ValueError, match=r"takes up to 11 rows of observation and action.*3 observations and 4 actions"):
        tmf.simulate(game, policy, tmf.Synchronous(), 2, **options)
    fixed = tmf.TabularPolicy(np.full((3, 4), 0.25))
    tmf.simulate(game, fixed, tmf.Synchronous(), 2, **options)  # tables of averaged rows: 3 rows
