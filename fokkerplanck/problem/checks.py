"""Whether the coefficients of a problem mean something at every cell of a grid."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CaseError
from ..grid import Grid
from ..limits import LARGEST_VALUE

if TYPE_CHECKING:
    from .problem import Problem

# Relative to the largest eigenvalue: the rounding of a rank-deficient Sigma stays well below.
TOLERANCE = 1e-12
# Differences of the gradients of equal samples, relative to the largest gradient.
DATA_ROUNDING = 1e-13
# Cells looked at together: Sigma and its temporaries in 3-D stay below 100 MB.
SLAB_CELLS = 2**17

Place = Callable[[Sequence[Any]], str]


def check(problem: Problem, grid: Grid, t: float = 0.0) -> None:
    """Raise if a coefficient is not finite at a cell centre, or Sigma is not a covariance.

    Parameters
    ----------
    problem : Problem
    grid : Grid
    t : float
        Time at which time-dependent coefficients are looked at.

    Raises
    ------
    CaseError
        Naming the key, the value and the place; also where no axis has any noise.
    """
    if all(problem.noiseless):
        raise CaseError(
            "is zero everywhere; without noise the density is only carried along the drift, so "
            "give at least one axis a positive Sigma",
            "noise.sigma",
        )
    suffix = f", t = {t:g}" if problem.time_dependent else ""
    steepest = noisiest = 0.0
    if problem.constant_sigma is not None:
        _check_covariance(problem.constant_sigma, lambda _: "everywhere")
    for points in _slabs(grid):
        place = _place(grid.names, points, suffix)
        key = problem.loss_key
        _check_finite(problem.loss_at(points, t), 0, key, "the loss", place)
        gradient = problem.gradient_at(points, t)
        _check_finite(gradient, 1, key, "the gradient of the loss", place)
        steepest = max(steepest, float(np.abs(gradient).max()))
        if problem.has_drift:
            _check_finite(problem.drift_at(points, t), 1, "drift.formula", "the drift", place)
        if problem.constant_sigma is None:
            sigma = problem.sigma_at(points, t)
            _check_finite(sigma, 2, "noise.sigma", "Sigma", place)
            _check_covariance(sigma, place)
            noisiest = max(noisiest, float(np.abs(sigma).max()))
            divergence = problem.div_sigma_at(points, t)
            _check_finite(divergence, 1, "noise.sigma", "the divergence of Sigma", place)
    if problem.constant_sigma is None and not problem.sigma_time_dependent:
        _check_noise(problem, noisiest, steepest)


def _check_noise(problem: Problem, noisiest: float, steepest: float) -> None:
    """Whether the largest entry of Sigma on the grid is more than rounding."""
    if problem.minibatch_noise and noisiest <= (DATA_ROUNDING * steepest) ** 2:
        raise CaseError(
            f"Sigma is zero in all cells (largest entry {noisiest:.3g}): all samples of the data "
            "have the same gradient, so mini-batches bring no noise; give data that differ, or "
            "Sigma by noise.sigma",
            "noise.source",
        )
    if noisiest == 0.0:
        raise CaseError(
            "is zero in all cells; without noise the density is only carried along the drift, so "
            "give at least one axis a positive Sigma",
            "noise.sigma",
        )


def _slabs(grid: Grid) -> Iterator[tuple[np.ndarray, ...]]:
    """Points of the grid in slabs along the first axis, so that memory stays bounded."""
    first, *others = grid.points
    thickness = max(1, SLAB_CELLS * grid.shape[0] // grid.size)
    for start in range(0, grid.shape[0], thickness):
        yield (first[start : start + thickness], *others)


def _place(names: Sequence[str], points: Sequence[np.ndarray], suffix: str) -> Place:
    def words(cell: Sequence[Any]) -> str:
        full = np.broadcast_arrays(*points)
        parts = [f"{name} = {x[tuple(cell)]:g}" for name, x in zip(names, full, strict=True)]
        return "at " + ", ".join(parts) + suffix

    return words


def _check_finite(values: np.ndarray, rank: int, key: str, what: str, place: Place) -> None:
    """``rank`` leading axes are tensor indices."""
    finite = np.abs(values) <= LARGEST_VALUE
    if not finite.all():
        index = np.unravel_index(int(np.argmin(finite)), finite.shape)
        more = f"; at most {LARGEST_VALUE:g} is possible" if np.isfinite(values[index]) else ""
        raise CaseError(f"{what} is {values[index]:g} {place(index[rank:])}{more}", key)


def _check_covariance(sigma: np.ndarray, place: Place) -> None:
    """Symmetric and positive semi-definite, shape (d, d, ...), finite."""
    d, cells = len(sigma), sigma.shape[2:]
    # Largest row sum: between the largest eigenvalue and sqrt(d) times it.
    size = np.abs(sigma).sum(axis=1).max(axis=0)
    for i in range(d):
        for j in range(i):
            gap = np.abs(sigma[i, j] - sigma[j, i]) - TOLERANCE * size
            if gap.max() > 0.0:
                cell = np.unravel_index(int(np.argmax(gap)), cells)
                upper, lower = sigma[(j, i, *cell)], sigma[(i, j, *cell)]
                raise CaseError(
                    f"Sigma is not symmetric {place(cell)}: its entry ({j + 1}, {i + 1}) is "
                    f"{upper:.6g} and its entry ({i + 1}, {j + 1}) is {lower:.6g}, which differ by "
                    f"{abs(upper - lower):.3g}",
                    "noise.sigma",
                )
    suspect = _maybe_indefinite(sigma, 0.5 * TOLERANCE * size)
    if not suspect.any():
        return
    where = np.argwhere(suspect)
    eigenvalues = np.linalg.eigvalsh(np.moveaxis(sigma[:, :, suspect], -1, 0))
    excess = -eigenvalues[:, 0] - TOLERANCE * np.abs(eigenvalues).max(axis=1)
    worst = int(np.argmax(excess))
    if excess[worst] > 0.0:
        raise CaseError(
            f"Sigma has the negative eigenvalue {eigenvalues[worst, 0]:.6g} {place(where[worst])}; "
            "a covariance has none",
            "noise.sigma",
        )


def _maybe_indefinite(sigma: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Where the Cholesky pivots of Sigma + shift are not all positive, shape (...).

    Elimination is backward stable and takes a few passes over the cells, where eigenvalues of
    each cell take seconds; only the suspects need those.
    """
    d = len(sigma)
    rest = sigma.copy()
    for i in range(d):
        rest[i, i] += shift
    suspect = np.zeros(sigma.shape[2:], dtype=bool)
    with np.errstate(all="ignore"):
        for k in range(d):
            # A zero matrix has zero pivots and is no suspect.
            suspect |= ~(rest[k, k] > 0.0) & (shift > 0.0)
            for i in range(k + 1, d):
                factor = rest[i, k] / rest[k, k]
                for j in range(k + 1, i + 1):
                    rest[i, j] -= factor * rest[j, k]
    return suspect
