"""The stationary state: quasi-potential, decomposition, critical points, loops."""
