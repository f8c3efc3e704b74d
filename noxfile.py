"""Tests on every Python, and with the oldest and newest numpy and scipy. `nox` runs what is installed; `nox -l` lists.

Each session installs the package from its sources into an environment of its own; the kernels are compiled once for all
versions of CPython (abi3), and once for each free-threaded one. Arguments after `--` go to pytest.
"""

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["tests", "oldest"]

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
FREE_THREADED = ["3.13t", "3.14t"]


def pytest(session: nox.Session, *arguments: str) -> None:
    session.run("python", "-m", "pip", "list", "--format=freeze", silent=True, log=False)
    session.run(
        "python", "-m", "pytest", "-q", "-n", "auto", *arguments, *session.posargs, env={"HYPOTHESIS_PROFILE": "dev"}
    )


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """All tests, with the newest numpy and scipy."""
    session.install(".[test]")
    pytest(session)


@nox.session(python=["3.11", "3.12"])
def oldest(session: nox.Session) -> None:
    """All tests, with the oldest numpy and scipy that pyproject.toml allows."""
    session.install(".[test]", "numpy==2.0.*", "scipy==1.13.*")
    pytest(session)


@nox.session(python=PYTHONS[-2:])
def prerelease(session: nox.Session) -> None:
    """All tests, with pre-releases of numpy and scipy; a failure here fails nothing else."""
    session.install(".[test]")
    session.install("--pre", "--upgrade", "numpy", "scipy")
    pytest(session)


@nox.session(python=FREE_THREADED)
def parallel(session: nox.Session) -> None:
    """Without the lock of the interpreter: tests of the kernels, on four threads at a time, and of shared objects."""
    ready = ["numpy", "scipy", "pytest", "pytest-run-parallel", "hypothesis", "click", "rich"]
    session.install("--only-binary", ":all:", *ready)  # the newest hypothesis has no wheel there, and needs Rust
    session.install(".")
    with open(".ci/kernel-tests") as names:
        kernels = names.read().split()
    session.run(
        "python",
        "-m",
        "pytest",
        "-q",
        "--parallel-threads=4",
        *kernels,
        *session.posargs,
        env={"HYPOTHESIS_PROFILE": "dev"},
    )
    session.run("python", "-m", "pytest", "-q", "tests/test_threads_shared.py")  # which starts threads of its own
