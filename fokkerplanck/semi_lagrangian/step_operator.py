"""The transfer operator of one step: where the mass of each cell goes, and its transpose."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..grid import Grid
from . import kernels
from .flows import DRIFT_STEPS, Ended, flow, step_points
from .frames import Frames
from .remeshing import BELOW, WIDTH, coefficients

# Cells of margin on either side of the lattice that masses are spread on.
MARGIN = WIDTH // 2


@dataclass(frozen=True, eq=False)
class StepOperator:
    """P of a step: masses in the cells after it are P times those before.

    Attributes
    ----------
    grid : Grid
    dt : float
    share : (N, K) float64
        Of the K landings of every cell; rows sum to one, or less where paths have ended.
    base : (N, K) int64
        First cell of the stencil of each on the lattice with margins, flat.
    weights : (N, K, m, WIDTH) float64
        Of the stencils along each axis; m = 2 also for one axis.
    spread : (N,) float64
        Standard deviation of the noise in cells, summed over the axes.

    Notes
    -----
    Columns of P sum to one in a closed box, and moments are those of the landings up to the sixth.
    Entries may be negative: see :mod:`~.repair`.
    """

    grid: Grid
    dt: float
    share: np.ndarray
    base: np.ndarray
    weights: np.ndarray
    spread: np.ndarray

    def deposit(self, mass: np.ndarray) -> np.ndarray:
        """P m, flat."""
        lattice = np.zeros(_padded(self.grid))
        flat = np.ascontiguousarray(mass, dtype=float).reshape(-1)
        kernel: Any = kernels.deposit_block if self.grid.ndim == 3 else kernels.deposit_plane
        arrays = flat, self.share, self.base, self.weights
        kernel(*arrays, *_strides(self.grid), lattice.reshape(-1))
        return _without_margins(self.grid, lattice)

    def adjoint(self, values: np.ndarray) -> np.ndarray:
        """P^T u, flat: the mean of u after a step from every cell."""
        out = np.empty(self.grid.size)
        lattice = _with_margins(self.grid, np.asarray(values, dtype=float))
        arrays = lattice.reshape(-1), self.share, self.base, self.weights
        kernel: Any = kernels.gather_block if self.grid.ndim == 3 else kernels.gather_plane
        kernel(*arrays, *_strides(self.grid), out)
        return out


def step_operator(frames: Frames, dt: float, ended: Ended | None = None) -> StepOperator:
    """The transfer operator of a step of length dt.

    Parameters
    ----------
    frames : Frames
    dt : float
    ended : callable, optional
        Where paths end besides absorbing sides.
    """
    return _spread(frames, dt, step_points(frames, dt, ended), noisy=True)


def drift_operator(frames: Frames, dt: float) -> StepOperator:
    """The transfer operator of the drift alone."""
    points = flow(frames.drift, frames.anchors, dt, DRIFT_STEPS)
    return _spread(frames, dt, [(1.0, points, None)], noisy=False)


def _spread(
    frames: Frames,
    dt: float,
    landings: Iterable[tuple[float, np.ndarray, np.ndarray | None]],
    noisy: bool,
) -> StepOperator:
    """The operator of landings with their weights."""
    grid = frames.grid
    shares, bases, stencils = [], [], []
    for weight, points, gone in landings:
        share = np.full(grid.size, weight)
        if gone is not None:
            share[gone] = 0.0
        _end_at_sides(frames, dt if noisy else 0.0, points, share)
        inside, _ = frames.inside(points)
        # A path to where a formula has no value ends.
        lost = ~np.isfinite(inside).all(axis=0)
        share[lost] = 0.0
        base, weights = _stencils(grid, np.where(lost, frames.anchors, inside))
        shares.append(share)
        bases.append(base)
        stencils.append(weights)
    return StepOperator(
        grid,
        dt,
        np.stack(shares, axis=1),
        np.stack(bases, axis=1),
        np.stack(stencils, axis=1),
        frames.spread(dt if noisy else 0.0),
    )


def _stencils(grid: Grid, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flat first cells (N,) and weights (N, m, WIDTH) of points (d, N) in the box."""
    shape, axes = _padded(grid), _axes(grid)
    base = np.zeros(grid.size, dtype=np.int64)
    weights = np.empty((grid.size, axes, WIDTH))
    first, part = np.empty(grid.size, dtype=np.int64), np.empty((grid.size, WIDTH))
    for number in range(axes):
        axis = number - (axes - grid.ndim)
        # Half a cell from a side inwards rounding may lead outwards.
        place = np.zeros(grid.size)
        if axis >= 0:
            lower, h, n = grid.domain.axes[axis].lower, grid.spacing[axis], grid.shape[axis]
            place = np.clip((points[axis] - lower) / h - 0.5, -0.5, n - 0.5)
        kernels.stencil_weights(place + (MARGIN - BELOW), coefficients(), first, part)
        base = base * shape[number] + first
        weights[:, number] = part
    return base, weights


