"""Critical points of scalar fields on a grid, to sub-cell accuracy, and how noise moves them.

Minima, saddles and maxima of Phi come from its exact derivatives; those of Phi~ = -(1/beta) log
rho_ss from a polynomial of degree 6 per axis through the cell values around each point. Phi~
itself is known to order 2, and so are then its critical points.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..grid import Grid
from ..operators.samples import Samples
from ..problem import Problem
from .decomposition import FLOOR
from .stationary import StationaryState

# Newton starts in cells whose own quadratic model puts the critical point within this many cells.
REACH = 1.5
# Converged points closer than this many cells are one.
SAME = 0.2
MAX_STEPS = 20
# Newton stops when a step is below this share of a cell.
STEP = 1e-12
# Below this ratio of Hessian eigenvalues a point belongs to a flat valley, a circle of minima say.
FLAT = 1e-8
# A field of order 2 breaks such a valley into shallow minima and saddles, and one of order 1, as
# along an axis without noise, into less shallow ones.
FLAT_ON_GRID = 1e-2
FLAT_AT_ORDER_1 = 5e-2

# Value, gradient (d,) and Hessian (d, d) at a point (d,), by what is known around another one.
Derivatives = Callable[[np.ndarray, np.ndarray], tuple[float, np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class CriticalPoint:
    """A point where the gradient vanishes.

    Attributes
    ----------
    position : (d,) ndarray
    value : float
    eigenvalues : (d,) ndarray
        Of the Hessian, rising.
    """

    position: np.ndarray
    value: float
    eigenvalues: np.ndarray

    @property
    def index(self) -> int:
        """Number of directions that lead down: 0 for a minimum, d for a maximum."""
        return int((self.eigenvalues < 0.0).sum())

    @property
    def kind(self) -> str:
        """minimum, saddle or maximum."""
        if self.index == 0:
            return "minimum"
        return "maximum" if self.index == self.eigenvalues.size else "saddle"


@dataclass(frozen=True)
class CriticalTable:
    """Critical points of Phi and of Phi~ and which belongs to which.

    Attributes
    ----------
    loss, quasi_potential : tuple of CriticalPoint
        By index, then by value; those of flat valleys are left out.
    pairs : (m, 2) int64
        Numbers of matching points of ``loss`` and ``quasi_potential``, of equal index.
    shifts : (m, d) ndarray
        How far the noise moves each point, from Phi to Phi~.
    """

    loss: tuple[CriticalPoint, ...]
    quasi_potential: tuple[CriticalPoint, ...]
    pairs: np.ndarray
    shifts: np.ndarray


def critical_table(
    problem: Problem, grid: Grid, state: StationaryState, floor: float = FLOOR
) -> CriticalTable:
    """Critical points of Phi and Phi~ of a stationary problem.

    With momentum Phi stands for the energy Phi + |velocity|^2/2.

    Parameters
    ----------
    problem : Problem
    grid : Grid
    state : StationaryState
        Its stationary state on the grid.
    floor : float
        Points of Phi~ are looked for where beta (Phi~ - min) is at most this.

    Notes
    -----
    Two minima match if each is the other's nearest and the one of Phi~ drains into the one of
    Phi; two saddles or maxima if each is the other's nearest.
    """
    quasi_potential = state.quasi_potential
    flat = FLAT if state.detailed_balance else FLAT_ON_GRID
    if any(problem.noiseless):
        flat = FLAT_AT_ORDER_1
    reliable = problem.beta * (quasi_potential - quasi_potential.min()) <= floor
    energy = _energy(problem)
    values = energy_values(problem, grid)
    samples = Samples.of_cells(grid, values)
    loss = critical_points(samples, None, energy)
    quasi = critical_points(Samples.of_cells(grid, quasi_potential), reliable, flat=flat)
    pairs = [
        (i, j)
        for i, j in _nearest_pairs(samples, loss, quasi)
        if loss[i].index > 0 or _drains_into(grid, samples, quasi[j], loss[i])
    ]
    shifts = [samples.shift(loss[i].position, quasi[j].position) for i, j in pairs]
    return CriticalTable(
        loss,
        quasi,
        np.array(pairs, dtype=np.int64).reshape(-1, 2),
        np.array(shifts).reshape(-1, grid.ndim),
    )


def critical_points(
    samples: Samples,
    inside: np.ndarray | None = None,
    derivatives: Derivatives | None = None,
    flat: float = FLAT,
) -> tuple[CriticalPoint, ...]:
    """All critical points of a sampled field that a Newton iteration finds.

    Parameters
    ----------
    samples : Samples
        One to three axes of at least 7 points.
    inside : bool ndarray of the samples' shape, optional
        Where to look.
    derivatives : callable, optional
        Exact ones, of a point and the place the iteration is at, instead of the interpolant's.
    flat : float
        Points whose Hessian eigenvalues are smaller than this share of the largest are left out:
        they are members of a continuum, or of its breaking by the grid.

    Returns
    -------
    tuple of CriticalPoint
        By index, then by value.
    """
    function = samples.derivatives if derivatives is None else derivatives
    found: list[CriticalPoint] = []
    for start in _candidates(samples, inside):
        point = _newton(function, start, samples)
        # The side of a closed box bends the field of the outermost cells.
        if (
            point is None
            or not samples.inside(point, -0.5)
            or any(samples.steps(point, p.position) < SAME for p in found)
        ):
            continue
        value, _, hessian = function(point, point)
        eigenvalues = np.linalg.eigvalsh(0.5 * (hessian + hessian.T))
        if np.abs(eigenvalues).min() > flat * np.abs(eigenvalues).max():
            found.append(CriticalPoint(point, value, eigenvalues))
    return tuple(sorted(found, key=lambda p: (p.index, p.value, *p.position)))


def energy_values(problem: Problem, grid: Grid) -> np.ndarray:
    """Phi at the cell centres, with the kinetic energy where there is momentum."""
    values = problem.loss_at(grid.points)
    if problem.friction is not None:
        for speed in grid.points[grid.ndim // 2 :]:
            values = values + 0.5 * speed**2
    return np.asarray(values)


def _energy(problem: Problem) -> Derivatives:
    moving = np.zeros(problem.ndim)
    if problem.friction is not None:
        moving[problem.ndim // 2 :] = 1.0

    def derivatives(point: np.ndarray, _: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        value = float(problem.loss_at(list(point))) + 0.5 * float(moving @ point**2)
        gradient = problem.gradient_at(list(point)) + moving * point
        return value, gradient, problem.hessian_at(list(point)) + np.diag(moving)

    return derivatives


def _candidates(samples: Samples, inside: np.ndarray | None) -> np.ndarray:
    """Points (m, d) from which to start: where the local quadratic model has its centre nearby."""
    values, d = samples.values, samples.values.ndim
    if not np.ptp(values) > 0.0:
        return np.zeros((0, d))
    padded = np.pad(values, 1, mode="edge")
    for axis, period in enumerate(samples.periods):
        if period is not None:
            width = [(int(i == axis), int(i == axis)) for i in range(d)]
            middle = np.take(padded, range(1, padded.shape[axis] - 1), axis=axis)
            padded = np.pad(middle, width, mode="wrap")

    def at(*steps: int) -> np.ndarray:
        return padded[
            tuple(slice(1 + s, 1 + s + n) for s, n in zip(steps, values.shape, strict=True))
        ]

    unit = np.eye(d, dtype=int)
    gradient = np.stack([0.5 * (at(*e) - at(*-e)) for e in unit], axis=-1)
    hessian = np.empty((*values.shape, d, d))
    for i, j in itertools.product(range(d), repeat=2):
        e, f = unit[i], unit[j]
        if i == j:
            hessian[..., i, i] = at(*e) - 2.0 * values + at(*-e)
        else:
            hessian[..., i, j] = 0.25 * (at(*e + f) - at(*e - f) - at(*f - e) + at(*-e - f))
    with np.errstate(all="ignore"):
        determinant = np.linalg.det(hessian)
    usable = np.isfinite(determinant) & (determinant != 0.0)
    if inside is not None:
        usable &= inside
    cells = np.argwhere(usable)
    steps = -np.linalg.solve(hessian[usable], gradient[usable][..., None])[..., 0]
    near = np.abs(steps).max(axis=1) <= REACH
    places = cells[near] + steps[near]
    # Neighbouring cells point to the same place: one start per half cell.
    _, first = np.unique(np.rint(2.0 * places), axis=0, return_index=True)
    origin = np.array([c[0] for c in samples.coordinates])
    return origin + places[first] * samples.spacing


def _newton(function: Derivatives, start: np.ndarray, samples: Samples) -> np.ndarray | None:
    """Critical point within a few cells of ``start``, or None."""
    point = around = start.copy()
    size = np.inf
    for _ in range(MAX_STEPS):
        if not samples.inside(point) or samples.steps(point, start) > 2.0 * REACH:
            return None
        # The interpolant is kept until it is left for good, lest a point between two of them
        # jumps to and fro.
        if samples.steps(point, around) > 1.0:
            around = point
        _, gradient, hessian = function(point, around)
        try:
            step = -np.linalg.solve(hessian, gradient)
        except np.linalg.LinAlgError:
            return None
        size, before = float(np.abs(step / samples.spacing).max()), size
        # Newton steps shrink until rounding holds them, at about the accuracy of the gradient.
        if size < STEP or (before <= size < 1e-7):
            return samples.wrapped(point)
        point = point + step * min(1.0, 1.0 / size)
    return None


def _nearest_pairs(
    samples: Samples, loss: tuple[CriticalPoint, ...], quasi: tuple[CriticalPoint, ...]
) -> list[tuple[int, int]]:
    """Points of equal index each of which is the other's nearest."""
    if not loss or not quasi:
        return []
    gaps = np.full((len(loss), len(quasi)), np.inf)
    for (i, p), (j, q) in itertools.product(enumerate(loss), enumerate(quasi)):
        if p.index == q.index:
            gaps[i, j] = np.linalg.norm(samples.shift(p.position, q.position))
    there, back = gaps.argmin(axis=1), gaps.argmin(axis=0)
    return [(i, int(j)) for i, j in enumerate(there) if back[j] == i and np.isfinite(gaps[i, j])]


def _drains_into(grid: Grid, samples: Samples, start: CriticalPoint, end: CriticalPoint) -> bool:
    """Whether steepest descent over the cells leads from one point to the cells around another."""
    values, shape = samples.values, np.array(grid.shape)
    lower = np.array([axis.lower for axis in grid.domain.axes])
    periodic = np.array([axis.periodic for axis in grid.domain.axes])
    cell = np.clip(((start.position - lower) / grid.spacing).astype(int), 0, shape - 1)
    around = np.array(list(itertools.product((-1, 0, 1), repeat=grid.ndim)))
    while True:
        near = cell + around
        near = np.where(periodic, near % shape, np.clip(near, 0, shape - 1))
        lowest = near[int(np.argmin(values[tuple(near.T)]))]
        if values[tuple(lowest)] >= values[tuple(cell)]:
            return samples.steps(lower + (cell + 0.5) * grid.spacing, end.position) <= REACH
        cell = lowest
