"""Escape from minima: mean times between the wells of Phi~ and the chain they make.

A core is the bottom of a well, where beta (Phi~ - minimum) is at most one. Times from minimum to
core are exact up to the grid. The coarse chain counts the transitions between cores (milestoning:
Schuette, Noe, Lu, Sarich and Vanden-Eijnden, J. Chem. Phys. 134 (2011) 204105): its rate from i to
j is the number of direct transitions over the time since core i was seen last. How well it stands
for the process is told by the times it gives, and by the spread of the exit time over each basin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import CaseError
from ..linear_solvers.backward import BackwardSolver
from ..operators.generator import Generator
from ..operators.probe import at_points
from ..operators.samples import STENCIL
from ..problem import Problem
from ..problem.seams import loss_tilts
from ..stationary.basins import basins, passes
from ..stationary.critical_points import CriticalPoint, CriticalTable, critical_table, energy_values
from ..stationary.stationary import StationaryState
from .committor import entering
from .kramers import kramers_rates, passage_times
from .targets import Killed, Region, kill

# Depth of a core, in units of 1/beta, and at most as a share of the lowest barrier around.
CORE = 1.0
CORE_SHARE = 0.25
# Times and indicators closer than this, relatively, are equal by symmetry.
EQUAL = 1e-6
# Each minimum takes two eliminations.
MAX_MINIMA = 16


@dataclass(frozen=True)
class Escape:
    """Wells and the times between them; all quantities dimensionless, n minima of Phi~.

    Attributes
    ----------
    minima : (n, d)
        Positions, by the first coordinate, then the second.
    basin : int64 ndarray of the grid's shape
        Number of the minimum of Phi~ that each cell drains to.
    loss_minima : (k, d)
    loss_basin : int64 ndarray of the grid's shape or None
        Likewise of Phi; None without minima of Phi.
    weight : (n,)
        Share of the time since each core was seen last.
    times : (n, n)
        Mean time from minimum i to core j.
    exit_time : (n,)
        Mean time from minimum i to any other core.
    rates : (n, n)
        Of the coarse chain.
    chain_times : (n, n)
        Mean times of the coarse chain from state to state.
    spread : (n,)
        Relative standard deviation of the exit time over the basin, weighted with rho_ss.
    barrier : (n, n)
        Phi~ at the lowest pass from basin i to basin j above its minimum; inf between basins
        that do not touch.
    kramers_times : (n, n) or None
        Mean times by Eyring-Kramers rates; None without detailed balance.
    indicator : (n,)
        tr(H Sigma) at the minimum of Phi that belongs to each, else at that of Phi~.
    unresolved : int
        Further minima of the interpolated Phi~ that no cell drains to.
    """

    minima: np.ndarray
    basin: np.ndarray
    loss_minima: np.ndarray
    loss_basin: np.ndarray | None
    weight: np.ndarray
    times: np.ndarray
    exit_time: np.ndarray
    rates: np.ndarray
    chain_times: np.ndarray
    spread: np.ndarray
    barrier: np.ndarray
    kramers_times: np.ndarray | None
    indicator: np.ndarray
    unresolved: int = 0

    @property
    def quality(self) -> float:
        """Largest relative difference between the times of the coarse chain and the true ones."""
        apart = ~np.eye(len(self.minima), dtype=bool)
        if not apart.any():
            return 0.0
        return float(np.abs(self.chain_times[apart] / self.times[apart] - 1.0).max())

    @property
    def agreement(self) -> float:
        """Do larger indicators escape faster: mean over the pairs of minima, from -1 to 1.

        Pairs that are equal in either count zero.
        """
        count = len(self.minima)
        pairs = [(i, j) for i in range(count) for j in range(i)]
        if not pairs:
            return np.nan
        signs = [
            _order(self.indicator[i], self.indicator[j])
            * _order(self.exit_time[j], self.exit_time[i])
            for i, j in pairs
        ]
        return float(np.mean(signs))


def escape(generator: Generator, problem: Problem, state: StationaryState) -> Escape:
    """Wells of a stationary problem and how long it takes from one to the other.

    Sources are those of :func:`fokkerplanck.library.generators.escape`.

    Parameters
    ----------
    generator : Generator
        Of the problem, in a closed box.
    problem : Problem
    state : StationaryState
        Its stationary state.

    Raises
    ------
    CaseError
        If Phi~ has no minimum inside the box, or more than ``MAX_MINIMA``, or the grid is too
        coarse to look for them or to keep two cores apart.
    """
    grid = generator.grid
    if min(grid.shape) < STENCIL:
        raise CaseError(f"escape times need {STENCIL} cells along every axis", "passage.escape")
    table = critical_table(problem, grid, state)
    wells = sorted((p for p in table.quasi_potential if p.index == 0), key=_place)
    if not wells:
        raise CaseError("Phi~ has no minimum inside the box to escape from", "passage.escape")
    if len(wells) > MAX_MINIMA:
        raise CaseError(
            f"Phi~ has {len(wells)} minima; at most {MAX_MINIMA} are looked at", "passage.escape"
        )
    basin = basins(grid, state.quasi_potential, np.array([well.position for well in wells]))
    # Two minima of the interpolated Phi~ may share the one pit that the cells have.
    owners, basin = np.unique(basin, return_inverse=True)
    basin = basin.reshape(grid.shape)
    unresolved, wells = len(wells) - owners.size, [wells[k] for k in owners]
    minima = np.array([well.position for well in wells])
    heights = passes(grid, state.quasi_potential, basin, len(wells))
    balanced = state.detailed_balance
    saddles = [p for p in table.quasi_potential if p.index == 1]
    rates, tops = kramers_rates(problem, grid, state.quasi_potential, basin, wells, saddles)
    depth = np.array([well.value for well in wells])
    barrier = np.where(np.isfinite(tops), tops, heights) - depth[:, None]
    np.fill_diagonal(barrier, 0.0)
    cores = _cores(problem, generator, state, basin, depth, barrier)
    loss_wells = sorted((p for p in table.loss if p.index == 0), key=_place)
    loss_minima = np.array([p.position for p in loss_wells]).reshape(-1, grid.ndim)
    times, exit_time, spread = _exact_times(generator, state, cores, basin, minima)
    chain, weight = _coarse_chain(generator, state, cores)
    return Escape(
        minima=minima,
        basin=basin,
        loss_minima=loss_minima,
        loss_basin=basins(grid, energy_values(problem, grid), loss_minima)
        if len(loss_wells) and not loss_tilts(problem, grid)
        else None,
        weight=weight,
        times=times,
        exit_time=exit_time,
        rates=chain,
        chain_times=passage_times(chain),
        spread=spread,
        barrier=barrier,
        kramers_times=passage_times(rates) if balanced else None,
        indicator=_indicator(problem, table, wells),
        unresolved=unresolved,
    )


def _order(one: float, other: float) -> float:
    """Sign of one - other, zero where they are equal up to ``EQUAL``."""
    return 0.0 if abs(one - other) <= EQUAL * max(abs(one), abs(other)) else np.sign(one - other)


def _place(point: CriticalPoint) -> tuple[float, ...]:
    # Minima on one vertical line differ in their last bits only.
    return tuple(float(x) for x in np.round(point.position, 9))


def _cores(
    problem: Problem,
    generator: Generator,
    state: StationaryState,
    basin: np.ndarray,
    depth: np.ndarray,
    barrier: np.ndarray,
) -> list[Region]:
    """Bottoms of the wells as sets of cells, each with the cell of its minimum at least."""
    cores = []
    for number, value in enumerate(depth):
        others = np.delete(barrier[number], number)
        lowest = float(others.min(initial=np.inf))
        height = min(CORE / problem.beta, CORE_SHARE * lowest)
        inside = basin == number
        least = float(state.quasi_potential[inside].min())
        cells = inside & (state.quasi_potential <= max(value + height, least))
        cores.append(Region.of(generator.grid, cells, "passage.escape"))
    return cores


def _exact_times(
    generator: Generator,
    state: StationaryState,
    cores: list[Region],
    basin: np.ndarray,
    minima: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times from minimum to core, to any other core, and the latter's spread over the basin."""
    grid, count = generator.grid, len(cores)
    times, leaving, spread = np.zeros((count, count)), np.full(count, np.inf), np.zeros(count)
    if count == 1:
        return times, leaving, spread
    for number in range(count):
        others = [core for n, core in enumerate(cores) if n != number]
        rest = np.any([core.cells for core in others], axis=0)
        for region, only in ((cores[number], True), (Region(rest, None, "passage.escape"), False)):
            killed = kill(generator, [region])
            solver = BackwardSolver(killed.generator, killed.free)
            mean = solver.solve(np.ones(grid.shape))
            found = at_points(grid, mean, minima, killed.free)
            if only:
                times[:, number] = found
                times[number, number] = 0.0
                continue
            leaving[number] = found[number]
            here = (basin == number) & killed.free
            weight = state.density[here] / state.density[here].sum()
            average = float(weight @ mean[here])
            variance = float(weight @ (mean[here] / average - 1.0) ** 2)
            spread[number] = np.sqrt(variance)
    return times, leaving, spread


