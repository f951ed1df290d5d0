"""Currents of the scheme itself: gross and face fluxes, stream function, entropy production.

Everything here is a sum over the edges of a generator, so that conservation and positivity hold on
the grid and not only in the limit. Fluxes are in probability per unit time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import permutations

import numpy as np

from .generator import Generator

# One-way edges that carry less than this share of all flux come from rates that underflow; those
# of an axis without noise carry a share of order one.
ONE_WAY_SHARE = 1e-14


@dataclass(frozen=True)
class Fluxes:
    """One-way fluxes along all E edges of a generator, across periodic sides too.

    Attributes
    ----------
    source, target : (E,) int64
        Flat cells at both ends.
    ahead, back : (E,) float64
        forward rho_source and backward rho_target, times the cell volume; both >= 0.
    """

    source: np.ndarray
    target: np.ndarray
    ahead: np.ndarray
    back: np.ndarray

    @property
    def net(self) -> np.ndarray:
        """Edge currents, shape (E,)."""
        return self.ahead - self.back

    @property
    def gross(self) -> np.ndarray:
        """Traffic in both directions, shape (E,)."""
        return self.ahead + self.back

    @property
    def imbalance(self) -> float:
        """Sum of |net| over sum of gross: 0 under detailed balance, 1 for pure transport."""
        return float(np.abs(self.net).sum() / self.gross.sum())


def edge_fluxes(generator: Generator, density: np.ndarray) -> Fluxes:
    """One-way fluxes of a density of the grid's shape or flat."""
    rates = generator.rates
    x = np.reshape(density, -1) * generator.grid.cell_volume
    sources, targets, ahead, back = [], [], [], []
    for shift, forward, backward in zip(rates.shifts, rates.forward, rates.backward, strict=True):
        edges = np.flatnonzero((forward > 0.0) | (backward > 0.0))
        sources.append(edges)
        targets.append(edges + shift)
        ahead.append(forward[edges] * x[edges])
        back.append(backward[edges] * x[edges + shift])
    sources.append(rates.wrap_source)
    targets.append(rates.wrap_target)
    ahead.append(rates.wrap_forward * x[rates.wrap_source])
    back.append(rates.wrap_backward * x[rates.wrap_target])
    return Fluxes(*(np.concatenate(part) for part in (sources, targets, ahead, back)))


@dataclass(frozen=True)
class EntropyRates:
    """Entropy production per unit time and its two parts, each >= 0.

    Attributes
    ----------
    total : float
        sum I log(ahead/back) over the edges.
    housekeeping : float
        sum I log(ahead_ss/back_ss), what keeps the stationary currents going (adiabatic); zero
        under detailed balance.
    excess : float
        -sum (A rho) log(rho/rho_ss), what relaxes (non-adiabatic): beta times the dissipation of
        the free energy with Phi~; zero at the stationary state.
    """

    total: float
    housekeeping: float
    excess: float


def entropy_rates(
    generator: Generator, density: np.ndarray, log_stationary: np.ndarray
) -> EntropyRates:
    """Split the entropy production of any density (Esposito and Van den Broeck 2010).

    Both parts are non-negative for every density as soon as rho_ss is stationary for the
    generator, with or without detailed balance (Phys. Rev. E 82, 011143; Hatano and Sasa 2001).

    Parameters
    ----------
    generator : Generator
        Of a closed box.
    density : ndarray of the grid's shape
        Edges with an empty end are left out.
    log_stationary : ndarray of the grid's shape
        log rho_ss.

    Returns
    -------
    EntropyRates
        Along an axis without noise motion is one-way and ``total`` and ``housekeeping`` are
        infinite; ``excess`` is finite always.
    """
    fluxes = edge_fluxes(generator, density)
    net = fluxes.net
    x = np.reshape(density, -1)
    filled = x > 0.0
    log_ratio = np.where(filled, np.log(np.where(filled, x, 1.0)), 0.0) - log_stationary.reshape(-1)
    both = filled[fluxes.source] & filled[fluxes.target]
    relative = log_ratio[fluxes.source] - log_ratio[fluxes.target]
    excess = float((net * relative)[both].sum())
    two_way = (fluxes.ahead > 0.0) & (fluxes.back > 0.0)
    if fluxes.gross[both & ~two_way].sum() > ONE_WAY_SHARE * fluxes.gross.sum():
        return EntropyRates(np.inf, np.inf, excess)
    ahead, back = fluxes.ahead[two_way], fluxes.back[two_way]
    force = np.log(ahead) - np.log(back)
    total = float((net[two_way] * force).sum())
    housekeeping = float((net[two_way] * (force - relative[two_way])).sum())
    return EntropyRates(total, housekeeping, excess)


