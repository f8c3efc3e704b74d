# No Python names: the record of a run, cimported by the engines.
