"""Uniform cell-centred grids over a domain."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .domain import Domain
from .errors import CaseError

# Selling offsets and the discrete operators need at least this many cells to mean anything.
MIN_CELLS = 4


@dataclass(frozen=True)
class Grid:
    """Cells of equal size; values sit at cell centres, face i lies between cells i and i+1.

    Parameters
    ----------
    domain : Domain
    shape : tuple of int
        Cells per axis, each at least ``MIN_CELLS``.

    Raises
    ------
    CaseError
        If the shape does not fit the domain.

    Examples
    --------
    >>> import fokkerplanck as fp
    >>> grid = fp.Grid(fp.Domain((fp.Axis("x", -4.0, 4.0),)), (32,))
    >>> grid.cell_volume
    0.25
    >>> grid.centers[0][:2]
    array([-3.875, -3.625])
    >>> (x,) = grid.points
    >>> float(grid.integrate(x**2))  # over the box
    42.625
    """

    domain: Domain
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.shape) != self.domain.ndim:
            raise CaseError(
                f"{len(self.shape)} cell counts for {self.domain.ndim} axes; give one per axis",
                "domain",
            )
        for axis, cells in zip(self.domain.axes, self.shape, strict=True):
            if cells < MIN_CELLS:
                raise CaseError(
                    f"{cells} cells are too few; at least {MIN_CELLS} are needed",
                    f"domain.{axis.name}.cells",
                )

    @classmethod
    def of(cls, domain: Domain, cells: int | Sequence[int]) -> Grid:
        """Grid with ``cells`` per axis: one number for all axes or one per axis.

        Raises
        ------
        CaseError
            If the numbers are no integers, or do not fit the domain.
        """
        several = isinstance(cells, Sequence | np.ndarray) and not isinstance(cells, str | bytes)
        entries: Sequence[Any] = cells if several else [cells] * domain.ndim  # type: ignore[assignment]
        try:
            # Unlike `int`, takes neither texts nor numbers that it would have to round.
            counts = [operator.index(count) for count in entries]
        except TypeError:
            raise CaseError(f"{cells!r} is no number of cells, nor one per axis", "cells") from None
        return cls(domain, tuple(counts))

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.domain.ndim

    @property
    def names(self) -> tuple[str, ...]:
        """Axis names."""
        return self.domain.names

    @property
    def size(self) -> int:
        """Number of cells."""
        return math.prod(self.shape)

    @cached_property
    def spacing(self) -> np.ndarray:
        """Cell widths, shape (ndim,)."""
        return np.array(
            [axis.length / n for axis, n in zip(self.domain.axes, self.shape, strict=True)]
        )

    @property
    def cell_volume(self) -> float:
        """Volume of one cell."""
        return float(np.prod(self.spacing))

    @cached_property
    def centers(self) -> tuple[np.ndarray, ...]:
        """Cell centres, one array of shape (n_i,) per axis."""
        return tuple(
            axis.lower + (np.arange(n) + 0.5) * (axis.length / n)
            for axis, n in zip(self.domain.axes, self.shape, strict=True)
        )

    @cached_property
    def bounds(self) -> tuple[np.ndarray, ...]:
        """Lower and upper face of each cell, one array of shape (n_i, 2) per axis."""
        result = []
        for axis, n in zip(self.domain.axes, self.shape, strict=True):
            faces = np.linspace(axis.lower, axis.upper, n + 1)
            result.append(np.stack([faces[:-1], faces[1:]], axis=1))
        return tuple(result)

    @cached_property
    def points(self) -> tuple[np.ndarray, ...]:
        """Open mesh of the cell centres: arrays that broadcast to ``shape``."""
        return tuple(np.ix_(*self.centers)) if self.ndim > 1 else (self.centers[0],)

    def place(self, cell: int) -> str:
        """Coordinates of a cell, given by its flat number, in words."""
        parts = zip(self.names, self.centers, np.unravel_index(int(cell), self.shape), strict=True)
        return ", ".join(f"{name} = {centers[i]:g}" for name, centers, i in parts)

    def integrate(self, values: np.ndarray) -> np.ndarray:
        """Sum over the cells times the cell volume; leading axes are kept.

        Order 2 for smooth integrands, spectral where they vanish at the sides.
        """
        axes = tuple(range(values.ndim - self.ndim, values.ndim))
        return values.sum(axis=axes) * self.cell_volume
