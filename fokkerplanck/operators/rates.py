"""Transition rates between cells, from the thermodynamic force along the edges of a lattice.

The edge from x to x + e carries the mean of both ends' Selling weights and the integral P of the
thermodynamic force: forward rate lambda B(-P), backward rate lambda B(P). Edges that would cross
a reflecting side are dropped in pairs; edges that meet an absorbing side end there, at their true
distance; edges across a periodic side lead to the other end. Drift along axes without noise is
upwinded (order 1). Everything else is of order 2, but for one thing: within |e| cells of a
reflecting side oblique to D the dropped edges take the diffusion along the side with them, so
that a density which does not vanish there has an error of order 1. Cells in corners that would be
left without any edge get weak ones along the axes, of the order of the squared cell width.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..grid import Grid
from . import kernels
from .edges import EdgeBlock, Patch, patches, wrapped
from .potential import Potential
from .rate_table import LONG, Rates, RateTable, stranded
from .selling import decompose, offset_of
from .thermodynamic_force import EDGE_NODES, Force

# What an edge stores, from its conductance and its integral P of the force: usually its two rates.
Law = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]

# Selling weight of an edge at the end that has none, relative to the other end.
SMALLEST_WEIGHT = 1e-12
# Below this many edges one thread finds their rates.
SHARED_EDGES = 20_000
# Cells per axis that `sampled_offsets` looks at.
SAMPLES = 24


def assemble(force: Force, potential: Potential, law: Law | None = None) -> Rates:
    """Build the rates of a problem on a grid at one time.

    Parameters
    ----------
    force : Force
    potential : Potential
        Where its values are known, P is their exact difference, which makes exp(-Psi) the
        stationary state to rounding.
    law : callable, optional
        What to store in place of the rates, from conductance and P; additive in the conductance.
    """
    grid, law = force.grid, law or edge_rates
    rows, raised = _selling_weights(force)
    still = [axis for axis, flag in enumerate(force.still) if flag]
    units = [tuple(int(i == axis) for i in range(grid.ndim)) for axis in still]
    long = any(abs(step) >= LONG for offset in rows for step in offset)
    table = RateTable(grid, [*rows, *units], long)
    for offset, weight in rows.items():
        for patch in patches(grid, offset):
            conductance, along = _edges(force, potential, offset, patch, weight)
            table.add(offset, patch, *law(conductance, along))
            table.connect(offset, patch, conductance > 0.0)
        if not grid.domain.closed:
            _diffusive_exits(force, table, offset, weight, law)
    for axis in still:
        _upwind(force, table, axis)
    if long:
        _join_corners(force, potential, table, law)
    return table.rates(raised)


def _edges(
    force: Force, potential: Potential, offset: tuple[int, ...], patch: Patch, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Conductance and P of a block of edges.

    Where D jumps, no mean force leads across, but Ito's walker leaves each end at the weight of
    that end: rates lambda(x) B(-Q) and lambda(y) B(Q), Q the integral of D^-1 drift. Their
    quotient is that of P = Q - log(lambda(y)/lambda(x)), and the conductance is, to order 2, the
    logarithmic mean, which makes them exact without a drift.
    """
    start, end = weight[patch.source], weight[patch.target]
    block = EdgeBlock(force.grid, offset, patch.source)
    along = _along(force, potential, offset, patch)
    if force.diagonal:
        return _logarithmic_mean(start, end)[0], along
    mean = 0.5 * (start + end)
    rough = force.rough(block)
    if rough is None:
        return mean, along
    across, logarithm = _logarithmic_mean(start, end)
    if potential.values is None:
        along = np.where(rough, force.line_integral(block, ito=True) - logarithm, along)
    return np.where(rough, across, mean), along


