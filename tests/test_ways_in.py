"""Four ways into one class: the frozen names of cython_api, signatures, compiled functions and what they promise."""

import ast
import ctypes
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import LowLevelCallable

import strategies
import tmfcore as tmf
from tmfcore._model import compiled_model, evaluator, model
from tmfcore._model import policy as policy_kernel
from tmfcore._model import promises as _promises
from tmfcore._random import sampling

ROOT = Path(__file__).resolve().parents[1]
DOUBLES = ctypes.POINTER(ctypes.c_double)
ROW = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int, DOUBLES, DOUBLES, DOUBLES, ctypes.c_void_p)


# ------------------------------------------------------------------------------------------------ the Cython interface

# What other projects were compiled against. A line may be added; one that changes breaks them.
CYTHON_API = {
    "tmfcore._model.evaluator": ["Evaluator", "passive_successors_of", "successors_of"],
    "tmfcore._model.model": ["Model", "Tables", "checked_row", "row_function"],
    "tmfcore._model.policy": ["Policy", "stage_of"],
    "tmfcore._random.sampling": ["Sampler", "below", "binomial", "bits_of", "scan", "split_hypergeometric", "split_multinomial", "uniform"],
}
CAPSULES = {
    model: {
        "check_row": "int (double const *, Py_ssize_t, double, int, int, int)",
    },
    sampling: {
        "bits_of": "bitgen_t *(PyObject *)",
        "split_multinomial": None,
        "split_hypergeometric": None,
    },
}
VTABLE = [  # methods of Model in their order, which is that of the table of functions a subclass was compiled with
    "int row_at(self, int t, int observation, int action, const double *mu, double *probabilities, double *reward) except -1 nogil",
    "double standing_reward(self, int observation, const double *mu) noexcept nogil",
    "int slopes_at(self, int t, int observation, int action, const double *mu, const double *sigma, double *slope, double *bend) except -1 nogil",
    "int tables_at(self, int t, const double *mu, Tables *tables, bint everything) except -1 nogil",
    "int set_shape(self, Py_ssize_t n_observations, Py_ssize_t n_actions, object successors, object passive_successors) except -1",
    "int met_at(self, int t, int observation, int action, int partner, const double *mu, double *probabilities, double *reward) except -1 nogil",
    "int set_legal(self, legal) except -1",
    "int reward_pull(self, int t, const double *mu, const double *acting, const double *resting, double *out) except -1 nogil",
    "int row_pull(self, int t, const double *mu, const double *acting, const double *resting, const double *values, double *scratch, double *out) except -1 nogil",
]
ROW_FUNCTION = (
    "int (*row_function)(int t, int observation, int action, const double *mu, double *probabilities, double *reward, "
    "void *user,) noexcept nogil"
)


def declarations(name):
    """A .pxd without comments and line breaks inside parentheses."""
    text = re.sub(r"#.*", "", (Path(tmf.get_cython_path()) / "tmfcore" / name).read_text(encoding="utf-8"))
    text = re.sub(r"\s+", " ", text)
    return re.sub(r"\( ", "(", re.sub(r" \)", ")", text))


def test_cython_api_names_are_frozen():
    text = declarations("cython_api.pxd") + " "
    found = re.findall(r"from (tmfcore\.[\w.]+) cimport \(?((?:\w+, )*\w+)\)? ", text[text.rindex('"""') :])
    assert {module: sorted(names.split(", ")) for module, names in found} == CYTHON_API


def test_methods_of_a_model_are_frozen():
    text = declarations("_model/model.pxd")
    body = text[text.index("cdef class Model:") :]
    found = re.findall(r"cdef (\w+ \w+\(self, [^)]*\)(?: except -1| noexcept)?(?: nogil)?)", body)
    assert found == VTABLE
    assert ROW_FUNCTION in text


def test_capsules_of_the_interface_are_frozen():
    for module, functions in CAPSULES.items():
        for name, signature in functions.items():
            assert name in module.__pyx_capi__
            if signature is not None:
                assert f'"{signature}"' in repr(module.__pyx_capi__[name])
    assert model.Model.__pyx_vtable__ and policy_kernel.Policy.__pyx_vtable__ and evaluator.Evaluator.__pyx_vtable__


