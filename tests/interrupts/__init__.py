"""How soon Ctrl-C ends each long call, and what it leaves: see __main__."""
