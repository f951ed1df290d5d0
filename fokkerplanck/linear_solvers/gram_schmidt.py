"""Kernels of Gram-Schmidt on a few long vectors; no kernel calls another.

Products of this size are bound by memory; libraries that share them among threads wait for each
other on a machine that has other work to do.
"""

from __future__ import annotations

import numba


@numba.njit(cache=True)
def overlaps(rows, count, vector, out):
    """out_i = rows_i . vector for i < count."""
    for i in range(count):
        row = rows[i]
        a = b = c = d = 0.0
        n = 4 * (vector.size // 4)
        # Four sums of their own: one alone would wait for each addition.
        for j in range(0, n, 4):
            a += row[j] * vector[j]
            b += row[j + 1] * vector[j + 1]
            c += row[j + 2] * vector[j + 2]
            d += row[j + 3] * vector[j + 3]
        for j in range(n, vector.size):
            a += row[j] * vector[j]
        out[i] = (a + b) + (c + d)


@numba.njit(cache=True)
def remove(rows, count, shares, vector):
    """vector -= sum_i shares_i rows_i for i < count."""
    for i in range(count):
        row, share = rows[i], shares[i]
        for j in range(vector.size):
            vector[j] -= share * row[j]
