"""Kernels that spread masses on a lattice and read values off it; no kernel calls another.

Lattices are flat and have a margin for stencils that reach beyond the box. The weights of the
stencils are stored: to find them takes longer than to use them.
"""

from __future__ import annotations

import numba

# A constant of the kernels, so that loops over it are unrolled.
from .remeshing import WIDTH


@numba.njit(cache=True)
def stencil_weights(place, rows, base, out):
    """First cells and weights of the stencils of places along one axis.

    Parameters
    ----------
    place : (M,) float64
        >= 0, in index units from the first cell of the stencil.
    rows : (q, WIDTH) float64
        Weights as polynomials of the place between two cells, highest power first.
    base : (M,) int64, modified
    out : (M, WIDTH) float64, modified
    """
    for m in range(place.size):
        cell = int(place[m])
        f = place[m] - cell
        base[m] = cell
        for j in range(WIDTH):
            total = 0.0
            for p in range(rows.shape[0]):
                total = total * f + rows[p, j]
            out[m, j] = total


@numba.njit(cache=True)
def deposit_plane(mass, share, base, weights, stride, out):
    """Add the mass of every cell to the stencils of its landings, in one or two dimensions.

    Parameters
    ----------
    mass : (N,) float64
    share : (N, K) float64
        Of the landings.
    base : (N, K) int64
        First cell of the stencil, flat.
    weights : (N, K, 2, WIDTH) float64
        Along both axes.
    stride : int
        Cells of a line.
    out : (n,) float64, modified
    """
    for i in range(mass.size):
        if mass[i] == 0.0:
            continue
        for k in range(share.shape[1]):
            amount = mass[i] * share[i, k]
            if amount == 0.0:
                continue
            first, last = weights[i, k, 0], weights[i, k, 1]
            for u in range(WIDTH):
                part = amount * first[u]
                line = base[i, k] + u * stride
                for v in range(WIDTH):
                    out[line + v] += part * last[v]


@numba.njit(cache=True)
def deposit_block(mass, share, base, weights, slab, stride, out):
    """As :func:`deposit_plane` in three dimensions; ``slab`` is the cells of a plane."""
    for i in range(mass.size):
        if mass[i] == 0.0:
            continue
        for k in range(share.shape[1]):
            amount = mass[i] * share[i, k]
            if amount == 0.0:
                continue
            first, middle, last = weights[i, k, 0], weights[i, k, 1], weights[i, k, 2]
            for t in range(WIDTH):
                for u in range(WIDTH):
                    part = amount * first[t] * middle[u]
                    line = base[i, k] + t * slab + u * stride
                    for v in range(WIDTH):
                        out[line + v] += part * last[v]


@numba.njit(cache=True)
def gather_plane(values, share, base, weights, stride, out):
    """The transpose of :func:`deposit_plane`: mean of the values where the landings are."""
    for i in range(out.size):
        total = 0.0
        for k in range(share.shape[1]):
            first, last = weights[i, k, 0], weights[i, k, 1]
            mean = 0.0
            for u in range(WIDTH):
                line = base[i, k] + u * stride
                inner = 0.0
                for v in range(WIDTH):
                    inner += values[line + v] * last[v]
                mean += first[u] * inner
            total += share[i, k] * mean
        out[i] = total


@numba.njit(cache=True)
def gather_block(values, share, base, weights, slab, stride, out):
    """As :func:`gather_plane` in three dimensions."""
    for i in range(out.size):
        total = 0.0
        for k in range(share.shape[1]):
            first, middle, last = weights[i, k, 0], weights[i, k, 1], weights[i, k, 2]
            mean = 0.0
            for t in range(WIDTH):
                for u in range(WIDTH):
                    line = base[i, k] + t * slab + u * stride
                    inner = 0.0
                    for v in range(WIDTH):
                        inner += values[line + v] * last[v]
                    mean += first[t] * middle[u] * inner
            total += share[i, k] * mean
        out[i] = total
