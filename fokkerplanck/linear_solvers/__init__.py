"""Linear systems and null vectors of generators, entrywise accurate."""
