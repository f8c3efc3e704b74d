"""The package as a thing: what it imports, what it ships, that its layers point down, that its doctests hold."""

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import version
from pathlib import Path

import pytest

import tmfcore
from inputs.doors import modules
from tmfcore._results import packing

PACKAGE = Path(tmfcore.__file__).parent
ROOT = Path(__file__).resolve().parents[1]
# __main__ runs the command line when imported.
MODULES = sorted(
    name for _, name, _ in pkgutil.walk_packages(tmfcore.__path__, "tmfcore.") if not name.endswith("__main__")
)
KERNELS = ROOT / "tmfcore"
COMPILED = sorted(
    path.relative_to(PACKAGE).with_name(path.name.partition(".")[0]).as_posix()
    for path in PACKAGE.rglob("*")
    if path.name.endswith(tuple(EXTENSION_SUFFIXES)) and not path.name.startswith("_cyutility.")  # of Cython
)

# The house of docs/architecture.md, bottom up: each room imports, and its kernels include and cimport, from itself and
# from rooms that stand before it.
ROOMS = (
    "_base", "_random", "plotting", "_results", "_model", "lq", "_limit", "games", "_population", "solvers", "analysis", "learn", "_sweep", "testing", "interop",
    "reproduce", "bench", "cli",
)  # fmt: skip
FRONT = ("cli", "bench", "reproduce", "interop", "__main__")  # may come in by the front door, `import tmfcore`

# Libraries that rooms of interop/ are bridges to; such a room raises ModuleNotFoundError where its library is missing.
FOREIGN = {"gymnasium", "mfglib", "open_spiel", "pettingzoo", "pyspiel", "stable_baselines3", "torch"}


def room_of(module):
    """The room of a dotted name; names of the front door, such as tmfcore.Game, are of no room."""
    name = module.split(".")[1] if "." in module else ""
    return name if name in ROOMS else None


