"""exp of the Magnus series to order 4, commutator-free: for coefficients that change in time.

A step from t to t + dt is exp(dt/2 (b A_1 + a A_2)) exp(dt/2 (a A_1 + b A_2)), the right one first,
with the generators at the two Gauss nodes, a = 1/2 + 1/sqrt(3) and b = 1/2 - 1/sqrt(3) (Blanes and
Moan 2006). Both exponents are generators as long as no rate changes by more than a/|b| = 14 times
within a step: then the step is that of a Markov process, positive and conservative for every dt.
"""

from __future__ import annotations

import math

import numpy as np

from .exponential import uniformize
from .generator import Generator
from .krylov import rational_krylov
from .mixture import mixture
from .shifted import DIRECT_CELLS, ShiftedSolver
from .system import System

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
    """exp(dt A) by whichever is cheaper."""
    result, products = uniformize(generator, density, dt)
    system.counts["products"] += products
    return result
