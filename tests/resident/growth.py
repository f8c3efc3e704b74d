"""How much the resident memory of this process grows over many calls."""

import ctypes
import gc
import time
from contextlib import suppress

FEWEST, WARM = 100, 0.05  # calls before the first measurement, and their share: caches fill, arenas are opened


def resident():
    """Anonymous resident memory in bytes, after what is free went back to the system."""
    gc.collect()
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) * 1024


def grown(call, calls, seconds):
    """Make up to so many calls, for about so many seconds; (calls made, bytes by which the process grew, calls a second).

    The calls before the first measurement do not count: a hundred, or up to a twentieth if there is time.
    """
    began, warm = time.monotonic(), 0
    while warm < FEWEST or (warm < WARM * calls and time.monotonic() - began < seconds / 4):
        call()
        warm += 1
    before, start, made = resident(), time.monotonic(), 0
    while made < calls:
        call()
        made += 1
        if made % 16 == 0 and time.monotonic() - start > seconds:
            break
    taken = time.monotonic() - start
    return made, resident() - before, made / max(taken, 1e-9)
