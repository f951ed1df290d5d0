"""exp(t A) applied to a density by a rational Krylov method, for any generator and any s = q t.

Arnoldi with R = (I - t A / POLE_SHARE)^-1: the restricted-denominator or shift-and-invert Krylov
method (Moret and Novati 2004; van den Eshof and Hochbruck 2006). exp(t A) is the function
exp(POLE_SHARE (1 - 1/mu)) of R, which is flat at mu = 0: what is fast against t is dead, however
fast it is. So convergence depends neither on the grid nor on s, and the smallest eigenvalues of
the projected R, which are rounding where s is beyond 1e14, are never inverted.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import expm, schur, solve_sylvester

from ..errors import NumericalFailure
from ..linear_solvers.gram_schmidt import overlaps, remove
from ..linear_solvers.shifted import ShiftedSolver
from .exponential import cut_rounding

# The pole sits at t/POLE_SHARE; values between 5 and 20 differ little for sectorial operators.
POLE_SHARE = 10.0
# Eigenvalues of R below this belong to modes that have decayed by exp(-POLE_SHARE/DEAD).
DEAD = 0.02
MAX_DIMENSION = 120
# The error is estimated after so many steps, and then after a fifth more of them each time.
FIRST_ESTIMATE, ESTIMATE_SHARE = 4, 5
# What a vector keeps beside the others, relative, when they span all that R makes of the start.
EXHAUSTED = 1e-14
# Entries below this share of the largest are rounding of the basis.
NOISE = 4 * np.finfo(float).eps
# A time whose space does not converge is halved, this often at most, and doubled again after so
# many pieces.
MOST_HALVINGS = 40
PATIENCE = 4
# Solves beyond which a time is given up: turns by the million that hardly any noise damps.
MOST_SOLVES = 100_000


def rational_krylov(
    solver: ShiftedSolver,
    density: np.ndarray,
    duration: float,
    tolerance: float,
    adjoint: bool = False,
) -> tuple[np.ndarray, int]:
    """exp(duration A) density up to ``tolerance`` in L1, relative to the mass.

    Parameters
    ----------
    solver : ShiftedSolver
    density : (N,) float64
    duration : float
    tolerance : float
    adjoint : bool
        Whether A^T stands in place of A; then there is no mass to restore.

    Returns
    -------
    density : (N,) float64
        Rounding below zero cut off, mass restored where the box is closed.
    solves : int

    Raises
    ------
    NumericalFailure
        If even short pieces of the time do not converge, or more than rounding turned negative.
    """
    left, piece, solves, halvings, good = duration, duration, 0, 0, 0
    while left > 0.0:
        piece = min(piece, left)
        # Equal pieces, which share their factors.
        piece = left / math.ceil(left / piece - 1e-9)
        try:
            density, count = _piece(solver, density, piece, tolerance, adjoint)
        except NumericalFailure:
            halvings += 1
            if halvings > MOST_HALVINGS or solves > MOST_SOLVES:
                raise
            solves += MAX_DIMENSION
            piece, good = 0.5 * piece, 0
            continue
        solves += count
        left = left - piece if left > 1.5 * piece else 0.0
        if solves > MOST_SOLVES and left > 0.0:
            raise NumericalFailure(
                f"{solves} solves of the Krylov method have covered {duration - left:.3g} of "
                f"{duration:.3g}",
                "take more noise, more frames or an earlier density.end",
            )
        good, halvings = good + 1, 0
        if good == PATIENCE:
            piece, good = 2.0 * piece, 0
    return density, solves


def _piece(
    solver: ShiftedSolver, density: np.ndarray, duration: float, tolerance: float, adjoint: bool
) -> tuple[np.ndarray, int]:
    """As :func:`rational_krylov` by one Krylov space."""
    # In this order: squares of what absorbing sides have left may underflow.
    largest = float(np.abs(density).max())
    if largest == 0.0:
        return density, 0
    norm = float(np.linalg.norm(density / largest))
    scale = largest * norm
    gamma = pole(duration)
    basis = np.empty((MAX_DIMENSION, density.size))
    basis[0] = density / largest / norm
    hessenberg = np.zeros((MAX_DIMENSION, MAX_DIMENSION))
    previous, estimate = None, FIRST_ESTIMATE
    for m in range(1, MAX_DIMENSION + 1):
        vector = solver.solve(basis[m - 1], gamma, adjoint)
        before = float(np.sqrt(np.square(vector).sum()))
        shares = np.empty(m)
        # Twice, since one pass of Gram-Schmidt loses orthogonality to rounding.
        for _ in range(2):
            overlaps(basis, m, vector, shares)
            remove(basis, m, shares, vector)
            hessenberg[:m, m - 1] += shares
        norm = float(np.sqrt(np.square(vector).sum()))
        exhausted = norm <= EXHAUSTED * before
        if m == estimate or exhausted:
            estimate = min(MAX_DIMENSION, m + max(FIRST_ESTIMATE, m // ESTIMATE_SHARE))
            # A generator far from normal may make it overflow; such a space has not converged.
            with np.errstate(all="ignore"):
                coordinates = _first_column(hessenberg[:m, :m], duration / gamma)
                result = scale * (coordinates @ basis[:m])
                size = float(np.abs(result).sum())
                change = np.inf if previous is None else float(np.abs(result - previous).sum())
            if np.isfinite(size) and (exhausted or change <= tolerance * size):
                return _cleaned(solver, density, result, adjoint), m
            previous = result
        if m < MAX_DIMENSION:
            hessenberg[m, m - 1] = norm
            basis[m] = vector / norm
    raise NumericalFailure(
        f"the Krylov space of dimension {MAX_DIMENSION} is too small",
        "use the stepper split, or more frames",
    )


def _first_column(projected: np.ndarray, ratio: float) -> np.ndarray:
    """exp(ratio (I - R^-1)) e_1 for the projected R, its eigenvalues below ``DEAD`` taken for 0.

    With R = Z T Z^H, the living eigenvalues first, T_11 X - X T_22 = T_12 separates both blocks.
    """
    triangle, vectors, living = schur(
        projected, output="complex", sort=lambda value: abs(value) > DEAD
    )
    start = vectors[0].conj()
    if living < len(start):
        separating = solve_sylvester(
            triangle[:living, :living], -triangle[living:, living:], triangle[:living, living:]
        )
        start = start[:living] + separating @ start[living:]
    inverse = np.linalg.inv(triangle[:living, :living])
    alive = expm(ratio * (np.eye(living) - inverse)) @ start
    return (vectors[:, :living] @ alive).real


def _cleaned(
    solver: ShiftedSolver, density: np.ndarray, result: np.ndarray, adjoint: bool
) -> np.ndarray:
    """The result without its rounding; the rest state itself where there is no other difference."""
    if adjoint:
        return cut_rounding(result, None, "the Krylov method")
    generator = solver.generator
    mass = float(density.sum()) if generator.closed else None
    result = cut_rounding(result, mass, "the Krylov method")
    return np.where(result > NOISE * float(result.max()), result, 0.0)


def pole(duration: float) -> float:
    """Step of the shifted solves that suits a duration.

    Rounded to eight digits: frames of equal length differ in their last bits, and the
    factorisation must serve them all.
    """
    return float(f"{duration / POLE_SHARE:.7e}")
