"""N agents: simulation by two engines of one law, and what one of N gains by deviating."""
