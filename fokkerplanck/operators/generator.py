"""The discrete Fokker-Planck operator A: d rho/dt = A rho, a Markov generator.

Columns sum to zero (up to exits through absorbing sides) and off-diagonal entries are
non-negative, hence mass is exact and densities stay non-negative under every Markov stepper.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
from scipy import sparse

from ..errors import CaseError, NumericalFailure
from ..grid import Grid
from ..problem import Problem
from .potential import Potential, find_potential
from .product import EdgeRates, powers_serial, product, product_serial, total_out
from .rate_table import Rates
from .rates import assemble
from .thermodynamic_force import Force

# Below this size one thread is as fast: the arrays fit its cache, and waking others costs more.
SHARED_CELLS = 150_000


class Generator:
    """Matrix-free generator on the cells of a grid, from Scharfetter-Gummel rates of order 2.

    Parameters
    ----------
    grid : Grid
    rates : Rates
        Rates per unit time.
    potential : Potential
        Verdict on detailed balance and Psi = beta Phi~ where it holds.

    Attributes
    ----------
    problem : Problem or None
        What :func:`generator` made it from; None of generators that were derived from others.
    """

    def __init__(self, grid: Grid, rates: Rates, potential: Potential):
        self.grid = grid
        self.rates = rates
        self.potential = potential
        self.problem: Problem | None = None

    @property
    def detailed_balance(self) -> bool:
        """Whether exp(-Psi) is the stationary state with every edge current zero."""
        return self.potential.values is not None

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the matrix, (N, N)."""
        return self.grid.size, self.grid.size

    @cached_property
    def leaving(self) -> np.ndarray:
        """Total rate out of each cell, shape (N,), minus the diagonal of A."""
        r = self.rates
        total = np.empty(self.grid.size)
        total_out(r.forward, r.backward, r.shifts, total)
        np.add.at(total, r.wrap_source, r.wrap_forward)
        np.add.at(total, r.wrap_target, r.wrap_backward)
        np.add.at(total, r.exit_cell, r.exit_rate)
        return total

    @cached_property
    def edges(self) -> EdgeRates:
        """Rates as the kernels want them."""
        r = self.rates
        return EdgeRates(
            r.forward, r.backward, r.shifts, self.leaving, r.wrap_source, r.wrap_target,
            r.wrap_forward, r.wrap_backward,
        )  # fmt: skip

    @cached_property
    def q(self) -> float:
        """Largest rate out of any cell; s = q t measures the work of a time t."""
        return float(self.leaving.max())

    @cached_property
    def closed(self) -> bool:
        """Whether no probability leaves: neither through a side nor into a target."""
        return not self.rates.exit_rate.any()

    @cached_property
    def symmetrized(self) -> Generator:
        """M^-1/2 A M^1/2 with M = exp(-Psi), symmetric; under detailed balance only.

        Its off-diagonal entries are the geometric means of forward and backward rates, its
        diagonal is that of A.
        """
        if not self.detailed_balance:
            raise ValueError("a generator without detailed balance cannot be symmetrised")
        r = self.rates
        mean = np.sqrt(r.forward * r.backward)
        wrap_mean = np.sqrt(r.wrap_forward * r.wrap_backward)
        rates = replace(
            r, forward=mean, backward=mean, wrap_forward=wrap_mean, wrap_backward=wrap_mean
        )
        result = Generator(self.grid, rates, self.potential)
        result.__dict__["leaving"] = self.leaving
        return result

    @cached_property
    def killing(self) -> np.ndarray:
        """Rate of leaving through absorbing sides, shape (N,)."""
        r = self.rates
        return np.bincount(r.exit_cell, weights=r.exit_rate, minlength=self.grid.size)

    def exit_rates(self, side: int) -> np.ndarray:
        """Rate of leaving through one side (2 i lower, 2 i + 1 upper end of axis i), shape (N,).

        Regions into which probability is killed have the numbers from 2 d on.
        """
        r = self.rates
        here = r.exit_side == side
        return np.bincount(r.exit_cell[here], weights=r.exit_rate[here], minlength=self.grid.size)

    def matvec(self, density: np.ndarray) -> np.ndarray:
        """A rho for a density of the grid's shape or flat; returns the same shape."""
        return self._apply(density, adjoint=False)

    def adjoint_matvec(self, values: np.ndarray) -> np.ndarray:
        """A^T u, the backward operator, exactly the transpose of :meth:`matvec`."""
        return self._apply(values, adjoint=True)

    @property
    def adjoint(self) -> sparse.linalg.LinearOperator:
        """A^T as a scipy linear operator."""
        return sparse.linalg.LinearOperator(
            self.shape,
            matvec=self.adjoint_matvec,
            rmatvec=self.matvec,
            dtype=np.float64,
        )

    def _apply(self, values: np.ndarray, adjoint: bool) -> np.ndarray:
        if np.size(values) != self.grid.size:
            raise ValueError(
                f"an array of shape {np.shape(values)} does not fit the grid {self.grid.shape}"
            )
        x = np.ascontiguousarray(values, dtype=np.float64).reshape(-1)
        out = np.empty_like(x)
        self.combine(x, 1.0, 0.0, x, 0.0, out, adjoint=adjoint)
        return out.reshape(np.shape(values))

    def combine(
        self,
        x: np.ndarray,
        a: float,
        b: float,
        y: np.ndarray,
        c: float,
        out: np.ndarray,
        total: np.ndarray | None = None,
        weight: float = 0.0,
        adjoint: bool = False,
    ) -> None:
        """out = a A x + b x + c y and total += weight out, on flat arrays, in one pass.

        ``out`` may be ``y``. With ``adjoint`` A^T stands in place of A.
        """
        sink = out if total is None else total
        share = 0.0 if total is None else weight
        multiply = product_serial if x.size < SHARED_CELLS else product
        rates = self.edges.transposed() if adjoint else self.edges
        multiply(rates, x, (float(a), float(b), float(c)), y, sink, share, out, out is not y)

    def powers(
        self,
        x: np.ndarray,
        y: np.ndarray,
        a: float,
        weights: np.ndarray,
        begin: int,
        end: int,
        total: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """x = a A x + x and total += weights[k] x for k from ``begin`` up to ``end``.

        Parameters
        ----------
        x, y : (N,) float64, modified
            Where the products begin, and room for one.
        a : float
        weights : float64 array
        begin, end : int
        total : (N,) float64, modified

        Returns
        -------
        x, y : (N,) float64
            The last product and the one before it.
        change : float
            Their L1 distance.
        """
        if x.size < SHARED_CELLS:
            # The loop over the products is compiled too: the call of one would cost more than it.
            change = powers_serial(self.edges, x, y, a, weights, begin, end, total)
            return (x, y, change) if (end - begin) % 2 == 0 else (y, x, change)
        for k in range(begin, end):
            self.combine(x, a, 1.0, x, 0.0, y, total, float(weights[k]))
            x, y = y, x
        return x, y, float(np.abs(x - y).sum())

    def edge_currents(self, density: np.ndarray) -> np.ndarray:
        """Probability per unit time along each edge, x to x + e_k, shape (K, N).

        Edges across periodic sides are not contained; see :meth:`wrap_currents`. In units of
        density times cell volume per unit time once multiplied by the cell volume.
        """
        r = self.rates
        x = np.ascontiguousarray(density, dtype=np.float64).reshape(-1)
        result = r.forward * x
        for row, shift, backward in zip(result, r.shifts, r.backward, strict=True):
            edges = np.flatnonzero(backward)
            row[edges] -= backward[edges] * x[edges + shift]
        return result

    def wrap_currents(self, density: np.ndarray) -> np.ndarray:
        """Currents along the edges across periodic sides, shape (W,)."""
        r = self.rates
        x = np.reshape(density, -1)
        return r.wrap_forward * x[r.wrap_source] - r.wrap_backward * x[r.wrap_target]

    def to_scipy(self) -> sparse.csc_matrix:
        """A as a sparse matrix, columns the cells that probability leaves."""
        r = self.rates
        size = self.grid.size
        cells = np.arange(size)
        rows, columns, values = [cells], [cells], [-self.leaving]
        for shift, forward, backward in zip(r.shifts, r.forward, r.backward, strict=True):
            for start, stop, rate in ((0, shift, forward), (shift, 0, backward)):
                edges = np.flatnonzero(rate)
                columns.append(edges + start)
                rows.append(edges + stop)
                values.append(rate[edges])
        rows += [r.wrap_target, r.wrap_source]
        columns += [r.wrap_source, r.wrap_target]
        values += [r.wrap_forward, r.wrap_backward]
        triplets = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        return sparse.coo_matrix(triplets, shape=self.shape).tocsc()


def generator(problem: Problem, grid: Grid, time: float = 0.0) -> Generator:
    """Discretise a problem on a grid at one time.

    Parameters
    ----------
    problem : Problem
    grid : Grid
    time : float
        Where the coefficients depend on time they are frozen here.

    Returns
    -------
    Generator

    Raises
    ------
    CaseError
        If a formula gives NaN or Sigma is not a covariance somewhere on the grid.

    References
    ----------
    - Scharfetter and Gummel. IEEE Trans. Electron Devices 16 (1969) 64: the rates.
    - Fehrenbach and Mirebeau. J. Math. Imaging Vis. 49 (2014) 123: the edges.

    Examples
    --------
    >>> import numpy as np
    >>> import fokkerplanck as fp
    >>> problem = fp.Problem("x**2/2", beta=2.0, domain={"x": (-4, 4)})
    >>> generator = fp.generator(problem, problem.grid(32))
    >>> matrix = generator.to_scipy().toarray()
    >>> bool(abs(matrix.sum(axis=0)).max() < 1e-12)  # columns sum to zero: mass is kept
    True
    >>> np.fill_diagonal(matrix, 0.0)
    >>> bool(matrix.min() >= 0.0)  # no rate is negative
    True
    """
    problem.check(grid, time)
    result = assemble_generator(problem, grid, time)
    result.problem = problem
    return result


def assemble_generator(
    problem: Problem, grid: Grid, time: float, potential: Potential | None = None
) -> Generator:
    """As :func:`generator`, for a problem already checked.

    Raises
    ------
    CaseError
        If the noise vanishes somewhere without vanishing along a whole axis.
    NumericalFailure
        If a coefficient is beyond the largest number, or has no value at that time.
    """
    force = Force(problem, grid, time)
    potential = find_potential(force) if potential is None else potential
    result = Generator(grid, assemble(force, potential), potential)
    if not np.isfinite(result.q):
        if _overflows(force, potential):
            raise NumericalFailure(
                f"drift, noise or beta times the loss is beyond the largest number, 1.8e308, at "
                f"t = {time:.6g}",
                "scale the formulas down, or take a smaller domain or an earlier density.end",
            )
        raise CaseError(
            "vanishes in a part of the domain, where the force D^-1 b has no meaning; add a small "
            "isotropic part",
            "noise.sigma",
        )
    return result


def _overflows(force: Force, potential: Potential) -> bool:
    """Whether the coefficients themselves are not finite, rather than the force D^-1 b."""
    with np.errstate(over="ignore", invalid="ignore"):
        parts = [force.velocity(force.grid.points), force.tensors(force.grid.points, False)[0]]
    if potential.values is not None:
        parts.append(potential.values)
    return not all(np.isfinite(part).all() for part in parts)
