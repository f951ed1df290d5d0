"""Generators at many times from those at a few, where drift and Sigma are sums of products.

With b(x, t) = sum_k g_k(t) b_k(x) and Sigma(x, t) = s(t) Sigma_0(x) the conductance c of an edge
and c P, with P the integral of the force along it, are linear in the coefficients. So the weights
that make the coefficients of a time out of those of a few others make its generator, too. They are
fitted at all cells; where they leave more than rounding, the generator is assembled as ever.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ..grid import Grid
from ..problem import Problem
from . import kernels
from .generator import Generator
from .potential import Potential
from .rate_table import Rates
from .rates import SHARED_EDGES, assemble
from .thermodynamic_force import Force

# Times at which the coefficients are looked at, and the most that may serve as a basis.
SAMPLES = 24
LARGEST_RANK = 6
# Fractions of the golden ratio: no period fits them.
GOLDEN = 0.6180339887498949
# What a fit may leave, relative to the largest coefficient of its kind.
RESIDUAL = 1e-11
# A time joins the basis where the others leave so much: then the weights stay small.
JOINS = 1e-3


@dataclass
class Separated:
    """Makes generators of a problem from those of a basis of times.

    Parameters
    ----------
    problem : Problem
    grid : Grid
    potential : Potential
    start, stop : float
        Between them the first times of the basis are sought.
    """

    problem: Problem
    grid: Grid
    potential: Potential
    start: float
    stop: float
    _scales: tuple[float, float] | None = field(default=None, init=False)
    _columns: list[np.ndarray] = field(default_factory=list, init=False)
    _edges: list[list[tuple[np.ndarray, np.ndarray]]] = field(default_factory=list, init=False)
    _rates: Rates | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if any(self.problem.noiseless):
            # Upwind rates are not linear in the drift.
            return
        shares = np.sort(np.mod(GOLDEN * (1.0 + np.arange(SAMPLES)), 1.0))
        times = [self.start + (self.stop - self.start) * float(share) for share in shares]
        pairs = [self._coefficients(time) for time in times]
        largest = [max(float(np.abs(pair[kind]).max()) for pair in pairs) for kind in (0, 1)]
        if not np.isfinite(largest).all():
            return
        self._scales = (largest[0] or 1.0, largest[1] or 1.0)
        columns = [self._scaled(pair) for pair in pairs]
        for _ in range(LARGEST_RANK):
            left = [self._fitted(column)[1] for column in columns]
            worst = int(np.argmax(left))
            if left[worst] < JOINS or not self._join(times[worst], columns[worst]):
                return

    def generator(self, time: float) -> Generator | None:
        """Generator with the coefficients of one time, or None where it has to be assembled."""
        if self._scales is None:
            return None
        column = self._scaled(self._coefficients(time))
        weights, left = self._fitted(column)
        if left >= JOINS and self._join(time, column):
            weights, left = self._fitted(column)
        return self._weighted(weights) if left <= RESIDUAL else None

    def _coefficients(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """What c P and what c is linear in: drift or velocity, and Sigma or the number one."""
        points = self.grid.points
        if not self.problem.sigma_time_dependent:
            return self.problem.drift_at(points, time).reshape(-1), np.ones(1)
        sigma = self.problem.sigma_at(points, time)
        return self.problem.velocity_at(points, time).reshape(-1), sigma.reshape(-1)

    def _scaled(self, pair: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        assert self._scales is not None
        return np.concatenate(
            [part / scale for part, scale in zip(pair, self._scales, strict=True)]
        )

    def _fitted(self, column: np.ndarray) -> tuple[np.ndarray, float]:
        """Weights of the basis, and the largest difference that they leave."""
        if not self._columns:
            return np.zeros(0), float(np.abs(column).max())
        weights = self._triangle @ (self._orthogonal.T @ column)
        left = float(np.abs(column - self._matrix @ weights).max())
        return weights, left if np.isfinite(left) else np.inf

    def _join(self, time: float, column: np.ndarray) -> bool:
        """Take a time into the basis, if it fits there."""
        if len(self._columns) == LARGEST_RANK or not np.isfinite(column).all():
            return False
        sigma = column[-self._sigma_size :]
        if self._columns:
            first = self._columns[0][-self._sigma_size :]
            factor = float(sigma @ first) / float(first @ first)
            if float(np.abs(sigma - factor * first).max()) > RESIDUAL:
                # Another shape of Sigma: P is not linear in it.
                return False
        force = Force(self.problem, self.grid, time)
        one = assemble(force, self.potential, lambda c, p: (c, c * p))
        other = assemble(force, self.potential, lambda c, p: (c * p, c))
        if self._rates is not None and not np.array_equal(one.offsets, self._rates.offsets):
            return False
        self._rates = self._rates or one
        self._edges.append(
            [
                (one.forward, one.backward),
                (one.wrap_forward, one.wrap_backward),
                (one.exit_rate, other.exit_rate),
            ]
        )
        self._columns.append(column)
        self._matrix = np.stack(self._columns, axis=1)
        self._orthogonal, triangle = np.linalg.qr(self._matrix)
        self._triangle = np.linalg.inv(triangle)
        return True

    @property
    def _sigma_size(self) -> int:
        d = self.grid.ndim
        return d * d * self.grid.size if self.problem.sigma_time_dependent else 1

    def _weighted(self, weights: np.ndarray) -> Generator:
        """The generator of the weights of the basis."""
        found = []
        for parts in zip(*self._edges, strict=True):
            c, along = weights[0] * parts[0][0], weights[0] * parts[0][1]
            for weight, part in zip(weights[1:], parts[1:], strict=True):
                c += weight * part[0]
                along += weight * part[1]
            found.append(_rates_of(c, along) if c.size else (c, c))
        assert self._rates is not None
        (forward, backward), (ahead, behind), (leave, _) = found
        rates = replace(
            self._rates, forward=forward, backward=backward, wrap_forward=ahead,
            wrap_backward=behind, exit_rate=leave,
        )  # fmt: skip
        return Generator(self.grid, rates, self.potential)


def _rates_of(conductance: np.ndarray, along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both rates of edges from c and c P."""
    c = conductance.reshape(-1)
    force = np.divide(along.reshape(-1), c, out=np.zeros_like(c), where=c > 0.0)
    forward, backward = np.empty_like(c), np.empty_like(c)
    kernel = kernels.edge_rates_serial if c.size < SHARED_EDGES else kernels.edge_rates
    kernel(c, force, forward, backward)
    return forward.reshape(conductance.shape), backward.reshape(conductance.shape)