def _logarithmic_mean(first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(last - first)/log(last/first), and the logarithm; a zero at one end counts as very small."""
    largest = np.maximum(first, last)
    scale = np.where(largest > 0.0, largest, 1.0)
    first = np.maximum(first / scale, SMALLEST_WEIGHT)
    last = np.maximum(last / scale, SMALLEST_WEIGHT)
    logarithm = np.log(last / first)
    half = 0.5 * np.where(logarithm, logarithm, 1.0)
    # In this form nothing cancels where both are close.
    mean = 0.5 * (first + last) * np.where(logarithm, np.tanh(half) / half, 1.0)
    return largest * mean, logarithm


def _along(force: Force, potential: Potential, offset: tuple[int, ...], patch: Patch) -> np.ndarray:
    """P of a block of edges: the difference of Psi where it is known."""
    if potential.values is not None:
        return potential.values[patch.source] - potential.values[patch.target]
    return force.line_integral(EdgeBlock(force.grid, offset, patch.source))


def _join_corners(force: Force, potential: Potential, table: RateTable, law: Law) -> None:
    """Weak edges along the noisy axes, for cells without others.

    Their conductance is the smallest eigenvalue that D is left with anywhere.
    """
    grid = force.grid
    alone = stranded(grid.size, table.sources, table.targets).reshape(grid.shape)
    if not alone.any():
        return
    tensor, _ = force.cell_tensors
    weak = np.broadcast_to(
        force.smallest_share * np.trace(tensor, axis1=0, axis2=1), (grid.size,)
    ).reshape(grid.shape)
    for axis in force.noisy:
        offset = tuple(int(i == axis) for i in range(grid.ndim))
        for patch in patches(grid, offset):
            touched = alone[patch.source] | alone[patch.target]
            conductance = touched * 0.5 * (weak[patch.source] + weak[patch.target])
            along = _along(force, potential, offset, patch)
            table.add(offset, patch, *law(conductance, along))


def edge_rates(conductance: np.ndarray, along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both rates of edges, from their conductances and integrals P of the force."""
    flat = np.ascontiguousarray(conductance).reshape(-1)
    forward, backward = np.empty_like(flat), np.empty_like(flat)
    # To wake other threads takes as long as some thousand edges.
    kernel = kernels.edge_rates_serial if flat.size < SHARED_EDGES else kernels.edge_rates
    kernel(flat, np.ascontiguousarray(along).reshape(-1), forward, backward)
    return forward.reshape(conductance.shape), backward.reshape(conductance.shape)


def forward_rates(conductance: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Forward rates alone; with -P they are the backward ones."""
    flat = np.ascontiguousarray(conductance).reshape(-1)
    forward = np.empty_like(flat)
    kernels.forward_rates_serial(flat, np.ascontiguousarray(along).reshape(-1), forward)
    return forward.reshape(conductance.shape)


def _selling_weights(force: Force) -> tuple[dict[tuple[int, ...], np.ndarray], int]:
    """Selling weight of every offset in every cell, on the noisy axes, and how many were raised."""
    grid, noisy = force.grid, force.noisy
    if not noisy:
        return {}, 0
    tensor, raised = force.cell_tensors
    weights, codes = decompose(tensor)
    unique, inverse = np.unique(codes, return_inverse=True)
    if tensor.shape[2] == 1:
        raised *= grid.size
        values = np.zeros(unique.size)
        np.add.at(values, inverse.reshape(-1), weights.reshape(-1))
        fields = [np.full(grid.shape, value) for value in values]
    else:
        stacked = np.zeros((unique.size, grid.size))
        kernels.scatter_weights(weights, inverse.reshape(codes.shape), stacked)
        fields = [field.reshape(grid.shape) for field in stacked]
    result = {}
    for code, field in zip(unique, fields, strict=True):
        short = offset_of(code, len(noisy))
        offset = [0] * grid.ndim
        for axis, step in zip(noisy, short, strict=True):
            offset[axis] = step
        if field.max() > 0.0:
            result[tuple(offset)] = field
    return result, raised


def _diffusive_exits(
    force: Force, table: RateTable, offset: tuple[int, ...], weight: np.ndarray, law: Law
) -> None:
    """Edges of both directions that meet an absorbing side, cut at their true distance.

    The rate is lambda/s B(-P_s) with s the share of the edge inside the box and P_s its integral;
    where D is diagonal, that of Ito's drift, which is exact for a D that jumps on the way.
    """
    grid = force.grid
    absorbing = np.array(
        [axis.boundary[end] == "absorbing" for axis in grid.domain.axes for end in (0, 1)]
    )
    for sign in (1, -1):
        step = np.array(offset) * sign
        index = np.stack(np.unravel_index(np.arange(grid.size), grid.shape))
        share, side = _first_crossing(grid, index, step, absorbing)
        cells = np.flatnonzero(np.isfinite(share))
        cells = cells[absorbing[side[cells]]]
        cells = cells[weight.reshape(-1)[cells] > 0.0]
        if cells.size:
            inside = share[cells]
            along = _cut_integral(force, index[:, cells], step, inside)
            rate, _ = law(weight.reshape(-1)[cells] / inside, along)
            table.leave(offset, cells, side[cells], rate)


def _first_crossing(
    grid: Grid, index: np.ndarray, step: np.ndarray, absorbing: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Share of the edge up to the first side it crosses (inf: none), and that side's number.

    ``absorbing`` tells by side number which sides are so, shape (2 d,).
    """
    share = np.full(grid.size, np.inf)
    side = np.zeros(grid.size, dtype=np.int64)
    for axis, n in enumerate(grid.shape):
        if step[axis] == 0 or grid.domain.axes[axis].periodic:
            continue
        target = index[axis] + step[axis]
        distance = (n - 0.5 - index[axis]) if step[axis] > 0 else (index[axis] + 0.5)
        candidate = np.where((target >= n) | (target < 0), distance / abs(step[axis]), np.inf)
        number = 2 * axis + int(step[axis] > 0)
        # Through a corner an edge leaves by an absorbing side, whatever the order of the axes.
        tie = (candidate == share) & np.isfinite(share) & absorbing[number]
        nearer = (candidate < share) | tie & ~absorbing[side]
        share[nearer] = candidate[nearer]
        side[nearer] = number
    return share, side


def _cut_integral(
    force: Force, index: np.ndarray, step: np.ndarray, share: np.ndarray
) -> np.ndarray:
    """Integral of gamma . e over the first ``share`` of the edges, by Gauss quadrature."""
    grid = force.grid
    abscissae, weights = np.polynomial.legendre.leggauss(EDGE_NODES)
    total = np.zeros(index.shape[1])
    for s, w in zip(0.5 * (abscissae + 1.0), 0.5 * weights, strict=True):
        points = []
        for axis, h in enumerate(grid.spacing):
            values = grid.centers[axis][index[axis]] + s * share * step[axis] * h
            points.append(wrapped(grid, axis, values))
        gamma = force.gamma(points, ito=force.diagonal)
        for row, axis in enumerate(force.noisy):
            total += w * share * step[axis] * gamma[row]
    return total


def _upwind(force: Force, table: RateTable, axis: int) -> None:
    """Rates of the drift along an axis without noise: max(b, 0) forward, max(-b, 0) backward."""
    grid = force.grid
    offset = tuple(int(i == axis) for i in range(grid.ndim))
    half = 0.5 * np.array(offset)
    velocity = force.velocity(force.shifted(grid.centers, half))[axis].reshape(grid.shape)
    for patch in patches(grid, offset):
        b = velocity[patch.source]
        table.add(offset, patch, np.maximum(b, 0.0), np.maximum(-b, 0.0))
        table.connect(offset, patch, b != 0.0)
    flat = np.arange(grid.size).reshape(grid.shape)
    for end, boundary in enumerate(grid.domain.axes[axis].boundary):
        if boundary == "absorbing":
            cells = np.take(flat, -end, axis=axis).reshape(-1)
            sign = 2 * end - 1
            wall = force.velocity(force.shifted(grid.centers, sign * half))[axis]
            outward = np.maximum(sign * wall[cells], 0.0)
            table.leave(offset, cells, np.full(cells.size, 2 * axis + end), outward)


def sampled_offsets(force: Force) -> int:
    """Number of lattice offsets that a coarse sample of the grid needs: a lower bound."""
    grid = force.grid
    if not force.noisy:
        return grid.ndim
    sample = [
        centers[np.unique(np.linspace(0, centers.size - 1, SAMPLES).astype(int))]
        for centers in grid.centers
    ]
    tensor, _ = force.tensors(np.ix_(*sample))
    _, codes = decompose(tensor)
    return int(np.unique(codes).size)
