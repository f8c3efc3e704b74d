"""The command line of `python -m bench.release`; the package's docstring explains it."""

from __future__ import annotations

import argparse
import datetime
import sys
from pathlib import Path

from bench.release import numbers, paper, parts

ROOT = Path(__file__).resolve().parents[2]


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.release", description="Make a release.")
    commands = parser.add_subparsers(dest="command", required=True)
    version = commands.add_parser(
        "version", help="write the version, its date, and the fragments of changes/ to their places"
    )
    version.add_argument("version")
    version.add_argument("--date", default=datetime.date.today().isoformat(), help="YYYY-MM-DD (default: today)")
    run = commands.add_parser("run", help="run the parts that have not passed at this commit")
    run.add_argument("--only", action="append", metavar="NAME", choices=[*parts.PARTS], help="one part (repeatable)")
    commands.add_parser("paper", help="write the figures of paper.md, from docs/measured/benchmarks.md")
    commands.add_parser("page", help="write docs/measured/release.md")
    commands.add_parser("list", help="show the parts")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    chosen = options(arguments)
    folder = root / "build" / "release"
    try:
        if chosen.command == "version":
            print("written:", *numbers.write(root, chosen.version, chosen.date))
        elif chosen.command == "list":
            for name, part in parts.PARTS.items():
                print(f"{name:13} {part.title}\n{'':13} {' '.join(part.command).replace(parts.PYTHON, 'python')}")
        elif chosen.command == "paper":
            (root / "paper.md").write_text(paper.written(*paper.texts(root)), encoding="utf-8")
        elif chosen.command == "page":
            text = parts.page(numbers.check(root), folder, root / "dist")
            (root / "docs" / "measured" / "release.md").write_text(text, encoding="utf-8")
        else:
            if not chosen.only:
                numbers.check(root)
                paper.check(root)
            commit = parts.commit_of(root)
            for name in chosen.only or parts.PARTS:
                before = parts.stored(folder, name)
                if not chosen.only and before and before["commit"] == commit and before["code"] == 0:
                    print(f"{name}: passed before, at this commit")
                elif parts.run(root, folder, name, parts.PARTS[name], commit, lambda text: print(text, flush=True))[
                    "code"
                ]:
                    return 1
    except numbers.Unready as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
