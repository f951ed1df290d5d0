"""The generator as a function of time, and what a stepper keeps between calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import InitVar, dataclass, field

from ..grid import Grid
from ..linear_solvers.shifted import DIRECT_CELLS, ShiftedSolver
from ..operators.chains import Chains, chains_of
from ..operators.generator import Generator, assemble_generator
from ..operators.potential import Potential, find_potential
from ..operators.separated import Separated
from ..operators.thermodynamic_force import Force
from ..problem import Problem
from ..problem.timeline import Timeline, timeline_of


def still(time: float) -> None:
    """Tell nobody of the time reached."""


@dataclass
class System:
    """A problem on a grid: gives the generator at any time and keeps what is costly to set up.

    Parameters
    ----------
    problem : Problem
        Checked before.
    grid : Grid
    breakpoints : sequence of float
        Times that steps must meet, beside those at which the coefficients are seen to jump.
    known : Generator, optional
        That of the problem, where it was assembled before and the coefficients do not change.

    Attributes
    ----------
    counts : Counter
        Products, solves, steps and the like.
    moved : callable
        Called with the time reached, within long steps too.
    """

    problem: Problem
    grid: Grid
    breakpoints: Sequence[float] = ()
    known: InitVar[Generator | None] = None
    potential: Potential = field(init=False)
    counts: Counter[str] = field(default_factory=Counter)
    moved: Callable[[float], object] = field(default_factory=lambda: still, init=False)
    _generator: Generator | None = field(default=None, init=False)
    _time: float = field(default=0.0, init=False)
    _separated: Separated | None = field(default=None, init=False)
    _timeline: Timeline = field(default_factory=Timeline, init=False)
    _chains: list[Chains] | None = field(default=None, init=False)
    _solver: ShiftedSolver | None = field(default=None, init=False)

    def __post_init__(self, known: Generator | None) -> None:
        if known is None:
            self.potential = find_potential(Force(self.problem, self.grid))
            return
        assert self.autonomous
        self.potential, self._generator = known.potential, known

    @property
    def autonomous(self) -> bool:
        """Whether one generator serves all times."""
        return not self.problem.time_dependent

    def within(self, start: float, dt: float) -> Callable[[float], object]:
        """What takes the share done of a step, for :attr:`moved`."""
        return lambda share: self.moved(start + share * dt)

    def pieces(self, start: float, stop: float) -> list[tuple[float, float]]:
        """Stretches between two times on each of which the coefficients are smooth in time."""
        return self._timeline.pieces(start, stop)

    def longest(self, time: float) -> float:
        """Longest step from a time over which the coefficients are still seen."""
        return self._timeline.longest(time)

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
            quick = None if self._separated is None else self._separated.generator(time)
            self._generator = quick or assemble_generator(
                self.problem, self.grid, time, self.potential
            )
            self._time = time
            self._chains = None
            self._solver = None
            self.counts["assemblies"] += 1
        return self._generator

    def watch(self, start: float, stop: float) -> None:
        """Look at coefficients that change between two times, all those that will be covered.

        Raises
        ------
        NumericalFailure
            If they change too often to be followed.
        """
        if self.problem.time_dependent:
            self._timeline = timeline_of(self.problem, self.grid, start, stop, self.breakpoints)
            self._separated = Separated(self.problem, self.grid, self.potential, start, stop)

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
