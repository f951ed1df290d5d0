"""Kernels of multilevel aggregation for the stationary state of a Markov generator.

Every level is a chain in balance form. Cell i has a gauge psi_i, its mass is exp(-psi_i) u_i, and
row i lists for each neighbour j the flux j -> i at u = 1 (``inflow``) and the flux i -> j
(``outflow``), both in units of exp(-psi_i): u is stationary when

    u_i sum_j outflow_ij = sum_j inflow_ij u_j.

No flux is larger than its own cell's scale, so densities over any number of decades fit, and no
operation subtracts: every result is accurate entry by entry (Grassmann, Taksar and Heyman,
Oper. Res. 33 (1985) 1107; O'Cinneide, Numer. Math. 65 (1993) 109).
No kernel calls another: a cached one would not notice changes in a jitted callee elsewhere.
"""

from __future__ import annotations

import numba
import numpy as np

# One level's part in a cycle stays within these; levels multiply, and a start may be far off.
SMALLEST, LARGEST = 1e-20, 1e20
# Fluxes in units of their own cell that change nothing there, and whose inverse overflows.
NEGLIGIBLE = 1e-290


@numba.njit(cache=True)
def total_outflow(start, outflow, leaving):
    """leaving_i = sum_j outflow_ij."""
    for i in range(leaving.size):
        total = 0.0
        for k in range(start[i], start[i + 1]):
            total += outflow[k]
        leaving[i] = total


@numba.njit(cache=True)
def sweep(start, column, inflow, leaving, u, ascending):
    """One Gauss-Seidel sweep u_i = sum_j inflow_ij u_j / leaving_i, in place.

    A cell whose fluxes all underflow keeps its value.
    """
    size = u.size
    for n in range(size):
        i = n if ascending else size - 1 - n
        total = 0.0
        for k in range(start[i], start[i + 1]):
            total += inflow[k] * u[column[k]]
        if leaving[i] > 0.0 and total > 0.0:
            u[i] = min(max(total / leaving[i], SMALLEST), LARGEST)


@numba.njit(cache=True)
def aggregate(
    start, column, inflow, outflow, u, weight, block, entry, coarse_inflow, coarse_outflow, inside
):
    """Fluxes between blocks at the present u.

    Parameters
    ----------
    start, column, inflow, outflow : fine rows
    u : (N,) float64
    weight : (N,) float64
        exp(psi_block - psi_i), the change of units.
    block : (N,) int32
    entry : (E,) int32
        From :func:`coarse_pattern`.
    coarse_inflow, coarse_outflow : (C,) float64, modified
    inside : (B,) float64, modified
        Gross flux between the cells of a block.
    """
    inside[:] = 0.0
    coarse_inflow[:] = 0.0
    coarse_outflow[:] = 0.0
    for i in range(u.size):
        w, wu = weight[i], weight[i] * u[i]
        for k in range(start[i], start[i + 1]):
            c = entry[k]
            if c >= 0:
                coarse_inflow[c] += w * inflow[k] * u[column[k]]
                coarse_outflow[c] += wu * outflow[k]
            else:
                inside[block[i]] += wu * outflow[k]


@numba.njit(cache=True)
def sharpen(start, mirror, share, inside, inflow, outflow, leaving, ratio):
    """Take out the diffusion that blocks add, keep every net flux, and sum up what leaves.

    F -> (1 - a) F + a F^2/(F + G), G the flux the other way. F - G stays, hence so does the
    stationary state; the gross flux of a weakly driven edge falls by a/2, and F/G becomes
    (F/G)^2 at a = 1, as for a Scharfetter-Gummel edge of twice the length.

    Parameters
    ----------
    start : (B + 1,) int64
    mirror : (C,) int32
        The entry of the same edge in the other row.
    share : (C,) float64
        a where fluxes in and between blocks are alike. Where the flux between blocks is small,
        as over a barrier, the blocks add nothing: a = share 2 r/(1 + r), at most 1, with r the
        flux between the blocks over that inside, averaged over both blocks.
    inside : (B,) float64
    inflow, outflow : (C,) float64, modified
    leaving : (B,) float64, modified
    ratio : (C,) float64, modified
        Scratch.
    """
    for i in range(leaving.size):
        half = 0.5 / inside[i] if inside[i] > NEGLIGIBLE else 0.0
        for k in range(start[i], start[i + 1]):
            # The cap keeps the quotient finite; beyond it nothing changes.
            ratio[k] = min((inflow[k] + outflow[k]) * half, 1e6)
    for i in range(leaving.size):
        total = 0.0
        for k in range(start[i], start[i + 1]):
            f, g = inflow[k], outflow[k]
            if share[k] > 0.0 and f + g > NEGLIGIBLE:
                r = ratio[k] + ratio[mirror[k]]
                a = min(1.0, share[k] * 2.0 * r / (1.0 + r))
                part = a / (f + g)
                inflow[k] = f * (1.0 - a + part * f)
                outflow[k] = g * (1.0 - a + part * g)
            total += outflow[k]
        leaving[i] = total


