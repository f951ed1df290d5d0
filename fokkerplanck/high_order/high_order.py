"""The high-order operator: d rho/dt = A_h rho in flux form, of order 6 inside the box.

A_h is exact in mass but no Markov generator: densities may turn negative by its truncation error.
`correction` takes care of that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..grid import Grid
from ..problem import Problem
from . import divergence
from .bands import ABSORBING, PERIODIC, REFLECTING, bands
from .stencils import FieldArrays
from .tiles import Tiles, tiles

# Largest symbols of the second and the first derivative of order 6, per squared cell and cell.
SECOND_SYMBOL = 272.0 / 45.0
FIRST_SYMBOL = 1.5861
SIDES = {"reflecting": REFLECTING, "absorbing": ABSORBING, "periodic": PERIODIC}
# Where the axes of a grid lie among the three of the kernels.
PLACES = ((2,), (1, 2), (0, 1, 2))
PAIRS = ((0, 1), (0, 2), (1, 2))


@dataclass(frozen=True, eq=False)
class HighOrder:
    """A_h with the coefficients of one time.

    Attributes
    ----------
    grid : Grid
    drift : (3, n0, n1, n2) float64
        In cells per unit time, Ito's drift: no divergence of D.
    tensors : (6, 1 or n0, 1 or n1, n2) float64
        D in index units; see `divergence.divergence`.
    """

    grid: Grid
    drift: np.ndarray
    tensors: np.ndarray

    @cached_property
    def places(self) -> tuple[int, ...]:
        """Where the axes of the grid lie among the three of the kernels."""
        return PLACES[self.grid.ndim - 1]

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """(n0, n1, n2)."""
        shape = [1, 1, 1]
        for place, cells in zip(self.places, self.grid.shape, strict=True):
            shape[place] = cells
        return (shape[0], shape[1], shape[2])

    @cached_property
    def mixed(self) -> np.ndarray:
        """Which of D_01, D_02, D_12 are not zero."""
        return np.array([bool(self.tensors[3 + k].any()) for k in range(3)])

    @cached_property
    def sides(self) -> np.ndarray:
        """Kinds of the sides, (3, 2); axes that do not exist count as reflecting."""
        kinds = np.zeros((3, 2), dtype=np.int64)
        for place, axis in zip(self.places, self.grid.domain.axes, strict=True):
            kinds[place] = [SIDES[side] for side in axis.boundary]
        return kinds

    @cached_property
    def extent(self) -> float:
        """Bound on minus the real parts of the spectrum, from the symbol of order 6."""
        return SECOND_SYMBOL * float(self.tensors[:3].sum(axis=0).max())

    @cached_property
    def speed(self) -> float:
        """Bound on the imaginary parts of the spectrum."""
        return FIRST_SYMBOL * float(np.abs(self.drift).sum(axis=0).max())

    @cached_property
    def uniform(self) -> bool:
        """Whether the tensor is the same in all cells."""
        return bool((self.tensors == self.tensors[:, :1, :1, :1]).all())

    @cached_property
    def _tiles(self) -> Tiles:
        return tiles(self.shape, not self.uniform)

    @cached_property
    def _coefficients(self) -> tuple[Any, ...]:
        """What the kernels want to know of the operator."""
        tensors = self.tensors
        if not self.uniform:
            tensors = np.ascontiguousarray(np.broadcast_to(tensors, (6, *self.shape)))
        weights = []
        for place, (lower, upper) in enumerate(self.sides.tolist()):
            scale = float(tensors[place, 0, 0, 0]) if self.uniform else 1.0
            # Of an axis that does not exist they are not used.
            weights.append(bands(self.shape[place], lower, upper, scale))
        return (
            self.drift.reshape(3, -1), tensors.reshape(6, -1), self.uniform,
            tuple(bool(entry) for entry in self.mixed), np.stack(weights), self.shape,
            tuple(bool(side == PERIODIC) for side in self.sides[:, 0]),
        )  # fmt: skip

    def _work(self, x: np.ndarray) -> tuple[FieldArrays, divergence.Work]:
        """First arguments of the kernels; what they overwrite belongs to this call or thread."""
        sums = np.empty(self._tiles.tasks)
        work = divergence.Work(self._tiles.room(), self._tiles.parts, sums)
        return FieldArrays(x, *self._coefficients), work

    def combine(
        self,
        x: np.ndarray,
        a: float,
        b: float,
        y: np.ndarray,
        c: float,
        out: np.ndarray,
        total: np.ndarray | None = None,
        weight: float = 0.0,
    ) -> float:
        """out = a A_h x + b x + c y and total += weight out on flat arrays; returns sum |out|.

        ``out`` may be ``y``.
        """
        sink = out if total is None else total
        share = 0.0 if total is None else weight
        kernel: Callable[..., float] = divergence.divergence
        if not self._tiles.shared:
            kernel = divergence.divergence_serial
        factors = float(a), float(b), float(c)
        return kernel(*self._work(x), factors, y, sink, share, out)

    def matvec(self, density: np.ndarray) -> np.ndarray:
        """A_h rho for a density of the grid's shape or flat; returns the same shape."""
        x = np.ascontiguousarray(density, dtype=np.float64).reshape(-1)
        out = np.empty_like(x)
        self.combine(x, 1.0, 0.0, x, 0.0, out)
        return out.reshape(np.shape(density))

    def face_fluxes(self, density: np.ndarray) -> tuple[np.ndarray, ...]:
        """Fluxes through every cell face, positive towards larger coordinates.

        Parameters
        ----------
        density : ndarray of the grid's shape, or flat

        Returns
        -------
        tuple of d arrays
            Number i has n_i + 1 entries along axis i. In units of the density times cells per
            unit time: times the cell volume it is a probability per unit time.
        """
        x = np.ascontiguousarray(density, dtype=np.float64).reshape(-1)
        fluxes = []
        for place in range(3):
            extra = [n + (place == axis) for axis, n in enumerate(self.shape)]
            fluxes.append(np.empty(math.prod(extra) if place in self.places else 0))
        divergence.fluxes(*self._work(x), *fluxes)
        result = []
        for axis, place in enumerate(self.places):
            wide = [n + (axis == i) for i, n in enumerate(self.grid.shape)]
            result.append(fluxes[place].reshape(wide))
        return tuple(result)

    def mixture(self, share: float, other: HighOrder, rest: float) -> HighOrder:
        """share times this operator plus rest times the other."""
        return HighOrder(
            self.grid,
            share * self.drift + rest * other.drift,
            share * self.tensors + rest * other.tensors,
        )


