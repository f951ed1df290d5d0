"""Mean first-passage times by transfer operators of short steps, for noise of deficient rank.

A path that ends in a step has spent half of it, in the mean: the mean time u solves
u = c + P^T u on the free cells, with P the operator whose paths end in the target, and c the step
less half of the share that ends in it; the second moment solves an equation of the same form. What
steps of dt and dt/2 find is extrapolated. GMRES is preconditioned by the generator that ends in
the target.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import NumericalFailure
from ..linear_solvers.backward import BackwardSolver
from ..linear_solvers.minimal_residual import gmres
from ..problem import Problem
from ..semi_lagrangian.frames import Frames
from ..semi_lagrangian.step_operator import StepOperator, kept_inside, step_operator
from .targets import Membership

TOLERANCE = 1e-9
RESTART, MAX_RESTARTS = 60, 5
# Residual of the times in the maximum norm, relative to the step, that is accepted.
ACCEPTED = 1e-5
# The longer step is this share of the time in which the drift turns, and the noise goes in it over
# this share of the axes.
TURN, SPREAD = 0.3, 0.05


def step_times(
    solver: BackwardSolver, problem: Problem, inside: Membership
) -> tuple[np.ndarray, np.ndarray]:
    """Mean first-passage times to a target and their standard deviations, of the grid's shape.

    Parameters
    ----------
    solver : BackwardSolver
        Of the generator that ends in the target, see :func:`~.targets.kill`; it preconditions.
    problem : Problem
    inside : callable
        Membership of points in the target.

    Raises
    ------
    NumericalFailure
        If the iteration does not converge.
    """
    dt = _longest_step(problem, solver)
    coarse, fine = (_moments(solver, problem, inside, step) for step in (dt, 0.5 * dt))
    mean, second = (2.0 * b - a for a, b in zip(coarse, fine, strict=True))
    mean = np.maximum(mean, 0.0)
    return mean, np.sqrt(np.maximum(second - mean**2, 0.0))


def _longest_step(problem: Problem, solver: BackwardSolver) -> float:
    """A step in which, in most of the free cells, the drift turns and the noise spreads by little.

    Medians, for far corners are steep and hardly ever visited.
    """
    grid, d = solver.generator.grid, solver.generator.grid.ndim
    drift = problem.drift_at(grid.points).reshape(d, *grid.shape)
    slopes = np.zeros(grid.shape)
    for axis, h in enumerate(grid.spacing):
        slopes += (np.gradient(drift, h, axis=axis + 1) ** 2).sum(axis=0)
    rate = float(np.sqrt(np.median(slopes.reshape(-1)[solver.free])))
    sigma = np.einsum("ii...->i...", problem.sigma_at(grid.points)).reshape(d, -1)
    lengths = np.array([axis.length for axis in grid.domain.axes])
    squares = (sigma / (SPREAD * lengths[:, None]) ** 2).sum(axis=0)
    noise = 2.0 / problem.beta * float(np.median(np.broadcast_to(squares, grid.size)))
    return 1.0 / max(rate / TURN, noise)


def _moments(
    solver: BackwardSolver, problem: Problem, inside: Membership, dt: float
) -> tuple[np.ndarray, np.ndarray]:
    """First and second moments of the times, of the grid's shape."""
    grid, free = solver.generator.grid, solver.free
    frames = Frames(problem, grid)

    def reached(points: np.ndarray) -> np.ndarray:
        places, _ = frames.inside(points)
        return np.broadcast_to(inside(list(places)), points.shape[1:])

    operator = kept_inside(step_operator(frames, dt, reached), free)
    spent = dt * (1.0 - 0.5 * (1.0 - operator.share.sum(axis=1)))
    first = _solved(operator, free, spent, dt, solver.solve)
    # E (s + T)^2 = s^2 + 2 s E T + E T^2 over the paths that go on, each having spent dt.
    going = operator.adjoint(np.where(free, first, 0.0))
    second = _solved(operator, free, dt * spent + 2.0 * dt * going, dt, solver.solve)
    return first.reshape(grid.shape), second.reshape(grid.shape)


def _solved(
    operator: StepOperator,
    free: np.ndarray,
    right: np.ndarray,
    dt: float,
    backward: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """u = right + P^T u on the free cells, 0 elsewhere."""

    def left(u: np.ndarray) -> np.ndarray:
        inner = np.where(free, u, 0.0)
        return np.where(free, inner - operator.adjoint(inner), u)

    def precondition(u: np.ndarray) -> np.ndarray:
        inner = np.where(free, u, 0.0)
        return np.where(free, 0.5 * inner + backward(inner) / dt, u)

    source = np.where(free, right, 0.0)
    start = precondition(source)
    found = start + gmres(
        left, source - left(start), precondition, TOLERANCE, RESTART, MAX_RESTARTS
    )
    residual = float(np.abs(source - left(found)).max())
    if not residual <= ACCEPTED * float(np.abs(source).max()):
        raise NumericalFailure(
            "the mean times of the scheme semi-lagrangian were not found", "take more cells"
        )
    return np.where(free, found, 0.0)
