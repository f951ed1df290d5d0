"""What the drift alone does to a density: limited fluxes of order 2, positive and conservative."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np

from ..grid import Grid
from ..problem import Problem

# Share of the flow through a cell per substep: a limited face value is at most twice the cell's.
COURANT = 0.5


@numba.njit(cache=True)
def _add_fluxes(density: Any, faces: Any, h: float, periodic: bool, out: Any) -> None:
    """out -= (F_{i+1/2} - F_{i-1/2})/h along the middle axis, F = b rho at the upwind face.

    Parameters
    ----------
    density : (outer, n, inner) float64
    faces : (outer, n + 1, inner) float64
        Velocity b at the faces; what flows in through an end comes from outside and is nothing.
    h : float
    periodic : bool
    out : (outer, n, inner) float64, modified

    Notes
    -----
    Face values are those of linear functions in the cells, slopes limited by the monotonized
    central limiter (van Leer 1977), so that they lie between 0 and twice the cell's value.
    """
    outer, n, inner = density.shape
    for o in range(outer):
        for k in range(inner):
            for face in range(n + 1):
                b = faces[o, face, k]
                up = face - 1 if b > 0.0 else face
                if periodic:
                    up = up % n
                elif up < 0 or up >= n:
                    continue
                here = density[o, up, k]
                if periodic:
                    low, high = density[o, (up - 1) % n, k], density[o, (up + 1) % n, k]
                else:
                    low = density[o, up - 1, k] if up > 0 else here
                    high = density[o, up + 1, k] if up < n - 1 else here
                left, right = here - low, high - here
                slope = 0.0
                if left * right > 0.0:
                    slope = 0.5 * (left + right)
                    bound = 2.0 * min(abs(left), abs(right))
                    if abs(slope) > bound:
                        slope = bound if slope > 0.0 else -bound
                flux = b * (here + (0.5 * slope if b > 0.0 else -0.5 * slope)) / h
                if periodic:
                    # The first face and the last are one.
                    if face < n:
                        out[o, (face - 1) % n, k] -= flux
                        out[o, face, k] += flux
                    continue
                if face > 0:
                    out[o, face - 1, k] -= flux
                if face < n:
                    out[o, face, k] += flux


@dataclass(eq=False)
class Transport:
    """d rho/dt = -div(b rho) on the cells, b the deterministic drift.

    Parameters
    ----------
    problem : Problem
    grid : Grid

    Notes
    -----
    Nothing passes reflecting sides; what flows towards absorbing ones is lost. Order 2 in the
    cell width, order 2 in time (Heun's method as a mean of Euler steps), positive and, in a closed
    box, conservative.
    """

    problem: Problem
    grid: Grid
    _faces: list[np.ndarray] = field(default_factory=list, init=False)
    _time: float = field(default=math.nan, init=False)
    _rate: float = field(default=0.0, init=False)

    def advance(self, density: np.ndarray, time: float, dt: float) -> np.ndarray:
        """Density of the grid's shape after dt; the coefficients are those of ``time``."""
        self._set(time)
        steps = max(1, math.ceil(dt * self._rate / COURANT))
        step = dt / steps
        for _ in range(steps):
            once = density + step * self._change(density)
            density = 0.5 * (density + once + step * self._change(once))
        # Only rounding can be below zero.
        return np.maximum(density, 0.0)

    def rate(self, time: float) -> float:
        """Largest rate at which the drift carries a cell's content on."""
        self._set(time)
        return self._rate

    def _change(self, density: np.ndarray) -> np.ndarray:
        out = np.zeros_like(density)
        shape = density.shape
        for a, (axis, h) in enumerate(zip(self.grid.domain.axes, self.grid.spacing, strict=True)):
            outer, inner = math.prod(shape[:a]), math.prod(shape[a + 1 :])
            view = (outer, shape[a], inner)
            _add_fluxes(
                density.reshape(view), self._faces[a], float(h), axis.periodic, out.reshape(view)
            )
        return out

    def _set(self, time: float) -> None:
        if self._faces and (time == self._time or not self.problem.drift_time_dependent):
            return
        grid = self.grid
        self._faces, self._time = [], time
        flow = np.zeros(grid.shape)
        for a, axis in enumerate(grid.domain.axes):
            edges = np.append(grid.bounds[a][:, 0], grid.bounds[a][-1, 1])
            places = [edges if i == a else c for i, c in enumerate(grid.centers)]
            points = [np.asarray(p) for p in np.ix_(*places)]
            shape = tuple(p.size for p in places)
            speed = np.broadcast_to(self.problem.drift_at(points, time)[a], shape).copy()
            along = np.moveaxis(speed, a, 0)
            for end, side in ((0, axis.boundary[0]), (-1, axis.boundary[1])):
                if side == "reflecting":
                    along[end] = 0.0
            ends = np.abs(along)
            flow += np.moveaxis(np.maximum(ends[:-1], ends[1:]), 0, a) / grid.spacing[a]
            n = grid.shape[a]
            outer, inner = math.prod(shape[:a]), math.prod(shape[a + 1 :])
            self._faces.append(speed.reshape(outer, n + 1, inner))
        self._rate = float(flow.max())
