"""Selling decomposition: D = sum_k lambda_k e_k e_k^T with lambda_k >= 0 and integer offsets e_k.

In two dimensions three offsets suffice, in three dimensions six. The offsets come from an obtuse
superbase, which Selling's algorithm reaches from the canonical one by finitely many flips
(Selling 1874; Fehrenbach and Mirebeau 2014). Tensors are in index units, D_ij / (h_i h_j).
"""

from __future__ import annotations

import numba
import numpy as np

from ..errors import NumericalFailure

# Number of terms for 1, 2 and 3 axes.
TERMS = {1: 1, 2: 3, 3: 6}
# Products below this share of the trace count as non-positive: rounding must not cause flips.
OBTUSE_TOLERANCE = 1e-15
# A condition number c needs about log(c) + sqrt(c) flips; this allows c up to 1e6.
MAX_FLIPS = 5000
# Offsets are coded in base 2 * CODE_REACH + 1 to be sorted and compared as one integer.
CODE_REACH = 1000
CODE_BASE = 2 * CODE_REACH + 1


@numba.njit(cache=True)
def _code(a: int, b: int, c: int) -> int:
    """One integer per offset, the same for e and -e: the first non-zero component counts > 0."""
    if a < 0 or (a == 0 and (b < 0 or (b == 0 and c < 0))):
        a, b, c = -a, -b, -c
    return (a * CODE_BASE + b + CODE_REACH) * CODE_BASE + c + CODE_REACH


@numba.njit(parallel=True, cache=True)
def _decompose_2d(tensors, weights, codes):
    """Three-term decompositions.

    Parameters
    ----------
    tensors : (3, N) float64
        Components xx, xy, yy.
    weights : (3, N) float64, modified
    codes : (3, N) int64, modified

    Returns
    -------
    int
        Number of tensors for which the flips did not end (0 when all is well).

    Notes
    -----
    Only the products p_ij = <e_i, D e_j> are carried along. With p_01 > 0 the superbase
    (-e_0, e_1, e_0 - e_1) has p_01' = -p_01, p_12' = p_12 + 2 p_01, p_20' = p_20 + 2 p_01.
    """
    failed = 0
    for n in numba.prange(tensors.shape[1]):
        xx, xy, yy = tensors[0, n], tensors[1, n], tensors[2, n]
        a0, b0, a1, b1, a2, b2 = 1, 0, 0, 1, -1, -1
        p01, p12, p20 = xy, -xy - yy, -xx - xy
        floor = OBTUSE_TOLERANCE * (xx + yy)
        done = False
        for _ in range(MAX_FLIPS):
            if p01 > floor:
                a0, b0, a1, b1, a2, b2 = -a0, -b0, a1, b1, a0 - a1, b0 - b1
                p01, p12, p20 = -p01, p12 + 2 * p01, p20 + 2 * p01
            elif p12 > floor:
                a1, b1, a2, b2, a0, b0 = -a1, -b1, a2, b2, a1 - a2, b1 - b2
                p12, p20, p01 = -p12, p20 + 2 * p12, p01 + 2 * p12
            elif p20 > floor:
                a2, b2, a0, b0, a1, b1 = -a2, -b2, a0, b0, a2 - a0, b2 - b0
                p20, p01, p12 = -p20, p01 + 2 * p20, p12 + 2 * p20
            else:
                done = True
                break
        if not done:
            failed += 1
        # lambda_k belongs to the vector perpendicular to e_k, (-b_k, a_k).
        weights[0, n] = max(-p12, 0.0)
        weights[1, n] = max(-p20, 0.0)
        weights[2, n] = max(-p01, 0.0)
        codes[0, n] = _code(-b0, a0, 0)
        codes[1, n] = _code(-b1, a1, 0)
        codes[2, n] = _code(-b2, a2, 0)
    return failed


@numba.njit(cache=True)
def _flip_3d(base, products, i, j):
    """Flip the superbase at the acute pair (i, j): -e_i, e_j, e_k + e_i, e_l + e_i."""
    k = 0
    while k == i or k == j:
        k += 1
    m = k + 1
    while m == i or m == j:
        m += 1
    pij, pik, pil = products[i, j], products[i, k], products[i, m]
    pjk, pjl, pkl = products[j, k], products[j, m], products[k, m]
    for c in range(3):
        base[k, c] += base[i, c]
        base[m, c] += base[i, c]
        base[i, c] = -base[i, c]
    products[i, j] = products[j, i] = -pij
    products[i, k] = products[k, i] = pij + pil
    products[i, m] = products[m, i] = pij + pik
    products[j, k] = products[k, j] = pjk + pij
    products[j, m] = products[m, j] = pjl + pij
    products[k, m] = products[m, k] = pkl - pij


