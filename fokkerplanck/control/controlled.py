"""Generators under a control u: drift times a(u), noise covariance times m(u).

For the learning rate, d theta = -u g dt + u sqrt(2 Sigma/beta) dW (59), a = u and m = u^2: time
runs u times as fast at the temperature u/beta. For the batch size, a = 1 and m = u with
u = |B(0)|/|B|. Conductances are multiplied by m; the integral of the force along an edge,
P = int D^-1 (b - div D), is r P0 + P1 with r = a/m, P0 of the drift and P1 of div Sigma. Both are
found once, by assembling at beta and at 2 beta; then the rates at any u take one pass over the
edges, and detailed balance, where it holds, is exact at every u.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from ..errors import CaseError
from ..grid import Grid
from ..operators.generator import Generator
from ..operators.potential import Potential, find_potential
from ..operators.rates import assemble, edge_rates, forward_rates
from ..operators.thermodynamic_force import Force
from ..problem import Problem
from ..timestepping.exponential import poisson_weights
from ..timestepping.system import System
from . import controlled_kernels as kernels

# Conductances, P0 and P1 of edges.
Split = tuple[np.ndarray, np.ndarray, np.ndarray]
# Rates of generators that a family keeps.
KEPT_BYTES = 2**25
# Poisson tails below this share of the mass are left out of a propagation.
TAIL = 1e-12


@dataclass(frozen=True)
class Lever:
    """What a control acts on.

    Attributes
    ----------
    name : str
    drift, noise : callable
        Factors a(u) and m(u) of the drift and of the covariance.
    drift_slope, noise_slope : callable
        Their derivatives.
    summary : str
    """

    name: str
    drift: Callable[[float], float]
    noise: Callable[[float], float]
    drift_slope: Callable[[float], float]
    noise_slope: Callable[[float], float]
    summary: str

    def ratio(self, u: float) -> float:
        """r = a/m."""
        return self.drift(u) / self.noise(u)

    def ratio_slope(self, u: float) -> float:
        """dr/du."""
        m = self.noise(u)
        return (self.drift_slope(u) * m - self.drift(u) * self.noise_slope(u)) / m**2


LEVERS = {
    row.name: row
    for row in (
        Lever(
            "learning-rate",
            lambda u: u,
            lambda u: u * u,
            lambda u: 1.0 + 0.0 * u,
            lambda u: 2.0 * u,
            "the learning rate is u times its largest value",
        ),
        Lever(
            "batch-size",
            lambda u: 1.0,
            lambda u: u,
            lambda u: 0.0,
            lambda u: 1.0,
            "the batch holds 1/u times its smallest number of samples",
        ),
    )
}


@dataclass(frozen=True)
class Schedule:
    """A control that is constant between breaks.

    Attributes
    ----------
    edges : (K + 1,) float64
        Increasing times from 0.
    values : (K,) float64
        u in (0, 1] in each interval; the last one also holds later.
    lever : Lever
    """

    edges: np.ndarray
    values: np.ndarray
    lever: Lever

    @property
    def centers(self) -> np.ndarray:
        """Middles of the intervals, (K,)."""
        return 0.5 * (self.edges[1:] + self.edges[:-1])

    def at(self, time: float) -> float:
        """u at a time; at a break that of the interval before it, at 0 the first."""
        index = int(np.searchsorted(self.edges, time, side="left")) - 1
        return float(self.values[min(max(index, 0), self.values.size - 1)])

    def pieces(self, start: float, stop: float) -> Iterator[tuple[float, float, float]]:
        """(from, to, u) between ``start`` and ``stop``, cut at the breaks."""
        inside = self.edges[(self.edges > start) & (self.edges < stop)]
        times = [start, *inside.tolist(), stop]
        for a, b in itertools.pairwise(times):
            # Breaks and output times that should be one differ by rounding.
            if b - a > 1e-13 * max(abs(b), abs(a)) or (a, b) == (start, stop):
                yield a, b, self.at(0.5 * (a + b))


class ControlledFamily:
    """The generators of one problem on one grid at all values of a control.

    Parameters
    ----------
    problem : Problem
        Checked before; coefficients constant in time, noise along every axis.
    grid : Grid
    lever : Lever

    Raises
    ------
    CaseError
        Where the problem is of another kind.
    """

    def __init__(self, problem: Problem, grid: Grid, lever: Lever):
        _require_fit(problem)
        self.problem, self.grid, self.lever = problem, grid, lever
        hot, cold = problem, problem.with_beta(2.0 * problem.beta)
        potentials = [find_potential(Force(p, grid)) for p in (hot, cold)]
        if any(p.values is None for p in potentials):
            # Balance at one temperature only is chance: the controlled generators have none.
            potentials = [replace(p, values=None) for p in potentials]
        self.potentials = potentials
        self.base = assemble(Force(hot, grid), potentials[0], lambda c, p: (c, c))
        first = assemble(Force(hot, grid), potentials[0], lambda c, p: (c * p, c * p))
        second = assemble(Force(cold, grid), potentials[1], lambda c, p: (c * p, c * p))
        # Conductances halve with the temperature.
        self.edges = [
            _split(c, one, 2.0 * two)
            for c, one, two in (
                (self.base.forward, first.forward, second.forward),
                (self.base.wrap_forward, first.wrap_forward, second.wrap_forward),
                (self.base.exit_rate, first.exit_rate, second.exit_rate),
            )
        ]
        # A gradient goes through the intervals and back: the last ones are wanted again at once.
        size = self.base.forward.nbytes + self.base.backward.nbytes
        self._kept = lru_cache(maxsize=max(KEPT_BYTES // size, 1))(self._made)
        # Cells at both ends; of edges that do not exist any cells.
        cells, base = np.arange(grid.size), self.base
        self.ends = [
            (cells[None, :], np.clip(cells + base.shifts[:, None], 0, grid.size - 1)),
            (base.wrap_source, base.wrap_target),
            (base.exit_cell, base.exit_cell),
        ]

    def generator(self, u: float | np.ndarray) -> Generator:
        """Generator at a control, or at one value for every cell, shape (N,).

        With different values in different cells there is no detailed balance to be had: walkers
        leave a cell by the control of that cell. Those of one control are kept for a while.
        """
        return self._made(u) if np.ndim(u) else self._kept(float(u))

    def _made(self, u: float | np.ndarray) -> Generator:
        inside, across, out = (
            self._rates(split, u, *ends) for split, ends in zip(self.edges, self.ends, strict=True)
        )
        rates = replace(
            self.base, forward=inside[0], backward=inside[1], wrap_forward=across[0],
            wrap_backward=across[1], exit_rate=out[0],
        )  # fmt: skip
        return Generator(self.grid, rates, self._potential(float(u) if np.ndim(u) == 0 else None))

    def _rates(
        self, split: Split, u: float | np.ndarray, source: np.ndarray, target: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Both rates of some edges, whose ends may differ in their control."""
        conductance, p0, p1 = split
        # Functions of the lever take arrays as well.
        ratio, noise = self.lever.ratio(u), self.lever.noise(u)  # type: ignore[arg-type]
        if np.ndim(u) == 0:
            return edge_rates(noise * conductance, ratio * p0 + p1)
        r, m = np.asarray(ratio), np.asarray(noise)
        forward = forward_rates(m[source] * conductance, r[source] * p0 + p1)
        backward = forward_rates(m[target] * conductance, -(r[target] * p0 + p1))
        return forward, backward

    def slope(self, u: float) -> Generator:
        """dA/du of :meth:`generator` at a control, without exits; its rates may be negative."""
        lever, base = self.lever, self.base
        factors = float(lever.ratio(u)), float(lever.noise(u))
        slopes = float(lever.ratio_slope(u)), float(lever.noise_slope(u))
        found = []
        for split in self.edges[:2]:
            shape, (c, p0, p1) = split[0].shape, (part.reshape(-1) for part in split)
            ahead, behind = np.empty_like(c), np.empty_like(c)
            kernels.edge_slopes(c, p0, p1, factors, slopes, ahead, behind)
            found += [ahead.reshape(shape), behind.reshape(shape)]
        rates = replace(
            base, forward=found[0], backward=found[1], wrap_forward=found[2],
            wrap_backward=found[3], exit_offset=base.exit_offset[:0],
            exit_cell=base.exit_cell[:0], exit_side=base.exit_side[:0],
            exit_rate=base.exit_rate[:0],
        )  # fmt: skip
        return Generator(self.grid, rates, self._potential(None))

    def _potential(self, u: float | None) -> Potential:
        hot, cold = self.potentials
        if hot.values is None or cold.values is None or u is None:
            return replace(hot, values=None)
        # Psi is r Psi0 + Psi1, and r = 1 and 2 are known.
        r = self.lever.ratio(u)
        return replace(hot, values=(2.0 - r) * hot.values + (r - 1.0) * cold.values)


