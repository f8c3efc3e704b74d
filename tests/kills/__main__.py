"""Kill calls by -9 at random moments, start them again until they end, and compare bits: python -m tests.kills.

    --only TEXT     cases whose name holds it
    --trials N      trials of each, or kills of a sweep (default 20)
    --write         write docs/measured/kills.md

In a trial a case runs in a process of its own, which is killed at a random moment, and started again, and killed again,
until a run ends before its moment comes. Its result must have the bits of a call that was never stopped.

Then sweeps, of which the driver, workers or the scheduler are killed: see kills.sweeps.
"""

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "measured" / "kills.md"
LATEST = 1.2  # the latest moment, as a share of the time of the whole call
SHORT = 0.5  # seconds: shorter calls are killed as if they took so long, since each run must write once to get on
AGAIN = 0.9  # share of the whole call's work: a run that goes on does less, in the mean over all trials, but for what commands draw


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    sys.path[:0] = paths = [str(ROOT / "python"), str(ROOT / "tests")]
    os.environ["PYTHONPATH"] = os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")])  # of the server of processes
    from kills import sweeps
    from kills.cases import CASES
    from kills.trials import Trial, whole

    rng, rows, bad = random.Random(1), [], 0
    for name in CASES:
        if arguments.only not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            once = whole(name, folder)
        equal, kills, went_on, work, left = 0, 0, 0, 0.0, set()
        for _ in range(arguments.trials):
            with tempfile.TemporaryDirectory() as folder:
                trial = Trial(name, Path(folder))
                ended = None
                while ended is None:
                    ended = trial.run(seconds=rng.uniform(0, LATEST * max(once["seconds"], SHORT)))
                equal += ended["digest"] == once["digest"]
                kills, went_on, work = kills + trial.kills, went_on + trial.went_on, work + ended["work"]
                left |= trial.left(once["files"])
        share = work / (arguments.trials * once["work"])
        fine = equal == arguments.trials and not left and (share < AGAIN or name.startswith("tmfcore"))
        bad += not fine
        rows.append((name, once["seconds"], kills, went_on, share, f"{equal} of {arguments.trials}", ", ".join(sorted(left))))
        print(f"{'' if fine else 'BAD '}{name}, {once['seconds']:.1f} s: {kills} kills, went on {went_on} times, last runs {share:.2f} of the work, "
              f"equal {equal} of {arguments.trials} {left or ''}", flush=True)  # fmt: skip
    found = {}
    for name in sweeps.CASES:
        if arguments.only in name:
            with tempfile.TemporaryDirectory() as folder:
                found[name] = trial = sweeps.trial(name, arguments.trials, folder)
            bad += not trial.fine
            print(f"{'' if trial.fine else 'BAD '}{name}: {trial}", flush=True)
    if arguments.write:
        PAGE.write_text(page(rows, arguments.trials) + swept(found))
    print(f"{bad} of {len(rows) + len(found)} cases are bad")
    sys.exit(bad > 0)


def page(rows, trials):
    """The measured page."""
    kills, equal = sum(row[2] for row in rows), sum(row[5] == f"{trials} of {trials}" for row in rows)
    lines = [
        "# kill -9",
        "",
        "Whether a killed call goes on from its checkpoint to the same bits. `python -m tests.kills --write` runs each call in a process of",
        f"its own and kills it by -9 at a random moment, starts it again and kills it again, until it ends: {trials} trials of each, and",
        f"{kills} kills in all. Results are compared, to the bit, with those of a call that was never stopped: all trials of {equal} of {len(rows)} calls are equal.",
        "",
        "*Went on*: starts that found a checkpoint. *Last run*: work of the run that ended, as a share of the whole call; without checkpoints it is 1.",
        "*Left*: files that are neither the checkpoint nor the output.",
        "",
        "| call | seconds | kills | went on | last run | equal | left |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {name} | {seconds:.1f} | {killed} | {on} | {share:.2f} | {same} | {left or 'none'} |"
            for name, seconds, killed, on, share, same, left in rows
        ),
    ]
    return "\n".join(lines) + "\n"


def swept(found):
    """What the page says of sweeps."""
    if not found:
        return ""
    kills, finished = sum(each.kills for each in found.values()), sum(each.finished for each in found.values())
    lines = [
        "",
        "## Sweeps",
        "",
        f"Sweeps into a store, of whose processes one is killed at a random moment, again and again, {kills} times in all; a driver that is dead, or has lost its",
        f"scheduler, is started again. Of {finished:,} cells that were in the store when somebody was killed, {sum(each.lost for each in found.values())} began again (*lost*);",
        f"{sum(each.twice for each in found.values())} were counted twice in the results, which are compared, to the bit, with those of a sweep that nobody has disturbed.",
        "",
        "*Again*: starts of cells beyond one for each: those that were under way, or had not come back, when their process was killed.",
        "",
        "| sweep, and who is killed | cells | kills | finished at the kills | again | lost | twice | equal |",
        "|---|---|---|---|---|---|---|---|",
        *(
            f"| {name} | {each.cells:,} | {each.kills} | {each.finished:,} | {each.again} | {each.lost} | {each.twice} | {'yes' if each.equal else '**no**'} |"
            for name, each in found.items()
        ),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
