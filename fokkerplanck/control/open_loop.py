"""The schedule of least cost, by L-BFGS-B on the control values, from coarse grids to the case's.

The optimiser works in rounds, each a fresh L-BFGS-B from where the last one ended. What a round
needs is a vector, so an interrupted run that is resumed from its last round ends bit for bit as
one that never stopped. The first rounds are on coarser grids, where a gradient costs a sixteenth
per halving: they find the shape of the schedule, and the case's own grid the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from scipy.optimize import minimize

from ..errors import CaseError
from .objective import Objective

# Iterations of a round: long enough for the memory of L-BFGS to pay.
ROUND = 25
MEMORY = 20
# Share of the cost below which an iteration ends the round: on coarser grids, and on the last one,
# where it ends the search.
COARSE_STEP, FINE_STEP = 1e-5, 1e-6
# Coarser grids at most.
COARSER = 3


@dataclass(frozen=True)
class OpenLoop:
    """An optimal schedule, or the way to one.

    Attributes
    ----------
    values : (K,) float64
        Control values.
    cost : float
        Their J, on the grid of the case.
    history : (m,) float64
        J on that grid after every iteration there, never rising.
    rounds : int
        Done so far, those on coarser grids included.
    converged : bool
    """

    values: np.ndarray
    cost: float
    history: np.ndarray = field(default_factory=lambda: np.empty(0))
    rounds: int = 0
    converged: bool = False


def optimal_schedule(
    objective: Objective,
    start: OpenLoop,
    *,
    lowest: float,
    iterations: int = 300,
    moved: Callable[[int, float], object] | None = None,
    ended: Callable[[OpenLoop], object] | None = None,
) -> OpenLoop:
    """Minimise J over schedules with ``lowest`` <= u <= 1.

    Parameters
    ----------
    objective : Objective
    start : OpenLoop
        Where to begin, or what an interrupted run has reached; its cost is never exceeded.
    lowest : float
        Least control, > 0.
    iterations : int
        At most so many on the grid of the case.
    moved : callable, optional
        Called with the iterations of this call so far and the least cost, after each.
    ended : callable, optional
        Called with the state after each round, to keep it.

    Returns
    -------
    OpenLoop
        A local optimum: the problem need not be convex.

    Raises
    ------
    CaseError
        For a start outside the bounds.
    """
    require_controls(start.values, lowest)
    grids = [objective]
    while len(grids) <= COARSER and (coarser := grids[-1].coarser()) is not None:
        grids.append(coarser)
    state, done = start, 0

    def counted(cost: float) -> None:
        nonlocal done
        done += 1
        if moved is not None:
            moved(done, cost)

    while not state.converged and state.history.size < iterations:
        level = max(len(grids) - 1 - state.rounds, 0)
        if level:
            values, _, _ = _round(
                grids[level],
                state.values,
                lowest,
                4 * ROUND,
                COARSE_STEP,
                partial(_same, counted, state.cost),
            )
            cost = objective.cost(values)
            better = cost < state.cost
            state = OpenLoop(
                values if better else state.values,
                min(cost, state.cost),
                state.history,
                state.rounds + 1,
            )
        else:
            most = min(ROUND, iterations - state.history.size)
            values, cost, path = _round(objective, state.values, lowest, most, FINE_STEP, counted)
            state = OpenLoop(
                values,
                cost,
                np.concatenate([state.history, path]),
                state.rounds + 1,
                path.size < most,
            )
        if ended is not None:
            ended(state)
    return state


def _same(counted: Callable[[float], object], cost: float, _: float) -> None:
    """Count an iteration on a coarser grid, whose own cost says nothing."""
    counted(cost)


def require_controls(values: np.ndarray, lowest: float = 0.0) -> None:
    """Raise CaseError unless all values lie in (0, 1] and none is below ``lowest``."""
    wrong = np.flatnonzero(~((values > 0.0) & (values >= lowest) & (values <= 1.0)))
    if wrong.size:
        raise CaseError(
            f"the value {float(values[wrong[0]]):g} is outside (0, 1]; u scales the largest rate",
            "control.schedule",
        )


def _round(
    objective: Objective,
    start: np.ndarray,
    lowest: float,
    iterations: int,
    step: float,
    moved: Callable[[float], object],
) -> tuple[np.ndarray, float, np.ndarray]:
    """One L-BFGS-B: best values, their cost, and the least cost after each iteration."""
    best: list[tuple[float, np.ndarray]] = []
    path: list[float] = []

    def value(u: np.ndarray) -> tuple[float, np.ndarray]:
        cost, gradient = objective.cost_and_gradient(u)
        if not best or cost < best[0][0]:
            best[:] = [(cost, u.copy())]
        # L-BFGS-B's tests are relative to max(|J|, 1).
        return cost / scale, gradient / scale

    def after(_: np.ndarray) -> None:
        path.append(best[0][0])
        moved(best[0][0])

    scale = max(abs(objective.cost(start)), np.finfo(float).tiny)
    minimize(
        value,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(lowest, 1.0)] * objective.intervals,
        callback=after,
        options={"maxiter": iterations, "maxcor": MEMORY, "ftol": step, "gtol": 0.0},
    )
    return best[0][1], best[0][0], np.array(path)
