"""GMRES for a few long vectors, on one thread in a fixed order.

Libraries share products of this size among threads, which then wait for each other: on two cores
with other work to do an iteration takes twenty times as long, and its last digits depend on them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .gram_schmidt import overlaps, remove

Product = Callable[[np.ndarray], np.ndarray]


def gmres(
    operator: Product,
    rhs: np.ndarray,
    precondition: Product,
    tolerance: float,
    restart: int,
    restarts: int,
) -> np.ndarray:
    """x with operator(x) = rhs, by right-preconditioned restarted GMRES (Saad and Schultz 1986).

    Parameters
    ----------
    operator, precondition : callable
        Linear, from (N,) to (N,); the second is near the inverse of the first.
    rhs : (N,) float64
    tolerance : float
        Of the residual, relative to ``rhs``, in the Euclidean norm.
    restart, restarts : int
        Vectors of a Krylov space, and most spaces.

    Returns
    -------
    (N,) float64
        The best that was found: whoever needs more looks at the residual.
    """
    x = np.zeros_like(rhs)
    target = tolerance * _norm(rhs)
    basis = np.empty((restart + 1, rhs.size))
    for _ in range(restarts):
        residual = rhs - operator(x)
        size = _norm(residual)
        if size <= target:
            break
        basis[0] = residual / size
        hessenberg = np.zeros((restart + 1, restart))
        used = 0
        for m in range(restart):
            used = m + 1
            vector = operator(precondition(basis[m]))
            shares = np.empty(used)
            # Twice, since one pass of Gram-Schmidt loses orthogonality to rounding.
            for _ in range(2):
                overlaps(basis, used, vector, shares)
                remove(basis, used, shares, vector)
                hessenberg[:used, m] += shares
            norm = _norm(vector)
            hessenberg[used, m] = norm
            weights, left = _least(hessenberg[: used + 1, :used], size)
            if left <= target or norm <= np.finfo(float).eps * size:
                break
            basis[used] = vector / norm
        step = np.zeros_like(rhs)
        remove(basis, used, -weights, step)
        x = x + precondition(step)
    return x


def _least(hessenberg: np.ndarray, size: float) -> tuple[np.ndarray, float]:
    """Weights that minimise |size e_0 - H w|, and the minimum."""
    q, r = np.linalg.qr(hessenberg, mode="complete")
    count = hessenberg.shape[1]
    projected = size * q[0]
    return np.linalg.solve(r[:count], projected[:count]), abs(float(projected[count]))


def _norm(vector: np.ndarray) -> float:
    return float(np.sqrt(np.square(vector).sum()))
