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
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "measured" / "interrupts.md"
PATIENCE = 25.0  # seconds after the signal at which a process is killed
WATCHED = 1.5  # seconds of a call in which every stretch is measured
BOUND = 0.2  # seconds
TICK = os.sysconf("SC_CLK_TCK")
PATHS = [str(ROOT / part) for part in ("python", "tests")]
os.environ |= {"PYTHONPATH": os.pathsep.join(PATHS), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
sys.path[:0] = PATHS

from processes import Child, forking  # noqa: E402

from interrupts.calls import CALLS, THREADED  # noqa: E402
from interrupts.child import APART, twice  # noqa: E402
from interrupts.commands import COMMANDS  # noqa: E402

SERVER = forking("interrupts.child")


def processor_time(pid):
    """Seconds of processor that a process has taken so far."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICK


def interrupted(name, threads, rng):
    """What two calls said, with the seconds, and the processor's, from the signal to KeyboardInterrupt."""
    with Child(SERVER, twice, name, threads) as child:
        try:
            for wait, again in ((WATCHED, False), (0.2 + rng.random(), True)):
                if not child.said.poll(120) or child.said.recv() != "begun":
                    yield {"ended": "did not begin"}
                    return
                time.sleep(wait)
                cpu, sent = processor_time(child.process.pid), time.monotonic()
                for _ in range(2 if again else 1):
                    os.kill(child.process.pid, signal.SIGINT)
                    time.sleep(0.002)
                if not child.said.poll(PATIENCE):
                    yield {"ended": "no reaction"}
                    return
                found = child.said.recv()
                if "at" in found:
                    found |= {"wall": found["at"] - sent, "cpu": max(found["cpu"] - cpu, 0.0)}
                yield found
                if "at" not in found:
                    return
        except EOFError:
            child.process.join()
            yield {"ended": f"died with code {child.process.exitcode}"}


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
            stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": PATHS[0]},
        ) as process:  # fmt: skip
            time.sleep(wait)
            if process.poll() is not None:
                return {"ended": f"finished with code {process.returncode}: {' '.join(process.stderr.read()[-200:].split())}"}
            cpu, sent = processor_time(process.pid), time.monotonic()
            process.send_signal(kind)
            try:
                code = process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                return {"ended": "no reaction"}
            taken = time.monotonic() - sent
            said = "; says so first" if "writing" in process.stderr.read() else ""
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime - cpu
        used = min(used, taken)  # without the processes that a benchmark has started, which are counted at their end
        files = sorted(f"{path.name} of {path.stat().st_size / 1e6:.0f} MB" for path in Path(folder).iterdir())
    return {"wall": taken, "cpu": max(used, 0.0), "partial": f"exit code {code}; {', '.join(files)}{said}", "threads": []}


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
    arguments = parser.parse_args()

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
sent SIGINT and SIGTERM; their time is until the end of the process, with all files written: one that has hundreds of MB to
write says so first, and another signal drops them.

Beside each time stands the processor time of the process in it, of all its threads: what it takes on a machine that
does nothing else. BLAS works on one thread.

{len(rows) - slow} of {len(rows)} end within {BOUND} s, {len(rows) - late} within {BOUND} s of processor time. {left or "No"} calls left a thread running.

| call | threads | seconds | processor | stretch | processor | what was handed over |
|---|---|---|---|---|---|---|
""" + "".join(f"| {' | '.join(row.cells()[:-1])} |\n" for row in rows)


if __name__ == "__main__":
    main()
