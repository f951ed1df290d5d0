"""The table of schemes in space, each with its declared order and guarantees, and the choice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..errors import CaseError, NumericalFailure
from ..grid import Grid
from .correction import Activity
from .exponential import CALL_CELLS, require_affordable
from .flux_march import FluxMarch, expected_products
from .march import Advancing, March
from .reversible import time_to_rest
from .shifted import DIRECT_CELLS
from .steppers import choose_stepper
from .system import System

# A density is resolved if its sixth differences along every axis, in units of 64 times itself,
# stay below this in L1: a Gaussian then has a standard deviation of about 1.8 cells or more. Up to
# ten times this number the high-order scheme has the smaller error on all transients of the
# gallery, but its tails may come to rest later.
RESOLVED = 0.01
# Without detailed balance the rest state itself is only as good as the grid resolves it.
RESOLVED_TURNING = 1e-4
# Above this many products of the high-order operator, times cells, the other scheme is the better
# bargain: about ten seconds.
AFFORDABLE_WORK = 1.5e9
# Share of the mass in the cells next to a side that is not periodic, beyond which that side,
# where the order drops to 2, counts.
SIDE_MASS = 1e-5
DIFFERENCES = 6


@dataclass(frozen=True)
class Scheme:
    """One way to discretise space.

    Attributes
    ----------
    name : str
    order : int
        Inside the box and at periodic sides.
    side_order : int
        Where the density does not vanish at reflecting or absorbing sides along the axes of D.
    positive, gibbs_exact, entropy_decaying : bool
        Densities stay >= 0; the discrete Gibbs state is kept to rounding under detailed balance;
        the relative entropy to the stationary state never rises, where there is one.
    summary : str
        What the method is, in a few words.

    Notes
    -----
    All of them keep the mass of a closed box to rounding.
    """

    name: str
    order: int
    side_order: int
    positive: bool
    gibbs_exact: bool
    entropy_decaying: bool
    summary: str


SCHEME_TABLE = {
    row.name: row
    for row in (
        Scheme(
            "scharfetter-gummel",
            order=2,
            side_order=2,
            positive=True,
            gibbs_exact=True,
            entropy_decaying=True,
            summary="Scharfetter-Gummel on Selling offsets, order 2",
        ),
        Scheme(
            "high-order",
            order=6,
            side_order=2,
            positive=True,
            gibbs_exact=True,
            entropy_decaying=True,
            summary="central fluxes of order 6, corrected towards Scharfetter-Gummel",
        ),
    )
}
SCHEMES = ("auto", *SCHEME_TABLE)


class Marching(Advancing, Protocol):
    """What advances a density: `March` and `FluxMarch`."""

    @property
    def system(self) -> System:
        """The problem on its grid."""

    @property
    def activity(self) -> Activity | None:
        """What the limiter did in the last call of ``advance``; None without a limiter."""

    def change(self, density: np.ndarray, time: float) -> np.ndarray | None:
        """d rho/dt as the march sees it, where that is not the generator's."""


def check_scheme(scheme: str, stepper: str = "auto") -> None:
    """Raise CaseError for a scheme that does not exist or does not go with the stepper."""
    if scheme not in SCHEMES:
        raise CaseError(
            f"{scheme!r} is not a scheme; allowed are {', '.join(SCHEMES)}", "density.scheme"
        )
    if scheme == "high-order" and stepper != "auto":
        raise CaseError(
            f"{stepper!r} does not go with the scheme high-order, which brings its own steps; "
            "leave it at auto",
            "density.stepper",
        )


def choose_scheme(
    name: str,
    stepper: str,
    system: System,
    times: Sequence[float],
    density: np.ndarray | None,
    rest: np.ndarray | None,
) -> tuple[Scheme, str]:
    """The scheme of that name, or for "auto" the one that fits, and why.

    Parameters
    ----------
    name : str
        One of ``SCHEMES``.
    stepper : str
        A stepper that is named belongs to the scheme scharfetter-gummel.
    system : System
    times : increasing floats
        Output times.
    density, rest : ndarrays of the grid's shape, optional
        The first density and the stationary one, as far as they are known.

    Raises
    ------
    CaseError
        See :func:`check_scheme`.
    """
    check_scheme(name, stepper)
    if name != "auto":
        return SCHEME_TABLE[name], "as the case asks"
    low, high = SCHEME_TABLE["scharfetter-gummel"], SCHEME_TABLE["high-order"]
    obstacle = _obstacle(stepper, system, times, density, rest)
    if obstacle:
        return low, obstacle
    return high, "the density is resolved and stays away from the sides"


