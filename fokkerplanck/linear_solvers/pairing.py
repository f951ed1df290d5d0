"""Levels of a chain whose cells are paired along their strongest coupling.

Blocks are pairs x, x + p of lattice cells, p the lattice offset that carries most of the rate.
Where diffusion is strongly anisotropic p is oblique, and the blocks' lattice shears with it: the
coarse chain then keeps the anisotropy that blocks along the axes would destroy.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..operators.generator import Generator
from . import aggregation, log_aggregation, patterns

# Cells looked at to find the strongest coupling of a level.
SAMPLES = 4000
# Added to the diffusion tensor in index units, so that it has an inverse.
REGULAR = 1e-12
NO_ENTRIES = np.zeros(0, dtype=np.int32)
NO_VALUES = np.zeros(0)


@dataclass
class Level:
    """One chain, and the way to the chain of its pairs.

    Attributes
    ----------
    extent : (d,) int64
        Lattice points per axis of the box around the cells.
    wraps : (d,) int64
        The same on periodic axes, 0 on open ones.
    cells : (d, N) int32
        Lattice coordinates; sheared levels do not fill their box.
    size : (N,) float64
        Grid cells in each cell.
    start, column : (N + 1,) int64, (E,) int32
        Rows of neighbours.
    log_in, log_out : (E,) float64
        Logarithms of the rates at uniform density, the chain that nested iteration solves.
    rate_out, rate_leaving : (E,), (N,) float64
        The same rates out of the cells, and their sums.
    inflow, outflow, leaving : (E,), (E,), (N,) float64
        The chain in a gauge and at the present iterate; see `aggregation`.
    gauge : (N,) float64
        Minus the logarithm of each cell's scale.
    block, beside : (N,) int32
        Where to interpolate from; see :func:`aggregation.refine`.
    entry : (E,) int32
        Coarse entry of each entry.
    share : (C,) float64
        Of the coarse entries; see :func:`patterns.excess_shares`.
    weight : (N,) float64
        Scale of a cell in units of its block's.
    mirror, inside, ratio : (E,) int32, (N,), (E,) float64
        Of a level of blocks; see :func:`aggregation.sharpen`.
    """

    extent: np.ndarray
    wraps: np.ndarray
    cells: np.ndarray
    size: np.ndarray
    start: np.ndarray
    column: np.ndarray
    log_in: np.ndarray
    log_out: np.ndarray
    rate_out: np.ndarray
    rate_leaving: np.ndarray
    inflow: np.ndarray
    outflow: np.ndarray
    leaving: np.ndarray
    gauge: np.ndarray = field(default_factory=lambda: NO_VALUES)
    block: np.ndarray = field(default_factory=lambda: NO_ENTRIES)
    beside: np.ndarray = field(default_factory=lambda: NO_ENTRIES)
    entry: np.ndarray = field(default_factory=lambda: NO_ENTRIES)
    share: np.ndarray = field(default_factory=lambda: NO_VALUES)
    weight: np.ndarray = field(default_factory=lambda: NO_VALUES)
    mirror: np.ndarray = field(default_factory=lambda: NO_ENTRIES)
    inside: np.ndarray = field(default_factory=lambda: NO_VALUES)
    ratio: np.ndarray = field(default_factory=lambda: NO_VALUES)


def finest(generator: Generator) -> Level:
    """The chain of a generator, row by row."""
    grid, r = generator.grid, generator.rates
    start = np.zeros(grid.size + 1, dtype=np.int64)
    wrapped = (r.wrap_source, r.wrap_target, r.wrap_forward, r.wrap_backward)
    patterns.count_edges(r.forward, r.backward, r.shifts, *wrapped, start)
    entries = int(start[-1])
    column = np.empty(entries, dtype=np.int32)
    rate_in, rate_out = np.empty(entries), np.empty(entries)
    patterns.fill_edges(r.forward, r.backward, r.shifts, *wrapped, start, column, rate_in, rate_out)
    leaving = np.empty(grid.size)
    aggregation.total_outflow(start, rate_out, leaving)
    extent = np.array(grid.shape)
    periodic = np.array([axis.periodic for axis in grid.domain.axes])
    cells = np.indices(grid.shape, dtype=np.int32).reshape(grid.ndim, -1)
    return Level(
        extent,
        np.where(periodic, extent, 0),
        cells,
        np.ones(grid.size),
        start,
        column,
        _logarithm(rate_in),
        _logarithm(rate_out),
        rate_out,
        leaving,
        np.empty(entries),
        # No cycle changes the finest outflow: its u is 1 in every unit of mass.
        rate_out,
        leaving,
    )


def pair(fine: Level, sharp: bool = True) -> Level:
    """Pair the cells of a level along its strongest coupling and build the chain of the pairs.

    Unless ``sharp``, the diffusion that the pairs add stays in their fluxes.
    """
    gross = np.exp(fine.log_in) + fine.rate_out
    step, axis, metric = _direction(fine, gross)
    cells = fine.cells.astype(np.int64)
    odd = cells[axis] & 1
    extent, wraps = fine.extent.copy(), fine.wraps.copy()
    cells[axis] >>= 1
    extent[axis] = (extent[axis] + 1) // 2
    for other in np.flatnonzero(step):
        if other == axis:
            continue
        cells[other] -= step[other] * odd
        if wraps[other]:
            cells[other] %= extent[other]
        else:
            cells[other] -= cells[other].min()
            extent[other] = cells[other].max() + 1
    wraps = np.where(wraps > 0, extent, 0)
    flat = np.ravel_multi_index(tuple(cells), tuple(extent))
    present = np.zeros(int(np.prod(extent)), dtype=bool)
    present[flat] = True
    number = np.where(present, np.cumsum(present) - 1, -1).astype(np.int32)
    fine.block = number[flat]
    # The next pair in the direction of p is at 2 p, one further along the axis.
    away = 2 * step
    away[axis] = 1
    toward = away[:, None] * (2 * odd - 1)
    ahead = _find(number, cells + toward, extent, wraps)
    back = _find(number, cells - toward, extent, wraps)
    fine.beside = np.where(ahead >= 0, ahead, np.where(back >= 0, -1 - back, fine.block))
    lattice = np.array(np.unravel_index(np.flatnonzero(present), tuple(extent)), dtype=np.int32)
    return _chain_of_blocks(fine, gross, lattice, extent, wraps, step, axis, metric, sharp)


def _chain_of_blocks(
    fine: Level,
    gross: np.ndarray,
    lattice: np.ndarray,
    extent: np.ndarray,
    wraps: np.ndarray,
    step: np.ndarray,
    axis: int,
    metric: np.ndarray,
    sharp: bool,
) -> Level:
    """The chain of the blocks at uniform density."""
    blocks = lattice.shape[1]
    first = np.zeros(blocks + 1, dtype=np.int64)
    np.cumsum(np.bincount(fine.block, minlength=blocks), out=first[1:])
    member = np.empty(fine.block.size, dtype=np.int64)
    patterns.order_members(fine.block, first, member)
    start = np.empty(blocks + 1, dtype=np.int64)
    column = np.empty(fine.column.size, dtype=np.int32)
    fine.entry = np.empty(fine.column.size, dtype=np.int32)
    patterns.coarse_pattern(
        fine.start, fine.column, fine.block, first, member, start, column, fine.entry
    )
    entries = int(start[-1])
    fine.share = np.empty(entries)
    patterns.excess_shares(
        fine.start,
        fine.column,
        gross,
        fine.size,
        fine.cells,
        fine.wraps,
        axis,
        metric,
        float(step @ metric @ step),
        fine.entry,
        fine.share,
    )
    if not sharp:
        fine.share[:] = 0.0
    size = np.bincount(fine.block, weights=fine.size, minlength=blocks)
    log_in, log_out = np.empty(entries), np.empty(entries)
    mirror = np.empty(entries, dtype=np.int32)
    patterns.find_mirrors(start, column, mirror)
    inside = log_aggregation.aggregate_logs(
        fine.log_in,
        fine.log_out,
        fine.size / size[fine.block],
        fine.block,
        fine.entry,
        fine.start,
        log_in,
        log_out,
    )
    log_aggregation.sharpen_logs(start, mirror, fine.share, inside, log_in, log_out)
    rate_out, leaving = np.exp(log_out), np.empty(blocks)
    aggregation.total_outflow(start, rate_out, leaving)
    return Level(
        extent,
        wraps,
        lattice,
        size,
        start,
        column[:entries].copy(),
        log_in,
        log_out,
        rate_out,
        leaving,
        np.empty(entries),
        np.empty(entries),
        np.empty(blocks),
        mirror=mirror,
        inside=inside,
        ratio=np.empty(entries),
    )


def _find(
    number: np.ndarray, cells: np.ndarray, extent: np.ndarray, wraps: np.ndarray
) -> np.ndarray:
    """Numbers of the blocks at lattice points, -1 where there is none."""
    inside = np.ones(cells.shape[1], dtype=bool)
    for axis, length in enumerate(extent):
        if wraps[axis]:
            cells[axis] %= length
        else:
            inside &= (cells[axis] >= 0) & (cells[axis] < length)
            np.clip(cells[axis], 0, length - 1, out=cells[axis])
    return np.where(inside, number[np.ravel_multi_index(tuple(cells), tuple(extent))], np.int32(-1))


def _direction(level: Level, gross: np.ndarray) -> tuple[np.ndarray, int, np.ndarray]:
    """The pair's offset p, an axis with p = 1 along it, and the metric D^-1 in index units.

    Among the offsets that step by one cell along some axis, p carries the largest share of its
    cells' rates, averaged over a sample of the cells.
    """
    offsets, rates = _couplings(level, gross)
    ndim = level.extent.size
    tensor = (offsets.T * rates) @ offsets / rates.sum() + REGULAR * np.eye(ndim)
    metric = np.linalg.inv(tensor)
    for number in np.argsort(-rates, kind="stable"):
        offset = offsets[number]
        axes = [a for a in range(ndim) if abs(offset[a]) == 1 and level.extent[a] > 1]
        if axes:
            axis = max(axes, key=lambda a: level.extent[a])
            return offset * offset[axis], axis, metric
    axis = int(np.argmax(np.where(level.extent > 1, np.diag(tensor), -1.0)))
    return np.eye(ndim, dtype=np.int64)[axis], axis, metric


def _couplings(level: Level, gross: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (m, d) between neighbours in a sample, with their mean share of the rates (m,)."""
    count = level.start.size - 1
    sample = np.unique(np.linspace(0, count - 1, SAMPLES).astype(np.int64))
    most = int(np.diff(level.start)[sample].sum())
    offsets, shares = np.zeros((most, level.extent.size), dtype=np.int64), np.zeros(most)
    rows = (level.start, level.column, gross, level.cells, level.wraps)
    found = patterns.sample_couplings(*rows, sample, offsets, shares)
    return offsets[:found], shares[:found]


def _logarithm(rate: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(rate)
