"""Heavy-tailed noise: jumps on a grid, and the densities that they make."""