class ControlledSystem(System):
    """A system whose generator follows a schedule; constant between the schedule's breaks."""

    def __init__(self, family: ControlledFamily, schedule: Schedule):
        super().__init__(family.problem, family.grid)
        self.family, self.schedule = family, schedule
        self._level = math.nan

    @property
    def autonomous(self) -> bool:
        """A schedule changes the generator in time."""
        return False

    @property
    def piecewise(self) -> bool:
        """Between its breaks a schedule leaves the generator as it is."""
        return True

    def at(self, time: float) -> Generator:
        """Generator with the control of one time; the last one is kept."""
        level = self.schedule.at(time)
        if self._generator is None or level != self._level:
            self._generator = self.family.generator(level)
            self._level = level
            self._chains = None
            self._solver = None
            self.counts["assemblies"] += 1
        return self._generator

    def factors(self, start: float, stop: float) -> list[tuple[float, float, float, float]]:
        """(from, to, drift factor, noise factor) between two times."""
        lever = self.schedule.lever
        return [
            (a, b, float(lever.drift(u)), float(lever.noise(u)))
            for a, b, u in self.schedule.pieces(start, stop)
        ]

    def pieces(self, start: float, stop: float) -> list[tuple[float, float]]:
        """Stretches of constant coefficients between two times."""
        return [(a, b) for a, b, _ in self.schedule.pieces(start, stop)]


