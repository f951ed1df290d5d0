"""Steps whose noise acts along axes and varies across them only, as with momentum: exact noise.

Such noise is a Gaussian convolution along lines of cells, diagonal in cosines at reflecting sides,
in sines at absorbing and in plane waves at periodic ones. Half a step of the drift goes before it
and half a step behind. Without nodes no wave of their spacing is there to grow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from ..grid import Grid
from ..problem import Problem
from .frames import Frames
from .step_operator import StepOperator, drift_operator

# Differences of Sigma along a noisy axis, relative to its largest value, that are rounding.
ROUNDING = 1e-13


@dataclass(frozen=True, eq=False)
class AxisNoiseOperator:
    """P of a step: half of the drift, the noise, the other half.

    Attributes
    ----------
    grid : Grid
    half : StepOperator
        Of half a step of the drift.
    factors : tuple of (int, ndarray)
        For each noisy axis its number and the factors of the waves along it, of the grid's shape.
    """

    grid: Grid
    half: StepOperator
    factors: tuple[tuple[int, np.ndarray], ...]

    @property
    def spread(self) -> np.ndarray:
        """Nothing of the noise is seen as nodes."""
        return np.zeros(self.grid.size)

    def deposit(self, mass: np.ndarray) -> np.ndarray:
        """P m, flat."""
        return self.half.deposit(self._smoothed(self.half.deposit(mass)))

    def adjoint(self, values: np.ndarray) -> np.ndarray:
        """P^T u, flat."""
        return self.half.adjoint(self._smoothed(self.half.adjoint(values)))

    def _smoothed(self, values: np.ndarray) -> np.ndarray:
        """The convolution, which is symmetric."""
        field = values.reshape(self.grid.shape)
        for axis, factor in self.factors:
            sides = self.grid.domain.axes[axis].boundary
            if sides[0] == "periodic":
                n = self.grid.shape[axis]
                field = fft.irfft(fft.rfft(field, axis=axis) * factor, n, axis=axis)
            elif sides[0] == "reflecting":
                field = fft.idct(fft.dct(field, axis=axis) * factor, axis=axis)
            else:
                field = fft.idst(fft.dst(field, axis=axis) * factor, axis=axis)
        return field.reshape(-1)


def acts_along_axes(problem: Problem, grid: Grid, time: float) -> bool:
    """Whether Sigma is diagonal, and does not vary along axes that it acts on.

    Axes between a reflecting and an absorbing side have no simple waves, and are left out.
    """
    d = grid.ndim
    sigma = problem.sigma_at(grid.points, time)
    sigma = np.broadcast_to(sigma, (d, d, *grid.shape))
    least = ROUNDING * float(np.abs(sigma).max())
    if any(np.abs(sigma[i, j]).max() > least for i in range(d) for j in range(i)):
        return False
    noisy = [axis for axis in range(d) if sigma[axis, axis].max() > least]
    if any(len(set(grid.domain.axes[axis].boundary)) > 1 for axis in noisy):
        return False
    return all(
        np.ptp(sigma[other, other], axis=axis).max() <= least for axis in noisy for other in noisy
    )


def axis_noise_operator(frames: Frames, dt: float) -> AxisNoiseOperator:
    """The operator of a step, where :func:`acts_along_axes` holds."""
    problem, grid = frames.problem, frames.grid
    sigma = problem.sigma_at(grid.points, frames.time)
    sigma = np.broadcast_to(sigma, (grid.ndim, grid.ndim, *grid.shape))
    factors = []
    for number, axis in enumerate(grid.domain.axes):
        if not sigma[number, number].any():
            continue
        n = grid.shape[number]
        # Variance along each line, which is the same all along it.
        variance = np.take(sigma[number, number], [0], axis=number) * (2.0 * dt / problem.beta)
        waves: np.ndarray = np.arange(n) * (np.pi / axis.length)
        if axis.periodic:
            waves = np.arange(n // 2 + 1) * (2.0 * np.pi / axis.length)
        elif axis.boundary[0] == "absorbing":
            waves = (np.arange(n) + 1.0) * (np.pi / axis.length)
        shape = [-1 if i == number else 1 for i in range(grid.ndim)]
        factors.append((number, np.exp(-0.5 * variance * waves.reshape(shape) ** 2)))
    return AxisNoiseOperator(grid, drift_operator(frames, 0.5 * dt), tuple(factors))
