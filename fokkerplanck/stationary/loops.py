"""Closed loops: those of the stationary current, and the limit cycles of the drift without noise.

Both are found on rays from a centre by following a velocity field through one turn. Streamlines of
v = J_ss/rho_ss are level lines of the stream function and close of themselves; the loop of least
mean Phi~ is the most likely one. A limit cycle is a fixed point of the return map of the drift.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from ..grid import Grid
from ..operators.currents import circulation
from ..operators.generator import Generator
from ..operators.samples import Samples
from ..problem import Problem
from .critical_points import critical_points
from .return_map import PATIENCE, RTOL, Drift, Flow, turn_around
from .stationary import StationaryState

SCAN_RTOL = 1e-5
# Rays are scanned in this many steps for the first bracket.
SCAN = 30
# A loop this close to its centre, in shares of the ray, is the centre itself.
CORE = 0.02
# A Floquet exponent times the period below this belongs to a family of closed orbits.
NEUTRAL = 1e-6
# Limit cycles are known to RTOL; most likely loops are minima, known to the root of their accuracy.
EQUAL = 1e-6
LIKE = 1e-3
# Below this share of all gross flux a current is rounding, and its streamlines mean nothing.
RESOLVED = 1e-8
# A centre of the stream function stands out by this share of its range; less is its error.
PROMINENCE = 5e-2


@dataclass(frozen=True)
class Cycle:
    """A closed curve of the plane, run through once.

    Attributes
    ----------
    points : (m, 2) ndarray
        Equally spaced in time; the last equals the first up to ``closure``.
    time : (m,) ndarray
    center : (2,) ndarray
        The point that it turns around.
    closure : float
        Distance of its ends, in shares of its own size.
    mean_potential : float
        Time average of Phi~ along it; NaN for the drift without noise.
    multiplier : float
        Floquet multiplier, below 1 where the cycle attracts; NaN for streamlines, whose neighbours
        close likewise.
    """

    points: np.ndarray
    time: np.ndarray
    center: np.ndarray
    closure: float
    mean_potential: float
    multiplier: float

    @property
    def period(self) -> float:
        """Time of one turn, the integral of dl/|v|."""
        return float(self.time[-1])

    @property
    def direction(self) -> int:
        """+1 counter-clockwise, -1 clockwise."""
        return self.winding(self.center)

    def winding(self, point: np.ndarray) -> int:
        """How often the curve runs around a point off it, counter-clockwise."""
        gap = self.points - np.asarray(point)
        angle = np.arctan2(gap[:, 1], gap[:, 0])
        steps = np.diff(np.append(angle, angle[0]))
        return int(
            np.rint((steps - 2.0 * np.pi * np.rint(steps / (2.0 * np.pi))).sum() / (2 * np.pi))
        )


def current_cycles(generator: Generator, state: StationaryState) -> tuple[Cycle, ...]:
    """Most likely loops of a stationary current in two dimensions, one per centre of rotation.

    Of the streamlines around a centre the most likely one has the least time average of Phi~,
    that is the largest mean log density seen on one turn. Centres are the extrema of the stream
    function; where the density is largest at the centre itself, as for a linear drift, there is
    no loop that stands out and none is returned.

    Parameters
    ----------
    generator : Generator
    state : StationaryState
        Its stationary state.

    Returns
    -------
    tuple of Cycle
        By mean Phi~. Empty under detailed balance and with a periodic axis, where a current may
        run through the box instead.
    """
    grid = generator.grid
    if grid.ndim != 2 or any(axis.periodic for axis in grid.domain.axes):
        return ()
    turning = circulation(generator, state.density)
    if turning.stream is None or turning.imbalance < RESOLVED:
        return ()
    flow = Flow(grid, turning.stream, state)
    cycles: list[Cycle] = []
    for center in _centers(grid, turning.stream):
        cycle = _most_likely(flow, center)
        # A loop around two extrema is found from either.
        if cycle is not None and not any(_same(cycle, other, LIKE) for other in cycles):
            cycles.append(cycle)
    return tuple(sorted(cycles, key=lambda cycle: cycle.mean_potential))


def limit_cycles(problem: Problem, grid: Grid) -> tuple[Cycle, ...]:
    """Limit cycles of the drift without noise in two dimensions, attracting or not.

    Found on a ray from each fixed point of the drift around which it can turn (positive Jacobian
    determinant) as fixed points of the return map after one turn, by a scan and Brent's method.

    Parameters
    ----------
    problem : Problem
        With drift constant in time.
    grid : Grid
        Where fixed points are looked for, and the box that cycles must lie in.

    Returns
    -------
    tuple of Cycle
        For each fixed point those that attract, then those that repel; ``multiplier`` is exp of
        the integral of div drift over one period (Liouville).
    """
    if grid.ndim != 2:
        return ()
    field = problem.drift_at(grid.points)
    if _cannot_turn(problem, field, grid):
        return ()
    longest = max(axis.length for axis in grid.domain.axes)
    patience = PATIENCE * float(longest / np.sqrt((field**2).sum(axis=0).mean()))
    found: list[Cycle] = []
    for center in _fixed_points(Drift(problem, grid), field, grid):
        # What repels attracts in reversed time, and the map then exists on both its sides.
        for sign in (1, -1):
            for cycle in _attracting(Drift(problem, grid, sign), center, patience):
                if not any(_same(cycle, other, EQUAL) for other in found):
                    found.append(cycle)
    return tuple(found)


def _cannot_turn(problem: Problem, field: np.ndarray, grid: Grid) -> bool:
    """Whether the drift has no closed orbit for one of two reasons.

    A gradient never returns to a level it has left; and by Bendixson's criterion no orbit closes
    where the divergence has one sign. Signs are looked at between neighbouring cells.
    """
    if not problem.has_drift and problem.friction is None:
        return True
    if any(axis.periodic for axis in grid.domain.axes):
        return False
    divergence = sum(
        np.diff(field[axis], axis=axis)[(slice(None), slice(1, None))[:: 1 - 2 * axis]] / h
        for axis, h in enumerate(grid.spacing)
    )
    return bool((divergence > 0.0).all() or (divergence < 0.0).all())


def _attracting(drift: Drift, center: np.ndarray, patience: float) -> Iterator[Cycle]:
    """Cycles around a centre that attract in the drift's direction of time."""

    def gain(radius: float, rtol: float = RTOL) -> float:
        turn = turn_around(drift, center, radius, patience, rtol)
        return np.nan if turn is None else turn.gain

    radii = (drift.box.upper[0] - center[0]) * np.linspace(CORE, 1.0, SCAN)
    gains = [gain(radius, SCAN_RTOL) for radius in radii]
    for low, high, a, b in zip(radii[:-1], radii[1:], gains[:-1], gains[1:], strict=True):
        # The sign of a gain as small as its error is confirmed before it is believed.
        if not (a > 0.0 > b and gain(low) > 0.0 > gain(high)):
            continue
        turn = turn_around(drift, center, brentq(gain, low, high, xtol=1e-11), patience, path=True)
        if turn is not None and turn.total < -NEUTRAL:
            points = turn.points[:: drift.sign].copy()
            multiplier = float(np.exp(drift.sign * turn.total))
            yield _cycle(points, turn.time, center, np.nan, multiplier)


