# No Python names: rewards of passive agents, cimported by the engines.
