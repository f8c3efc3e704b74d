"""Vehicles on the links of a road network: what `_congestion` and `_routing` share."""
import numpy as np

from tmfcore._model.model cimport Model


cdef class Traffic(Model):
    """Base of games of `vehicles` on the `n_links` links of a network; subclasses set these, and define `share`."""

    cdef double share(self, Py_ssize_t link, const double *mu) noexcept nogil:
        """Share of the population on a link."""
        return 0

    def volumes(self, const double[::1] mu not None):
        """Vehicles on each link, for the population mu (S,).

        Returns
        -------
        ndarray of float64, shape (E,)
            In the order of the network's edges.
        """
        cdef Py_ssize_t link
        cdef double[::1] out = np.empty(self.n_links)
        self.check_mu(mu)
        for link in range(self.n_links):
            out[link] = self.vehicles * self.share(link, &mu[0])
        return np.asarray(out)
