"""Growth of resident memory over many calls of every public callable, good and failing.

    calls      what is called: the examples of `inputs`, the same with bad arguments, and with functions that raise
    growth     how much a process grows over many calls

`python -m tests.resident` makes 10,000 calls of each in a process of its own, and writes docs/measured/resident.md.
"""
