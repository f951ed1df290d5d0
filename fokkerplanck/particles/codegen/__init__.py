"""Kernels of one problem: its formulas as source text, compiled and cached."""
