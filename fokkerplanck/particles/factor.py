"""Square roots of covariances, of any rank."""

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


@kernel
def factorise_once(s: np.ndarray, scale: float) -> None:
    """:func:`factorise` for callers outside."""
    factorise(s, scale)
