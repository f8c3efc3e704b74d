# No Python names: cimported by the engines.
