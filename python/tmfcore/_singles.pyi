# No Python names: singles agents, cimported by the engines.
