"""Initial densities on a grid, normalised to mass one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..errors import CaseError
from ..grid import Grid


def gaussian_density(grid: Grid, mean: ArrayLike, covariance: np.ndarray) -> np.ndarray:
    """Normal density at the cell centres; its mass inside the box is scaled to one.

    Parameters
    ----------
    grid : Grid
    mean : (d,)
    covariance : (d, d), symmetric positive definite

    Notes
    -----
    Across periodic axes the nearest image counts, which is exact while the density is narrower
    than the period.

    Examples
    --------
    >>> import fokkerplanck as fp
    >>> grid = fp.Problem("x**2/2", domain={"x": (-6, 6)}).grid(64)
    >>> start = fp.gaussian_density(grid, [1.0], [[0.25]])
    >>> (x,) = grid.points
    >>> round(float(grid.integrate(start)), 12), round(float(grid.integrate(x * start)), 6)
    (1.0, 1.0)
    """
    offsets = []
    for axis, points, center in zip(grid.domain.axes, grid.points, np.ravel(mean), strict=True):
        offset = points - center
        if axis.periodic:
            offset = offset - axis.length * np.round(offset / axis.length)
        offsets.append(offset)
    precision = np.linalg.inv(np.asarray(covariance, dtype=float))
    exponent = np.zeros(grid.shape)
    for i in range(grid.ndim):
        for j in range(grid.ndim):
            exponent -= 0.5 * precision[i, j] * offsets[i] * offsets[j]
    return normalised(grid, np.exp(exponent - exponent.max()))


def point_density(grid: Grid, mean: ArrayLike) -> np.ndarray:
    """A point mass, shared among the neighbouring cells so that its mean is exact.

    Its variance is at most a quarter of a squared cell width per axis. Within half a cell of a
    side it moves to the centre of the last cell.
    """
    density = np.ones((1,) * grid.ndim)
    place = np.ravel(mean)
    for number, (centers, h) in enumerate(zip(grid.centers, grid.spacing, strict=True)):
        weights = np.maximum(0.0, 1.0 - np.abs(centers - place[number]) / h)
        if weights.sum() < 1.0 - 1e-9:
            weights = (np.arange(centers.size) == np.argmin(np.abs(centers - place[number]))) * 1.0
        shape = [1] * grid.ndim
        shape[number] = -1
        density = density * weights.reshape(shape)
    return normalised(grid, density)


def formula_density(
    grid: Grid,
    formula: Callable[[Sequence[np.ndarray]], np.ndarray],
    key: str = "initial.formula",
) -> np.ndarray:
    """Density from its unnormalised values; ``key`` is that of the case, for messages.

    Raises
    ------
    CaseError
        If a value is negative or not a number, or all are zero.
    """
    values = np.broadcast_to(formula(grid.points), grid.shape)
    bad = ~np.isfinite(values) | (values < 0.0)
    if bad.any():
        cell = np.unravel_index(int(np.argmax(bad)), grid.shape)
        place = ", ".join(
            f"{name} = {centers[i]:.6g}"
            for name, centers, i in zip(grid.names, grid.centers, cell, strict=True)
        )
        raise CaseError(f"is {values[cell]:g} at {place}; a density is a number >= 0", key)
    if not values.any():
        raise CaseError("is zero on the whole grid; a density needs some mass", key)
    return normalised(grid, values)


def normalised(grid: Grid, values: np.ndarray) -> np.ndarray:
    """Scale values to mass one."""
    # By a power of two first, which changes no bit: sums of values like 1e308 are not numbers.
    values = np.ldexp(values, -int(np.frexp(values.max())[1]))
    return values / grid.integrate(values)
