"""Kernels of the high-order operator: face fluxes of order 6 and their divergence, fused.

The density is an array (n0, n1, n2); one axis makes it (1, 1, n) and two make it (n0, 1, n2). With
p_ij = D_ij rho the flux through a face of axis i is R_i q_i - G_i p_ii with q_i = drift_i rho -
sum_j T_j p_ij. The weights R and G are those of conservative finite differences: the differences
of two neighbouring faces give first and second derivatives of point values to order 6, and T is
the central derivative of order 6. Towards a side that is not periodic the stencils shrink to 4 and
2 points, T becomes one-sided in the last cell, and everything there is of order 2.

One file, because a cached kernel does not notice changes in jitted callees of other files.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

# Sides.
REFLECTING, ABSORBING, PERIODIC = 0, 1, 2
# Most planes per task, and fewest: the first seven of a task are computed by its neighbour too.
PLANES, FEWEST_PLANES = 32, 8
# Cells that a face looks at on either side.
REACH = 3

# From the face outwards; R is symmetric and G antisymmetric about it.
R6, R4, R2 = (37.0 / 60.0, -8.0 / 60.0, 1.0 / 60.0), (7.0 / 12.0, -1.0 / 12.0, 0.0), (0.5, 0.0, 0.0)
G6 = (49.0 / 36.0, -5.0 / 36.0, 1.0 / 90.0)
G4, G2 = (15.0 / 12.0, -1.0 / 12.0, 0.0), (1.0, 0.0, 0.0)
T6, T4, T2 = (0.75, -0.15, 1.0 / 60.0), (8.0 / 12.0, -1.0 / 12.0, 0.0), (0.5, 0.0, 0.0)
# Derivative at an absorbing side, where the density is zero, from the two cells next to it.
WALL = (3.0, -1.0 / 3.0)

# Without reference counts, and so without new arrays: counting the views of a line took longer than
# computing it.
UNCOUNTED: dict[str, Any] = {"_nrt": False}
bare = numba.njit(cache=True, **UNCOUNTED)


@bare
def _weights(width):
    """R and G of a face with ``width`` cells on either side, padded to three."""
    if width >= 3:
        return R6, G6
    if width == 2:
        return R4, G4
    return R2, G2


@bare
def _derivative(i, n, periodic, places, weights):
    """Cells and weights of the first derivative in cell i of n; returns how many there are."""
    width = REACH if periodic else min(i, n - 1 - i, REACH)
    if width == 0:
        # One-sided, order 2.
        inward = 1 if i == 0 else -1
        for k in range(3):
            places[k] = i + inward * k
        weights[0], weights[1], weights[2] = -1.5 * inward, 2.0 * inward, -0.5 * inward
        return 3
    central = T6 if width == 3 else (T4 if width == 2 else T2)
    for k in range(width):
        places[2 * k] = (i + k + 1) % n
        places[2 * k + 1] = (i - k - 1) % n
        weights[2 * k] = central[k]
        weights[2 * k + 1] = -central[k]
    return 2 * width


@bare
def _subtract_along(values, periodic, places, weights, out):
    """out -= T values along one line."""
    n = values.size
    a, b, c = T6
    inner = n - 2 * REACH
    if inner > 0:
        m3, m2, m1 = values[:inner], values[1 : inner + 1], values[2 : inner + 2]
        p1, p2, p3 = values[4 : inner + 4], values[5 : inner + 5], values[6 : inner + 6]
        middle = out[REACH : REACH + inner]
        for j in range(inner):
            middle[j] -= a * (p1[j] - m1[j]) + b * (p2[j] - m2[j]) + c * (p3[j] - m3[j])
    # The ends; a test in every cell would cost as much as the cell.
    for end in range(min(n, 2 * REACH)):
        j = end if end < REACH or inner <= 0 else end + inner
        count = _derivative(j, n, periodic, places, weights)
        for k in range(count):
            out[j] -= weights[k] * values[places[k]]


@bare
def _face(q, p, size, f, n, lower, upper, out):
    """Flux through face f of an axis with n cells, one plane of cells at a time.

    Parameters
    ----------
    q, p : (size, m) float64
        Ring: cell i of the axis, unwrapped, lies in row ``i % size``.
    size : int
        Rows of the ring.
    lower, upper : int
        Kinds of the sides.
    out : (m,) float64, modified
    """
    width = REACH if lower == PERIODIC else min(f, n - f, REACH)
    if width == 0:
        if f == 0 and lower == ABSORBING:
            first, second, sign = 0, 1, -1.0
        elif f == n and upper == ABSORBING:
            first, second, sign = n - 1, n - 2, 1.0
        else:
            out[:] = 0.0
            return
        near, far = p[first % size], p[second % size]
        for j in range(out.size):
            out[j] = sign * (WALL[0] * near[j] + WALL[1] * far[j])
        return
    r, g = _weights(width)
    # Rows beyond a narrower stencil carry the weight zero; any row that exists serves.
    two = 1 if width >= 2 else 0
    three = 2 if width >= 3 else two
    m1, m2, m3 = (f - 1) % size, (f - 1 - two) % size, (f - 1 - three) % size
    p1, p2, p3 = f % size, (f + two) % size, (f + three) % size
    # Two loops: with more arrays in one the compiler gives up on vectors.
    a, b, c, d, e, h = q[m1], q[p1], q[m2], q[p2], q[m3], q[p3]
    for j in range(out.size):
        out[j] = r[0] * (a[j] + b[j]) + r[1] * (c[j] + d[j]) + r[2] * (e[j] + h[j])
    a, b, c, d, e, h = p[m1], p[p1], p[m2], p[p2], p[m3], p[p3]
    for j in range(out.size):
        out[j] -= g[0] * (b[j] - a[j]) + g[1] * (d[j] - c[j]) + g[2] * (h[j] - e[j])


@bare
def _faces_along(q, p, lower, upper, out):
    """Fluxes through all n + 1 faces along one line."""
    n = q.size
    inner = n - 2 * REACH + 1
    if inner > 0:
        a, b, c, d, e, h = (
            q[2 : 2 + inner], q[3 : 3 + inner], q[1 : 1 + inner],
            q[4 : 4 + inner], q[:inner], q[5 : 5 + inner],
        )  # fmt: skip
        middle = out[REACH : REACH + inner]
        for j in range(inner):
            middle[j] = R6[0] * (a[j] + b[j]) + R6[1] * (c[j] + d[j]) + R6[2] * (e[j] + h[j])
        a, b, c, d, e, h = (
            p[2 : 2 + inner], p[3 : 3 + inner], p[1 : 1 + inner],
            p[4 : 4 + inner], p[:inner], p[5 : 5 + inner],
        )  # fmt: skip
        for j in range(inner):
            middle[j] -= G6[0] * (b[j] - a[j]) + G6[1] * (d[j] - c[j]) + G6[2] * (h[j] - e[j])
    for end in range(min(n + 1, 2 * REACH)):
        f = end if end < REACH or inner <= 0 else end + inner
        if lower == PERIODIC:
            total = 0.0
            for k in range(REACH):
                behind, ahead = (f - 1 - k) % n, (f + k) % n
                total += R6[k] * (q[behind] + q[ahead]) - G6[k] * (p[ahead] - p[behind])
            out[f] = total
            continue
        width = min(f, n - f)
        if width == 0:
            out[f] = 0.0
            if f == 0 and lower == ABSORBING:
                out[f] = -(WALL[0] * p[0] + WALL[1] * p[1])
            elif f == n and upper == ABSORBING:
                out[f] = WALL[0] * p[n - 1] + WALL[1] * p[n - 2]
            continue
        r, g = _weights(width)
        total = 0.0
        for k in range(width):
            behind, ahead = f - 1 - k, f + k
            total += r[k] * (q[behind] + q[ahead]) - g[k] * (p[ahead] - p[behind])
        out[f] = total


@bare
def _subtract_across(x, tensor, i, j, axis, sides, places, weights, out):
    """out -= T (tensor x) along axis 0 or 1, in the line (i, j)."""
    n = x.shape[axis]
    here = i if axis == 0 else j
    count = _derivative(here, n, sides[axis, 0] == PERIODIC, places, weights)
    varying0, varying1 = tensor.shape[0] > 1, tensor.shape[1] > 1
    row, column = i if varying0 else 0, j if varying1 else 0
    if count < 2 * REACH:
        for k in range(count):
            if axis == 0:
                line, factor = x[places[k], j], tensor[places[k] if varying0 else 0, column]
            else:
                line, factor = x[i, places[k]], tensor[row, places[k] if varying1 else 0]
            weight = weights[k]
            for m in range(out.size):
                out[m] -= weight * (factor[m] * line[m])
        return
    w1, w2, w3 = T6
    if axis == 0:
        p1, p2, p3 = x[places[0], j], x[places[2], j], x[places[4], j]
        m1, m2, m3 = x[places[1], j], x[places[3], j], x[places[5], j]
    else:
        p1, p2, p3 = x[i, places[0]], x[i, places[2]], x[i, places[4]]
        m1, m2, m3 = x[i, places[1]], x[i, places[3]], x[i, places[5]]
    if not (varying0 if axis == 0 else varying1):
        factor = tensor[row, column]
        for m in range(out.size):
            slope = w1 * (p1[m] - m1[m]) + w2 * (p2[m] - m2[m]) + w3 * (p3[m] - m3[m])
            out[m] -= factor[m] * slope
        return
    for k in range(REACH):
        ahead, behind = (p1, m1) if k == 0 else ((p2, m2) if k == 1 else (p3, m3))
        weight = T6[k]
        if axis == 0:
            f, g = tensor[places[2 * k], column], tensor[places[2 * k + 1], column]
        else:
            f, g = tensor[row, places[2 * k]], tensor[row, places[2 * k + 1]]
        for m in range(out.size):
            out[m] -= weight * (f[m] * ahead[m] - g[m] * behind[m])


@bare
def _sum_abs(values, lanes):
    """Sum of |values| in eight lanes, which the compiler may add side by side."""
    lanes[:] = 0.0
    whole = values.size // 8 * 8
    for m in range(0, whole, 8):
        for k in range(8):
            lanes[k] += abs(values[m + k])
    total = 0.0
    for k in range(8):
        total += lanes[k]
    for m in range(whole, values.size):
        total += abs(values[m])
    return total


@bare
def _carried(x, drift, tensors, mixed, sides, axis, i, j, places, weights, line, out):
    """q of one axis in the line (i, j): drift x - sum over the other axes of T (D x)."""
    here, speed = x[i, j], drift[axis, i, j]
    for m in range(out.size):
        out[m] = speed[m] * here[m]
    for other in range(3):
        # Mixed tensors are stored as 01, 02, 12.
        pair = axis + other - 1
        if other == axis or not mixed[pair]:
            continue
        tensor = tensors[3 + pair]
        if other == 2:
            factor = tensor[i if tensor.shape[0] > 1 else 0, j if tensor.shape[1] > 1 else 0]
            for m in range(out.size):
                line[m] = factor[m] * here[m]
            _subtract_along(line, sides[2, 0] == PERIODIC, places, weights, out)
        else:
            _subtract_across(x, tensor, i, j, other, sides, places, weights, out)


@bare
def _times(tensor, x, i, j, out):
    """One line of D x."""
    factor = tensor[i if tensor.shape[0] > 1 else 0, j if tensor.shape[1] > 1 else 0]
    here = x[i, j]
    for m in range(out.size):
        out[m] = factor[m] * here[m]


@bare
def _planes(
    x, drift, tensors, mixed, sides, a, b, c, y, total, weight, out, faces, f0, f1, f2, low, high,
    places, weights, lanes, lines, rows, planes,
):  # fmt: skip
    """The planes ``low`` to ``high`` of :func:`divergence`; returns the sum of |out|.

    With ``faces`` the fluxes themselves are written to f0, f1 and f2, and out is left alone. The
    last six arrays are room to work in.
    """
    n0, n1, n2 = x.shape
    size = 2 * REACH
    line, q, p, flux = lines[0, :n2], lines[1, :n2], lines[2, :n2], lines[3, : n2 + 1]
    behind, ahead = lines[4, :n2], lines[5, :n2]
    row_q, row_p = rows[:size], rows[size:]
    ring_q, ring_p = planes[:size], planes[size : 2 * size]
    below, above, result = planes[2 * size], planes[2 * size + 1], planes[2 * size + 2]
    sum_abs = 0.0
    wrapped0, wrapped1 = sides[0, 0] == PERIODIC, sides[1, 0] == PERIODIC
    filled = low - REACH
    for i in range(low - 1, high):
        # Axis 0: the face above plane i; the round before the first gives the face below it.
        if n0 > 1:
            while filled < i + 1 + REACH:
                if wrapped0 or 0 <= filled < n0:
                    plane = filled % n0
                    for j in range(n1):
                        first, last = j * n2, (j + 1) * n2
                        _carried(
                            x, drift, tensors, mixed, sides, 0, plane, j, places, weights, line,
                            ring_q[filled % size, first:last],
                        )  # fmt: skip
                        _times(tensors[0], x, plane, j, ring_p[filled % size, first:last])
                filled += 1
            _face(ring_q, ring_p, size, i + 1, n0, sides[0, 0], sides[0, 1], above)
            if faces:
                for m in range(n1 * n2):
                    f0[i + 1, m // n2, m % n2] = above[m]
        if i < low:
            below, above = above, below
            continue
        if n0 > 1:
            for m in range(n1 * n2):
                result[m] = below[m] - above[m]
            below, above = above, below
        else:
            result[:] = 0.0
        # Axis 1.
        if n1 > 1:
            ready = -REACH if wrapped1 else 0
            for f in range(n1 + 1):
                while ready < f + REACH:
                    if wrapped1 or ready < n1:
                        row = ready % n1
                        _carried(
                            x, drift, tensors, mixed, sides, 1, i, row, places, weights, line,
                            row_q[ready % size],
                        )  # fmt: skip
                        _times(tensors[1], x, i, row, row_p[ready % size])
                    ready += 1
                _face(row_q, row_p, size, f, n1, sides[1, 0], sides[1, 1], ahead)
                if faces:
                    sink = f1[i, f]
                    for m in range(n2):
                        sink[m] = ahead[m]
                if f > 0:
                    part = result[(f - 1) * n2 : f * n2]
                    for m in range(n2):
                        part[m] += behind[m] - ahead[m]
                behind, ahead = ahead, behind
        # Axis 2, and the line is complete.
        for j in range(n1):
            _carried(x, drift, tensors, mixed, sides, 2, i, j, places, weights, line, q)
            _times(tensors[2], x, i, j, p)
            _faces_along(q, p, sides[2, 0], sides[2, 1], flux)
            if faces:
                sink = f2[i, j]
                for m in range(n2 + 1):
                    sink[m] = flux[m]
                continue
            part = result[j * n2 : (j + 1) * n2]
            left, right = flux[:n2], flux[1:]
            for m in range(n2):
                part[m] += left[m] - right[m]
            here, other, sink = x[i, j], y[i, j], out[i, j]
            for m in range(n2):
                sink[m] = a * part[m] + b * here[m] + c * other[m]
            if weight != 0.0:
                gathered = total[i, j]
                for m in range(n2):
                    gathered[m] += weight * sink[m]
            sum_abs += _sum_abs(sink, lanes)
    return sum_abs


@numba.njit(cache=True)
def _task(
    x, drift, tensors, mixed, sides, a, b, c, y, total, weight, out, faces, f0, f1, f2, low, high
):
    """:func:`_planes` with room to work in."""
    _, n1, n2 = x.shape
    size = 2 * REACH
    return _planes(
        x, drift, tensors, mixed, sides, a, b, c, y, total, weight, out, faces, f0, f1, f2, low,
        high, np.empty(6, np.int64), np.empty(6), np.empty(8), np.empty((6, n2 + 8)),
        np.empty((2 * size, n2)), np.empty((2 * size + 3, n1 * n2)),
    )  # fmt: skip


def task_count(planes: int) -> int:
    """Tasks for so many planes, even for two threads to share; whatever the threads really are.

    Sums then do not depend on the threads.
    """
    return 2 * -(-planes // (2 * PLANES)) if planes >= 2 * FEWEST_PLANES else 1


@numba.njit(cache=True)
def divergence_serial(
    x, drift, tensors, mixed, sides, a, b, c, y, total, weight, out, faces, f0, f1, f2, sums
):
    """:func:`divergence` on one thread, for arrays too small to share."""
    each = -(-x.shape[0] // sums.size)
    for task in range(sums.size):
        low, high = task * each, min((task + 1) * each, x.shape[0])
        sums[task] = _task(
            x, drift, tensors, mixed, sides, a, b, c, y, total, weight, out, faces, f0, f1, f2,
            low, high,
        )  # fmt: skip


@numba.njit(parallel=True, cache=True)
def divergence(
    x, drift, tensors, mixed, sides, a, b, c, y, total, weight, out, faces, f0, f1, f2, sums
):
    """out = a A x + b x + c y and total += weight out, A x minus the divergence of the fluxes.

    Parameters
    ----------
    x, y : (n0, n1, n2) float64
    drift : (3, n0, n1, n2) float64
        In cells per unit time.
    tensors : (6, 1 or n0, 1 or n1, n2) float64
        D_00, D_11, D_22, D_01, D_02, D_12 in index units.
    mixed : (3,) bool
        Which of the last three are not zero.
    sides : (3, 2) int64
        Kinds of the lower and upper sides.
    total, out : (n0, n1, n2) float64, modified
        ``out`` may be ``y``; it must not be ``x``.
    faces : bool
        Write the fluxes to f0 (n0 + 1, n1, n2), f1 and f2 instead, positive towards larger
        coordinates, in units of density times cells per unit time.
    sums : (tasks,) float64, modified
        Sums of |out| over equally many planes each; see :func:`task_count`.

    Notes
    -----
    Every cell is computed by one thread in a fixed order: results do not depend on the threads.
    The face between two tasks is written by both, with the same value.
    """
    each = -(-x.shape[0] // sums.size)
    for task in numba.prange(sums.size):
        low, high = task * each, min((task + 1) * each, x.shape[0])
        sums[task] = _task(
            x, drift, tensors, mixed, sides, a, b, c, y, total, weight, out, faces, f0, f1, f2,
            low, high,
        )  # fmt: skip
