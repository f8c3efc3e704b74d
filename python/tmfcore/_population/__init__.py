"""Simulation of N agents by two engines with the same law, and the gain of one agent from deviating."""
