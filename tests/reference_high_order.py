"""The high-order operator as a sparse matrix, built from difference matrices of the axes."""

from __future__ import annotations

from functools import reduce

import numpy as np
from scipy import sparse

from fokkerplanck.high_order.bands import (
    CARRIED,
    DERIVATIVE,
    INNER,
    PERIODIC,
    REACH,
    REFLECTING,
    SPREAD,
    bands,
    row,
)
from fokkerplanck.high_order.high_order import PAIRS, HighOrder


def to_scipy(operator: HighOrder) -> sparse.csc_matrix:
    """A_h with d rho/dt = A_h rho on flat densities; columns sum to the loss through the sides."""
    shape = operator.shape
    total = sparse.csc_matrix((operator.drift[0].size,) * 2)
    for axis in operator.places:
        n, (lower, upper) = shape[axis], operator.sides[axis]
        mean, slope = face_matrices(n, lower, upper)
        inner = sparse.diags(operator.drift[axis].reshape(-1))
        for other in operator.places:
            if other == axis:
                continue
            pair = PAIRS.index((min(axis, other), max(axis, other)))
            derivative = derivative_matrix(shape[other], operator.sides[other, 0] == PERIODIC)
            weight = sparse.diags(_field(operator, 3 + pair))
            inner = inner - _along(derivative, other, shape) @ weight
        flux = _along(mean, axis, shape) @ inner
        flux = flux - _along(slope, axis, shape) @ sparse.diags(_field(operator, axis))
        difference = sparse.diags([-1.0, 1.0], [0, 1], shape=(n, n + 1))
        total = total - _along(difference, axis, shape) @ flux
    return total.tocsc()


def face_matrices(n: int, lower: int, upper: int) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Mean and slope at the faces of an axis, (n + 1, n); the flux is the mean minus the slope."""
    weights = bands(n, lower, upper)
    mean = _matrix(weights[CARRIED], n + 1, n, lower == PERIODIC)
    return mean, -_matrix(weights[SPREAD], n + 1, n, lower == PERIODIC)


def derivative_matrix(n: int, periodic: bool) -> sparse.csr_matrix:
    """T of an axis, (n, n)."""
    side = PERIODIC if periodic else REFLECTING
    return _matrix(bands(n, side, side)[DERIVATIVE], n, n, periodic)


def _matrix(weights: np.ndarray, rows: int, n: int, periodic: bool) -> sparse.csr_matrix:
    result = sparse.lil_matrix((rows, n))
    for i in range(rows):
        for k, weight in enumerate(weights[INNER if periodic else row(i, n)]):
            if weight != 0.0:
                result[i, (i + k - REACH) % n] += weight
    return result.tocsr()


def _field(operator: HighOrder, row: int) -> np.ndarray:
    return np.broadcast_to(operator.tensors[row], operator.shape).reshape(-1)


def _along(matrix: sparse.spmatrix, axis: int, shape: tuple[int, int, int]) -> sparse.csr_matrix:
    parts = [matrix if i == axis else sparse.identity(n) for i, n in enumerate(shape)]
    return reduce(lambda a, b: sparse.kron(a, b, format="csr"), parts)
