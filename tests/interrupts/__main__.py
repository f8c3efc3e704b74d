"""Send Ctrl-C to long calls, each in a process of its own, and measure: python -m tests.interrupts.

    --only TEXT     calls whose name holds it
    --write         write docs/measured/interrupts.md

A call is made twice in its process. First a timer raises signals every 10 ms, whose handler notes the time and the
processor time since the last: the longest stretch is the longest that Ctrl-C could have waited for at any moment of
these seconds. SIGINT then ends the call, and the time until KeyboardInterrupt came out of it is measured. The second
call is sent SIGINT twice, 2 ms apart.

On a machine that does other work, too, seconds are long but processor time is not. BLAS works on one thread: threads
that wait for each other would be counted.
"""

import argparse
import json
import os
import random
import resource
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
WATCHED = 1.5  # seconds of a call in which every stretch is measured
APART = 0.01  # seconds between the signals of the timer
BOUND = 0.2  # seconds
TICK = os.sysconf("SC_CLK_TCK")
ENVIRONMENT = os.environ | {
    "PYTHONPATH": str(ROOT / "python"), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"
}  # fmt: skip


class Timer:
    """Signals every APART seconds, and the longest time from one run of their handler to the next."""

    def __init__(self):
        self.wall = self.cpu = 0.0
        self.last = time.monotonic(), time.process_time()
        signal.signal(signal.SIGALRM, self.note)
        signal.setitimer(signal.ITIMER_REAL, APART, APART)

    def note(self, *_):
        """The handler."""
        now = time.monotonic(), time.process_time()
        if now[1] - self.last[1] > self.cpu:
            self.wall, self.cpu = (there - here for there, here in zip(now, self.last, strict=True))
        self.last = now

    def stop(self):
        signal.setitimer(signal.ITIMER_REAL, 0)


def child(name, threads):
    """Make the call twice; print when each begins, and what came out."""
    sys.path[:0] = [str(ROOT / "tests")]
    from interrupts.calls import CALLS, THREADED

    make = CALLS[name]
    call = make(threads) if name in THREADED else make()
    for twice in (False, True):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print("begun", flush=True)
        found, timer = {"ended": "finished before the signal"}, None if twice else Timer()
        try:
            try:
                call()
            except KeyboardInterrupt as error:
                found = {"at": time.monotonic(), "cpu": time.process_time(), "partial": said(getattr(error, "partial", None))}
            except Exception as error:
                found = {"ended": f"{type(error).__name__}: {error}"}
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        except KeyboardInterrupt:  # the second signal, after the end of the call
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            found.pop("ended", None)
            found.setdefault("at", time.monotonic())
            found.setdefault("cpu", time.process_time())
            found.setdefault("partial", "")
        if timer is not None:
            timer.stop()
            found["stretch"] = timer.wall, timer.cpu
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
    return process.stdout.readline().decode() if ready else None


def processor_time(process):
    """Seconds of processor that a process has taken so far."""
    words = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICK


def interrupted(name, threads, rng):
    """What two calls said, with the seconds, and the processor's, from the signal to KeyboardInterrupt."""
    command = [sys.executable, "-m", "tests.interrupts", "--child", name, "--threads", str(threads)]
    # Unbuffered: `select` knows nothing of lines that are read ahead.
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, bufsize=0, env=ENVIRONMENT) as process:
        try:
            for wait, twice in ((WATCHED, False), (0.2 + rng.random(), True)):
                if line_of(process, 120) != "begun\n":
                    yield {"ended": "did not begin"}
                    return
                time.sleep(wait)
                cpu, sent = processor_time(process), time.monotonic()
                process.send_signal(signal.SIGINT)
                if twice:
                    time.sleep(0.002)
                    process.send_signal(signal.SIGINT)
                line = line_of(process, PATIENCE)
                if not line:
                    yield {"ended": "no reaction" if line is None else f"died with code {process.wait()}"}
                    return
                found = json.loads(line)
                if "at" in found:
                    found |= {"wall": found["at"] - sent, "cpu": max(found["cpu"] - cpu, 0.0)}
                yield found
                if "at" not in found:
                    return
        finally:
            process.kill()


