"""The generator as a function of time, and what a stepper keeps between calls."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ..grid import Grid
from ..problem import Problem
from .chains import Chains, chains_of
from .force import Force, Potential, find_potential
from .generator import Generator, assemble_generator
from .shifted import DIRECT_CELLS, ShiftedSolver


@dataclass
class System:
    """A problem on a grid: gives the generator at any time and keeps what is costly to set up.

    Parameters
    ----------
    problem : Problem
        Checked before.
    grid : Grid
    """

    problem: Problem
    grid: Grid
    potential: Potential = field(init=False)
    counts: Counter[str] = field(default_factory=Counter)
    _generator: Generator | None = field(default=None, init=False)
    _time: float = field(default=0.0, init=False)
    _chains: list[Chains] | None = field(default=None, init=False)
    _solver: ShiftedSolver | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.potential = find_potential(Force(self.problem, self.grid))

    @property
    def autonomous(self) -> bool:
        """Whether one generator serves all times."""
        return not self.problem.time_dependent

    def pieces(self, start: float, stop: float) -> list[tuple[float, float]]:
        """Stretches between two times on each of which the coefficients are smooth in time."""
        return [(start, stop)]

    @property
    def piecewise(self) -> bool:
        """Whether the coefficients are constant on each of the :meth:`pieces`."""
        return self.autonomous

    @property
    def affords_factors(self) -> bool:
        """Whether factors of shifted systems are affordable, and serve more than one step."""
        return self.autonomous and self.grid.size <= DIRECT_CELLS[self.grid.ndim]

    def at(self, time: float) -> Generator:
        """Generator with the coefficients of one time; the last one is kept."""
        if self._generator is None or (not self.autonomous and time != self._time):
            self._generator = assemble_generator(self.problem, self.grid, time, self.potential)
            self._time = time
            self._chains = None
            self._solver = None
            self.counts["assemblies"] += 1
        return self._generator

    def adopt(self, generator: Generator) -> None:
        """Take another generator for all times, of coefficients that do not change."""
        assert self.autonomous
        self._generator = generator
        self._chains = None
        self._solver = None

    def chains(self, time: float) -> list[Chains]:
        """The generator of one time as chains."""
        generator = self.at(time)
        if self._chains is None:
            self._chains = chains_of(generator)
        return self._chains

    def solver(self, time: float) -> ShiftedSolver:
        """Solver of shifted systems with the generator of one time."""
        generator = self.at(time)
        if self._solver is None:
            self._solver = ShiftedSolver(generator)
        return self._solver
