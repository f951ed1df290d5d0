"""The transfer operator of a case: its densities, what is stationary, the relations; as a tree."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..case import Case
from ..errors import CaseError, NumericalFailure
from ..grid import Grid
from ..io import DISCRETE, Arrays
from ..operators.generator import Generator, generator
from ..particles import METHODS
from ..problem.expressions.field import FormulaField
from ..problem.expressions.formula import parse
from ..problem.expressions.names import Names
from ..stationary.stationary import stationary
from ..transfer.invariant import Invariant, invariant, multipliers
from ..transfer.transfer import TransferOperator, transfer_operator
from ..validation import FurtherRuns, cell_masses, coarsened, extrapolated, judge
from .observables import grid_moments
from .relations import Field, Relation, coarse_grid, relation_sides, relations, with_grid_error
from .stability import stability_edge

if TYPE_CHECKING:
    from xarray import DataTree

# Grid's own variance relative to a step's, and mass folded back per step, that are worth a note.
EXCESS_NOTED, FOLDED_NOTED = 1e-3, 1e-9
# Share of the density at rest that a step throws out of the box, beyond which the box makes it.
FOLDED_MOST = 1e-2
# Largest grid whose rho_ss of (48) is solved for without detailed balance, to compare with.
COMPARED_CELLS = 150_000


def discretise(
    case: Case,
    start: np.ndarray,
    system: Generator,
    rest: np.ndarray | None,
    walkers: Arrays | None,
) -> tuple[DataTree, list[str]]:
    """Everything that [discrete] asks for.

    Parameters
    ----------
    case : Case
        With [discrete].
    start : ndarray of the grid's shape
        Density before the first step.
    system : Generator
        Of the diffusion (48).
    rest : ndarray of the grid's shape, optional
        rho_ss of (48), where it is known.
    walkers : Arrays, optional
        Of the group ``/ensemble``.

    Returns
    -------
    tree : DataTree
        The group ``/discrete``.
    notes : list of str
        What to read with care.

    Raises
    ------
    CaseError
        For steps that cannot be, or that leave the box.
    NumericalFailure
        If the stationary density is not found.
    """
    asked, grid = case.discrete, case.grid
    assert asked is not None
    operator = _operator(case, grid, None)
    if rest is None and grid.domain.closed and grid.size <= COMPARED_CELLS:
        rest = _rest_of(case, system)
    state = invariant(operator, rest)
    notes = _notes(case, operator, state)
    mean, covariance = grid_moments(grid, state.density)
    densities = _densities(operator, start, asked.iterations)
    values = multipliers(operator, asked.modes)
    arrays: dict[str, Any] = {
        "stationary": state.density,
        "stationary_mean": mean,
        "stationary_covariance": covariance,
        "multiplier_real": values.real,
        "multiplier_imag": values.imag,
    }
    if densities:
        arrays |= {"iteration": np.array(asked.iterations, dtype=np.int64), "density": densities}
        arrays |= _series(grid, densities)
    numbers = _numbers(operator, state)
    if rest is not None:
        scan, distances = _scan(case, operator, state, rest)
        arrays |= scan
        numbers |= distances
    arrays |= _columns(_relations(case, operator, state, rest, walkers))
    if walkers is not None and METHODS[walkers.method].sgd:
        numbers |= _against_walkers(case, operator, start, walkers)
    return DISCRETE.build(grid, arrays, {**numbers, "noise": _words(operator)}), notes


def _operator(case: Case, grid: Grid, rate: float | None) -> TransferOperator:
    asked = case.discrete
    assert asked is not None
    return transfer_operator(
        case.problem, grid, rate=rate, noise=asked.noise, draws=asked.draws, seed=asked.seed
    )


def _rest_of(case: Case, system: Generator) -> np.ndarray | None:
    """rho_ss of (48), or None where there is none."""
    try:
        return stationary(system, case.problem).density
    except (CaseError, NumericalFailure):
        return None


def _words(operator: TransferOperator) -> str:
    batches = operator.batches
    if batches is None:
        return "Gaussian of covariance Sigma/|B|"
    how = "with" if batches.replacement else "without"
    if batches.enumerated:
        return f"all {batches.count} mini-batches of {batches.size} {how} replacement"
    return f"{batches.draws} mini-batches of {batches.size} per cell, drawn {how} replacement"


def _notes(case: Case, operator: TransferOperator, state: Invariant) -> list[str]:
    """What to read with care.

    Raises
    ------
    CaseError
        If the box, and not the loss, holds the steps together.
    """
    notes = []
    rate, folded = operator.rate, operator.folded_share(state.density)
    if folded > FOLDED_MOST:
        edge = stability_edge(case.problem, case.grid)
        if edge is not None and rate > edge.limit:
            reason = (
                f"it is above the stability edge 2/lambda_max = {edge.limit:.4g} at the minimum of "
                "the loss, and nothing but the box holds them"
            )
        else:
            reason = "enlarge the range, or lower it"
        raise CaseError(
            f"{rate:g} lets {100.0 * folded:.2g} % of the density step out of the box in every "
            f"iteration: {reason}",
            "noise.learning_rate",
        )
    if folded > FOLDED_NOTED:
        notes.append(
            f"reflecting sides fold {folded:.1e} of the density back in every step, which SGD "
            "does not; enlarge domain ranges"
        )
    excess = operator.mean_excess(state.density)
    if excess > EXCESS_NOTED:
        notes.append(
            "the noise of a step is narrower than half a cell along some direction, where the "
            f"grid adds {100.0 * excess:.2g} % to its variance; take more cells"
        )
    return notes


def _densities(
    operator: TransferOperator, start: np.ndarray, iterations: tuple[int, ...]
) -> list[np.ndarray]:
    density, found, done = start, [], 0
    for iteration in iterations:
        density = operator.advance(density, iteration - done)
        found.append(density)
        done = iteration
    return found


def _series(grid: Grid, densities: list[np.ndarray]) -> dict[str, np.ndarray]:
    moments = [grid_moments(grid, density) for density in densities]
    return {
        "mass": np.array([grid.integrate(density) for density in densities]),
        "minimum": np.array([density.min() for density in densities]),
        "mean": np.array([mean for mean, _ in moments]),
        "covariance": np.array([covariance for _, covariance in moments]),
    }


def _numbers(operator: TransferOperator, state: Invariant) -> dict[str, float]:
    return {
        "rate": operator.rate,
        "multiplier": state.multiplier,
        "residual": state.residual,
        "entries": float(operator.matrix.nnz),
        "excess": operator.mean_excess(state.density),
        "folded": operator.folded_share(state.density),
    }


def _scan(
    case: Case,
    operator: TransferOperator,
    state: Invariant,
    rest: np.ndarray,
) -> tuple[dict[str, Any], dict[str, float]]:
    """rho_ss of the steps against that of (48), over the learning rates: arrays and numbers."""
    asked, grid = case.discrete, case.grid
    assert asked is not None
    _, wanted = grid_moments(grid, rest)
    numbers = _distances(grid, state.density, rest)
    rows, densities = [], []
    rates = sorted(asked.rates or (operator.rate,))
    for rate in rates:
        own = math.isclose(rate, operator.rate, rel_tol=1e-12)
        other = operator if own else _operator(case, grid, rate)
        found = state if own else invariant(other, rest)
        folded = other.folded_share(found.density)
        if folded > FOLDED_MOST:
            raise CaseError(
                f"{rate:g} lets {100.0 * folded:.2g} % of the density step out of the box in "
                "every iteration; leave it out",
                "discrete.rates",
            )
        _, covariance = grid_moments(grid, found.density)
        rows.append(
            {
                **_distances(grid, found.density, rest),
                "variance_ratio": float(np.trace(covariance) / np.trace(wanted)),
                "excess": other.mean_excess(found.density),
                "folded": folded,
            }
        )
        densities.append(found.density)
    scan = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    distance = scan["distance"]
    if len(rates) > 1 and distance[:2].min() > 0.0:
        # Of the two smallest learning rates: the order is that of the limit.
        numbers["distance_order"] = float(
            np.log(distance[1] / distance[0]) / np.log(rates[1] / rates[0])
        )
    arrays = {f"scan_{name}": values for name, values in scan.items()}
    return {**arrays, "learning_rate": rates, "scan_density": densities}, numbers


def _distances(grid: Grid, density: np.ndarray, rest: np.ndarray) -> dict[str, float]:
    both = (density > 0.0) & (rest > 0.0)
    terms = np.zeros(grid.shape)
    terms[both] = density[both] * np.log(density[both] / rest[both])
    return {
        "distance": 0.5 * float(grid.integrate(np.abs(density - rest))),
        "divergence": max(0.0, float(grid.integrate(terms))),
    }


def _relations(
    case: Case,
    operator: TransferOperator,
    state: Invariant,
    rest: np.ndarray | None,
    walkers: Arrays | None,
) -> list[tuple[str, Relation]]:
    """Both sides of every relation with their errors, after the density that they are of."""
    if not case.grid.domain.closed:
        # Nothing is stationary where probability leaves.
        return []
    grid, problem = case.grid, case.problem
    functions = _observables(case)
    sides = relation_sides(problem, operator, functions)
    found = {"transfer": relations(sides, state.density)}
    if rest is not None:
        found["diffusion"] = relations(sides, rest)
    if walkers is not None:
        counts = walkers.counts[-1]
        found["walkers"] = relations(sides, counts, int(counts.sum()))
    half = coarse_grid(grid)
    if half is not None:
        other = _operator(case, half, None)
        coarse = relation_sides(problem, other, functions)
        guess = None if rest is None else coarsened(rest, half.shape)
        densities = {"transfer": invariant(other, guess).density}
        if rest is not None:
            densities["diffusion"] = stationary(generator(problem, half), problem).density
        if walkers is not None:
            densities["walkers"] = coarsened(walkers.counts[-1], half.shape).astype(float)
        for source, density in densities.items():
            found[source] = with_grid_error(found[source], relations(coarse, density))
    return [
        (source, relation)
        for source in ("diffusion", "transfer", "walkers")
        for relation in found.get(source, {}).values()
    ]


def _columns(rows: list[tuple[str, Relation]]) -> dict[str, Any]:
    """Columns of the table of relations; none without a row."""
    if not rows:
        return {}
    columns = {"relation_source": [source for source, _ in rows]}
    return columns | {
        f"relation_{name}": [getattr(one, name) for _, one in rows]
        for name in ("name", "left", "right", "sampling", "grid")
    }


def _observables(case: Case) -> dict[str, Field]:
    """The formulas O of (53) as functions."""
    asked = case.discrete
    assert asked is not None
    names = Names(case.grid.names, {**case.problem.parameters, "beta": case.problem.beta})
    key = "discrete.observables"
    found: dict[str, Field] = {}
    for text in asked.observables:
        field = FormulaField((parse(text, names, key),), (), names.symbols, key)
        found[text] = partial(field, t=0.0)
    return found


def _against_walkers(
    case: Case, operator: TransferOperator, start: np.ndarray, walkers: Arrays
) -> dict[str, float]:
    """The walkers of the last output time against the density after as many steps.

    For mini-batches the operator is of order 2 in the cell width, and sharp features of the true
    law converge more slowly: the same steps on a grid of half the cells tell how large that error
    is, and the test is of the density without it. For Gaussian noise there is nothing but the
    walkers' own number.
    """
    grid = case.grid
    steps = round(float(walkers.time[-1]) / operator.rate)
    masses, better = cell_masses(grid, operator.advance(start, steps)), None
    half = coarse_grid(grid) if operator.batches is not None else None
    if half is not None:
        begin = coarsened(start, half.shape) * (grid.cell_volume / half.cell_volume)
        other = _operator(case, half, None).advance(begin, steps)
        masses, better = extrapolated(masses, cell_masses(half, other), 2)
    counts = walkers.counts[-1]
    inside = int(counts.sum()) == walkers.particles
    verdict = judge(
        half or grid,
        coarsened(counts, masses.shape),
        masses,
        walkers.particles,
        FurtherRuns(better=better),
        mean=walkers.mean[-1] if inside else None,
        covariance=walkers.covariance[-1] if inside else None,
    )
    budget = verdict.budget
    found = {
        "walkers_p_value": verdict.p_value,
        "walkers_distance": budget.total_variation,
        "walkers_sampling": budget.expected_total_variation,
    }
    if budget.grid is not None:
        found["walkers_grid"] = budget.grid
        found["walkers_noise"] = budget.sampling
        found["walkers_unexplained"] = budget.unexplained
    return found
