"""Jumps that end where they leave the box: the free lattice's, restricted to the cells.

A = R A_free R, R the restriction to the box, is symmetric. Its exponential is a matrix on grids so
small that one fits, else a sum of Chebyshev polynomials of A, each of which costs a pair of fast
transforms of twice the cells per axis. Both are exact in time.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy import fft
from scipy.linalg import toeplitz

from ..timestepping.exponential import chebyshev_coefficients

# Cells along one axis up to which a product with the full matrix costs less than the transforms.
FULL_CELLS = 600
# Sizes of time steps whose matrices are kept.
KEPT_TABLES = 6


class KilledJumps:
    """The generator of jumps restricted to a box, and its exponential.

    Parameters
    ----------
    shape : tuple of int
        Cells, along one axis or two.
    weights : (2 n - 1, ...) float64
        Rates of the free lattice's jumps by between -(n - 1) and n - 1 cells; the one in the
        middle is minus the rate at which a cell is left.
    """

    def __init__(self, shape: tuple[int, ...], weights: np.ndarray):
        self.shape, self.weights = shape, weights
        self.q = -float(weights[tuple(n - 1 for n in shape)])
        self._sizes = tuple(fft.next_fast_len(2 * n - 1, real=True) for n in shape)
        self._rates = self._spectrum(weights)
        self._kept: dict[float, np.ndarray] = {}

    def product(self, density: np.ndarray) -> np.ndarray:
        """A rho, of the density's shape; symmetric."""
        shape, sizes = self.shape, self._sizes
        values = fft.rfft(density, n=sizes[-1], axis=-1)
        # Rows that are nothing before or not wanted after are left out.
        if len(shape) == 1:
            values *= self._rates
        else:
            values = fft.fft(values, n=sizes[0], axis=0)
            values *= self._rates
            values = fft.ifft(values, axis=0, overwrite_x=True)[: shape[0]]
        result = fft.irfft(values, n=sizes[-1], axis=-1, overwrite_x=True)
        return np.ascontiguousarray(result[..., : shape[-1]])

    def step(self, density: np.ndarray, time: float) -> np.ndarray:
        """exp(time A) rho, >= 0."""
        if len(self.shape) == 1 and self.shape[0] <= FULL_CELLS:
            return self._matrix(time) @ density
        # Tails are powers, far above the rounding that is cut off here.
        return np.maximum(self._polynomials(density, time), 0.0)

    def _matrix(self, time: float) -> np.ndarray:
        """exp(time A), entries >= 0; the last few are kept."""
        if time not in self._kept:
            while len(self._kept) >= KEPT_TABLES:
                self._kept.pop(next(iter(self._kept)))
            rates, modes = self._modes
            self._kept[time] = np.maximum((modes * np.exp(time * rates)) @ modes.T, 0.0)
        return self._kept[time]

    @cached_property
    def _modes(self) -> tuple[np.ndarray, np.ndarray]:
        n = self.shape[0]
        rates, modes = np.linalg.eigh(toeplitz(self.weights[n - 1 :]))
        return rates, modes

    def _polynomials(self, density: np.ndarray, time: float) -> np.ndarray:
        """sum_k c_k T_k(A/q + 1) rho, with the spectrum of A between -2 q and 0."""
        coefficients = chebyshev_coefficients(self.q * time)
        before = density
        current = self.product(before) / self.q + before
        total = coefficients[0] * before + coefficients[1] * current
        for coefficient in coefficients[2:]:
            following = 2.0 * (self.product(current) / self.q + current) - before
            before, current = current, following
            total += coefficient * current
        return np.asarray(total)

    def _spectrum(self, kernel: np.ndarray) -> np.ndarray:
        padded = np.zeros(self._sizes)
        padded[np.ix_(*(np.arange(-(n - 1), n) for n in self.shape))] = kernel
        # Kernels are even, and so their transforms are real.
        return np.ascontiguousarray(fft.rfftn(padded).real)
