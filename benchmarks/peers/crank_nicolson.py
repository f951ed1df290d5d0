"""Crank-Nicolson by hand: central differences, scipy's sparse matrices and LU factors."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from fokkerplanck.gallery import ExactProblem
from fokkerplanck.grid import Grid
from fokkerplanck.problem import Problem

from . import Solve

REQUIRES = "scipy"
CELLS_PER_STEP = 8
NOTE = (
    "Crank-Nicolson, by hand: conservative central differences of order 2 as a scipy matrix, splu, "
    f"one step per {CELLS_PER_STEP} cells of an axis, enough for the time error to stay below the "
    "space error; the matrix counts as set-up, the factors as solving, anew in every step where "
    "the coefficients move."
)


def prepare(exact: ExactProblem, cells: int) -> Solve:
    """Grid, matrix and start."""
    problem, grid = exact.problem, exact.problem.grid(cells)
    steps = max(1, cells // CELLS_PER_STEP)
    dt = exact.end / steps
    start = exact.initial(grid).reshape(-1)
    fixed = None if problem.time_dependent else matrix(problem, grid, 0.0)
    one = sparse.identity(grid.size, format="csc")

    def solve() -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        density, factors = start, None
        for number in range(steps):
            change = matrix(problem, grid, (number + 0.5) * dt) if fixed is None else fixed
            if factors is None or fixed is None:
                factors = splu(one - 0.5 * dt * change)
            density = factors.solve(density + 0.5 * dt * (change @ density))
        return density.reshape(grid.shape), grid.points

    return solve


def matrix(problem: Problem, grid: Grid, time: float) -> sparse.csc_matrix:
    """-div of drift rho - d_j(D_ij rho) by central differences, no flux through the sides.

    Parameters
    ----------
    problem : Problem
    grid : Grid
        With sides that reflect.
    time : float
    """
    d = grid.ndim
    drift = problem.drift_at(grid.points, time)
    diffusion = problem.sigma_at(grid.points, time) / problem.beta

    def diagonal(values: np.ndarray) -> sparse.dia_matrix:
        return sparse.diags(np.broadcast_to(values, grid.shape).reshape(-1))

    total = sparse.csc_matrix((grid.size, grid.size))
    for i in range(d):
        flux = _along(grid, i, _mean) @ diagonal(drift[i])
        for j in range(d):
            if i == j:
                slope = _along(grid, i, _difference)
            else:
                slope = _along(grid, i, _mean) @ _along(grid, j, _central)
            flux = flux - slope @ diagonal(diffusion[i, j])
        # The transpose of minus the difference is the divergence, the sides being closed.
        total = total + _along(grid, i, _difference).T @ flux
    return total.tocsc()


def _mean(n: int, _: float) -> sparse.dia_matrix:
    """From cells to the faces between them."""
    return sparse.diags([0.5, 0.5], [0, 1], shape=(n - 1, n))


def _difference(n: int, h: float) -> sparse.dia_matrix:
    """From cells to the faces between them."""
    return sparse.diags([-1.0 / h, 1.0 / h], [0, 1], shape=(n - 1, n))


def _central(n: int, h: float) -> sparse.csr_matrix:
    """From cells to cells, one-sided in the first and the last."""
    rows = sparse.diags([-0.5 / h, 0.5 / h], [-1, 1], shape=(n, n)).tolil()
    rows[0, :2] = [-1.0 / h, 1.0 / h]
    rows[-1, -2:] = [-1.0 / h, 1.0 / h]
    return rows.tocsr()


def _along(grid: Grid, axis: int, build: object) -> sparse.csr_matrix:
    """A matrix of one axis on the whole grid."""
    assert callable(build)
    result = sparse.identity(1)
    for i, n in enumerate(grid.shape):
        factor = build(n, grid.spacing[axis]) if i == axis else sparse.identity(n)
        result = sparse.kron(result, factor, format="csr")
    return result.tocsr()
