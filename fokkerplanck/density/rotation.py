"""The slowest oscillation of a generator: its leading complex pair of eigenvalues."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs

from .generator import Generator
from .shifted import ShiftedSolver

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
    if generator.detailed_balance:
        return None
    solver = ShiftedSolver(generator)
    # About the slowest rate of a box that diffuses at the rate q between cells.
    shift = generator.q / max(generator.grid.shape) ** 2
    resolvent = LinearOperator(
        generator.shape,
        lambda x: solver.solve(np.ascontiguousarray(x).reshape(-1), 1.0 / shift),
        dtype=np.float64,
    )
    start = np.random.default_rng(90217).random(generator.grid.size)
    if generator.grid.size <= COUNT + 1:
        return None
    try:
        moved, vectors = eigs(resolvent, k=COUNT, which="LM", v0=start, tol=TOLERANCE)
    except ArpackNoConvergence as stopped:
        moved, vectors = stopped.eigenvalues, stopped.eigenvectors
    # (I - A/shift)^-1 has eigenvalue 1/(1 - lambda/shift).
    values = shift * (1.0 - 1.0 / moved)
    turning = np.flatnonzero(values.imag > COMPLEX * np.abs(values))
    if not turning.size:
        return None
    best = turning[np.argmax(values.real[turning])]
    value, vector = values[best], vectors[:, best]
    image = generator.matvec(vector.real.copy()) + 1j * generator.matvec(vector.imag.copy())
    residual = np.linalg.norm(image - value * vector) / np.linalg.norm(vector)
    return Rotation(float(value.imag), float(-value.real), float(residual / generator.q))
