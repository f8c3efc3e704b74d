"""One step of the Markov chain of the counts."""
from libc.stdint cimport int64_t

from tmfcore._model.evaluator cimport Evaluator
from tmfcore._population.flows cimport Record
from tmfcore._population.singles cimport Population
from tmfcore._random.sampling cimport RowSplitter, Sampler


cdef struct Chain:
    Population people
    int64_t *next_counts       # (S,)
    int64_t *acting            # (S,)
    int64_t *resting           # (S,)
    int64_t *actions           # (S, A)
    double *stood              # (S,)
    double *shares             # (S,) probabilities to act, if they depend on the observation
    bint averaged              # actions are not recorded: successors are drawn from rows averaged over the policy


# A splitter for the widest table that is split: over actions, over successors, or over acting and passive.
cdef RowSplitter splitter_for(Evaluator at, bint averaged)

# Allocate all arrays of the chain as one block, which begins at people.mu; the caller frees that pointer.
cdef int allocate(Chain *chain, Evaluator at) except -1

# One step: the agents chain.acting (S,) act, the others are passive; n_acting is their number, or negative. decided:
# chain.actions has their actions; otherwise the policy draws them. reward: OUT, the sum over all agents.
cdef int step_counts(
    Evaluator at, Sampler *sampler, RowSplitter splitter, Chain *chain, Record *record, int t, int64_t n_acting,
    bint decided, double *reward
) except -1 nogil