def high_order(problem: Problem, grid: Grid, time: float = 0.0) -> HighOrder:
    """Discretise a problem on a grid at one time, to order 6."""
    ndim = grid.ndim
    places = PLACES[ndim - 1]
    shape = [1, 1, 1]
    for place, cells in zip(places, grid.shape, strict=True):
        shape[place] = cells
    h = grid.spacing
    drift = np.zeros((3, *shape))
    for axis, values in enumerate(_values(problem.drift_at(grid.points, time), grid, ndim)):
        drift[places[axis]] = (values / h[axis]).reshape(shape)
    constant = problem.constant_sigma
    if constant is not None:
        tensors = np.zeros((6, 1, 1, shape[2]))
        sigma = np.asarray(constant)
    else:
        tensors = np.zeros((6, *shape))
        sigma = problem.sigma_at(grid.points, time)
    for i in range(ndim):
        for j in range(i, ndim):
            first, second = places[i], places[j]
            row = first if i == j else 3 + PAIRS.index((first, second))
            entry = sigma[i, j] / (problem.beta * h[i] * h[j])
            tensors[row] = entry if constant is not None else entry.reshape(shape)
    return HighOrder(grid, drift, tensors)


def _values(field: np.ndarray, grid: Grid, rows: int) -> np.ndarray:
    return np.stack([np.broadcast_to(field[i], grid.shape) for i in range(rows)])
