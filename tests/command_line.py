"""What tests of the command line share: a small game, and the command in this process or in one of its own."""

import json
import os
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from tmfcore.cli.app import app

CODES = re.compile(r"\x1b\[[\d;]*m")  # of colours and bold
SMALL = ["--n-agents", "50", "--horizon", "4"]


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def process(*arguments, **options):
    command = [sys.executable, "-m", "tmfcore", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, **options)


def drained(terminal):
    """All bytes written to a pseudo-terminal until its other end is closed."""
    found = []
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the end on Linux
            break
        if not piece:
            break
        found.append(piece)
    return b"".join(found)


def document(*arguments):
    """The document a command prints with --json, of standard output alone."""
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def flow_table(output):
    """The lines of the table of the flow, which the table of the policy follows."""
    return output[output.index("mean-field flow") : output.index("policy: likeliest")].splitlines()
