"""State-dependent tensors built backwards from the answer.

With velocity b = drift - div(Sigma)/beta and D = Sigma/beta, (48) of the review reads
d rho/dt = -div(b rho - D grad rho). Choosing b = -Sigma grad Phi~ makes exp(-beta Phi~) stationary
without current for any positive Sigma, (50); derivatives are exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sympy

from ..problem import Problem
from .record import ExactProblem, Points, stationary_normalizer
from .symbolic import (
    AXIS_NAMES,
    axis_symbols,
    divergence,
    formulas,
    gradient,
    parse,
    turning_tensor,
)

# Midpoint rule, spectral for these densities.
QUADRATURE_CELLS = {1: 2048, 2: 512, 3: 80}
ROTATING_WELLS = {
    1: "(x**2 - 1)**2/2",
    2: "(x**2 - 1)**2/2 + y**2 + 0.3*x*y",
    3: "(x**2 - 1)**2/2 + y**2 + z**2 + 0.3*x*y - 0.2*y*z",
}
PERIODIC = {"range": (-np.pi, np.pi), "boundary": "periodic"}


def detailed_balance(
    quasi_potential: str,
    sigma: Sequence[Sequence[str]],
    beta: float,
    domain: Mapping[str, Any],
    *,
    name: str = "detailed_balance",
    start_mean: Sequence[float] | None = None,
) -> ExactProblem:
    """Problem whose stationary density is exp(-beta Phi~) without current, for any Sigma.

    The loss is Phi~; the extra drift f gives grad Phi - f = Sigma grad Phi~ - div(Sigma)/beta.

    Parameters
    ----------
    quasi_potential : str
        Phi~, a formula in the axis names.
    sigma : nested sequence of str
        Symmetric, positive definite on the domain.
    beta : float
    domain : mapping
        As for Problem; the density must vanish at its sides or the sides be periodic.
    name : str, optional
    start_mean : sequence of float, optional
        Center of a Gaussian start of standard deviation 0.3; by default the origin.

    Returns
    -------
    ExactProblem
    """
    symbols = axis_symbols(tuple(domain))
    tensor = sympy.Matrix([[parse(entry, symbols) for entry in row] for row in sigma])
    well = parse(quasi_potential, symbols)
    slope = gradient(well, symbols)
    extra = slope - tensor * slope + divergence(tensor, symbols) / beta
    problem = Problem(
        loss=str(well),
        drift=[str(entry) for entry in extra],
        sigma=formulas(tensor),
        beta=beta,
        domain=dict(domain),
        title=name,
    )
    d = problem.ndim
    well_at = sympy.lambdify(symbols, well, "numpy")

    def weight(points: Points) -> np.ndarray:
        return np.exp(-beta * well_at(*points))

    return ExactProblem(
        name=name,
        problem=problem,
        end=1.0,
        source="(50) of the review with the extra drift solved for",
        start_mean=np.zeros(d) if start_mean is None else np.asarray(start_mean, dtype=float),
        start_covariance=0.09 * np.eye(d),
        detailed_balance=True,
        stationary_density=stationary_normalizer(weight, problem.grid(QUADRATURE_CELLS[d])),
        entropy_production=0.0,
    )


def rotating_tensor(ndim: int = 2, condition: float = 10.0, beta: float = 2.0) -> ExactProblem:
    """Two-well landscape under a full tensor whose axes turn with the position.

    Parameters
    ----------
    ndim : int
        1 (a varying scalar), 2 or 3.
    condition : float
        Largest over smallest eigenvalue of Sigma, the same everywhere.
    beta : float
    """
    if ndim not in ROTATING_WELLS:
        raise ValueError(f"ndim = {ndim} is not possible; give 1, 2 or 3")
    return detailed_balance(
        ROTATING_WELLS[ndim],
        formulas(turning_tensor(ndim, condition)),
        beta,
        {axis: (-4.0, 4.0) for axis in AXIS_NAMES[:ndim]},
        name=f"rotating_tensor({ndim}, {condition:g})",
        start_mean=(-1.0,) + (0.0,) * (ndim - 1),
    )


def gibbs_noise(
    loss: str = "0.5*cos(x)*cos(y) + 0.3*sin(x)",
    strength: Sequence[Sequence[float]] = ((0.5, 0.3), (0.3, 0.4)),
    beta: float = 2.0,
    domain: Mapping[str, Any] | None = None,
) -> ExactProblem:
    """Sigma = I + S exp(beta Phi): anisotropic, yet the Gibbs state is exp(-beta Phi) itself.

    Shows that the quasi-potential may equal the loss for a tensor that is not isotropic. Periodic
    by default, since the tensor grows where the density falls.

    Parameters
    ----------
    loss : str
        Phi in the axis names.
    strength : (d, d) nested sequence
        S, constant and symmetric, such that Sigma stays positive.
    beta : float
    domain : mapping, optional
    """
    box = dict(domain) if domain is not None else {"x": PERIODIC, "y": PERIODIC}
    growth = f"exp({beta!r}*({loss}))"
    sigma = [
        [f"{float(i == j)!r} + ({float(entry)!r})*{growth}" for j, entry in enumerate(row)]
        for i, row in enumerate(strength)
    ]
    problem = Problem(loss=loss, sigma=sigma, beta=beta, domain=box, title="gibbs_noise")

    def weight(points: Points) -> np.ndarray:
        return np.exp(-beta * problem.loss_at(points))

    d = problem.ndim
    return ExactProblem(
        name="gibbs_noise",
        problem=problem,
        end=1.0,
        source="(50) of the review: (Sigma - I) grad Phi = div(Sigma)/beta",
        start_mean=np.zeros(d),
        start_covariance=0.09 * np.eye(d),
        detailed_balance=True,
        stationary_density=stationary_normalizer(weight, problem.grid(QUADRATURE_CELLS[d])),
        entropy_production=0.0,
    )
