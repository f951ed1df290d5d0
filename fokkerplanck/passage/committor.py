"""Where transitions go: committors both ways, reactive current, transition rate.

The committor q+ is the probability of reaching the target before the source; q- that of having come
last from the source, a committor of the time-reversed chain. Probability on its way from source to
target has the density g = rho_ss q-, flows along the edge x -> y at the net rate
g_x r_xy q+_y - g_y r_yx q+_x, and arrives at the rate nu (E and Vanden-Eijnden, J. Stat. Phys. 123
(2006) 503; Metzner, Schuette and Vanden-Eijnden, Multiscale Model. Simul. 7 (2009) 1192).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..linear_solvers.backward import BackwardSolver
from ..operators.currents import cell_vectors
from ..operators.generator import Generator
from ..stationary.stationary import StationaryState
from .targets import Killed, Region, kill

TARGET, SOURCE = 0, 1


@dataclass(frozen=True)
class Committor:
    """The committor alone, and of a closed box all that describes its transitions.

    Attributes
    ----------
    forward : ndarray of the grid's shape
        q+: 0 in the source, 1 in the target.
    backward : ndarray of the grid's shape or None
        q-: 1 in the source, 0 in the target; NaN where rho_ss underflows. None in an open box.
    current : ndarray (d, cells) or None
        Reactive current, per unit time and face area; order 2 away from both regions.
    flux : float
        nu, transitions from source to target per unit time; NaN in an open box.
    share : float
        Share of the time since the source was left last, of the stationary state.
    rate : float
        nu / share, transitions per unit time of those that come from the source.
    flows : (K, N) ndarray or None
        Net reactive flow along the edges of the free cells, probability per unit time and
        volume; conserved to rounding between the regions.
    killed : Killed
        The chain that ends in the target (region 0) or in the source (region 1).
    """

    forward: np.ndarray
    backward: np.ndarray | None
    current: np.ndarray | None
    flux: float
    share: float
    rate: float
    flows: np.ndarray | None
    killed: Killed


def committor(
    generator: Generator, target: Region, source: Region, state: StationaryState | None
) -> Committor:
    """Solve for the committors between two regions.

    Parameters
    ----------
    generator : Generator
    target, source : Region
    state : StationaryState or None
        Of the generator; without one only the forward committor is found.

    Raises
    ------
    CaseError
        If the regions meet, or some cells between them lead to neither.
    NumericalFailure
        If the elimination is too large.
    """
    grid = generator.grid
    killed = kill(generator, (target, source))
    solver = BackwardSolver(killed.generator, killed.free)
    forward = solver.solve(killed.exit_rates(TARGET)).reshape(grid.shape)
    forward[target.cells] = 1.0
    if state is None:
        return Committor(forward, None, None, np.nan, np.nan, np.nan, None, killed)
    rho = state.density.reshape(-1)
    if state.detailed_balance:
        # The reversed chain is the chain itself, and q- is right where rho_ss underflows.
        backward = solver.solve(killed.exit_rates(SOURCE)).reshape(grid.shape)
        reactive = rho * backward.reshape(-1)
    else:
        reactive = solver.solve_forward(entering(killed, rho, SOURCE))
        backward = np.full(grid.size, np.nan)
        np.divide(reactive, rho, out=backward, where=rho > 0.0)
        backward = backward.reshape(grid.shape)
    backward[source.cells], backward[target.cells] = 1.0, 0.0
    flux = float(reactive @ killed.exit_rates(TARGET)) * grid.cell_volume
    last = reactive.sum() + rho[source.cells.reshape(-1)].sum()
    share = float(last) * grid.cell_volume
    flows, wrapped = _flows(killed.generator, reactive, forward.reshape(-1))
    current = cell_vectors(killed.generator, flows, wrapped)
    return Committor(forward, backward, current, flux, share, flux / share, flows, killed)


def entering(killed: Killed, rho: np.ndarray, region: int) -> np.ndarray:
    """Probability per unit time and volume that comes into the free cells from a region.

    What the cut edges carry in so that rho_ss stays stationary outside the regions, edge by
    edge: rho_y r_yx along the whole edge, and what the cut edge takes out beyond the whole one.
    """
    cuts = killed.cuts
    here = cuts.region == region
    cell, beyond = cuts.cell[here], cuts.beyond[here]
    more = np.maximum(cuts.rate[here] - cuts.whole[here], 0.0)
    inflow = rho[cell] * more + rho[beyond] * cuts.back[here]
    return np.bincount(cell, weights=inflow, minlength=rho.size)


def _flows(
    generator: Generator, reactive: np.ndarray, forward: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Net reactive flows along the edges, (K, N), and across periodic sides, (W,)."""
    r = generator.rates
    flows = np.zeros_like(r.forward)
    for row, shift, ahead, back in zip(flows, r.shifts, r.forward, r.backward, strict=True):
        edges = np.flatnonzero((ahead > 0.0) | (back > 0.0))
        low, high = edges, edges + shift
        row[edges] = (
            reactive[low] * ahead[edges] * forward[high]
            - reactive[high] * back[edges] * forward[low]
        )
    low, high = r.wrap_source, r.wrap_target
    across = (
        reactive[low] * r.wrap_forward * forward[high]
        - reactive[high] * r.wrap_backward * forward[low]
    )
    return flows, across
