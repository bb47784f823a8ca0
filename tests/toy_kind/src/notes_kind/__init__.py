"""Notes: short texts with names."""
