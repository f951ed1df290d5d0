"""Signs that a grid does not fit its density: mass cut off at sides, stencils beyond features.

The last sign is a drift that outweighs the noise between neighbouring cells.
"""

from __future__ import annotations

import numpy as np

from .density import Generator
from .density.levy import LevySystem
from .grid import Grid

# Mass beyond reflecting sides that is worth a warning.
OUTSIDE_WARNING = 1e-6
# The longest offset should stay below this many standard deviations of the density.
REACH_WARNING = 1.0
# Share of the mass that has jumped over the sides: heavy tails always have some.
TAIL_WARNING = 1e-2
# Rms of the force along an edge, over the density. At one the covariances of circulating linear
# problems are wrong by 10 to 50 %, and the error grows with its square.
PECLET_WARNING = 1.0
# Below this |P| the mean of both rates is the conductance (f - b)/P to P^2/12.
SMALL_WORK = 1e-5
# Of the potential, in units of the noise, where the density is.
ROUNDING_WARNING = 1e-3


def mass_outside(grid: Grid, density: np.ndarray) -> float:
    """Mass that the density would have beyond the reflecting sides, extrapolated.

    Each line of cells that ends at a side is continued as the geometric series of its last two
    cells; lines that do not decay count with all of their last cell, once per cell of the axis.
    """
    total = 0.0
    for number, axis in enumerate(grid.domain.axes):
        for side, (last, inner) in zip(axis.boundary, ((0, 1), (-1, -2)), strict=True):
            if side != "reflecting":
                continue
            edge = np.atleast_1d(np.take(density, last, axis=number))
            before = np.atleast_1d(np.take(density, inner, axis=number))
            ratio = np.ones_like(edge)
            np.divide(edge, before, out=ratio, where=before > 0.0)
            tail = edge * grid.shape[number]
            decays = ratio < 1.0 - 1.0 / grid.shape[number]
            tail[decays] = edge[decays] * ratio[decays] / (1.0 - ratio[decays])
            total += float(tail.sum()) * grid.cell_volume
    return total


def levy_cautions(system: LevySystem, rates: tuple[np.ndarray, np.ndarray]) -> list[str]:
    """What the sides do to heavy tails, where it is more than ``TAIL_WARNING``.

    Parameters
    ----------
    system : LevySystem
    rates : (n,) arrays
        Times, and the density that jumps over the sides per unit time.
    """
    jumps, domain = system.problem.jumps, system.grid.domain
    assert jumps is not None
    if not system.fractional.closed or all(axis.periodic for axis in domain.axes):
        return []
    time, rate = rates
    total = float(np.sum(0.5 * (rate[1:] + rate[:-1]) * np.diff(time)))
    if total <= TAIL_WARNING:
        return []
    return [
        f"the tails fall like |theta|^(-{1.0 + jumps.alpha:g}) and the box cuts them off: jumps "
        f"over its sides, which fold them back, carried {total:.2g} of the mass by the end and "
        f"carry {rate[-1]:.2g} per unit time then; enlarge domain ranges"
    ]


def peclet_number(generator: Generator, density: np.ndarray) -> float:
    """Root mean square of P = int gamma . dl along the edges, where the density lives.

    It is the cell Peclet number of the lattice edges, dimensionless: Scharfetter-Gummel rates add
    a relative numerical diffusion of (P/2) coth(P/2) - 1, about P^2/12. Under detailed balance
    this does not touch the stationary state. Edges across periodic sides are left out.
    """
    rates, x = generator.rates, np.reshape(density, -1)
    weights = squares = 0.0
    for shift, forward, backward in zip(rates.shifts, rates.forward, rates.backward, strict=True):
        edges = np.flatnonzero((forward > 0.0) & (backward > 0.0))
        f, b = forward[edges], backward[edges]
        # The quotient of rates may leave the range of doubles, their logarithms do not.
        along = np.log(f) - np.log(b)
        mean = 0.5 * (f + b)
        conductance = np.divide(f - b, along, out=mean, where=np.abs(along) > SMALL_WORK)
        weight = (x[edges] + x[edges + shift]) * conductance
        weights += float(weight.sum())
        squares += float(weight @ along**2)
    return float(np.sqrt(squares / weights)) if weights > 0.0 else 0.0


def cautions(
    generator: Generator, density: np.ndarray, covariance: np.ndarray, order: int = 2
) -> list[str]:
    """Sentences about what to read with care; empty when all is well.

    Parameters
    ----------
    generator : Generator
    density : ndarray of the grid's shape
        The density that should fit, e.g. the last one.
    covariance : (d, d)
        Its covariance.
    order : int
        Of the scheme in the cell width. What is said of lattice edges holds for order 2 only.
    """
    grid, rates = generator.grid, generator.rates
    found = []
    outside = mass_outside(grid, density)
    if outside > OUTSIDE_WARNING:
        found.append(
            f"the domain cuts off the density: about {min(outside, 1.0):.1e} of its mass would lie "
            "beyond the reflecting sides; enlarge domain ranges"
        )
    psi = generator.potential.values
    if psi is not None:
        there = density > 0.0
        energy = float((np.abs(psi[there]) * (density[there] / density.sum())).sum())
        if np.finfo(float).eps * energy > ROUNDING_WARNING:
            found.append(
                f"beta Phi~ is {energy:.1e} where the density is, so large that its rounding "
                "outweighs the noise; subtract a constant from the loss, or take a smaller beta or "
                "domain"
            )
    if order > 2:
        return found
    width = float(np.sqrt(max(np.linalg.eigvalsh(covariance)[0], 0.0)))
    length = float(np.sqrt(((rates.offsets * grid.spacing) ** 2).sum(axis=1)).max())
    if length > REACH_WARNING * width:
        found.append(
            f"the stencil reaches over {length:.2g} but the density is only {width:.2g} wide in "
            "its narrowest direction; take more cells"
        )
    peclet = peclet_number(generator, density)
    if peclet > PECLET_WARNING:
        found.append(
            "the drift outweighs the noise between neighbouring cells (cell Peclet number "
            f"{peclet:.2g}, rms), which smears the density; take more cells"
        )
    if rates.raised:
        found.append(
            f"the noise covariance is close to singular in {rates.raised} cells, where an "
            "isotropic part of the order of the squared cell width was added"
        )
    return found
