"""Write the outputs of the command line anew: python -m tests.golden [NAME ...]. Read what changed before it is kept.

    --files     write the saved files of this version that are missing, instead
    --streams   write what the seeds of this version draw, instead
"""

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests")] if str(ROOT / "tests") not in sys.path else []


def main():
    from golden import commands, saved, streams

    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"cases: {', '.join(commands.CASES)}")
    parser.add_argument("--files", action="store_true", help="write the saved files of this version that are missing")
    parser.add_argument("--streams", action="store_true", help="write what the seeds of this version draw")
    arguments = parser.parse_args()
    if arguments.files:
        print("wrote", *saved.write())
        return
    if arguments.streams:
        print("wrote", streams.write())
        return
    for name in arguments.names or commands.CASES:
        with tempfile.TemporaryDirectory() as folder:
            (commands.FOLDER / f"{name}.txt").write_text(commands.page(name, folder), encoding="utf-8")


if __name__ == "__main__":
    main()
