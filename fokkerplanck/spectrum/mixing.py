"""Bounds on the mixing time of a closed box, worst case over the starting cell.

With d(t) the largest total variation distance to the stationary state over all starting cells,
t_mix the time when d = 1/4, pi_min the smallest stationary mass of a cell:

- t_mix >= log(2)/|Re lambda| for every eigenvalue but zero, with or without detailed balance,
  since |exp(lambda t)| <= 2 d(t) (Levin and Peres, Markov Chains and Mixing Times, 2nd edition,
  2017, (12.15)).
- t_mix <= (log(2) + log(1/pi_min)/2)/gap with detailed balance (ibid., section 12.6 and theorem
  20.6). Without it the same holds with the gap of the reversible chain of rates
  (k_xy + pi_y k_yx/pi_x)/2 (Fill, Ann. Appl. Probab. 1 (1991) 62), which is at most the decay of
  the slowest mode; that decay itself bounds nothing from above, because modes that are not
  orthogonal can grow together before they decay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..linear_solvers.shifted import DIRECT_CELLS
from ..operators.generator import Generator
from ..operators.potential import Potential
from .reversible import reversible_modes


@dataclass(frozen=True)
class MixingBounds:
    """Bounds on the time when the worst starting cell is within 1/4 of rest in total variation.

    Attributes
    ----------
    lower, upper : float
        Times; ``upper`` is NaN where the reversible chain was too large to solve.
    contraction : float
        Rate at which every chi-square distance falls at least: the gap under detailed balance, else
        that of the reversible chain; NaN if not known.
    """

    lower: float
    upper: float
    contraction: float


def mixing_bounds(
    generator: Generator, decay: float, log_density: np.ndarray | None = None
) -> MixingBounds:
    """Bounds from the slowest decay rate.

    Parameters
    ----------
    generator : Generator
        In a closed box.
    decay : float
        -Re lambda of the slowest mode but the zero.
    log_density : ndarray of the grid's shape, optional
        log rho_ss, without detailed balance always.
    """
    psi = generator.potential.values
    if psi is not None:
        log_mass = psi.min() - psi.reshape(-1)
        contraction = decay
    else:
        assert log_density is not None
        log_mass = log_density.reshape(-1) - log_density.max()
        contraction = np.nan
        grid = generator.grid
        if grid.size <= DIRECT_CELLS[grid.ndim]:
            contraction = float(reversible_modes(_reversed(generator, log_mass), 2).rates[1])
    log_least = float(log_mass.min() - np.log(np.exp(log_mass).sum()))
    if not decay > 0.0:
        return MixingBounds(np.inf, np.inf, contraction)
    upper = (np.log(2.0) - 0.5 * log_least) / contraction if contraction > 0.0 else np.nan
    return MixingBounds(float(np.log(2.0) / decay), float(upper), contraction)


def _reversed(generator: Generator, log_mass: np.ndarray) -> Generator:
    """The reversible chain with the mean flow of every edge both ways and the same rest state."""
    r = generator.rates
    forward, backward = r.forward.copy(), r.backward.copy()
    for k, shift in enumerate(r.shifts):
        x = np.flatnonzero((r.forward[k] > 0.0) | (r.backward[k] > 0.0))
        forward[k, x], backward[k, x] = _mean_rates(
            r.forward[k, x], r.backward[k, x], log_mass[x + shift] - log_mass[x]
        )
    ahead, back = _mean_rates(
        r.wrap_forward, r.wrap_backward, log_mass[r.wrap_target] - log_mass[r.wrap_source]
    )
    rates = replace(r, forward=forward, backward=backward, wrap_forward=ahead, wrap_backward=back)
    potential = Potential(-log_mass.reshape(generator.grid.shape), 0.0, "made reversible")
    return Generator(generator.grid, rates, potential)


def _mean_rates(
    forward: np.ndarray, backward: np.ndarray, rise: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rates f' = (f + b exp(rise))/2 and b' = (b + f exp(-rise))/2, rise = log(M_y/M_x).

    M_y b cannot exceed what leaves x, so neither overflows, but its factors may.
    """
    with np.errstate(divide="ignore"):
        up = np.exp(np.log(backward) + rise)
        down = np.exp(np.log(forward) - rise)
    return 0.5 * (forward + up), 0.5 * (backward + down)
