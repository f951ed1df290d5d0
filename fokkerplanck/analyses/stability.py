"""Where SGD can rest: its learning rate against the curvature at the minima of the loss.

Near a minimum a step multiplies the distance along an eigenvector of the Hessian by 1 - eta lambda,
which is beyond -1 for eta > 2/lambda. With momentum mu the multipliers m solve m^2 - (1 + mu - eta
lambda) m + mu = 0, and one passes -1 at eta = 2 (1 + mu)/lambda.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..grid import Grid
from ..problem import Problem

# Newton steps from the cell of a minimum to it, each at most this many cells along an axis.
STEPS, REACH = 12, 0.5
# Below this ratio of eigenvalues a direction is flat, and Newton leaves it alone.
SINGULAR = 1e-10
# A point stays a minimum of its cell's neighbourhood up to this distance in cells.
NEAR = 1.5
# Cells of a plateau looked at: any of them tells its curvature.
MOST_CELLS = 10_000


@dataclass(frozen=True)
class Edge:
    """The learning rate of a problem and the most curved minimum of its loss.

    Attributes
    ----------
    names : tuple of str
    rate : float
        Learning rate.
    momentum : float
        mu of the heavy ball; 0 for plain SGD.
    curvature : float
        Largest eigenvalue of the Hessian at the minimum.
    place : ndarray, shape (d,)
        The minimum.
    widest : float
        Largest edge of all minima.
    """

    names: tuple[str, ...]
    rate: float
    momentum: float
    curvature: float
    place: np.ndarray
    widest: float

    @property
    def limit(self) -> float:
        """Largest learning rate at which the minimum holds SGD; inf where nothing is curved."""
        return 2.0 * (1.0 + self.momentum) / self.curvature if self.curvature > 0.0 else math.inf

    @property
    def sentence(self) -> str:
        """What is wrong, in numbers; empty below the edge."""
        if not self.rate > self.limit:
            return ""
        place = ", ".join(
            f"{name} = {round(float(value), 6) + 0.0:.4g}"
            for name, value in zip(self.names, self.place, strict=True)
        )
        rule = "2/lambda_max"
        if self.momentum:
            rule = f"2(1 + mu)/lambda_max, mu = {self.momentum:.3g},"
        others = ""
        if self.widest >= self.rate:
            others = f"; the flattest minimum holds SGD up to a rate of {self.widest:.4g}"
        return (
            f"noise.learning_rate {self.rate:g} is above the stability edge {rule} = "
            f"{self.limit:.4g} at the minimum of the loss ({place}), where lambda_max = "
            f"{self.curvature:.4g}: SGD cannot rest there{others}; the density is that of the "
            "diffusion, not of SGD at this rate"
        )


def stability_edge(problem: Problem, grid: Grid) -> Edge | None:
    """The most curved minimum of the loss in the box; None without learning rate or minimum.

    Parameters
    ----------
    problem : Problem
    grid : Grid
        Minima are looked for from the cells that lie lower than all their neighbours.
    """
    rate = problem.learning_rate
    if rate is None:
        return None
    momentum = 0.0
    if problem.friction is not None:
        momentum = max(1.0 - problem.friction * math.sqrt(rate), 0.0)
    places = _minima(problem, grid)
    if not places.size:
        return None
    curvatures = np.linalg.eigvalsh(_hessians(problem, grid, places))[:, -1]
    most = int(np.argmax(curvatures))
    least = float(curvatures.min())
    return Edge(
        names=grid.names[: places.shape[1]],
        rate=rate,
        momentum=momentum,
        curvature=float(curvatures[most]),
        place=places[most],
        widest=2.0 * (1.0 + momentum) / least if least > 0.0 else math.inf,
    )


def stability_caution(problem: Problem, grid: Grid) -> list[str]:
    """The sentence of :class:`Edge` where the learning rate is beyond it; else nothing."""
    edge = stability_edge(problem, grid)
    return [edge.sentence] if edge is not None and edge.sentence else []


def _minima(problem: Problem, grid: Grid) -> np.ndarray:
    """Minima of the loss over the parameters, (m, d), by Newton's method from the lowest cells."""
    free = grid.ndim if problem.friction is None else grid.ndim // 2
    axes = grid.domain.axes[:free]
    centers = np.meshgrid(*grid.centers[:free], indexing="ij")
    still = [np.zeros(())] * (grid.ndim - free)
    with np.errstate(all="ignore"):
        values = np.broadcast_to(problem.loss_at([*centers, *still]), centers[0].shape)
    values = np.where(np.isfinite(values), values, np.inf)
    if (values == values.min()).all():
        return np.empty((0, free))
    modes = ["wrap" if axis.periodic else "nearest" for axis in axes]
    lowest = (values == ndimage.minimum_filter(values, size=3, mode=modes)) & np.isfinite(values)
    cells = np.argwhere(lowest)[:MOST_CELLS]
    start = np.stack([grid.centers[a][cells[:, a]] for a in range(free)], axis=1)
    spacing = np.array(grid.spacing[:free])
    lower, upper = np.array([[axis.lower, axis.upper] for axis in axes]).T
    x = start.copy()
    for _ in range(STEPS):
        with np.errstate(all="ignore"):
            slope = np.moveaxis(problem.gradient_at(_points(grid, x))[:free], 0, -1)
        inverse = np.linalg.pinv(_hessians(problem, grid, x), rcond=SINGULAR)
        step = np.einsum("mij,mj->mi", inverse, np.nan_to_num(slope))
        x = x - np.clip(step, -REACH * spacing, REACH * spacing)
    inside = (x >= lower - 1e-9 * spacing) & (x <= upper + 1e-9 * spacing)
    for a, axis in enumerate(axes):
        inside[:, a] |= axis.periodic
    # What runs away from its cell leads out of the box, or to another point.
    found = inside.all(axis=1) & (np.abs(x - start) <= NEAR * spacing).all(axis=1)
    return x[found]


def _hessians(problem: Problem, grid: Grid, places: np.ndarray) -> np.ndarray:
    """Hessians of the loss, (m, d, d)."""
    free = places.shape[1]
    with np.errstate(all="ignore"):
        found = np.moveaxis(problem.hessian_at(_points(grid, places))[:free, :free], -1, 0)
    # Where a formula has no value nothing is known of the curvature.
    return np.where(np.isfinite(found).all(axis=(1, 2), keepdims=True), found, 0.0)


def _points(grid: Grid, places: np.ndarray) -> list[np.ndarray]:
    """The places as one array per axis, at rest where there are velocities."""
    still = [np.zeros(len(places))] * (grid.ndim - places.shape[1])
    return [*places.T, *still]
