"""The acting agents of each step: checked once before a run; the loops of the engines read the arrays in place."""


cdef int read_activation(
    Activation *activation, const int64_t[::1] batch, const double[::1] probability,
    int64_t n_agents, Py_ssize_t horizon,
) except -1:
    cdef Py_ssize_t n_steps, t
    if (batch is None) == (probability is None):
        raise ValueError("exactly one of batch and probability must be given")
    n_steps = probability.shape[0] if batch is None else batch.shape[0]
    if n_steps != 1 and n_steps != horizon:
        raise ValueError(f"the schedule has {n_steps} entries; must have 1 or {horizon}")
    activation.stride = 1 if n_steps > 1 else 0
    activation.batch = NULL
    activation.probability = NULL
    if batch is None:
        for t in range(n_steps):
            if not 0 <= probability[t] <= 1:
                raise ValueError(f"probability[{t}] is {probability[t]}; must lie in [0, 1]")
        activation.probability = &probability[0]
    else:
        for t in range(n_steps):
            if not 0 <= batch[t] <= n_agents:
                raise ValueError(f"batch[{t}] is {batch[t]}; must lie in 0..{n_agents} (the number of agents)")
        activation.batch = &batch[0]
    return 0
