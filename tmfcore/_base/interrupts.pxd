"""Looks for Ctrl-C, and for the stop of the call that a thread works for, between the steps of a kernel.

A kernel calls `look` at every step, or once for many short ones. It costs a countdown; every few milliseconds it reads
a clock and a flag, and at most every 50 ms the main thread takes the GIL and runs the handlers of signals.
"""
from libc.stdint cimport int64_t


cdef extern from "tmfcore/_base/interrupts.h" nogil:
    ctypedef struct tmf_looks:
        int64_t left, every, since        # all 0 at first


# Look now. Raises what a handler of a signal raises (KeyboardInterrupt), or Stopped.
cdef int look_now(tmf_looks *it) except -1 nogil


cdef inline int look(tmf_looks *it) except -1 nogil:
    it.left -= 1
    if it.left < 0:
        look_now(it)
    return 0
