"""Kernels of the flux correction: shares of the cells that keep all of them non-negative.

Fluxes lie on faces, n + 1 along their axis. A cell that would turn negative scales all that leaves
it; what it sends to its neighbours then changes too, so that only the two are looked at again.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True)
def guard(low, outflow, fluxes, layout, periodic, rounds, result, share):
    """Lower the shares until no cell turns negative; returns whether any of them changed.

    Parameters
    ----------
    low, outflow : (N,) float64
    fluxes : tuple of d flat arrays
    layout : (d, 2) int64
        Cells along each axis, and distance of neighbours along it.
    periodic : (d,) bool
    rounds : int
        The last of them guards every cell from which more may flow than is in it.
    result : (N,) float64, modified
        low minus the divergence of the fluxes with the shares given; left as it is where cells
        changed in the last round.
    share : (N,) float64, modified
        All 1 on entry, then low/outflow in the cells guarded.
    """
    everyone = np.arange(low.size)
    changed = _lower(low, outflow, everyone, False, result, share)
    if changed.size == 0:
        return False
    seen = np.zeros(low.size, dtype=np.bool_)
    for _ in range(rounds - 2):
        touched = _neighbourhood(changed, layout, periodic, seen)
        for cell in touched:
            result[cell] = _updated(cell, low, fluxes, layout, periodic, share)
        changed = _lower(low, outflow, touched, False, result, share)
        if changed.size == 0:
            return True
    _lower(low, outflow, everyone, True, result, share)
    return True


@numba.njit(cache=True)
def _lower(low, outflow, cells, everywhere, result, share):
    """Set the share of those cells that turned negative, or of all of them; returns which."""
    changed = np.empty(cells.size, dtype=np.int64)
    count = 0
    for cell in cells:
        if (everywhere or result[cell] < 0.0) and outflow[cell] > low[cell] and share[cell] == 1.0:
            share[cell] = low[cell] / outflow[cell]
            changed[count] = cell
            count += 1
    return changed[:count]


@numba.njit(cache=True)
def _neighbourhood(cells, layout, periodic, seen):
    """The cells and their neighbours along the axes, each once; ``seen`` is left all False."""
    found = np.empty(min(seen.size, cells.size * (1 + 2 * layout.shape[0])), dtype=np.int64)
    count = 0
    for cell in cells:
        if not seen[cell]:
            seen[cell] = True
            found[count] = cell
            count += 1
        for axis in range(layout.shape[0]):
            for side in (-1, 1):
                other = _neighbour(cell, side, layout[axis, 0], layout[axis, 1], periodic[axis])
                if other >= 0 and not seen[other]:
                    seen[other] = True
                    found[count] = other
                    count += 1
    for cell in found[:count]:
        seen[cell] = False
    return found[:count]


@numba.njit(cache=True)
def _neighbour(cell, side, n, stride, periodic):
    """The cell before (-1) or after (1) along an axis, -1 beyond the end of one not periodic."""
    place = cell // stride % n + side
    if place < 0:
        return cell + (n - 1) * stride if periodic else -1
    if place == n:
        return cell - (n - 1) * stride if periodic else -1
    return cell + side * stride


@numba.njit(cache=True)
def _updated(cell, low, fluxes, layout, periodic, share):
    """What `apply` makes of one cell, with the same sums in the same order."""
    value = low[cell]
    for axis in range(layout.shape[0]):
        n, stride = layout[axis, 0], layout[axis, 1]
        # One face more than cells lies in every line before this one.
        face = cell + cell // (stride * n) * stride
        for side in (-1, 1):
            flux = fluxes[axis][face if side < 0 else face + stride]
            donor = cell
            if flux * side < 0.0:
                donor = _neighbour(cell, side, n, stride, periodic[axis])
            if donor >= 0 and share[donor] < 1.0:
                flux *= share[donor]
            value -= side * flux
    return value


@numba.njit(cache=True)
def gather_outflow(flux, outflow):
    """Add to ``outflow`` (before, n, after) what flows out of each cell through its two faces."""
    for i in range(outflow.shape[0]):
        for j in range(outflow.shape[1]):
            for k in range(outflow.shape[2]):
                outflow[i, j, k] += max(flux[i, j + 1, k], 0.0) - min(flux[i, j, k], 0.0)


@numba.njit(cache=True)
def apply(flux, share, periodic, result):
    """Subtract the divergence of the fluxes, each scaled by the share of the cell it leaves.

    Parameters
    ----------
    flux : (before, n + 1, after) float64
    share, result : (before, n, after) float64
        ``result`` is modified.
    periodic : bool

    Returns
    -------
    cut, gross, lost : int, float, float
        Fluxes scaled, sum of all |flux|, and of what was taken from them.
    """
    n = share.shape[1]
    cut, gross, lost = 0, 0.0, 0.0
    for i in range(share.shape[0]):
        for j in range(n + 1):
            left = j - 1 if j > 0 else (n - 1 if periodic else -1)
            right = j if j < n else (0 if periodic else -1)
            for k in range(share.shape[2]):
                f = flux[i, j, k]
                donor = left if f > 0.0 else right
                if f == 0.0:
                    continue
                gross += abs(f)
                if donor >= 0 and share[i, donor, k] < 1.0:
                    cut += 1
                    lost += abs(f) * (1.0 - share[i, donor, k])
                    f *= share[i, donor, k]
                if j > 0:
                    result[i, j - 1, k] -= f
                if j < n:
                    result[i, j, k] += f
    return cut, gross, lost
