"""The generator of the Fokker-Planck equation: forces, edge rates, matrix-free products."""
