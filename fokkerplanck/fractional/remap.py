"""Masses carried along an axis by a flow: where cell faces come from, and what lies between.

The flow of one axis over a time is known by the feet of the cell faces, the places from which they
come. A cell holds afterwards what lay between the feet of its faces: conservative and positive at
steps of any length, and of order 3 in the cell width where the feet are exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from ..operators.threads import parallel

# Lines that are copied side by side: a cache line of doubles.
BLOCK = 8
# Substeps of a foot's way shorten its time times the slope of the velocity to this; the method of
# order 4 then errs by some 3e-5 of the way, and feet do not overtake each other.
SLOPE = 0.25
# Cells from which two threads pay for waking them.
PARALLEL_CELLS = 1 << 15
# Cells on either side of a line that hold what lies beyond its ends.
GHOSTS = 2


@dataclass(frozen=True, eq=False)
class Feet:
    """Where the faces of lines of cells come from.

    Parameters
    ----------
    cells : (lines, n + 1) int32
        Cell in which the foot lies, never falling along a line; the first is below n. Around a
        circle they go on beyond n, else they end at n - 1.
    shares : (lines, n + 1) float64
        How far in it, between 0 and 1.
    shape : (outer, n, inner)
        Of the array whose middle axis the lines are.
    periodic : bool
    """

    cells: np.ndarray
    shares: np.ndarray
    shape: tuple[int, int, int]
    periodic: bool


def feet(
    speed: np.ndarray, h: float, time: float, periodic: bool, walls: tuple[bool, bool]
) -> Feet:
    """Feet of the faces along the middle axis after ``time``.

    Parameters
    ----------
    speed : (outer, n + 1, inner) float64
        Velocity at the faces; between them it is linear.
    h : float
        Cell width.
    time : float
    periodic : bool
        Whether the first and the last face are one.
    walls : (bool, bool)
        Whether the first and the last face stay where they are, and nothing passes.

    Notes
    -----
    What would come from beyond the ends of a line that is not periodic comes from its end.
    """
    outer, faces, inner = speed.shape
    lines = np.ascontiguousarray(np.moveaxis(speed, 1, 2)).reshape(outer * inner, faces) / h
    slope = float(np.abs(np.diff(lines, axis=1)).max(initial=0.0))
    steps = max(1, math.ceil(time * slope / SLOPE))
    cells = np.empty(lines.shape, dtype=np.int32)
    shares = np.empty(lines.shape)
    _trace(lines, time / steps, steps, periodic, walls[0], walls[1], cells, shares)
    return Feet(cells, shares, (outer, faces - 1, inner), periodic)


def remap(values: np.ndarray, flow: Feet, out: np.ndarray) -> None:
    """Carry cell means along a flow, into ``out``.

    Parameters
    ----------
    values : float64 ndarray
        C-contiguous, of as many cells as ``flow.shape``; >= 0.
    flow : Feet
    out : ndarray as ``values``, modified
    """
    kernels = _parallel if values.size >= PARALLEL_CELLS else _serial
    outer, n, inner = flow.shape
    shape = flow.shape if inner > 1 else (outer, n)
    kernels[inner == 1](
        values.reshape(shape), flow.cells, flow.shares, flow.periodic, out.reshape(shape)
    )


@numba.njit(cache=True)
def _velocity(line: Any, x: float, periodic: bool) -> float:
    """Velocity at x, in cells per time, from that at the faces 0, 1, ..., n of a line."""
    n = line.size - 1
    if periodic:
        x -= n * np.floor(x / n)
    x = min(max(x, 0.0), float(n))
    i = min(int(x), n - 1)
    return line[i] + (x - i) * (line[i + 1] - line[i])


@parallel
def _trace(
    lines: Any,
    dt: float,
    steps: int,
    periodic: bool,
    first_fixed: bool,
    last_fixed: bool,
    cells: Any,
    shares: Any,
) -> None:
    """Follow x' = -v(x) from every face, by the classical Runge-Kutta method of order 4.

    Parameters
    ----------
    lines : (lines, n + 1) float64
        Velocity at the faces, cells per time.
    dt, steps : float, int
        Substeps of the way back.
    periodic, first_fixed, last_fixed : bool
    cells : (lines, n + 1) int32, modified
    shares : (lines, n + 1) float64, modified
    """
    count, faces = lines.shape
    n = faces - 1
    for k in numba.prange(count):
        line = lines[k]
        last = -np.inf
        lap = 0
        for face in range(faces):
            if periodic and face == n:
                # The first face once more: to the last bit, or mass would be lost.
                cells[k, n], shares[k, n] = cells[k, 0] + n, shares[k, 0]
                continue
            x = float(face)
            for _ in range(steps):
                if (face == 0 and first_fixed) or (face == n and last_fixed):
                    break
                v1 = _velocity(line, x, periodic)
                v2 = _velocity(line, x - 0.5 * dt * v1, periodic)
                v3 = _velocity(line, x - 0.5 * dt * v2, periodic)
                v4 = _velocity(line, x - dt * v3, periodic)
                x -= dt * (v1 + 2.0 * v2 + 2.0 * v3 + v4) / 6.0
                if not periodic:
                    x = min(max(x, 0.0), float(n))
            # Feet in rounding's reach of each other must not change places.
            x = max(x, last)
            last = x
            cell = int(np.floor(x))
            if face == 0 and periodic:
                lap = cell // n
            if not periodic:
                cell = min(cell, n - 1)
            cells[k, face], shares[k, face] = cell - lap * n, x - cell


@numba.njit(cache=True)
def _ends(line: Any, n: int, periodic: bool) -> None:
    """Fill the two cells beyond either end: the other end, or the parabola of the last three."""
    if periodic:
        line[0], line[1] = line[n], line[n + 1]
        line[n + 2], line[n + 3] = line[2], line[3]
    else:
        a, b, c = line[2], line[3], line[4]
        line[1], line[0] = 3.0 * (a - b) + c, 6.0 * a - 8.0 * b + 3.0 * c
        a, b, c = line[n + 1], line[n], line[n - 1]
        line[n + 2], line[n + 3] = 3.0 * (a - b) + c, 6.0 * a - 8.0 * b + 3.0 * c


@numba.njit(cache=True)
def _parabolas(line: Any, first: Any, second: Any, third: Any, short: Any) -> None:
    """Coefficients of s, s^2 and s^3 in the integral over the first s of each cell.

    Parameters
    ----------
    line : (n + 4,) float64
        Means of the cells, two beyond either end included.
    first, second, third : (n,) float64, modified
    short : (n,) bool, modified
        Where the parabola would have been negative.

    Notes
    -----
    Edge values are of order 4 and the parabola has the cell's mean (Colella and Woodward 1984,
    (1.5)-(1.9)). Where it would be negative it is drawn towards the mean (Zhang and Shu 2010),
    which leaves its order.
    """
    n = first.size
    # No branch and no division, so that the loop becomes vector code.
    for i in range(n):
        a0, a1, mean, a3, a4 = line[i], line[i + 1], line[i + 2], line[i + 3], line[i + 4]
        low = (7.0 * (a1 + mean) - (a0 + a3)) * (1.0 / 12.0)
        high = (7.0 * (mean + a3) - (a1 + a4)) * (1.0 / 12.0)
        # Slope at the lower edge, and minus half of the curvature.
        slope = 6.0 * mean - 4.0 * low - 2.0 * high
        bend = 6.0 * mean - 3.0 * (low + high)
        first[i] = low
        second[i] = 0.5 * slope
        third[i] = -(1.0 / 3.0) * bend
        hollow = (slope < 0.0) & (slope > 2.0 * bend)
        short[i] = (low < 0.0) | (high < 0.0) | (hollow & (slope * slope > -4.0 * low * bend))
    for i in range(n):
        if short[i]:
            mean, low, slope, bend = line[i + 2], first[i], 2.0 * second[i], -3.0 * third[i]
            least = min(low, low + slope - bend)
            if slope < 0.0 and slope > 2.0 * bend:
                least = min(least, low + 0.25 * slope * slope / bend)
            pull = mean / (mean - least) if least < 0.0 else 1.0
            first[i] = mean + pull * (low - mean)
            second[i] *= pull
            third[i] *= pull


@numba.njit(cache=True)
def _between(line: Any, cells: Any, shares: Any, parabolas: Any, left: Any, out: Any) -> None:
    """Masses between feet.

    Parameters
    ----------
    line : (n + 4,) float64
        Means of the cells, two beyond either end included.
    cells, shares : (n + 1,) int32 and float64
        Feet.
    parabolas : (3, n) float64
    left : (n + 1,) float64, modified
        What of its cell lies left of a foot.
    out : (n,) float64, modified
    """
    n = out.size
    first, second, third = parabolas[0], parabolas[1], parabolas[2]
    for f in range(n + 1):
        i = cells[f]
        i = i - n if i >= n else i
        s = shares[f]
        part = s * (first[i] + s * (second[i] + s * third[i]))
        # At the ends it is nothing or the mean up to rounding, and rounding has a sign.
        part = min(max(part, 0.0), line[i + 2])
        left[f] = line[i + 2] if s >= 1.0 else part
    for i in range(n):
        start, stop = cells[i], cells[i + 1]
        if start == stop:
            out[i] = max(left[i + 1] - left[i], 0.0)
            continue
        total = line[(start - n if start >= n else start) + 2] - left[i]
        for j in range(start + 1, stop):
            total += line[(j - n if j >= n else j) + 2]
        out[i] = total + left[i + 1]


def _remap(values: Any, cells: Any, shares: Any, periodic: bool, out: Any) -> None:
    """Lines of the middle axis, a block of neighbours at a time.

    Parameters
    ----------
    values : (outer, n, inner) float64
    cells, shares : (outer*inner, n + 1) int32 and float64
    periodic : bool
    out : (outer, n, inner) float64, modified
    """
    outer, n, inner = values.shape
    blocks = (inner + BLOCK - 1) // BLOCK
    for task in numba.prange(outer * blocks):
        o, start = task // blocks, (task % blocks) * BLOCK
        width = min(BLOCK, inner - start)
        lines, done = np.empty((width, n + 2 * GHOSTS)), np.empty((width, n))
        left, parabolas, short = np.empty(n + 1), np.empty((3, n)), np.empty(n, dtype=np.bool_)
        for i in range(n):
            for k in range(width):
                lines[k, i + GHOSTS] = values[o, i, start + k]
        for k in range(width):
            _ends(lines[k], n, periodic)
            row = o * inner + start + k
            _parabolas(lines[k], parabolas[0], parabolas[1], parabolas[2], short)
            _between(lines[k], cells[row], shares[row], parabolas, left, done[k])
        for i in range(n):
            for k in range(width):
                out[o, i, start + k] = done[k, i]


def _remap_rows(values: Any, cells: Any, shares: Any, periodic: bool, out: Any) -> None:
    """As :func:`_remap` for lines that are rows: arrays (lines, n), a block of rows at a time."""
    count, n = values.shape
    for task in numba.prange((count + BLOCK - 1) // BLOCK):
        line, left = np.empty(n + 2 * GHOSTS), np.empty(n + 1)
        parabolas, short = np.empty((3, n)), np.empty(n, dtype=np.bool_)
        for row in range(task * BLOCK, min(count, (task + 1) * BLOCK)):
            for i in range(n):
                line[i + GHOSTS] = values[row, i]
            _ends(line, n, periodic)
            _parabolas(line, parabolas[0], parabolas[1], parabolas[2], short)
            _between(line, cells[row], shares[row], parabolas, left, out[row])


_serial = tuple(numba.njit(cache=True)(kernel) for kernel in (_remap, _remap_rows))
_parallel = tuple(parallel(kernel) for kernel in (_remap, _remap_rows))
