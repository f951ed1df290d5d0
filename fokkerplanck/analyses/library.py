"""The analyses as functions of a problem or a generator, for use without a case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from ..grid import Grid
from ..io import Layout, Variable
from ..operators.generator import Generator
from ..passage.escape import escape as find_wells
from ..passage.passage import BOUNDARY
from ..passage.passage import passage as first_passage
from ..passage.targets import Membership
from ..problem import Problem
from ..stationary.stationary import StationaryState
from ..stationary.stationary import stationary as rest_of
from ..timestepping.evolve import evolve as march
from .passage import escape_tree, passage_tree
from .stationary import at_rest, examine

if TYPE_CHECKING:
    from xarray import Dataset, DataTree

EVOLUTION = Layout(
    {
        "time": Variable("time", "time"),
        "density": Variable("time axes", "probability density at the cell centre"),
        "limited": Variable("time", "share of the cell faces whose flux the limiter scaled down"),
        "limited_flux": Variable("time", "share of the flux corrections taken away"),
    }
)
# Stationary states of generators that were asked for; each lives as long as its generator.
_STATES: WeakKeyDictionary[Generator, StationaryState] = WeakKeyDictionary()


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
) -> Dataset:
    """Solve (48) from an initial density and return it at given times.

    Parameters
    ----------
    problem : Problem
    grid : Grid
    initial : ndarray of the grid's shape
        Non-negative density per unit volume at ``times[0]``; its mass is kept.
    times : increasing floats
        Output times; they are met exactly.
    scheme : str
        "scharfetter-gummel" is of order 2 in the cell width, "high-order" of order 6; "auto" takes
        high order where it can be had at a bearable cost.
    stepper : str
        "auto" or the name of a stepper.
    rtol : float
        Bound on the time error in L1 relative to the mass, for steppers that have one.
    breakpoints : sequence of float
        Times at which coefficients jump that a Python function does not show for long enough to
        be seen; those of formulas are found.

    Returns
    -------
    xarray.Dataset
        ``density`` over (time, axes); ``limited`` and ``limited_flux``, what the limiter did on
        the way to each time. Attributes: ``scheme``, ``stepper``, ``reason``, and counts of
        products, solves, steps and assemblies.

    Raises
    ------
    CaseError
        For input that cannot be: shapes, order of times, negative densities, names.
    NumericalFailure
        If the stepper cannot keep its promise.

    References
    ----------
    - Scharfetter and Gummel. IEEE Trans. Electron Devices 16 (1969) 64: the rates.
    - Zalesak. J. Comput. Phys. 31 (1979) 335: the flux limiter of "high-order".

    Examples
    --------
    >>> import fokkerplanck as fp
    >>> problem = fp.Problem("x**2/2", beta=2.0, domain={"x": (-6, 6)})
    >>> grid = problem.grid(64)
    >>> start = fp.gaussian_density(grid, [1.0], [[0.25]])
    >>> path = fp.evolve(problem, grid, start, times=[0.0, 1.0, 2.0])
    >>> dict(path.density.sizes)
    {'time': 3, 'x': 64}
    >>> mass = path.density.sum("x") * grid.cell_volume
    >>> mass.values.round(12)
    array([1., 1., 1.])
    >>> mean = (path.x * path.density).sum("x") * grid.cell_volume
    >>> mean.values.round(4)  # exp(-t)
    array([1.    , 0.3679, 0.1353])
    """
    found = march(
        *(problem, grid, initial, times),
        scheme=scheme, stepper=stepper, rtol=rtol, breakpoints=breakpoints,
    )  # fmt: skip
    arrays = {name: getattr(found, name) for name in EVOLUTION.variables}
    dataset = EVOLUTION.build(grid, arrays).to_dataset()
    named = {name: getattr(found, name) for name in ("scheme", "stepper", "reason")}
    return dataset.assign_attrs({**named, **found.counts})


def passage(
    generator: Generator,
    target: str | Membership | np.ndarray = BOUNDARY,
    source: str | Membership | np.ndarray | None = None,
    start: Sequence[Sequence[float]] | np.ndarray | None = None,
    times: Sequence[float] | None = None,
) -> DataTree:
    """Mean first-passage time and what belongs to it, from everywhere in the box.

    Parameters
    ----------
    generator : Generator
        Of a problem whose coefficients are constant in time.
    target : str, callable or bool ndarray
        A condition on the axes, the parameters and beta such as ``"x > 0"``; ``"boundary"`` for
        the absorbing sides; a function of points; or cells, whose edges then end at their centres.
    source : likewise, optional
        With it the committor, the probability of reaching the target before the source, and in a
        closed box transition rate and reactive current.
    start : (m, d), optional
        Points of interest; by default the cell where Phi is lowest outside the target.
    times : increasing floats from 0, optional
        Times of the first-passage densities from the starts.

    Returns
    -------
    xarray.DataTree
        The group ``/passage`` of a result; order 2 in the cell width.

    Raises
    ------
    CaseError
        If a region is empty or leaves nothing free, source and target meet, some cells have no
        way to the target, or the coefficients depend on time.
    NumericalFailure
        If the elimination would be too large.

    References
    ----------
    - E and Vanden-Eijnden. J. Stat. Phys. 123 (2006) 503; Metzner, Schuette and Vanden-Eijnden.
      Multiscale Model. Simul. 7 (2009) 1192: committor and reactive current.
    - Grassmann, Taksar and Heyman. Oper. Res. 33 (1985) 1107: elimination without
      subtraction.

    Examples
    --------
    >>> import fokkerplanck as fp
    >>> problem = fp.Problem("(x**2 - 1)**2", beta=4.0, domain={"x": (-2.5, 2.5)})
    >>> generator = fp.generator(problem, problem.grid(64))
    >>> found = fp.passage(generator, target="x > 0.9", source="x < -0.9", start=[[-1.0]])
    >>> found.start_mean_time.values.round(1)
    array([68.5])
    >>> found.committor.sel(x=[-2, 0.02, 2], method="nearest").values.round(3)
    array([0.   , 0.558, 1.   ])
    """
    problem = problem_of(generator)
    if isinstance(target, Problem):
        raise ValueError("target: a Problem; the generator knows its problem, so leave it out")
    closed = generator.grid.domain.closed
    state = state_of(generator) if source is not None and closed else None
    found = first_passage(generator, problem, target, source, start, times, state)
    regions = (target if isinstance(target, str) else "", source if isinstance(source, str) else "")
    return passage_tree(generator.grid, found, regions, {}, None)


def escape(generator: Generator) -> DataTree:
    """Wells of the stationary state, and how long it takes from one to the other.

    Parameters
    ----------
    generator : Generator
        Of a problem whose coefficients are constant in time, in a closed box.

    Returns
    -------
    xarray.DataTree
        The group ``/passage/escape`` of a result: minima and basins of Phi~, mean times between
        them, barriers, and under detailed balance the times by Eyring-Kramers rates.

    Raises
    ------
    CaseError
        If there is no stationary state, Phi~ has no minimum inside the box or too many, or the
        grid is too small for its derivatives.

    Examples
    --------
    >>> import fokkerplanck as fp
    >>> problem = fp.Problem("(x**2 - 1)**2", beta=4.0, domain={"x": (-2.5, 2.5)})
    >>> generator = fp.generator(problem, problem.grid(64))
    >>> wells = fp.escape(generator)
    >>> wells.position.values.ravel()
    array([-1.,  1.])
    >>> wells.times.values.round(1)  # from row to column
    array([[ 0. , 67.9],
           [67.9,  0. ]])
    >>> wells.kramers_times.values.round(1)
    array([[ 0. , 60.6],
           [60.6,  0. ]])
    """
    problem = problem_of(generator)
    return escape_tree(generator.grid, find_wells(generator, problem, state_of(generator)))


def analyse(generator: Generator) -> tuple[DataTree, list[str]]:
    """The state at rest with everything that [stationary] asks for.

    Both sides of (50) with their checks, measures of circulation, critical points of Phi and Phi~,
    closed loops of the current and of the drift, and the slowest oscillation.

    Parameters
    ----------
    generator : Generator
        Of a problem whose coefficients are constant in time, in a closed box.

    Returns
    -------
    tree : xarray.DataTree
        The group ``/stationary`` of a result.
    notes : list of str
        What was left out, and what to read with care.

    Raises
    ------
    CaseError
        If there is no stationary state.

    References
    ----------
    G.-H. Liu and E. A. Theodorou. Deep Learning Theory Review: An Optimal Control and Dynamical
    Systems Perspective. arXiv:1908.10920 (2019), equation (50).

    Examples
    --------
    >>> import fokkerplanck as fp
    >>> problem = fp.Problem("(x**2 - 1)**2", beta=4.0, domain={"x": (-2.5, 2.5)})
    >>> found, notes = fp.analyse(fp.generator(problem, problem.grid(64)))
    >>> notes  # nothing was left out
    []
    >>> points = found["critical/loss"].to_dataset()
    >>> points.position[points["index"] == 0].values.ravel()  # the minima
    array([-1.,  1.])
    """
    problem, state = problem_of(generator), state_of(generator)
    parts = at_rest(problem, state)
    notes = examine(problem, generator, state, parts)
    return parts.tree(generator.grid), notes


def problem_of(generator: Any) -> Problem:
    """The problem of a generator.

    Raises
    ------
    ValueError
        If it is no generator, or was derived from another one.
    """
    if not isinstance(generator, Generator) or generator.problem is None:
        raise ValueError(
            f"generator: this {type(generator).__name__} does not know its problem; "
            "fp.generator(problem, grid) makes one that does"
        )
    return generator.problem


def state_of(generator: Generator) -> StationaryState:
    """The stationary state of a generator, solved for once."""
    if generator not in _STATES:
        _STATES[generator] = rest_of(generator, problem_of(generator))
    return _STATES[generator]
