"""The fractional Fokker-Planck equation (51): drift and jumps, one after the other.

d rho/dt = -div(b rho) - sum K (-Laplace)^(alpha/2) rho. A step is half of the drift, all jumps and
the other half (Strang): order 2 in time and in the cell width (1 at absorbing sides), positive,
conservative in a closed box, at one pair of cosine transforms a step there.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from ..errors import CaseError
from ..grid import Grid
from ..problem import Problem
from .fractional import Fractional
from .march import March, frames
from .steppers import Stepper
from .system import System
from .transport import Transport


@dataclass(frozen=True)
class Rates:
    """What the control of the step size asks for."""

    q: float


@dataclass
class LevySystem:
    """A problem with heavy-tailed noise on a grid.

    Parameters
    ----------
    problem : Problem
        With ``jumps``.
    grid : Grid
    """

    problem: Problem
    grid: Grid
    counts: Counter[str] = field(default_factory=Counter)
    fractional: Fractional = field(init=False)
    transport: Transport = field(init=False)

    def __post_init__(self) -> None:
        if self.problem.jumps is None:
            raise CaseError("is not below 2: this noise is Gaussian", "noise.alpha")
        self.fractional = Fractional(self.grid, self.problem.jumps)
        self.transport = Transport(self.problem, self.grid)

    @property
    def autonomous(self) -> bool:
        """Whether the coefficients are the same at all times."""
        return not self.problem.time_dependent

    @property
    def piecewise(self) -> bool:
        """Whether the coefficients are constant on each of the :meth:`pieces`."""
        return self.autonomous

    def pieces(self, start: float, stop: float) -> list[tuple[float, float]]:
        """Stretches between two times on each of which the coefficients are smooth in time."""
        return [(start, stop)]

    def at(self, time: float) -> Rates:
        """Rate of the fastest part, for the first guess of a step."""
        return Rates(self.transport.rate(time) + self.fractional.q)

    def over_sides(self, density: np.ndarray) -> float:
        """Rate at which the density jumps over sides, per unit time, in a box without folds."""
        jumps, grid = self.problem.jumps, self.grid
        assert jumps is not None
        total = 0.0
        for a, axis in enumerate(grid.domain.axes):
            if axis.periodic:
                continue
            others = tuple(i for i in range(grid.ndim) if i != a)
            line = density.sum(axis=others) * grid.cell_volume
            x = grid.centers[a]
            for distance in (x - axis.lower, axis.upper - x):
                rate = jumps.over_sides_rate(jumps.strengths[a], distance)
                total += float(line @ rate)
        return total


def step_levy(system: System, density: np.ndarray, time: float, dt: float) -> np.ndarray:
    """Half a step of the drift, one of the jumps, half a step of the drift; on flat densities."""
    levy = cast(LevySystem, system)
    levy.counts["transforms"] += 1
    values = density.reshape(levy.grid.shape)
    values = levy.transport.advance(values, time + 0.25 * dt, 0.5 * dt)
    values = levy.fractional.exponential(values, dt)
    values = levy.transport.advance(values, time + 0.75 * dt, 0.5 * dt)
    return values.reshape(-1)


LEVY = Stepper(
    "fractional",
    step_levy,
    order=2,
    exact=False,
    positive="always",
    entropy_decaying=False,
    gibbs_exact=False,
    needs_detailed_balance=False,
    summary="drift by limited fluxes, jumps by cosine transforms, Strang splitting",
)


def levy_march(system: LevySystem, rtol: float, horizon: float) -> March:
    """Marches with controlled steps, as for the other steppers."""
    return March(cast(System, system), LEVY, rtol, horizon)


def evolve_levy(
    problem: Problem,
    grid: Grid,
    initial: np.ndarray,
    times: Sequence[float],
    *,
    rtol: float = 1e-4,
) -> np.ndarray:
    """Densities (n, *grid.shape) at increasing times, from the one at the first of them.

    Parameters
    ----------
    problem : Problem
        With alpha below 2.
    grid : Grid
    initial : ndarray of the grid's shape
    times : increasing floats
    rtol : float
        Bound on the time error in L1, relative to the mass.

    Raises
    ------
    CaseError
        For sides that do not go together, or Gaussian noise.
    NumericalFailure
        If the tolerance cannot be met.
    """
    times = [float(time) for time in times]
    if not times or any(not b > a for a, b in itertools.pairwise(times)):
        raise CaseError("must increase strictly", "density.times")
    march = levy_march(LevySystem(problem, grid), rtol, times[-1] - times[0])
    found = [np.asarray(initial, dtype=float)]
    for _, density, _ in frames(march, found[0].reshape(-1), times):
        found.append(density.reshape(grid.shape))
    return np.stack(found)
