"""The thermodynamic force gamma = D^-1 b and its line integrals, in index units.

With D = Sigma/beta and b = drift - div D the current of (48) is J = -D rho (grad log rho - gamma).
Index units measure lengths in cells: D_ij/(h_i h_j), b_i/h_i, gamma_i h_i. Then P = int gamma . dl
along an edge is what the Scharfetter-Gummel rates need, and under detailed balance P = -dPsi with
Psi = beta Phi~ (50).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import CaseError
from ..grid import Grid
from ..problem import Problem
from . import kernels

# Gauss-Legendre nodes per edge. On the axes the integrals build Psi, whose error must stay near
# 1e-12; on general edges without detailed balance the scheme itself is only second order.
POTENTIAL_NODES = 6
EDGE_NODES = 3
# Detailed balance: largest circulation around a cell square, relative to 1 + the force along it.
CIRCULATION_TOLERANCE = 1e-9
# Offsets may reach over this share of the cells (and at least over MIN_REACH cells).
REACH_SHARE = 0.25
MIN_REACH = 16
# Beyond this a constant D counts as singular: there is no force, and no Gibbs state.
LARGEST_CONDITION = 1e10
# Points evaluated at once: bounds the memory of formula evaluation to a few hundred MB.
CHUNK = 1_000_000


@dataclass(frozen=True)
class Force:
    """Evaluates D and gamma of a problem on a grid at any points and time.

    Parameters
    ----------
    problem : Problem
    grid : Grid
    time : float
        Time at which the coefficients are frozen.
    """

    problem: Problem
    grid: Grid
    time: float = 0.0

    @cached_property
    def still(self) -> tuple[bool, ...]:
        """Which axes the drift moves alone: all of them at a time at which Sigma is zero."""
        problem = self.problem
        if problem.sigma_time_dependent and not problem.sigma_at(self.grid.points, self.time).any():
            return (True,) * self.grid.ndim
        return problem.noiseless

    @property
    def noisy(self) -> tuple[int, ...]:
        """Axes with noise; the others are moved by the drift alone."""
        return tuple(i for i, still in enumerate(self.still) if not still)

    @property
    def smallest_share(self) -> float:
        """Smallest eigenvalue of D kept, relative to its trace; of order h^2, see `regularise`."""
        cells = min(self.grid.shape[axis] for axis in self.noisy)
        return max(MIN_REACH, REACH_SHARE * cells) ** -2.0

    def tensors(self, points: Sequence[np.ndarray], raising: bool = True) -> tuple[np.ndarray, int]:
        """D on the noisy axes in index units, flattened to (m, m, N), and how many were raised.

        Without ``raising`` tensors close to singular are left as they are.
        """
        noisy = list(self.noisy)
        h = self.grid.spacing[noisy]
        scale = 1.0 / (self.problem.beta * h[:, None] * h[None, :])
        constant = self.problem.constant_sigma
        if constant is not None:
            tensor = np.ascontiguousarray(constant[np.ix_(noisy, noisy)] * scale)[..., None]
        else:
            sigma = self.problem.sigma_at(points, self.time)[np.ix_(noisy, noisy)]
            tensor = np.ascontiguousarray(sigma.reshape(len(noisy), len(noisy), -1))
            tensor *= scale[..., None]
        raised = 0
        if raising and len(noisy) > 1:
            raised = kernels.regularise(tensor, self.smallest_share)
        return tensor, raised

    def velocity(self, points: Sequence[np.ndarray]) -> np.ndarray:
        """b = drift - div D of all axes in cells per unit time, shape (d, N)."""
        velocity = self.problem.velocity_at(points, self.time)
        return velocity.reshape(self.grid.ndim, -1) / self.grid.spacing[:, None]

    def gamma(self, points: Sequence[np.ndarray], raising: bool = True) -> np.ndarray:
        """D^-1 b on the noisy axes in index units, shape (m, N).

        With ``raising`` D is that of the rates, so that the drift b stays right where D had to be
        raised; without it gamma is the force itself, which the Gibbs state is made of.
        """
        velocity = np.ascontiguousarray(self.velocity(points)[list(self.noisy)])
        tensor, _ = self.tensors(points, raising)
        if tensor.shape[2] == 1:
            if np.linalg.cond(tensor[:, :, 0]) > LARGEST_CONDITION:
                return np.full_like(velocity, np.nan)
            return np.linalg.solve(tensor[:, :, 0], velocity)
        result = np.empty_like(velocity)
        # Without noise there is no force: inf or NaN, of which only the interpreter would speak.
        with np.errstate(all="ignore"):
            kernels.solve_tensor(tensor, velocity, result)
        return result

    def line_integral(
        self,
        offset: Sequence[int],
        source: tuple[slice, ...],
        nodes: int = EDGE_NODES,
        raising: bool = True,
    ) -> np.ndarray:
        """P = int_0^1 gamma(x + s e) . e ds from every cell of ``source``.

        Parameters
        ----------
        offset : d integers
            Edge vector e in cells; zero along axes without noise.
        source : d slices
            Block of cells from which the edges start.
        nodes : int
            Gauss-Legendre points; exact for polynomials of degree 2 nodes - 1 along the edge.
        raising : bool
            As in :meth:`gamma`.

        Returns
        -------
        ndarray
            Shape of the block, dimensionless.
        """
        centers = [c[s] for c, s in zip(self.grid.centers, source, strict=True)]
        shape = tuple(c.size for c in centers)
        result = np.empty(shape)
        abscissae, weights = np.polynomial.legendre.leggauss(nodes)
        rows = max(1, CHUNK * shape[0] // max(1, result.size))
        for start in range(0, shape[0], rows):
            block = slice(start, start + rows)
            part = [centers[0][block], *centers[1:]]
            total = np.zeros((len(part[0]), *shape[1:]))
            for s, weight in zip(0.5 * (abscissae + 1.0), 0.5 * weights, strict=True):
                steps = s * np.asarray(offset, dtype=float)
                gamma = self.gamma(self.shifted(part, steps), raising)
                along = sum(
                    offset[axis] * gamma[row] for row, axis in enumerate(self.noisy) if offset[axis]
                )
                total += weight * np.reshape(along, total.shape)
            result[block] = total
        return result

    def shifted(self, centers: Sequence[np.ndarray], steps: np.ndarray) -> list[np.ndarray]:
        """Open mesh of ``centers`` moved by ``steps`` cells, wrapped at periodic sides."""
        moved = []
        for number, (axis, h) in enumerate(
            zip(self.grid.domain.axes, self.grid.spacing, strict=True)
        ):
            values = centers[number] + steps[number] * h
            if axis.periodic:
                values = axis.lower + np.mod(values - axis.lower, axis.length)
            shape = [1] * self.grid.ndim
            shape[number] = -1
            moved.append(values.reshape(shape))
        return moved


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
    """

    values: np.ndarray | None
    circulation: float
    reason: str


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
        return Potential(values, 0.0, "the noise is isotropic and constant: Phi~ = Phi / Sigma")
    if any(problem.noiseless):
        return Potential(None, np.inf, "an axis carries no noise")
    edges = [_axis_edges(force, axis) for axis in range(grid.ndim)]
    if not all(np.isfinite(along).all() for along in edges):
        return Potential(None, np.inf, "the noise vanishes in a part of the domain")
    circulation = _largest_circulation(grid, edges)
    if not circulation <= CIRCULATION_TOLERANCE:
        return Potential(
            None, circulation, f"the force has a curl (circulation {circulation:.1e} per cell)"
        )
    return Potential(
        _integrate(grid, edges), circulation, f"the force is curl-free ({circulation:.1e} per cell)"
    )


def _axis_edges(force: Force, axis: int) -> np.ndarray:
    """P along the unit edges of one axis; periodic axes include the edge across the side."""
    grid = force.grid
    offset = [int(axis == i) for i in range(grid.ndim)]
    last = grid.shape[axis] if grid.domain.axes[axis].periodic else grid.shape[axis] - 1
    source = tuple(slice(0, last) if i == axis else slice(None) for i in range(grid.ndim))
    return force.line_integral(offset, source, POTENTIAL_NODES, raising=False)


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
