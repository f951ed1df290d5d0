"""The operator of order 6 in flux form: stencils, tiles and their kernels."""
