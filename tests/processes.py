"""Processes that tests start: what one says is received here, and it is killed in the end."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, get_context

_PRELOADED = []


def forking(*modules):
    """A context whose processes begin in milliseconds: a server that has imported these modules, and those of other calls, forks them."""
    context = get_context("forkserver")
    _PRELOADED.extend(name for name in modules if name not in _PRELOADED)
    context.set_forkserver_preload(_PRELOADED)
    return context


def start_server():
    """Start the server, which finds modules where this process finds them; it lives as long as this process."""
    paths = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        forkserver.ensure_running()
    finally:
        if paths is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = paths


class Child:
    """A process in which work(says, *arguments) runs; what `says` sends is received by `said`."""

    def __init__(self, context, work, *arguments):
        self.said, says = context.Pipe(duplex=False)
        self.process = context.Process(target=work, args=(says, *arguments))
        self.process.start()
        says.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.join()
        self.said.close()


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextmanager
def dask_engine(folder, port):
    """A scheduler of Dask and two workers, which are replaced when they die: its address, and the processes."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    address = f"tcp://127.0.0.1:{port}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment, "cwd": folder, "start_new_session": True}
    dask = [sys.executable, "-m", "dask"]
    processes = [subprocess.Popen([*dask, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"], **quiet)]
    worker = [*dask, "worker", address, "--nworkers", "2", "--nthreads", "1", "--no-dashboard", "--death-timeout", "20"]
    processes += [subprocess.Popen(worker, **quiet)]
    try:
        yield address, processes
    finally:
        for process in processes:  # of each, with those that it has started
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
