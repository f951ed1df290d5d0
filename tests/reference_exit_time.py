"""Mean exit times of heavy-tailed noise from a part of a box: -A^T tau = 1 there, 0 outside."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

from fokkerplanck.errors import CaseError, NumericalFailure
from fokkerplanck.fractional.fractional import Fractional
from fokkerplanck.grid import Grid
from fokkerplanck.problem import Problem

# Residual of the linear system, relative, and iterations at most.
TOLERANCE = 1e-10
ITERATIONS = 5000


def levy_exit_time(problem: Problem, grid: Grid, inside: np.ndarray | None = None) -> np.ndarray:
    """Mean time until a walker of (51) is first outside, by the cell where it starts.

    Parameters
    ----------
    problem : Problem
        With alpha below 2, absorbing sides and coefficients that do not change in time.
    grid : Grid
    inside : bool ndarray of the grid's shape, optional
        Cells that count as inside; the whole box where left out.

    Returns
    -------
    ndarray of the grid's shape
        0 outside.

    Raises
    ------
    CaseError
        For Gaussian noise, sides that let nothing out, or coefficients that change.
    NumericalFailure
        If the linear solver does not converge.

    Notes
    -----
    Jumps are those of the restricted fractional Laplacian, the drift is upwind; order 1 in the
    cell width, for which the boundary of the cells is to blame. Isotropic jumps without drift
    leave a ball of radius r after Gamma(d/2) (r^2 - |x|^2)^(alpha/2)/(2^alpha K
    Gamma(1 + alpha/2) Gamma((d + alpha)/2)) (R. K. Getoor, Trans. Am. Math. Soc. 101 (1961), 75).
    """
    if problem.jumps is None:
        raise CaseError("is not below 2: this noise is Gaussian", "noise.alpha")
    if problem.time_dependent:
        raise CaseError("needs coefficients that do not change in time", "passage")
    if grid.domain.closed:
        raise CaseError("has no absorbing side, so that nothing leaves", "domain")
    jumps = Fractional(grid, problem.jumps)
    within = np.ones(grid.shape, dtype=bool) if inside is None else inside
    drift = _upwind(problem, grid)
    mask = within.reshape(-1)

    def product(values: np.ndarray) -> np.ndarray:
        full = np.where(mask, values, 0.0)
        result = -jumps.matvec(full.reshape(grid.shape)).reshape(-1) - drift @ full
        return np.where(mask, result, values)

    operator = linalg.LinearOperator((grid.size, grid.size), matvec=product, dtype=float)
    right = mask.astype(float)
    if drift.nnz:
        found, status = linalg.bicgstab(operator, right, rtol=TOLERANCE, maxiter=ITERATIONS)
    else:
        found, status = linalg.cg(operator, right, rtol=TOLERANCE, maxiter=ITERATIONS)
    if status:
        raise NumericalFailure("the exit times were not found", "take fewer cells")
    return np.asarray(np.where(mask, found, 0.0).reshape(grid.shape))


def _upwind(problem: Problem, grid: Grid) -> sparse.csr_array:
    """b . grad by differences against the wind; values outside the box are 0."""
    b = problem.drift_at(grid.points)
    cells = np.arange(grid.size).reshape(grid.shape)
    rows, columns, values = [], [], []
    for a, h in enumerate(grid.spacing):
        speed = np.broadcast_to(b[a], grid.shape)
        for sign in (1, -1):
            rate = np.maximum(sign * speed, 0.0) / h
            rows.append(cells.reshape(-1))
            columns.append(cells.reshape(-1))
            values.append(-rate.reshape(-1))
            near = np.moveaxis(cells, a, 0)
            here, there = (near[:-1], near[1:]) if sign > 0 else (near[1:], near[:-1])
            rows.append(here.reshape(-1))
            columns.append(there.reshape(-1))
            values.append(rate.reshape(-1)[here.reshape(-1)])
    matrix = sparse.coo_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))),
        shape=(grid.size, grid.size),
    ).tocsr()
    matrix.eliminate_zeros()
    return matrix
