"""The slowest oscillation of a generator: its leading complex pair of eigenvalues."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..linear_solvers.shifted import ShiftedSolver
from ..operators.generator import Generator
from .resolvent import arnoldi, box_rate, residual

# Modes looked at before giving up on an oscillation.
COUNT = 10
# A pair counts as oscillating above this share of its modulus: less than a hundredth of a turn per
# decay time is no oscillation, and the grid splits equal real eigenvalues into such pairs.
COMPLEX = 5e-2
# Relative accuracy of the eigenvalues asked for.
TOLERANCE = 1e-10


@dataclass(frozen=True)
class Rotation:
    """An oscillating mode exp(-decay t) cos(frequency t).

    Attributes
    ----------
    frequency : float
        |Im lambda|, angular, per unit time.
    decay : float
        -Re lambda, per unit time.
    residual : float
        |A u - lambda u| / (q |u|).
    """

    frequency: float
    decay: float
    residual: float

    @property
    def quality(self) -> float:
        """Quality factor frequency/(2 decay); frequency/(2 pi decay) turns stay coherent."""
        return self.frequency / (2.0 * self.decay)


def leading_rotation(generator: Generator) -> Rotation | None:
    """Slowest decaying complex pair of eigenvalues, by shift-invert Arnoldi just right of zero.

    Parameters
    ----------
    generator : Generator

    Returns
    -------
    Rotation or None
        None under detailed balance, and where the slowest 10 modes do not oscillate.
    """
    if generator.detailed_balance or generator.grid.size <= COUNT + 1:
        return None
    solver = ShiftedSolver(generator)
    values, vectors = arnoldi(solver, COUNT, box_rate(generator), TOLERANCE, partial=True)
    turning = np.flatnonzero(values.imag > COMPLEX * np.abs(values))
    if not turning.size:
        return None
    best = turning[np.argmax(values.real[turning])]
    value = values[best]
    return Rotation(
        float(value.imag), float(-value.real), residual(generator, value, vectors[best])
    )
