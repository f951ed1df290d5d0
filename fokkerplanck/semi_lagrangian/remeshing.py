"""How a mass between cells is shared among them: kernels of remeshed particle methods.

The weights are those of Hermite interpolation whose derivatives at the cells are central
differences, Lambda_(6,4) of Cottet, Etancelin, Perignon and Picard (ESAIM: M2AN 48 (2014) 1029):
eight cells per axis, moments exact up to the sixth, four continuous derivatives. Moments are what
keeps numerical diffusion away, and smoothness is what keeps the sums over many masses smooth.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache

import numpy as np

# Moments kept, and continuous derivatives.
MOMENTS, SMOOTHNESS = 6, 4
# Cells of a stencil, and how many of them lie below the first cell of the interval.
WIDTH = MOMENTS + 2
BELOW = MOMENTS // 2


@cache
def coefficients() -> np.ndarray:
    """Weights as polynomials of the place in [0, 1) between two cells: (degree + 1, WIDTH).

    Highest power first; the weights belong to the cells -3 ... 4.
    """
    size = 2 * (SMOOTHNESS + 1)
    # Value and derivatives of the monomials at both ends of the interval.
    conditions = [
        [Fraction(math.factorial(k) if p == k else 0) for p in range(size)]
        for k in range(SMOOTHNESS + 1)
    ]
    conditions += [
        [Fraction(math.perm(p, k) if p >= k else 0) for p in range(size)]
        for k in range(SMOOTHNESS + 1)
    ]
    differences, none = _differences(), [Fraction(0)]
    right = [row + none for row in differences] + [none + row for row in differences]
    found = _solved(conditions, right)
    return np.array([[float(value) for value in row] for row in reversed(found)])


def _differences() -> list[list[Fraction]]:
    """Central differences for the derivatives 0 ... SMOOTHNESS on MOMENTS + 1 cells."""
    cells = range(-BELOW, BELOW + 1)
    powers = [[Fraction(cell) ** p for cell in cells] for p in range(MOMENTS + 1)]
    right = [
        [Fraction(math.factorial(k) if p == k else 0) for k in range(SMOOTHNESS + 1)]
        for p in range(MOMENTS + 1)
    ]
    return [list(row) for row in zip(*_solved(powers, right), strict=True)]


def _solved(matrix: list[list[Fraction]], right: list[list[Fraction]]) -> list[list[Fraction]]:
    """Solution of a small linear system without rounding, by Gauss and Jordan."""
    rows = [[*left, *other] for left, other in zip(matrix, right, strict=True)]
    for k in range(len(rows)):
        pivot = next(i for i in range(k, len(rows)) if rows[i][k])
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [value / rows[k][k] for value in rows[k]]
        for i, row in enumerate(rows):
            if i != k and row[k]:
                rows[i] = [a - row[k] * b for a, b in zip(row, rows[k], strict=True)]
    return [row[len(rows) :] for row in rows]
