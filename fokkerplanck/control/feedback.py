"""The best feedback u(t, theta), by the Hamilton-Jacobi-Bellman equation on the grid.

-dV/dt = min_u [a(u) b . grad V + (m(u)/beta) tr(Sigma Hess V) + l], V(T) = phi: (28) for one
walker. On the grid the bracket is A(u)^T V, row by row with non-negative weights, so the scheme is
monotone. In each step the control that minimises it is chosen cell by cell and then held, and V
carried back by the exact exponential of that Markov chain: V is the cost of a policy that exists,
hence no less than the optimum of the chain, and first order in the step above it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .objective import Objective, dot

# Controls that are compared in every cell, equally spaced in their logarithm.
LEVELS = 41


@dataclass(frozen=True)
class Feedback:
    """A feedback policy and what it costs.

    Attributes
    ----------
    cost : float
        E[V(0, theta)] over the initial density: what a walker that sees where it is can reach.
    value : ndarray of the grid's shape
        V at t = 0.
    times : (F,) float64
        Starts of the intervals whose controls are kept.
    controls : (F, *grid.shape) float64
    """

    cost: float
    value: np.ndarray
    times: np.ndarray
    controls: np.ndarray


def optimal_feedback(
    objective: Objective,
    *,
    lowest: float,
    reference: np.ndarray | None = None,
    levels: int = LEVELS,
    substeps: int = 1,
    kept: int = 6,
    moved: Callable[[int], object] | None = None,
) -> Feedback:
    """Cost to go and control of the best feedback.

    Parameters
    ----------
    objective : Objective
    lowest : float
        Least control.
    reference : (K,) float64, optional
        A schedule that every walker may also follow for the whole of an interval. With it the
        value never exceeds that schedule's cost to go, in any cell.
    levels : int
        Controls compared, from ``lowest`` to 1.
    substeps : int
        Steps per interval.
    kept : int
        Intervals whose controls are kept.
    moved : callable, optional
        Called with the number of intervals done.
    """
    family, count = objective.family, objective.intervals
    controls = np.exp(np.linspace(math.log(lowest), 0.0, levels)) if lowest < 1.0 else np.ones(1)
    controls[-1] = 1.0
    generators = [family.generator(float(u)) for u in controls]
    value = objective.terminal.reshape(-1).astype(float)
    slope, least = np.empty_like(value), np.empty_like(value)
    shown = {int(k) for k in np.linspace(0, count - 1, min(kept, count)).round()}
    frames: dict[int, np.ndarray] = {}
    choice = np.empty(value.size)
    for number in range(count - 1, -1, -1):
        end = value
        for _ in range(substeps):
            least.fill(np.inf)
            for u, generator in zip(controls, generators, strict=True):
                generator.combine(value, 1.0, 0.0, value, 0.0, slope, adjoint=True)
                if objective.running is not None:
                    slope += objective.source(number, float(u))
                better = slope < least
                least[better] = slope[better]
                choice[better] = u
            value = objective.backward(value, number, choice, 1.0 / substeps)
        if reference is not None:
            other = objective.backward(end, number, float(reference[number]))
            value = np.minimum(value, other)
        if number in shown:
            frames[number] = choice.copy()
        if moved is not None:
            moved(count - number)
    numbers = sorted(frames)
    shape = family.grid.shape
    return Feedback(
        dot(value, objective.initial.reshape(-1)) * objective.volume,
        value.reshape(shape),
        np.array(numbers) * objective.dt,
        np.array([frames[k] for k in numbers]).reshape(-1, *shape),
    )
