# No Python names: one step of values backwards, cimported by the kernels that need it.
