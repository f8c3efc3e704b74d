"""How the cost of tmfcore grows: with N, B, S, T and threads, through the public verbs, set-up and recording included.

    python -m bench.scaling                 everything, then docs/measured/scaling.md and a picture of each study
    python -m bench.scaling --quick         small ranges, one repeat; writes nothing unless --output
    python -m bench.scaling --only NAME     studies whose name starts with NAME, again for more; the same

    __main__    the command line
    studies     what is measured against what
    page        docs/measured/scaling.md and its pictures

The clock, the problems and tmfcore's way of solving them are those of bench.peers. Notation: N agents, B of them act at
a step, S observations, A actions, T steps.
"""
