"""The stationary state of a generator, its quasi-potential and its current.

Under detailed balance it is the Gibbs state exp(-Psi)/Z at the cell centres, where every edge
current vanishes. Otherwise it is the null vector of A, found by multilevel aggregation, entry by
entry accurate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from ..errors import CaseError
from ..linear_solvers.multilevel import null_state
from ..operators.edges import EdgeBlock
from ..operators.generator import Generator
from ..operators.quadrature import gauss
from ..operators.thermodynamic_force import Force
from ..problem import Problem
from .high_order_stationary import high_rest
from .step_stationary import step_rest

# Relative difference of int |gamma| between two quadratures along one edge, beyond which it
# diverges: 1/x gives at least 0.4 at any place of its pole, smooth noise below 0.02.
DIVERGENT = 0.3
FEW_NODES, MANY_NODES = 6, 24
# Psi follows the integral of the force beside its smallest value to this, relative.
SMOOTH = 1e-6
# Smallest eigenvalue of D, relative to its trace, of noise that is lost in one direction.
SINGULAR = 1e-12
# Noise that vanishes between two cells is below this share of its largest value in one of them.
SMALL_NOISE = 0.1


@dataclass(frozen=True)
class StationaryState:
    """rho_ss and what follows from it; all quantities dimensionless.

    Attributes
    ----------
    density : ndarray of the grid's shape
        Per unit volume, normalised on the grid.
    log_density : ndarray of the grid's shape
        Free of underflow, where the density itself is not.
    quasi_potential : ndarray of the grid's shape
        Phi~ of (50); under detailed balance its minimum over the box is 0, or it is Phi/Sigma
        for isotropic noise; otherwise -(1/beta) log rho_ss.
    detailed_balance : bool
    residual : float
        |A rho_ss| in L1, relative to q.
    circulation : float
        Largest circulation of the force around a cell square, relative; NaN if not computed.
    generator : Generator
        Markov generator that is at rest there: the one given, or for high order without detailed
        balance one of nearby rates.
    """

    density: np.ndarray
    log_density: np.ndarray
    quasi_potential: np.ndarray
    detailed_balance: bool
    residual: float
    circulation: float
    generator: Generator


def stationary(
    generator: Generator, problem: Problem, scheme: str = "scharfetter-gummel"
) -> StationaryState:
    """Stationary state of a generator in a closed box.

    Arguments, errors and sources are those of :func:`fokkerplanck.library.generators.stationary`,
    and

    Parameters
    ----------
    problem : Problem
        That the generator came from; gives beta and fixes the constant of Phi~.
    """
    grid = generator.grid
    if not grid.domain.closed:
        raise CaseError("an absorbing side leaves no stationary density", "stationary")
    if problem.time_dependent:
        raise CaseError(
            "coefficients that change in time leave no stationary density", "stationary"
        )
    psi = generator.potential.values
    resting = generator
    if psi is not None:
        _check_integrable(Force(problem, grid))
        log_density = psi.min() - psi
        log_density -= np.log(grid.integrate(np.exp(log_density)))
        density = np.exp(log_density)
        quasi_potential = psi / problem.beta
        if not generator.potential.absolute:
            quasi_potential = quasi_potential - _smallest_value(generator, problem)
    else:
        if generator.rates.raised:
            _check_rank(Force(problem, grid))
        if scheme == "high-order":
            log_density, resting = high_rest(generator, problem)
            density = np.exp(log_density)
        elif scheme == "semi-lagrangian":
            log_density, resting = step_rest(generator, problem)
            density = np.exp(log_density)
        else:
            state = null_state(generator)
            density, log_density = state.density, state.log_density
        quasi_potential = -log_density / problem.beta
    change = float(np.abs(resting.matvec(density)).sum()) * grid.cell_volume
    circulation = generator.potential.circulation
    return StationaryState(
        density,
        log_density,
        quasi_potential,
        psi is not None,
        change / resting.q,
        circulation if np.isfinite(circulation) else np.nan,
        resting,
    )


def _check_integrable(force: Force) -> None:
    """Refuse a force whose integral diverges along an edge between cells.

    Raises
    ------
    CaseError
        Names the edge.
    """
    grid = force.grid
    if force.problem.constant_sigma is not None:
        return
    sigma = force.problem.sigma_at(grid.points)
    if all(sigma[i, i].min() > SMALL_NOISE * sigma[i, i].max() for i in force.noisy):
        return
    for row, axis in enumerate(force.noisy):
        block = EdgeBlock.inside(grid, axis)
        shape = block.shape
        few, many = np.zeros(shape), np.zeros(shape)
        for total, count in ((few, FEW_NODES), (many, MANY_NODES)):
            for s, weight in zip(*gauss(count), strict=True):
                gamma = force.gamma(block.points(s), raising=False)[row]
                total += weight * np.abs(gamma).reshape(shape)
        differs = np.abs(many - few) / (1.0 + np.minimum(few, many))
        # Where Sigma jumps the force is a delta function, which does integrate.
        differs[force.jumps(block) | np.logical_or(*block.ends(force.rough_cells))] = 0.0
        if differs.max() > DIVERGENT:
            cell = np.unravel_index(int(np.argmax(differs)), shape)
            where = grid.place(int(np.ravel_multi_index(cell, grid.shape)))
            raise CaseError(
                f"the noise vanishes within a cell of {where}: probability gathers there or cannot "
                "pass, so that no one density is stationary in the whole box",
                "stationary",
            )


def _check_rank(force: Force) -> None:
    """Refuse a D that is singular in some cells and not in others.

    Where one direction loses its noise only the drift moves probability along it. What gathers
    there has no density, or depends on the start, and the isotropic part that keeps the stencil
    short would hide that. A D of lower rank everywhere is another matter: the drift mixes.

    Raises
    ------
    CaseError
        Names one of the cells.
    """
    grid = force.grid
    tensor, _ = force.tensors(grid.points, raising=False)
    if tensor.shape[2] == 1:
        return
    # A vanishing tensor has no direction at all.
    values = np.linalg.eigvalsh(np.moveaxis(tensor, -1, 0))
    lost = values[:, 0] <= SINGULAR * values[:, -1]
    if not lost.any() or lost.all():
        return
    where = grid.place(int(np.argmax(lost)))
    raise CaseError(
        f"Sigma has a direction without noise in {int(lost.sum())} of the {lost.size} cells, for "
        f"example at {where}: there probability may gather on a line or never mix, so that a "
        "stationary density need not exist or be unique; add a small isotropic part to noise.sigma",
        "stationary",
    )


def _smallest_value(generator: Generator, problem: Problem) -> float:
    """Minimum of Psi/beta over the box: the smallest cell value, followed down the force."""
    grid, psi = generator.grid, generator.potential.values
    assert psi is not None
    cell = np.unravel_index(int(np.argmin(psi)), grid.shape)
    start = np.array([c[i] for c, i in zip(grid.centers, cell, strict=True)])
    force = Force(problem, grid)
    bounds = [(axis.lower, axis.upper) for axis in grid.domain.axes]
    nodes, weights = gauss(8)

    def fall(point: np.ndarray) -> tuple[float, np.ndarray]:
        steps = (point - start) / grid.spacing
        places = start[:, None] + (point - start)[:, None] * nodes
        along = force.gamma(list(places), raising=False)
        value = -float(weights @ (steps @ along))
        return value, -force.gamma([np.array([x]) for x in point], raising=False)[
            :, 0
        ] / grid.spacing

    for axis, n in enumerate(grid.shape):
        for step in (-1, 1):
            if 0 <= cell[axis] + step < n:
                unit = step * np.eye(grid.ndim, dtype=int)[axis]
                rise = float(psi[tuple(np.array(cell) + unit)] - psi[cell])
                if abs(fall(start + unit * grid.spacing)[0] - rise) > SMOOTH * (1.0 + abs(rise)):
                    # Something jumps or bends beside the cell, and its own value has to do.
                    return float(psi[cell]) / problem.beta
    try:
        found = minimize(fall, start, jac=True, bounds=bounds, method="L-BFGS-B", tol=1e-15)
    except np.linalg.LinAlgError:
        # The noise vanishes on the way, as at x = 0 for Sigma = x^2: the cell value has to do.
        return float(psi[cell]) / problem.beta
    return (float(psi[cell]) + min(0.0, float(found.fun))) / problem.beta
