"""The frozen records a case consists of once it has been read and checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..grid import Grid
from ..problem import Problem


@dataclass(frozen=True, eq=False)
class Initial:
    """The density at t = 0.

    Parameters
    ----------
    kind : str
        One of ``choices.INITIAL_KINDS``, or "given".
    mean : ndarray, shape (d,), optional
        Centre of a gaussian, or the place of a point; inside the domain.
    covariance : ndarray, shape (d, d), optional
        Of a gaussian; symmetric positive definite.
    formula : str, optional
        Unnormalised density as a formula of the axis names; not negative.
    values : callable or ndarray, optional
        Of the kind "given", which only a case made in Python has: the unnormalised density as a
        function of one array per axis, or its values on the grid of the case.
    """

    kind: str
    mean: np.ndarray | None = None
    covariance: np.ndarray | None = None
    formula: str | None = None
    values: Callable[..., Any] | np.ndarray | None = None


@dataclass(frozen=True)
class Density:
    """How the density evolves.

    Parameters
    ----------
    times : tuple of float
        Output times, strictly increasing from 0.0 (dimensionless, t = learning rate * iteration).
    scheme, stepper : str
        One of ``choices.SCHEMES`` and ``choices.STEPPERS``.
    rtol : float
        Relative error allowed to a stepper that controls its error, between 0 and 1.
    breakpoints : tuple of float
        Times that steps must meet because coefficients jump there.
    """

    times: tuple[float, ...]
    scheme: str = "auto"
    stepper: str = "auto"
    rtol: float = 1e-6
    breakpoints: tuple[float, ...] = ()

    @property
    def end(self) -> float:
        """Last output time."""
        return self.times[-1]

    @property
    def frames(self) -> int:
        """Number of output times, the one at t = 0 included."""
        return len(self.times)


@dataclass(frozen=True)
class StationaryRequest:
    """Asks for the stationary density, quasi-potential, current and entropy production."""


@dataclass(frozen=True)
class SpectrumRequest:
    """Asks for the slowest modes of the generator.

    Parameters
    ----------
    count : int
        Modes, the zero included.
    """

    count: int = 6


@dataclass(frozen=True)
class PassageRequest:
    """Asks for first passage to a target, for escape from minima, or for both.

    Parameters
    ----------
    target : str, optional
        A condition on the axes, or "boundary" for the absorbing sides.
    source : str, optional
        A condition; with it committor and transition rate.
    start : tuple of tuples, optional
        Points of interest; by default where Phi is lowest outside the target.
    times : tuple of float, optional
        Of the first-passage densities, from 0.
    escape : bool
        Whether to look at the minima and the times between them.
    """

    target: str | None = None
    source: str | None = None
    start: tuple[tuple[float, ...], ...] | None = None
    times: tuple[float, ...] | None = None
    escape: bool = False


@dataclass(frozen=True)
class EnsembleRequest:
    """Asks for an ensemble of walkers at the output times of the density.

    Parameters
    ----------
    method : str
        One of ``choices.METHODS``; "auto" is mini-batch SGD for a data model, else Langevin.
    particles : int
    seed : int
    step : float, optional
        Time per step of the Langevin methods; by default a share of the fastest time scale. SGD
        steps by its learning rate.
    end : float, optional
        Walkers go to the last output time that is no later, but at least to the first; to the end
        of the density by default.
    trajectories : int
        Walkers whose places are kept at every output time.
    """

    method: str = "auto"
    particles: int = 1_000_000
    seed: int = 20261
    step: float | None = None
    end: float | None = None
    trajectories: int = 0

    def times(self, density: Density) -> tuple[float, ...]:
        """Output times of the density that the walkers are seen at."""
        if self.end is None:
            return density.times
        # A time that is meant to be the end may be a rounding error later.
        count = sum(time <= self.end * (1.0 + 1e-12) for time in density.times)
        return density.times[: max(count, 2)]


@dataclass(frozen=True)
class ValidationRequest:
    """Asks for density and ensemble to be compared by statistical tests.

    Parameters
    ----------
    significance : float
        Probability with which a right density may fail, all tests together.
    budget : bool
        Whether to split the difference into sampling noise, grid error and the gap between SGD
        and the diffusion, which takes a coarser grid and, for SGD, half the learning rate.
    """

    significance: float = 1e-3
    budget: bool = True


@dataclass(frozen=True)
class ControlRequest:
    """Asks for the density to be steered (59).

    Parameters
    ----------
    schedule : str or tuple of float
        One of ``choices.SCHEDULES``, a formula of t, or one value per interval; u in (0, 1].
    of : str
        One of ``choices.CONTROLS``: what u scales.
    intervals : int
        Equal parts of the run on which u is constant.
    lowest : float
        Least control that policies and optima may use.
    terminal, running : str or None
        Cost at the end, the loss where left out, and per unit time, a formula of the axes, t and u.
    compare : tuple of str or None
        Policies whose costs are found too; None for all that fit, if the schedule is "optimal".
    feedback : bool
        Whether to find the best feedback u(t, theta) as well.
    iterations : int
        Of the optimiser, on the grid of the case, at most.
    """

    schedule: str | tuple[float, ...] = "optimal"
    of: str = "learning-rate"
    intervals: int = 200
    lowest: float = 1e-3
    terminal: str | None = None
    running: str | None = None
    compare: tuple[str, ...] | None = None
    feedback: bool = False
    iterations: int = 300


@dataclass(frozen=True)
class SmoothingRequest:
    """Asks for local entropy (66) and its minima.

    Parameters
    ----------
    gamma : tuple of float
        Inverse variances of the kernel.
    beta : tuple of float
        Inverse temperatures at which Phi~ is set beside it.
    """

    gamma: tuple[float, ...]
    beta: tuple[float, ...] = ()


@dataclass(frozen=True)
class DiscreteRequest:
    """Asks for the transfer operator of SGD (52) and what is stationary under it.

    Parameters
    ----------
    noise : str
        One of ``choices.STEP_NOISES``; "auto" is the true mini-batches of a data model, else
        Gaussian.
    steps : int
        Iterations to evolve the density by; 0 for none.
    frames : int
        Iterations at which it is kept, evenly spaced, the start included.
    rates : tuple of float
        Learning rates, at the beta of the case, to compare with (48); the own one where empty.
    modes : int
        Eigenvalues of the operator.
    observables : tuple of str
        Formulas O of (53).
    draws, seed : int
        Mini-batches per cell where they are too many to enumerate.
    """

    noise: str = "auto"
    steps: int = 0
    frames: int = 11
    rates: tuple[float, ...] = ()
    modes: int = 6
    observables: tuple[str, ...] = ()
    draws: int = 128
    seed: int = 20261

    @property
    def iterations(self) -> tuple[int, ...]:
        """Numbers of steps at which the density is kept."""
        if not self.steps:
            return ()
        shares = np.linspace(0, self.steps, min(self.frames, self.steps + 1))
        return tuple(int(k) for k in shares.round())


@dataclass(frozen=True)
class Output:
    """What is written and drawn.

    Parameters
    ----------
    every_frame : bool
        Write the density at every output time; otherwise only the first and the last.
    precision : str
        One of ``choices.PRECISIONS``: of the stored densities, never of the computation.
        ``"compact"`` is single precision rounded to 17 significant bits.
    figures : tuple of str or None
        Among ``choices.FIGURES``; None for what the result has.
    report : bool
        Write the page ``report.html`` beside the figures.
    errors : bool
        Estimate errors by runs on two coarser grids.
    """

    every_frame: bool = True
    precision: str = "float64"
    figures: tuple[str, ...] | None = None
    report: bool = True
    errors: bool = True


@dataclass(frozen=True)
class Expect:
    """A number the case must reproduce: value within rtol and atol, and bounds.

    ``value`` is met when ``abs(actual - value) <= atol + rtol * abs(value)``.
    """

    value: float | None = None
    rtol: float = 0.0
    atol: float = 0.0
    min: float | None = None
    max: float | None = None


@dataclass(frozen=True, eq=False)
class Case:
    """A checked case: what to solve, on which grid, from where, and what to keep.

    Parameters
    ----------
    name : str
        Stem of the file name; results go to ``runs/<name>/<name>.h5``.
    file : Path
        The case file; of a case made in Python its name, for messages.
    text : str
        Its full text, without the overrides.
    overrides : dict
        Dotted keys and the values that replaced those of the file.
    inputs : dict
        Text of each file that the case reads, by its name in the case.
    title : str
    problem : Problem
    grid : Grid
    initial : Initial
    density : Density or None
        None when the case does not ask for the evolution.
    stationary : StationaryRequest or None
    spectrum : SpectrumRequest or None
    passage : PassageRequest or None
    ensemble : EnsembleRequest or None
    validation : ValidationRequest or None
    control : ControlRequest or None
    smoothing : SmoothingRequest or None
    discrete : DiscreteRequest or None
    output : Output
    expect : dict of str to Expect
        By the name of the number, e.g. ``"final.kl_to_stationary"``.
    functions : tuple of str
        Keys of what Python functions give, which the text names but cannot hold.

    Examples
    --------
    >>> import fokkerplanck as fp
    >>> case = fp.load_case("quadratic", {"density.end": 2.0})
    >>> case.name, case.grid.names, case.overrides
    ('quadratic', ('x', 'y'), {'density.end': 2.0})
    """

    name: str
    file: Path
    text: str
    title: str
    problem: Problem
    grid: Grid
    initial: Initial
    density: Density | None = None
    stationary: StationaryRequest | None = None
    spectrum: SpectrumRequest | None = None
    passage: PassageRequest | None = None
    ensemble: EnsembleRequest | None = None
    validation: ValidationRequest | None = None
    control: ControlRequest | None = None
    smoothing: SmoothingRequest | None = None
    discrete: DiscreteRequest | None = None
    output: Output = Output()
    overrides: dict[str, Any] = field(default_factory=dict)
    expect: dict[str, Expect] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    functions: tuple[str, ...] = ()
