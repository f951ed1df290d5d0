"""What a case may ask of a density, one section each, and what is measured of it."""
