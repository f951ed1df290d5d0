"""The table of methods, each with its declared weak order, and the settings that one runs with."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..errors import CaseError
from ..grid import Grid
from ..problem import Problem
from ..problem.expressions.names import nearest
from .weights import symmetric_weights

# The method for heavy-tailed noise, and for no other.
STABLE = "stable"
# The method that shows what folding at sides does to SGD.
REFLECTED = "sgd-reflected"
METHOD_KEY, STEP_KEY = "ensemble.method", "ensemble.step"
# Default steps in units of 1/|Jacobian of the drift|, by weak order: errors of about a percent.
DEFAULT_STEP = {1: 0.02, 2: 0.1}
# A change between two cells so many times larger than those beside it is a jump, but for rounding.
JUMP, JUMP_ROUNDING = 8.0, 1e-6
# Share of an axis that noise crosses in the time scale of a jump.
JUMP_SHARE = 0.1
# Share of a box that the noise of a step may spread over, as a standard deviation.
QUARTER = 0.25


@dataclass(frozen=True)
class Method:
    """One way to move walkers.

    Attributes
    ----------
    name : str
    order : int
        Weak order in the step against (39), or in the learning rate for SGD.
    stationary_order : int
        The order of the invariant law, where it is higher.
    sgd : bool
        Whether the step is the learning rate and time counts iterations.
    batches : str
        How samples of the model are drawn: "", "drawn", "epochs" or "weighted".
    isotropic : bool
        Whether Sigma must be constant times the identity, without friction.
    summary : str
        What the method is, in a few words.
    """

    name: str
    order: int
    stationary_order: int
    sgd: bool
    batches: str
    isotropic: bool
    summary: str


METHODS = {
    row.name: row
    for row in (
        Method("sgd", 1, 1, True, "drawn", False, "SGD on the model's data, a batch per step"),
        Method("sgd-epochs", 1, 1, True, "epochs", False, "SGD through reshuffled data"),
        Method(
            "sgd-symmetric",
            1,
            1,
            True,
            "weighted",
            False,
            "SGD on the model's data, weighted so that the noise has no third moment",
        ),
        Method("sgd-gaussian", 1, 1, True, "", False, "SGD with Gaussian gradient noise"),
        Method(
            "sgd-reflected",
            1,
            1,
            True,
            "",
            False,
            "SGD with Gaussian gradient noise, at sides pushed back as the diffusion is",
        ),
        Method("langevin", 1, 1, False, "", False, "Euler-Maruyama"),
        Method(
            "leimkuhler-matthews",
            1,
            2,
            False,
            "",
            True,
            "Leimkuhler-Matthews, second order at rest for constant isotropic noise",
        ),
        Method("weak-2", 2, 2, False, "", False, "stochastic Runge-Kutta RI6 of Roessler"),
        Method("stable", 1, 1, False, "", False, "Euler with alpha-stable jumps"),
    )
}


@dataclass(frozen=True)
class MethodSettings:
    """What a method needs beside the problem's formulas.

    Attributes
    ----------
    method : Method
    step : float
        Time step; the largest one for methods that divide the intervals between output times.
    rate : float
        Learning rate; 0 where none is needed.
    momentum : float
        mu of the heavy ball; -1 without one.
    batch : int
    replacement : bool
    weights : tuple of float
        Of the samples of a step, where they are not equal.
    """

    method: Method
    step: float
    rate: float = 0.0
    momentum: float = -1.0
    batch: int = 0
    replacement: bool = True
    weights: tuple[float, ...] = ()


def settings(
    problem: Problem, grid: Grid, name: str, step: float | None, replacement: bool | None
) -> MethodSettings:
    """Check that a method fits a problem.

    Raises
    ------
    CaseError
        Naming what is missing.
    """
    if name not in METHODS:
        raise CaseError(f"{name!r} is not a method; {nearest(name, METHODS)}", METHOD_KEY)
    method = METHODS[name]
    if (name == STABLE) != (problem.jumps is not None):
        wanted = f"takes {STABLE}" if problem.jumps is not None else "is Gaussian"
        raise CaseError(f"{name} does not fit: the noise of this case {wanted}", METHOD_KEY)
    if not method.sgd:
        if replacement is not None:
            raise CaseError(f"{name} draws no samples, so replacement has no meaning", METHOD_KEY)
        if method.isotropic and problem.isotropic_scale is None and not _isotropic(problem):
            raise CaseError(
                f"{name} needs a Sigma that is a constant times the identity, and no momentum; "
                "weak-2 works for any",
                METHOD_KEY,
            )
        if step is None:
            return MethodSettings(method, default_step(problem, grid, method.stationary_order))
        if not (math.isfinite(step) and step > 0.0):
            raise CaseError(f"{step:g} is not allowed; the step is a number > 0", STEP_KEY)
        return MethodSettings(method, step)
    return _sgd_settings(problem, method, step, replacement)


def _sgd_settings(
    problem: Problem, method: Method, step: float | None, replacement: bool | None
) -> MethodSettings:
    rate = problem.learning_rate
    if rate is None:
        raise CaseError(f"{method.name} needs a learning rate; give one", "noise.learning_rate")
    if step is not None:
        raise CaseError(f"the step of {method.name} is the learning rate {rate:g}", STEP_KEY)
    momentum, time_step = -1.0, rate
    if problem.friction is not None:
        time_step = math.sqrt(rate)
        momentum = 1.0 - problem.friction * time_step
        if momentum < -1e-12:
            raise CaseError(
                f"a friction of {problem.friction:g} and a learning rate of {rate:g} would mean a "
                f"momentum of {momentum:g}; it must be >= 0",
                "noise.friction",
            )
        momentum = max(momentum, 0.0)
    if not method.batches:
        if replacement is not None and replacement != problem.replacement:
            raise CaseError(
                f"the noise of {method.name} is the problem's; set replacement there", METHOD_KEY
            )
        return MethodSettings(method, time_step, rate, momentum)
    model = problem.model
    if model is None:
        raise CaseError(f"{method.name} needs a model with data, or use sgd-gaussian", METHOD_KEY)
    if method.batches == "weighted":
        if replacement is not None:
            raise CaseError(f"{method.name} has weights, so leave replacement out", METHOD_KEY)
        # The covariance of a batch's gradient in units of Sigma, whatever the batch.
        square = 2.0 * min(1.0, 1.0 - momentum) / (rate * problem.beta)
        weights = symmetric_weights(square)
        return MethodSettings(method, time_step, rate, momentum, len(weights), True, tuple(weights))
    size = problem.batch_size
    if size is None or size != int(size):
        found = "none was given" if size is None else f"it is {size:g}"
        raise CaseError(f"a batch is a whole number of samples, and {found}", "noise.batch_size")
    replaced = problem.replacement if replacement is None else replacement
    if method.batches == "epochs" and replacement:
        raise CaseError("an epoch holds each sample once; leave replacement out", METHOD_KEY)
    distinct = method.batches == "epochs" or not replaced
    if distinct and size > model.samples:
        raise CaseError(
            f"a batch of {size:g} distinct samples cannot be drawn from {model.samples}",
            "noise.batch_size",
        )
    return MethodSettings(method, time_step, rate, momentum, int(size), not distinct)


def default_step(problem: Problem, grid: Grid, order: int) -> float:
    """A step small against the shortest time scale on the grid; inf where nothing limits it."""
    rate = fastest_rate(problem, grid)
    step = DEFAULT_STEP[order] / rate if rate > 0.0 else math.inf
    return min(step, longest_step(problem, grid))


def longest_step(problem: Problem, grid: Grid, where: np.ndarray | None = None) -> float:
    """Longest step that knows of one side at a time: its noise spreads over a quarter of the box.

    A step from end to end of an axis of width w has then a probability of exp(-8).

    Parameters
    ----------
    problem : Problem
    grid : Grid
    where : bool ndarray of the grid's shape, optional
        Cells that walkers visit.
    """
    if problem.jumps is not None:
        return math.inf
    sigma = problem.constant_sigma
    if sigma is None:
        sigma = problem.sigma_at(grid.points)
    longest = math.inf
    for a, axis in enumerate(grid.domain.axes):
        entry = np.broadcast_to(sigma[a, a], grid.shape)
        largest = float((entry if where is None else entry[where]).max(initial=0.0))
        if not axis.periodic and largest > 0.0:
            longest = min(longest, (QUARTER * axis.length) ** 2 * problem.beta / (2.0 * largest))
    return longest


def fastest_rate(problem: Problem, grid: Grid, where: np.ndarray | None = None) -> float:
    """Largest rate at which drift or noise change along a path, per unit time.

    These are the drift's Jacobian, by differences between neighbouring cells, and the squared
    slope of sqrt(2 s/beta) for the trace s of a Sigma that varies. A jump between two cells has no
    slope; where there is one, noise should not carry over more than ``JUMP_SHARE`` of the axis.

    Parameters
    ----------
    problem : Problem
    grid : Grid
    where : bool ndarray of the grid's shape, optional
        Cells that walkers visit.
    """
    drift = problem.drift_at(grid.points)
    fields = [np.abs(np.diff(drift, axis=axis + 1)).sum(axis=0) for axis in range(grid.ndim)]
    changes = [_without_jumps(field, axis) for axis, field in enumerate(fields)]
    slopes = [change / h for (change, _), h in zip(changes, grid.spacing, strict=True)]
    jumps = [jump for _, jump in changes]
    trace = np.trace(problem.sigma_at(grid.points))
    if problem.constant_sigma is None:
        root = np.sqrt(
            2.0 / problem.beta * np.maximum(trace, np.finfo(float).tiny + 1e-12 * trace.max())
        )
        for axis, h in enumerate(grid.spacing):
            change, jump = _without_jumps(np.abs(np.diff(root, axis=axis)), axis)
            slopes[axis] = np.maximum(slopes[axis], (change / h) ** 2)
            jumps[axis] = jumps[axis] | jump
    for axis, side in enumerate(grid.domain.axes):
        noise = 2.0 * float(trace.max()) / problem.beta / (JUMP_SHARE * side.length) ** 2
        slopes[axis] = np.maximum(slopes[axis], jumps[axis] * noise)
    rate = 0.0
    for axis, slope in enumerate(slopes):
        seen = slope
        if where is not None:
            along = np.moveaxis(where, axis, 0)
            seen = slope[np.moveaxis(along[1:] | along[:-1], 0, axis)]
        rate = max(rate, float(seen.max(initial=0.0)))
    return rate


def _without_jumps(change: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Changes from cell to cell, those of a jump as large as around it, and where jumps are."""
    lines = np.moveaxis(change, axis, -1)
    if lines.shape[-1] < 3:
        return change, np.zeros(change.shape, dtype=bool)
    padded = np.concatenate([lines[..., 1:2], lines, lines[..., -2:-1]], axis=-1)
    around = np.maximum(padded[..., :-2], padded[..., 2:])
    jump = lines > np.maximum(JUMP * around, JUMP_ROUNDING * lines.max(initial=0.0))
    found = np.where(jump, around, lines)
    return np.moveaxis(found, -1, axis), np.moveaxis(jump, -1, axis)


def _isotropic(problem: Problem) -> bool:
    """Constant Sigma = s I, extra drift allowed."""
    sigma = problem.constant_sigma
    if sigma is None or problem.friction is not None:
        return False
    return bool(sigma[0, 0] > 0.0 and np.array_equal(sigma, sigma[0, 0] * np.eye(problem.ndim)))
