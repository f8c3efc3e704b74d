"""The simulators again, in plain Python: the specification of both engines, and what the compiled ones are held against.

Read it in this order; a file is a page. Nothing here imports tmfcore, and nothing is fast.

    moves.py      every schedule written out: for each step, what decides who acts
    agents.py     N agents that stand somewhere: who acts, what each one does, earns, and where it goes
    counts.py     the same population known by the number of agents at each observation
    clocks.py     agents with exponential clocks of their own, in continuous time
    chance.py     the two ways to read these programs: a sample, or the law of all that can happen

A program of agents.py or counts.py asks for chance in one way only: choose(weights) is an index, drawn in proportion to
the weights. With `chance.Drawn(seed)` it plays one run. With `chance.law(program)` it is played once for every sequence of
answers, and what comes back is the probability of every outcome: the exact law, for a few agents and steps.

A game is a `reference.Game`, whose tables(mu, t) are reward (S,A), transition (S,A,S), passive_reward (S,), passive (S,S);
a policy is a function f(mu, t) -> (S,A). The mean-field limit, values and best responses are in reference.py, and
reference_laws.py has the law of the counts by another route, sums over all outcomes of a step.

Source     Theory, sections 1, 5 and 12.
"""
