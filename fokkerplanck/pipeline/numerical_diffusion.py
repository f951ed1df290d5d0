"""How much variance the scheme itself adds to a density.

The generator moves the second moments not quite as (48) does: upwinding along axes without noise,
the isotropic part added to a singular Sigma and Scharfetter-Gummel rates at a large cell Peclet
number all act like noise that nobody asked for. The difference of both rates is that noise.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..analyses.observables import grid_moments
from ..grid import Grid
from ..operators.generator import Generator
from ..problem import Problem

# Largest exponent of decay or growth between two frames that is told from any larger one.
MOST_DECAY = 50.0
# Decay over a step beyond which the density follows the noise of the moment.
LONG_FADING = 2.0
# Below it the integrals of the exponential come from their series.
SMALL_EXPONENT = 1e-4
# Share of the variance that is worth a caution.
NOTABLE = 0.01
# Below this observed order a finer grid hardly helps.
POOR_ORDER = 0.75


@dataclass
class AddedVariance:
    """Variance that the scheme has added along each axis, frame by frame.

    Attributes
    ----------
    problem : Problem
    total : (d,) float64
        NaN along periodic axes.
    """

    problem: Problem
    total: np.ndarray | None = None
    _fields: tuple[np.ndarray, ...] | None = field(default=None, init=False)
    _last: tuple[float, np.ndarray, np.ndarray] | None = field(default=None, init=False)

    def measure(self, generator: Generator, density: np.ndarray, time: float) -> None:
        """Take the next frame of a closed box; between two frames rates change linearly.

        The coefficients must not depend on time.
        """
        if self._fields is None:
            self._fields = _moving(self.problem, generator.grid)
        rate, decay = variance_rates(generator, density, *self._fields)
        if self.total is None or self._last is None:
            self.total = np.zeros(generator.grid.ndim)
        else:
            before, old_rate, old_decay = self._last
            step = time - before
            exponent = np.clip(0.5 * step * (old_decay + decay), -MOST_DECAY, MOST_DECAY)
            # int_0^1 e^(z (1 - s)) ds, and the same with s under the integral.
            small = np.abs(exponent) < SMALL_EXPONENT
            z = np.where(small, 1.0, exponent)
            first = np.where(small, 1.0 + 0.5 * exponent, np.expm1(z) / z)
            second = np.where(small, 0.5 + exponent / 6.0, (np.expm1(z) - z) / z**2)
            gained = old_rate * first + (rate - old_rate) * second
            # What was added long before has faded: only the end of a long step counts.
            gained = np.where(exponent < -LONG_FADING, rate * first, gained)
            self.total = np.exp(exponent) * self.total + step * gained
        self._last = (time, rate, decay)

    def cautions(self, grid: Grid, density: np.ndarray, order: float | None) -> list[str]:
        """One sentence for each axis whose variance the scheme has raised notably.

        Parameters
        ----------
        grid : Grid
        density : ndarray of the grid's shape
            The last one.
        order : float, optional
            Observed order of the error in the cell width, where it is known.
        """
        if self.total is None:
            return []
        variance = np.diag(grid_moments(grid, density)[1])
        remedy = "take more cells"
        if order is not None and order < POOR_ORDER:
            remedy = f"more cells hardly help (observed order {order:.1f})"
        return [
            f"the scheme itself adds about {added:.2g} to the variance of {name}, "
            f"{added / value:.1%} of it, as if there were more noise; {remedy}"
            for name, added, value in zip(grid.names, self.total, variance, strict=True)
            if added > NOTABLE * value
        ]


def _moving(problem: Problem, grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Drift, its slope along its own axis, and D at the cell centres."""
    drift = np.stack([np.broadcast_to(b, grid.shape) for b in problem.drift_at(grid.points)])
    slopes = [np.gradient(b, grid.spacing[i], axis=i) for i, b in enumerate(drift)]
    return drift, np.stack(slopes), problem.sigma_at(grid.points) / problem.beta


def variance_rates(
    generator: Generator,
    density: np.ndarray,
    drift: np.ndarray,
    slopes: np.ndarray,
    diffusion: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Rate at which the scheme adds to each variance, and at which the drift multiplies it.

    Parameters
    ----------
    generator : Generator
    density : ndarray of the grid's shape
    drift, slopes : (d, *grid.shape) float64
        The slopes are d drift_i/d theta_i.
    diffusion : (d, d, *grid.shape) float64
        D = Sigma/beta, or what broadcasts to it.

    Returns
    -------
    added, decay : (d,) float64
        d Var/dt of the generator minus 2 E[drift (theta - mean)] + 2 E[Sigma]/beta and what the
        sides hold back, and 2 E[d drift/d theta] along the same axis, negative where the drift
        contracts. NaN along periodic axes.
    """
    grid = generator.grid
    mean, covariance = grid_moments(grid, density)
    weight = density / density.sum()
    change = generator.matvec(weight)
    added, decay = np.full(grid.ndim, np.nan), np.full(grid.ndim, np.nan)
    for i, axis in enumerate(grid.domain.axes):
        if axis.periodic or not covariance[i, i] > 0.0:
            continue
        away = grid.points[i] - mean[i]
        pull = 2.0 * float((weight * drift[i] * away).sum())
        noise = 2.0 * float((weight * diffusion[i, i]).sum())
        for j, side in enumerate(grid.domain.axes):
            if side.periodic:
                continue
            # Partial integration leaves what stands at the sides.
            held = np.broadcast_to(weight * diffusion[i, j] * away, grid.shape)
            ends = np.take(held, -1, axis=j).sum() - np.take(held, 0, axis=j).sum()
            noise -= 2.0 * float(ends) / grid.spacing[j]
        added[i] = float((change * away**2).sum()) - pull - noise
        decay[i] = 2.0 * float((weight * slopes[i]).sum())
    return added, decay
