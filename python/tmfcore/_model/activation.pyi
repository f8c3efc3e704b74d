# No Python names: who acts at a step, cimported by the engines.
