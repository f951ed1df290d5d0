"""Fluctuation-dissipation relations: both sides of (43), (53) and (57), for any density.

Every relation is a field whose mean vanishes when the density is stationary under steps of SGD, or
for (43) under the diffusion: a test of stationarity. With b = -grad Phi + f the mean step is eta b,
and g_B has the mean -b and the covariance C = 2 Sigma/(beta eta), which is Sigma/|B| of (33).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..grid import Grid
from ..problem import Problem
from ..transfer.batches import Batches
from ..transfer.transfer import TransferOperator

Field = Callable[[list[np.ndarray]], np.ndarray]

# Differences for third and fourth derivatives of Phi, over the length of an axis: order 4 leaves
# 1e-9, and rounding of the exact second derivatives 1e-12.
DIFFERENCE = 2e-3
# Evaluations of a sample's Hessian beyond which the fourth derivatives are left out.
FOURTH_WORK = 2e7

RELATIONS: dict[str, str] = {
    "dissipation": "E[-b.grad Phi] = (1/beta) E tr(H Sigma), of the diffusion",
    "virial": "E[-theta.b] = (eta/2) E|g_B|^2, of steps, exact for any loss",
    "second_order": "E[-b.grad Phi] = (eta/2) E tr(H S_B), without higher terms",
    "third_order": "the same with the third derivatives of Phi",
    "fourth_order": "the same with the third and fourth derivatives of Phi",
    "all_orders": "the same with all derivatives: E O(theta) = E O(theta - eta g_B) for O = Phi",
}


@dataclass(frozen=True)
class Relation:
    """Both sides of one relation under one density.

    Attributes
    ----------
    name : str
        A key of ``RELATIONS``, or the formula of an observable O of (53).
    left, right : float
    sampling : float
        Standard error of their difference from the number of walkers; 0 for densities.
    grid : float
        Error of their difference from the grid, by a second one; NaN where there is none.
    """

    name: str
    left: float
    right: float
    sampling: float
    grid: float = math.nan

    @property
    def gap(self) -> float:
        """Difference of the sides over the larger one."""
        scale = max(abs(self.left), abs(self.right))
        return abs(self.left - self.right) / scale if scale > 0.0 else 0.0

    @property
    def error(self) -> float:
        """Known error of the difference over the larger side."""
        scale = max(abs(self.left), abs(self.right))
        known = self.sampling + (0.0 if math.isnan(self.grid) else self.grid)
        return known / scale if scale > 0.0 else 0.0


@dataclass(frozen=True, eq=False)
class Sides:
    """The fields whose means are the two sides, each of the grid's shape."""

    left: np.ndarray
    right: np.ndarray


def relation_sides(
    problem: Problem,
    operator: TransferOperator,
    observables: Mapping[str, Field] | None = None,
) -> dict[str, Sides]:
    """Fields of all relations on the grid of a transfer operator.

    Parameters
    ----------
    problem : Problem
        With a loss for those that need one.
    operator : TransferOperator
        Of this problem; gives eta and E_B of (53).
    observables : mapping, optional
        Functions O(points) by name, for (53).

    Notes
    -----
    Third derivatives are taken by differences of the exact Hessian. "third_order" contains the
    third moments of g_B, of true mini-batches as well; "fourth_order" is there for Gaussian noise
    only.
    """
    grid, eta = operator.grid, operator.rate
    points = [np.broadcast_to(x, grid.shape) for x in grid.points]
    b = problem.drift_at(points)
    covariance = 2.0 / (problem.beta * eta) * problem.sigma_at(points)
    square = (b**2).sum(axis=0) + np.trace(covariance)
    virial = -sum(x * b[i] for i, x in enumerate(points))
    found = {"virial": Sides(np.asarray(virial), 0.5 * eta * square)}
    if problem.has_loss:
        found |= _of_loss(problem, operator, points, b, covariance)
    for name, function in (observables or {}).items():
        values = np.broadcast_to(function(points), grid.shape).astype(float)
        found[name] = Sides(values, operator.adjoint_matvec(values))
    return {name: found[name] for name in (*RELATIONS, *(observables or {})) if name in found}


