"""(50) both ways: the force field, its curl, the potential it has, and the velocity that is left.

With the stationary current restored, (50) reads
    grad Phi - f = Sigma grad Phi~ - (1/beta) div Sigma - v,   v = J_ss/rho_ss,  div(rho_ss v) = 0.
v vanishes iff A = Sigma^-1 (grad Phi - f + (1/beta) div Sigma) has no curl, and Phi~ is then the
line integral of A. All quantities are dimensionless.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft

from ..grid import Grid
from ..operators.currents import cell_current
from ..operators.generator import Generator
from ..operators.potential import CIRCULATION_TOLERANCE
from ..operators.thermodynamic_force import Force
from ..problem import Problem
from .stationary import StationaryState

# Cells with beta (Phi~ - min) above this hold 1e-13 of the peak: there J/rho_ss is rounding.
FLOOR = 30.0
# Error of log rho_ss, a few times over: slopes and velocities below it per cell count as zero.
ROUNDING = 1e-11


def field_edges(problem: Problem, grid: Grid) -> list[np.ndarray] | None:
    """Line integrals of A along the unit edges of every axis, order 12 per edge.

    Returns
    -------
    list of d arrays or None
        Number i has n_i - 1 entries along axis i, or n_i if it is periodic, the last one across
        the side. None where Sigma has no inverse.
    """
    if any(problem.noiseless):
        return None
    force = Force(problem, grid)
    edges = []
    for axis in range(grid.ndim):
        with np.errstate(all="ignore"):
            along = force.axis_integrals(axis)
        if not np.isfinite(along).all():
            return None
        edges.append(-along / problem.beta)
    return edges


def plaquette_curl(grid: Grid, edges: Sequence[np.ndarray]) -> dict[tuple[int, int], np.ndarray]:
    """Circulation of A around every cell square per area, d_i A_j - d_j A_i, for each i < j.

    Squares lie between four neighbouring cell centres, across periodic sides too; order 2 as the
    value of the curl in their middle, and zero to rounding where the curl vanishes.
    """
    result = {}
    for i in range(grid.ndim):
        for j in range(i + 1, grid.ndim):
            upward = _difference(grid, edges[j], i)
            across = _difference(grid, edges[i], j)
            result[i, j] = (upward - across) / (grid.spacing[i] * grid.spacing[j])
    return result


def integrate_field(grid: Grid, edges: Sequence[np.ndarray]) -> tuple[np.ndarray, float]:
    """Phi~ whose differences fit line integrals of A best, over all edges at once.

    Minimises sum_e (Phi~_y - Phi~_x - A_e)^2/h_e^2, independent of any path. The normal equations
    are a graph Laplacian with constant coefficients, diagonal in cosines (Fourier modes along
    periodic axes).

    Parameters
    ----------
    grid : Grid
    edges : d arrays
        From :func:`field_edges`.

    Returns
    -------
    potential : ndarray of the grid's shape
        Smallest value zero.
    misfit : float
        Largest |Phi~_y - Phi~_x - A_e| relative to 1 + |A_e|: zero to rounding iff A has a
        potential on the grid.
    """
    potential = np.zeros(grid.shape)
    rest = [edge.copy() for edge in edges]
    # The second pass takes the rounding of the first away.
    for _ in range(2):
        potential += _solve_laplace(grid, rest)
        rest = [edge - _difference(grid, potential, axis) for axis, edge in enumerate(edges)]
    misfit = max(
        float((np.abs(r) / (1.0 + np.abs(e))).max()) for r, e in zip(rest, edges, strict=True)
    )
    return potential - potential.min(), misfit


@dataclass(frozen=True)
class Decomposition:
    """(50) on a grid, with its checks. Averages E are over rho_ss.

    Attributes
    ----------
    velocity : ndarray (d, cells)
        v = J_ss/rho_ss from the scheme's own edge currents; order 2. NaN outside ``reliable``.
    gradient : ndarray (d, cells)
        grad Phi~ of the stationary density, order 2.
    reliable : bool ndarray (cells)
        Where beta (Phi~ - min) is at most 30.
    integrated : ndarray (cells) or None
        Phi~ by least-squares integration of A; smallest value zero. It is the quasi-potential
        only where ``detailed_balance`` holds. None if Sigma is singular somewhere.
    detailed_balance : bool
        Verdict of the generator, at ``tolerance``.
    tolerance : float
        Largest circulation per cell, relative to 1 + the force along it, still called zero.
    largest_curl : float
        Largest |curl A| in reliable cells; NaN if Sigma is singular somewhere.
    misfit : float
        See :func:`integrate_field`; NaN likewise.
    disagreement : float
        Largest beta |difference| of both routes to Phi~ in reliable cells, constants removed;
        NaN likewise. Small under detailed balance only.
    divergence : float
        sum |net flux| over sum of gross flux of the cells: div(rho_ss v) = 0.
    mismatch : float
        rms of v + grad Phi - f - Sigma grad Phi~ + div Sigma/beta over that of Sigma grad Phi~
        and v: both sides of (50), order 2.
    cosine : float
        sqrt(E[(v . grad Phi~)^2] / E[|v|^2 |grad Phi~|^2]): 0 where v runs along the level lines
        of Phi~ everywhere, which div(rho_ss v) = 0 does not ask for. NaN without current.
    correlation : float
        E[v . Sigma grad Phi~] over the product of the two rms. NaN without current.
    """

    velocity: np.ndarray
    gradient: np.ndarray
    reliable: np.ndarray
    integrated: np.ndarray | None
    detailed_balance: bool
    tolerance: float
    largest_curl: float
    misfit: float
    disagreement: float
    divergence: float
    mismatch: float
    cosine: float
    correlation: float


def decompose(generator: Generator, problem: Problem, state: StationaryState) -> Decomposition:
    """Split the drift of a stationary problem by (50) and check the split.

    Parameters
    ----------
    generator : Generator
    problem : Problem
        The problem it came from.
    state : StationaryState
        Its stationary state.
    """
    grid, beta = generator.grid, problem.beta
    reliable = beta * (state.quasi_potential - state.quasi_potential.min()) <= FLOOR
    # Where Sigma jumps neither side of (50) is a function.
    smooth = problem.constant_sigma is not None or ~Force(problem, grid).rough_cells
    weight = np.where(reliable & smooth, state.density, 0.0)
    velocity = np.full((grid.ndim, *grid.shape), np.nan)
    current = cell_current(generator, state.density)
    velocity[:, reliable] = current[:, reliable] / state.density[reliable]
    gradient = cell_gradient(grid, state.quasi_potential)
    sigma = problem.sigma_at(grid.points)
    downhill = np.einsum("ij...,j...->i...", sigma, gradient)
    v = np.where(reliable, velocity, 0.0)
    defect = v - problem.velocity_at(grid.points) - downhill

    def mean(values: np.ndarray) -> float:
        return float((weight * values).sum() / weight.sum())

    def square(vectors: np.ndarray) -> np.ndarray:
        return np.asarray((vectors**2).sum(axis=0))

    along = (v * gradient).sum(axis=0)
    speed, slope = mean(square(v)), mean(square(downhill))
    # Where Phi~ is flat or nothing flows, a quotient of the two would be rounding over rounding.
    rounding = (ROUNDING * float(np.abs(sigma).max()) / (beta * float(grid.spacing.min()))) ** 2
    at_rest, flat = speed <= rounding, slope <= rounding
    cosine = correlation = np.nan if generator.detailed_balance else 0.0
    if not (generator.detailed_balance or at_rest or flat):
        cosine = math.sqrt(mean(along**2) / mean(square(v) * square(gradient)))
        correlation = mean((v * downhill).sum(axis=0)) / math.sqrt(speed * slope)
    curl, misfit, disagreement, integrated = np.nan, np.nan, np.nan, None
    edges = field_edges(problem, grid)
    if edges is not None:
        curl = _largest(plaquette_curl(grid, edges), reliable)
        integrated, misfit = integrate_field(grid, edges)
        difference = (integrated - state.quasi_potential)[reliable]
        disagreement = float(beta * np.abs(difference - np.median(difference)).max())
    change = generator.matvec(state.density)
    traffic = generator.leaving * state.density.reshape(-1)
    return Decomposition(
        velocity=velocity,
        gradient=gradient,
        reliable=reliable,
        integrated=integrated,
        detailed_balance=generator.detailed_balance,
        tolerance=CIRCULATION_TOLERANCE,
        largest_curl=curl,
        misfit=misfit,
        disagreement=disagreement,
        divergence=float(np.abs(change).sum() / (2.0 * traffic.sum())),
        mismatch=0.0 if at_rest and flat else math.sqrt(mean(square(defect)) / (speed + slope)),
        cosine=cosine,
        correlation=correlation,
    )


def cell_gradient(grid: Grid, values: np.ndarray) -> np.ndarray:
    """Gradient of cell values by differences of order 2, one-sided at closed sides.

    Parameters
    ----------
    grid : Grid
    values : ndarray of the grid's shape

    Returns
    -------
    ndarray, shape (d, *grid.shape)
    """
    result = np.empty((grid.ndim, *grid.shape))
    for axis, (side, h) in enumerate(zip(grid.domain.axes, grid.spacing, strict=True)):
        if side.periodic:
            result[axis] = (np.roll(values, -1, axis) - np.roll(values, 1, axis)) / (2.0 * h)
        else:
            result[axis] = np.gradient(values, h, axis=axis, edge_order=2)
    return result


def _difference(grid: Grid, values: np.ndarray, axis: int) -> np.ndarray:
    """Differences of cell values along the edges of one axis."""
    if grid.domain.axes[axis].periodic:
        return np.roll(values, -1, axis) - values
    return np.diff(values, axis=axis)


def _solve_laplace(grid: Grid, edges: Sequence[np.ndarray]) -> np.ndarray:
    """Least-squares potential of edge differences, mean zero."""
    source: np.ndarray = np.zeros(grid.shape)
    symbol = np.zeros(grid.shape)
    for axis, (side, h) in enumerate(zip(grid.domain.axes, grid.spacing, strict=True)):
        n = grid.shape[axis]
        pull = edges[axis] / h**2
        if side.periodic:
            source += np.roll(pull, 1, axis) - pull
        else:
            rim = [(int(i == axis), int(i == axis)) for i in range(grid.ndim)]
            source -= np.diff(np.pad(pull, rim), axis=axis)
        wave = np.arange(n) * (2.0 if side.periodic else 1.0) * np.pi / n
        shape = [n if i == axis else 1 for i in range(grid.ndim)]
        symbol += (4.0 * np.sin(0.5 * wave) ** 2 / h**2).reshape(shape)
    for axis, side in enumerate(grid.domain.axes):
        source = fft.fft(source, axis=axis) if side.periodic else fft.dct(source, axis=axis)
    corner = (0,) * grid.ndim
    # The constant is free.
    source[corner], symbol[corner] = 0.0, 1.0
    source = source / symbol
    for axis, side in enumerate(grid.domain.axes):
        source = fft.ifft(source, axis=axis) if side.periodic else fft.idct(source, axis=axis)
    return np.ascontiguousarray(source.real)


def _largest(curls: dict[tuple[int, int], np.ndarray], reliable: np.ndarray) -> float:
    """Largest |curl| over the squares whose lowest cell is reliable."""
    largest = 0.0
    for values in curls.values():
        inside = reliable[tuple(slice(0, n) for n in values.shape)]
        largest = max(largest, float(np.abs(values[inside]).max(initial=0.0)))
    return largest
