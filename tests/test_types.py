"""What checkers of types say of scripts that use the package: the errors marked in tests/typing, and no others.

A line on which an error is expected ends in `# error`. Checked by mypy --strict and by basedpyright in its mode "standard",
which are pyright's own rules; each where it is installed (both are in the extra `dev`).
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tmfcore

SCRIPTS = Path(__file__).parent / "typing"
PACKAGE = Path(tmfcore.__file__).parent


def expected():
    """(script, line) of every marked line."""
    return {
        (path.name, number)
        for path in SCRIPTS.glob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if line.endswith("# error")
    }


def differences(found):
    """What is found but not expected, and the other way round."""
    return [
        f"{name}:{line} {'is an error that is not marked' if (name, line) in found else 'is marked, and no error'}"
        for name, line in sorted(found ^ expected())
    ]


def checked(command, folder, **settings):
    """What a checker prints, run with this interpreter in an empty folder."""
    return subprocess.run([sys.executable, "-m", *command], cwd=folder, env=os.environ | settings, capture_output=True,
                          text=True, check=False).stdout  # fmt: skip


def test_every_script_has_errors_and_more_lines_without():
    for path in SCRIPTS.glob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert 0 < sum(line.endswith("# error") for line in lines) < len(lines) / 2, path.name


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed (extra dev)")
def test_mypy_finds_the_errors_and_no_others(tmp_path):
    # Where the package is not installed, but lies beside the tests, mypy is told; of site-packages it must not be.
    beside = {} if PACKAGE.parent.name == "site-packages" else {"MYPYPATH": str(PACKAGE.parent)}
    command = ["mypy", "--strict", "--python-executable", sys.executable, "--no-error-summary", "--hide-error-context",
               "--no-color-output", "--cache-dir", os.environ.get("MYPY_CACHE", str(tmp_path)), str(SCRIPTS)]  # fmt: skip
    said = checked(command, tmp_path, **beside)
    found = {
        (Path(name).name, int(number))
        for name, number in re.findall(r"^(.*?):(\d+): error: ", said, flags=re.MULTILINE)
        if Path(name).parent.name == "typing"
    }
    assert differences(found) == [], said


@pytest.mark.skipif(importlib.util.find_spec("basedpyright") is None, reason="basedpyright is not installed (extra dev)")
def test_pyright_finds_the_errors_and_no_others(tmp_path):
    settings = {"include": [str(SCRIPTS)], "typeCheckingMode": "standard", "extraPaths": [str(PACKAGE.parent)]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    said = checked(["basedpyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(tmp_path)], tmp_path)
    found = {
        (Path(entry["file"]).name, entry["range"]["start"]["line"] + 1)
        for entry in json.loads(said)["generalDiagnostics"]
        if entry["severity"] == "error"
    }
    assert differences(found) == [], said
