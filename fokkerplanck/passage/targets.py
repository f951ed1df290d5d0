"""Regions that kill: a generator whose probability is gone once it enters one of them.

A region takes the cells whose centres lie in it. The edge from a cell x outside to a cell inside
is cut where it meets the region's boundary, after a share s of its length, and becomes an exit:
with the rate c B(-P) of the whole edge that is (c/s) B(-s P). The boundary then lies where it is,
not on the staircase of the cells, and times and probabilities keep order 2 in the cell width, as
with the symmetric cut cells of Gibou, Fedkiw, Cheng and Kang, J. Comput. Phys. 176 (2002) 205.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import CaseError
from ..grid import Grid
from ..operators import kernels
from ..operators.generator import Generator

# Tells for points, one array per axis, whether they lie in a region.
Membership = Callable[[Sequence[np.ndarray]], np.ndarray]

# Halvings of a cut edge: its share is then known to rounding.
HALVINGS = 52
# A boundary closer to a cell centre than this share of an edge counts as that far away.
SMALLEST_SHARE = 1e-8


@dataclass(frozen=True)
class Region:
    """A region on a grid.

    Attributes
    ----------
    cells : bool ndarray of the grid's shape
    inside : callable or None
        Membership of any point; None where the region is a set of cells, with edges that end at
        their centres.
    key : str
        Case key for messages.
    """

    cells: np.ndarray
    inside: Membership | None
    key: str

    @classmethod
    def of(cls, grid: Grid, inside: Membership | np.ndarray, key: str) -> Region:
        """Region of a membership function or of a boolean array.

        Raises
        ------
        CaseError
            If it has no cell, or all of them.
        """
        if callable(inside):
            cells = np.broadcast_to(inside(grid.points), grid.shape).astype(bool)
            function: Membership | None = inside
        else:
            cells, function = np.reshape(np.asarray(inside, dtype=bool), grid.shape), None
        if not cells.any():
            raise CaseError(
                "holds for no cell centre; the region must lie in the box and be wider than a cell",
                key,
            )
        if cells.all():
            raise CaseError("holds for all cells; the region must leave some of the box free", key)
        return cls(cells, function, key)


@dataclass(frozen=True)
class Cuts:
    """Edges that end in a region, seen from their free cell.

    Attributes
    ----------
    region : (C,) int64
        Number of the region.
    cell, beyond : (C,) int64
        Flat cells outside and inside.
    step : (C, d) int64
        From one to the other, in cells.
    share : (C,) float64
        Part of the edge outside, in (0, 1].
    rate : (C,) float64
        Of the cut edge, per unit time.
    whole, back : (C,) float64
        Of the whole edge, out and back.
    """

    region: np.ndarray
    cell: np.ndarray
    beyond: np.ndarray
    step: np.ndarray
    share: np.ndarray
    rate: np.ndarray
    whole: np.ndarray
    back: np.ndarray


@dataclass(frozen=True)
class Killed:
    """A generator that ends in regions.

    Attributes
    ----------
    generator : Generator
        Of the free cells: those of the regions have no edges. Exits into region r have the side
        number 2 d + r.
    free : bool ndarray of the grid's shape
    cuts : Cuts
    """

    generator: Generator
    free: np.ndarray
    cuts: Cuts

    def exit_rates(self, region: int) -> np.ndarray:
        """Rate of entering a region, shape (N,)."""
        return self.generator.exit_rates(2 * self.generator.grid.ndim + region)


def kill(generator: Generator, regions: Sequence[Region]) -> Killed:
    """End a generator in regions, besides its absorbing sides.

    Parameters
    ----------
    generator : Generator
    regions : sequence of Region

    Raises
    ------
    CaseError
        If two regions share a cell or are linked by an edge, or nothing is left between them.
    """
    grid, r = generator.grid, generator.rates
    label = np.full(grid.size, -1, dtype=np.int64)
    for number, region in enumerate(regions):
        cells = region.cells.reshape(-1)
        if (label[cells] >= 0).any():
            raise CaseError("meets the target: they have cells in common", region.key)
        label[cells] = number
    free = label < 0
    if not free.any():
        raise CaseError("leaves no cell between it and the target", regions[-1].key)
    forward, backward = r.forward.copy(), r.backward.copy()
    found: list[tuple[np.ndarray, ...]] = []
    for number, (offset, shift) in enumerate(zip(r.offsets, r.shifts, strict=True)):
        edges = np.flatnonzero((forward[number] > 0.0) | (backward[number] > 0.0))
        rates_of = forward[number, edges], backward[number, edges]
        found += _cut(regions, label, offset, edges, edges + shift, *rates_of)
        stopped = edges[~(free[edges] & free[edges + shift])]
        forward[number, stopped] = backward[number, stopped] = 0.0
    wrapped = r.wrap_source, r.wrap_target, r.wrap_forward, r.wrap_backward
    for number, offset in enumerate(r.offsets):
        here = r.wrap_offset == number
        found += _cut(regions, label, offset, *(part[here] for part in wrapped))
    kept = free[r.wrap_source] & free[r.wrap_target]
    cuts = _measured(grid, regions, found)
    out = free[r.exit_cell]
    unit = {tuple(offset): number for number, offset in enumerate(r.offsets)}
    number_of = [
        unit.get(tuple(step), unit.get(tuple(-np.array(step)), 0)) for step in cuts.step.tolist()
    ]
    rates = replace(
        r,
        forward=forward,
        backward=backward,
        wrap_offset=r.wrap_offset[kept],
        wrap_source=r.wrap_source[kept],
        wrap_target=r.wrap_target[kept],
        wrap_forward=r.wrap_forward[kept],
        wrap_backward=r.wrap_backward[kept],
        exit_offset=np.concatenate([r.exit_offset[out], np.array(number_of, dtype=np.int64)]),
        exit_cell=np.concatenate([r.exit_cell[out], cuts.cell]),
        exit_side=np.concatenate([r.exit_side[out], 2 * grid.ndim + cuts.region]),
        exit_rate=np.concatenate([r.exit_rate[out], cuts.rate]),
    )
    return Killed(
        Generator(grid, rates, generator.potential),
        free.reshape(grid.shape),
        cuts,
    )


def _cut(
    regions: Sequence[Region],
    label: np.ndarray,
    offset: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    ahead: np.ndarray,
    back: np.ndarray,
) -> list[tuple[np.ndarray, ...]]:
    """Edges of one offset from a free cell into a region, both ways.

    Rows of (region, cell, cell beyond, step, rate out, rate back).
    """
    linked = (label[low] >= 0) & (label[high] >= 0) & (label[low] != label[high])
    if linked.any():
        raise CaseError(
            "meets the target: an edge of the grid leads from one into the other; set them further "
            "apart, or take more cells",
            regions[-1].key,
        )
    rows: list[tuple[np.ndarray, ...]] = []
    for cell, beyond, out, home, sign in (
        (low, high, ahead, back, 1),
        (high, low, back, ahead, -1),
    ):
        here = (label[cell] < 0) & (label[beyond] >= 0)
        count = int(here.sum())
        if count:
            step = np.repeat(sign * offset[None, :], count, axis=0)
            rows.append(
                (label[beyond[here]], cell[here], beyond[here], step, out[here], home[here])
            )
    return rows


def _measured(grid: Grid, regions: Sequence[Region], found: list[tuple[np.ndarray, ...]]) -> Cuts:
    """Cuts with their shares and rates."""
    if not found:
        none, nothing = np.zeros(0, dtype=np.int64), np.zeros(0)
        steps = np.zeros((0, grid.ndim), dtype=np.int64)
        return Cuts(none, none, none, steps, nothing, nothing, nothing, nothing)
    region, cell, beyond, step, whole, back = (
        np.concatenate([row[i] for row in found]) for i in range(6)
    )
    share = np.ones(cell.size)
    for number, one in enumerate(regions):
        here = region == number
        if one.inside is not None and here.any():
            share[here] = _crossing(grid, one.inside, cell[here], step[here])
    return Cuts(region, cell, beyond, step, share, cut_rate(whole, back, share), whole, back)


def _crossing(grid: Grid, inside: Membership, cell: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Share of each edge outside the region, by halving the part that holds its boundary."""
    index = np.unravel_index(cell, grid.shape)
    origin = [centers[i] for centers, i in zip(grid.centers, index, strict=True)]
    lower, upper = np.zeros(cell.size), np.ones(cell.size)
    for _ in range(HALVINGS):
        middle = 0.5 * (lower + upper)
        points = []
        for i, axis in enumerate(grid.domain.axes):
            values = origin[i] + middle * step[:, i] * grid.spacing[i]
            if axis.periodic:
                values = axis.lower + np.mod(values - axis.lower, axis.length)
            points.append(values)
        entered = inside(points)
        upper = np.where(entered, middle, upper)
        lower = np.where(entered, lower, middle)
    return np.maximum(0.5 * (lower + upper), SMALLEST_SHARE)


def cut_rate(whole: np.ndarray, back: np.ndarray, share: np.ndarray) -> np.ndarray:
    """(c/s) B(-s P) of edges with the rates c B(-P) out and c B(P) back.

    The force is taken as constant along the edge, which keeps order 2. A one-way edge of the
    drift alone has the rate of its shorter way.
    """
    two_way = (whole > 0.0) & (back > 0.0)
    along = np.zeros(whole.size)
    along[two_way] = np.log(whole[two_way]) - np.log(back[two_way])
    unit = np.ones(whole.size)
    full, part, unused = np.empty_like(unit), np.empty_like(unit), np.empty_like(unit)
    kernels.edge_rates(unit, along, full, unused)
    kernels.edge_rates(unit, share * along, part, unused)
    ratio = np.divide(part, full, out=np.ones_like(unit), where=full > 0.0)
    return np.asarray(whole / share * ratio)
