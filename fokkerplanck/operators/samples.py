"""Scalar fields by their values at equally spaced points, with a smooth interpolant."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..grid import Grid

# Points per axis of the interpolating polynomial, of degree 6.
STENCIL = 7


@dataclass(frozen=True)
class Samples:
    """A scalar field by its values at equally spaced points, and its interpolant.

    Parameters
    ----------
    coordinates : tuple of (n_i,) arrays
    values : ndarray, shape (n_1, ...)
    periods : tuple of float or None
        Length of each periodic axis, None for the others.
    """

    coordinates: tuple[np.ndarray, ...]
    values: np.ndarray
    periods: tuple[float | None, ...]

    @classmethod
    def of_cells(cls, grid: Grid, values: np.ndarray) -> Samples:
        """Cell values of a grid."""
        periods = tuple(axis.length if axis.periodic else None for axis in grid.domain.axes)
        return cls(grid.centers, values, periods)

    @cached_property
    def spacing(self) -> np.ndarray:
        """Distance of neighbouring points, shape (d,)."""
        return np.array([c[1] - c[0] for c in self.coordinates])

    def derivatives(
        self, point: np.ndarray, around: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray]:
        """Value, gradient and Hessian at ``point`` of the polynomial centred at ``around``.

        Order 7, 6 and 5 in the spacing where the two are within a cell of each other.
        """
        indices, tables = [], []
        for axis, (nodes, period) in enumerate(zip(self.coordinates, self.periods, strict=True)):
            index, table = _stencil(nodes, self.spacing[axis], period, point[axis], around[axis])
            indices.append(index)
            tables.append(table)
        block = self.values[np.ix_(*indices)]

        def contract(orders: list[int]) -> float:
            part = block
            for table, order in zip(tables, orders, strict=True):
                part = np.tensordot(table[order], part, axes=(0, 0))
            return float(part)

        d = len(tables)
        unit = np.eye(d, dtype=int)
        gradient = np.array([contract(list(unit[i])) for i in range(d)])
        hessian = np.array(
            [[contract(list(unit[i] + unit[j])) for j in range(d)] for i in range(d)]
        )
        return contract([0] * d), gradient, hessian

    def inside(self, point: np.ndarray, margin: float = 0.5) -> bool:
        """Whether a point is between the outermost samples, or ``margin`` spacings beyond."""
        return all(
            period is not None or nodes[0] - margin * h <= x <= nodes[-1] + margin * h
            for nodes, h, period, x in zip(
                self.coordinates, self.spacing, self.periods, point, strict=True
            )
        )

    def wrapped(self, point: np.ndarray) -> np.ndarray:
        """The point's image inside the box along periodic axes."""
        result = np.array(point, dtype=float)
        for axis, (nodes, period) in enumerate(zip(self.coordinates, self.periods, strict=True)):
            if period is not None:
                lower = nodes[0] - 0.5 * self.spacing[axis]
                result[axis] = lower + np.mod(point[axis] - lower, period)
        return result

    def shift(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Vector from one point to another, the short way around periodic axes."""
        gap = np.array(end - start, dtype=float)
        for axis, period in enumerate(self.periods):
            if period is not None:
                gap[axis] -= period * np.rint(gap[axis] / period)
        return gap

    def steps(self, start: np.ndarray, end: np.ndarray) -> float:
        """Largest component of :meth:`shift`, in spacings."""
        return float(np.abs(self.shift(start, end) / self.spacing).max())


def _stencil(
    nodes: np.ndarray, h: float, period: float | None, x: float, center: float
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the points of one axis nearest to ``center``, and weights for ``x``.

    Weights have shape (3, STENCIL): value and two derivatives of the Lagrange polynomials.
    """
    first = int(np.rint((center - nodes[0]) / h)) - STENCIL // 2
    if period is None:
        first = min(max(first, 0), nodes.size - STENCIL)
    index = np.arange(first, first + STENCIL) % nodes.size
    # Vandermonde matrix in units of the spacing, centred: well conditioned for seven points.
    place = np.arange(STENCIL) - STENCIL // 2
    s = (x - nodes[0]) / h - first - STENCIL // 2
    powers = np.arange(STENCIL)
    monomials = np.zeros((3, STENCIL))
    for order in range(3):
        factor = np.prod([powers - k for k in range(order)], axis=0) if order else 1.0
        exponents = np.maximum(powers - order, 0)
        monomials[order] = factor * np.power(s, exponents) / h**order
    vandermonde = np.power(place[:, None].astype(float), powers)
    return index, np.linalg.solve(vandermonde.T, monomials.T).T
