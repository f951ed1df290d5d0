"""The high-order operator as a sparse matrix, built from difference matrices of the axes."""

from __future__ import annotations

from functools import reduce

import numpy as np
from scipy import sparse

from . import stencils
from .high import PAIRS, HighOrder
from .stencils import ABSORBING, PERIODIC, REACH


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
    """R and G of an axis, (n + 1, n)."""
    mean, slope = sparse.lil_matrix((n + 1, n)), sparse.lil_matrix((n + 1, n))
    for face in range(n + 1):
        width = REACH if lower == PERIODIC else min(face, n - face, REACH)
        r, g = (
            (stencils.R2, stencils.G2), (stencils.R4, stencils.G4), (stencils.R6, stencils.G6)
        )[max(width, 1) - 1]  # fmt: skip
        for k in range(width):
            behind, ahead = (face - 1 - k) % n, (face + k) % n
            mean[face, behind] += r[k]
            mean[face, ahead] += r[k]
            slope[face, behind] -= g[k]
            slope[face, ahead] += g[k]
    near, far = stencils.WALL
    # At an absorbing side the flux is -D times the slope, positive towards larger coordinates.
    if lower == ABSORBING:
        slope[0, 0], slope[0, 1] = near, far
    if upper == ABSORBING:
        slope[n, n - 1], slope[n, n - 2] = -near, -far
    return mean.tocsr(), slope.tocsr()


def derivative_matrix(n: int, periodic: bool) -> sparse.csr_matrix:
    """T of an axis, (n, n)."""
    result = sparse.lil_matrix((n, n))
    places, weights = np.empty(6, np.int64), np.empty(6)
    for i in range(n):
        count = stencils._derivative(i, n, periodic, places, weights)
        for k in range(count):
            result[i, places[k]] += weights[k]
    return result.tocsr()


def _field(operator: HighOrder, row: int) -> np.ndarray:
    return np.broadcast_to(operator.tensors[row], operator.shape).reshape(-1)


def _along(matrix: sparse.spmatrix, axis: int, shape: tuple[int, int, int]) -> sparse.csr_matrix:
    parts = [matrix if i == axis else sparse.identity(n) for i, n in enumerate(shape)]
    return reduce(lambda a, b: sparse.kron(a, b, format="csr"), parts)
