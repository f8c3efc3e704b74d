from tmfcore._model.model cimport Model


cdef class Traffic(Model):
    cdef public object network              # the RoadNetwork, for pictures
    cdef readonly Py_ssize_t n_links
    cdef readonly double vehicles
    cdef double share(self, Py_ssize_t link, const double *mu) noexcept nogil
