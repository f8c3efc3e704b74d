# No Python names: few agents, cimported by the engines.