# --------------------------------------------------------------------------------------------------------- signatures


def test_accepted_signatures_are_frozen():
    assert compiled_model.ROW_SIGNATURES == (
        "int (int, int, int, double const *, double *, double *, void *)",
        "int (int, int, int, double *, double *, double *, void *)",
        "int32_t (int32_t, int32_t, int32_t, double const *, double *, double *, void *)",
    )
    wanted = ("int", "int", "int", "int", "double *", "double *", "double *", "void *")
    for signature in (*compiled_model.ROW_SIGNATURES, "int(*)(int, int, int, double *, double *, double *, void *)",
                      "signed int(int,int32_t,int,const double*,double*,double*,void*)"):  # fmt: skip
        assert compiled_model.signature_types(signature) == wanted
    assert compiled_model.signature_types("nothing") == ()


def stay(t, o, a, mu, probabilities, reward, user):
    probabilities[0] = 1.0
    reward[0] = mu[o]
    return 0


def made(function, **options):
    return tmf.Game.compiled(function, 2, 1, 3, 1.0, [0.5, 0.5], successors=[[[0]], [[1]]],
                             passive_successors=[[0], [1]], **options)  # fmt: skip


@pytest.mark.parametrize(
    ("types", "text"),
    [
        ((ctypes.c_long, ctypes.c_int, ctypes.c_int, DOUBLES, DOUBLES, DOUBLES, ctypes.c_void_p),
         r"has signature 'int \(long, .*has 'long(?: long)?' as argument 1 \(t\); must have 'int'\. Accepted.*double const"),
        ((ctypes.c_int, ctypes.c_int, DOUBLES, DOUBLES, DOUBLES, ctypes.c_void_p),
         r"takes 6 arguments; must take 7"),
        ((ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.c_float), DOUBLES, DOUBLES, ctypes.c_void_p),
         r"has 'float \*' as argument 4 \(mu\); must have 'double \*'"),
    ],
)  # fmt: skip
def test_another_signature_says_what_was_got_and_what_is_accepted(types, text):
    function = ctypes.CFUNCTYPE(ctypes.c_int, *types)(lambda *_: 0)
    with pytest.raises(ValueError, match=text):
        made(function)
    with pytest.raises(ValueError, match=text):
        made(LowLevelCallable(function))
    with pytest.raises(ValueError, match="has 'double' as the result; must have 'int'"):
        made(ctypes.CFUNCTYPE(ctypes.c_double, *ROW._argtypes_)(lambda *_: 0))


def test_ctypes_functions_are_taken_as_they_are():
    import gc

    game = made(ROW(stay))  # nobody else keeps the callback
    gc.collect()
    np.testing.assert_array_equal(game.tables([0.25, 0.75])[2], [0.25, 0.75])
    undeclared = ctypes.CDLL(None).abs
    undeclared.argtypes = None
    with pytest.raises(ValueError, match="without argtypes"):
        made(undeclared)


def test_what_is_no_compiled_function():
    with pytest.raises(TypeError, match=r"a Python function; .*Game\(\.\.\.\) takes Python functions"):
        made(stay)
    with pytest.raises(TypeError, match=r"function is a list; must be a scipy\.LowLevelCallable, a numba cfunc"):
        made([])
    with pytest.raises(TypeError, match="user_data"):
        made(ROW(stay), user_data="x")


def test_numba_and_cffi_functions_are_taken_as_they_are():
    numba = pytest.importorskip("numba")
    cffi = pytest.importorskip("cffi")

    @numba.cfunc("int32(int32, int32, int32, CPointer(double), CPointer(double), CPointer(double), voidptr)")
    def row(t, o, a, mu, probabilities, reward, user):
        probabilities[0] = 1.0
        reward[0] = mu[o]
        return 0

    ffi = cffi.FFI()
    called = ffi.callback("int(int, int, int, double *, double *, double *, void *)", stay)
    for function in (row, LowLevelCallable(row.ctypes), row.address, called):
        np.testing.assert_array_equal(made(function, owner=row).tables([0.25, 0.75])[2], [0.25, 0.75])


