"""Selling decomposition: D = sum_k lambda_k e_k e_k^T with lambda_k >= 0 and integer offsets e_k.

In two dimensions three offsets suffice, in three dimensions six. The offsets come from an obtuse
superbase, which Selling's algorithm reaches from the canonical one by finitely many flips
(Selling 1874; Fehrenbach and Mirebeau 2014). Tensors are in index units, D_ij / (h_i h_j).
"""

from __future__ import annotations

import numba
import numpy as np

from ..errors import NumericalFailure
from .threads import parallel

# Number of terms for 1, 2 and 3 axes.
TERMS = {1: 1, 2: 3, 3: 6}
# Products below this share of the trace count as non-positive: rounding must not cause flips.
OBTUSE_TOLERANCE = 1e-15
# A condition number c needs about log(c) + sqrt(c) flips; this allows c up to 1e6.
MAX_FLIPS = 5000
# For each pair (i, j) of the superbase in three dimensions, 01 02 03 12 13 23: i, the other two
# vectors k and m, and the numbers of the pairs ik, im, jk, jm, km.
PAIRS = (
    (0, 2, 3, 1, 2, 3, 4, 5),
    (0, 1, 3, 0, 2, 3, 5, 4),
    (0, 1, 2, 0, 1, 4, 5, 3),
    (1, 0, 3, 0, 4, 1, 5, 2),
    (1, 0, 2, 0, 3, 2, 5, 1),
    (2, 0, 1, 1, 3, 2, 4, 0),
)
# Offsets are coded in base 2 * CODE_REACH + 1 to be sorted and compared as one integer.
CODE_REACH = 1000
CODE_BASE = 2 * CODE_REACH + 1


@numba.njit(cache=True)
def _code(a: int, b: int, c: int) -> int:
    """One integer per offset, the same for e and -e: the first non-zero component counts > 0."""
    if a < 0 or (a == 0 and (b < 0 or (b == 0 and c < 0))):
        a, b, c = -a, -b, -c
    return (a * CODE_BASE + b + CODE_REACH) * CODE_BASE + c + CODE_REACH


@parallel
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
def _obtuse_3d(products, base, floor):
    """Flip acute pairs (i, j) to -e_i, e_j, e_k + e_i, e_l + e_i until none is left.

    Parameters
    ----------
    products : (6,) float64, modified
        p_ij = <e_i, D e_j> in the order of ``PAIRS``.
    base : (12,) int64, modified
        The four vectors of the superbase, one after the other.
    floor : float
        Products up to here count as obtuse.

    Returns
    -------
    bool
        Whether the flips ended.

    Notes
    -----
    Only the products are carried along: p_ij' = -p_ij, p_ik' = p_ij + p_il, p_il' = p_ij + p_ik,
    p_jk' = p_jk + p_ij, p_jl' = p_jl + p_ij, p_kl' = p_kl - p_ij.
    """
    for _ in range(MAX_FLIPS):
        pair, acute = 0, products[0]
        for n in range(1, 6):
            if products[n] > acute:
                pair, acute = n, products[n]
        if acute <= floor:
            return True
        i, k, m, ik, im, jk, jm, km = PAIRS[pair]
        pik, pim = products[ik], products[im]
        products[pair] = -acute
        products[ik] = acute + pim
        products[im] = acute + pik
        products[jk] += acute
        products[jm] += acute
        products[km] -= acute
        for c in range(3):
            step = base[3 * i + c]
            base[3 * k + c] += step
            base[3 * m + c] += step
            base[3 * i + c] = -step
    return False


@parallel
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
        base = np.empty(12, np.int64)
        products = np.empty(6)
        for n in range(start * block, min((start + 1) * block, count)):
            xx, xy, xz = tensors[0, n], tensors[1, n], tensors[2, n]
            yy, yz, zz = tensors[3, n], tensors[4, n], tensors[5, n]
            products[0], products[1], products[2] = xy, xz, -xx - xy - xz
            products[3], products[4], products[5] = yz, -xy - yy - yz, -xz - yz - zz
            for c in range(12):
                base[c] = -1 if c > 8 else (1 if c % 4 == 0 else 0)
            if not _obtuse_3d(products, base, OBTUSE_TOLERANCE * (xx + yy + zz)):
                failed += 1
            for pair in range(6):
                k, m = 3 * PAIRS[pair][1], 3 * PAIRS[pair][2]
                weights[pair, n] = max(-products[pair], 0.0)
                codes[pair, n] = _code(
                    base[k + 1] * base[m + 2] - base[k + 2] * base[m + 1],
                    base[k + 2] * base[m] - base[k] * base[m + 2],
                    base[k] * base[m + 1] - base[k + 1] * base[m],
                )
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
