"""The table of steppers, each with its declared order and guarantees, and the choice among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import CaseError
from . import steps
from .exponential import chebyshev_products, require_affordable, uniformization_products
from .magnus import step_magnus
from .system import System

Step = Callable[[System, np.ndarray, float, float], np.ndarray]

# Costs in units of one product, measured: a Krylov frame with its triangular solves, and one
# factorisation in two dimensions.
KRYLOV_FRAME = 1500.0
FACTORISATION = 4000.0
# Above this cost the split stepper with its time error is the better bargain ...
AFFORDABLE_PRODUCTS = 3.0e5
# ... up to this s = q t, beyond which its steps are too many.
SPLIT_PRODUCTS = 1.0e8


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
    spare : str
        Stepper that takes over where this one fails; none where a case asks for this one.

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
    spare: str = ""

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
            summary="exp(tA): Chebyshev under detailed balance, else uniformization or Krylov",
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
            "magnus",
            step_magnus,
            order=4,
            exact=True,
            positive="rounding",
            entropy_decaying=True,
            gibbs_exact=True,
            needs_detailed_balance=False,
            summary="commutator-free Magnus exponentials of the moving generator",
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


def choose_stepper(name: str, system: System, times: Sequence[float]) -> tuple[Stepper, str]:
    """The stepper of that name, or for "auto" the one that fits, and why.

    Parameters
    ----------
    name : str
        "auto" or a key of ``STEPPERS``.
    system : System
    times : increasing floats
        Output times.

    Raises
    ------
    CaseError
        For a name that does not exist, or a method that needs detailed balance where there is
        none.
    NumericalFailure
        If the named one would take too many products.
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
        _require_affordable(name, system, times)
        return STEPPERS[name], "as the case asks"
    s = system.at(times[0]).q * (times[-1] - times[0])
    if not system.piecewise and (s <= AFFORDABLE_PRODUCTS or system.grid.ndim == 1):
        return STEPPERS["magnus"], "the coefficients change with time"
    frames = max(1, len(times) - 1)
    krylov = FACTORISATION + KRYLOV_FRAME * frames
    if balanced:
        products = frames * chebyshev_products(s / frames)
        if system.affords_factors and products > max(krylov, frames * steps.KRYLOV_PRODUCTS):
            return STEPPERS["krylov"], _fewer_spaces(s, products, frames)
        return STEPPERS["exponential"], (
            f"detailed balance holds, so Chebyshev covers s = q t = {s:.3g} in few products"
        )
    if system.affords_factors and krylov < s:
        spare = "exponential" if s <= AFFORDABLE_PRODUCTS else "split"
        return replace(STEPPERS["krylov"], spare=spare), (
            f"{_fewer_spaces(s, s, frames)}; where one fails, the stepper {spare} takes over"
        )
    if s <= AFFORDABLE_PRODUCTS:
        return STEPPERS["exponential"], (
            f"s = q t = {s:.3g} is small enough for uniformization, which is positive and exact"
        )
    if system.autonomous and s > SPLIT_PRODUCTS:
        return STEPPERS["krylov"], _fewer_spaces(s, s, frames)
    return STEPPERS["split"], (
        f"without detailed balance s = q t = {s:.3g} products would be too many"
    )


def _fewer_spaces(s: float, products: float, frames: int) -> str:
    return (
        f"at s = q t = {s:.3g}, {products:.3g} products would cost more than {frames} Krylov spaces"
    )


def expected_products(name: str, system: System, times: Sequence[float]) -> float | None:
    """Products of the generator from the first to the last time; None where solves count."""
    generator = system.at(times[0])
    s = generator.q * (times[-1] - times[0])
    frames = max(1, len(times) - 1)
    if name == "explicit":
        return 3.0 * s
    plain = frames * uniformization_products(s / frames)
    short = frames * chebyshev_products(s / frames)
    if name == "uniformization":
        return plain
    if name == "chebyshev" or (name == "exponential" and generator.detailed_balance):
        return min(short, plain)
    return plain if name == "exponential" else None


def _require_affordable(name: str, system: System, times: Sequence[float]) -> None:
    """Refuse a stepper that takes too many products, before the first step.

    Where a Gibbs state may be reached early, the exponentials ask on their way.
    """
    products = expected_products(name, system, times)
    generator = system.at(times[0])
    resting = generator.detailed_balance and generator.closed and name != "explicit"
    if products is None or resting or (name == "exponential" and system.affords_factors):
        return
    require_affordable(products, generator.q * (times[-1] - times[0]), system.grid.size)
