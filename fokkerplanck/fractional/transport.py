"""What the drift alone does to a density: masses carried along its flow, one axis after another.

Along an axis, the other coordinates held at the cells' centres, the flow carries cell masses
exactly but for their shape within a cell (`remap`), at steps of any length. The flow of all axes
is their palindrome: order 2 in time.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np

from ..grid import Grid
from ..problem import Problem
from .remap import Feet, feet, remap

# Flows kept along every axis: those of the last steps tried.
KEPT_FLOWS = 3


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
    cell width, for the velocity is linear between faces; order 2 in time, and exact there along a
    single axis; positive and, in a closed box, conservative.
    """

    problem: Problem
    grid: Grid
    _speeds: list[np.ndarray] = field(default_factory=list, init=False)
    _time: float = field(default=math.nan, init=False)
    _flows: OrderedDict[tuple[int, float], Feet] = field(default_factory=OrderedDict, init=False)
    _room: list[np.ndarray] = field(default_factory=list, init=False)

    def advance(self, density: np.ndarray, time: float, dt: float) -> np.ndarray:
        """Density of the grid's shape after dt; the coefficients are those of ``time``.

        The result is overwritten by the next call: new arrays cost more than what is done to them.
        """
        self._set(time)
        if not self._room:
            self._room = [np.empty(self.grid.shape), np.empty(self.grid.shape)]
        halves = [(axis, 0.5) for axis in range(1, self.grid.ndim)]
        values = np.ascontiguousarray(density, dtype=float)
        for axis, share in [*reversed(halves), (0, 1.0), *halves]:
            out = self._room[0] if values is not self._room[0] else self._room[1]
            remap(values, self._flow(axis, share * dt), out)
            values = out
        return values

    def slope(self, time: float) -> float:
        """Largest rate at which the drift stretches or squeezes a cell along an axis."""
        self._set(time)
        return max(
            float(np.abs(np.diff(speed, axis=1)).max()) / float(h)
            for speed, h in zip(self._speeds, self.grid.spacing, strict=True)
        )

    def _flow(self, axis: int, time: float) -> Feet:
        key = (axis, time)
        if key not in self._flows:
            while len(self._flows) >= KEPT_FLOWS * self.grid.ndim:
                self._flows.popitem(last=False)
            side = self.grid.domain.axes[axis]
            walls = (side.boundary[0] == "reflecting", side.boundary[1] == "reflecting")
            h = float(self.grid.spacing[axis])
            self._flows[key] = feet(self._speeds[axis], h, time, side.periodic, walls)
        self._flows.move_to_end(key)
        return self._flows[key]

    def _set(self, time: float) -> None:
        if self._speeds and (time == self._time or not self.problem.drift_time_dependent):
            return
        grid = self.grid
        self._speeds, self._time = [], time
        self._flows.clear()
        for a, n in enumerate(grid.shape):
            edges = np.append(grid.bounds[a][:, 0], grid.bounds[a][-1, 1])
            places = [edges if i == a else c for i, c in enumerate(grid.centers)]
            points = [np.asarray(p) for p in np.ix_(*places)]
            shape = tuple(p.size for p in places)
            speed = np.broadcast_to(self.problem.drift_at(points, time)[a], shape)
            view = (math.prod(shape[:a]), n + 1, math.prod(shape[a + 1 :]))
            self._speeds.append(np.ascontiguousarray(speed, dtype=float).reshape(view))