def _of_loss(
    problem: Problem,
    operator: TransferOperator,
    points: list[np.ndarray],
    b: np.ndarray,
    covariance: np.ndarray,
) -> dict[str, Sides]:
    """The relations about the loss."""
    eta = operator.rate
    hessian = problem.hessian_at(points)
    left = -np.einsum("i...,i...->...", b, problem.gradient_at(points))
    noise = np.einsum("ij...,ij...->...", hessian, covariance)
    # g_B has the mean -b.
    straight = np.einsum("ij...,i...,j...->...", hessian, b, b)
    second = 0.5 * eta * (straight + noise)
    found = {
        # (1/beta) tr(H Sigma) = (eta/2) tr(H C).
        "dissipation": Sides(left, 0.5 * eta * noise),
        "second_order": Sides(left, second),
    }
    lengths = [axis.length for axis in operator.grid.domain.axes]
    third = _derivative(lambda p: problem.hessian_at(p), points, lengths)
    cubic = -np.einsum("ijk...,i...,j...,k...->...", third, b, b, b)
    cubic -= 3.0 * np.einsum("ijk...,i...,jk...->...", third, b, covariance)
    if operator.batches is not None:
        skew = third_moments(problem, operator.batches, points)
        cubic += np.einsum("ijk...,ijk...->...", third, skew)
    so_far = second - eta**2 / 6.0 * cubic
    found["third_order"] = Sides(left, so_far)
    work = operator.grid.size * (1 if problem.model is None else problem.model.samples)
    if operator.batches is None and work * 16 * len(lengths) ** 2 <= FOURTH_WORK * 16:
        fourth = _derivative(
            lambda p: _derivative(lambda q: problem.hessian_at(q), p, lengths), points, lengths
        )
        quartic = np.einsum("ijkl...,i...,j...,k...,l...->...", fourth, b, b, b, b)
        quartic += 6.0 * np.einsum("ijkl...,i...,j...,kl...->...", fourth, b, b, covariance)
        quartic += 3.0 * np.einsum("ijkl...,ij...,kl...->...", fourth, covariance, covariance)
        found["fourth_order"] = Sides(left, so_far + eta**3 / 24.0 * quartic)
    loss = problem.loss_at(points)
    ahead = operator.adjoint_matvec(loss)
    found["all_orders"] = Sides(left, left + (ahead - loss) / eta)
    return found


def third_moments(problem: Problem, batches: Batches, points: Sequence[np.ndarray]) -> np.ndarray:
    """Third central moments of the mini-batch gradient, shape (d, d, d, ...)."""
    model = problem.model
    assert model is not None
    shape = points[0].shape
    flat = np.stack([x.reshape(-1) for x in points])
    d, m = flat.shape
    result = np.empty((d, d, d, m))
    step = max(1, 2**16 // model.samples)
    for first in range(0, m, step):
        part = slice(first, first + step)
        away = model.gradients_at(list(flat[:, part]))
        away = away - away.mean(axis=-1, keepdims=True)
        result[..., part] = np.einsum("ims,jms,kms->ijkm", away, away, away) / model.samples
    return batches.third_moment_factor() * result.reshape(d, d, d, *shape)


def _derivative(field: Field, points: list[np.ndarray], lengths: Sequence[float]) -> np.ndarray:
    """Derivatives of a tensor field by every axis, a new last tensor index; order 4."""
    parts = []
    for axis, length in enumerate(lengths):
        step = DIFFERENCE * length

        def at(shift: float, axis: int = axis) -> np.ndarray:
            return field([p + shift if i == axis else p for i, p in enumerate(points)])

        near, far = at(step) - at(-step), at(2.0 * step) - at(-2.0 * step)
        parts.append((8.0 * near - far) / (12.0 * step))
    rank = parts[0].ndim - points[0].ndim
    return np.stack(parts, axis=rank)


def relations(
    sides: Mapping[str, Sides], weights: np.ndarray, walkers: int | None = None
) -> dict[str, Relation]:
    """Both sides of the relations under a density.

    Parameters
    ----------
    sides : mapping
        As :func:`relation_sides` gives them.
    weights : ndarray of the grid's shape
        A density or counts of walkers; normalised here.
    walkers : int, optional
        Number of independent walkers behind the counts, for the standard error.
    """
    share = weights / weights.sum()
    found = {}
    for name, pair in sides.items():
        left, right = float((share * pair.left).sum()), float((share * pair.right).sum())
        error = 0.0
        if walkers is not None:
            spread = float((share * (pair.left - pair.right) ** 2).sum()) - (left - right) ** 2
            error = math.sqrt(max(spread, 0.0) / walkers)
        found[name] = Relation(name, left, right, error)
    return found


def with_grid_error(
    fine: Mapping[str, Relation], coarse: Mapping[str, Relation], order: int = 2
) -> dict[str, Relation]:
    """The relations with the error of a grid, from those of one of half as many cells per axis."""
    found = {}
    for name, one in fine.items():
        error = math.nan
        if name in coarse:
            other = coarse[name]
            moved = (one.left - one.right) - (other.left - other.right)
            error = abs(moved) / (2.0**order - 1.0)
        found[name] = Relation(name, one.left, one.right, one.sampling, error)
    return found


def coarse_grid(grid: Grid) -> Grid | None:
    """The grid of half as many cells along every axis; None where that is no whole number."""
    if any(cells % 2 or cells < 16 for cells in grid.shape):
        return None
    return Grid(grid.domain, tuple(cells // 2 for cells in grid.shape))
