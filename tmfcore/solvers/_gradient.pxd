"""The outputs of the critics of TMF-PG: ascent directions and visits."""


cdef struct Ascent:
    double *direction          # (L, S, A, F)
    double *visits             # (L, S, A)
    double *level              # (L, S, A, F)   the direction if every advantage were 1; or NULL
    double *surplus            # (L, S)         sum of the advantages of all decisions; NULL with level
    Py_ssize_t n_observations, n_actions, n_features
    bint natural


# Check the shapes of both outputs and set them to 0; level and surplus become NULL. The outputs are borrowed.
cdef int open_ascent(Ascent *ascent, Py_ssize_t S, Py_ssize_t A, bint natural,
                     double[:, :, :, ::1] direction, double[:, :, ::1] visits) except -1
# Add the contribution of one observation at one step (or interval) to the outputs.
cdef void climb(
    Ascent *ascent,
    Py_ssize_t stage,
    Py_ssize_t observation,
    const double *mu,           # IN   (S,)
    const double *pi,           # IN   (A,)
    const double *n,            # IN   (A,)    decisions
    const double *advantage,    # IN   (A,)
    bint all_actions,           # IN           advantages of actions that were not taken are known, too
) noexcept nogil


cdef inline void add_features(double *direction, double weight, const double *mu, Py_ssize_t n_features) noexcept nogil:
    cdef Py_ssize_t f
    direction[0] += weight
    for f in range(1, n_features):
        direction[f] += weight * mu[f - 1]
