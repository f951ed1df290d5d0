"""The fractional Fokker-Planck equation (51): drift and jumps, one after the other.

d rho/dt = -div(b rho) - sum K (-Laplace)^(alpha/2) rho. A step is half of the jumps, all of the
drift and the other half (Strang); halves of neighbouring steps are joined. Positive, conservative
in a closed box, at one exponential of the jumps and one passage of the drift a step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from ..errors import CaseError
from ..grid import Grid
from ..problem import Problem
from ..problem.timeline import Timeline, timeline_of
from ..timestepping.steppers import Stepper
from ..timestepping.system import System, still
from .fractional import Fractional
from .transport import Transport


@dataclass
class LevySystem:
    """A problem with heavy-tailed noise on a grid.

    Parameters
    ----------
    problem : Problem
        With ``jumps``.
    grid : Grid
    breakpoints : sequence of float
        Times that steps must meet, beside those at which the coefficients are seen to jump.
    """

    problem: Problem
    grid: Grid
    breakpoints: Sequence[float] = ()
    counts: Counter[str] = field(default_factory=Counter)
    moved: Callable[[float], object] = field(default_factory=lambda: still, init=False)
    fractional: Fractional = field(init=False)
    transport: Transport = field(init=False)
    timeline: Timeline = field(default_factory=Timeline, init=False)

    def __post_init__(self) -> None:
        if self.problem.jumps is None:
            raise CaseError("is not below 2: this noise is Gaussian", "noise.alpha")
        self.fractional = Fractional(self.grid, self.problem.jumps)
        self.transport = Transport(self.problem, self.grid)

    @property
    def autonomous(self) -> bool:
        """Whether the coefficients are the same at all times."""
        return not self.problem.time_dependent

    def watch(self, start: float, stop: float) -> None:
        """Look at coefficients that change between two times, all those that will be covered.

        Raises
        ------
        NumericalFailure
            If they change too often to be followed.
        """
        self.timeline = timeline_of(self.problem, self.grid, start, stop, self.breakpoints)

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

    def steps(
        self, density: np.ndarray, time: float, dt: float, count: int, group: int = 1
    ) -> np.ndarray:
        """Density of the grid's shape after ``count`` flows of dt; a new array.

        Parameters
        ----------
        density : ndarray of the grid's shape
        time, dt : float
        count : int
            A multiple of ``group``.
        group : int
            Flows between two jumps, with the coefficients of the time in their middle.

        Raises
        ------
        NumericalFailure
            If jumps leave less than nothing.
        """
        length = group * dt
        values = self.fractional.jump(density.copy(), 0.5 * length)
        for k in range(count):
            middle = time + (k // group + 0.5) * length
            values = self.transport.advance(values, middle, dt)
            if (k + 1) % group == 0:
                # The second half of a jump and the first half of the next are one.
                share = 0.5 if k + 1 == count else 1.0
                values = self.fractional.jump(values, share * length)
        self.counts["transforms"] += count // group + 1
        # Thousands of steps would let the mass walk off by their rounding.
        factor = float(density.sum()) / float(values.sum()) if self.fractional.closed else 1.0
        return factor * values


def step_levy(system: System, density: np.ndarray, time: float, dt: float) -> np.ndarray:
    """Half of the jumps, the drift, half of the jumps; on flat densities."""
    levy = cast(LevySystem, system)
    return levy.steps(density.reshape(levy.grid.shape), time, dt, 1).reshape(-1)


LEVY = Stepper(
    "fractional",
    step_levy,
    order=2,
    exact=False,
    positive="always",
    entropy_decaying=False,
    gibbs_exact=False,
    needs_detailed_balance=False,
    summary="drift along its flow, jumps by fast transforms, Strang splitting",
)
