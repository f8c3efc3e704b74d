"""Random numbers: seeds, streams, samplers."""
