"""exp of the Magnus series to order 4, commutator-free: for coefficients that change in time.

A step from t to t + dt is exp(dt/2 (b A_1 + a A_2)) exp(dt/2 (a A_1 + b A_2)), the right one first,
with the generators at the two Gauss nodes, a = 1/2 + 1/sqrt(3) and b = 1/2 - 1/sqrt(3) (Blanes and
Moan 2006). Both exponents are generators as long as no rate changes by more than a/|b| = 14 times
within a step: then the step is that of a Markov process, positive and conservative for every dt.
"""

from __future__ import annotations

import math

import numpy as np

from ..errors import NumericalFailure
from ..linear_solvers.shifted import DIRECT_CELLS, ShiftedSolver
from ..operators.generator import Generator
from ..operators.mixture import mixture
from .exponential import uniformize
from .krylov import rational_krylov
from .system import System

# Seconds of one product, of its edges, of a Krylov space and of its vectors, and of the factors
# of a matrix by dimension, with the power of the cells that they grow with. Measured on two cores;
# only their ratios matter.
PRODUCT, PER_EDGE = 2e-7, 1e-9
KRYLOV, KRYLOV_CELL = 4e-3, 3e-6
FILL = {1: (1e-6, 1.0), 2: (2e-7, 1.5), 3: (1e-8, 2.0)}
# Accuracy asked of a Krylov space, in L1 relative to the mass.
KRYLOV_TOLERANCE = 1e-12
# Gauss nodes of a step, and the shares of the two generators in each of its exponentials.
NODES = (0.5 - math.sqrt(3.0) / 6.0, 0.5 + math.sqrt(3.0) / 6.0)
SHARES = (0.5 + math.sqrt(3.0) / 3.0, 0.5 - math.sqrt(3.0) / 3.0)


def step_magnus(system: System, density: np.ndarray, time: float, dt: float) -> np.ndarray:
    """Two exponentials of mixtures of the generators at the Gauss nodes."""
    if system.autonomous:
        return _exponential(system, system.at(time), density, dt)
    early, late = (system.at(time + node * dt) for node in NODES)
    for share, rest in (SHARES, SHARES[::-1]):
        density = _exponential(system, mixture(early, share, late, rest), density, 0.5 * dt)
    return density


def _exponential(
    system: System, generator: Generator, density: np.ndarray, dt: float
) -> np.ndarray:
    """exp(dt A) by Krylov spaces where these cost less, else by uniformization.

    The first lets nothing pass that rounding does not explain; then it is the second, too.
    """
    if krylov_seconds(generator) < uniformization_seconds(generator, dt):
        try:
            result, solves = rational_krylov(
                ShiftedSolver(generator), density, dt, KRYLOV_TOLERANCE
            )
            system.counts["solves"] += solves
            return result
        except NumericalFailure:
            system.counts["failed Krylov spaces"] += 1
    result, products = uniformize(generator, density, dt)
    system.counts["products"] += products
    return result


def propagated(system: System, generator: Generator, values: np.ndarray, dt: float) -> np.ndarray:
    """exp(dt A) applied to values of any sign, in the way of the steps."""
    if krylov_seconds(generator) < uniformization_seconds(generator, dt):
        gained = _exponential(system, generator, np.maximum(values, 0.0), dt)
        return gained - _exponential(system, generator, np.maximum(-values, 0.0), dt)
    result, products = uniformize(generator, values, dt)
    system.counts["products"] += products
    return result


def uniformization_seconds(generator: Generator, dt: float) -> float:
    """About how long exp(dt A) takes by uniformization."""
    s = generator.q * dt
    edges = generator.rates.forward.size
    return (s + 6.0 * math.sqrt(s) + 10.0) * (PRODUCT + edges * PER_EDGE)


def krylov_seconds(generator: Generator) -> float:
    """About how long exp(dt A) takes by rational Krylov spaces; inf for grids too large."""
    grid = generator.grid
    if grid.size > DIRECT_CELLS[grid.ndim]:
        return math.inf
    fill, power = FILL[grid.ndim]
    return KRYLOV + grid.size * KRYLOV_CELL + fill * grid.size**power
