"""Square roots of covariances, of any rank, and noise made with them.

A factor of each walker's covariance is packed by rows, (d (d + 1)/2, n).
"""

from __future__ import annotations

import math

import numpy as np

from .codegen.jit import inline, kernel

# A pivot below this fraction of its diagonal entry is rounding of a singular Sigma.
SINGULAR = 1e-13


@inline
def factorise(s: np.ndarray, scale: float) -> None:
    """Cholesky factor of ``scale`` times a covariance, in place; triangles packed by rows.

    Rows of ``s`` are the entries (0, 0), (1, 0), (1, 1), (2, 0) ...; a vanishing pivot has a column
    of zeros, so that covariances of any rank have a factor with L L^T = Sigma.
    """
    for i in range(s.shape[1]):
        v00 = scale * s[0, i]
        l00 = math.sqrt(v00) if v00 > 0.0 else 0.0
        s[0, i] = l00
        if s.shape[0] == 1:
            continue
        inverse = 1.0 / l00 if l00 > 0.0 else 0.0
        l10 = scale * s[1, i] * inverse
        v11 = scale * s[2, i]
        rest = v11 - l10 * l10
        l11 = math.sqrt(rest) if rest > SINGULAR * v11 else 0.0
        s[1, i], s[2, i] = l10, l11
        if s.shape[0] == 3:
            continue
        l20 = scale * s[3, i] * inverse
        l21 = (scale * s[4, i] - l20 * l10) * (1.0 / l11 if l11 > 0.0 else 0.0)
        v22 = scale * s[5, i]
        rest = v22 - l20 * l20 - l21 * l21
        s[3, i], s[4, i] = l20, l21
        s[5, i] = math.sqrt(rest) if rest > SINGULAR * v22 else 0.0


@inline
def spread_constant(noise: np.ndarray, factor: np.ndarray) -> None:
    """Put a constant factor (d, d) in the place of :func:`factorise`'s result."""
    row = 0
    for a in range(noise.shape[0]):
        for b in range(a + 1):
            factor[row, :] = noise[a, b]
            row += 1


@inline
def add_noise(x: np.ndarray, factor: np.ndarray, z: np.ndarray, scale: float) -> None:
    """x += scale * factor z, walker by walker."""
    row = 0
    for a in range(x.shape[0]):
        for b in range(a + 1):
            for i in range(x.shape[1]):
                x[a, i] += scale * factor[row, i] * z[b, i]
            row += 1


@inline
def step_variance(factor: np.ndarray, h: float, variance: np.ndarray) -> None:
    """Diagonal of h * factor factor^T, (d, n)."""
    row = 0
    for a in range(variance.shape[0]):
        variance[a, :] = 0.0
        for _ in range(a + 1):
            for i in range(variance.shape[1]):
                variance[a, i] += h * factor[row, i] * factor[row, i]
            row += 1


@inline
def shift_column(stage: np.ndarray, factor: np.ndarray, m: int, scale: float) -> None:
    """stage += scale * column m of the factor."""
    for a in range(m, stage.shape[0]):
        row = a * (a + 1) // 2 + m
        for i in range(stage.shape[1]):
            stage[a, i] += scale * factor[row, i]


@inline
def shift_column_by(
    stage: np.ndarray, factor: np.ndarray, m: int, amount: np.ndarray, scale: float
) -> None:
    """stage += scale * amount (n,) * column m of the factor."""
    for a in range(m, stage.shape[0]):
        row = a * (a + 1) // 2 + m
        for i in range(stage.shape[1]):
            stage[a, i] += scale * amount[i] * factor[row, i]


@kernel
def factorise_once(s: np.ndarray, scale: float) -> None:
    """:func:`factorise` for callers outside."""
    factorise(s, scale)
