"""The table of schemes in space, each with its declared order and guarantees, and the choice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..errors import CaseError, NumericalFailure
from ..operators.regularity import irregularity
from ..semi_lagrangian.choice import deficiency, require_stencils
from ..spectrum.reversible import time_to_rest
from .exponential import CALL_CELLS, require_affordable
from .flux_correction import Activity
from .flux_integrator import FluxIntegrator, expected_products
from .integrator import Integrator, StepIntegrator
from .semi_lagrangian import SemiLagrangianIntegrator
from .steppers import choose_stepper
from .system import System

# Fewer cells than this along an axis leave hardly a place for the stencils of order 6.
FEWEST_CELLS = 16
# Above this many products of the high-order operator, times cells, the other scheme is the better
# bargain: about ten seconds.
AFFORDABLE_WORK = 1.5e9


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
        Scheme(
            "semi-lagrangian",
            order=6,
            side_order=1,
            positive=True,
            gibbs_exact=False,
            entropy_decaying=False,
            summary="characteristics of drift and noise, remeshed with six exact moments",
        ),
    )
}
SCHEMES = ("auto", *SCHEME_TABLE)
# Those that are no generator for a stepper to move on.
OWN_STEPS = ("high-order", "semi-lagrangian")


class SchemeIntegrator(Integrator, Protocol):
    """What advances a density: one of `make_integrator`."""

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
    if scheme in OWN_STEPS and stepper != "auto":
        raise CaseError(
            f"{stepper!r} does not go with the scheme {scheme}, which brings its own steps; "
            "leave it at auto",
            "density.stepper",
        )


def choose_scheme(
    name: str, stepper: str, system: System, times: Sequence[float]
) -> tuple[Scheme, str]:
    """The scheme of that name, or for "auto" the one with the smaller error, and why.

    High order is the more accurate one for any density, smooth or not, also at reflecting and
    absorbing sides, where both are of order 2. The other one is taken where high order cannot be
    had, or costs too much.

    Parameters
    ----------
    name : str
        One of ``SCHEMES``.
    stepper : str
        A stepper that is named belongs to the scheme scharfetter-gummel.
    system : System
    times : increasing floats
        Output times.

    Raises
    ------
    CaseError
        See :func:`check_scheme`.
    """
    check_scheme(name, stepper)
    if name == "semi-lagrangian":
        require_stencils(system.grid)
    if name != "auto":
        rough = irregularity(system.problem, system.grid, times[0]) if name == "high-order" else ""
        return SCHEME_TABLE[name], "as the case asks" + (f", though {rough}" if rough else "")
    low, high = SCHEME_TABLE["scharfetter-gummel"], SCHEME_TABLE["high-order"]
    obstacle = _obstacle(stepper, system, times)
    if obstacle:
        # It costs some ten times as much, so it is left to whoever wants it.
        if stepper == "auto" and deficiency(system.problem, system.grid, times):
            obstacle += '; density.scheme = "semi-lagrangian" is more accurate, and slower'
        return low, obstacle
    return high, "its error is the smaller one"


def _obstacle(stepper: str, system: System, times: Sequence[float]) -> str:
    """Why high order cannot be had, or would not pay, or nothing."""
    grid, problem = system.grid, system.problem
    if stepper != "auto":
        return f"the stepper {stepper} belongs to it"
    if any(problem.noiseless):
        return "an axis carries no noise"
    if min(grid.shape) < FEWEST_CELLS:
        return f"the scheme high-order needs {FEWEST_CELLS} cells along every axis"
    if system.at(times[0]).rates.raised:
        return "the noise covariance is close to singular"
    rough = irregularity(problem, grid, times[0])
    if rough:
        return f"{rough}, where the order of the scheme high-order drops"
    products = expected_products(system, times)
    if products * (grid.size + CALL_CELLS) > AFFORDABLE_WORK:
        return f"the scheme high-order would take {products:.2g} products of its operator"
    return ""


def make_integrator(
    scheme: Scheme,
    stepper: str,
    system: System,
    times: Sequence[float],
    rtol: float,
) -> tuple[SchemeIntegrator, str, str]:
    """What advances the density by a scheme, the name of its stepper, and why that one.

    Parameters
    ----------
    scheme : Scheme
    stepper : str
        "auto" or a key of ``STEPPERS``.
    system : System
    times : increasing floats
    rtol : float
    """
    horizon = times[-1] - times[0]
    system.watch(times[0], times[-1])
    if scheme.name == "high-order":
        _require_affordable(system, times)
        rest = gibbs(system)
        flat = None if rest is None else np.ascontiguousarray(rest).reshape(-1)
        how = (
            "exponentials of the operator, by Chebyshev polynomials"
            if system.autonomous
            else "commutator-free exponentials of order 4"
        )
        return FluxIntegrator(system, rtol, horizon, flat), "flux-corrected", how
    if scheme.name == "semi-lagrangian":
        how = "steps of order 2, two of half the length against one, extrapolated to order 4"
        return SemiLagrangianIntegrator(system, rtol, horizon), "ninomiya-victoir", how
    chosen, reason = choose_stepper(stepper, system, times)
    return StepIntegrator(system, chosen, rtol, horizon), chosen.name, reason


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
