"""Kernels that eliminate the states of a killed Markov chain without any subtraction.

State i leaves to j at the rate R_ij and dies at the rate c_i; the backward equations are
K u = f with K_ii = c_i + sum_j R_ij and K_ij = -R_ij. Eliminating k leaves a chain of the others,

    R_ij += R_ik R_kj / s_k,  c_i += R_ik c_k / s_k,  f_i += R_ik f_k / s_k,  s_k = c_k + sum R_kj,

sums of positive terms only: pivots and solutions are accurate entry by entry, however long the
chain lives (Grassmann, Taksar and Heyman, Oper. Res. 33 (1985) 1107; Alfa, Xue and Ye, Math. Comp.
71 (2002) 217). Factors K = (I - L) S (I - U), L_ik = R_ik / s_k, U_kj = R_kj / s_k.

Nodes of a dissection are eliminated as dense fronts (multifrontal method: Duff and Reid, ACM TOMS
9 (1983) 302). A front holds the p cells of its node and b later cells that they reach, m = p + b.
No kernel calls another.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

# Pivots taken together, so that the rest of the front passes through the cache once for all.
PANEL = 16


class KilledChain(NamedTuple):
    """Rates per unit time.

    Attributes
    ----------
    start, column : (N + 1,) int64, (E,) int32
        Neighbours of the cells, a symmetric pattern.
    rate_in, rate_out : (E,) float64
        From and to them.
    killing : (N,) float64
        c.
    """

    start: np.ndarray
    column: np.ndarray
    rate_in: np.ndarray
    rate_out: np.ndarray
    killing: np.ndarray


class Fronts(NamedTuple):
    """Cells of all fronts.

    Attributes
    ----------
    order, position, first, children
        As in :func:`find_fronts`.
    begin, later
        What that has found.
    place : (M + 1,) int64
        Where the factors of each node begin: p rows of m entries.
    """

    order: np.ndarray
    position: np.ndarray
    first: np.ndarray
    children: np.ndarray
    begin: np.ndarray
    later: np.ndarray
    place: np.ndarray


class Factors(NamedTuple):
    """Of K.

    Attributes
    ----------
    lower, upper : float64 arrays
        Row k of a node: L_ik and U_ki of its front's cells i.
    pivot : (n,) float64
        s in the order of elimination, per unit time.
    """

    lower: np.ndarray
    upper: np.ndarray
    pivot: np.ndarray


@numba.njit(cache=True)
def find_fronts(start, column, order, position, first, children, begin):
    """Later cells of every front.

    Parameters
    ----------
    start, column : (N + 1,) int64, (E,) int32
        Neighbours of the cells, a symmetric pattern.
    order, first, children : as in `dissection`
    position : (N,) int64
        Place of each cell in ``order``, -1 for those left out.
    begin : (M + 1,) int64, modified
        Where the later cells of each node begin in the result.

    Returns
    -------
    later : int64 array
        Places in ``order``, rising within each node.
    """
    nodes = children.size
    later = np.empty(8 * order.size + 64, np.int64)
    seen = np.full(order.size, -1, np.int64)
    stack = np.empty(nodes + 1, np.int64)
    height, used = 0, 0
    begin[0] = 0
    for node in range(nodes):
        last = first[node + 1]
        low = used
        for row in range(first[node], last + children[node]):
            # First the neighbours of the node's own cells, then what its children left.
            if row < last:
                cell = order[row]
                lower, upper = start[cell], start[cell + 1]
            else:
                child = stack[height - 1 - (row - last)]
                lower, upper = begin[child], begin[child + 1]
            if used + upper - lower > later.size:
                larger = np.empty(2 * later.size + upper - lower, np.int64)
                larger[:used] = later[:used]
                later = larger
            for entry in range(lower, upper):
                place = position[column[entry]] if row < last else later[entry]
                if place >= last and seen[place] != node:
                    seen[place] = node
                    later[used] = place
                    used += 1
        later[low:used] = np.sort(later[low:used])
        begin[node + 1] = used
        height -= children[node]
        stack[height] = node
        height += 1
    return later[:used].copy()


@numba.njit(cache=True)
def factorise(chain, fronts, stack_size, factors):
    """Eliminate all cells, front by front.

    Parameters
    ----------
    chain : KilledChain
    fronts : Fronts
    stack_size : int
        Entries of the largest pile of fronts that wait for their parents.
    factors : Factors
        Filled.

    Returns
    -------
    int
        -1, or the place in ``order`` of the first cell that nothing leads away from.
    """
    start, column, rate_in, rate_out, killing = chain
    order, position, first, children, begin, later, place = fronts
    lower, upper, pivot = factors
    nodes = children.size
    largest = 0
    for node in range(nodes):
        largest = max(largest, first[node + 1] - first[node] + begin[node + 1] - begin[node])
    pile = np.empty(stack_size, np.float64)
    top = 0
    waiting = np.empty(nodes + 1, np.int64)
    height = 0
    local = np.empty(order.size, np.int64)
    work = np.empty(largest * largest, np.float64)
    dies = np.empty(largest, np.float64)
    for node in range(nodes):
        base, p = first[node], first[node + 1] - first[node]
        b = begin[node + 1] - begin[node]
        m = p + b
        front = work[: m * m].reshape(m, m)
        front[:] = 0.0
        dies[:m] = 0.0
        for i in range(p):
            local[base + i] = i
        for i in range(b):
            local[later[begin[node] + i]] = p + i
        for i in range(p):
            cell = order[base + i]
            dies[i] = killing[cell]
            for entry in range(start[cell], start[cell + 1]):
                other = position[column[entry]]
                if other >= base:
                    j = local[other]
                    front[i, j] = rate_out[entry]
                    front[j, i] = rate_in[entry]
        for _ in range(children[node]):
            height -= 1
            child = waiting[height]
            size = begin[child + 1] - begin[child]
            top -= size * (size + 1)
            for i in range(size):
                row = local[later[begin[child] + i]]
                part = pile[top + i * (size + 1) : top + (i + 1) * (size + 1)]
                for j in range(size):
                    front[row, local[later[begin[child] + j]]] += part[j]
                dies[row] += part[size]
        for left in range(0, p, PANEL):
            right = min(left + PANEL, p)
            for k in range(left, right):
                total = dies[k]
                for j in range(k + 1, m):
                    total += front[k, j]
                if not total > 0.0:
                    return base + k
                pivot[base + k] = total
                inverse = 1.0 / total
                for i in range(k + 1, m):
                    share = front[i, k] * inverse
                    front[i, k] = share
                    if share > 0.0:
                        dies[i] += share * dies[k]
                        for j in range(k + 1, m if i < right else right):
                            front[i, j] += share * front[k, j]
            for i in range(right, m):
                k = left
                target = front[i, right:m]
                while k + 4 <= right:
                    a0, a1, a2, a3 = front[i, k], front[i, k + 1], front[i, k + 2], front[i, k + 3]
                    r0, r1 = front[k, right:m], front[k + 1, right:m]
                    r2, r3 = front[k + 2, right:m], front[k + 3, right:m]
                    for j in range(target.size):
                        target[j] += (a0 * r0[j] + a1 * r1[j]) + (a2 * r2[j] + a3 * r3[j])
                    k += 4
                while k < right:
                    a0 = front[i, k]
                    r0 = front[k, right:m]
                    for j in range(target.size):
                        target[j] += a0 * r0[j]
                    k += 1
        at = place[node]
        for k in range(p):
            inverse = 1.0 / pivot[base + k]
            for i in range(k + 1, m):
                lower[at + k * m + i] = front[i, k]
                upper[at + k * m + i] = front[k, i] * inverse
        for i in range(b):
            part = pile[top + i * (b + 1) : top + (i + 1) * (b + 1)]
            part[:b] = front[p + i, p:m]
            part[b] = dies[p + i]
        top += b * (b + 1)
        waiting[height] = node
        height += 1
    return -1


@numba.njit(cache=True)
def solve(first, begin, later, place, outer, inner, pivot, x):
    """x = (I - B)^-1 S^-1 (I - A)^-1 x, in place, in the order of elimination.

    Parameters
    ----------
    first, begin, later, place : the fronts
    outer, inner : float64 arrays
        Rows A_ik and B_ki: L and U for K u = f, U and L for the transposed equation.
    pivot, x : (n,) float64
        ``x`` >= 0 comes out relatively accurate entry by entry.
    """
    nodes = first.size - 1
    for node in range(nodes):
        base, p = first[node], first[node + 1] - first[node]
        b = begin[node + 1] - begin[node]
        m = p + b
        for k in range(p):
            value = x[base + k]
            if value != 0.0:
                row = outer[place[node] + k * m : place[node] + (k + 1) * m]
                for i in range(k + 1, p):
                    x[base + i] += row[i] * value
                for i in range(b):
                    x[later[begin[node] + i]] += row[p + i] * value
    for node in range(nodes - 1, -1, -1):
        base, p = first[node], first[node + 1] - first[node]
        b = begin[node + 1] - begin[node]
        m = p + b
        for k in range(p - 1, -1, -1):
            row = inner[place[node] + k * m : place[node] + (k + 1) * m]
            total = x[base + k] / pivot[base + k]
            for i in range(k + 1, p):
                total += row[i] * x[base + i]
            for i in range(b):
                total += row[p + i] * x[later[begin[node] + i]]
            x[base + k] = total
