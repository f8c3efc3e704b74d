"""The command line of `python -m bench.validation`."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bench.validation import QUICK, ROOT, SEED, checks, page, wrong
from tmfcore._base import threads

PAGE = ROOT / "docs" / "validation.md"


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.validation", description="Slow verification, before a release."
    )
    parser.add_argument("--quick", action="store_true", help="a hundredth of the draws; writes nothing unless --output")
    parser.add_argument("--only", action="append", metavar="NAME", help="checks whose name begins so (repeatable)")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of all draws (default {SEED})")
    parser.add_argument("--jobs", type=int, metavar="N", help="checks at a time (default: one per processor)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the page goes (default: docs/validation.md)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    chosen = options(arguments)
    scale = QUICK if chosen.quick else 1.0
    names = [name for name in checks.load() if name.startswith(tuple(chosen.only or [""]))]
    if not names:
        print(f"unknown: {', '.join(chosen.only)}; there are {', '.join(checks.CHECKS)}", file=sys.stderr)
        return 2
    spent, found, errors = 0.0, {}, []
    pool = ProcessPoolExecutor(
        chosen.jobs or threads.available_processors(), mp_context=multiprocessing.get_context("spawn")
    )
    with pool:
        running = {name: pool.submit(checks.timed, name, scale, chosen.seed) for name in names}
        for name, work in running.items():
            found[name], seconds = work.result()
            spent += seconds
            smallest = min((one.p for one in found[name] if one.p is not None), default=1.0)
            print(
                f"{name}: {len(found[name])} findings, smallest p {smallest:.1e}, {seconds:.0f} s",
                file=sys.stderr,
                flush=True,
            )
        level = checks.level(one for ones in found.values() for one in ones)
        made = [i for i, one in enumerate(wrong.WRONG) if one.check in names]
        for i, work in [(i, pool.submit(wrong.timed, i, level, chosen.seed)) for i in made]:
            one, seconds = work.result()
            spent += seconds
            errors.append((wrong.WRONG[i], one))
            print(
                f"{wrong.WRONG[i].check}, {wrong.WRONG[i].what}: {'found' if one else 'NOT FOUND'}, {seconds:.0f} s",
                file=sys.stderr,
                flush=True,
            )
    bad = checks.failures(one for ones in found.values() for one in ones)
    whole = not (chosen.quick or chosen.only)
    text = page.text(found, errors, chosen.seed, spent, scale)
    if chosen.output or whole:
        (chosen.output or PAGE).write_text(text, encoding="utf-8")
    else:
        print(text)
    for one in bad:
        print(f"fails: {one}", file=sys.stderr)
    return 1 if bad or any(one is None for _, one in errors) else 0


if __name__ == "__main__":
    sys.exit(main())
