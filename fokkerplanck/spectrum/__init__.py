"""Slow modes of a generator, their bounds and its slowest oscillation."""
