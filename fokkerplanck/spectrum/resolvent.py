"""Eigenvalues of a generator nearest to a shift right of zero, by Krylov spaces of its resolvent.

R = (I - A/s)^-1 with a shift s > 0 has the eigenvectors of A and the eigenvalues 1/(1 - lambda/s),
which are largest in modulus for the lambda nearest to s. A has no eigenvalue right of zero, so R
always exists, and it is the inverse of an M-matrix: no pivoting is needed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs, eigsh

from ..errors import NumericalFailure
from ..linear_solvers.shifted import ShiftedSolver
from ..operators.generator import Generator

# The start vectors; any will do, and this one is the same in every run.
SEED = 90217
# Krylov vectors per mode; ARPACK's default of two restarts too often on clustered eigenvalues.
KRYLOV_SHARE = 3
MIN_KRYLOV = 40
# Roots of Gibbs weights below this count as zero: with fourth powers all stay normal numbers.
NEGLIGIBLE = 1e-70

Project = Callable[[np.ndarray], np.ndarray]


def box_rate(generator: Generator) -> float:
    """About the slowest rate of a box that diffuses at the rate q between cells."""
    return generator.q / max(generator.grid.shape) ** 2


def arnoldi(
    solver: ShiftedSolver,
    count: int,
    shift: float,
    tolerance: float,
    *,
    adjoint: bool = False,
    project: Project | None = None,
    partial: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """The eigenvalues nearest to a shift, and their vectors, for any generator.

    Parameters
    ----------
    solver : ShiftedSolver
    count : int
        Fewer than cells - 1.
    shift : float
        s > 0, per unit time.
    tolerance : float
        Relative, of the eigenvalues of the resolvent.
    adjoint : bool
        Whether to take A^T in place of A.
    project : callable, optional
        Takes known modes out of a vector.
    partial : bool
        Give what has converged where not all has.

    Returns
    -------
    values : (k,) complex
    vectors : (k, N) complex

    Raises
    ------
    NumericalFailure
        If the iteration does not converge.
    """
    operator, start = _operator(solver, shift, adjoint, project)
    size = operator.shape[0]
    try:
        moved, vectors = eigs(
            operator, k=count, which="LM", v0=start, tol=tolerance, ncv=_krylov(count, size)
        )
    except ArpackNoConvergence as stopped:
        if not partial:
            raise _failure(stopped, count) from None
        moved, vectors = stopped.eigenvalues, stopped.eigenvectors
    return shift * (1.0 - 1.0 / moved), vectors.T


def lanczos(
    solver: ShiftedSolver,
    root: np.ndarray,
    count: int,
    shift: float,
    tolerance: float,
    project: Project | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`arnoldi` for the symmetrised operator M^-1/2 A M^1/2 of detailed balance.

    Parameters
    ----------
    root : (N,) float64
        M^1/2, largest value about 1; where it underflows so do the vectors.

    Returns
    -------
    values : (k,) float64
        Decreasing.
    vectors : (k, N) float64
        Orthonormal.
    """
    # Elimination without pivoting commutes with a diagonal scaling, so the factors of I - A/s do
    # for the symmetric form, and its vectors keep their accuracy where the root is small.
    inverse = np.divide(1.0, root, out=np.zeros_like(root), where=root > NEGLIGIBLE)

    def resolve(x: np.ndarray) -> np.ndarray:
        return inverse * solver.solve(root * x, 1.0 / shift)

    size = root.size

    def apply(x: np.ndarray) -> np.ndarray:
        x = np.ascontiguousarray(x).reshape(-1)
        return resolve(x) if project is None else project(resolve(project(x)))

    start = np.random.default_rng(SEED).standard_normal(size)
    operator = LinearOperator((size, size), apply, dtype=np.float64)
    try:
        moved, vectors = eigsh(
            operator,
            k=count,
            which="LA",
            v0=start if project is None else project(start),
            tol=tolerance,
            ncv=_krylov(count, size),
        )
    except ArpackNoConvergence as stopped:
        raise _failure(stopped, count) from None
    order = np.argsort(-moved)
    return shift * (1.0 - 1.0 / moved[order]), vectors.T[order]


def residual(
    generator: Generator, value: complex, vector: np.ndarray, adjoint: bool = False
) -> float:
    """|A v - lambda v| / (q |v|) in the Euclidean norm; with ``adjoint`` of A^T.

    Parameters
    ----------
    generator : Generator
    value : complex
    vector : (N,) float64 or complex128
        Not zero.
    adjoint : bool
    """
    product = generator.adjoint_matvec if adjoint else generator.matvec
    vector = vector / np.abs(vector).max()
    image = product(np.ascontiguousarray(vector.real)).astype(vector.dtype)
    if np.iscomplexobj(vector):
        image += 1j * product(np.ascontiguousarray(vector.imag))
    gap = np.linalg.norm(image - value * vector) / np.linalg.norm(vector)
    return float(gap / generator.q)


def _operator(
    solver: ShiftedSolver, shift: float, adjoint: bool, project: Project | None
) -> tuple[LinearOperator, np.ndarray]:
    """The resolvent without the known modes, and a start vector."""

    def apply(x: np.ndarray) -> np.ndarray:
        x = np.ascontiguousarray(x).reshape(-1)
        x = x if project is None else project(x)
        x = solver.solve(x, 1.0 / shift, adjoint)
        return x if project is None else project(x)

    start = np.random.default_rng(SEED).random(solver.generator.grid.size)
    operator = LinearOperator(solver.generator.shape, apply, dtype=np.float64)
    return operator, start if project is None else project(start)


def _krylov(count: int, size: int) -> int:
    return min(size, max(KRYLOV_SHARE * count, MIN_KRYLOV))


def _failure(stopped: ArpackNoConvergence, count: int) -> NumericalFailure:
    return NumericalFailure(
        f"only {len(stopped.eigenvalues)} of {count} modes of the spectrum converged",
        "ask for another count, or take fewer cells",
    )
