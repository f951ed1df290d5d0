"""What is kept of the walkers at an output time: counts on the grid, sums for the moments."""

from __future__ import annotations

import numpy as np

from .arguments import Equation, WalkerBlocks
from .codegen.elementary import copy
from .codegen.fields import LAGGED, landscape
from .codegen.jit import kernel, merged
from .rng import fill_normals
from .sides import confine
from .sums import add_block


@merged
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
    walkers: WalkerBlocks,
    equation: Equation,
    t: float,
    amount: float,
    free: int,
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
    states, x, _ = walkers
    sides = equation.sides
    d, n = x.shape[1], x.shape[2]
    words, z, y = np.empty(d * n, np.uint64), np.empty((d, n)), np.empty((d, n))
    loss, gradient = np.empty(n), np.empty((free, n))
    unused, offset = np.zeros(2 * d, np.int64), np.empty(d)
    for k in range(first, last):
        snapshot(states[k], x[k], amount, words, z, sides, unused, y)
        landscape(y, t, equation.c, equation.data, loss, gradient)
        add_block(y, loss, gradient, sides, shape, offset, counts, sums[k])


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
