"""One case in processes that are killed by -9, and started again."""

import logging
import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from processes import Child, forking

from kills.cases import CASES, FILE, digest

SLOW = 300.0  # seconds after which a process that says nothing is an error
LOOK = 0.002  # seconds between looks at the file

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
        with process(self.name, self.folder, self.share, True) as said:
            ended = self._at(said, SLOW if seconds is None else seconds, writes)
        self.kills += ended is None
        if ended is None and seconds is None and writes is None:
            raise TimeoutError(f"{self.name} did not end in {SLOW} s")
        return ended

    def _at(self, said, seconds, writes):
        """What the process says until its moment comes."""
        if writes is None:
            return said.recv() if said.poll(seconds) else None
        seen, until = self._state(), time.monotonic() + SLOW
        while not said.poll(LOOK):
            if (now := self._state()) != seen:
                seen, writes = now, writes - 1
            if writes == 0:
                return None
            if time.monotonic() > until:
                raise TimeoutError(f"{self.name} did not write its checkpoint in {SLOW} s")
        return said.recv()

    def _state(self):
        try:
            found = os.stat(self.folder / FILE)
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    def left(self, files):
        """Files that are neither the checkpoint nor one of `files`."""
        return {path.name for path in self.folder.rglob("*")} - {FILE, *files}


def whole(name, folder, share=1.0):
    """What a call says that is never stopped, and the files that it leaves."""
    with process(name, folder, share, False) as said:
        found = said.recv()
    return found | {"files": sorted(path.name for path in Path(folder).rglob("*"))}


@contextmanager
def process(name, folder, share, kept):
    """What a process says that has begun the call; it is killed at the end of the block."""
    with Child(SERVER, _child, name, str(folder), share, kept) as child:
        assert child.said.recv() == "begun"
        yield child.said


def _child(says, name, folder, share, kept):
    os.chdir(folder)
    sys.stdout = open(os.devnull, "w")  # commands print what they found
    logging.disable(logging.WARNING)  # of fonts
    call = CASES[name](share)
    says.send("begun")
    began, worked = time.perf_counter(), time.process_time()
    value = call(kept)
    seconds, work = time.perf_counter() - began, time.process_time() - worked
    says.send({"digest": digest(value), "seconds": seconds, "work": work})
