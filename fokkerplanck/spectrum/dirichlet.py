"""The Dirichlet form of a chain: rates of slow modes as sums of terms that are not negative.

For the chain with the stationary weights M and a function u of its cells

    -<u, A^T u>_M = sum over edges (M_x f + M_y b)/2 (u_y - u_x)^2 + sum M_x k_x u_x^2

with the rates f forward and b backward, and k out of the box. Nothing cancels, so a rate of 1e-14
is as accurate, relatively, as the differences of u, where the Rayleigh quotient of the matrix
leaves the rounding of its largest entry.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.linalg.lapack import dgejsv

from ..operators.generator import Generator


def edge_flows(
    generator: Generator, weight: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Sources x, targets y, and the flows M_x f and M_y b of the edges, by offset."""
    r = generator.rates
    for shift, forward, backward in zip(r.shifts, r.forward, r.backward, strict=True):
        x = np.flatnonzero((forward > 0.0) | (backward > 0.0))
        y = x + shift
        yield x, y, weight[x] * forward[x], weight[y] * backward[x]
    if r.wrap_source.size:
        x, y = r.wrap_source, r.wrap_target
        yield x, y, weight[x] * r.wrap_forward, weight[y] * r.wrap_backward


def ritz(
    generator: Generator, weight: np.ndarray, functions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rates and functions that make the Dirichlet form diagonal within a space.

    Parameters
    ----------
    generator : Generator
    weight : (N,) float64
        M >= 0.
    functions : (m, N) float64
        Orthonormal in the product sum M u v, about by rising rate.

    Returns
    -------
    rates : (m,) float64
        Rising, >= 0: minus the eigenvalues under detailed balance. Each is relatively accurate
        to rounding in the given functions, whatever the ratio of the largest to the smallest.
    functions : (m, N) float64

    Notes
    -----
    The form is F^T F with a row of F for every edge. Its triangular factor R is accurate column by
    column, and Jacobi's rotations keep that for singular values of R = B D with any diagonal D
    (Demmel and Veselic, SIAM J. Matrix Anal. Appl. 13 (1992) 1204; Drmac and Veselic, ibid. 29
    (2008) 1322).
    """
    count = len(functions)
    triangle = np.zeros((count, count))
    for x, y, ahead, back in edge_flows(generator, weight):
        rows = np.sqrt(0.5 * (ahead + back)) * (functions[:, y] - functions[:, x])
        triangle = _triangle(triangle, rows)
    if generator.rates.exit_rate.any():
        rows = np.sqrt(weight * generator.killing) * functions
        triangle = _triangle(triangle, rows)
    # "C": relative accuracy for columns of any scale; without left vectors.
    values, _, rotation, work, _, info = dgejsv(triangle, joba=0, jobu=3, jobv=0)
    if info != 0:
        raise np.linalg.LinAlgError("Jacobi's method for singular values did not converge")
    rates = np.square(values * (work[0] / work[1]))
    order = np.argsort(rates)
    return rates[order], rotation.T[order] @ functions


def _triangle(triangle: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Triangular factor of a matrix with more rows, given one by column."""
    return np.asarray(np.linalg.qr(np.vstack([triangle, rows.T]), mode="r"))


def orthonormal(weight: np.ndarray, functions: np.ndarray) -> np.ndarray:
    """Functions made orthonormal in the product sum M u v, each against those before it.

    The slower ones come first and so stay free of the faster ones, whose rates would drown theirs.
    A function of which nothing is left stays zero.
    """
    result = functions.copy()
    for i, u in enumerate(result):
        # Twice, since one pass of Gram-Schmidt loses orthogonality to rounding.
        for _ in range(2):
            for v in result[:i]:
                u -= (weight @ (u * v)) * v
        norm = np.sqrt(weight @ np.square(u))
        if norm > 0.0:
            u /= norm
    return result


def slow_real_rates(generator: Generator, weight: np.ndarray, functions: np.ndarray) -> np.ndarray:
    """Eigenvalues of A^T within a space of slow real modes, without detailed balance.

    Parameters
    ----------
    generator : Generator
        In a closed box.
    weight : (N,) float64
        Its stationary masses.
    functions : (m, N) float64
        Orthonormal in the product sum M u v, by rising rate.

    Returns
    -------
    (m,) complex
        By decreasing real part.

    Notes
    -----
    <u, A^T v>_M = sum over edges (v_y - v_x) (M_x f u_x - M_y b u_y). It is -Dirichlet form plus
    what the stationary currents carry; both are small where the functions are flat.
    """
    count = len(functions)
    matrix = np.zeros((count, count))
    for x, y, ahead, back in edge_flows(generator, weight):
        step = functions[:, y] - functions[:, x]
        middle = 0.5 * (functions[:, y] + functions[:, x])
        matrix += ((ahead - back) * middle - 0.5 * (ahead + back) * step) @ step.T
    values = np.linalg.eigvals(matrix)
    return values[np.argsort(-values.real)]
