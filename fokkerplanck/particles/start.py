"""Where walkers begin: given places, a density on the grid, or a Gaussian."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..arrays import real_array
from ..errors import CaseError
from ..grid import Grid

START_KEY = "ensemble.start"
# Walkers drawn at a time; part of what a seed means.
CHUNK = 2**16
# A Gaussian with less than this much of its mass in the box is a mistake.
LEAST_MASS = 1e-3


@dataclass(frozen=True, eq=False)
class Gaussian:
    """A normal law, cut off at the box as the initial density is.

    Parameters
    ----------
    mean : (d,)
    covariance : (d, d), symmetric positive semi-definite
    """

    mean: np.ndarray
    covariance: np.ndarray


Start = np.ndarray | Gaussian


def starting_places(
    grid: Grid, start: Start, particles: int, seed: np.random.SeedSequence
) -> Iterator[tuple[int, np.ndarray]]:
    """First walker and places, (m, d), of one chunk after the other.

    Raises
    ------
    CaseError
        If shapes do not fit, places lie outside the box or a density is negative.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    if isinstance(start, Gaussian):
        draw = _gaussian(grid, start)
    else:
        start = real_array(start, START_KEY)
        if start.shape == (particles, grid.ndim) and start.shape != grid.shape:
            yield from _given(grid, start)
            return
        draw = _density(grid, start, particles)
    for first in range(0, particles, CHUNK):
        yield first, draw(rng, min(CHUNK, particles - first))


def _given(grid: Grid, start: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    for first in range(0, len(start), CHUNK):
        part = start[first : first + CHUNK]
        for axis, column in zip(grid.domain.axes, part.T, strict=True):
            inside = (column >= axis.lower) & (column <= axis.upper)
            if not inside.all():
                worst = column[int(np.argmin(inside))]
                raise CaseError(
                    f"a walker would start at {axis.name} = {worst:g}, outside "
                    f"[{axis.lower:g}, {axis.upper:g}]",
                    START_KEY,
                )
        yield first, part


def _density(grid: Grid, density: np.ndarray, particles: int):  # type: ignore[no-untyped-def]
    if density.shape != grid.shape:
        raise CaseError(
            f"has shape {density.shape}; give places of shape ({particles}, {grid.ndim}), a "
            f"density of shape {grid.shape} or a Gaussian",
            START_KEY,
        )
    flat = density.reshape(-1)
    if not (np.isfinite(flat).all() and flat.min() >= 0.0 and flat.max() > 0.0):
        raise CaseError("a density must be finite and >= 0 with a positive mass", START_KEY)
    total = np.cumsum(flat)
    lower = np.array([axis.lower for axis in grid.domain.axes])

    def draw(rng: np.random.Generator, count: int) -> np.ndarray:
        # Below the total, so that the cell found has mass.
        marks = np.minimum(rng.random(count) * total[-1], np.nextafter(total[-1], 0.0))
        cells = np.searchsorted(total, marks, side="right")
        corners = np.stack(np.unravel_index(cells, grid.shape), axis=1)
        return lower + (corners + rng.random((count, grid.ndim))) * grid.spacing

    return draw


def _gaussian(grid: Grid, law: Gaussian):  # type: ignore[no-untyped-def]
    d = grid.ndim
    mean, covariance = real_array(law.mean, START_KEY), real_array(law.covariance, START_KEY)
    if mean.shape != (d,) or covariance.shape != (d, d):
        raise CaseError(
            f"a mean of shape {mean.shape} and a covariance of shape {covariance.shape} do not "
            f"fit {d} axes",
            START_KEY,
        )
    values, vectors = np.linalg.eigh(covariance)
    if not (np.isfinite(mean).all() and values[0] >= -1e-12 * abs(values[-1])):
        raise CaseError("the covariance has a negative eigenvalue", START_KEY)
    factor = vectors * np.sqrt(np.maximum(values, 0.0))
    axes = grid.domain.axes

    def draw(rng: np.random.Generator, count: int) -> np.ndarray:
        places = np.empty((0, d))
        drawn = 0
        while len(places) < count:
            fresh = mean + rng.standard_normal((count, d)) @ factor.T
            inside = np.ones(count, dtype=bool)
            for i, axis in enumerate(axes):
                if axis.periodic:
                    fresh[:, i] = axis.lower + np.mod(fresh[:, i] - axis.lower, axis.length)
                inside &= (fresh[:, i] >= axis.lower) & (fresh[:, i] <= axis.upper)
            places = np.concatenate([places, fresh[inside]])
            drawn += count
            if drawn >= 100 and len(places) < LEAST_MASS * drawn:
                raise CaseError("the Gaussian lies outside the box", START_KEY)
        return places[:count]

    return draw
