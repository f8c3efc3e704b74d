"""Send Ctrl-C to long calls, each in a process of its own, and measure: python -m tests.interrupts.

    --only TEXT     calls whose name holds it
    --repeats N     signals per call, each at another moment (default 3)
    --write         write docs/measured/interrupts.md
"""

import argparse
import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "measured" / "interrupts.md"
PATIENCE = 25.0  # seconds after the signal at which a process is killed
BOUND = 0.2  # seconds


def child(name, threads):
    """Make the call; print when it begins, and what came out."""
    sys.path[:0] = [str(ROOT / "tests")]
    from interrupts.calls import CALLS, THREADED

    signal.signal(signal.SIGINT, signal.default_int_handler)
    make = CALLS[name]
    call = make(threads) if name in THREADED else make()
    print("begun", flush=True)
    found = {"ended": "finished before the signal"}
    try:
        try:
            call()
        except KeyboardInterrupt as error:
            found = {"at": time.monotonic(), "partial": said(getattr(error, "partial", None))}
        except Exception as error:
            found = {"ended": f"{type(error).__name__}: {error}"}
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt:  # the second signal, after the end of the call
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        found.setdefault("at", time.monotonic())
        found.setdefault("partial", "")
    ours = [thread for thread in threading.enumerate() if thread.name.startswith("tmfcore")]
    for thread in ours:
        thread.join(1.0)  # those of a pool that was being made are on their way home
    found["threads"] = [thread.name for thread in ours if thread.is_alive()]
    print(json.dumps(found), flush=True)


def said(partial):
    """What a partial result holds, in a few words."""
    if partial is None:
        return ""
    if hasattr(partial, "replicas") and hasattr(partial, "returns"):
        return f"{partial.replicas} replicas, {partial.horizon} steps"
    if hasattr(partial, "best_iteration"):
        return f"solution of iteration {partial.best_iteration}"
    return type(partial).__name__


def line_of(process, seconds):
    """The next line of a process, or None."""
    ready, _, _ = select.select([process.stdout], [], [], seconds)
    return process.stdout.readline() if ready else None


def interrupted(name, threads, wait, twice):
    """Seconds from the signal to KeyboardInterrupt (None: not in time), and what the process said."""
    command = [sys.executable, "-m", "tests.interrupts", "--child", name, "--threads", str(threads)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            if line_of(process, 120) != "begun\n":
                return None, {"ended": "did not begin"}
            time.sleep(wait)
            sent = time.monotonic()
            process.send_signal(signal.SIGINT)
            if twice:
                time.sleep(0.002)
                process.send_signal(signal.SIGINT)
            line = line_of(process, PATIENCE)
            if not line:
                return None, {"ended": "no reaction" if line is None else f"died with code {process.wait()}"}
            found = json.loads(line)
            return (found["at"] - sent if "at" in found else None), found
        finally:
            process.kill()


def commanded(arguments, wait, kind):
    """Seconds from the signal to the end of a command, its exit code, and the files that it wrote."""
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from tmfcore.cli import main; sys.exit(main())"
    )
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"PYTHONPATH": str(ROOT / "python")}
        with subprocess.Popen(
            [sys.executable, "-c", program, *arguments], cwd=folder, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, env=environment,
        ) as process:  # fmt: skip
            time.sleep(wait)
            if process.poll() is not None:
                return None, {"ended": f"finished with code {process.returncode}: {process.stderr.read()[-200:]}"}
            sent = time.monotonic()
            process.send_signal(kind)
            try:
                code = process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                return None, {"ended": "no reaction"}
            taken = time.monotonic() - sent
        files = sorted(path.name for path in Path(folder).iterdir())
    return taken, {"code": code, "files": ", ".join(files)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--child")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, arguments.threads)
        return
    sys.path[:0] = [str(ROOT / "tests")]
    from interrupts.calls import CALLS, COMMANDS, THREADED

    rng, rows, bad = random.Random(1), [], 0
    for name in CALLS:
        if arguments.only not in name:
            continue
        for threads in (1, 2) if name in THREADED else (1,):
            worst, held, left = 0.0, "", set()
            for repeat in range(arguments.repeats):
                wait = 0.3 + 1.5 * rng.random()
                taken, found = interrupted(name, threads, wait, twice=(repeat + len(rows)) % 2 == 1)
                left |= set(found.get("threads", ()))
                if taken is None:
                    worst, held = float("inf"), found["ended"]
                    break
                worst, held = max(worst, taken), found["partial"] or held
            bad += worst > BOUND or bool(left)
            rows.append((name, str(threads) if name in THREADED else "", worst, held, ", ".join(sorted(left))))
            print(f"{worst:7.3f}  {threads}  {name:55s} {held} {left or ''}", flush=True)
    for name, words in COMMANDS.items():
        for kind in (signal.SIGINT, signal.SIGTERM) if arguments.only in f"tmfcore {name}" else ():
            taken, found = commanded(words, 2.0 + rng.random(), kind)
            worst = float("inf") if taken is None else taken
            held = found.get("ended") or f"exit code {found['code']}; {found['files']}"
            bad += worst > BOUND
            rows.append((f"tmfcore {name}, {kind.name}", "", worst, held, ""))
            print(f"{worst:7.3f}     {rows[-1][0]:55s} {held}", flush=True)
    if arguments.write:
        PAGE.write_text(page(rows, arguments.repeats))
    print(f"{bad} of {len(rows)} later than {BOUND} s, or with threads left")
    sys.exit(bad > 0)


def page(rows, repeats):
    """The measured page."""
    late, left = [row for row in rows if row[2] > BOUND], sum(bool(row[4]) for row in rows)
    lines = [
        "# Ctrl-C",
        "",
        "How soon Ctrl-C ends calls that would take many seconds. `python -m tests.interrupts --write` makes each call in a",
        f"process of its own, sends SIGINT at a random moment ({repeats} times a call), every other time twice, and reports the longest time",
        f"until KeyboardInterrupt came out of the call, and what its `partial` held. {left or 'No'} calls left a thread running.",
        "Commands are sent SIGINT and SIGTERM; their time is until the end of the process, with all files written.",
        "",
        "Memory is part of it: what is handed over is copied, and large arrays are written once before a call can look again.",
        "",
        f"{len(rows) - len(late)} of {len(rows)} end within {BOUND} s; the longest takes {max(row[2] for row in rows):.2f} s.",
        "",
        "| call | threads | seconds | what was handed over |",
        "|---|---|---|---|",
        *(f"| {name} | {threads} | {worst:.3f} | {held} |" for name, threads, worst, held, _ in rows),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
