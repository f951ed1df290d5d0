"""Ornstein-Uhlenbeck processes seen through a change of variables.

x = g(y) of a linear process y is a process with state-dependent tensor G Sigma G^T, G = dg/dy,
a drift from Ito's formula, and the exact density N(y(x); m(t), C(t)) |dy/dx| at all times: a
transient with a full, turning tensor and constant-in-time coefficients, in closed form.
"""

from __future__ import annotations

import numpy as np
import sympy

from ..problem import Problem
from .linear import gaussian_moments
from .record import ExactProblem, Points, gaussian
from .symbolic import AXIS_NAMES, axis_symbols, formulas

SHEAR = 0.8
LINEAR_NAMES = ("p", "q", "r")
RATES = (1.0, 1.4, 1.8)


def mapped_ornstein_uhlenbeck(ndim: int = 2, beta: float = 4.0) -> ExactProblem:
    """Exact transient under a tensor that varies with the position, with detailed balance.

    In 1-D x = sinh(y), hence Sigma = 1 + x^2; in 2-D and 3-D each axis is sheared by the sine of
    the next, x_i = y_i + 0.8 sin(y_{i+1}), which keeps volumes. The linear process has
    rates 1, 1.4, 1.8 and unit noise, so that exp(-(beta/2) sum_i rate_i y_i(x)^2) is stationary.

    Parameters
    ----------
    ndim : int
        1, 2 or 3.
    beta : float

    Raises
    ------
    ValueError
        For any other ``ndim``.
    """
    if ndim not in (1, 2, 3):
        raise ValueError(f"ndim = {ndim} is not possible; give 1, 2 or 3")
    names = AXIS_NAMES[:ndim]
    x, y = axis_symbols(names), axis_symbols(LINEAR_NAMES[:ndim])
    rates = np.array(RATES[:ndim])
    if ndim == 1:
        forward, inverse = [sympy.sinh(y[0])], [sympy.asinh(x[0])]
    else:
        forward = [y[i] + SHEAR * sympy.sin(y[i + 1]) for i in range(ndim - 1)] + [y[-1]]
        inverse = [x[-1]]
        for i in reversed(range(ndim - 1)):
            inverse.insert(0, x[i] - SHEAR * sympy.sin(inverse[0]))
    back = dict(zip(y, inverse, strict=True))
    jacobian = sympy.Matrix(forward).jacobian(y)
    # Ito: dx = (G b + (1/beta) Laplace_y g) dt + G sqrt(2/beta) dW, b_i = -rate_i y_i.
    drift = [
        sum(
            -float(rate) * y[j] * sympy.diff(entry, y[j]) + sympy.diff(entry, y[j], 2) / beta
            for j, rate in enumerate(rates)
        ).subs(back)
        for entry in forward
    ]
    tensor = (jacobian * jacobian.T).subs(back)
    if ndim == 1:
        tensor = sympy.Matrix([[1 + x[0] ** 2]])
    problem = Problem(
        drift=[str(entry) for entry in drift],
        sigma=formulas(tensor),
        beta=beta,
        domain={name: (-20.0, 20.0) if ndim == 1 else (-4.5, 4.5) for name in names},
        title="mapped_ornstein_uhlenbeck",
    )
    start_mean = np.array([0.6, -0.4, 0.3])[:ndim]
    start_covariance = 0.06 * np.eye(ndim)
    identity = np.eye(ndim)
    mean, covariance = gaussian_moments(
        np.diag(rates), identity / beta, start_mean, start_covariance
    )
    inverse_at = sympy.lambdify(x, inverse, "numpy")

    def pulled_back(points: Points, center: np.ndarray, spread: np.ndarray) -> np.ndarray:
        values = gaussian(inverse_at(*points), center, spread)
        # The shears keep volumes; sinh does not.
        return values / np.sqrt(1.0 + np.square(points[0])) if ndim == 1 else values

    def density(t: float, points: Points) -> np.ndarray:
        return pulled_back(points, mean(t), covariance(t))

    def stationary_density(points: Points) -> np.ndarray:
        return pulled_back(points, np.zeros(ndim), np.diag(1.0 / (beta * rates)))

    return ExactProblem(
        name=f"mapped_ornstein_uhlenbeck({ndim})",
        problem=problem,
        end=0.5,
        source="Ito's formula applied to an Ornstein-Uhlenbeck process",
        start_mean=start_mean,
        start_covariance=start_covariance,
        detailed_balance=True,
        density=density,
        stationary_density=stationary_density,
        eigenvalues=(0.0, -RATES[0]),
        entropy_production=0.0,
    )
