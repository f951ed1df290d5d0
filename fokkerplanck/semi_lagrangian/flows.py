"""One step of the diffusion from every cell, as points with weights: of weak order 2.

Half a step along the Stratonovich drift, a flow along each column of the noise for a time
sqrt(2 dt/beta) xi, and the other half of the drift (Ninomiya and Victoir 2008). The xi are
Gauss-Hermite nodes; where several columns do not commute, half of the weight goes through them in
one order and half in the other.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np

from .frames import Frames

# Nodes per column of the noise: of one alone, and of several.
NODES, NODES_OF_SEVERAL = 5, 4
# Runge-Kutta steps of order 4 in half a step of the drift, and along a column.
DRIFT_STEPS, NOISE_STEPS = 1, 2

Velocity = Callable[[np.ndarray], np.ndarray]
# Tells for points (d, N) which have arrived where they end.
Ended = Callable[[np.ndarray], np.ndarray]


def flow(velocity: Velocity, points: np.ndarray, time: float, steps: int) -> np.ndarray:
    """Points (d, N) after a time, by ``steps`` steps of the classical Runge-Kutta method."""
    h = time / steps
    for _ in range(steps):
        first = velocity(points)
        second = velocity(points + 0.5 * h * first)
        third = velocity(points + 0.5 * h * second)
        fourth = velocity(points + h * third)
        points = points + (h / 6.0) * (first + 2.0 * (second + third) + fourth)
    return points


def hermite(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights, with the sum one, for a standard normal."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(count)
    return nodes, weights / weights.sum()


def step_points(
    frames: Frames, dt: float, ended: Ended | None = None
) -> Iterator[tuple[float, np.ndarray, np.ndarray | None]]:
    """End points of a step from every cell.

    Parameters
    ----------
    frames : Frames
    dt : float
    ended : callable, optional
        Paths that it holds for on their way are marked.

    Yields
    ------
    weight : float
        >= 0; all of them add up to one.
    points : (d, N) float64
        Not folded back into the box.
    gone : (N,) bool or None
        Which paths have ended.
    """
    half = 0.5 * dt
    start = frames.anchors
    middle = flow(frames.stratonovich, start, half, DRIFT_STEPS)
    gone = None if ended is None else _passed(ended, start, middle)
    rank = frames.rank
    if not rank:
        last = flow(frames.stratonovich, middle, half, DRIFT_STEPS)
        yield 1.0, last, None if ended is None else gone | _passed(ended, middle, last)
        return
    nodes, weights = hermite(NODES if rank == 1 else NODES_OF_SEVERAL)
    amount = math.sqrt(2.0 * dt / frames.problem.beta)
    orders = [range(rank)] if rank == 1 or frames.still else [range(rank), range(rank)[::-1]]
    for order in orders:
        for pick in itertools.product(range(nodes.size), repeat=rank):
            points = middle
            for column, node in zip(order, pick, strict=True):
                points = _along(frames, points, column, amount * float(nodes[node]))
            last = flow(frames.stratonovich, points, half, DRIFT_STEPS)
            passed = gone
            if ended is not None:
                passed = gone | _passed(ended, middle, points) | _passed(ended, points, last)
            yield float(np.prod(weights[list(pick)])) / len(orders), last, passed


def _along(frames: Frames, points: np.ndarray, column: int, time: float) -> np.ndarray:
    """Points after a time along a column of the noise."""
    if time == 0.0:
        return points
    if frames.still:
        return points + time * frames.columns(points)[column]
    return flow(lambda places: frames.columns(places)[column], points, time, NOISE_STEPS)


def _passed(ended: Ended, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Whether a path has ended half way or at its stop."""
    return ended(0.5 * (start + stop)) | ended(stop)
