"""Commands that take many seconds, for Ctrl-C and SIGTERM to end."""

COMMANDS = {
    "simulate": ["simulate", "queueing", "--n-agents", "10000000", "--engine", "agents", "--replicas", "1", "--horizon", "2000", "--out", "run.npz"],
    "simulate, replicas": ["simulate", "queueing", "--n-agents", "1000", "--replicas", "400000", "--horizon", "100", "--out", "run.npz"],
    "solve": ["solve", "crowd-motion", "--tolerance", "1e-14", "--horizon", "200", "--solver", "mirror-descent", "--out", "found.npz"],
    "solve, TMF-PG": ["solve", "queueing", "--solver", "tmf-pg", "--n-agents", "1000", "--schedule", "sequential", "--iterations", "100000", "--tolerance", "1e-9", "--out", "found.npz"],
    "reproduce": ["reproduce", "--out", "results"],
    "bench": ["bench"],
    "simulate, Poisson clocks": ["simulate", "resource-selection", "--n-agents", "1000000", "--schedule", "poisson", "--horizon", "2000", "--replicas", "20", "--out", "run.npz"],
}  # fmt: skip