# ----------------------------------------------------------------------------------------------------------- promises

VALUE = np.array([1.0, 0.8, 0.5, 0.2, 0.9])
BOUND = 1.0 / 5


def crowded(dense_passive=False, cells=2):
    """Five places; action a leads to place a with probability 3/4, else one stays; a crowd costs."""

    def row(t, o, a, mu, probabilities, reward, user):
        if a < 0:
            for x in range(5 if dense_passive else 1):
                probabilities[x] = float(not dense_passive or x == o)
        else:
            probabilities[0], probabilities[1] = 0.25, 0.75
        reward[0] = VALUE[o] - mu[o] ** 2 - (0.1 if a >= 0 and a != o else 0.0)
        return 0

    return ROW(row)


def crowd_game(function, dense_passive=False, **promises):
    o, a, k = np.ogrid[:5, :5, :2]
    return tmf.Game.compiled(
        function, 5, 5, 40, 0.9, [1, 0, 0, 0, 0], successors=np.where(k == 0, o, a),
        passive_successors=None if dense_passive else np.arange(5)[:, None], **promises,
    )  # fmt: skip


ALL = {"constant_transition": True, "local_passive_reward": True, "separable_reward": True}
SOME = [{}, {"local_passive_reward": True}, {"constant_transition": True}, ALL,
        {"local_passive_reward": True, "separable_reward": True}]  # fmt: skip
PLAY = [(tmf.Sequential(), 50), (tmf.Batch(1), 7), (tmf.Batch(3), 40), (tmf.Fraction(0.5), 40), (tmf.Bernoulli(0.3), 40),
        (tmf.Synchronous(), 1000)]  # fmt: skip


def test_promises_are_tried_at_distributions():
    """Of any size: the sum of a thousand shares as of two."""
    for size in (1, 2, 1000):
        initial = np.eye(1, size)[0]
        mus = _promises.points(initial)
        np.testing.assert_array_equal(mus[0], initial)
        np.testing.assert_allclose(np.sum(mus, axis=1), 1, rtol=1e-14)
        assert size == 1 or np.ptp(mus[1]) == 0 < np.ptp(mus[2])


def test_a_promise_kept_up_to_rounding_is_kept():
    """What a sum of 1e8 and 0.1 loses is no broken promise; a millionth of it is."""
    for off, kept in ((0.0, True), (100.0, False)):

        def tables(mu, t, off=off):
            waiting = np.array([0.0, 1e8 * mu[1]])
            rewards = waiting[:, None] + np.array([[0.1, 0.2], [0.3, 0.4]])
            rewards[1, 1] += off * mu[1]
            return rewards, np.ones((2, 2, 1)), waiting, np.ones((2, 1))

        mus = [np.array([1.0, 0.0]), np.array([0.25, 0.75])]
        found = _promises.broken(tables, ("local_passive_reward", "separable_reward"), mus, [0])
        assert (found is None) is kept
        assert kept or found.startswith("separable_reward is promised, but reward[1, 1] - passive_reward[1] is 0.4 at one")


@pytest.mark.parametrize("size", [3, 4, 16, 17, 31, 33, 100, 257])
def test_sets_hold_one_of_two_apart(size):
    sets = [set(kept.tolist()) for kept in _promises._kept_apart(size)]
    assert all(size - len(kept) >= 2 for kept in sets)
    for one in range(size):
        mine = [kept for kept in sets if one in kept]
        assert set.intersection(*mine) == {one}


