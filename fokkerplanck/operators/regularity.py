"""Whether the coefficients jump or bend: there schemes of high order lose their order.

Sixth differences of a smooth function fall by 64 where the cell width is halved, those of a kink
fall by two and those of a jump stay. Periodic axes are looked at across their sides too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..grid import Grid
from ..problem import Problem
from .edges import wrapped

DIFFERENCES = 6
# Sixth differences that keep more than this share do not fall as those of smooth functions do.
SMOOTH = 0.18
# Below this share of the largest value, times 64, sixth differences are rounding.
ROUNDING = 1e-9
# A suspect place is looked at again with cells so many times narrower: a feature that the grid
# does not resolve is smooth there.
FINER, REACH = 16, 8

Field = Callable[[Sequence[np.ndarray]], np.ndarray]


def irregularity(problem: Problem, grid: Grid, t: float = 0.0) -> str:
    """Which coefficient jumps or bends, and where, in words; empty where all are smooth."""
    fields: list[tuple[str, Field]] = [("the drift", lambda p: problem.drift_at(p, t))]
    if problem.constant_sigma is None:
        fields.append(("Sigma", lambda p: problem.sigma_at(p, t)))
    for what, field in fields:
        values = field(grid.points).reshape(-1, *grid.shape)
        for axis in range(grid.ndim):
            cell = _suspect(grid, values, axis)
            if cell is not None and _irregular(grid, field, axis, cell):
                place = grid.centers[axis][cell[axis]]
                return f"{what} jumps or bends near {grid.names[axis]} = {place:.4g}"
    return ""


def _suspect(grid: Grid, values: np.ndarray, axis: int) -> tuple[int, ...] | None:
    """Cell of the largest sixth difference along an axis, where it does not fall with h."""
    n, lines = grid.shape[axis], np.moveaxis(values, axis + 1, -1)
    pad = 0
    if grid.domain.axes[axis].periodic:
        pad = 2 * DIFFERENCES
        lines = np.take(lines, np.arange(-pad, n + pad) % n, axis=-1)
    if lines.shape[-1] < 2 * DIFFERENCES + 2:
        return None
    fine, rough = _kept(lines, tuple(range(1, lines.ndim)))
    if not rough.any():
        return None
    # Each component on its own: a smooth one must not hide another.
    part = fine[int(np.argmax(np.where(rough, fine.reshape(len(fine), -1).max(axis=1), 0.0)))]
    *others, place = (int(i) for i in np.unravel_index(int(part.argmax()), part.shape))
    others.insert(axis, (place + DIFFERENCES // 2 - pad) % n)
    return tuple(others)


def _irregular(grid: Grid, field: Field, axis: int, cell: tuple[int, ...]) -> bool:
    """The same along a line through a cell, on points much closer to each other."""
    step = float(grid.spacing[axis]) / FINER
    away = step * (np.arange(-REACH * FINER, REACH * FINER + 1) + 0.5)
    points = [np.full(away.size, c[i]) for c, i in zip(grid.centers, cell, strict=True)]
    side = grid.domain.axes[axis]
    line = wrapped(grid, axis, points[axis] + away)
    points[axis] = line[(line > side.lower) & (line < side.upper)]
    points = [p[: points[axis].size] for p in points]
    _, rough = _kept(field(points).reshape(-1, points[axis].size), (1,))
    return bool(rough.any())


def _kept(lines: np.ndarray, over: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Sixth differences along the last axis, and of which components they do not fall with h."""
    fine = np.abs(np.diff(lines, DIFFERENCES, axis=-1))
    coarse = np.abs(np.diff(lines[..., ::2], DIFFERENCES, axis=-1))
    floor = 2.0**DIFFERENCES * ROUNDING * np.abs(lines).max(axis=over)
    largest = fine.max(axis=over)
    return fine, (largest > floor) & (largest > SMOOTH * coarse.max(axis=over))
