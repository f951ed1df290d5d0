"""Densities and walkers drawn from them, for the tests of the validation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fokkerplanck.domain import Domain
from fokkerplanck.grid import Grid
from fokkerplanck.validation import Bins, cell_masses

MANY = 10**14


@dataclass(frozen=True)
class Mixture:
    """A sum of Gaussians on a grid; a fraction ``outside`` of it has been absorbed.

    ``parts`` holds (weight, mean, covariance).
    """

    grid: Grid
    parts: tuple[tuple[float, tuple[float, ...], tuple[tuple[float, ...], ...]], ...]
    outside: float = 0.0

    def density(self, scale: float = 1.0) -> np.ndarray:
        """At the cell centres, with every covariance multiplied by ``scale``."""
        result = np.zeros(self.grid.shape)
        for weight, mean, covariance in self.parts:
            inverse = np.linalg.inv(scale * np.array(covariance))
            y = [x - m for x, m in zip(self.grid.points, mean, strict=True)]
            square = sum(inverse[i, j] * y[i] * y[j] for i in range(len(y)) for j in range(len(y)))
            part = np.exp(-0.5 * square)
            result += weight * part / self.grid.integrate(part)
        return (1.0 - self.outside) * result

    def masses(self, scale: float = 1.0) -> np.ndarray:
        return cell_masses(self.grid, self.density(scale))

    def walkers(self, rng: np.random.Generator, particles: int) -> np.ndarray:
        """Places of walkers, shape (particles, d)."""
        shares = rng.multinomial(particles, [part[0] for part in self.parts])
        return np.concatenate(
            [
                rng.multivariate_normal(mean, covariance, size=number)
                for number, (_, mean, covariance) in zip(shares, self.parts, strict=True)
            ]
        )

    def counted(self, places: np.ndarray) -> np.ndarray:
        edges = [np.append(bounds[:, 0], bounds[-1, 1]) for bounds in self.grid.bounds]
        return np.histogramdd(places, bins=edges)[0].astype(np.int64)


def draw(rng: np.random.Generator, masses: np.ndarray, particles: int) -> np.ndarray:
    """Counts of walkers drawn by their masses; what is missing to 1 is outside."""
    cells = masses.ravel()
    outside = max(1.0 - cells.sum(), 0.0)
    probabilities = np.append(cells, outside)
    number = rng.multinomial(particles, probabilities / probabilities.sum())
    return number[:-1].reshape(masses.shape)


def tilted(mixture: Mixture, bins: Bins, level: int, relative: float) -> np.ndarray:
    """Masses with an error of the root-mean-square size ``relative`` in one level of halvings."""
    masses = mixture.masses()
    p = bins.pool(masses)
    change = np.zeros(bins.boxes)
    for first, middle, last in bins.splits[bins.levels == level]:
        lower, upper = p[first:middle].sum(), p[middle:last].sum()
        change[first:middle], change[middle:last] = (
            np.sqrt(upper / lower),
            -np.sqrt(lower / upper),
        )
    return masses * (1.0 + relative * change[bins.labels])


def box(cells: int, *ranges: tuple[float, float]) -> Grid:
    return Grid.of(Domain.from_mapping(dict(zip("xyz", ranges, strict=False))), cells)


WIDE = (-4.0, 4.0)
LINE = Mixture(box(120, WIDE), ((1.0, (0.3,), ((0.4,),)),))
LINE_WELLS = Mixture(box(150, WIDE), ((0.3, (-1.2,), ((0.1,),)), (0.7, (1.0,), ((0.2,),))))
PLANE = Mixture(box(48, WIDE, WIDE), ((1.0, (0.2, -0.1), ((0.5, 0.2), (0.2, 0.4))),))
PLANE_WELLS = Mixture(
    box(48, WIDE, WIDE),
    (
        (0.6, (-1.1, 0.0), ((0.3, 0.1), (0.1, 0.4))),
        (0.4, (1.3, 0.4), ((0.25, -0.05), (-0.05, 0.3))),
    ),
)
PLANE_ABSORBED = Mixture(PLANE.grid, PLANE.parts, outside=0.3)
SPACE = Mixture(
    box(20, WIDE, WIDE, WIDE),
    ((1.0, (0.2, -0.1, 0.0), ((0.6, 0.2, 0.0), (0.2, 0.5, 0.1), (0.0, 0.1, 0.7))),),
)


def nearest(masses: np.ndarray, walkers: int = MANY) -> np.ndarray:
    """Counts without sampling noise."""
    return np.rint(masses * walkers).astype(np.int64)


def ring(cells: int) -> Grid:
    """A periodic axis of length 2 pi."""
    return Grid.of(
        Domain.from_mapping({"x": {"range": (0.0, 2.0 * math.pi), "boundary": "periodic"}}), cells
    )
