"""Figures of the stationary state: quasi-potential, critical points, current."""
