"""Where the critics of TMF-PG write: ascent directions and visits."""


cdef struct Ascent:
    double *direction          # (L, S, A, F)
    double *visits             # (L, S, A)
    double *level              # (L, S, A, F)   or NULL: what direction would be if every advantage were 1
    double *surplus            # (L, S)         with level: sum of the advantages of all decisions
    Py_ssize_t n_observations, n_actions, n_features
    bint natural


# Check the two outputs against S and A, and set them to 0; no level.
cdef int open_ascent(Ascent *ascent, Py_ssize_t S, Py_ssize_t A, bint natural,
                     double[:, :, :, ::1] direction, double[:, :, ::1] visits) except -1
cdef void climb(
    Ascent *ascent,
    Py_ssize_t stage,
    Py_ssize_t observation,
    const double *mu,           # IN   (S,)
    const double *pi,           # IN   (A,)
    const double *n,            # IN   (A,)    decisions
    const double *advantage,    # IN   (A,)
    bint all_actions,           # IN           the advantage of actions not taken is known too
) noexcept nogil


cdef inline void add_features(double *direction, double weight, const double *mu, Py_ssize_t n_features) noexcept nogil:
    cdef Py_ssize_t f
    direction[0] += weight
    for f in range(1, n_features):
        direction[f] += weight * mu[f - 1]
