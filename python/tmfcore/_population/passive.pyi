# No Python names: what standing agents earn, cimported by the engines.
