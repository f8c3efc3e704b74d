"""What tests of the command line share: a small game, and the command in this process or in one of its own."""

import subprocess
import sys

from click.testing import CliRunner

from tmfcore.cli.app import app

SMALL = ["--n-agents", "50", "--horizon", "4"]


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def process(*arguments, **options):
    command = [sys.executable, "-m", "tmfcore", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, **options)
