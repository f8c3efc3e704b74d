"""Write the outputs of the command line anew: python -m tests.golden [NAME ...]. Read what changed before it is kept."""

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests")] if str(ROOT / "tests") not in sys.path else []


def main():
    from golden import commands

    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"cases: {', '.join(commands.CASES)}")
    for name in parser.parse_args().names or commands.CASES:
        with tempfile.TemporaryDirectory() as folder:
            (commands.FOLDER / f"{name}.txt").write_text(commands.page(name, folder), encoding="utf-8")


if __name__ == "__main__":
    main()