@pytest.mark.parametrize("size", [3, 4, 5, 16, 17, 40])
def test_a_promise_broken_at_one_place_is_found_wherever_that_is(size):
    """The reward of waiting at one place looks at another one; elsewhere it does not."""
    pairs = [(odd, other) for odd in range(size) for other in range(size) if other != odd]
    for odd, other in pairs if size < 6 else pairs[:: size // 3]:

        def tables(mu, t, odd=odd, other=other):
            waiting = mu.copy()
            waiting[odd] += mu[other]
            return np.zeros((size, 1)), np.ones((size, 1, 1)), waiting, np.ones((size, 1))

        found = _promises.broken(tables, ("local_passive_reward",), _promises.points(np.full(size, 1 / size)), [0])
        assert found is not None, (odd, other)
        assert found.startswith(f"local_passive_reward is promised, but passive_reward[{odd}] is ")


@pytest.mark.parametrize("promises", SOME)
@pytest.mark.parametrize("dense_passive", [False, True])
@pytest.mark.broad
def test_promises_change_nothing_but_the_time(promises, dense_passive):
    """Flows and values of all promises agree, and so do simulations that draw the same words."""
    function = crowded(dense_passive)
    plain, game = crowd_game(function, dense_passive), crowd_game(function, dense_passive, **promises)
    policy = tmf.TabularPolicy(np.random.default_rng(1).dirichlet(np.ones(5), size=5))
    for schedule, n in PLAY:
        flows = [tmf.mean_field(g, policy, schedule, n).mu for g in (plain, game)]
        np.testing.assert_allclose(*flows, rtol=0, atol=1e-13)
        values = [tmf.evaluate(g, policy, schedule, n).mean_return for g in (plain, game)]
        assert values[0] == pytest.approx(values[1], rel=1e-12)
        for engine in ("counts", "agents"):
            runs = [tmf.simulate(g, policy, schedule, n, replicas=3, engine=engine, rng=3) for g in (plain, game)]
            earned = [(run.counts[:, :-1] / n, run.decisions / n) for run in runs]
            for run, (mu, acted) in zip(runs, earned, strict=True):  # rewards are those of the recorded play
                standing = VALUE - mu**2
                paid = (standing * mu).sum(-1) - 0.1 * (acted.sum((-1, -2)) - np.trace(acted, axis1=-2, axis2=-1))
                np.testing.assert_allclose(run.rewards, paid, rtol=1e-12, atol=1e-14)
    assert game.model.constant_transition is promises.get("constant_transition", False)


def test_promises_are_checked():
    function = crowded()
    with pytest.raises(ValueError, match="separable_reward is promised without local_passive_reward"):
        crowd_game(function, separable_reward=True)
    with pytest.raises(TypeError, match="constant_transition is 1"):
        crowd_game(function, constant_transition=1)

    @ROW
    def drifting(t, o, a, mu, probabilities, reward, user):
        probabilities[0] = 0.5 * mu[0]
        if a >= 0:
            probabilities[1] = 1 - 0.5 * mu[0]
        else:
            probabilities[0] = 1.0
        reward[0] = mu[0] * (a + 1)
        return 0

    with pytest.raises(ValueError, match=r"constant_transition is promised, but transition\[0, 0, 0\] is 0.5 at one"):
        crowd_game(drifting, constant_transition=True)
    with pytest.raises(ValueError, match=r"separable_reward is promised, but reward\[0, 0\] - passive_reward\[0\]"):
        crowd_game(drifting, local_passive_reward=True, separable_reward=True)

    @ROW
    def neighbours(t, o, a, mu, probabilities, reward, user):
        probabilities[0], reward[0] = 1.0, mu[(o + 1) % 5]
        if a >= 0:
            probabilities[1] = 0.0
        return 0

    with pytest.raises(ValueError, match=r"local_passive_reward is promised, but passive_reward\[\d\] is"):
        crowd_game(neighbours, local_passive_reward=True)


def test_promises_are_held_against_the_first_step_and_the_last():
    asked = set()

    @ROW
    def late(t, o, a, mu, probabilities, reward, user):
        asked.add(t)
        probabilities[0], reward[0] = 1.0, mu[o] + float(t == 7 and a > 0)
        if a >= 0:
            probabilities[1] = 0.0
        return 0

    successors = np.broadcast_to([0, 1], (5, 2, 2))
    options = {"successors": successors, "passive_successors": np.arange(5)[:, None],
               "local_passive_reward": True, "separable_reward": True}  # fmt: skip
    with pytest.raises(ValueError, match="separable_reward is promised, but"):
        tmf.Game.compiled(late, 5, 2, 8, 1.0, np.full(5, 0.2), **options)
    tmf.Game.compiled(late, 5, 2, 7, 1.0, np.full(5, 0.2), **options)
    assert asked == {0, 6, 7}


@pytest.mark.parametrize("promises", SOME)
@pytest.mark.parametrize("fault", ["nan", "code", "row", "unset"])
def test_a_function_that_fails_later_is_found_whatever_was_promised(promises, fault):
    """The function misbehaves once place 1 holds 6 of 10 agents, which needs a few steps."""
    broken = []

    @ROW
    def row(t, o, a, mu, probabilities, reward, user):
        bad = mu[1] > 0.55 and o == 1 and broken
        if bad and fault == "code":
            return 9
        if bad and fault == "unset":
            return 0
        probabilities[0] = 1.0 if a < 0 else 0.0
        if a >= 0:
            probabilities[1] = 1.0
        if bad and fault == "row":
            probabilities[0] = 7.0
        reward[0] = float("nan") if bad and fault == "nan" else 1 - mu[o]
        return 0

    game = crowd_game(row, **promises)
    broken.append(True)
    policy = tmf.TabularPolicy(np.eye(5)[[1] * 5])
    for schedule, n in ((tmf.Synchronous(), 10), (tmf.Sequential(), 10), (tmf.Batch(2), 10), (tmf.Batch(2), 50)):
        for engine in ("counts", "agents"):
            if fault == "row" and promises.get("separable_reward"):
                continue  # rows are not asked for again where only rewards can change
            with pytest.raises(ValueError, match=r"observation 1|passive_reward of observation 1"):
                tmf.simulate(game, policy, schedule, n, engine=engine, rng=1)


@given(strategies.games(compiled=True), st.integers(0, 2**32 - 1))
def test_tables_of_a_compiled_game_are_its_rows(spec, seed):
    game = spec.build()
    mu = np.random.default_rng(seed).dirichlet(np.ones(game.n_observations))
    mu /= mu.sum()
    for t in (0, game.horizon - 1):
        reward, transition, passive_reward, passive_transition = game.model.tables(mu, t)
        for o in range(game.n_observations):
            for a in range(-1, game.n_actions):
                row, earned = game.model.row(mu, t, o, a)
                np.testing.assert_array_equal(row, passive_transition[o] if a < 0 else transition[o, a])
                assert earned == (passive_reward[o] if a < 0 else reward[o, a])


# ----------------------------------------------------------------------------------------------------------- examples


def code_lines(path):
    """Lines of a program that are neither empty, comment nor docstring."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    docstrings = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.FunctionDef)) and ast.get_docstring(node):
            docstrings |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    lines = enumerate(text.splitlines(), start=1)
    return [line for i, line in lines if line.strip() and not line.strip().startswith("#") and i not in docstrings]


@pytest.mark.parametrize(("name", "most"), [("plain", 12), ("numba_row", 20)])
def test_a_game_of_ones_own_is_short(name, most):
    path = ROOT / "examples" / "your_own_game" / f"{name}.py"
    lines = code_lines(path)
    assert any(line.startswith("game = tmf.Game") for line in lines)
    assert len(lines) <= most, "\n".join(lines)


def test_plain_example_is_the_beach_bar(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "your_own_game"))
    import importlib
    import sys

    built_in = tmf.games.beach_bar(100, horizon=20, step=1).at()
    try:
        for name in ("plain", "arrays"):
            game = importlib.import_module(name).game
            policy = tmf.TabularPolicy.uniform(game)
            wanted = tmf.evaluate(built_in, policy, tmf.Fraction(0.3))
            found = tmf.evaluate(game, policy, tmf.Fraction(0.3))
            np.testing.assert_allclose(found.flow.mu, wanted.flow.mu, atol=1e-14)
            np.testing.assert_allclose(found.values, wanted.values, rtol=1e-12, atol=1e-12)
    finally:
        for name in ("plain", "arrays"):
            sys.modules.pop(name, None)
