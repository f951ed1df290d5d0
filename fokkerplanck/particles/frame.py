"""What is kept of the walkers at an output time: counts on the grid, sums for the moments."""

from __future__ import annotations

import math

import numpy as np

from .codegen.elementary import copy
from .codegen.fields import LAGGED, landscape
from .codegen.jit import inline, kernel
from .rng import fill_normals
from .sides import confine

# Places of the sums of a block: walkers left, walkers outside, walkers with a finite loss, loss,
# squared gradient; then the d coordinates and the lower triangle of their products.
ALIVE, OUTSIDE, FINITE, LOSS, SLOPE, MOMENTS = 0, 1, 2, 3, 4, 5


@inline
def snapshot(
    state: np.ndarray,
    x: np.ndarray,
    amount: float,
    words: np.ndarray,
    z: np.ndarray,
    sides: np.ndarray,
    unused: np.ndarray,
    y: np.ndarray,
) -> None:
    """Places to show, into ``y``: x, or x + amount * R with the next normals, states unchanged."""
    copy(x, y)
    if LAGGED:
        d, n = x.shape
        fill_normals(state.copy(), words, z.reshape(d * n))
        for a in range(d):
            for i in range(n):
                y[a, i] += amount * z[a, i]
        confine(y, sides, unused)


@kernel
def observe(
    first: int,
    last: int,
    states: np.ndarray,
    x: np.ndarray,
    t: float,
    amount: float,
    c: np.ndarray,
    data: np.ndarray,
    free: int,
    sides: np.ndarray,
    shape: np.ndarray,
    counts: np.ndarray,
    sums: np.ndarray,
) -> None:
    """Add walkers to their cells and write each block's sums.

    Parameters
    ----------
    amount : float
        As in :func:`snapshot`.
    free : int
        Number of parameters, the axes of loss and gradient.
    shape : (d,) int64
        Cells per axis.
    counts : (cells,) int32, added to
        Of this call's range; integers, whose sum does not depend on the order.
    sums : (blocks, MOMENTS + d + d (d + 1)/2) float64
        Coordinates are measured from the middle of the box.
    """
    d, n = x.shape[1], x.shape[2]
    words, z, y = np.empty(d * n, np.uint64), np.empty((d, n)), np.empty((d, n))
    loss, gradient = np.empty(n), np.empty((free, n))
    unused = np.zeros(2 * d, np.int64)
    offset = np.empty(d)
    for k in range(first, last):
        snapshot(states[k], x[k], amount, words, z, sides, unused, y)
        landscape(y, t, c, data, loss, gradient)
        total = sums[k]
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
            for a in range(free):
                square += gradient[a, i] * gradient[a, i]
            if math.isfinite(loss[i]) and math.isfinite(square):
                total[FINITE] += 1.0
                total[LOSS] += loss[i]
                total[SLOPE] += square


@kernel
def places(
    first: int,
    last: int,
    states: np.ndarray,
    x: np.ndarray,
    amount: float,
    sides: np.ndarray,
    out: np.ndarray,
) -> None:
    """Copy the shown places of the blocks into ``out`` (blocks, d, n)."""
    d, n = x.shape[1], x.shape[2]
    words, z = np.empty(d * n, np.uint64), np.empty((d, n))
    unused = np.zeros(2 * d, np.int64)
    for k in range(first, last):
        snapshot(states[k], x[k], amount, words, z, sides, unused, out[k])
