"""What a generator tells: its state at rest, its modes, first passage and escape, as trees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from ..analyses.passage import escape_tree, passage_tree
from ..analyses.spectrum import spectrum_of, spectrum_tree
from ..analyses.stationary import at_rest, examine
from ..operators.generator import Generator
from ..passage.escape import escape as find_wells
from ..passage.passage import BOUNDARY
from ..passage.passage import passage as first_passage
from ..passage.targets import Membership
from ..problem import Problem
from ..stationary.stationary import StationaryState
from ..stationary.stationary import stationary as rest_of

if TYPE_CHECKING:
    from xarray import DataTree

# Stationary states of generators that were asked for; each lives as long as its generator.
_STATES: WeakKeyDictionary[Generator, StationaryState] = WeakKeyDictionary()


def stationary(generator: Generator, scheme: str = "scharfetter-gummel") -> DataTree:
    """Stationary state of a generator in a closed box.

    Parameters
    ----------
    generator : Generator
        Of a problem whose coefficients are constant in time.
    scheme : str
        "high-order" solves for the rest state of the high-order operator, of order 6, and
        "semi-lagrangian" for that of its steps; under detailed balance it is the Gibbs state.

    Returns
    -------
    xarray.DataTree
        The group ``/stationary`` of a result as every run with a stationary state has it:
        ``density``, ``quasi_potential``, ``current``, and as attributes ``detailed_balance``,
        ``entropy_production``, ``residual`` and ``curl``. :func:`analyse` gives the rest.

    Raises
    ------
    CaseError
        If a side is absorbing or the coefficients depend on time: there is none. Under detailed
        balance also if the noise vanishes at a point that cuts the box apart, as for Sigma = x^2;
        without it if Sigma is singular in a part of the box, as for diag(max(x, 0), 1).
    NumericalFailure
        If the null vector is not found, or the grid is too large for high order.

    References
    ----------
    Without detailed balance:

    - Grassmann, Taksar and Heyman. Oper. Res. 33 (1985) 1107: elimination without
      subtraction.
    - Horton and Leutenegger. SIGMETRICS (1994); De Sterck et al. SIAM J. Sci. Comput. 30 (2008)
      2235: multilevel aggregation.

    Examples
    --------
    >>> import numpy as np
    >>> import fokkerplanck as fp
    >>> problem = fp.Problem("x**2/2", beta=2.0, domain={"x": (-6, 6)})
    >>> rest = fp.stationary(fp.generator(problem, problem.grid(64)))
    >>> rest.attrs["detailed_balance"]
    True
    >>> gibbs = np.exp(-(rest.x**2)) / np.sqrt(np.pi)
    >>> bool(abs(rest.density - gibbs).max() < 1e-12)
    True
    """
    problem = problem_of(generator)
    if isinstance(scheme, Problem):
        raise ValueError("scheme: a Problem; the generator knows its problem, so leave it out")
    usual = scheme == "scharfetter-gummel"
    state = state_of(generator) if usual else rest_of(generator, problem, scheme)
    return at_rest(problem, state).tree(generator.grid)


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


def spectrum(generator: Generator, count: int = 6) -> DataTree:
    """Leading modes of a generator.

    Parameters
    ----------
    generator : Generator
        Of a problem whose coefficients are constant in time.
    count : int
        Modes, the zero included; a complex pair at the end is kept whole, which makes it one more.

    Returns
    -------
    xarray.DataTree
        The group ``/spectrum`` of a result: real and imaginary parts of the eigenvalues by
        decreasing real part, right and left modes, residuals, relaxation times; bounds on the
        mixing time among the attributes. Order 2 in the cell width.

    Raises
    ------
    CaseError
        If ``count`` is less than one or more than the cells, or if the grid is too large.
    NumericalFailure
        If modes, or the stationary density they need, do not converge.

    References
    ----------
    - Demmel and Veselic. SIAM J. Matrix Anal. Appl. 13 (1992) 1204; Drmac and Veselic. Ibid. 29
      (2008) 1322: accurate small rates.
    - Zhou and Saad. SIAM J. Matrix Anal. Appl. 29 (2007) 954: slow modes by products alone.
    - Levin and Peres. Markov Chains and Mixing Times, 2nd edition (2017); Fill. Ann. Appl. Probab.
      1 (1991) 62: bounds on the mixing time.

    Examples
    --------
    >>> import fokkerplanck as fp
    >>> problem = fp.Problem("x**2/2", beta=2.0, domain={"x": (-6, 6)})
    >>> modes = fp.spectrum(fp.generator(problem, problem.grid(64)), 4)
    >>> -modes.real[1:].values.round(3)  # 1, 2, 3 but for the error of the grid
    array([0.988, 1.965, 2.931])
    """
    problem_of(generator)
    found, _ = spectrum_of(generator, count, _STATES.get(generator))
    return spectrum_tree(generator.grid, found)


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

    References
    ----------
    - Schuette, Noe, Lu, Sarich and Vanden-Eijnden. J. Chem. Phys. 134 (2011) 204105: the chain
      between the cores of wells.
    - Bovier, Eckhoff, Gayrard and Klein. J. Eur. Math. Soc. 6 (2004) 399: the Eyring-Kramers
      formula.
    - Bouchet and Reygner. Ann. Henri Poincare 17 (2016) 3499: what the formula lacks without
      detailed balance.

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