@pytest.fixture
def rooms(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from bench import rooms

    monkeypatch.setattr(rooms, "PACKAGE", PACKAGE)  # as it is installed
    return rooms


def test_imports_point_down_only(rooms):
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if module == "tmfcore":
            continue  # the front door opens every room
        own = room_of(module)
        for target in rooms.python_imports(path):
            room = room_of(target)
            if room is None:
                assert module.split(".")[1] in FRONT, f"{module} imports {target} by the front door from below"
            elif own is not None:
                assert ROOMS.index(room) <= ROOMS.index(own), f"{module} imports {target}, which lies above it"


def test_kernels_point_down_only(rooms):
    for path in KERNELS.rglob("*.*"):
        own = path.relative_to(KERNELS).parts[0]
        if own not in ROOMS:
            assert path.parent == KERNELS and path.name in ("__init__.pxd", "cython_api.pxd"), path
            continue
        for room in rooms.kernel_imports(path):
            if room in ROOMS:
                assert ROOMS.index(room) <= ROOMS.index(own), f"{path} names {room}, which lies above it"


def test_every_module_has_a_room():
    for module in MODULES:
        assert room_of(module) or module == "tmfcore.typing", f"{module} stands in no room"
    found = {path.name for path in PACKAGE.iterdir() if path.is_file() and path.suffix != ".pxd"}  # in a wheel: those too
    assert found == {"__init__.py", "__main__.py", "py.typed", "typing.py"}


ALONE = """
import sys
import tmfcore
from tmfcore._results import packing
print(*sys.modules)
print(*packing._KNOWN)
print(*(type(tmfcore.load(path)).__name__ for path in sys.argv[1:]))
"""


def test_import_is_light():
    """Nothing that plots, prints or tests is loaded by `import tmfcore`, nor scipy, which takes as long as numpy, nor rooms that few need.

    Files of these rooms can be loaded all the same: each class that files may contain is loaded, or in `packing._LATE`.
    """
    files = sorted(path for room in packing._LATE for path in (ROOT / "tests" / "golden" / "files").glob(f"*/{room}.*.npz"))
    done = subprocess.run([sys.executable, "-c", ALONE, *map(str, files)], capture_output=True, text=True, check=True)
    loaded, known, made = (set(line.split()) for line in done.stdout.splitlines())
    assert not {"matplotlib", "scipy", "rich", "click", "optuna", "pytest", *FOREIGN} & {name.split(".")[0] for name in loaded}
    assert not {"tmfcore.learn", "tmfcore.lq", "tmfcore.plotting"} & loaded
    assert {"Fit", "LQSolution"} <= made == {path.stem.rpartition(".")[2] for path in files}
    assert tmfcore in list(modules())  # which imports all of them
    late = [kind.__module__ for name, kind in packing._KNOWN.items() if name not in known and kind.__module__.startswith("tmfcore.")]
    assert late and all(name.startswith(packing._LATE) for name in late), late


def test_public_names_are_there_and_documented():
    assert tmfcore.__all__ == sorted(tmfcore.__all__)
    for name in tmfcore.__all__:
        assert name in dir(tmfcore)
        if not name.startswith("__"):
            assert getattr(tmfcore, name).__doc__, f"tmfcore.{name} has no docstring"
    with pytest.raises(AttributeError, match="nonsense"):
        tmfcore.nonsense  # noqa: B018  the access is the test


def test_version_is_that_of_the_metadata():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert tmfcore.__version__ == version("tmfcore") == project["version"]
    assert f"## {project['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"version: {project['version']}" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_every_kernel_is_compiled_and_has_a_stub():
    assert sorted(path.relative_to(KERNELS).with_suffix("").as_posix() for path in KERNELS.rglob("*.pyx")) == COMPILED
    for name in COMPILED:
        assert (PACKAGE / f"{name}.pyi").is_file(), f"{name} has no stub"
    assert (PACKAGE / "py.typed").is_file()


def test_kernel_folder_never_becomes_a_package():
    """An __init__.py there would shadow the installed package for everyone who stands in the repository root."""
    assert not list(KERNELS.rglob("*.py"))
    code = "import tmfcore; print(tmfcore.__file__)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert Path(found.strip()).parent == PACKAGE


def interface():
    """The .pxd files and headers behind cython_api.pxd, as names in the kernels' folder, read independently of setup.py."""
    pending, found = ["cython_api.pxd"], set()
    while pending:
        name = pending.pop()
        if name in found:
            continue
        found.add(name)
        text = (KERNELS / name).read_text(encoding="utf-8")
        pending += [f"{module.replace('.', '/')}.pxd" for module in re.findall(r"from tmfcore\.([\w.]+) cimport", text)]
        pending += re.findall(r'(?:#include|extern from) "tmfcore/([\w/]+\.h)"', text)
        others = re.findall(r'(?:#include|extern from) "(?!tmfcore/|<numpy/)([^"]+)"', text)
        assert not others, f"{name} includes {others}: what users include has the name of the package"
    return found


@pytest.mark.skipif(not KERNELS.is_dir(), reason="not in a source tree")
def test_what_users_include_is_the_interface_and_no_more():
    names = interface()
    assert {"_model/model.pxd", "_random/bounded.h"} <= names
    include, cython = Path(tmfcore.get_include()), Path(tmfcore.get_cython_path())
    for name in names:
        assert ((include if name.endswith(".h") else cython) / "tmfcore" / name).is_file(), name
    if cython != ROOT:  # a wheel: nothing else is in it
        shipped = {path.relative_to(include / "tmfcore").as_posix() for path in include.rglob("*.*")}
        assert shipped == {name for name in names if name.endswith(".h")}
        shipped = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.pxd") if path.name != "__init__.pxd"}
        assert shipped == {name for name in names if name.endswith(".pxd")}
        assert not [path for path in PACKAGE.rglob("*.h") if include not in path.parents]


@pytest.mark.skipif(not KERNELS.is_dir(), reason="not in a source tree")
def test_what_users_compile_needs_no_library_of_numpy():
    """An inline function of a .pxd becomes part of the user's extension, which is linked with nothing of numpy's."""
    sampler = re.compile(r"\brandom_\w+\(")
    users = {name for name in interface() if sampler.search((KERNELS / name).read_text(encoding="utf-8"))}
    assert users == {"_random/numpy_random.pxd"}  # which only declares them


def test_build_info_reports_the_switches():
    info = tmfcore.build_info()
    assert info["tmfcore"] == tmfcore.__version__
    for name in ("abi3", "debug", "trace", "sanitize"):
        assert name in info


#: Commands are called what they do, as the verbs behind them are.
ALIKE = {"__init__", "simulate", "sweep", "reproduce"}


def test_a_name_is_one_thing():
    """No two modules of the house have one name, and no two classes, compiled ones among them."""
    modules, classes = {}, {}
    for path in [*PACKAGE.rglob("*.py"), *KERNELS.rglob("*.pyx")]:
        if path.stem not in ALIKE:
            modules.setdefault(path.stem, []).append(path)
        for name in re.findall(r"^(?:cdef |cpdef )?class (\w+)", path.read_text(), re.MULTILINE):
            classes.setdefault(name, []).append(path)
    assert {name: paths for name, paths in (modules | classes).items() if len(paths) > 1} == {}


@pytest.mark.skipif(not KERNELS.is_dir(), reason="not in a source tree")
def test_files_are_short():
    """At most 450 lines of code: a file has one job."""
    files = (path for folder in ("tmfcore", "python", "tests", "bench", "examples") for path in (ROOT / folder).rglob("*"))
    sources = [path for path in files if path.suffix in (".py", ".pyi", ".pyx", ".pxd", ".h")]
    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in sources}
    assert len(lengths) > 400
    assert {name: lines for name, lines in lengths.items() if lines > 450} == {}


def test_no_id_holds_an_address(request):
    """Every process has other ones. pytest-xdist compares what its processes collect: names, from sets too, and their order."""
    ids = [item.nodeid for item in request.session.items]
    assert request.node.nodeid in ids
    assert [name for name in ids if re.search(r"\b0x[0-9a-f]{6,}", name)] == [], "give these tests ids="


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name, tmp_path, monkeypatch):
    if name == "tmfcore.solvers.tuning":
        pytest.importorskip("optuna", reason="extra `tune`")
    monkeypatch.chdir(tmp_path)
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in FOREIGN:
            raise
        pytest.skip(str(error))
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert result.failed == 0