@numba.njit(cache=True)
def _decompose_one_3d(tensor, base, products):
    """Bring the canonical superbase of one tensor to obtuse form; returns success."""
    for i in range(4):
        for c in range(3):
            base[i, c] = -1 if i == 3 else (1 if i == c else 0)
    # p_ij = <e_i, D e_j>; the row of e_3 = -(e_0 + e_1 + e_2) follows from the others.
    products[0, 1], products[0, 2], products[1, 2] = tensor[1], tensor[2], tensor[4]
    products[0, 3] = -tensor[0] - tensor[1] - tensor[2]
    products[1, 3] = -tensor[1] - tensor[3] - tensor[4]
    products[2, 3] = -tensor[2] - tensor[4] - tensor[5]
    for i in range(4):
        for j in range(i):
            products[i, j] = products[j, i]
    floor = OBTUSE_TOLERANCE * (tensor[0] + tensor[3] + tensor[5])
    for _ in range(MAX_FLIPS):
        best, bi, bj = floor, -1, -1
        for i in range(4):
            for j in range(i + 1, 4):
                if products[i, j] > best:
                    best, bi, bj = products[i, j], i, j
        if bi < 0:
            return True
        _flip_3d(base, products, bi, bj)
    return False


@numba.njit(parallel=True, cache=True)
def _decompose_3d(tensors, weights, codes):
    """Six-term decompositions.

    Parameters
    ----------
    tensors : (6, N) float64
        Components xx, xy, xz, yy, yz, zz.
    weights : (6, N) float64, modified
    codes : (6, N) int64, modified

    Returns
    -------
    int
        Number of tensors for which the flips did not end.

    Notes
    -----
    lambda_ij = -<e_i, D e_j> belongs to the vector e_k x e_l of the two other superbase vectors.
    """
    failed = 0
    block = 1024
    count = tensors.shape[1]
    for start in numba.prange((count + block - 1) // block):
        base = np.empty((4, 3), np.int64)
        products = np.zeros((4, 4))
        tensor = np.empty(6)
        for n in range(start * block, min((start + 1) * block, count)):
            for c in range(6):
                tensor[c] = tensors[c, n]
            if not _decompose_one_3d(tensor, base, products):
                failed += 1
            term = 0
            for i in range(4):
                for j in range(i + 1, 4):
                    k = 0
                    while k == i or k == j:
                        k += 1
                    m = k + 1
                    while m == i or m == j:
                        m += 1
                    u, v = base[k], base[m]
                    weights[term, n] = max(-products[i, j], 0.0)
                    codes[term, n] = _code(
                        u[1] * v[2] - u[2] * v[1],
                        u[2] * v[0] - u[0] * v[2],
                        u[0] * v[1] - u[1] * v[0],
                    )
                    term += 1
    return failed


def decompose(tensors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Decompose symmetric positive semi-definite tensors in index units.

    Parameters
    ----------
    tensors : (d, d, N) float64
        One tensor per cell, d = 1, 2 or 3.

    Returns
    -------
    weights : (K, N) float64
        Non-negative, K = 1, 3 or 6.
    codes : (K, N) int64
        Offsets, to be read by :func:`offset_of`; e and -e have one code.

    Raises
    ------
    NumericalFailure
        If a tensor is so anisotropic that the offsets would not end.
    """
    ndim, _, count = tensors.shape
    weights = np.empty((TERMS[ndim], count))
    codes = np.empty((TERMS[ndim], count), dtype=np.int64)
    failed = 0
    if ndim == 1:
        weights[0] = tensors[0, 0]
        codes[0] = _code(1, 0, 0)
    elif ndim == 2:
        packed = np.stack([tensors[0, 0], tensors[0, 1], tensors[1, 1]])
        failed = _decompose_2d(packed, weights, codes)
    else:
        upper = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
        packed = np.stack([tensors[i, j] for i, j in upper])
        failed = _decompose_3d(packed, weights, codes)
    if failed:
        raise NumericalFailure(
            f"the noise covariance has no finite Selling decomposition in {failed} cells",
            "add a small isotropic part to noise.sigma or choose cells of similar aspect",
        )
    return weights, codes


def offset_of(code: int, ndim: int) -> tuple[int, ...]:
    """Integer offset of a code, its first non-zero component positive."""
    rest, c = divmod(int(code), CODE_BASE)
    a, b = divmod(rest, CODE_BASE)
    return (a, b - CODE_REACH, c - CODE_REACH)[:ndim]
