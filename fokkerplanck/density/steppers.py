"""The table of steppers, each with its declared order and guarantees, and the choice among them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import CaseError
from . import steps
from .system import System

Step = Callable[[System, np.ndarray, float, float], np.ndarray]

# Up to this s = q t uniformization is affordable for the whole run, in products.
AFFORDABLE_PRODUCTS = 2.0e4
# One sweep of a chain costs about as much as this many products.
SWEEP_PRODUCTS = 12.0


@dataclass(frozen=True)
class Stepper:
    """One way to advance a density in time.

    Attributes
    ----------
    name : str
    step : callable
        step(system, density, time, dt) -> density.
    order : int
        Order in dt, with coefficients that depend on time and without; see ``exact``.
    exact : bool
        Exact in time, to rounding, when the coefficients do not depend on time.
    positive : str
        "always": for every dt by construction; "bounded": for q dt <= 1, which is kept;
        "rounding": negative rounding errors are cut off, and more than that is a failure.
    entropy_decaying : bool
        Whether every step lowers the relative entropy to the stationary state, by construction.
    gibbs_exact : bool
        Whether the discrete Gibbs state is kept to rounding under detailed balance.
    needs_detailed_balance : bool
    summary : str
        What the method is, in a few words.

    Notes
    -----
    All of them keep the mass of a closed box to rounding.
    """

    name: str
    step: Step
    order: int
    exact: bool
    positive: str
    entropy_decaying: bool
    gibbs_exact: bool
    needs_detailed_balance: bool
    summary: str

    def largest_step(self, system: System, time: float) -> float:
        """Largest dt that keeps the density non-negative."""
        return 1.0 / system.at(time).q if self.positive == "bounded" else np.inf


STEPPERS = {
    row.name: row
    for row in (
        Stepper(
            "exponential",
            steps.step_exponential,
            order=2,
            exact=True,
            positive="rounding",
            entropy_decaying=True,
            gibbs_exact=True,
            needs_detailed_balance=False,
            summary="exp(tA): Chebyshev under detailed balance, else uniformization",
        ),
        Stepper(
            "uniformization",
            steps.step_uniformization,
            order=2,
            exact=True,
            positive="always",
            entropy_decaying=True,
            gibbs_exact=True,
            needs_detailed_balance=False,
            summary="exp(tA) as a Poisson mixture of powers of I + A/q",
        ),
        Stepper(
            "chebyshev",
            steps.step_chebyshev,
            order=2,
            exact=True,
            positive="rounding",
            entropy_decaying=True,
            gibbs_exact=True,
            needs_detailed_balance=True,
            summary="exp(tA) by Chebyshev polynomials of the symmetrised generator",
        ),
        Stepper(
            "krylov",
            steps.step_krylov,
            order=2,
            exact=True,
            positive="rounding",
            entropy_decaying=True,
            gibbs_exact=True,
            needs_detailed_balance=False,
            summary="exp(tA) by rational Krylov spaces, cost independent of q t",
        ),
        Stepper(
            "split",
            steps.step_split,
            order=2,
            exact=False,
            positive="always",
            entropy_decaying=False,
            gibbs_exact=True,
            needs_detailed_balance=False,
            summary="Strang splitting over lattice directions, tridiagonal solves, limited",
        ),
        Stepper(
            "implicit",
            steps.step_implicit,
            order=1,
            exact=False,
            positive="always",
            entropy_decaying=True,
            gibbs_exact=True,
            needs_detailed_balance=False,
            summary="backward Euler",
        ),
        Stepper(
            "extrapolated",
            steps.step_extrapolated,
            order=2,
            exact=False,
            positive="always",
            entropy_decaying=False,
            gibbs_exact=True,
            needs_detailed_balance=False,
            summary="backward Euler extrapolated by limited fluxes",
        ),
        Stepper(
            "explicit",
            steps.step_explicit,
            order=3,
            exact=False,
            positive="bounded",
            entropy_decaying=True,
            gibbs_exact=True,
            needs_detailed_balance=False,
            summary="strong-stability-preserving Runge-Kutta",
        ),
    )
}


def choose_stepper(name: str, system: System, duration: float) -> tuple[Stepper, str]:
    """The stepper of that name, or for "auto" the one that fits, and why.

    Parameters
    ----------
    name : str
        "auto" or a key of ``STEPPERS``.
    system : System
    duration : float
        Time to be covered in all.

    Raises
    ------
    CaseError
        For a name that does not exist, or a method that needs detailed balance where there is
        none.
    """
    balanced = system.potential.values is not None
    if name != "auto":
        if name not in STEPPERS:
            raise CaseError(
                f"{name!r} is not a stepper; allowed are auto, {', '.join(STEPPERS)}",
                "density.stepper",
            )
        if STEPPERS[name].needs_detailed_balance and not balanced:
            raise CaseError(
                f"{name!r} needs detailed balance, but {system.potential.reason}; "
                "auto, exponential and split do without",
                "density.stepper",
            )
        return STEPPERS[name], "as the case asks"
    products = system.at(0.0).q * duration
    if balanced:
        return STEPPERS["exponential"], (
            f"detailed balance holds, so Chebyshev covers s = q t = {products:.3g} in few products"
        )
    if products <= AFFORDABLE_PRODUCTS:
        return STEPPERS["exponential"], (
            f"s = q t = {products:.3g} is small enough for uniformization, which is exact"
        )
    return STEPPERS["split"], (
        f"without detailed balance s = q t = {products:.3g} products would be too many"
    )
