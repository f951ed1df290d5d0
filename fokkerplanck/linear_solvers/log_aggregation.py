"""Kernels for chains far from their stationary state: rates and densities as logarithms.

Ratios of rates multiply from level to level, and a first guess may be off by hundreds of decades;
here neither can overflow or underflow. They run a few times per solve; no kernel calls another.
"""

from __future__ import annotations

import numba
import numpy as np

# Below this a cell is not raised: rounding must not go round in circles.
SLACK = 0.1
# A cell whose inflow falls short of its outflow by exp(-STARVED) is lowered to what it gets, in
# the first LOWERING sweeps.
STARVED = 30.0
LOWERING = 12


@numba.njit(cache=True)
def aggregate_logs(log_in, log_out, share_of_block, block, entry, start, coarse_in, coarse_out):
    """log rates between blocks at uniform density, and the gross rate inside each block.

    Parameters
    ----------
    log_in, log_out : (E,) float64
        -inf where there is no rate.
    share_of_block : (N,) float64
        Share of a cell in the size of its block.
    block : (N,) int32
    entry : (E,) int32
        Coarse entry of each entry, -1 inside a block.
    start : (N + 1,) int64
        Fine rows.
    coarse_in, coarse_out : (C,) float64, modified

    Returns
    -------
    (B,) float64
        Gross rate between the cells of a block.
    """
    blocks = block.max() + 1
    inside = np.zeros(blocks)
    coarse_in[:] = -np.inf
    coarse_out[:] = -np.inf
    for k in range(entry.size):
        c = entry[k]
        if c >= 0:
            coarse_in[c] = max(coarse_in[c], log_in[k])
            coarse_out[c] = max(coarse_out[c], log_out[k])
    sum_in, sum_out = np.zeros(coarse_in.size), np.zeros(coarse_in.size)
    for i in range(block.size):
        w = share_of_block[i]
        for k in range(start[i], start[i + 1]):
            c = entry[k]
            if c < 0:
                inside[block[i]] += w * np.exp(log_out[k])
                continue
            if log_in[k] > -np.inf:
                sum_in[c] += w * np.exp(log_in[k] - coarse_in[c])
            if log_out[k] > -np.inf:
                sum_out[c] += w * np.exp(log_out[k] - coarse_out[c])
    for c in range(coarse_in.size):
        if sum_in[c] > 0.0:
            coarse_in[c] += np.log(sum_in[c])
        if sum_out[c] > 0.0:
            coarse_out[c] += np.log(sum_out[c])
    return inside


@numba.njit(cache=True)
def sharpen_logs(start, mirror, share, inside, log_in, log_out):
    """:func:`aggregation.sharpen` for logarithms, which stay finite as ratios are squared.

    Parameters
    ----------
    start : (B + 1,) int64
    mirror : (C,) int32
    share : (C,) float64
    inside : (B,) float64
    log_in, log_out : (C,) float64, modified
    """
    ratio = np.zeros(log_in.size)
    for i in range(inside.size):
        for k in range(start[i], start[i + 1]):
            gross = 0.5 * (np.exp(log_in[k]) + np.exp(log_out[k]))
            # The cap keeps the quotient finite; beyond it nothing changes.
            ratio[k] = min(gross / inside[i], 1e6) if inside[i] > 0.0 else 0.0
    for k in range(log_in.size):
        f, g = log_in[k], log_out[k]
        if f == -np.inf or g == -np.inf:
            # One way: f/(f + g) is 0 or 1, and both leave the rates as they are.
            continue
        r = ratio[k] + ratio[mirror[k]]
        a = min(1.0, share[k] * 2.0 * r / (1.0 + r))
        # log f/(f + g) and log g/(f + g)
        less = np.log1p(np.exp(-abs(f - g)))
        forth, back = min(f - g, 0.0) - less, min(g - f, 0.0) - less
        if a < 1.0:
            log_in[k] = f + np.log(1.0 - a + a * np.exp(forth))
            log_out[k] = g + np.log(1.0 - a + a * np.exp(back))
        else:
            log_in[k] = f + forth
            log_out[k] = g + back


@numba.njit(cache=True)
def eliminate_logs(start, column, log_out, log_mass):
    """log of the stationary state of a small chain, by elimination without subtraction (GTH).

    Parameters
    ----------
    start, column : rows
    log_out : (C,) float64
        Rates out of the cells, -inf where there is none; the chain must be connected.
    log_mass : (n,) float64, modified
        Up to a constant.
    """
    n = log_mass.size
    rate = np.full((n, n), -np.inf)
    for i in range(n):
        for k in range(start[i], start[i + 1]):
            rate[i, column[k]] = log_out[k]
    for p in range(n - 1, 0, -1):
        largest = -np.inf
        for j in range(p):
            largest = max(largest, rate[p, j])
        total = 0.0
        for j in range(p):
            total += np.exp(rate[p, j] - largest)
        pivot = largest + np.log(total)
        for i in range(p):
            if rate[i, p] == -np.inf:
                continue
            rate[i, p] -= pivot
            for j in range(p):
                if rate[p, j] > -np.inf:
                    via = rate[i, p] + rate[p, j]
                    high, low = max(via, rate[i, j]), min(via, rate[i, j])
                    rate[i, j] = high + np.log1p(np.exp(low - high))
    log_mass[0] = 0.0
    for p in range(1, n):
        largest = -np.inf
        for j in range(p):
            largest = max(largest, log_mass[j] + rate[j, p])
        total = 0.0
        for j in range(p):
            total += np.exp(log_mass[j] + rate[j, p] - largest)
        log_mass[p] = largest + np.log(total)


@numba.njit(cache=True)
def gauge_inflow(start, column, log_in, leaving, psi, inflow):
    """Mend ``psi`` where it is far from balance, and measure the inflows in it.

    A stationary density has rho_i leaving_i >= rate_ij rho_j on every edge. A start that does not
    is raised: the gain around any cycle of edges is a probability, at most 1, so this ends, and
    then exp(psi_i - psi_j) cannot overflow. Cells that get next to nothing are lowered, or their
    inflow would underflow and they would never move.

    Parameters
    ----------
    start, column : rows
    log_in : (E,) float64
    leaving : (N,) float64
        Positive.
    psi : (N,) float64, modified
        -log rho.
    inflow : (E,) float64, modified
        rate_in_ij exp(psi_i - psi_j).
    """
    size = psi.size
    log_leaving = np.log(leaving)
    changed, turn = True, 0
    while changed:
        changed = False
        turn += 1
        for n in range(size):
            i = n if turn & 1 else size - 1 - n
            fed = np.inf
            for k in range(start[i], start[i + 1]):
                fed = min(fed, psi[column[k]] - log_in[k] + log_leaving[i])
            if fed < psi[i] - SLACK or (fed > psi[i] + STARVED and turn <= LOWERING):
                psi[i] = fed
                changed = True
    for i in range(size):
        for k in range(start[i], start[i + 1]):
            inflow[k] = np.exp(log_in[k] + psi[i] - psi[column[k]])
