"""Threads in place of the ranks of MPI: a stand-in for mpi4py.MPI that has what tmfcore calls, for tests without MPI.

    stand_in(monkeypatch)      simulate(comm=) takes the communicators of this module from now on
    on_ranks(n, call)          call(comm) on n threads; the list of results, or the first error that is not of an Abort
"""

import sys
import threading
import types

import numpy as np

IN_PLACE = object()
UINT8_T, UINT16_T, UINT32_T, INT64_T = np.uint8, np.uint16, np.uint32, np.int64
THREAD_SERIALIZED = 2
SECONDS = 60  # after which a rank that waits for others has an error


def SUM(arrays):  # as in MPI
    return np.sum(arrays, axis=0, dtype=arrays[0].dtype)


def MAX(arrays):
    return np.max(arrays, axis=0)


class Aborted(Exception):
    """What Abort raises instead of ending the process."""


class World:
    """What the ranks of one communicator share."""

    def __init__(self, size):
        self.size, self.barrier, self.lock = size, threading.Barrier(size, timeout=SECONDS), threading.Lock()
        self.sent, self.arrived, self.copies, self.messages = [None] * size, 0, [], 0

    def copy(self, number):
        with self.lock:
            while len(self.copies) <= number:
                self.copies.append(World(self.size))
            return self.copies[number]

    def abort(self):
        self.barrier.abort()
        for other in self.copies:
            other.abort()


class Intracomm:
    def __init__(self, world, rank, parent=None):
        self.world, self.rank, self.copied, self.parent = world, rank, 0, parent

    def Get_rank(self):
        return self.rank

    def Get_size(self):
        return self.world.size

    def Dup(self):
        self.copied += 1
        return Intracomm(self.world.copy(self.copied - 1), self.rank, self.world)

    def Free(self):
        self.world = None

    def Allreduce(self, send, receive, op=SUM):
        world = self.world
        if isinstance(receive, list):
            receive = np.frombuffer(receive[0], receive[1])
        world.sent[self.rank] = np.array(receive if send is IN_PLACE else send)
        world.barrier.wait()
        assert len({(array.shape, array.dtype) for array in world.sent}) == 1, "ranks exchange different things"
        total = op(world.sent)
        if world.barrier.wait() == 0:
            world.messages += 1
        receive[...] = total

    def Ibarrier(self):
        world = self.world
        with world.lock:
            world.arrived += 1
        return types.SimpleNamespace(Test=lambda: world.arrived >= world.size)

    def Abort(self, code):
        self.parent.abort()
        raise Aborted(code)


def Query_thread():
    return THREAD_SERIALIZED


def stand_in(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py.MPI", sys.modules[__name__])


def on_ranks(n, call):
    world, found, errors = World(n), [None] * n, [None] * n

    def rank(number):
        try:
            found[number] = call(Intracomm(world, number))
        except BaseException as error:
            errors[number] = error

    threads = [threading.Thread(target=rank, args=(number,)) for number in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = (Aborted, threading.BrokenBarrierError, OSError)  # of ranks that learn of the error of another one
    for error in sorted((error for error in errors if error is not None), key=lambda error: isinstance(error, told)):
        raise error
    return found
