"""Detailed balance and the potential Psi = beta Phi~ of the thermodynamic force.

The force is a gradient, gamma = -grad Psi, iff its circulation vanishes around every cell square
and around periodic axes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import CaseError
from ..grid import Grid
from ..problem.seams import loss_tilts
from .discontinuities import discontinuous
from .edges import EdgeBlock
from .thermodynamic_force import Force

# Detailed balance: largest circulation around a cell square, relative to 1 + the force along it.
CIRCULATION_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Potential:
    """Verdict on detailed balance and, where it holds, Psi = beta Phi~ at the cell centres.

    Attributes
    ----------
    values : ndarray of the grid's shape, or None
        Psi up to a constant, dimensionless; None without detailed balance.
    circulation : float
        Largest circulation of gamma around a cell square, relative to 1 + the force along it;
        infinite where an axis carries no noise.
    reason : str
        The verdict in words.
    absolute : bool
        Whether Psi is beta Phi/Sigma, constant included.
    """

    values: np.ndarray | None
    circulation: float
    reason: str
    absolute: bool = False


def find_potential(force: Force) -> Potential:
    """Decide on detailed balance and integrate gamma to Psi.

    The force is curl-free iff its circulation around every cell square vanishes; then Psi follows
    by line integrals along the axes, exact up to Gauss quadrature of order 12 per cell.

    Raises
    ------
    CaseError
        If Sigma is zero.
    """
    problem, grid = force.problem, force.grid
    if all(problem.noiseless):
        raise CaseError("is zero; without any noise there is no density to diffuse", "noise.sigma")
    if problem.time_dependent:
        return Potential(None, np.inf, "the coefficients depend on time")
    if problem.isotropic_scale is not None:
        values = problem.beta * problem.loss_at(grid.points) / problem.isotropic_scale
        for axis, rise in loss_tilts(problem, grid).items():
            reason = f"the loss rises by {rise:.6g} around the periodic axis {grid.names[axis]}"
            return Potential(None, np.inf, f"{reason}: it is tilted")
        if loss_jump(force) is None:
            reason = "the noise is isotropic and constant: Phi~ = Phi / Sigma"
            return Potential(values, 0.0, reason, absolute=True)
    if any(problem.noiseless):
        return Potential(None, np.inf, "an axis carries no noise")
    edges = [force.axis_integrals(axis, raising=False) for axis in range(grid.ndim)]
    if not all(np.isfinite(along).all() for along in edges):
        jumps = any(force.rough(EdgeBlock.of_axis(grid, a)) is not None for a in range(grid.ndim))
        reason = "Sigma jumps, and not to a multiple of itself" if jumps else "the noise vanishes"
        return Potential(None, np.inf, f"{reason} in a part of the domain")
    circulation = _largest_circulation(grid, edges)
    if not circulation <= CIRCULATION_TOLERANCE:
        return Potential(
            None, circulation, f"the force has a curl (circulation {circulation:.1e} per cell)"
        )
    return Potential(
        _integrate(grid, edges), circulation, f"the force is curl-free ({circulation:.1e} per cell)"
    )


def loss_jump(force: Force) -> tuple[float, str] | None:
    """The largest jump of the loss between neighbouring cells, and where; None without one.

    SGD follows the gradient, which does not see a jump. Across periodic sides it is a tilt.
    """
    problem, grid = force.problem, force.grid
    if not problem.loss_may_jump:
        return None

    def values(points: Sequence[np.ndarray]) -> np.ndarray:
        return problem.loss_at(points, force.time).reshape(1, 1, -1)

    cells = values(grid.points).reshape(grid.shape)
    worst, where = 0.0, ""
    for axis in range(grid.ndim):
        block = EdgeBlock.inside(grid, axis)
        first, last = (end.reshape(1, 1, -1) for end in block.ends(cells))
        middle = values(block.points(0.5))
        found = discontinuous(first, middle, last, _along(block, values))
        change = np.where(found, (last - first)[0, 0], 0.0)
        edge = int(np.abs(change).argmax())
        if abs(change[edge]) > abs(worst):
            worst = float(change[edge])
            ends = (block.places(np.array([edge]), np.array([s])) for s in (0.0, 1.0))
            where = " and ".join(
                ", ".join(f"{name} = {x[0]:.6g}" for name, x in zip(grid.names, end, strict=True))
                for end in ends
            )
    return (worst, where) if where else None


def _along(
    block: EdgeBlock, values: Callable[[Sequence[np.ndarray]], np.ndarray]
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    return lambda edges, s: values(block.places(edges, s))


def _largest_circulation(grid: Grid, edges: list[np.ndarray]) -> float:
    """Largest |circulation| around cell squares and around periodic axes, relative."""
    largest = 0.0
    for i, first in enumerate(edges):
        if grid.domain.axes[i].periodic:
            winding = np.abs(first.sum(axis=i)) / (1.0 + np.abs(first).sum(axis=i))
            largest = max(largest, float(winding.max()))
        for j in range(i + 1, grid.ndim):
            second = edges[j]
            ni, nj = grid.shape[i] - 1, grid.shape[j] - 1
            low = np.take(first, range(ni), axis=i)
            low, high = np.take(low, range(nj), axis=j), np.take(low, range(1, nj + 1), axis=j)
            left = np.take(second, range(nj), axis=j)
            left, right = np.take(left, range(ni), axis=i), np.take(left, range(1, ni + 1), axis=i)
            scale = 1.0 + np.maximum.reduce([np.abs(p) for p in (low, high, left, right)])
            largest = max(largest, float((np.abs(low + right - high - left) / scale).max()))
    return largest


def _integrate(grid: Grid, edges: list[np.ndarray]) -> np.ndarray:
    """Psi by cumulative sums of -P from the central cell, axis after axis."""
    values = np.zeros((1,) * grid.ndim)
    for axis, edge in enumerate(edges):
        middle = grid.shape[axis] // 2
        inner = np.take(edge, range(grid.shape[axis] - 1), axis=axis)
        later = tuple(
            slice(grid.shape[i] // 2, grid.shape[i] // 2 + 1) if i > axis else slice(None)
            for i in range(grid.ndim)
        )
        steps = np.cumsum(-inner[later], axis=axis)
        line = np.concatenate([np.zeros_like(np.take(steps, [0], axis=axis)), steps], axis=axis)
        values = values + line - np.take(line, [middle], axis=axis)
    return values
