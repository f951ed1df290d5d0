"""Fields of free walkers, in whose place a generated module has those of its problem.

Kernels read these names. Points are rows: ``x[a, i]`` is coordinate a of walker i, and ``out`` is
filled in the same manner; ``c`` holds the numbers of the formulas.
"""

from __future__ import annotations

import numpy as np

from .jit import inline

# Whether Sigma varies; whether there is an extra drift beside the mini-batch's gradient; whether
# places are shown with half of the next step's noise, which only Leimkuhler-Matthews asks for.
VARIABLE_SIGMA = False
EXTRA_FORCE = False
LAGGED = False


@inline
def drift(x: np.ndarray, t: float, c: np.ndarray, data: np.ndarray, out: np.ndarray) -> None:
    """Deterministic drift, (d, n)."""
    out[:] = 0.0


@inline
def sigma(x: np.ndarray, t: float, c: np.ndarray, data: np.ndarray, out: np.ndarray) -> None:
    """Lower triangle of Sigma by rows, (d (d + 1)/2, n)."""
    out[:] = 1.0


@inline
def force(x: np.ndarray, t: float, c: np.ndarray, out: np.ndarray) -> None:
    """Extra drift f, one row per parameter."""
    out[:] = 0.0


@inline
def landscape(
    x: np.ndarray,
    t: float,
    c: np.ndarray,
    data: np.ndarray,
    loss: np.ndarray,
    gradient: np.ndarray,
) -> None:
    """Phi, (n,), and its gradient, one row per parameter."""
    loss[:] = 0.0
    gradient[:] = 0.0


@inline
def batch_gradient(
    x: np.ndarray, c: np.ndarray, data: np.ndarray, index: np.ndarray, out: np.ndarray
) -> None:
    """Mean gradient over the samples ``index[:, i]`` of walker i."""
    out[:] = 0.0
