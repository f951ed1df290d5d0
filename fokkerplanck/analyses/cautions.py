"""Signs that a grid does not fit its density: mass cut off at sides, stencils beyond features.

The last sign is a drift that outweighs the noise between neighbouring cells.
"""

from __future__ import annotations

import warnings

import numpy as np

from ..errors import CaseWarning
from ..fractional.levy import LevySystem
from ..grid import Grid
from ..operators.generator import Generator
from ..operators.potential import loss_jump
from ..operators.thermodynamic_force import Force
from ..problem import Problem
from ..problem.seams import loss_tilts, mismatches

# Mass beyond reflecting sides that is worth a warning; more of it where the diffusion added to a
# singular Sigma makes tails of its own.
OUTSIDE_WARNING, OUTSIDE_RAISED = 1e-6, 1e-3
# Slabs of cells over which a tail falls.
TAIL_CELLS = 8
# A tail is at its side at most this share of the peak. Where the peak itself lies at a wall the box
# is one that is meant, and only what has all but vanished is a tail.
SMALL, SMALL_BESIDE_WALL = 0.5, 0.05
# The longest offset should stay below this many standard deviations of the density.
REACH_WARNING = 1.0
# Share of the mass that has jumped over the sides: heavy tails always have some.
TAIL_WARNING = 1e-2
# Rms of the force along an edge, over the density. At one the covariances of circulating linear
# problems are wrong by 10 to 50 %, and the error grows with its square.
PECLET_WARNING = 1.0
# Share of the cells with a Sigma close to singular beyond which cells are not what is wanting.
MOST_RAISED = 0.1
# Below this |P| the mean of both rates is the conductance (f - b)/P to P^2/12.
SMALL_WORK = 1e-5
# Of the potential, in units of the noise, where the density is.
ROUNDING_WARNING = 1e-3


def given(sentences: list[str]) -> list[str]:
    """The sentences, each given as a warning too."""
    for sentence in sentences:
        warnings.warn(sentence, CaseWarning, stacklevel=3)
    return sentences


def mass_outside(problem: Problem, grid: Grid, density: np.ndarray, time: float = 0.0) -> float:
    """Mass of the tails that reflecting sides cut off, extrapolated; a wall cuts off nothing.

    A tail is what falls towards a side over the last ``TAIL_CELLS`` slabs of cells while the drift
    there leads back into the box, and is small beside the peak. It is continued as the geometric
    series of its last two slabs. A side where the density is flat, rises, or is held by the drift
    against it is a wall: the box is the problem's, and nothing would lie beyond it.
    """
    total, drift = 0.0, problem.drift_at(grid.points, time)
    for number, axis in enumerate(grid.domain.axes):
        others = tuple(i for i in range(grid.ndim) if i != number)
        slabs = density.sum(axis=others) * grid.cell_volume
        # Along an axis without noise another one turns the motion back.
        inward = (density * drift[number]).sum(axis=others)
        count = max(2, min(TAIL_CELLS, slabs.size // 4))
        walled = int(np.argmax(slabs)) in (0, slabs.size - 1)
        most = (SMALL_BESIDE_WALL if walled else SMALL) * float(slabs.max())
        for side, order, sign in zip(axis.boundary, (1, -1), (1.0, -1.0), strict=True):
            last, back = slabs[::order][:count], sign * float(inward[::order][0])
            falls = bool((np.diff(last) > 0.0).all())
            if side != "reflecting" or not falls or last[0] > most:
                continue
            if back > 0.0 or problem.noiseless[number]:
                ratio = float(last[0] / last[1])
                total += float(last[0]) * ratio / (1.0 - ratio)
    return total


def coefficient_cautions(problem: Problem, grid: Grid) -> list[str]:
    """What to know of a loss that is tilted or jumps, and of coefficients that do not close."""
    found = []
    for number, rise in loss_tilts(problem, grid).items():
        name = grid.names[number]
        found.append(
            f"the loss {'rises' if rise > 0.0 else 'falls'} by {abs(rise):.6g} around the periodic "
            f"axis {name}: its tilt acts as a drift, and losses are those of the one turn in the "
            "box, so that the current across its side has no part in the rate of the expected loss"
        )
    jump = loss_jump(Force(problem, grid))
    if jump is not None:
        found.append(
            f"the loss jumps by {jump[0]:.6g} between {jump[1]}; the gradient, which SGD follows, "
            "does not see that"
        )
    found += [
        f"{one.sentence}; it jumps there by {one.share:.2g} of its largest value"
        for one in mismatches(problem, grid)
    ]
    return found


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
    problem: Problem,
    generator: Generator,
    density: np.ndarray,
    covariance: np.ndarray,
    order: int = 2,
    time: float = 0.0,
) -> list[str]:
    """Sentences about what to read with care; empty when all is well.

    Parameters
    ----------
    problem : Problem
    generator : Generator
        Of the problem.
    density : ndarray of the grid's shape
        The density that should fit, e.g. the last one.
    covariance : (d, d)
        Its covariance.
    order : int
        Of the scheme in the cell width. What is said of lattice edges holds for order 2 only.
    time : float
        Of the density.
    """
    grid, rates = generator.grid, generator.rates
    found = []
    outside = mass_outside(problem, grid, density, time)
    singular = rates.raised > MOST_RAISED * grid.size
    if outside > (OUTSIDE_RAISED if singular else OUTSIDE_WARNING):
        found.append(
            f"the domain cuts off a tail of the density: about {min(outside, 1.0):.0e} of its mass "
            "would lie beyond the reflecting sides; enlarge domain ranges"
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
    if singular:
        # Where a direction has no noise no cell is small enough for it.
        return [*found, _raised(rates.raised)]
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
        found.append(_raised(rates.raised))
    return found


def _raised(cells: int) -> str:
    return (
        f"the noise covariance is close to singular in {cells} cells, where an isotropic part of "
        "the order of the squared cell width was added"
    )
