"""The density that steps of SGD leave as it is, and the multipliers of the transfer operator.

Without absorbing sides the largest multiplier is one and its density is stationary. With them it is
the share that survives a step, and its density is the one that survivors tend to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import linalg

from ..errors import CaseError, NumericalFailure
from .transfer import TransferOperator

# Below this size all multipliers are computed by a dense method.
DENSE = 100
# Krylov spaces of this size, restarted this often at most.
KRYLOV = 48
RESTARTS = 300
# L1 change in a step that counts as rest, and what is still accepted where it no longer falls.
CHANGE, ACCEPTED = 1e-14, 1e-10
POLISH = 2000


@dataclass(frozen=True, eq=False)
class Invariant:
    """What many steps tend to.

    Attributes
    ----------
    density : ndarray of the grid's shape
        Of mass one, >= 0.
    multiplier : float
        Mass after a step; one in a closed box.
    residual : float
        L1 norm of T rho - multiplier rho.
    """

    density: np.ndarray
    multiplier: float
    residual: float


def invariant(operator: TransferOperator, start: np.ndarray | None = None) -> Invariant:
    """Stationary density by a Krylov space, made positive and polished by power iteration.

    Parameters
    ----------
    operator : TransferOperator
    start : ndarray of the grid's shape, optional
        A guess > 0 somewhere, such as rho_ss of (48).

    Raises
    ------
    NumericalFailure
        If it is not found to ``ACCEPTED``.

    Notes
    -----
    Power iteration has no subtraction: what it leaves is >= 0, and small where it should be.
    """
    grid = operator.grid
    x = np.ones(grid.size) if start is None else np.abs(start.reshape(-1))
    x = x / x.sum()
    if grid.size > DENSE:
        try:
            _, vectors = linalg.eigs(
                operator.matrix, k=1, which="LR", v0=x, ncv=KRYLOV, maxiter=RESTARTS
            )
            x = np.abs(vectors[:, 0].real) + np.abs(vectors[:, 0].imag)
        except linalg.ArpackNoConvergence:
            pass
    else:
        values, vectors = np.linalg.eig(operator.matrix.toarray())
        x = np.abs(vectors[:, int(np.argmax(values.real))].real)
    x /= x.sum()
    best, multiplier = np.inf, 1.0
    for _ in range(POLISH):
        y = operator.matrix @ x
        multiplier = float(y.sum())
        if not multiplier > 0.0:
            raise CaseError("absorbing sides take everything in a step", "discrete")
        change = float(np.abs(y - multiplier * x).sum())
        # The mean of a step and of none: a multiplier near -1 would let the density swing.
        x = 0.5 * (x + y / multiplier)
        x /= x.sum()
        if change <= CHANGE or (change <= ACCEPTED and change > 0.99 * best):
            break
        best = min(best, change)
    if not change <= ACCEPTED:
        raise NumericalFailure(
            f"the stationary density of the steps still changes by {change:.1e} per step",
            "take more noise or fewer cells, or let the density evolve by discrete.steps",
        )
    density = x.reshape(grid.shape) / grid.cell_volume
    return Invariant(density, multiplier, change)


def multipliers(operator: TransferOperator, count: int) -> np.ndarray:
    """The ``count`` largest eigenvalues, complex, by decreasing modulus.

    Notes
    -----
    A multiplier m decays at the rate -log|m|/eta per unit time. With a gradient -h theta and
    Gaussian noise they are (1 - eta h)^n; the eigenvalues of (48) would give exp(-n eta h).
    """
    size = operator.grid.size
    count = min(count, size)
    if size <= max(DENSE, 3 * count):
        values = np.linalg.eigvals(operator.matrix.toarray())
    else:
        space = min(size, max(KRYLOV, 4 * count))
        start = np.ones(size)
        try:
            values = linalg.eigs(
                operator.matrix, k=count + 2, which="LM", v0=start, ncv=space,
                maxiter=RESTARTS, return_eigenvectors=False,
            )  # fmt: skip
        except linalg.ArpackNoConvergence as failure:
            values = failure.eigenvalues
    # Pairs in a fixed order: the one that turns counter-clockwise first.
    order = sorted(values, key=lambda m: (-round(abs(m), 10), -m.real.round(10), -m.imag))
    return np.array(order[:count], dtype=complex)
