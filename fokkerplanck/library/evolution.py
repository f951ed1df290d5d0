"""The density as a function of time, as a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..grid import Grid
from ..io import Layout, Variable
from ..problem import Problem
from ..timestepping.evolve import evolve as march

if TYPE_CHECKING:
    from xarray import Dataset

EVOLUTION = Layout(
    {
        "time": Variable("time", "time"),
        "density": Variable("time axes", "probability density at the cell centre"),
        "limited": Variable("time", "share of the cell faces whose flux the limiter scaled down"),
        "limited_flux": Variable("time", "share of the flux corrections taken away"),
    }
)


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
        "scharfetter-gummel" is of order 2 in the cell width, "high-order" of order 6, and so is
        "semi-lagrangian" for noise of deficient rank; "auto" takes high order where it can be had
        at a bearable cost.
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
