"""Processes that tests start: what one says is received here, and it is killed in the end."""

from multiprocessing import get_context


def forking(*modules):
    """A context whose processes begin in milliseconds: a server that has imported these modules forks them."""
    context = get_context("forkserver")
    context.set_forkserver_preload(list(modules))
    return context


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
