# No Python names: the acting agents of a step, cimported by the engines.