@numba.njit(cache=True)
def eliminate(start, column, inflow, outflow, gauge, order, u):
    """Solve a small chain by censoring its states one after the other (GTH).

    Every flux is taken once, in units of the lighter of its two cells: from the outflow of that
    cell or from its inflow. Both lists of one edge agree only to rounding, and between two deep
    wells a defect of rounding size outweighs the flux across the barrier.

    Parameters
    ----------
    start, column, inflow, outflow : rows
    gauge : (n,) float64
    order : (n,) int64
        By increasing gauge. The last state is censored first: what passes through it is
        redistributed among heavier ones, in whose units it cannot overflow.
    u : (n,) float64, modified
        Stationary, that of the first state of ``order`` at 1.
    """
    n = order.size
    place = np.empty(n, np.int64)
    for p in range(n):
        place[order[p]] = p
    flux = np.zeros((n, n))
    for i in range(n):
        p = place[i]
        for k in range(start[i], start[i + 1]):
            q = place[column[k]]
            if q < p:
                flux[p, q] += outflow[k]
                flux[q, p] += inflow[k]
    pivot, chance, scale = np.zeros(n), np.zeros(n), np.zeros(n)
    for p in range(n - 1, 0, -1):
        total = 0.0
        for j in range(p):
            total += flux[p, j]
        pivot[p] = total
        if total == 0.0:
            continue
        for j in range(p):
            # At most 1, where flux over total may overflow.
            chance[j] = flux[p, j] / total
            scale[j] = np.exp(gauge[order[j]] - gauge[order[p]])
        for i in range(p):
            if flux[i, p] > 0.0:
                for j in range(p):
                    flux[i, j] += flux[i, p] * chance[j] * scale[max(i, j)]
    u[:] = 1.0
    for p in range(1, n):
        total = 0.0
        for j in range(p):
            total += flux[j, p] * u[order[j]]
        if total > 0.0 and pivot[p] > 0.0:
            u[order[p]] = min(max(total / pivot[p], SMALLEST), LARGEST)


@numba.njit(cache=True)
def refine(block, beside, coarse, fine, extrapolate):
    """Interpolate from blocks to cells, linearly along the direction of the pairs.

    Parameters
    ----------
    block : (N,) int32
    beside : (N,) int32
        The block on the cell's own side; -1 - the block on the other side where there is none.
    coarse : (B,) float64
    fine : (N,) float64, modified
    extrapolate : bool
        Beyond the outermost blocks continue the line instead of the constant.
    """
    for i in range(fine.size):
        own, other = coarse[block[i]], beside[i]
        if other >= 0:
            fine[i] = 0.75 * own + 0.25 * coarse[other]
        elif extrapolate:
            fine[i] = 1.25 * own - 0.25 * coarse[-1 - other]
        else:
            fine[i] = own


@numba.njit(cache=True)
def coarsen_gauge(block, fine, coarse):
    """coarse_I = the least gauge of the cells of block I."""
    coarse[:] = np.inf
    for i in range(block.size):
        coarse[block[i]] = min(coarse[block[i]], fine[i])


@numba.njit(cache=True)
def products(changes, last, gram, right):
    """Inner products of the differences d_a = changes_a - last: gram_ab and right_a = -d_a . last.

    Parameters
    ----------
    changes : (m, N) float64
    last : (N,) float64
    gram : (m, m) float64, modified
    right : (m,) float64, modified

    Notes
    -----
    On one thread in a fixed order: results do not depend on the threads of a BLAS.
    """
    gram[:] = 0.0
    right[:] = 0.0
    for i in range(last.size):
        for a in range(changes.shape[0]):
            d = changes[a, i] - last[i]
            right[a] -= d * last[i]
            for b in range(a + 1):
                gram[a, b] += d * (changes[b, i] - last[i])
    for a in range(changes.shape[0]):
        for b in range(a):
            gram[b, a] = gram[a, b]
