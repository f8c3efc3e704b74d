"""One case in processes that are killed by -9, and started again."""

import logging
import os
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from processes import Child, forking

from kills.cases import CASES, FILE, digest
from tmfcore._results.checkpoint import Keeper

SLOW = 300.0  # seconds after which a process that says nothing is an error

SERVER = forking("kills.cases")


class Trial:
    """A case in its folder, with a share of its work, through all of its processes.

    Attributes
    ----------
    kills : int
        Processes killed.
    went_on : int
        Processes that found a checkpoint when they began.
    """

    def __init__(self, name, folder, share=1.0):
        self.name, self.folder, self.share, self.kills, self.went_on = name, Path(folder), share, 0, 0

    def run(self, seconds=None, writes=None):
        """Run the call; kill it after so many seconds of work, or writes of its checkpoint. What it said, None if killed."""
        self.went_on += (self.folder / FILE).exists()
        ended = None
        with process(self.name, self.folder, self.share, True, writes) as said:
            if said.poll(SLOW if seconds is None else seconds):
                try:
                    ended = said.recv()
                except EOFError:
                    if writes is None:  # else it has killed itself after the last of them
                        raise
            elif seconds is None:
                raise TimeoutError(f"{self.name} did not end in {SLOW} s")
        self.kills += ended is None
        return ended

    def left(self, files):
        """Files that are neither the checkpoint nor one of `files`."""
        return {path.name for path in self.folder.rglob("*")} - {FILE, *files}


def whole(name, folder, share=1.0):
    """What a call says that is never stopped, and the files that it leaves."""
    with process(name, folder, share, False) as said:
        found = said.recv()
    return found | {"files": sorted(path.name for path in Path(folder).rglob("*"))}


@contextmanager
def process(name, folder, share, kept, writes=None):
    """What a process says that has begun the call; it is killed after so many writes, or at the end of the block."""
    with Child(SERVER, _child, name, str(folder), share, kept, writes) as child:
        assert child.said.recv() == "begun"
        yield child.said


def _child(says, name, folder, share, kept, writes):
    os.chdir(folder)
    sys.stdout = open(os.devnull, "w")  # commands print what they found
    logging.disable(logging.WARNING)  # of fonts
    call = CASES[name](share)
    if writes is not None:
        _killed_after(writes)
    says.send("begun")
    began, worked = time.perf_counter(), time.process_time()
    value = call(kept)
    seconds, work = time.perf_counter() - began, time.process_time() - worked
    says.send({"digest": digest(value), "seconds": seconds, "work": work})


def _killed_after(writes):
    """Kill this process by -9 as soon as its checkpoint has been written so many times: at the same place on every machine."""
    save, left = Keeper.save, [writes]

    def counted(self, state):
        save(self, state)
        if type(self) is Keeper:  # not a part of a larger state
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    Keeper.save = counted