def _centers(grid: Grid, stream: np.ndarray) -> list[np.ndarray]:
    """Extrema of the stream function, off the rim where it is zero."""
    corners = tuple(np.append(b[:, 0], b[-1, 1]) for b in grid.bounds)
    size = np.abs(stream).max()
    points = critical_points(
        Samples(corners, stream, (None, None)), np.abs(stream) > PROMINENCE * size
    )
    return [p.position for p in points if p.kind != "saddle"]


def _most_likely(flow: Flow, center: np.ndarray) -> Cycle | None:
    end = float(flow.box.upper[0] - center[0])

    def mean_potential(radius: float, rtol: float = RTOL) -> float:
        turn = turn_around(flow, center, radius, np.inf, rtol)
        return np.inf if turn is None else turn.total / turn.period

    radii = end * np.linspace(CORE, 1.0, SCAN)
    values: list[float] = []
    for radius in radii:
        values.append(mean_potential(radius, SCAN_RTOL))
        # Further out lies what is not resolved.
        if not np.isfinite(values[-1]):
            break
    best = int(np.argmin(values))
    if best in (0, len(values) - 1) or not np.isfinite(values[best + 1]):
        return None
    found = minimize_scalar(
        mean_potential,
        bounds=(radii[best - 1], radii[best + 1]),
        method="bounded",
        options={"xatol": 1e-6 * end},
    )
    turn = turn_around(flow, center, float(found.x), np.inf, path=True)
    return (
        None if turn is None else _cycle(turn.points, turn.time, center, float(found.fun), np.nan)
    )


def _cycle(
    points: np.ndarray, time: np.ndarray, center: np.ndarray, potential: float, multiplier: float
) -> Cycle:
    size = float(np.ptp(points, axis=0).max())
    closure = float(np.linalg.norm(points[-1] - points[0])) / size
    return Cycle(points, time, center, closure, potential, multiplier)


def _same(one: Cycle, other: Cycle, rtol: float) -> bool:
    """Whether two curves, seen from different centres, are one: by period and extent."""
    extent = [np.concatenate([c.points.min(axis=0), c.points.max(axis=0)]) for c in (one, other)]
    size = float(np.ptp(one.points))
    return (
        abs(one.period - other.period) < rtol * one.period
        and float(np.abs(extent[0] - extent[1]).max()) < max(rtol, 1e-3) * size
    )


def _fixed_points(drift: Drift, field: np.ndarray, grid: Grid) -> list[np.ndarray]:
    """Zeros of the drift with a positive Jacobian determinant, by Newton's method.

    ``field`` is the drift at the cell centres.
    """
    rows, columns = (n - 1 for n in grid.shape)
    corners = np.stack([field[:, i : i + rows, j : j + columns] for i in (0, 1) for j in (0, 1)])
    # Both components vanish in a square only if both change sign over its corners.
    change = ((corners.min(axis=0) <= 0.0) & (corners.max(axis=0) >= 0.0)).all(axis=0)
    found: list[np.ndarray] = []
    for cell in np.argwhere(change):
        point = drift.box.lower + (cell + 1.0) * grid.spacing
        size = np.inf
        for _ in range(20):
            jacobian = drift.jacobian(point)
            if abs(np.linalg.det(jacobian)) <= 1e-12 * np.abs(jacobian).max() ** 2:
                break
            step = np.linalg.solve(jacobian, drift.velocity(point))
            point, size = point - step, float(np.abs(step / grid.spacing).max())
            if not 1e-10 < size < 10.0:
                break
        near = any(np.abs((point - other) / grid.spacing).max() < 0.5 for other in found)
        if size <= 1e-10 and not near and np.linalg.det(jacobian) > 0.0:
            found.append(point)
    return found
