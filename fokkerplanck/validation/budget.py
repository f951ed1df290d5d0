"""What the difference between walkers and a density is made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import special

from ..errors import CaseError
from ..grid import Grid
from .bins import Bins, bisect, check_counts, check_masses
from .masses import coarsened

# Halvings, 64 bins: few enough that a smooth gap stands out of the noise, enough to see its shape.
DEPTH = 6
# What remains is called unexplained below this p-value.
DOUBT = 0.01
NAMES = {
    "sampling": "sampling noise",
    "grid": "the grid error",
    "shape": "the shape of the mini-batches' noise",
    "sides": "what finite steps do at the sides",
    "diffusion": "the gap between SGD and diffusion",
    "unexplained": "a difference that nothing here explains",
}
# Parts that ensembles of their own measure: where there is one, a difference may be explained.
MEASURED = ("shape", "sides", "diffusion")
# Relative differences from here on are told as multiples.
LARGE = 1.0


@dataclass(frozen=True)
class Halved:
    """Another ensemble of the same law but for one thing, such as half the learning rate.

    Parameters
    ----------
    counts : int ndarray of the grid's shape
    masses : ndarray of the grid's shape
        Of the density at the ensemble's own beta: that of the first where the batch is halved
        too, so that beta = 2|B|/eta stays.
    particles : int
    """

    counts: np.ndarray
    masses: np.ndarray
    particles: int


@dataclass(frozen=True)
class FurtherRuns:
    """What tells the parts of a difference apart, as far as there is any.

    Parameters
    ----------
    finer : ndarray, optional
        Masses on a grid with the same multiple of cells, at least two, along every axis.
    better : ndarray of the grid's shape, optional
        Instead: the masses without their grid error, from two grids of the caller's own.
    halved : Halved, optional
        An ensemble at half the learning rate, with noise of the same kind as the first, or as
        ``symmetric`` where that is given. Walkers of all ensembles must be independent.
    symmetric : Halved, optional
        An ensemble at the same learning rate whose noise has the same covariance, but no third
        moment.
    sides : Halved or float, optional
        An ensemble whose sides act as those of the density, else like the first, or like
        ``symmetric``; ``halved`` must then be so too. Or its part where that is known, such as 0.
    sides_order : int, optional
        Where there is no such ensemble: ``sides`` is one with half the step, of this weak order.
    """

    finer: np.ndarray | None = None
    better: np.ndarray | None = None
    halved: Halved | None = None
    symmetric: Halved | None = None
    sides: Halved | float | None = None
    sides_order: int | None = None


@dataclass(frozen=True)
class Budget:
    """Parts of the difference, all as root-mean-square relative errors of the bins' masses.

    In this metric, D^2 = sum (q - p)^2/p, sampling contributes (bins - 1)/particles whatever
    the density, so noise can be taken out of an estimate without bias, the squares of
    independent parts add up, and D is the size in which tests state their power.

    Parameters
    ----------
    observed : float
        Walkers against density.
    sampling : float
        Expected from the number of walkers alone.
    grid : float or None
        Error of the density, from two grids.
    shape : float or None
        What mini-batches have beyond their covariance, from walkers whose noise has no third
        moment; 0 where sampling noise hides it. No diffusion knows of it, at any learning rate.
    sides : float or None
        What finite steps do at reflecting and absorbing sides, where the density has a boundary
        condition and walkers fold or leave when a step ends; 0 where they hardly meet a side, or
        sampling noise hides it.
    sides_limit : float or None
        What that does not exceed, at two standard errors.
    diffusion : float or None
        SGD against its diffusion limit, from two learning rates; 0 where noise hides it.
    diffusion_limit : float or None
        What the gap does not exceed, at two standard errors.
    unexplained : float
        What is left when grid error and gap are taken away; 0 where noise alone explains it.
    p_value : float
        That of what is left: walkers extrapolated to learning rate 0 against the density
        extrapolated to spacing 0, as far as the second runs were given.
    bins, particles : int
    total_variation, expected_total_variation : float
        Fraction of the walkers in a wrong bin, and its mean from sampling alone.
    """

    observed: float
    sampling: float
    grid: float | None
    diffusion: float | None
    diffusion_limit: float | None
    unexplained: float
    p_value: float
    bins: int
    particles: int
    total_variation: float
    expected_total_variation: float
    shape: float | None = None
    sides: float | None = None
    sides_limit: float | None = None

    @property
    def parts(self) -> Mapping[str, float]:
        """Known parts by name."""
        parts = {
            "sampling": self.sampling,
            "grid": self.grid,
            "shape": self.shape,
            "sides": self.sides,
            "diffusion": self.diffusion,
            "unexplained": self.unexplained,
        }
        return {name: size for name, size in parts.items() if size is not None}

    @property
    def shares(self) -> Mapping[str, float]:
        """Shares of the parts, which add up to one: their squares over the sum of the squares."""
        total = sum(size**2 for size in self.parts.values())
        if not total > 0.0:
            return dict.fromkeys(self.parts, 0.0)
        return {name: size**2 / total for name, size in self.parts.items()}

    @property
    def measured(self) -> bool:
        """Whether other ensembles were moved, so that it may explain a difference."""
        return any(getattr(self, name) is not None for name in MEASURED)

    @property
    def seen(self) -> bool:
        """Whether one of them stands out of sampling noise."""
        return any(self.parts.get(name, 0.0) > 0.0 for name in MEASURED)

    @property
    def sentence(self) -> str:
        """The difference, and the shares of its square, the largest one first."""
        if self.observed == 0.0:
            return f"Masses of {self.bins} bins do not differ"
        shares = whole_percents(self.shares)
        ranked = sorted(shares, key=lambda name: -self.parts[name])
        listed = ", ".join(f"{NAMES[name]} {shares[name]} %" for name in ranked if shares[name])
        found = (
            f"Masses of {self.bins} bins differ by {size_in_words(self.observed)} (root mean "
            f"square); shares of its square: {listed}"
        )
        limits = {"diffusion": self.diffusion_limit, "sides": self.sides_limit}
        for name in MEASURED:
            if self.parts.get(name) == 0.0:
                limit = limits.get(name)
                hidden = "not to be seen" if limit is None else f"below {size_in_words(limit)}"
                found += f"; {NAMES[name]} is {hidden}"
        return found


def size_in_words(size: float) -> str:
    """A relative difference: as a percentage, or where it is large as a multiple."""
    return f"{size:.2%}" if size < LARGE else f"{size:.3g} times their size"


def whole_percents(shares: Mapping[str, float]) -> dict[str, int]:
    """Shares as whole percentages with the same sum: the largest remainders are rounded up."""
    exact = {name: 100.0 * share for name, share in shares.items()}
    whole = {name: math.floor(value) for name, value in exact.items()}
    missing = round(sum(exact.values())) - sum(whole.values())
    for name in sorted(exact, key=lambda name: whole[name] - exact[name])[:missing]:
        whole[name] += 1
    return whole


def error_budget(
    grid: Grid,
    counts: np.ndarray,
    masses: np.ndarray,
    particles: int,
    further: FurtherRuns | None = None,
    *,
    order: int = 2,
    weak_order: int = 1,
    bins: Bins | None = None,
) -> Budget:
    """Separate sampling noise, grid error and the gap between SGD and diffusion.

    Parameters
    ----------
    grid : Grid
    counts : int ndarray of the grid's shape
    masses : ndarray of the grid's shape
        Expected probabilities, from :func:`cell_masses`; what is missing to 1 is outside.
    particles : int
    further : FurtherRuns, optional
    order, weak_order : int
        Declared orders of the density's scheme in the spacing and of the walkers' gap in the
        learning rate.
    bins : Bins, optional
        Those of :func:`bisect` unless given, merged to at most 64 boxes.

    Returns
    -------
    Budget

    Raises
    ------
    CaseError
        If arrays do not fit each other.

    Notes
    -----
    Richardson: the error of p(h) is (p(h) - p(h/r))/(1 - r^-order), that of SGD (v(eta) -
    v(eta/2))/(1 - 2^-weak_order), v = walkers minus density, both to the next order. At a fixed
    beta |B| falls with eta, and the third moment of a mini-batch stays: so it is taken out first,
    as the difference between the walkers and ``symmetric`` ones. A density without spacing or an
    order other than the declared one shows up as unexplained.
    """
    further = further or FurtherRuns()
    finer, better, halved = further.finer, further.better, further.halved
    symmetric, sides, sides_order = further.symmetric, further.sides, further.sides_order
    check_masses(grid, masses)
    check_counts(grid, counts, particles)
    bins = (bins or bisect(grid, masses, particles)).shallower(DEPTH)
    p = bins.pool_all(masses, 1.0)
    p /= p.sum()
    difference = bins.pool_all(counts, particles) / particles - p
    degrees = p.size - 1

    def square(vector: np.ndarray) -> float:
        return float((vector**2 / p).sum())

    rest, variance = difference, 1.0 / particles
    grid_error = shape = diffusion = limit = sides_limit = None
    at_sides = sides if isinstance(sides, float) else None
    if finer is not None:
        error = (p - _pooled(bins, grid, finer)) / (1.0 - _ratio(grid, finer) ** -order)
    elif better is not None:
        error = p - _pooled(bins, grid, better)
    if finer is not None or better is not None:
        grid_error = math.sqrt(square(error))
        rest = rest + error

    def against(other: Halved) -> np.ndarray:
        """Walkers of another ensemble less their density."""
        check_counts(grid, other.counts, other.particles)
        found = bins.pool_all(other.counts, other.particles) / other.particles
        return np.asarray(found - _pooled(bins, grid, other.masses))

    # Walkers that the learning rate is taken out of, and their number.
    base, walkers = difference, particles
    if symmetric is not None:
        base, walkers = against(symmetric), symmetric.particles
        gap, variance = difference - base, 1.0 / walkers
        shape = _beyond_noise(square(gap), degrees, 1.0 / particles + variance)[0]
        rest = rest - gap

    def extrapolated(half: Halved, order: int) -> tuple[np.ndarray, float, float]:
        """Gap between a step and none, the noise in it, and the variance without the gap."""
        factor = 1.0 / (1.0 - 2.0**-order)
        noise = factor**2 * (1.0 / walkers + 1.0 / half.particles)
        left = (factor - 1.0) ** 2 / walkers + factor**2 / half.particles
        return factor * (base - against(half)), noise, left

    if isinstance(sides, Halved):
        if sides_order is None:
            held = against(sides)
            gap, noise = base - held, 1.0 / walkers + 1.0 / sides.particles
            base, walkers = held, sides.particles
            variance = 1.0 / walkers
        else:
            gap, noise, variance = extrapolated(sides, sides_order)
        at_sides, sides_limit = _beyond_noise(square(gap), degrees, noise)
        rest = rest - gap
    if halved is not None:
        gap, noise, variance = extrapolated(halved, weak_order)
        diffusion, limit = _beyond_noise(square(gap), degrees, noise)
        rest = rest - gap
    chi_square = square(rest) / variance
    p_value = float(special.chdtrc(degrees, chi_square)) if degrees else 1.0
    left = math.sqrt((chi_square - degrees) * variance) if p_value < DOUBT else 0.0
    return Budget(
        observed=math.sqrt(square(difference)),
        sampling=math.sqrt(degrees / particles),
        grid=grid_error,
        shape=shape,
        diffusion=diffusion,
        diffusion_limit=limit,
        sides=at_sides,
        sides_limit=sides_limit,
        unexplained=left,
        p_value=p_value,
        bins=p.size,
        particles=particles,
        total_variation=0.5 * float(np.abs(difference).sum()),
        expected_total_variation=float(np.sqrt(p * (1.0 - p) / (2.0 * math.pi * particles)).sum()),
    )


def _beyond_noise(square: float, degrees: int, noise: float) -> tuple[float, float]:
    """Size of a gap, 0 where it is lost in noise, and what it does not exceed at two errors.

    Parameters
    ----------
    square : float
        Of the gap as it was found.
    degrees, noise
        The noise is expected to add their product to the square.
    """
    size, spread = square - degrees * noise, noise * math.sqrt(2.0 * degrees)
    most = max(size, 0.0) + 2.0 * math.sqrt(spread**2 + 4.0 * noise * max(size, 0.0))
    return math.sqrt(size) if size > 2.0 * spread else 0.0, math.sqrt(most)


def _pooled(bins: Bins, grid: Grid, masses: np.ndarray) -> np.ndarray:
    """Probabilities of the bins from the masses of the grid or of one that refines it."""
    result = bins.pool_all(coarsened(masses, grid.shape), 1.0)
    return result / result.sum()


def _ratio(grid: Grid, finer: np.ndarray) -> float:
    """Cells of the finer grid per cell of the coarser one, along every axis."""
    ratios = {fine / coarse for fine, coarse in zip(finer.shape, grid.shape, strict=True)}
    if len(ratios) > 1 or min(ratios) < 2.0:
        raise CaseError(
            f"a grid of {finer.shape} cells beside one of {grid.shape} does not tell the grid "
            "error; every axis needs the same multiple, at least two"
        )
    return ratios.pop()
