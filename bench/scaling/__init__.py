"""Cost of tmfcore against N, B, S, T and threads, by its public verbs, including set-up and recording.

    python -m bench.scaling                 everything, then docs/measured/scaling.md and a picture of each study
    python -m bench.scaling --quick         small ranges, one repeat; writes nothing unless --output
    python -m bench.scaling --only NAME     studies whose name starts with NAME, repeatable; writes nothing either

    __main__    the command line
    studies     the studies
    page        docs/measured/scaling.md and its pictures

Timing, problems and the calls of tmfcore are those of tmfcore.bench. Notation: N agents, of which B act at a step, S
observations, A actions, T steps.
"""
