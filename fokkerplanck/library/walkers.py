"""Ensembles of walkers, as a tree of datasets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..analyses.ensemble import ensemble_tree
from ..grid import Grid
from ..particles import Client
from ..particles import ensemble as move
from ..particles.ensemble import Pieces, Progress
from ..particles.start import Start
from ..problem import Problem

if TYPE_CHECKING:
    from xarray import DataTree


def ensemble(
    problem: Problem,
    grid: Grid,
    start: Start,
    times: Sequence[float],
    *,
    method: str,
    particles: int = 1_000_000,
    seed: int = 20261,
    step: float | None = None,
    replacement: bool | None = None,
    open_sides: bool = False,
    trajectories: int = 0,
    pieces: Pieces | None = None,
    progress: Progress | None = None,
    client: Client | None = None,
) -> DataTree:
    """Move walkers and count them on a grid.

    Parameters
    ----------
    problem : Problem
        Of formulas or with a data model; Python functions cannot be compiled.
    grid : Grid
        Cells in which walkers are counted.
    start : (particles, d) array, density of the grid's shape, or Gaussian
        A density is drawn cell by cell, uniform inside a cell; a Gaussian is cut off at the box.
    times : increasing floats from 0
    method : str
        "langevin", "weak-2", "leimkuhler-matthews", "sgd", "sgd-gaussian", "stable" and others.
    particles, seed : int
    step : float, optional
        Largest time step; a fraction of the drift's shortest time scale where left out. For SGD
        it is the learning rate, and a frame is taken at the nearest iteration.
    replacement : bool, optional
        Whether a batch of "sgd" may hold a sample twice; the problem's choice where left out.
    open_sides : bool
        Let walkers pass the reflecting sides, as SGD itself does; they are counted in ``outside``.
    trajectories : int
        Walkers whose places are kept at every output time.
    pieces : callable, optional
        Factors of drift and noise between two times, constant on each piece (59). A step of SGD
        takes its learning rate times the drift's factor; its noise follows, or must be left.
    progress : callable, optional
        Called with the time reached after every interval.
    client : distributed.Client or concurrent.futures.Executor, optional
        Moves the walkers on the processes behind it, some blocks at a time; ``progress`` then
        grows with the share of walkers that have arrived.

    Returns
    -------
    xarray.DataTree
        The group ``/ensemble`` of a result; the same to the last bit for any number of threads and
        of processes.

    Raises
    ------
    CaseError
        For input that cannot be.

    Notes
    -----
    The density's reflecting side pushes along Sigma's column and not along the normal. So does that
    of "langevin", "weak-2" and "sgd-reflected", within a step; the others fold where a step ends.

    References
    ----------
    - Roessler. SIAM J. Numer. Anal. 47 (2009) 1713: the method "weak-2".
    - Chambers, Mallows and Stuck. J. Am. Stat. Assoc. 71 (1976) 340: heavy-tailed
      variables.

    Examples
    --------
    >>> import fokkerplanck as fp
    >>> problem = fp.Problem("x**2/2", beta=2.0, domain={"x": (-6, 6)})
    >>> grid = problem.grid(32)
    >>> start = fp.gaussian_density(grid, [1.0], [[0.25]])
    >>> walkers = fp.ensemble(
    ...     problem, grid, start, [0.0, 1.0], method="langevin", particles=1000, seed=7
    ... )
    >>> walkers.counts.sum("x").values
    array([1000, 1000])
    >>> bool(abs(walkers["mean"][1, 0] - 0.37) < 0.1)
    True
    """
    found = move(
        *(problem, grid, start, times),
        method=method, particles=particles, seed=seed, step=step, replacement=replacement,
        open_sides=open_sides, trajectories=trajectories, pieces=pieces, progress=progress,
        client=client,
    )  # fmt: skip
    return ensemble_tree(grid, found)
