"""exp(t A) applied to a density by a rational Krylov method, for any generator and any s = q t.

Arnoldi with (I - t A / POLES)^-1: the restricted-denominator or shift-and-invert Krylov method
(Moret and Novati 2004; van den Eshof and Hochbruck 2006). Its convergence does not depend on the
grid, so it pays where s is large; each step costs one triangular solve.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import expm

from ..errors import NumericalFailure
from .exponential import cut_rounding
from .shifted import ShiftedSolver

# The pole sits at t/POLE_SHARE; values between 5 and 20 differ little for sectorial operators.
POLE_SHARE = 10.0
MAX_DIMENSION = 120
# The error estimate is looked at every so many steps, from the first on that may be enough.
ESTIMATE_EVERY = 4
FIRST_ESTIMATE = 12


def rational_krylov(
    solver: ShiftedSolver, density: np.ndarray, duration: float, tolerance: float
) -> tuple[np.ndarray, int]:
    """exp(duration A) density up to ``tolerance`` in L1, relative to the mass.

    Parameters
    ----------
    solver : ShiftedSolver
    density : (N,) float64
    duration : float
    tolerance : float

    Returns
    -------
    density : (N,) float64
        Rounding below zero cut off, mass restored where the box is closed.
    solves : int

    Raises
    ------
    NumericalFailure
        If the subspace does not converge, or more than rounding turned negative.
    """
    gamma = pole(duration)
    closed = solver.generator.closed
    scale = float(np.linalg.norm(density))
    # Rows that are not reached take no memory.
    basis = np.empty((MAX_DIMENSION + 1, density.size))
    basis[0] = density / scale
    hessenberg = np.zeros((MAX_DIMENSION + 1, MAX_DIMENSION))
    previous = None
    for m in range(1, MAX_DIMENSION + 1):
        vector = solver.solve(basis[m - 1], gamma)
        # Twice, since one pass of Gram-Schmidt loses orthogonality to rounding.
        for _ in range(2):
            overlaps = basis[:m] @ vector
            hessenberg[:m, m - 1] += overlaps
            vector = vector - overlaps @ basis[:m]
        norm = float(np.linalg.norm(vector))
        hessenberg[m, m - 1] = norm
        exhausted = norm <= 1e-14
        if (m >= FIRST_ESTIMATE and m % ESTIMATE_EVERY == 0) or exhausted:
            small = hessenberg[:m, :m]
            compressed = (np.eye(m) - np.linalg.inv(small)) * (duration / gamma)
            coordinates = expm(compressed)[:, 0] * scale
            result = coordinates @ basis[:m]
            if previous is not None or exhausted:
                change = np.inf if previous is None else float(np.abs(result - previous).sum())
                if exhausted or change <= tolerance * float(np.abs(result).sum()):
                    mass = float(density.sum()) if closed else None
                    return cut_rounding(result, mass, "the Krylov method"), m
            previous = result
        basis[m] = vector / norm
    raise NumericalFailure(
        f"the Krylov space of dimension {MAX_DIMENSION} is too small",
        "use the stepper split, or more frames",
    )


def pole(duration: float) -> float:
    """Step of the shifted solves that suits a duration.

    Rounded to single precision: frames of equal length differ in their last bits, and the
    factorisation must serve them all.
    """
    return float(np.float32(duration / POLE_SHARE))