def _obstacle(
    stepper: str,
    system: System,
    times: Sequence[float],
    density: np.ndarray | None,
    rest: np.ndarray | None,
) -> str:
    """Why high order would not pay, or nothing."""
    grid, problem = system.grid, system.problem
    if stepper != "auto":
        return f"the stepper {stepper} belongs to it"
    if any(problem.noiseless):
        return "an axis carries no noise"
    generator = system.at(times[0])
    if generator.rates.raised:
        return "the noise covariance is close to singular"
    if not all(axis.periodic or "absorbing" not in axis.boundary for axis in grid.domain.axes):
        return "the order of the scheme high-order drops to 2 at absorbing sides"
    balanced = generator.detailed_balance
    for values, limit in (
        (density, RESOLVED),
        (rest, RESOLVED if balanced else RESOLVED_TURNING),
    ):
        if values is None:
            continue
        found = roughness(grid, values)
        if found > limit:
            return f"the density is too narrow for the cells (roughness {found:.2g} > {limit:g})"
        if side_share(grid, values) > SIDE_MASS:
            return (
                "the density reaches the sides, where the order of the scheme high-order drops to 2"
            )
    if system.autonomous and not balanced and grid.size > DIRECT_CELLS[grid.ndim]:
        return "without detailed balance the grid is too large for a rest state of high order"
    products = expected_products(system, times)
    if products * (grid.size + CALL_CELLS) > AFFORDABLE_WORK:
        return f"the scheme high-order would take {products:.2g} products of its operator"
    return ""


def roughness(grid: Grid, density: np.ndarray) -> float:
    """Largest sum of |sixth differences| along an axis, relative to 64 sum |rho|.

    About 20/64 (h/s)^6 for a Gaussian of standard deviation s along the axis, at most 1.
    """
    total = float(np.abs(density).sum()) * 2.0**DIFFERENCES
    largest = 0.0
    for axis, side in enumerate(grid.domain.axes):
        values = density
        if side.periodic:
            width = [(0, 0)] * grid.ndim
            width[axis] = (DIFFERENCES // 2, DIFFERENCES // 2)
            values = np.pad(density, width, mode="wrap")
        if values.shape[axis] > DIFFERENCES:
            differences = np.diff(values, DIFFERENCES, axis=axis)
            largest = max(largest, float(np.abs(differences).sum()) / total)
    return largest


def side_share(grid: Grid, density: np.ndarray) -> float:
    """Largest share of the mass in the cells next to a side that is not periodic."""
    largest = 0.0
    for axis, side in enumerate(grid.domain.axes):
        if not side.periodic:
            for end in (0, -1):
                largest = max(largest, float(np.take(density, end, axis=axis).sum()))
    return largest / float(density.sum())


def march_of(
    scheme: Scheme,
    stepper: str,
    system: System,
    times: Sequence[float],
    rtol: float,
    rest: np.ndarray | None = None,
) -> tuple[Marching, str, str]:
    """What advances the density by a scheme, the name of its stepper, and why that one.

    Parameters
    ----------
    scheme : Scheme
    stepper : str
        "auto" or a key of ``STEPPERS``.
    system : System
    times : increasing floats
    rtol : float
    rest : ndarray of the grid's shape, optional
        Stationary density, which the scheme high-order makes its exact rest state; without it
        that of detailed balance is taken where there is one.
    """
    horizon = times[-1] - times[0]
    if scheme.name == "high-order":
        _require_affordable(system, times)
        if rest is None:
            rest = gibbs(system)
        flat = None if rest is None else np.ascontiguousarray(rest).reshape(-1)
        how = (
            "exponentials of the operator, by Chebyshev polynomials"
            if system.autonomous
            else "commutator-free exponentials of order 4"
        )
        return FluxMarch(system, rtol, horizon, flat), "flux-corrected", how
    chosen, reason = choose_stepper(stepper, system, times)
    return March(system, chosen, rtol, horizon), chosen.name, reason


def _require_affordable(system: System, times: Sequence[float]) -> None:
    """Refuse the scheme high-order for times that take too many of its products.

    Where a spectral gap says that the run is at rest before its end, the way to rest counts.
    """
    products, generator = expected_products(system, times), system.at(times[0])
    horizon = times[-1] - times[0]
    s = generator.q * horizon
    advice = "take density.scheme = 'auto', an earlier density.end, or fewer cells"
    try:
        require_affordable(products, s, system.grid.size, advice)
    except NumericalFailure:
        share = min(1.0, time_to_rest(generator) / horizon)
        require_affordable(share * products, s, system.grid.size, advice)


def gibbs(system: System) -> np.ndarray | None:
    """exp(-Psi) of mass one under detailed balance in a closed box, else None."""
    psi = system.potential.values
    if psi is None or not system.grid.domain.closed:
        return None
    values = np.exp(psi.min() - psi)
    total = float(system.grid.integrate(values))
    return values / total if math.isfinite(total) else None
