"""Calls that are killed by -9 and go on from their checkpoint, to the same bits: see __main__."""
