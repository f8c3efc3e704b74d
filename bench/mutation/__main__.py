"""The command line of `python -m bench.mutation`; the package's docstring explains it."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from . import MUTANTS_EACH, ROOT, WORK, page, results
from .selection import modules


def copy_tree(tree: Path) -> None:
    """Copy the files that git knows, in their present state, and the installed kernels."""
    import tmfcore

    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    (tree / "build").mkdir(parents=True)
    for name in names:
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    package = Path(tmfcore.__file__).parent
    for library in package.rglob("*.so"):
        shutil.copy2(library, tree / "python" / "tmfcore" / library.relative_to(package))


def run(named: list[str], count: int, seed: str, most: float, work: Path) -> bool:
    """Try `count` mutants of each module in a copy of the tree; return whether all sessions succeeded."""
    tree = work / f"tree-{os.getpid()}"  # several may run at a time
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(tree / "python"), str(tree)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        results.VARIABLE: str(work / "results.jsonl"),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    well = True
    try:
        copy_tree(tree)
        for name in named:
            before = _of(name)
            command = [sys.executable, "-m", "bench.mutation.session", name, str(count), seed, str(most)]
            ended = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
            print(f"{name}: {_of(name) - before} tried, {page.counted(results.stored().values(), name)}", flush=True)
            if ended.returncode:
                well = False
                print(ended.stdout[-2000:], ended.stderr[-2000:], sep="\n", file=sys.stderr)
    finally:
        shutil.rmtree(tree, ignore_errors=True)
    return well


def _of(module: str) -> int:
    return sum(row["module"] == module for row in results.stored().values())


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.mutation", description="Do tests fail if a module is wrong")
    parser.add_argument("modules", nargs="*", help="paths below python/tmfcore, or file names of kernels; default: all")
    parser.add_argument("--mutants", type=int, default=MUTANTS_EACH, help="number per module (default: %(default)s)")
    parser.add_argument("--seed", default="1", help="seed that selects the mutants (default: %(default)s)")
    seconds = "seconds of tests, quickest first, for each mutant of a kernel (default: all tests)"
    parser.add_argument("--seconds", type=float, default=float("inf"), help=seconds)
    parser.add_argument("--again", action="store_true", help="try only the survivors of these modules again")
    parser.add_argument("--work", type=Path, default=WORK, help="folder for copy and results (default: %(default)s)")
    parser.add_argument("--page", action="store_true", help="only write docs/measured/mutation.md from stored results")
    options = parser.parse_args()
    known = modules()
    for name in options.modules:
        if name not in known:
            parser.error(f"there is no module {name}; must be one of {', '.join(known)}")
    work = options.work.resolve()
    os.environ[results.VARIABLE] = str(work / "results.jsonl")
    if options.page:
        print(page.write())
        return
    named = options.modules or known
    if options.again:
        named = results.forget_survivors(named)
    well = run(named, 0 if options.again else options.mutants, options.seed, options.seconds, work)
    print(page.figures(page.every(results.stored().values())))
    raise SystemExit(0 if well else 1)


if __name__ == "__main__":
    main()
