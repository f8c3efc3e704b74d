"""Static equilibria of road networks measured, beside AequilibraE: docs/measured/networks.md."""
