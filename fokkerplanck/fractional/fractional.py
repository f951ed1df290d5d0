"""Jumps on a grid: powers of the discrete Laplacian, diagonal under fast Fourier transforms.

(-L)^(alpha/2) with the three-point Laplacian L has non-positive off-diagonals and rows that sum to
zero for 0 < alpha < 2: it is an average of exp(tL) over t (subordination). So -(-L)^(alpha/2)
generates jumps between cells, positive and conservative, of order 2 in the cell width. What the
sides do is part of the operator:

- closed boxes: the power of the Laplacian with reflecting (or periodic) sides, the spectral
  fractional Laplacian. Jumps fold at the sides, as those of walkers do. Diagonal under cosine
  transforms, so exp(t A) is exact and costs one pair of them.
- absorbing boxes: the fractional Laplacian of the whole lattice restricted to the box: a jump that
  lands outside is gone, wherever it would go next (`killed`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import fft, special

from ..errors import CaseError, NumericalFailure
from ..grid import Grid
from ..problem.jumps import Jumps
from .restricted_laplacian import KilledJumps

# Negative values of an exponential beyond this share of the largest are no rounding.
ROUNDING = 1e-12
# Weights of jumps in the plane come from a torus this many times as long, less their images.
TORUS = 4
IMAGES = 3
# Sizes of time steps whose tables are kept.
KEPT_TABLES = 3


@dataclass(frozen=True, eq=False)
class Fractional:
    """Generator of the jumps on a grid.

    Parameters
    ----------
    grid : Grid
    jumps : Jumps

    Raises
    ------
    CaseError
        Where absorbing sides stand beside others, or there are three of them.
    """

    grid: Grid
    jumps: Jumps

    def __post_init__(self) -> None:
        sides = {side for axis in self.grid.domain.axes for side in axis.boundary}
        if "absorbing" in sides and sides != {"absorbing"}:
            raise CaseError("with alpha below 2 either every side is absorbing or none", "domain")
        if "absorbing" in sides and self.grid.ndim > 2:
            raise CaseError("absorbing sides with alpha below 2 take one or two axes", "domain")

    @property
    def closed(self) -> bool:
        """Whether nothing leaves."""
        return self.grid.domain.closed

    @cached_property
    def symbol(self) -> np.ndarray:
        """Eigenvalues of -A in a closed box, of the transform's shape; >= 0."""
        parts: list[np.ndarray] = []
        grid, alpha = self.grid, self.jumps.alpha
        for number, (axis, n, h) in enumerate(
            zip(grid.domain.axes, grid.shape, grid.spacing, strict=True)
        ):
            if axis.periodic:
                count = n // 2 + 1 if number == self._half else n
                angles = np.pi * np.arange(count) / n
            else:
                angles = 0.5 * np.pi * np.arange(n) / n
            shape = [1] * grid.ndim
            shape[number] = -1
            parts.append(((2.0 / h * np.sin(angles)) ** 2).reshape(shape))
        return self._power(parts, alpha)

    def _power(self, parts: list[np.ndarray], alpha: float) -> np.ndarray:
        """Eigenvalues from those of the Laplacians along the axes."""
        strengths = self.jumps.strengths
        if self.jumps.kind == "isotropic":
            total = parts[0]
            for part in parts[1:]:
                total = total + part
            return np.asarray(strengths[0] * total ** (0.5 * alpha))
        result = strengths[0] * parts[0] ** (0.5 * alpha)
        for strength, part in zip(strengths[1:], parts[1:], strict=True):
            result = result + strength * part ** (0.5 * alpha)
        return np.asarray(result)

    @cached_property
    def _periodic(self) -> tuple[int, ...]:
        return tuple(i for i, axis in enumerate(self.grid.domain.axes) if axis.periodic)

    @cached_property
    def _reflecting(self) -> tuple[int, ...]:
        return tuple(i for i, axis in enumerate(self.grid.domain.axes) if not axis.periodic)

    @property
    def _half(self) -> int:
        """The axis of which a real transform keeps half; -1 without periodic axes."""
        return self._periodic[-1] if self._periodic else -1

    def _transformed(self, values: np.ndarray, factor: np.ndarray) -> np.ndarray:
        """One pair of transforms around a product with ``factor``; values may be overwritten."""
        folded, around = self._reflecting, self._periodic
        if folded:
            values = fft.dctn(values, type=2, axes=folded, norm="ortho", overwrite_x=True)
        if around:
            values = fft.rfftn(values, axes=around)
        values *= factor
        if around:
            sizes = [self.grid.shape[i] for i in around]
            values = fft.irfftn(values, s=sizes, axes=around)
        if folded:
            values = fft.idctn(values, type=2, axes=folded, norm="ortho", overwrite_x=True)
        return np.asarray(values)

    def matvec(self, density: np.ndarray) -> np.ndarray:
        """A rho; symmetric, so that it is A^T rho too."""
        if self.closed:
            return -self._transformed(density.copy(), self.symbol)
        return self._killed.product(density)

    def exponential(self, density: np.ndarray, time: float) -> np.ndarray:
        """exp(tA) rho, exact in time.

        Raises
        ------
        NumericalFailure
            If the result is negative by more than rounding.
        """
        result = self.jump(density.copy(), time)
        return result * (density.sum() / result.sum()) if self.closed else result

    def jump(self, density: np.ndarray, time: float) -> np.ndarray:
        """As :meth:`exponential`, but the density may be overwritten, and mass has its rounding."""
        if not self.closed:
            return self._killed.step(density, time)
        high = density.max()
        result = self._transformed(density, self._decay(time))
        if result.min() < -ROUNDING * high:
            raise NumericalFailure("jumps left a negative density", "take a larger time step")
        # Tails are powers, far above the rounding that is cut off here.
        return np.maximum(result, 0.0, out=result)

    @cached_property
    def _decays(self) -> dict[float, np.ndarray]:
        return {}

    def _decay(self, time: float) -> np.ndarray:
        """exp(-time * symbol); the last few are kept."""
        if time not in self._decays:
            while len(self._decays) >= KEPT_TABLES:
                self._decays.pop(next(iter(self._decays)))
            self._decays[time] = np.exp(-time * self.symbol)
        return self._decays[time]

    @cached_property
    def _killed(self) -> KilledJumps:
        return KilledJumps(self.grid.shape, self.weights)

    @cached_property
    def weights(self) -> np.ndarray:
        """Rates of the jumps by cells between -(n-1) and n-1 per axis, the whole lattice's.

        The middle one is minus the sum of all others over the lattice.
        """
        grid, jumps = self.grid, self.jumps
        shape = tuple(2 * n - 1 for n in grid.shape)
        if grid.ndim == 1 or jumps.kind == "components":
            total = np.zeros(shape)
            for a, (n, h) in enumerate(zip(grid.shape, grid.spacing, strict=True)):
                line = lattice_weights(jumps.alpha, n) * jumps.strengths[a] / h**jumps.alpha
                index: list[int | slice] = [m - 1 for m in grid.shape]
                index[a] = slice(None)
                total[tuple(index)] += line
            return total
        return self._plane_weights()

    def lattice_symbol(self, sizes: Sequence[int]) -> np.ndarray:
        """Eigenvalues of -A on a torus of that many cells, of the shape of a real transform."""
        parts = []
        for a, (m, h) in enumerate(zip(sizes, self.grid.spacing, strict=True)):
            count = m // 2 + 1 if a == len(sizes) - 1 else m
            shape = [1] * len(sizes)
            shape[a] = -1
            parts.append(((2.0 / h * np.sin(np.pi * np.arange(count) / m)) ** 2).reshape(shape))
        return self._power(parts, self.jumps.alpha)

    def _plane_weights(self) -> np.ndarray:
        """Isotropic weights in the plane, from a torus less the images by their asymptotics."""
        grid, alpha = self.grid, self.jumps.alpha
        sizes = [TORUS * 2 * n for n in grid.shape]
        table = -fft.irfft2(self.lattice_symbol(sizes), s=sizes)
        away = [np.arange(-(n - 1), n) for n in grid.shape]
        weights = table[np.ix_(away[0], away[1])]
        x, y = away[0][:, None] * grid.spacing[0], away[1][None, :] * grid.spacing[1]
        lengths = [m * h for m, h in zip(sizes, grid.spacing, strict=True)]
        # Jump density c_2 |r|^(-2-alpha) of the plane.
        constant = 2.0**alpha * math.gamma(1.0 + 0.5 * alpha) / math.pi
        constant /= abs(math.gamma(-0.5 * alpha))
        scale = self.jumps.strengths[0] * constant * grid.cell_volume
        for i in range(-IMAGES, IMAGES + 1):
            for j in range(-IMAGES, IMAGES + 1):
                if i or j:
                    far = np.hypot(x + i * lengths[0], y + j * lengths[1])
                    weights = weights - scale * far ** (-2.0 - alpha)
        # What is further is as good as the same everywhere: the integral beyond those images.
        radius = math.sqrt(lengths[0] * lengths[1] / math.pi) * (2 * IMAGES + 1)
        area = lengths[0] * lengths[1]
        weights -= scale * 2.0 * math.pi * radius**-alpha / alpha / area
        return np.asarray(weights)

    @property
    def q(self) -> float:
        """Rate at which a cell is left by jumps."""
        if self.closed:
            return float(self.symbol.max())
        return -float(self.weights[tuple(n - 1 for n in self.grid.shape)])


def lattice_weights(alpha: float, n: int) -> np.ndarray:
    """Rates of -(-Laplacian)^(alpha/2) on the line of integers, for jumps of -(n-1) to n-1.

    Notes
    -----
    The coefficient of m is (-1)^m Gamma(alpha+1)/(Gamma(alpha/2+1+m) Gamma(alpha/2+1-m)), with the
    sign of -A; it falls like c |m|^(-1-alpha). By its ratio of neighbours no Gamma overflows.
    """
    half = 0.5 * alpha
    m = np.arange(1, n)
    first = special.gamma(alpha + 1.0) / special.gamma(half + 1.0) ** 2
    ratios = (m - 1.0 - half) / (m + half)
    side = first * np.cumprod(ratios)
    return np.concatenate([-side[::-1], [-first], -side])
