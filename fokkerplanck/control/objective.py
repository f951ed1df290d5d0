"""The cost of a schedule and its gradient, exactly those of the discrete problem.

J(u) = int rho_T phi + sum_k int over interval k of int rho l(theta, t_k, u_k), with the density of
the grid carried through each interval by exp(dt A(u_k)), summed as a polynomial in A. The gradient
is that of the same polynomials: tangents of every interval forward, the cost's sensitivity
backward by the transposed polynomials.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ..errors import CaseError
from ..operators.product import EdgeRates
from .controlled import ControlledFamily, Schedule, poisson_table
from .controlled_kernels import propagate, propagate_with_slope

# Cells per axis below which a coarser grid says nothing about a finer one.
COARSEST = 16

# l(t, u) -> values and derivatives by u, both (N,): the running cost.
Running = Callable[[float, float], tuple[np.ndarray, np.ndarray]]


def dot(one: np.ndarray, other: np.ndarray) -> float:
    """Sum of products, the same for any number of threads: BLAS would also wake them for it."""
    return float((one * other).sum())


@dataclass(frozen=True)
class Objective:
    """What a schedule of K equal intervals costs.

    Parameters
    ----------
    family : ControlledFamily
        Generators by control, in a closed box.
    initial : ndarray of the grid's shape
        Density at t = 0.
    end : float
        Horizon T.
    intervals : int
        K.
    terminal : ndarray of the grid's shape
        phi, averaged at T.
    running : callable, optional
        Running cost and its derivative by the control, at the middle of an interval.

    Raises
    ------
    CaseError
        For an open box, or no interval.
    """

    family: ControlledFamily
    initial: np.ndarray
    end: float
    intervals: int
    terminal: np.ndarray
    running: Running | None = None
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        if not self.family.grid.domain.closed:
            raise CaseError(
                "would reward walkers that leave through an absorbing side; make the sides "
                "reflecting or periodic",
                "control",
            )
        if self.intervals < 1 or not self.end > 0.0:
            raise CaseError(f"{self.intervals} are too few; give at least 1", "control.intervals")

    def coarser(self) -> Objective | None:
        """The same on a grid of half the cells per axis; None where that would be too coarse.

        Densities and costs are averaged over blocks of cells.
        """
        grid, d = self.family.grid, self.family.grid.ndim
        if any(n % 2 or n < 2 * COARSEST for n in grid.shape):
            return None
        split = [part for n in grid.shape for part in (n // 2, 2)]
        inner = tuple(2 * axis + 1 for axis in range(d))

        def halved(values: np.ndarray) -> np.ndarray:
            return np.asarray(values.reshape(split).mean(axis=inner))

        running = self.running
        few = ControlledFamily(
            self.family.problem,
            self.family.problem.grid([n // 2 for n in grid.shape]),
            self.family.lever,
        )
        return replace(
            self,
            family=few,
            initial=halved(self.initial),
            terminal=halved(self.terminal),
            running=None
            if running is None
            else lambda t, u: (
                halved(running(t, u)[0]).reshape(-1),
                halved(running(t, u)[1]).reshape(-1),
            ),
        )

    @property
    def dt(self) -> float:
        """Length of an interval."""
        return self.end / self.intervals

    @cached_property
    def middles(self) -> np.ndarray:
        """Middles of the intervals, (K,)."""
        return (np.arange(self.intervals) + 0.5) * self.dt

    @property
    def volume(self) -> float:
        """Cell volume."""
        return float(self.family.grid.cell_volume)

    def schedule(self, values: np.ndarray) -> Schedule:
        """Control values as a schedule."""
        edges = np.linspace(0.0, self.end, self.intervals + 1)
        return Schedule(edges, np.asarray(values, dtype=float), self.family.lever)

    def step(self, density: np.ndarray, u: float, dt: float) -> tuple[np.ndarray, np.ndarray]:
        """Flat density after ``dt`` under one control, and its integral over that time."""
        rates, q, weights, tails = self._polynomial(u, dt)
        total, integral = np.empty_like(density), np.empty_like(density)
        propagate(rates, q, weights, tails, density, total, integral)
        return total, integral

    def running_cost(self, number: int, u: float, integral: np.ndarray) -> float:
        """Running cost of an interval."""
        if self.running is None:
            return 0.0
        return dot(self.running(self.middles[number], u)[0], integral) * self.volume

    def cost(self, values: np.ndarray) -> float:
        """J of K control values."""
        density, total = self.initial.reshape(-1), 0.0
        for number, u in enumerate(values):
            density, integral = self.step(density, float(u), self.dt)
            total += self.running_cost(number, float(u), integral)
        self.counts["costs"] += 1
        return total + dot(self.terminal.reshape(-1), density) * self.volume

    def cost_and_gradient(self, values: np.ndarray) -> tuple[float, np.ndarray]:
        """J and dJ/du, shape (K,)."""
        density, total = self.initial.reshape(-1), 0.0
        size, gradient = density.size, np.zeros(self.intervals)
        slopes = np.empty((self.intervals, size))
        scratch = np.empty(size)
        for number, value in enumerate(values):
            u = float(value)
            rates, q, weights, tails = self._polynomial(u, self.dt)
            after, integral, change = np.empty(size), np.empty(size), slopes[number]
            propagate_with_slope(
                rates, self.family.slope(u).edges, q, weights, tails, density, after, integral,
                change, scratch,
            )  # fmt: skip
            density = after
            if self.running is not None:
                cost, slope = self.running(self.middles[number], u)
                total += dot(cost, integral)
                gradient[number] = dot(slope, integral) + dot(cost, scratch)
        adjoint = self.terminal.reshape(-1).astype(float)
        total += dot(adjoint, density)
        for number in range(self.intervals - 1, -1, -1):
            gradient[number] += dot(adjoint, slopes[number])
            if number:
                adjoint = self.backward(adjoint, number, float(values[number]))
        self.counts["gradients"] += 1
        self.counts["cells"] += self.family.grid.size
        return total * self.volume, gradient * self.volume

    def backward(
        self, adjoint: np.ndarray, number: int, u: float | np.ndarray, share: float = 1.0
    ) -> np.ndarray:
        """Cost to go at the start of an interval from that at its end.

        ``u`` may differ from cell to cell; ``share`` is the part of the interval to go back.
        """
        rates, q, weights, tails = self._polynomial(u, share * self.dt)
        total, integral = np.empty_like(adjoint), np.empty_like(adjoint)
        propagate(rates.transposed(), q, weights, tails, adjoint, total, integral)
        if self.running is not None:
            cost = self.source(number, u)
            spent = np.empty_like(adjoint)
            propagate(rates.transposed(), q, weights, tails, cost, integral, spent)
            total += spent
        return total

    def source(self, number: int, u: float | np.ndarray) -> np.ndarray:
        """Running cost per unit time in every cell, (N,), under its own control."""
        assert self.running is not None
        if np.ndim(u) == 0:
            return self.running(self.middles[number], float(u))[0]
        result = np.empty(self.family.grid.size)
        for level in np.unique(u):
            here = u == level
            result[here] = self.running(self.middles[number], float(level))[0][here]
        return result

    def _polynomial(
        self, u: float | np.ndarray, dt: float
    ) -> tuple[EdgeRates, float, np.ndarray, np.ndarray]:
        generator = self.family.generator(u)
        q = generator.q
        weights, tails = poisson_table(q * dt, q)
        if self.running is None:
            tails = tails[:0]
        self.counts["products"] += weights.size
        return generator.edges, q, weights, tails
