"""Bad input for every public callable: what may come of it is a sensible result, or an error that names the argument.

    doors       every public callable, found by inspection
    examples    a valid call of each; a callable without one fails the test
    things      what the examples are made of
    values      what is put in the place of an argument
    judge       what came of it, and whether it may
    files       damaged files for every `load`

`python -m tests.inputs` tries all of it in processes with limits of time and memory and writes docs/measured/inputs.md.
"""