def cell_current(generator: Generator, density: np.ndarray) -> np.ndarray:
    """Probability current as cell vectors, shape (d, *grid.shape), per unit time and face area.

    Each cell gets half of the currents along its edges: J = sum_k e_k h (I_k(x) + I_k(x - e))/2.
    Order 2 inside; cells at reflecting sides have fewer edges.
    """
    return cell_vectors(
        generator, generator.edge_currents(density), generator.wrap_currents(density)
    )


def cell_vectors(generator: Generator, along: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Vectors at the cells from flows along the edges, shape (d, *grid.shape).

    Parameters
    ----------
    generator : Generator
    along : (K, N) float64
        Probability density per unit time along the edges x to x + e_k.
    across : (W,) float64
        Along those across periodic sides.
    """
    grid, rates = generator.grid, generator.rates
    current = np.zeros((grid.ndim, grid.size))
    for offset, shift, flow in zip(rates.offsets, rates.shifts, along, strict=True):
        both = flow.copy()
        edges = np.flatnonzero(flow)
        both[edges + shift] += flow[edges]
        current += 0.5 * (offset * grid.spacing)[:, None] * both
    steps = 0.5 * rates.offsets[rates.wrap_offset] * grid.spacing
    for axis in range(grid.ndim):
        np.add.at(current[axis], rates.wrap_source, steps[:, axis] * across)
        np.add.at(current[axis], rates.wrap_target, steps[:, axis] * across)
    return current.reshape(grid.ndim, *grid.shape)


def face_fluxes(generator: Generator, density: np.ndarray) -> tuple[np.ndarray, ...]:
    """Probability per unit time through every cell face, positive towards larger coordinates.

    The current of an edge that leads further than to a neighbour passes through the faces of the
    staircases next to its straight line, in equal shares. The sum of the fluxes out of
    a cell is therefore the scheme's own -d rho/dt times the cell volume, to rounding.

    Parameters
    ----------
    generator : Generator
    density : ndarray of the grid's shape

    Returns
    -------
    tuple of d arrays
        Number i has n_i + 1 entries along axis i; face j lies before cell j. At periodic sides
        the first and the last face are the same.
    """
    grid, rates = generator.grid, generator.rates
    faces = tuple(
        np.zeros([n + (axis == i) for i, n in enumerate(grid.shape)]) for axis in range(grid.ndim)
    )
    flows = generator.edge_currents(density) * grid.cell_volume
    for offset, flow in zip(rates.offsets, flows, strict=True):
        size = [n - abs(e) for n, e in zip(grid.shape, offset, strict=True)]
        if min(size) > 0:
            first = [max(0, -e) for e in offset]
            inner = flow.reshape(grid.shape)[_block(first, size)]
            for axis, place, share in _staircases(offset):
                start = [f + p for f, p in zip(first, place, strict=True)]
                start[axis] += share > 0.0
                faces[axis][_block(start, size)] += share * inner
    _across_periodic_sides(generator, density, faces)
    _through_absorbing_sides(generator, density, faces)
    return faces


def divergence(faces: Sequence[np.ndarray]) -> np.ndarray:
    """Net outflow of every cell, probability per unit time."""
    return np.asarray(sum(np.diff(flux, axis=axis) for axis, flux in enumerate(faces)))


def stream_function(faces: Sequence[np.ndarray]) -> tuple[np.ndarray, float]:
    """Stream function psi of a stationary current in the plane.

    J_1 = d psi/dx_2 and J_2 = -d psi/dx_1: the difference of two corners is the probability per
    unit time through any line between them. Zero at the lower corner of the box.

    Parameters
    ----------
    faces : two arrays
        From :func:`face_fluxes`.

    Returns
    -------
    psi : ndarray, shape (n_1 + 1, n_2 + 1)
        At the cell corners. Along a periodic axis it rises by the net flux through the box.
    defect : float
        Largest face flux that psi does not give back, relative to the largest one: how far from
        stationary the density is.

    Raises
    ------
    ValueError
        If there are not two axes.
    """
    if len(faces) != 2:
        raise ValueError(f"a stream function needs two axes, and there are {len(faces)}")
    first, second = faces
    psi = np.zeros((first.shape[0], second.shape[1]))
    psi[1:, 0] = -np.cumsum(second[:, 0])
    psi[:, 1:] = psi[:, :1] + np.cumsum(first, axis=1)
    largest = max(np.abs(first).max(), np.abs(second).max())
    missed = np.abs(second + np.diff(psi, axis=0)).max()
    return psi, float(missed / largest) if largest > 0.0 else 0.0


@dataclass(frozen=True)
class Circulation:
    """How much probability turns, and about what.

    Attributes
    ----------
    imbalance : float
        Share of the traffic along the edges that is net current.
    angular_momentum : (d, d) ndarray
        Antisymmetric, E[(x - mean)_i v_j - (x - mean)_j v_i]; order 2.
    stream : ndarray, shape (n_1 + 1, n_2 + 1), or None
        Stream function in two dimensions.
    turnover : float
        max psi - min psi, probability per unit time carried around; NaN but in two dimensions.
    defect : float
        See :func:`stream_function`; NaN but in two dimensions.
    """

    imbalance: float
    angular_momentum: np.ndarray
    stream: np.ndarray | None
    turnover: float
    defect: float


def circulation(generator: Generator, density: np.ndarray) -> Circulation:
    """Measures of the current of a stationary density of the grid's shape."""
    grid = generator.grid
    imbalance = edge_fluxes(generator, density).imbalance
    current = cell_current(generator, density)
    moment = np.empty((grid.ndim, grid.ndim))
    for i, points in enumerate(grid.points):
        centred = points - grid.integrate(density * points) / grid.integrate(density)
        moment[i] = grid.integrate(centred * current)
    momentum = moment - moment.T
    if grid.ndim != 2:
        return Circulation(imbalance, momentum, None, np.nan, np.nan)
    psi, defect = stream_function(face_fluxes(generator, density))
    return Circulation(imbalance, momentum, psi, float(np.ptp(psi)), defect)


def _block(start: Sequence[int], size: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(s, s + n) for s, n in zip(start, size, strict=True))


def _staircases(offset: Sequence[int]) -> list[tuple[int, tuple[int, ...], float]]:
    """Steps (axis, place before it, signed share) of the staircases along a lattice edge.

    Faces are crossed in the order in which the straight line meets them. Where it meets several at
    once, in a corner, every order of the axes takes an equal share, so that no axis comes first.
    """
    orders = list(permutations(range(len(offset))))
    shares: dict[tuple[int, tuple[int, ...]], float] = defaultdict(float)
    for order in orders:
        crossings = sorted(
            (Fraction(2 * k + 1, 2 * abs(int(e))), order[axis], axis)
            for axis, e in enumerate(offset)
            for k in range(abs(int(e)))
        )
        place = [0] * len(offset)
        for _, _, axis in crossings:
            sign = 1 if offset[axis] > 0 else -1
            shares[axis, tuple(place)] += sign / len(orders)
            place[axis] += sign
    return [(axis, place, share) for (axis, place), share in shares.items()]


def _across_periodic_sides(
    generator: Generator, density: np.ndarray, faces: tuple[np.ndarray, ...]
) -> None:
    grid, rates = generator.grid, generator.rates
    across = generator.wrap_currents(density) * grid.cell_volume
    for number in np.unique(rates.wrap_offset):
        here = rates.wrap_offset == number
        cells = np.unravel_index(rates.wrap_source[here], grid.shape)
        for axis, place, share in _staircases(rates.offsets[number]):
            face = [(c + p) % n for c, p, n in zip(cells, place, grid.shape, strict=True)]
            face[axis] = (face[axis] + (share > 0.0)) % grid.shape[axis]
            np.add.at(faces[axis], tuple(face), share * across[here])
    for axis, side in enumerate(grid.domain.axes):
        if side.periodic:
            _along(faces[axis], axis, slice(-1, None))[...] = _along(faces[axis], axis, slice(1))


def _through_absorbing_sides(
    generator: Generator, density: np.ndarray, faces: tuple[np.ndarray, ...]
) -> None:
    """Exits go straight to their side, first order where their edges are wide."""
    grid, rates = generator.grid, generator.rates
    leaving = rates.exit_rate * np.reshape(density, -1)[rates.exit_cell] * grid.cell_volume
    for side in np.unique(rates.exit_side):
        axis, upper = divmod(int(side), 2)
        here = rates.exit_side == side
        outflow = np.zeros(grid.size)
        np.add.at(outflow, rates.exit_cell[here], leaving[here])
        field = outflow.reshape(grid.shape)
        flux = faces[axis]
        if upper:
            _along(flux, axis, slice(1, None))[...] += np.cumsum(field, axis=axis)
        else:
            total = np.flip(np.cumsum(np.flip(field, axis), axis=axis), axis)
            _along(flux, axis, slice(None, -1))[...] -= total


def _along(values: np.ndarray, axis: int, part: slice) -> np.ndarray:
    """View of a range of layers along an axis."""
    index = [slice(None)] * values.ndim
    index[axis] = part
    return values[tuple(index)]