def commanded(arguments, wait, kind):
    """Seconds from the signal to the end of a command, the processor's, its exit code, and the files that it wrote."""
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from tmfcore.cli import main; sys.exit(main())"
    )
    with tempfile.TemporaryDirectory() as folder:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with subprocess.Popen(
            [sys.executable, "-c", program, *arguments], cwd=folder, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
        ) as process:  # fmt: skip
            time.sleep(wait)
            if process.poll() is not None:
                return {"ended": f"finished with code {process.returncode}: {' '.join(process.stderr.read()[-200:].split())}"}
            cpu, sent = processor_time(process), time.monotonic()
            process.send_signal(kind)
            try:
                code = process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                return {"ended": "no reaction"}
            taken = time.monotonic() - sent
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime - cpu
        used = min(used, taken)  # without the processes that a benchmark has started, which are counted at their end
        files = sorted(path.name for path in Path(folder).iterdir())
    return {"wall": taken, "cpu": max(used, 0.0), "partial": f"exit code {code}; {', '.join(files)}", "threads": []}


class Row:
    """The worst of the calls of one name."""

    def __init__(self, name, threads, found):
        self.name, self.threads = name, threads
        self.ended = next((each["ended"] for each in found if "ended" in each), "")
        self.left = sorted({thread for each in found for thread in each.get("threads", ())})
        ends = [(each["cpu"], each["wall"]) for each in found if "wall" in each]
        self.cpu, self.wall = max(ends, default=(float("inf"), float("inf")))
        self.stretch_wall, self.stretch_cpu = found[0].get("stretch", (0.0, 0.0))
        self.held = self.ended or next((each["partial"] for each in found if each.get("partial")), "")

    @property
    def late(self):
        """Whether it took the processor longer than allowed; two threads may each take as long."""
        return bool(self.ended) or max(self.cpu, self.stretch_cpu) > BOUND * int(self.threads or 1)

    @property
    def slow(self):
        """Whether a user would have waited longer than allowed."""
        return bool(self.ended) or max(self.wall, self.stretch_wall) > BOUND

    def cells(self):
        numbers = (self.wall, self.cpu, self.stretch_wall, self.stretch_cpu)
        return [self.name, self.threads, *(f"{number:.3f}" for number in numbers), self.held, ", ".join(self.left)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--child")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child, arguments.threads)
        return
    sys.path[:0] = [str(ROOT / "tests")]
    from interrupts.calls import CALLS, THREADED
    from interrupts.commands import COMMANDS

    rng, rows = random.Random(1), []

    def add(name, threads, found):
        rows.append(Row(name, threads, found))
        print("  ".join(rows[-1].cells()), flush=True)

    for name in (name for name in CALLS if arguments.only in name):
        for threads in (1, 2) if name in THREADED else (1,):
            add(name, str(threads) if name in THREADED else "", list(interrupted(name, threads, rng)))
    for name, words in COMMANDS.items():
        for kind in (signal.SIGINT, signal.SIGTERM) if arguments.only in f"tmfcore {name}" else ():
            add(f"tmfcore {name}, {kind.name}", "", [commanded(words, 2.0 + rng.random(), kind)])
    if arguments.write:
        PAGE.write_text(page(rows))
    bad = sum(row.late or bool(row.left) for row in rows)
    print(f"{bad} of {len(rows)} take more than {BOUND} s of processor time, or leave threads")
    sys.exit(bad > 0)


def page(rows):
    """The measured page."""
    slow, late, left = (sum(map(bool, found)) for found in zip(*((row.slow, row.late, row.left) for row in rows), strict=True))
    return f"""# Ctrl-C

How soon Ctrl-C ends calls that would take many seconds: `python -m tests.interrupts --write`.

Each call is made twice in a process of its own. During {WATCHED:g} s of the first, a timer raises a signal every {1e3 * APART:g} ms: the
longest time from one run of its handler to the next is the *stretch*, the longest that Ctrl-C could have waited for at
any of these moments. Then SIGINT ends the call; *seconds* are those until KeyboardInterrupt came out of it, and the last column is
what the `partial` of the exception held. The second call is sent SIGINT twice, 2 ms apart, at a random moment. Commands are
sent SIGINT and SIGTERM; their time is until the end of the process, with all files written.

Beside each time stands the processor time of the process in it, of all its threads: what it takes on a machine that
does nothing else. BLAS works on one thread.

{len(rows) - slow} of {len(rows)} end within {BOUND} s, {len(rows) - late} within {BOUND} s of processor time. {left or "No"} calls left a thread running.

| call | threads | seconds | processor | stretch | processor | what was handed over |
|---|---|---|---|---|---|---|
""" + "".join(f"| {' | '.join(row.cells()[:-1])} |\n" for row in rows)


if __name__ == "__main__":
    main()
