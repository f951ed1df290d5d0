"""Estimated discretisation error of a density: the same run on two coarser grids.

With cells c times as wide the density differs from that of the case's own grid by about
E (c^p - 1) in L1, where E is the error sought and p the order. Two factors c give E and p, frame
by frame. In d dimensions both runs together cost about (1/2)^(d+1) + (2/3)^(d+1) of the case's
own, less where the work per cell grows faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import brentq

from ..analyses.observables import grid_moments
from ..analyses.start import initial_density, levy_system_of, system_of
from ..case import Case
from ..errors import CaseError, CaseWarning, NumericalFailure
from ..fractional.levy_integrator import LevyIntegrator
from ..grid import Grid
from ..runtime.silence import ignoring
from ..stationary.stationary import stationary
from ..timestepping.integrator import Integrator
from ..timestepping.schemes import Scheme, make_integrator
from .resampling import resampled

# Cells of the coarser grids, over those of the case.
SHARES = (2.0 / 3.0, 1.0 / 2.0)
# Fewer cells than this along an axis leave no coarser grids worth the name.
FEWEST_CELLS = 12
# A smaller observed order counts as this one: errors that hardly fall are then overestimated by
# no more than a factor of three.
SMALLEST_ORDER = 0.5
# With a scheme of high order numbers such as moments may converge faster than any power of the
# cell width.
NUMBER_ORDER = 30.0
LOW_ORDER = 2.0
# Time error allowed to the high-order scheme on coarser grids, where its limiter has much to do:
# well below their error in space, which is what they are asked for.
COARSE_RTOL = 1e-3
# Stable jumps: no order above this is counted on.
LEVY_ORDER = LOW_ORDER


@dataclass
class CoarseRun:
    """A case on a coarser grid, as far as it has come.

    Attributes
    ----------
    grid : Grid
    march : Integrator
    times : sequence of float
        Output times of the case.
    density : ndarray of the grid's shape
        At the output time number ``frame``.
    factor : float
        Cell width over that of the case, geometric mean over the axes.
    """

    grid: Grid
    march: Integrator
    times: Sequence[float]
    density: np.ndarray
    factor: float
    frame: int = 0
    step: float = field(default=0.0, init=False)

    def at(self, frame: int) -> np.ndarray:
        """Density at a later output time."""
        flat = self.density.reshape(-1)
        while self.frame < frame:
            start, stop = self.times[self.frame], self.times[self.frame + 1]
            flat, self.step = self.march.advance(flat, start, stop, self.step)
            self.frame += 1
        self.density = flat.reshape(self.grid.shape)
        return self.density


@dataclass
class ErrorEstimate:
    """Errors of the frames of a case from runs on coarser grids.

    Attributes
    ----------
    grid : Grid
        Of the case.
    runs : tuple of CoarseRun
        From fine to coarse.
    largest_order : float
        Of the scheme; an observed order above it is not believed.
    rests : bool
        Whether the case starts from its stationary density, which has an error of its own.
    order : float or None
        Observed order of the last frame that was measured.
    """

    grid: Grid
    runs: tuple[CoarseRun, ...]
    largest_order: float
    rests: bool
    order: float | None = None

    def measure(self, density: np.ndarray, frame: int) -> dict[str, float | np.ndarray]:
        """Estimated errors of one frame.

        Parameters
        ----------
        density : ndarray of the grid's shape
        frame : int
            Its number; frames come in order.

        Returns
        -------
        dict
            error, in L1 over the box; error_mean (d,) and error_covariance (d, d), absolute.
            NaN where a coarse run failed.
        """
        mean, covariance = grid_moments(self.grid, density)
        if frame == 0 and not self.rests:
            # The start is what the case says, cell by cell.
            return {
                "error": 0.0, "error_mean": np.zeros_like(mean),
                "error_covariance": np.zeros_like(covariance),
            }  # fmt: skip
        distances, means, covariances = [], [], []
        try:
            for run in self.runs:
                other = run.at(frame)
                gap = np.abs(resampled(self.grid, density, run.grid) - other)
                distances.append(float(run.grid.integrate(gap)))
                other_mean, other_covariance = grid_moments(run.grid, other)
                means.append(np.abs(other_mean - mean))
                covariances.append(np.abs(other_covariance - covariance))
        except NumericalFailure:
            self.runs = ()
        if not self.runs:
            nothing = np.full_like(mean, np.nan)
            return {
                "error": np.nan, "error_mean": nothing,
                "error_covariance": np.full_like(covariance, np.nan),
            }  # fmt: skip
        factors = [run.factor for run in self.runs]
        error, self.order = fitted_error(factors, distances, self.largest_order)
        # The L1 distance of two densities is at most the sum of their masses.
        error = min(error, 2.0 * float(self.grid.integrate(density)))
        most = NUMBER_ORDER if self.largest_order > LOW_ORDER else LOW_ORDER
        return {
            "error": error,
            "error_mean": number_errors(factors, means, most),
            "error_covariance": number_errors(factors, covariances, most),
        }


def fitted_error(
    factors: Sequence[float], distances: Sequence[float], largest_order: float
) -> tuple[float, float]:
    """Error and order from distances to two coarser grids.

    Parameters
    ----------
    factors : two floats
        Cell widths over that of the grid in question, 1 < c_0 < c_1.
    distances : two floats
        d_k = E (c_k^p - 1).
    largest_order : float

    Returns
    -------
    error, order : float
        E >= 0, and p between ``SMALLEST_ORDER`` and ``largest_order``.
    """
    near, far = distances
    if near <= 0.0:
        return 0.0, largest_order

    def excess(order: float) -> float:
        return (factors[1] ** order - 1.0) / (factors[0] ** order - 1.0) - far / near

    if excess(SMALLEST_ORDER) >= 0.0:
        order = SMALLEST_ORDER
    elif excess(largest_order) <= 0.0:
        order = largest_order
    else:
        order = float(brentq(excess, SMALLEST_ORDER, largest_order))
    return near / (factors[0] ** order - 1.0), order


def number_errors(
    factors: Sequence[float], gaps: Sequence[np.ndarray], largest_order: float
) -> np.ndarray:
    """Errors of numbers that belong together from their gaps to two coarser grids.

    The largest gaps tell one order for all of them: a single gap may vanish by chance.
    """
    _, order = fitted_error(factors, [float(np.max(gap)) for gap in gaps], largest_order)
    return np.max(
        [gap / (factor**order - 1.0) for factor, gap in zip(factors, gaps, strict=True)], axis=0
    )


def coarser_grids(grid: Grid) -> tuple[Grid, ...]:
    """Grids of ``SHARES`` of the cells along every axis; none where there are too few."""
    if min(grid.shape) < FEWEST_CELLS:
        return ()
    return tuple(
        Grid(grid.domain, tuple(round(share * cells) for cells in grid.shape)) for share in SHARES
    )


def factor_of(grid: Grid, coarse: Grid) -> float:
    """Cell width over that of a finer grid, geometric mean over the axes."""
    return float((grid.size / coarse.size) ** (1.0 / grid.ndim))


def estimate_for(
    case: Case, scheme: Scheme | None, stepper: str
) -> tuple[ErrorEstimate | None, str]:
    """What estimates the errors of a case's frames, or nothing and why.

    Parameters
    ----------
    case : Case
        With [density].
    scheme : Scheme or None
        That of the case's own grid; None for stable jumps.
    stepper : str
        Name of its stepper, or "auto".
    """
    asked = case.density
    assert asked is not None
    if not case.output.errors:
        return None, "switched off by output.errors"
    if case.control is not None:
        return None, "not known under [control]"
    grids = coarser_grids(case.grid)
    if not grids:
        return None, f"not known with fewer than {FEWEST_CELLS} cells along an axis"
    runs = []
    given = _given(case)
    try:
        with ignoring(CaseWarning, module="fokkerplanck"):
            for grid in grids:
                coarse = replace(case, grid=grid)
                if given is not None:
                    values = np.maximum(resampled(case.grid, given, grid), 0.0)
                    coarse = replace(coarse, initial=replace(case.initial, values=values))
                march, start = _begun(coarse, scheme, stepper)
                factor = factor_of(case.grid, grid)
                runs.append(CoarseRun(grid, march, asked.times, start, factor))
    except (CaseError, NumericalFailure) as failure:
        return None, f"not known, since a coarser grid fails: {failure}"
    order = LEVY_ORDER if scheme is None else float(scheme.order)
    rests = case.initial.kind == "stationary"
    return ErrorEstimate(case.grid, tuple(runs), order, rests), ""


def _given(case: Case) -> np.ndarray | None:
    """Values of a start that is known at the cell centres of the case's own grid only."""
    values = case.initial.values
    return np.asarray(values, dtype=float) if isinstance(values, np.ndarray) else None


def _begun(case: Case, scheme: Scheme | None, stepper: str) -> tuple[Integrator, np.ndarray]:
    """What advances the density of a case, and the density it begins with."""
    asked, problem = case.density, case.problem
    assert asked is not None
    if scheme is None:
        return LevyIntegrator(levy_system_of(case), asked.rtol, asked.end), initial_density(case)
    system = system_of(case)
    # Its steps are exact in time but for the limiter.
    rtol = COARSE_RTOL if scheme.name == "high-order" and system.autonomous else asked.rtol
    march, _, _ = make_integrator(scheme, stepper, system, asked.times, rtol)
    rest = None
    if case.initial.kind == "stationary":
        rest = stationary(system.at(0.0), problem, scheme.name)
    return march, initial_density(case, rest)
