"""Slow modes under detailed balance by products alone: a Chebyshev-filtered subspace iteration.

For grids whose factors would not fit: a polynomial of the symmetrised operator damps everything
faster than the wanted modes (Zhou and Saad, SIAM J. Matrix Anal. Appl. 29 (2007) 954). The number
of products grows like sqrt(q/rate); exponentially small rates cost nothing, since only the fastest
wanted one counts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import NumericalFailure
from ..operators.generator import Generator

# Start vectors, the same in every run.
SEED = 90217
# Vectors carried along beside the wanted ones: the gap to the next mode sets the speed.
SPARE = 8
# Degree of the filter in units of sqrt(2 q/cut), and its bounds.
DEGREE_SHARE = 2.0
MIN_DEGREE, MAX_DEGREE = 20, 2000
# Rate above which the first filter damps, in units of q.
FIRST_CUT = 1e-2
MAX_SWEEPS = 80


def filtered_modes(
    generator: Generator,
    count: int,
    tolerance: float,
    project: Callable[[np.ndarray], np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Leading eigenvalues and vectors of the symmetrised generator.

    Parameters
    ----------
    generator : Generator
        With detailed balance.
    count : int
    tolerance : float
        |H v - lambda v| relative to the fastest wanted rate.
    project : callable, optional
        Takes known modes out of a vector.

    Returns
    -------
    values : (count,) float64
        Decreasing.
    vectors : (count, N) float64
        Orthonormal.

    Raises
    ------
    NumericalFailure
        If they do not converge.
    """
    symmetric, size = generator.symmetrized, generator.grid.size
    width = min(count + SPARE, size)
    block = np.random.default_rng(SEED).standard_normal((width, size))
    cut = FIRST_CUT * generator.q
    image = np.empty_like(block)
    for _ in range(MAX_SWEEPS):
        for row in block:
            row[:] = _filter(symmetric, row, cut)
            if project is not None:
                row[:] = project(row)
        block = np.linalg.qr(block.T)[0].T.copy()
        for row, out in zip(block, image, strict=True):
            symmetric.combine(row, 1.0, 0.0, row, 0.0, out)
        values, turn = np.linalg.eigh(block @ image.T)
        order = np.argsort(-values)
        values = values[order]
        block, image = turn.T[order] @ block, turn.T[order] @ image
        gaps = np.linalg.norm(image[:count] - values[:count, None] * block[:count], axis=1)
        if gaps.max() <= tolerance * -values[count - 1]:
            return values[:count], block[:count]
        # Ritz values of a symmetric operator lie above the true rates, so nothing wanted is cut.
        cut = min(-float(values[-1]), generator.q)
    raise NumericalFailure(
        f"the modes of the spectrum have a residual of {gaps.max():.1e} after {MAX_SWEEPS} sweeps",
        "ask for another count, or take fewer cells",
    )


def _filter(symmetric: Generator, vector: np.ndarray, cut: float) -> np.ndarray:
    """T_m of the operator whose spectrum below -cut is mapped to [-1, 1], scaled to stay finite."""
    # No rate is faster than 2 q (Gershgorin).
    half = 0.5 * (2.0 * symmetric.q - cut)
    middle = -cut - half
    degree = int(np.clip(DEGREE_SHARE * np.sqrt(2.0 * symmetric.q / cut), MIN_DEGREE, MAX_DEGREE))
    # At zero, the slowest rate there can be, the scaled polynomial is one.
    first = half / -middle
    sigma = first
    before = vector
    current = np.empty_like(vector)
    symmetric.combine(before, sigma / half, -sigma * middle / half, before, 0.0, current)
    before = before.copy()
    for _ in range(degree - 1):
        following = 1.0 / (2.0 / first - sigma)
        scale = 2.0 * following / half
        symmetric.combine(current, scale, -scale * middle, before, -sigma * following, before)
        before, current = current, before
        sigma = following
    return current
