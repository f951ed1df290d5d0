"""When probability arrives: first-passage densities in time, and expectations from any start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import expm

from ..errors import CaseError, NumericalFailure
from ..linear_solvers import gram_schmidt
from ..linear_solvers.backward import BackwardSolver
from ..linear_solvers.shifted import DIRECT_CELLS, ShiftedSolver
from ..operators.generator import Generator
from ..timestepping.exponential import uniformize
from ..timestepping.krylov import rational_krylov

# Largest error of a survival probability, relative to the start.
TOLERANCE = 1e-8
# Resolvents, and the fastest of them in units of 1/(first step).
POLES = 5
FASTEST = 10.0
MAX_DIMENSION = 200
# The estimate of the error is looked at every so many vectors.
ESTIMATE_EVERY = 5
# Above this s = q t a Krylov space costs less than s products.
FEW_PRODUCTS = 4000.0
# Accuracy of expectations, relative in L1.
EXPECTATION_TOLERANCE = 1e-13


@dataclass(frozen=True)
class Arrival:
    """First passage in time, from one start.

    Attributes
    ----------
    time : (n,) float64
    survival : (n,) float64
        Probability of not having arrived yet.
    density : (n, sides) float64
        Of the time of arrival, by the way out; per unit time.
    """

    time: np.ndarray
    survival: np.ndarray
    density: np.ndarray


def arrival(
    generator: Generator,
    start: np.ndarray,
    times: Sequence[float],
    sides: Sequence[int],
    free: np.ndarray | None = None,
) -> Arrival:
    """Follow a density in time and see it leave.

    Parameters
    ----------
    generator : Generator
        With exits.
    start : ndarray of the grid's shape
        Density at t = 0, per unit volume; mass outside the free cells has arrived.
    times : floats >= 0, rising
    sides : sequence of int
        Numbers of the ways out; see :meth:`Generator.exit_rates`.
    free : bool ndarray of the grid's shape, optional
        Cells outside all regions.

    Raises
    ------
    NumericalFailure
        If ``MAX_DIMENSION`` vectors do not suffice.

    Notes
    -----
    One rational Krylov space serves all times: A is projected on the vectors that resolvents
    (sigma - A)^-1 make of the start, sigma from 1/end to some multiple of 1/(first step). Its size
    does not depend on the largest rate, which short cut edges make huge. Survival is accurate to
    ``TOLERANCE`` of the initial mass.
    """
    grid = generator.grid
    clock = np.asarray(times, dtype=float)
    if clock[0] < 0.0 or not (np.diff(clock) > 0.0).all():
        raise CaseError("the times of arrival must rise from t >= 0", "passage.times")
    cells = np.ones(grid.size, dtype=bool) if free is None else np.reshape(free, -1)
    density = np.where(cells, np.reshape(start, -1), 0.0)
    shortest = float(np.diff(np.concatenate([[0.0], clock[clock > 0.0]])).min(initial=np.inf))
    outputs = np.array([np.ones(grid.size), *(generator.exit_rates(side) for side in sides)])
    outputs *= grid.cell_volume
    if not density.any() or not np.isfinite(shortest):
        found = np.repeat((outputs @ density)[:, None], clock.size, axis=1)
    else:
        poles = np.geomspace(1.0 / clock[-1], FASTEST / shortest, POLES)
        solvers = [BackwardSolver(generator, cells, float(pole)) for pole in poles]
        found = _projected(generator, solvers, density, clock, outputs)
    return Arrival(clock, found[0], found[1:].T.copy())


def _projected(
    generator: Generator,
    solvers: Sequence[BackwardSolver],
    density: np.ndarray,
    times: np.ndarray,
    outputs: np.ndarray,
) -> np.ndarray:
    """outputs @ exp(t A) density at all times, shape (outputs, n)."""
    basis = np.empty((MAX_DIMENSION, density.size))
    images = np.empty_like(basis)
    small = np.empty((MAX_DIMENSION, MAX_DIMENSION))
    seen = np.empty((len(outputs), MAX_DIMENSION))
    shares, norm = np.empty(MAX_DIMENSION), np.empty(1)
    gram_schmidt.overlaps(density[None], 1, density, norm)
    scale = float(np.sqrt(norm[0]))
    basis[0] = density / scale
    previous = None
    for m in range(1, MAX_DIMENSION):
        last = m - 1
        images[last] = generator.matvec(basis[last])
        gram_schmidt.overlaps(basis, m, images[last], small[:, last])
        gram_schmidt.overlaps(images, last, basis[last], small[last])
        gram_schmidt.overlaps(outputs, len(outputs), basis[last], seen[:, last])
        vector = solvers[last % len(solvers)].solve_forward(basis[last])
        gram_schmidt.overlaps(vector[None], 1, vector, norm)
        before = float(np.sqrt(norm[0]))
        # Twice, since one pass of Gram-Schmidt loses orthogonality to rounding.
        for _ in range(2):
            gram_schmidt.overlaps(basis, m, vector, shares)
            gram_schmidt.remove(basis, m, shares, vector)
        gram_schmidt.overlaps(vector[None], 1, vector, norm)
        after = float(np.sqrt(norm[0]))
        exhausted = after <= 1e-13 * before
        if m % ESTIMATE_EVERY == 0 or exhausted:
            found = scale * _outputs(small[:m, :m], seen[:, :m], times)
            if exhausted:
                return found
            if previous is not None:
                change = np.abs(found[0] - previous[0]).max()
                if change <= TOLERANCE * abs(found[0, 0]):
                    return found
            previous = found
        basis[m] = vector / after
    raise NumericalFailure(
        f"a Krylov space of {MAX_DIMENSION} vectors is too small for the times of arrival",
        "ask for fewer or later times",
    )


def _outputs(small: np.ndarray, outputs: np.ndarray, times: np.ndarray) -> np.ndarray:
    """outputs @ exp(t small) e_1 at all times, step by step."""
    state = np.zeros(small.shape[0])
    state[0] = 1.0
    columns, steps = [], {}
    before = 0.0
    for time in times:
        # Equal steps share their exponential, whatever their last bits.
        key = float(np.float32(time - before))
        if key > 0.0:
            if key not in steps:
                steps[key] = expm((time - before) * small)
            state = steps[key] @ state
        columns.append(outputs @ state)
        before = time
    return np.array(columns).T


def expectation(generator: Generator, values: np.ndarray, times: Sequence[float]) -> np.ndarray:
    """Expected value of an observable at times t >= 0, from every start: exp(t A^T) f (42).

    Parameters
    ----------
    generator : Generator
        Exits count as the value zero.
    values : ndarray of the grid's shape
        f at the cell centres, of any sign.
    times : floats >= 0, rising

    Returns
    -------
    ndarray, shape (n, *grid.shape)
        Exact in time up to about 1e-13 of sum |f|; <f, exp(tA) rho> = <exp(tA^T) f, rho>.

    Raises
    ------
    CaseError
        If the times do not rise from zero or later.
    """
    if not (np.asarray(times)[:1] >= 0.0).all() or not (np.diff(times) > 0.0).all():
        raise CaseError("the times of an expectation must rise from t >= 0", "times")
    backward = transposed(generator)
    solver = (
        ShiftedSolver(generator)
        if generator.grid.size <= DIRECT_CELLS[generator.grid.ndim]
        else None
    )
    # Steps keep one sign at a time.
    parts = [np.maximum(sign * np.reshape(values, -1), 0.0) for sign in (1.0, -1.0)]
    result, before = [], 0.0
    for time in times:
        parts = [_advanced(backward, solver, part, time - before) for part in parts]
        result.append(parts[0] - parts[1])
        before = time
    return np.array(result).reshape(len(times), *generator.grid.shape)


def transposed(generator: Generator) -> Generator:
    """A generator object whose product is A^T; it keeps constants where A keeps mass."""
    r = generator.rates
    rates = replace(
        r,
        forward=r.backward,
        backward=r.forward,
        wrap_forward=r.wrap_backward,
        wrap_backward=r.wrap_forward,
    )
    result = Generator(generator.grid, rates, replace(generator.potential, values=None))
    result.__dict__["leaving"] = generator.leaving
    # Sums of values are no mass that could be restored.
    result.__dict__["closed"] = False
    return result


def _advanced(
    backward: Generator, solver: ShiftedSolver | None, values: np.ndarray, duration: float
) -> np.ndarray:
    if duration == 0.0 or not values.any():
        return values
    if solver is None or backward.q * duration <= FEW_PRODUCTS:
        return uniformize(backward, values, duration)[0]
    return rational_krylov(solver, values, duration, EXPECTATION_TOLERANCE, adjoint=True)[0]
