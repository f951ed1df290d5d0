"""Counts and sums of one block of walkers, of which frames are made."""

from __future__ import annotations

import math

import numpy as np

from .codegen.jit import inline

# Places of the sums of a block: walkers left, walkers outside, walkers with a finite loss, loss,
# squared gradient; then the d coordinates and the lower triangle of their products.
ALIVE, OUTSIDE, FINITE, LOSS, SLOPE, MOMENTS = 0, 1, 2, 3, 4, 5


@inline
def add_block(
    y: np.ndarray,
    loss: np.ndarray,
    gradient: np.ndarray,
    sides: np.ndarray,
    shape: np.ndarray,
    offset: np.ndarray,
    counts: np.ndarray,
    total: np.ndarray,
) -> None:
    """Add the walkers of a block at ``y`` (d, n) to their cells and write its sums.

    Parameters
    ----------
    loss, gradient : (n,), (free, n)
        Of each walker.
    offset : (d,)
        Scratch.
    shape, counts : see :func:`~fokkerplanck.particles.frame.observe`
    total : (MOMENTS + d + d (d + 1)/2,), modified
    """
    d, n = y.shape
    total[:] = 0.0
    for i in range(n):
        alive = True
        for a in range(d):
            alive = alive and not math.isnan(y[a, i])
        if not alive:
            continue
        total[ALIVE] += 1.0
        cell, inside = 0, True
        row = MOMENTS + d
        for a in range(d):
            lower, upper = sides[a, 0], sides[a, 1]
            place = y[a, i]
            offset[a] = place - 0.5 * (lower + upper)
            total[MOMENTS + a] += offset[a]
            for b in range(a + 1):
                total[row] += offset[a] * offset[b]
                row += 1
            if place < lower or place > upper:
                inside = False
            else:
                number = int((place - lower) * (shape[a] / (upper - lower)))
                cell = cell * shape[a] + min(number, shape[a] - 1)
        if inside:
            counts[cell] += np.int32(1)
        else:
            total[OUTSIDE] += 1.0
        square = 0.0
        for a in range(gradient.shape[0]):
            square += gradient[a, i] * gradient[a, i]
        if math.isfinite(loss[i]) and math.isfinite(square):
            total[FINITE] += 1.0
            total[LOSS] += loss[i]
            total[SLOPE] += square