def _coarse_chain(
    generator: Generator, state: StationaryState, cores: list[Region]
) -> tuple[np.ndarray, np.ndarray]:
    """Rates (n, n) of the transitions between cores, and weights (n,)."""
    grid, count = generator.grid, len(cores)
    if count == 1:
        return np.zeros((1, 1)), np.ones(1)
    killed = kill(generator, cores)
    solver = BackwardSolver(killed.generator, killed.free)
    rho = state.density.reshape(-1)
    rates, weight = np.zeros((count, count)), np.zeros(count)
    for i, core in enumerate(cores):
        reactive = _last_from(killed, solver, state, rho, i)
        last = reactive.sum() + rho[core.cells.reshape(-1)].sum()
        weight[i] = float(last) * grid.cell_volume
        for j in range(count):
            if j != i:
                flux = float(reactive @ killed.exit_rates(j)) * grid.cell_volume
                rates[i, j] = flux / weight[i]
    return rates, weight


def _last_from(
    killed: Killed, solver: BackwardSolver, state: StationaryState, rho: np.ndarray, core: int
) -> np.ndarray:
    """Density of what has come last from one core, flat, on the free cells."""
    if state.detailed_balance:
        return rho * solver.solve(killed.exit_rates(core))
    return solver.solve_forward(entering(killed, rho, core))


def _indicator(problem: Problem, table: CriticalTable, wells: list[CriticalPoint]) -> np.ndarray:
    """tr(H Sigma) at the minima."""
    partner = {int(j): int(i) for i, j in table.pairs}
    found = []
    for well in wells:
        number = next(k for k, p in enumerate(table.quasi_potential) if p is well)
        at = table.loss[partner[number]].position if number in partner else well.position
        point = [np.array(x) for x in at]
        found.append(float(np.trace(problem.hessian_at(point) @ problem.sigma_at(point))))
    return np.array(found)
