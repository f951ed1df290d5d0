"""The density as a function of time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import real_array
from ..errors import CaseError
from ..grid import Grid
from ..problem import Problem
from .flux_correction import Activity
from .integrator import frames
from .schemes import check_scheme, choose_scheme, make_integrator
from .steppers import Stepper
from .system import System


@dataclass(frozen=True)
class Evolution:
    """Densities at the output times.

    Attributes
    ----------
    time : (n,) float64
    density : (n, *grid.shape) float64
    stepper : str
        Name of the stepper used.
    reason : str
        Why it was taken.
    scheme : str
        Name of the scheme used.
    limited, limited_flux : (n,) float64
        What the limiter did on the way to each time: the share of the faces whose flux it scaled,
        and of the flux corrections that it took away.
    counts : dict
        Products, solves, sweeps, steps, rejected steps, assemblies.
    """

    time: np.ndarray
    density: np.ndarray
    stepper: str
    reason: str
    scheme: str
    limited: np.ndarray
    limited_flux: np.ndarray
    counts: dict[str, int]


def evolve(
    problem: Problem,
    grid: Grid,
    initial: np.ndarray,
    times: Sequence[float],
    *,
    scheme: str = "auto",
    stepper: str = "auto",
    rtol: float = 1e-6,
    breakpoints: Sequence[float] = (),
) -> Evolution:
    """Solve (48) from an initial density and return it at given times, as a record.

    Arguments, errors and sources are those of :func:`fokkerplanck.library.evolution.evolve`.
    """
    initial = real_array(initial, "initial")
    times = _increasing(times)
    check_scheme(scheme, stepper)
    if initial.shape != grid.shape:
        raise CaseError(f"has shape {initial.shape}, the grid has {grid.shape}", "initial")
    if not (np.isfinite(initial).all() and initial.min() >= 0.0 and initial.max() > 0.0):
        raise CaseError("must be finite and >= 0 with a positive mass", "initial")
    if not 0.0 < rtol < 1.0:
        raise CaseError(f"{rtol:g} is not allowed; take a number between 0 and 1", "density.rtol")
    problem.check(grid, times[0])
    system = System(problem, grid, breakpoints)
    row, _ = choose_scheme(scheme, stepper, system, times)
    march, name, reason = make_integrator(row, stepper, system, times, rtol)
    densities, activities = [initial], [Activity()]
    for _, density, _ in frames(march, initial.reshape(-1), times):
        densities.append(density.reshape(grid.shape))
        activities.append(march.activity or Activity())
    return Evolution(
        np.array(times),
        np.stack(densities),
        name,
        reason,
        row.name,
        np.array([activity.cut_share for activity in activities]),
        np.array([activity.lost_share for activity in activities]),
        dict(system.counts),
    )


def _increasing(times: Sequence[float]) -> list[float]:
    """The output times as floats.

    Raises
    ------
    CaseError
        If they are not finite numbers that increase.
    """
    try:
        found = [float(time) for time in times]
    except (TypeError, ValueError):
        raise CaseError(
            f"{times!r} is no sequence of times; give increasing numbers, as in [0, 1, 2]",
            "density.times",
        ) from None
    if not found or not np.isfinite(found).all():
        raise CaseError(f"{found} must be finite, and one at least", "density.times")
    if any(b <= a for a, b in itertools.pairwise(found)):
        raise CaseError("must increase strictly", "density.times")
    return found


def fixed_steps(
    system: System, stepper: Stepper, density: np.ndarray, start: float, stop: float, count: int
) -> np.ndarray:
    """Flat density after ``count`` equal steps without error control, as order studies need it."""
    dt = (stop - start) / count
    for number in range(count):
        density = stepper.step(system, density, start + number * dt, dt)
    return density
