"""The thermodynamic force gamma = D^-1 b and its line integrals, in index units.

With D = Sigma/beta and b = drift - div D the current of (48) is J = -D rho (grad log rho - gamma).
Index units measure lengths in cells: D_ij/(h_i h_j), b_i/h_i, gamma_i h_i. Then P = int gamma . dl
along an edge is what the Scharfetter-Gummel rates need, and under detailed balance P = -dPsi with
Psi = beta Phi~ (50).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.ndimage import maximum_filter1d

from ..grid import Grid
from ..problem import Problem
from . import kernels
from .discontinuities import discontinuous, log_ratios
from .edges import EdgeBlock, shifted
from .quadrature import gauss, irregular, refined

# Gauss-Legendre nodes per edge. On the axes the integrals build Psi, whose error must stay near
# 1e-12; on general edges without detailed balance the scheme itself is only second order.
POTENTIAL_NODES = 6
EDGE_NODES = 3
# By how much halving an edge may change its integral, for integrals of so many nodes.
HALVING_TOLERANCE = {EDGE_NODES: 1e-10, POTENTIAL_NODES: 1e-13}
# Points per axis at which the mean of 1/D is taken in a cell with a jump, beyond one dimension.
SUBCELLS = {2: 16, 3: 8}
# Where beside the middle of an edge, as a share of it, both sides of a periodic axis are compared,
# and the share of their values by which they may differ.
BESIDE, CLOSED = 1e-9, 1e-6
# A D with several noisy axes that is below this share of the largest one vanishes.
VANISHING = 1e-10
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
            if constant is None:
                self._lift(tensor)
        return tensor, raised

    def _lift(self, tensor: np.ndarray) -> None:
        """Give tensors that vanish, where the share of their own trace is nothing, a smallest one.

        What is small beside the largest noise of the grid stays small, but the force D^-1 b gets a
        meaning.
        """
        trace = np.einsum("iin->n", tensor)
        if trace.min() > VANISHING * trace.max():
            return
        empty = np.flatnonzero(trace <= VANISHING * self._largest_trace)
        least = VANISHING * self.smallest_share * self._largest_trace
        for i in range(len(tensor)):
            tensor[i, i, empty] += least

    @cached_property
    def _largest_trace(self) -> float:
        """Of D in index units, at the cells."""
        tensor, _ = self.tensors(self.grid.points, raising=False)
        return float(np.einsum("iin->n", tensor).max())

    @cached_property
    def cell_tensors(self) -> tuple[np.ndarray, int]:
        """:meth:`tensors` of the cells: at their centres, or means where a diagonal D jumps inside.

        Ito's D rho is continuous, so that the mean density of a cell is D rho times the mean of
        1/D. With the harmonic mean a jump costs no order, wherever in a cell it lies.
        """
        tensor, raised = self._center_tensors
        cells = self._cut_cells if self.diagonal else np.zeros(0, dtype=np.int64)
        if cells.size:
            tensor = tensor.copy()
            tensor[:, :, cells] = self._harmonic_means(cells)
        return tensor, raised

    @cached_property
    def _center_tensors(self) -> tuple[np.ndarray, int]:
        return self.tensors(self.grid.points)

    @cached_property
    def diagonal(self) -> bool:
        """Whether D varies, and is diagonal and positive in all cells.

        Then e . D^-1 div D along an axis integrates to the difference of log D, jumps or not.
        """
        if self.problem.constant_sigma is not None:
            return False
        tensor, raised = self._center_tensors
        own = np.eye(len(tensor), dtype=bool)
        return not raised and not tensor[~own].any() and bool((tensor[own] > 0.0).all())

    @cached_property
    def _cut_cells(self) -> np.ndarray:
        """Numbers of the cells that D may jump in: beside edges with a jump, and at sides."""
        grid = self.grid
        cut = np.zeros(grid.shape, dtype=bool)
        for axis in self.noisy:
            self._mark_jumps(axis, cut)
            if not grid.domain.axes[axis].periodic:
                for sign in (-1, 1):
                    block = EdgeBlock.at_side(grid, axis, sign)
                    first, middle, last = (
                        self.tensors(block.points(s))[0] for s in (0.0, 0.25, 0.5)
                    )
                    along = self._tensors_along(block, 0.5)
                    jump = discontinuous(first, middle, last, along)
                    cut[block.source] |= jump.reshape(block.shape)
        return np.flatnonzero(cut)

    def _harmonic_means(self, cells: np.ndarray) -> np.ndarray:
        """1 over the means of 1/D in some cells, for a diagonal D; shape (m, m, n)."""
        grid, m = self.grid, len(self.noisy)
        centers = [
            c[i] for c, i in zip(grid.centers, np.unravel_index(cells, grid.shape), strict=True)
        ]

        def inverse(number: np.ndarray, *shares: Any) -> np.ndarray:
            points = [
                c[number] + (s - 0.5) * h
                for c, s, h in zip(centers, shares, grid.spacing, strict=True)
            ]
            return 1.0 / self.tensors(points)[0][np.arange(m), np.arange(m)]

        if grid.ndim == 1:
            means = refined(
                lambda number, s: inverse(number, s)[0],
                cells.size,
                POTENTIAL_NODES,
                HALVING_TOLERANCE[EDGE_NODES],
                1.0 / self._center_tensors[0][0, 0, cells],
            )[None]
        else:
            n = SUBCELLS[grid.ndim]
            middles = (np.arange(n) + 0.5) / n
            means = np.zeros((m, cells.size))
            for shares in itertools.product(middles, repeat=grid.ndim):
                means += inverse(np.arange(cells.size), *shares) / n**grid.ndim
        result = np.zeros((m, m, cells.size))
        result[np.arange(m), np.arange(m)] = 1.0 / means
        return result

    def velocity(self, points: Sequence[np.ndarray], ito: bool = False) -> np.ndarray:
        """b = drift - div D of all axes in cells per unit time, shape (d, N); drift for ``ito``."""
        field = self.problem.drift_at if ito else self.problem.velocity_at
        return field(points, self.time).reshape(self.grid.ndim, -1) / self.grid.spacing[:, None]

    def gamma(
        self, points: Sequence[np.ndarray], raising: bool = True, ito: bool = False
    ) -> np.ndarray:
        """D^-1 b on the noisy axes in index units, shape (m, N); D^-1 drift for ``ito``.

        With ``raising`` D is that of the rates, so that the drift b stays right where D had to be
        raised; without it gamma is the force itself, which the Gibbs state is made of.
        """
        velocity = np.ascontiguousarray(self.velocity(points, ito)[list(self.noisy)])
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
        self, block: EdgeBlock, nodes: int = EDGE_NODES, raising: bool = True, ito: bool = False
    ) -> np.ndarray:
        """P = int_0^1 gamma(x + s e) . e ds along the edges of a block.

        Parameters
        ----------
        block : EdgeBlock
            Its offset is zero along axes without noise, and along an axis where D is diagonal.
        nodes : int
            Gauss-Legendre points; exact for polynomials of degree 2 nodes - 1 along the edge.
            Edges inside which gamma jumps or bends are divided until the rule agrees with itself.
        raising : bool
            As in :meth:`gamma`.
        ito : bool
            Leave div D out. Unless D is diagonal its jumps are missed otherwise; see :meth:`rough`.

        Returns
        -------
        ndarray
            Shape of the block, dimensionless.
        """
        how = raising, ito or self.diagonal
        first, last = block.ends(self._cell_gamma(block.offset, *how))
        result, middle = self._quadrature(block, nodes, *how)
        bad = irregular(result, first, middle, last)
        bad.reshape(-1)[self._open_edges(block, *how)] = True
        edges = np.flatnonzero(bad)
        if edges.size:
            result.reshape(-1)[edges] = refined(
                lambda edge, s: self._along(
                    block.offset, self.gamma(block.places(edges[edge], s), *how)
                ),
                edges.size,
                POTENTIAL_NODES,
                HALVING_TOLERANCE[nodes],
                result.reshape(-1)[edges],
            )
        if self.diagonal and not ito:
            row = self.noisy.index(int(np.flatnonzero(block.offset)[0]))
            before, after = block.ends(self._cells(row, row))
            result -= np.log(after / before)
        return result

    def _open_edges(self, block: EdgeBlock, raising: bool, ito: bool) -> np.ndarray:
        """Edges across periodic sides in the middle of which gamma jumps, however little.

        There a value in the middle belongs to one of the sides, so that a mirror would change it.
        """
        edges = block.crossing
        if not edges.size:
            return edges
        before, after = (
            self._along(
                block.offset, self.gamma(block.places(edges, np.full(edges.size, s)), raising, ito)
            )
            for s in (0.5 - BESIDE, 0.5 + BESIDE)
        )
        with np.errstate(all="ignore"):
            size = np.abs(before) + np.abs(after)
            return edges[np.abs(after - before) > CLOSED * size]

    def axis_integrals(self, axis: int, raising: bool = True) -> np.ndarray:
        """P along the unit edges of one axis to order 12, for the making of a potential.

        Those of a periodic axis include the edge across the side. NaN where a full D jumps to no
        multiple of itself, or has a divergence by differences that reach across a jump.
        """
        block = EdgeBlock.of_axis(self.grid, axis)
        result = self.line_integral(block, POTENTIAL_NODES, raising)
        rough = self.rough(block)
        if rough is None:
            return result
        edges = np.flatnonzero(rough)
        if self.problem.divergence_reach:
            result.reshape(-1)[edges] = np.nan
        else:
            before, after = (end[:, :, edges] for end in self._tensor_ends(block))
            along = self._tensors_along(block)
            result.reshape(-1)[edges] -= log_ratios(before, after, edges, along)
        return result

    def rough(self, block: EdgeBlock) -> np.ndarray | None:
        """Edges along which the divergence of a full D is not to be had.

        D jumps there, or its divergence is taken by differences that meet a jump.

        Returns
        -------
        bool ndarray of the block's shape, or None where there are none
        """
        if self.problem.constant_sigma is not None or self.diagonal:
            return None
        result = self.jumps(block)
        if self.problem.divergence_reach:
            before, after = block.ends(self.rough_cells)
            result |= before | after
        return result if result.any() else None

    def _mark_jumps(self, axis: int, marked: np.ndarray) -> None:
        """Set the cells at both ends of the edges along an axis that D jumps on."""
        block = EdgeBlock.of_axis(self.grid, axis)
        jump = self.jumps(block)
        marked[block.source] |= jump
        marked[block.target] |= jump

    @cached_property
    def rough_cells(self) -> np.ndarray:
        """Cells from which the differences of a Python function reach across a jump."""
        grid = self.grid
        found = np.zeros(grid.shape, dtype=bool)
        for axis in self.noisy:
            self._mark_jumps(axis, found)
        for axis, n in enumerate(grid.shape):
            size = 2 * math.ceil(self.problem.divergence_reach * n) + 1
            mode = "wrap" if grid.domain.axes[axis].periodic else "nearest"
            found = maximum_filter1d(found.astype(np.uint8), size, axis=axis, mode=mode) > 0
        return found

    def jumps(self, block: EdgeBlock) -> np.ndarray:
        """Edges along which D jumps."""
        middle, _ = self.tensors(block.points(0.5))
        first, last = self._tensor_ends(block)
        found = discontinuous(first, middle, last, self._tensors_along(block))
        return found.reshape(block.shape)

    def _tensor_ends(self, block: EdgeBlock) -> list[np.ndarray]:
        """D at both ends of the edges of a block, each of shape (m, m, n)."""
        m = len(self.noisy)
        cells = self._center_tensors[0].reshape(m, m, *self.grid.shape)
        return [end.reshape(m, m, -1) for end in block.ends(cells)]

    def _tensors_along(
        self, block: EdgeBlock, share: float = 1.0
    ) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        """D along the first share of the edges of a block."""
        return lambda edges, s: self.tensors(block.places(edges, share * s))[0]

    def _cells(self, i: int, j: int) -> np.ndarray:
        """One entry of D in the cells."""
        return np.broadcast_to(self.cell_tensors[0][i, j], self.grid.size).reshape(self.grid.shape)

    def _along(self, offset: Sequence[int], gamma: np.ndarray) -> np.ndarray:
        """e . gamma, shape (N,)."""
        terms = [offset[axis] * gamma[row] for row, axis in enumerate(self.noisy) if offset[axis]]
        return np.asarray(sum(terms))

    def _cell_gamma(self, offset: Sequence[int], raising: bool, ito: bool) -> np.ndarray:
        """e . gamma in the cells."""
        if (raising, ito) not in self._kept:
            self._kept[raising, ito] = self.gamma(self.grid.points, raising, ito)
        return self._along(offset, self._kept[raising, ito]).reshape(self.grid.shape)

    @cached_property
    def _kept(self) -> dict[tuple[bool, bool], np.ndarray]:
        return {}

    def _quadrature(
        self, block: EdgeBlock, nodes: int, raising: bool, ito: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Gauss rule along the edges of a block, and the integrand in their middles."""
        result, middle = np.zeros(block.shape), np.empty(block.shape)
        places, weights = gauss(nodes)
        if not nodes % 2:
            places, weights = np.append(places, 0.5), np.append(weights, 0.0)
        for where, part in block.parts(max(1, CHUNK * block.shape[0] // max(1, block.size))):
            for s, weight in zip(places, weights, strict=True):
                gamma = self.gamma(part.points(s), raising, ito)
                along = self._along(part.offset, gamma).reshape(part.shape)
                if weight:
                    # Where the noise vanishes there are infinities of both signs.
                    with np.errstate(invalid="ignore"):
                        result[where] += weight * along
                if s == 0.5:
                    middle[where] = along
        return result, middle

    def shifted(self, centers: Sequence[np.ndarray], steps: np.ndarray) -> list[np.ndarray]:
        """Open mesh of ``centers`` moved by ``steps`` cells, wrapped at periodic sides."""
        return shifted(self.grid, centers, steps)
