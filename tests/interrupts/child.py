"""What the process of a call does: makes it twice, watches every moment of the first time, and says what came out."""

import signal
import threading
import time

from interrupts.calls import CALLS, THREADED

APART = 0.01  # seconds between the signals of the timer


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


def twice(says, name, threads):
    """Make the call twice; say when each begins, and what came out."""
    make = CALLS[name]
    call = make(threads) if name in THREADED else make()
    for again in (False, True):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        says.send("begun")
        found, timer = {"ended": "finished before the signal"}, None if again else Timer()
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
        says.send(found)


def said(partial):
    """What a partial result holds, in a few words."""
    if partial is None:
        return ""
    if hasattr(partial, "replicas") and hasattr(partial, "returns"):
        return f"{partial.replicas} replicas, {partial.horizon} steps"
    if hasattr(partial, "best_iteration"):
        return f"solution of iteration {partial.best_iteration}"
    return type(partial).__name__