def _end_at_sides(frames: Frames, dt: float, points: np.ndarray, share: np.ndarray) -> None:
    """Take from the shares what absorbing sides let go.

    Paths beyond the side at the end have left, and of those within, by the bridge between both
    ends, the part exp(-beta d_0 d_1/(Sigma_nn dt)), with d the distances to the side; ``dt`` is the
    time that the noise acts.
    """
    grid, problem = frames.grid, frames.problem
    if grid.domain.closed:
        return
    sigma = problem.sigma_at(grid.points, frames.time).reshape(grid.ndim, grid.ndim, -1)
    for number, axis in enumerate(grid.domain.axes):
        variance = np.broadcast_to(sigma[number, number], (grid.size,)) * dt / problem.beta
        for boundary, wall, sign in zip(
            axis.boundary, (axis.lower, axis.upper), (1.0, -1.0), strict=True
        ):
            if boundary != "absorbing":
                continue
            before = sign * (frames.anchors[number] - wall)
            after = sign * (points[number] - wall)
            noisy = variance > 0.0
            exponent = np.divide(
                before * after, variance, out=np.full(grid.size, np.inf), where=noisy
            )
            crossed = np.where(after <= 0.0, 1.0, np.exp(-np.maximum(exponent, 0.0)))
            share *= 1.0 - crossed


def _axes(grid: Grid) -> int:
    """Axes of the lattice: a line is the only one of a plane."""
    return max(grid.ndim, 2)


def _padded(grid: Grid) -> tuple[int, ...]:
    """Shape of the lattice with its margins."""
    return tuple(
        [1 + 2 * MARGIN] * (_axes(grid) - grid.ndim) + [n + 2 * MARGIN for n in grid.shape]
    )


def _strides(grid: Grid) -> tuple[int, ...]:
    """Cells of a plane, in three dimensions, and of a line of the lattice."""
    shape = _padded(grid)
    return (shape[1] * shape[2], shape[2]) if grid.ndim == 3 else (shape[1],)


def _margin_sign(grid: Grid, axis: int, end: int) -> float:
    """Of the mirror image beyond a side: even where it reflects, odd where it absorbs."""
    return -1.0 if grid.domain.axes[axis].boundary[end] == "absorbing" else 1.0


def _without_margins(grid: Grid, lattice: np.ndarray) -> np.ndarray:
    """Masses with those beyond the sides brought back; flat."""
    values = lattice[MARGIN] if grid.ndim == 1 else lattice
    for axis, n in enumerate(grid.shape):
        values = np.moveaxis(values, axis, 0)
        inner = values[MARGIN : MARGIN + n].copy()
        below, above = values[:MARGIN], values[MARGIN + n :]
        if grid.domain.axes[axis].periodic:
            inner[-MARGIN:] += below
            inner[:MARGIN] += above
        else:
            inner[:MARGIN] += _margin_sign(grid, axis, 0) * below[::-1]
            inner[-MARGIN:] += _margin_sign(grid, axis, 1) * above[::-1]
        values = np.moveaxis(inner, 0, axis)
    return np.ascontiguousarray(values).reshape(-1)


def _with_margins(grid: Grid, values: np.ndarray) -> np.ndarray:
    """The transpose of :func:`_without_margins`: the lattice."""
    values = values.reshape(grid.shape)
    for axis in range(grid.ndim):
        values = np.moveaxis(values, axis, 0)
        ends = values[:MARGIN][::-1], values[-MARGIN:][::-1]
        if grid.domain.axes[axis].periodic:
            parts = [values[-MARGIN:], values, values[:MARGIN]]
        else:
            low, high = (_margin_sign(grid, axis, end) * ends[end] for end in (0, 1))
            parts = [low, values, high]
        values = np.moveaxis(np.concatenate(parts), 0, axis)
    lattice = np.zeros(_padded(grid))
    (lattice[MARGIN] if grid.ndim == 1 else lattice)[...] = values
    return lattice


def kept_inside(operator: StepOperator, free: np.ndarray) -> StepOperator:
    """The operator with stencils that read free cells only.

    Beyond the boundary of a target the values go on as nothing that is smooth. Where a stencil
    would reach over it, the landing is shared by the free ones among the cells right around it, in
    proportion to their weights by linear interpolation; with none of them free it has ended.

    Parameters
    ----------
    operator : StepOperator
    free : (N,) bool
    """
    grid, axes = operator.grid, _axes(operator.grid)
    count = np.ones_like(operator.share)
    taken = _with_margins(grid, np.where(free, 0.0, 1.0))
    mask = np.abs(taken).reshape(-1)
    steps = np.arange(WIDTH)
    strides = (*_strides(grid), 1)
    offsets = np.zeros((1,) * axes, dtype=np.int64)
    for number, stride in enumerate(strides):
        offsets = offsets + (stride * steps).reshape(
            [-1 if a == number else 1 for a in range(axes)]
        )
    touching = np.zeros(operator.share.shape, dtype=bool)
    for offset in offsets.reshape(-1):
        touching |= mask[operator.base + offset] > 0.0
    touching &= operator.share > 0.0
    weights, share = operator.weights.copy(), operator.share.copy()
    stencils = weights[touching]
    # The place in the stencil is its first moment, which the weights keep.
    place = np.clip(stencils @ steps - BELOW, 0.0, 1.0)
    stencils[:] = 0.0
    stencils[..., BELOW], stencils[..., BELOW + 1] = 1.0 - place, place
    weights[touching] = stencils
    base = operator.base[touching]
    kept = np.zeros(base.size)
    for corner in np.ndindex(*(2,) * axes):
        part = np.ones(base.size)
        shift = 0
        for axis, end in enumerate(corner):
            part *= stencils[:, axis, BELOW + end]
            shift += strides[axis] * (BELOW + end)
        kept += part * (1.0 - np.minimum(mask[base + shift], 1.0))
    count[touching] = np.divide(1.0, kept, out=np.zeros_like(kept), where=kept > 1e-12)
    return replace(operator, share=share * count, weights=weights)
