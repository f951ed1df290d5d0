"""One step of every method: step(system, density, time, dt) -> density, on flat arrays.

Coefficients that depend on time are frozen at the middle of the step, which keeps order 2.
"""

from __future__ import annotations

import numpy as np

from .exponential import (
    MAX_WEIGHT,
    at_rest,
    chebyshev,
    chebyshev_products,
    chebyshev_weight,
    uniformization_products,
    uniformize,
)
from .krylov import rational_krylov
from .limiter import add_limited
from .system import System

# Below this s = q t uniformization costs less than Chebyshev's scaling and unscaling.
FEW_PRODUCTS = 40.0
# Share of a step that uniformization covers before Chebyshev is tried again.
APPROACH = 1.0 / 64.0
# Accuracy asked of the Krylov method, in L1 relative to the mass.
KRYLOV_TOLERANCE = 1e-12
# Products that a step by the Krylov method with its factors costs, at most.
KRYLOV_PRODUCTS = 2e4


def step_uniformization(system: System, density: np.ndarray, time: float, dt: float) -> np.ndarray:
    """exp(dt A) by uniformization."""
    generator = system.at(time + 0.5 * dt)
    result, products = uniformize(generator, density, dt, system.within(time, dt))
    system.counts["products"] += products
    return result


def step_chebyshev(system: System, density: np.ndarray, time: float, dt: float) -> np.ndarray:
    """exp(dt A) by Chebyshev polynomials; needs detailed balance."""
    generator = system.at(time + 0.5 * dt)
    result, products = chebyshev(generator, density, dt, system.within(time, dt))
    system.counts["products"] += products
    return result


def step_krylov(system: System, density: np.ndarray, time: float, dt: float) -> np.ndarray:
    """exp(dt A) by rational Krylov."""
    solver = system.solver(time + 0.5 * dt)
    result, solves = rational_krylov(solver, density, dt, KRYLOV_TOLERANCE)
    system.counts["solves"] += solves
    rest = at_rest(solver.generator, result)
    return result if rest is None else rest


def step_exponential(system: System, density: np.ndarray, time: float, dt: float) -> np.ndarray:
    """exp(dt A) by Chebyshev where detailed balance and rounding allow it, else uniformization.

    A density far from its Gibbs state is brought nearer by short uniformizations first. Where
    either takes too many products, factors and a Krylov space serve.
    """
    generator = system.at(time + 0.5 * dt)
    s = generator.q * dt
    if uniformization_products(s) > KRYLOV_PRODUCTS and system.affords_factors:
        short = generator.detailed_balance and chebyshev_weight(generator, density) <= MAX_WEIGHT
        if not short or chebyshev_products(s) > KRYLOV_PRODUCTS:
            return step_krylov(system, density, time, dt)
    remaining = dt
    while generator.detailed_balance and generator.q * remaining > FEW_PRODUCTS:
        if chebyshev_weight(generator, density) <= MAX_WEIGHT:
            rest = system.within(time + dt - remaining, remaining)
            result, products = chebyshev(generator, density, remaining, rest)
            system.counts["products"] += products
            return result
        piece = max(FEW_PRODUCTS / generator.q, APPROACH * dt)
        begun = system.within(time + dt - remaining, piece)
        density, products = uniformize(generator, density, piece, begun)
        system.counts["products"] += products
        remaining -= piece
    if remaining > 0.0:
        rest = system.within(time + dt - remaining, remaining)
        density, products = uniformize(generator, density, remaining, rest)
        system.counts["products"] += products
    return density


def step_split(system: System, density: np.ndarray, time: float, dt: float) -> np.ndarray:
    """Strang splitting over the lattice offsets, extrapolated backward Euler on every chain."""
    chains = system.chains(time + 0.5 * dt)
    result = density.copy()
    for chain in chains[:-1]:
        chain.advance(result, 0.5 * dt)
    chains[-1].advance(result, dt)
    for chain in reversed(chains[:-1]):
        chain.advance(result, 0.5 * dt)
    system.counts["sweeps"] += 2 * len(chains) - 1
    return result


def step_implicit(system: System, density: np.ndarray, time: float, dt: float) -> np.ndarray:
    """Backward Euler with the coefficients of the end of the step."""
    system.counts["solves"] += 1
    return system.solver(time + dt).solve_positive(density, dt)


def step_extrapolated(system: System, density: np.ndarray, time: float, dt: float) -> np.ndarray:
    """Two backward Euler steps of dt/2, extrapolated by limited fluxes: order 2, positive."""
    solver = system.solver(time + 0.5 * dt)
    system.counts["solves"] += 3
    full = solver.solve_positive(density, dt)
    middle = solver.solve_positive(density, 0.5 * dt)
    half = solver.solve_positive(middle, 0.5 * dt)
    return add_limited(solver.generator, half, 0.5 * (middle + half) - full, dt)


def step_explicit(system: System, density: np.ndarray, time: float, dt: float) -> np.ndarray:
    """Strong-stability-preserving Runge-Kutta of order 3 (Shu and Osher 1988), dt q <= 1."""
    first = np.empty_like(density)
    system.at(time).combine(density, dt, 1.0, density, 0.0, first)
    second = density.copy()
    system.at(time + dt).combine(first, 0.25 * dt, 0.25, second, 0.75, second)
    third = density.copy()
    system.at(time + 0.5 * dt).combine(second, 2.0 / 3.0 * dt, 2.0 / 3.0, third, 1.0 / 3.0, third)
    system.counts["products"] += 3
    return third
