"""Jumps that end where they leave the box: the free lattice's, kept honest at the sides.

A = R A_free R, R the restriction to the box. exp(dt A_free) between two restrictions costs one
pair of transforms but lets walkers out and back within a step: up to some (K dt)^(1/alpha) from
the sides too many survive. The result is scaled by w <= 1, cell by cell, so that the slowest mode
phi of A decays as it should, w R exp(dt A_free) phi = exp(lambda dt) phi. Near a side every smooth
density looks like phi, so that this mends most of it: order 1 in time, positive, at any dt.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from scipy import fft
from scipy.sparse import linalg

from ..errors import NumericalFailure
from ..silence import ignoring

# Kernels of a step come from a torus this many times as long as the box; what comes around it has
# jumped once, and single jumps are known.
TORUS = 4
# The slowest mode: residual asked for and accepted, relative to its rate; iterations at most.
TOLERANCE = 1e-9
LARGEST_RESIDUAL = 1e-5
ITERATIONS = 400
# Sizes of time steps whose tables are kept.
KEPT_TABLES = 3


class KilledJumps:
    """The generator of jumps restricted to a box, and steps of it.

    Parameters
    ----------
    shape : tuple of int
        Cells, along one axis or two.
    weights : (2 n - 1, ...) float64
        Rates of the free lattice's jumps by between -(n - 1) and n - 1 cells.
    symbol : callable
        Eigenvalues of -A on a torus of given sizes, of the shape of a real transform.
    near : float64 ndarray of ``shape``
        Eigenvalues under sine transforms of an operator close to -A, as a preconditioner.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        weights: np.ndarray,
        symbol: Callable[[Sequence[int]], np.ndarray],
        near: np.ndarray,
    ):
        self.shape, self.weights, self.symbol, self.near = shape, weights, symbol, near
        self._sizes = tuple(fft.next_fast_len(2 * n - 1, real=True) for n in shape)
        self._rates = self._spectrum(weights)
        self._kept: dict[float, tuple[np.ndarray, np.ndarray]] = {}

    def product(self, density: np.ndarray) -> np.ndarray:
        """A rho, of the density's shape; symmetric."""
        return self._convolved(density, self._rates)

    def step(self, density: np.ndarray, time: float) -> np.ndarray:
        """Density after ``time``; >= 0, and its mass does not grow."""
        kernel, scale = self._tables(time)
        result = self._convolved(density, kernel)
        # Tails are powers, far above the rounding that is cut off here.
        np.maximum(result, 0.0, out=result)
        result *= scale
        return result

    @cached_property
    def slowest(self) -> tuple[float, np.ndarray]:
        """Rate lambda < 0 and shape phi > 0 of the slowest mode; the largest value is 1.

        Raises
        ------
        NumericalFailure
            If the iteration does not converge.
        """
        size = math.prod(self.shape)

        def operator(product: Callable[[np.ndarray], np.ndarray]) -> linalg.LinearOperator:
            def column(x: np.ndarray) -> np.ndarray:
                return product(x.reshape(self.shape)).reshape(x.shape)

            return linalg.LinearOperator((size, size), column, matmat=column, dtype=float)

        def divided(x: np.ndarray) -> np.ndarray:
            return np.asarray(fft.idstn(fft.dstn(x, type=2) / self.near, type=2))

        start = np.ones(self.shape)
        for a, n in enumerate(self.shape):
            wave = np.sin(np.pi * (np.arange(n) + 0.5) / n)
            start = start * wave.reshape([-1 if a == i else 1 for i in range(len(self.shape))])
        # Whether it has converged is seen below.
        with ignoring(UserWarning, module=re.escape(__name__)):
            rates, modes = linalg.lobpcg(
                operator(lambda x: -self.product(x)),
                start.reshape(-1, 1),
                M=operator(divided),
                tol=TOLERANCE * float(self.near.min()),
                maxiter=ITERATIONS,
                largest=False,
            )
        rate, mode = -float(rates[0]), modes[:, 0].reshape(self.shape)
        mode = mode / mode.flat[np.abs(mode).argmax()]
        off = float(np.abs(self.product(mode) - rate * mode).max())
        if not off <= LARGEST_RESIDUAL * abs(rate):
            raise NumericalFailure(
                "the slowest mode of the jumps was not found", "take fewer cells"
            )
        return rate, mode

    def _tables(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Transform of the kernel of exp(time A_free), and the scale w; the last few are kept."""
        if time not in self._kept:
            while len(self._kept) >= KEPT_TABLES:
                self._kept.pop(next(iter(self._kept)))
            kernel = self._spectrum(self._free(time))
            rate, mode = self.slowest
            # w <= 1 but for rounding: exp(time A) <= R exp(time A_free) R entry by entry.
            scale = np.minimum(math.exp(rate * time) * mode / self._convolved(mode, kernel), 1.0)
            self._kept[time] = kernel, np.maximum(scale, 0.0)
        return self._kept[time]

    def _free(self, time: float) -> np.ndarray:
        """exp(time A_free) between cells up to n - 1 apart, of the shape of the weights.

        What a torus adds to it has come around by one long jump, as has what it adds to the rates;
        two of them are of second order in the time over that of a jump as long as the torus.
        """
        sizes = [TORUS * n for n in self.shape]
        symbol = self.symbol(sizes)
        table = fft.irfftn(np.exp(-time * symbol) + time * symbol, s=sizes)
        away = np.ix_(*(np.arange(-(n - 1), n) for n in self.shape))
        return np.maximum(table[away] + time * self.weights, 0.0)

    def _spectrum(self, kernel: np.ndarray) -> np.ndarray:
        padded = np.zeros(self._sizes)
        padded[np.ix_(*(np.arange(-(n - 1), n) for n in self.shape))] = kernel
        # Kernels are even, and so their transforms are real.
        return np.ascontiguousarray(fft.rfftn(padded).real)

    def _convolved(self, density: np.ndarray, spectrum: np.ndarray) -> np.ndarray:
        """Convolution on the box; rows that are nothing before or not wanted after are left out."""
        shape, sizes = self.shape, self._sizes
        values = fft.rfft(density, n=sizes[-1], axis=-1)
        if len(shape) == 1:
            values *= spectrum
        else:
            values = fft.fft(values, n=sizes[0], axis=0)
            values *= spectrum
            values = fft.ifft(values, axis=0, overwrite_x=True)[: shape[0]]
        result = fft.irfft(values, n=sizes[-1], axis=-1, overwrite_x=True)
        return np.ascontiguousarray(result[..., : shape[-1]])
