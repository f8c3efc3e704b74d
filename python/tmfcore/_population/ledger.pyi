# No Python names: what of a run is recorded, cimported by the engines.
