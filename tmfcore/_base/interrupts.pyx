"""Looks for Ctrl-C, and for the stop of the call that a thread works for; the one place where signals are asked for.

The interpreter runs handlers of signals on its main thread only. Threads that work for a call of the main thread are
told by its StopFlag, which that call raises when it ends early.
"""
from cpython.exc cimport PyErr_CheckSignals

import os
import threading

cdef extern from "tmfcore/_base/interrupts.h" nogil:
    ctypedef struct tmf_stop:
        int64_t raised
        tmf_stop *outer
    enum:
        TMF_STOPPED
        TMF_NOTHING
    tmf_stop *tmf_own_stop
    int tmf_look(tmf_looks *it)
    int tmf_is_stopped(const tmf_stop *stop)
    void tmf_stop_raise(tmf_stop *stop)

cdef extern from * nogil:
    unsigned long PyThread_get_thread_ident()

cdef unsigned long main_thread = 0


def find_main_thread():
    """Note which thread runs handlers of signals: after a fork it is the one that forked."""
    global main_thread
    main_thread = threading.main_thread().ident


find_main_thread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=find_main_thread)


class Stopped(BaseException):
    """Raised on a thread whose work is no longer wanted; the call that it works for raises the reason."""


cdef int look_now(tmf_looks *it) except -1 nogil:
    cdef int found = tmf_look(it)
    if found == TMF_NOTHING:
        return 0
    if found == TMF_STOPPED:
        with gil:
            raise Stopped("the call that this thread works for has ended")
    if PyThread_get_thread_ident() == main_thread:
        with gil:
            PyErr_CheckSignals()
    return 0


cdef class StopFlag:
    """A flag for the threads that work for one call; raised by that call, and by those that it is a part of."""
    cdef tmf_stop flag

    def __cinit__(self):
        self.flag.raised = 0
        self.flag.outer = tmf_own_stop

    def set(self):
        """Make all threads that heed this flag raise Stopped at their next look."""
        tmf_stop_raise(&self.flag)

    def is_set(self):
        """Whether this flag, or that of a call that this one is a part of, is raised."""
        return tmf_is_stopped(&self.flag) != 0

    def heeded(self, function):
        """function(), whose kernels look at this flag, too."""
        global tmf_own_stop
        cdef tmf_stop *before = tmf_own_stop
        tmf_own_stop = &self.flag
        try:
            return function()
        finally:
            tmf_own_stop = before
