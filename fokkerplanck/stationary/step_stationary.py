"""The stationary state of transfer operators of short steps, for noise of deficient rank.

(1 - E) r = 0, with E the extrapolated operator of a step, is solved by GMRES, preconditioned by
implicit steps of the generator A, from a state at which A is nearly at rest. E may turn densities
negative where the grid does not resolve them; there the state of A bounds r.
"""

from __future__ import annotations

import numpy as np

from ..errors import NumericalFailure
from ..grid import Grid
from ..linear_solvers.minimal_residual import Product, gmres
from ..linear_solvers.shifted import DIRECT_CELLS, ShiftedSolver
from ..operators.generator import Generator
from ..problem import Problem
from .high_order_stationary import scaled_generator, trusted_ratio

# Implicit steps of this many 1/q lead to the state of A, this often, and precondition.
LONG_STEP, LONG_STEPS = 1e6, 4
TOLERANCE = 1e-10
RESTART, MAX_RESTARTS = 60, 4
# Change of r by a step, in L1 relative to its mass, that is accepted.
ACCEPTED = 1e-6
# From two starts it must be the same to this.
UNIQUE = 1e-3
# Steps between two corrections that settle the limited state, which end when a step changes so much
# at most in L1, or hardly less than before; what a correction leaves of a cell at least.
SHORT_MARCH, MOST_MARCHES, SETTLED, SLOW, LEAST_SHARE = 8, 25, 1e-11, 0.7, 0.1
# Share of the first step of a march: the error of the null vector falls with its fourth power.
SHARE = 0.25


def step_rest(generator: Generator, problem: Problem) -> tuple[np.ndarray, Generator]:
    """Stationary density of the scheme semi-lagrangian.

    Parameters
    ----------
    generator : Generator
        In a closed box.
    problem : Problem
        The problem it came from.

    Returns
    -------
    log_density : ndarray of the grid's shape
        log rho_ss, of mass one.
    tilted : Generator
        A Markov generator of nearby rates with exactly this rest state.

    Raises
    ------
    NumericalFailure
        If the grid is too large for the factors, the iteration does not converge, or the state
        depends on where it begins: where the noise leaves something unmoved, as a radius, all of
        its distributions are at rest.
    """
    # They import the generator's spectrum, and that this room.
    from ..timestepping.semi_lagrangian import SemiLagrangianIntegrator
    from ..timestepping.system import System

    grid = generator.grid
    if grid.size > DIRECT_CELLS[grid.ndim]:
        raise NumericalFailure(
            f"{grid.size} cells are too many for the stationary state of the scheme "
            "semi-lagrangian",
            f"take at most {DIRECT_CELLS[grid.ndim]} cells",
        )
    solver = ShiftedSolver(generator)
    tau = LONG_STEP / generator.q
    low = np.full(grid.size, 1.0 / (grid.size * grid.cell_volume))
    for _ in range(LONG_STEPS):
        low = np.maximum(solver.solve(low, tau), np.finfo(float).tiny)
    low /= float(low.sum()) * grid.cell_volume
    march = SemiLagrangianIntegrator(System(problem, grid, known=generator), 1.0, np.inf)
    dt = SHARE * march.first_step(low, 0.0)

    def left(x: np.ndarray) -> np.ndarray:
        return x - march.extrapolated(x, 0.0, dt)

    def precondition(x: np.ndarray) -> np.ndarray:
        return 0.5 * x + (tau / dt) * solver.solve(x, tau)

    def at_rest(start: np.ndarray) -> np.ndarray:
        # The null vector itself may be part of the departure.
        found = start + gmres(left, -left(start), precondition, TOLERANCE, RESTART, MAX_RESTARTS)
        found /= float(found.sum()) * grid.cell_volume
        if not _l1(grid, left(found)) <= ACCEPTED:
            raise NumericalFailure(
                "the stationary state of the scheme semi-lagrangian was not found: what gathers "
                "where the noise vanishes has no density",
                "let the density evolve by [density], or take more cells",
            )
        return found

    found = at_rest(low)
    other = at_rest(low * (1.0 + 0.5 * _ramp(grid)))
    if not _l1(grid, found - other) <= UNIQUE:
        raise NumericalFailure(
            "the stationary density depends on where it begins",
            "add noise in the direction that has none, or let the density evolve by [density]",
        )
    found = low * trusted_ratio(found, low)
    found = _settled(grid, found, lambda x: march.limited(x, 0.0, dt), precondition)
    log_density = np.log(low) + np.log(trusted_ratio(found, low))
    log_density -= np.log(np.exp(log_density).sum() * grid.cell_volume)
    tilted = scaled_generator(generator, np.exp(np.log(low) - log_density))
    return log_density.reshape(grid.shape), tilted


def _settled(grid: Grid, density: np.ndarray, step: Product, precondition: Product) -> np.ndarray:
    """The density at which limited steps come to rest, from one nearby.

    What is left by some steps is what the preconditioner carries on to all those to come.
    """
    last = np.inf
    for _ in range(MOST_MARCHES):
        following = density
        for _ in range(SHORT_MARCH):
            following = step(following)
        left = step(following) - following
        size = _l1(grid, left)
        if size <= SETTLED or size > SLOW * last:
            break
        last = size
        ahead = precondition(left)
        ahead -= following * (ahead.sum() / following.sum())
        density = np.maximum(following + ahead, LEAST_SHARE * following)
        density /= float(density.sum()) * grid.cell_volume
    return following


def _ramp(grid: Grid) -> np.ndarray:
    """A smooth function between -1 and 1 that no symmetry of the box leaves unchanged; flat."""
    total = np.zeros(grid.shape)
    for number, (axis, x) in enumerate(zip(grid.domain.axes, grid.points, strict=True)):
        total = total + np.sin((x - axis.lower) / axis.length * (2.0 + number) + 0.3)
    return (total / grid.ndim).reshape(-1)


def _l1(grid: Grid, values: np.ndarray) -> float:
    return float(np.abs(values).sum()) * grid.cell_volume