def poisson_table(s: float, q: float) -> tuple[np.ndarray, np.ndarray]:
    """Poisson weights of mean s from k = 0 on, and their tails over q.

    The weights sum to one, the tails to s/q.
    """
    first, weights = poisson_weights(s)
    full = np.concatenate([np.zeros(first), weights])
    after = np.concatenate([np.cumsum(full[::-1])[::-1][1:], [0.0]])
    count = int(np.argmax(after <= TAIL)) + 1
    full, after = full[:count], after[:count]
    total = float(after.sum())
    return full / full.sum(), after * (s / total / q) if total > 0.0 else after


def _require_fit(problem: Problem) -> None:
    if problem.time_dependent:
        raise CaseError(
            "steers coefficients that depend on t themselves; leave t to the schedule", "control"
        )
    if problem.friction is not None:
        raise CaseError(
            "steers equations without momentum; leave momentum and friction out", "control"
        )
    if any(problem.noiseless):
        raise CaseError("needs noise along every axis; sigma has a row of zeros", "control")


def _split(conductance: np.ndarray, hot: np.ndarray, cold: np.ndarray) -> Split:
    """c, P0 and P1 from c P at beta, P = P0 + P1, and at 2 beta, P = 2 P0 + P1."""
    safe = np.where(conductance > 0.0, conductance, 1.0)
    one, two = hot / safe, cold / safe
    return conductance, two - one, 2.0 * one - two
