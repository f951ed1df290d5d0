"""Drift and noise as vector fields that flows can follow, for a Sigma of any rank.

Ito's equation d theta = b dt + sqrt(2/beta) V dW with V V^T = Sigma is, after Stratonovich,
d theta = (b - (1/beta) sum_k (V_k . grad) V_k) dt + sqrt(2/beta) V o dW. A square root of Sigma
that is smooth everywhere need not exist, where its eigenvectors turn around a point for example.
Near a cell one does: with V_0 the leading eigenvectors of Sigma there,

    V(x) = Sigma(x) V_0 (V_0^T Sigma(x) V_0)^(-1/2)

is smooth, and V V^T = Sigma wherever Sigma has that rank (the Nystroem formula is exact there).
The law of a step does not depend on the signs and rotations of V_0, so every cell has its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..grid import Grid
from ..problem import Problem

# Eigenvalues of Sigma below this share of the largest one of the same cell are rounding.
RANK = 1e-10
# In (V_0^T Sigma V_0)^(-1/2), away from the cell of V_0.
SINGULAR = 1e-13
# Central differences along V reach this share of the shortest axis where V is largest: their error
# and their rounding are below 1e-8.
REACH = 1e-4


@dataclass(frozen=True, eq=False)
class Frames:
    """The fields of a problem at one time, and the frames of Sigma at the cells of a grid.

    Parameters
    ----------
    problem : Problem
    grid : Grid
    time : float

    Notes
    -----
    Beyond a reflecting side the fields are the mirror images of those inside, so that a path that
    is folded back at the end goes nowhere that it could not; beyond an absorbing side they are
    those at the side.
    """

    problem: Problem
    grid: Grid
    time: float = 0.0

    @cached_property
    def anchors(self) -> np.ndarray:
        """The cell centres, (d, N)."""
        points = np.meshgrid(*self.grid.centers, indexing="ij")
        return np.stack([axis.reshape(-1) for axis in points])

    @cached_property
    def _eigen(self) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues (N, d) and vectors (N, d, d) of Sigma at the cells, largest first."""
        constant = self.problem.constant_sigma
        sigma = (
            constant[..., None]
            if constant is not None
            else self.problem.sigma_at(self.grid.points, self.time).reshape(
                self.grid.ndim, self.grid.ndim, -1
            )
        )
        values, vectors = np.linalg.eigh(np.moveaxis(sigma, -1, 0))
        return values[:, ::-1], vectors[:, :, ::-1]

    @cached_property
    def rank(self) -> int:
        """Largest rank of Sigma in any cell."""
        return largest_rank(self._eigen[0])

    def spread(self, dt: float) -> np.ndarray:
        """Standard deviation of the noise of a step in cells, summed over the axes; (N,)."""
        sigma = self.problem.sigma_at(self.grid.points, self.time)
        d = self.grid.ndim
        own = np.sqrt(np.maximum(np.einsum("ii...->i...", sigma).reshape(d, -1), 0.0))
        return math.sqrt(2.0 * dt / self.problem.beta) * (own / self.grid.spacing[:, None]).sum(0)

    @cached_property
    def still(self) -> bool:
        """Whether the frame is the same everywhere: then Ito and Stratonovich are one."""
        return self.problem.constant_sigma is not None

    @cached_property
    def _directions(self) -> np.ndarray:
        """V_0, (r, d, N), or for a constant Sigma V itself."""
        values, vectors = self._eigen
        leading = np.moveaxis(vectors[:, :, : self.rank], 0, -1).transpose(1, 0, 2)
        if self.still:
            leading = leading * np.sqrt(np.maximum(values[:, : self.rank].T, 0.0))[:, None, :]
        return np.ascontiguousarray(leading)

    @cached_property
    def _reach(self) -> float:
        """Time that a difference goes along V."""
        largest = float(np.sqrt(max(self._eigen[0].max(), 0.0)))
        shortest = min(axis.length for axis in self.grid.domain.axes)
        return REACH * shortest / largest if largest > 0.0 else 0.0

    def inside(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Points (d, N) folded into the box, and the signs that vectors have there.

        The signs are None where nothing was folded at a reflecting side.
        """
        folded, signs = points, None
        for number, axis in enumerate(self.grid.domain.axes):
            x = points[number]
            if x.min() >= axis.lower and x.max() <= axis.upper:
                continue
            if folded is points:
                folded = points.copy()
            y, turned = folded_into(x, axis.lower, axis.upper, axis.boundary)
            folded[number] = y
            if turned is not None:
                if signs is None:
                    signs = np.ones_like(points)
                signs[number] = turned
        return folded, signs

    def drift(self, points: np.ndarray) -> np.ndarray:
        """b at points (d, N)."""
        places, signs = self.inside(points)
        drift = self.problem.drift_at(list(places), self.time)
        return drift if signs is None else drift * signs

    def columns(self, points: np.ndarray) -> np.ndarray:
        """V at N points (d, N), each in the frame of the cell of its number; shape (r, d, N)."""
        places, signs = self.inside(points)
        if self.still:
            columns = np.broadcast_to(self._directions, (self.rank, *points.shape))
            return columns if signs is None else columns * signs
        sigma = self.problem.sigma_at(list(places), self.time)
        if signs is not None:
            sigma = sigma * signs[:, None] * signs[None, :]
        return nystroem(sigma, self._directions)

    def stratonovich(self, points: np.ndarray) -> np.ndarray:
        """b - (1/beta) sum_k (V_k . grad) V_k at N points (d, N)."""
        drift = self.drift(points)
        if self.still or self.along_itself or not self.rank:
            return drift
        step = self._reach
        for number, column in enumerate(self.columns(points)):
            ahead = self.columns(points + step * column)[number]
            back = self.columns(points - step * column)[number]
            drift = drift - (ahead - back) / (2.0 * step * self.problem.beta)
        return drift

    @cached_property
    def along_itself(self) -> bool:
        """Whether V does not change along V: with momentum Sigma depends on the parameters only."""
        return self.problem.friction is not None


def nystroem(sigma: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Sigma V_0 (V_0^T Sigma V_0)^(-1/2), shape (r, d, N), from (d, d, N) and V_0 of that shape.

    Where Sigma has a lower rank, or none, the inverse is that of the part that there is.
    """
    shifted = np.einsum("ijn,rjn->rin", sigma, directions)
    inner = np.einsum("rin,sin->rsn", directions, shifted)
    trace = np.einsum("iin->n", sigma)
    if len(directions) == 1:
        square = inner[0, 0]
        there = square > SINGULAR * trace
        return shifted * np.where(there, 1.0 / np.sqrt(np.where(there, square, 1.0)), 0.0)
    values, vectors = np.linalg.eigh(np.moveaxis(inner, -1, 0))
    there = values > SINGULAR * trace[:, None]
    inverse = np.where(there, 1.0 / np.sqrt(np.where(there, values, 1.0)), 0.0)
    root = np.einsum("nra,na,nsa->rsn", vectors, inverse, vectors)
    return np.einsum("rsn,rin->sin", root, shifted)


def largest_rank(values: np.ndarray) -> int:
    """Largest number of eigenvalues, (N, d), largest first, that are not rounding in a cell."""
    there = (values > RANK * values[:, :1]) & (values > 0.0)
    return int(there.sum(axis=1).max(initial=0))


def folded_into(
    x: np.ndarray, lower: float, upper: float, boundary: tuple[str, str]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Coordinates inside an axis, and -1 where a vector turns round with its mirror image."""
    length = upper - lower
    if boundary[0] == "periodic":
        return lower + np.mod(x - lower, length), None
    # An absorbing side holds the place; what mirrors it beyond the other side is out of sight.
    y = np.maximum(x, lower) if boundary[0] == "absorbing" else x
    y = np.minimum(y, upper) if boundary[1] == "absorbing" else y
    if boundary == ("absorbing", "absorbing"):
        return y, None
    turns = np.floor((y - lower) / length)
    odd = np.mod(turns, 2.0) == 1.0
    offset = y - lower - turns * length
    return lower + np.where(odd, length - offset, offset), np.where(odd, -1.0, 1.0)
