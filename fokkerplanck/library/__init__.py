"""The functions of `fokkerplanck` that work on problems and generators, without a case."""
