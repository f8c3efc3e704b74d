"""Parameter studies: a function of its parameters on every cell of a grid, each stored as soon as it is finished."""
