"""Work in forks of this process, with limits."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
from collections.abc import Callable
from typing import Any

#: Wall seconds, and bytes, that a child may take.
LONGEST, MEMORY = 900, 8 << 30


def in_child(work: Callable[[], Any], seconds: float | None) -> dict[str, Any]:
    """The value of `work` in a fork of this process, {"answer": ...}, or {"died": reason}; `seconds`: processor time.

    Raises
    ------
    RuntimeError
        `work` raised an exception: an error of this program, which says nothing about the mutant.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setsid()
            os.close(reading)
            if seconds is not None:
                resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 2))
                resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
                signal.alarm(LONGEST)
            answer = work()
            with os.fdopen(writing, "w") as pipe:
                json.dump({"answer": answer}, pipe)
            code = 0
        except BaseException as error:
            with contextlib.suppress(OSError), os.fdopen(writing, "w") as pipe:
                json.dump({"error": f"{type(error).__name__}: {error}"}, pipe)
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # its own children that still run
    found: dict[str, Any] = json.loads(said) if said else {}
    if "error" in found:
        raise RuntimeError(found["error"])
    if found:
        return found
    number = os.waitstatus_to_exitcode(status)
    return {"died": signal.Signals(-number).name if number < 0 else f"exit code {number}"}
