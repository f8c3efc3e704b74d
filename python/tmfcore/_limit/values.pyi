# No Python names: one step of values backward, cimported by other kernels.
