"""Velocity fields of the plane followed through one turn around a point.

Two fields: the velocity v = J_ss/rho_ss of a stationary current, and the drift without noise. Each
carries a quantity that is integrated along the way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp
from scipy.interpolate import RectBivariateSpline

from ..grid import Grid
from ..problem import Problem
from .stationary import StationaryState

# Points of a stored loop.
POINTS = 400
# Relative accuracy of the curves; absolute in units of the starting radius.
RTOL = 1e-9
# Streamlines end where beta (Phi~ - min) exceeds this: the stream function there is rounding.
RAY_FLOOR = 12.0
# Half width of central differences of the drift, in shares of the box; error about 1e-10.
DIFFERENCE = 1e-5
# Longest turn followed, in circumferences at the initial speed and in boxes at the rms speed.
PATIENCE = 200.0
# Longest curve followed, in half circumferences of the box.
LONGEST = 4.0
# A curve that comes this close to its centre, in starting radii, falls into it: no turn is closed.
FALLEN = 1e-4
# Evaluations of the field spent on one turn; smooth curves at RTOL need some thousands.
MAX_EVALUATIONS = 6_000


@dataclass(frozen=True)
class Turn:
    """A curve that has turned once around its centre.

    ``gain`` is how far further out it ended, ``total`` the integral of ``field.quantity`` over it;
    ``points`` at ``time`` are at least its end, after ``period``.
    """

    points: np.ndarray
    time: np.ndarray
    gain: float
    total: float

    @property
    def period(self) -> float:
        return float(self.time[-1])


class Flow:
    """v = J/rho from a smooth stream function and log density, and Phi~ as its quantity."""

    def __init__(self, grid: Grid, stream: np.ndarray, state: StationaryState):
        corners = [np.append(b[:, 0], b[-1, 1]) for b in grid.bounds]
        self.box = Box(grid)
        self.stream = RectBivariateSpline(*corners, stream, kx=5, ky=5)
        self.log_density = RectBivariateSpline(*grid.centers, state.log_density, kx=5, ky=5)
        self.potential = RectBivariateSpline(*grid.centers, state.quasi_potential, kx=5, ky=5)
        self.lowest = float(state.log_density.max()) - RAY_FLOOR

    def velocity(self, point: np.ndarray) -> np.ndarray:
        x, y = point
        density = np.exp(self.log_density.ev(x, y))
        return np.array(
            [self.stream.ev(x, y, dy=1) / density, -self.stream.ev(x, y, dx=1) / density]
        )

    def quantity(self, point: np.ndarray) -> float:
        return float(self.potential.ev(*point))

    def room(self, point: np.ndarray) -> float:
        """Positive inside the box where the density is resolved."""
        return min(self.box.room(point), float(self.log_density.ev(*point)) - self.lowest)


class Drift:
    """The drift without noise, and its divergence as its quantity; ``sign`` -1 reverses time."""

    def __init__(self, problem: Problem, grid: Grid, sign: int = 1):
        self.problem = problem
        self.sign = sign
        self.box = Box(grid)
        self.room = self.box.room

    def velocity(self, point: np.ndarray) -> np.ndarray:
        return self.sign * self.problem.drift_at([point[0], point[1]])

    def quantity(self, point: np.ndarray) -> float:
        return float(np.trace(self.jacobian(point)))

    def jacobian(self, point: np.ndarray) -> np.ndarray:
        """Of the velocity, (2, 2), by central differences taken in one call."""
        shifts = np.diag(DIFFERENCE * self.box.lengths)
        places = np.concatenate([point + shifts, point - shifts])
        values = self.sign * self.problem.drift_at([places[:, 0], places[:, 1]])
        return np.asarray((values[:, :2] - values[:, 2:]) / (2.0 * DIFFERENCE * self.box.lengths))


class Box:
    """The box of a grid."""

    def __init__(self, grid: Grid):
        self.lower = np.array([axis.lower for axis in grid.domain.axes])
        self.upper = np.array([axis.upper for axis in grid.domain.axes])
        self.lengths = self.upper - self.lower

    def room(self, point: np.ndarray) -> float:
        """Distance to the nearest side, negative outside."""
        return float(min((point - self.lower).min(), (self.upper - point).min()))


class _Lost(Exception):
    """A curve that takes more evaluations than a turn is worth."""


def turn_around(
    field: Flow | Drift,
    center: np.ndarray,
    radius: float,
    patience: float,
    rtol: float = RTOL,
    *,
    path: bool = False,
) -> Turn | None:
    """Follow a field from center + (radius, 0) through one turn; None if it never gets there.

    The angle is a third unknown, so that curves need not be star-shaped; the others are the
    integral of the field's quantity and the length, which ends curves caught somewhere else.
    With ``path`` the turn has ``POINTS`` + 1 points, which takes a quarter more evaluations.
    """

    evaluations = 0

    def slope(_: float, state: np.ndarray) -> np.ndarray:
        nonlocal evaluations
        evaluations += 1
        if evaluations > MAX_EVALUATIONS:
            raise _Lost
        v, gap = field.velocity(state[:2]), state[:2] - center
        turning = (gap[0] * v[1] - gap[1] * v[0]) / (gap @ gap)
        return np.array([v[0], v[1], turning, field.quantity(state[:2]), np.hypot(*v)])

    def turned(_: float, state: np.ndarray) -> float:
        return float(abs(state[2]) - 2.0 * np.pi)

    def left(_: float, state: np.ndarray) -> float:
        distance = float(np.hypot(*(state[:2] - center)))
        return min(field.room(state[:2]), longest - float(state[4]), distance - FALLEN * radius)

    turned.terminal = left.terminal = True  # type: ignore[attr-defined]
    longest = LONGEST * float(field.box.lengths.sum())
    start = np.array([center[0] + radius, center[1], 0.0, 0.0, 0.0])
    speed = float(np.linalg.norm(field.velocity(start[:2])))
    if field.room(start[:2]) <= 0.0 or speed == 0.0:
        return None
    try:
        # Trial points beyond the box may overflow; such steps are refused.
        with np.errstate(over="ignore", invalid="ignore"):
            solution = solve_ivp(
                slope,
                (0.0, min(patience, PATIENCE * 2.0 * np.pi * radius / speed)),
                start,
                method="DOP853",
                rtol=rtol,
                atol=rtol * radius,
                events=(turned, left),
                dense_output=path,
            )
    except _Lost:
        return None
    if not solution.t_events[0].size:
        return None
    time, states = solution.t_events[0][:1], solution.y_events[0][:1]
    if path:
        time = np.linspace(0.0, float(time[0]), POINTS + 1)
        states = solution.sol(time).T
    gain = float(states[-1, 0] - center[0] - radius)
    return Turn(states[:, :2].copy(), time, gain, float(states[-1, 3]))
