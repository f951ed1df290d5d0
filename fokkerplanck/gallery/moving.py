"""Coefficients that depend on time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sympy
from scipy.integrate import solve_ivp

from ..problem import Problem
from ..problem.expressions.names import TIME
from .record import ExactProblem, Points, gaussian, stationary_normalizer
from .symbolic import (
    AXIS_NAMES,
    axis_symbols,
    divergence,
    formulas,
    gradient,
    parse,
    turning_tensor,
)

MOMENT_RTOL = 1e-13
MOMENT_ATOL = 1e-15

QUADRATURE_CELLS = {1: 2048, 2: 512, 3: 80}
TRAVELLING_WELLS = {
    1: "(x**2 - 1)**2/2",
    2: "(x**2 - 1)**2/2 + y**2",
    3: "(x**2 - 1)**2/2 + y**2 + z**2",
}
PATH_AMPLITUDE = 0.5
PATH_FREQUENCY = 2.0


def cross_diffusion() -> ExactProblem:
    """Gaussian under a drift and a correlation that both change with time.

    dX_i = -th_i(t) X_i dt + noise of covariance rate C(t), th = (1.5 + 0.25 sin t,
    1.5 + 0.25 cos 0.8 t), C = [[1, r], [r, 1]], r = 0.8 + 0.1 cos 0.7 t. Moments by their ODE at
    a relative tolerance of 1e-13; published at t = 0.3 (Itkin, arXiv 2606.23980).
    """
    problem = Problem(
        loss="0.5*((1.5 + 0.25*sin(t))*x**2 + (1.5 + 0.25*cos(0.8*t))*y**2)",
        sigma=[["1", "0.8 + 0.1*cos(0.7*t)"], ["0.8 + 0.1*cos(0.7*t)", "1"]],
        # The covariance rate is 2 Sigma/beta.
        beta=2.0,
        domain={"x": (-6.0, 6.0), "y": (-6.0, 6.0)},
        title="cross_diffusion",
    )

    def rates(t: float) -> np.ndarray:
        return np.array([1.5 + 0.25 * np.sin(t), 1.5 + 0.25 * np.cos(0.8 * t)])

    def covariance_rate(t: float) -> np.ndarray:
        r = 0.8 + 0.1 * np.cos(0.7 * t)
        return np.array([[1.0, r], [r, 1.0]])

    start_mean, start_covariance = np.array([1.0, -1.0]), 0.5 * np.eye(2)
    moments = diagonal_moments(rates, covariance_rate, start_mean, start_covariance)

    def density(t: float, points: Points) -> np.ndarray:
        return gaussian(points, *moments(t))

    return ExactProblem(
        name="cross_diffusion",
        problem=problem,
        end=0.3,
        source="Itkin, arXiv 2606.23980; moment equations",
        start_mean=start_mean,
        start_covariance=start_covariance,
        detailed_balance=False,
        density=density,
        mean=lambda t: moments(t)[0],
        covariance=lambda t: moments(t)[1],
        numbers={
            "mean_x": 0.63054807,
            "mean_y": -0.59198021,
            "covariance_xx": 0.39402383,
            "covariance_xy": 0.17125987,
            "covariance_yy": 0.36113056,
        },
    )


def diagonal_moments(
    rates: Callable[[float], np.ndarray],
    covariance_rate: Callable[[float], np.ndarray],
    mean: np.ndarray,
    covariance: np.ndarray,
) -> Callable[[float], tuple[np.ndarray, np.ndarray]]:
    """Moments of dX_i = -rates_i(t) X_i dt + noise of covariance ``covariance_rate(t) dt``.

    Parameters
    ----------
    rates : callable t -> (d,)
    covariance_rate : callable t -> (d, d)
    mean, covariance : (d,) and (d, d) array
        At time zero.

    Returns
    -------
    callable t -> (mean, covariance)
        Integrated by an explicit Runge-Kutta method of order 8.
    """
    d = len(mean)
    start = np.concatenate([mean, covariance.ravel()])

    def slope(t: float, state: np.ndarray) -> np.ndarray:
        rate = rates(t)
        change = covariance_rate(t) - np.add.outer(rate, rate) * state[d:].reshape(d, d)
        return np.concatenate([-rate * state[:d], change.ravel()])

    def moments(t: float) -> tuple[np.ndarray, np.ndarray]:
        if t == 0.0:
            return mean.copy(), covariance.copy()
        solution = solve_ivp(
            slope, (0.0, t), start, method="DOP853", rtol=MOMENT_RTOL, atol=MOMENT_ATOL
        )
        state = solution.y[:, -1]
        return state[:d], state[d:].reshape(d, d)

    return moments


def travelling_well(ndim: int = 2, condition: float = 10.0, beta: float = 2.0) -> ExactProblem:
    """Density that moves as a whole, exp(-beta W(x - s(t))), under a turning tensor.

    The velocity b = s'(t) e_1 - Sigma grad W(x - s(t)) carries any W exactly, whatever Sigma: a
    transient that is neither Gaussian nor stationary, with time-dependent coefficients.
    W has two wells along the first axis, s = 0.5 sin(2 t).

    Parameters
    ----------
    ndim : int
        1, 2 or 3.
    condition : float
        Largest over smallest eigenvalue of Sigma.
    beta : float
    """
    tensor = turning_tensor(ndim, condition)
    symbols = axis_symbols(AXIS_NAMES[:ndim])
    time = TIME
    path = PATH_AMPLITUDE * sympy.sin(PATH_FREQUENCY * time)
    well = parse(TRAVELLING_WELLS[ndim], symbols)
    moved = well.subs(symbols[0], symbols[0] - path)
    drift = -tensor * gradient(moved, symbols) + divergence(tensor, symbols) / beta
    drift[0] += sympy.diff(path, time)
    problem = Problem(
        drift=[str(entry) for entry in drift],
        sigma=formulas(tensor),
        beta=beta,
        domain={name: (-4.5, 4.5) for name in AXIS_NAMES[:ndim]},
        title="travelling_well",
    )
    well_at = sympy.lambdify(symbols, well, "numpy")

    def weight(points: Points) -> np.ndarray:
        return np.exp(-beta * well_at(*points))

    still = stationary_normalizer(weight, problem.grid(QUADRATURE_CELLS[ndim]))

    def density(t: float, points: Points) -> np.ndarray:
        shift = PATH_AMPLITUDE * np.sin(PATH_FREQUENCY * t)
        return still([points[0] - shift, *points[1:]])

    return ExactProblem(
        name=f"travelling_well({ndim}, {condition:g})",
        problem=problem,
        end=0.5,
        source="manufactured: rigid motion of a Gibbs state",
        start_mean=np.zeros(ndim),
        start_covariance=np.eye(ndim),
        detailed_balance=False,
        density=density,
        mean=lambda t: np.append(PATH_AMPLITUDE * np.sin(PATH_FREQUENCY * t), np.zeros(ndim - 1)),
    )
