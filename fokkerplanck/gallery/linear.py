"""Linear drift and constant tensor: Gaussians stay Gaussians, with moments in closed form.

d theta = -A theta dt + sqrt(2 Sigma/beta) dW has mean m' = -A m and covariance
C' = -A C - C A^T + 2 Sigma/beta (Risken, The Fokker-Planck Equation, section 6.5). A is the
Hessian of a quadratic loss, or not symmetric at all (rotation, heavy ball).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.linalg import expm, solve_continuous_lyapunov

from ..problem import Problem
from .record import ExactProblem, Points, gaussian
from .symbolic import AXIS_NAMES

# Below this fraction of the largest entry a current or an eigenvalue counts as rounding.
SINGULAR = 1e-12
N_EIGENVALUES = 10

P_HESSIAN = ((3.0, 0.8), (0.8, 1.0))
P_ANGLE = 0.4


def rotation(angle: float) -> np.ndarray:
    """Rotation matrix of the plane, (2, 2), counter-clockwise."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]])


def gaussian_moments(
    matrix: np.ndarray,
    diffusion: np.ndarray,
    mean: np.ndarray,
    covariance: np.ndarray,
) -> tuple[Callable[[float], np.ndarray], Callable[[float], np.ndarray]]:
    """Exact mean and covariance of d theta = -matrix theta dt + sqrt(2 diffusion) dW.

    The covariance obeys a linear ODE; with its constant term as one more unknown a single matrix
    exponential solves it, stable for every ``t`` and for singular or unstable matrices alike.

    Parameters
    ----------
    matrix, diffusion, covariance : (d, d) array
    mean : (d,) array

    Returns
    -------
    mean, covariance : callables of t
    """
    d = len(mean)
    identity = np.eye(d)
    system = np.zeros((d * d + 1, d * d + 1))
    system[:-1, :-1] = -(np.kron(matrix, identity) + np.kron(identity, matrix))
    system[:-1, -1] = 2.0 * diffusion.ravel()
    start = np.append(covariance.ravel(), 1.0)

    def mean_at(t: float) -> np.ndarray:
        return np.asarray(expm(-matrix * t) @ mean)

    def covariance_at(t: float) -> np.ndarray:
        flat = (expm(system * t) @ start)[:-1].reshape(d, d)
        return np.asarray(0.5 * (flat + flat.T))

    return mean_at, covariance_at


def linear_eigenvalues(matrix: np.ndarray, count: int = N_EIGENVALUES) -> tuple[complex, ...]:
    """Leading generator eigenvalues -(n . mu), n >= 0, mu the eigenvalues of a stable ``matrix``.

    Metafune, Pallara and Priola, J. Funct. Anal. 196 (2002) 40.
    """
    mu = np.linalg.eigvals(matrix)
    combinations = itertools.product(range(count), repeat=len(mu))
    values = [0.0 - complex(np.dot(n, mu)) for n in combinations]
    values.sort(key=lambda value: (-round(value.real, 9), -round(value.imag, 9)))
    return tuple(values[:count])


def ornstein_uhlenbeck(
    matrix: Any,
    sigma: Any,
    beta: float,
    mean: Any,
    covariance: Any,
    box: Mapping[str, Any] | Sequence[tuple[float, float]] | None = None,
    *,
    end: float = 1.0,
    name: str = "ornstein_uhlenbeck",
    source: str = "matrix exponential and Lyapunov equation",
    problem: Problem | None = None,
) -> ExactProblem:
    """Ornstein-Uhlenbeck process in one to three dimensions.

    Parameters
    ----------
    matrix : (d, d) array or float
        ``A`` of the drift ``-A theta``: the Hessian of a quadratic loss where symmetric.
    sigma : (d, d) array or float
        Positive semi-definite.
    beta : float
    mean, covariance : (d,) and (d, d) array, or floats
        Gaussian start; a zero covariance is a point source.
    box : mapping or sequence of (lower, upper), optional
        Domain; by default [-4, 4] per axis.
    end : float, optional
    name, source : str, optional
    problem : Problem, optional
        Stated otherwise by the caller (heavy ball), with this drift and tensor.

    Returns
    -------
    ExactProblem
    """
    matrix, sigma, covariance = (
        np.array(value, dtype=float, ndmin=2) for value in (matrix, sigma, covariance)
    )
    mean = np.atleast_1d(np.asarray(mean, dtype=float))
    d = len(mean)
    diffusion = sigma / beta
    if problem is None:
        ranges = box if box is not None else [(-4.0, 4.0)] * d
        if not isinstance(ranges, Mapping):
            ranges = dict(zip(AXIS_NAMES, ranges, strict=False))
        problem = _linear_problem(matrix, sigma, beta, ranges, name)
    mean_at, covariance_at = gaussian_moments(matrix, diffusion, mean, covariance)
    # The force -D^-1 A theta has a potential iff A D is symmetric.
    turning = matrix @ diffusion - (matrix @ diffusion).T
    balanced = bool(np.abs(turning).max() <= SINGULAR * np.abs(matrix @ diffusion).max())
    stable = bool(np.linalg.eigvals(matrix).real.min() > SINGULAR)

    def density(t: float, points: Points) -> np.ndarray:
        return gaussian(points, mean_at(t), covariance_at(t))

    stationary_density = None
    entropy_production = None
    if stable:
        limit = solve_continuous_lyapunov(matrix, 2.0 * diffusion)

        def stationary_density(points: Points) -> np.ndarray:
            return gaussian(points, np.zeros(d), limit)

        if np.linalg.cond(diffusion) < 1.0 / SINGULAR:
            entropy_production = float(
                np.trace(matrix.T @ np.linalg.solve(diffusion, matrix @ limit)) - np.trace(matrix)
            )
    return ExactProblem(
        name=name,
        problem=problem,
        end=end,
        source=source,
        start_mean=mean,
        start_covariance=covariance,
        detailed_balance=balanced,
        density=density,
        mean=mean_at,
        covariance=covariance_at,
        stationary_density=stationary_density,
        eigenvalues=linear_eigenvalues(matrix) if stable else (),
        entropy_production=entropy_production,
    )


def _linear_problem(
    matrix: np.ndarray, sigma: np.ndarray, beta: float, box: Mapping[str, Any], title: str
) -> Problem:
    axes = tuple(box)
    pairs = list(itertools.product(range(len(axes)), repeat=2))
    if np.array_equal(matrix, matrix.T):
        terms = (f"({0.5 * float(matrix[i, j])!r})*{axes[i]}*{axes[j]}" for i, j in pairs)
        return Problem(
            loss=" + ".join(terms), sigma=sigma.tolist(), beta=beta, domain=dict(box), title=title
        )
    drift = [
        " + ".join(f"({-float(entry)!r})*{axis}" for entry, axis in zip(row, axes, strict=True))
        for row in matrix
    ]
    return Problem(drift=drift, sigma=sigma.tolist(), beta=beta, domain=dict(box), title=title)


def ornstein_uhlenbeck_2d(k: float = 1.0) -> ExactProblem:
    """The reference transient P: quadratic loss, noise of condition number ``k`` at 0.4 rad."""
    turn = rotation(P_ANGLE)
    sigma = turn @ np.diag([1.0, 1.0 / k]) @ turn.T
    sigma = 0.5 * (sigma + sigma.T) if k != 1.0 else np.eye(2)
    return ornstein_uhlenbeck(
        P_HESSIAN,
        sigma,
        2.0,
        (1.5, -1.0),
        0.09 * np.eye(2),
        end=1.0,
        name=f"ornstein_uhlenbeck_2d({k:g})",
    )


def circulating_ornstein_uhlenbeck() -> ExactProblem:
    """Quadratic loss whose Hessian does not commute with Sigma: a stationary current.

    Covariance 2 D_ij/(a_i + a_j), eigenvalues -(n1 + 3 n2), entropy production rate 81/19.
    """
    return ornstein_uhlenbeck(
        [[1.0, 0.0], [0.0, 3.0]],
        [[1.0, 0.9], [0.9, 1.0]],
        1.0,
        (1.0, -0.5),
        0.09 * np.eye(2),
        [(-7.0, 7.0), (-5.0, 5.0)],
        end=1.0,
        name="circulating_ornstein_uhlenbeck",
    )


def quadratic_3d(condition: float = 10.0, beta: float = 2.0) -> ExactProblem:
    """Full 3-D tensor that commutes with the Hessian: detailed balance, Gibbs state.

    Hessian and Sigma share turned eigenvectors; Sigma has eigenvalues 1, ``condition**-0.5`` and
    ``1/condition``.
    """
    turn = np.eye(3)
    turn[:2, :2] = rotation(0.4)
    tilt = np.eye(3)
    tilt[1:, 1:] = rotation(0.7)
    vectors = turn @ tilt
    hessian = vectors @ np.diag([1.0, 1.5, 2.0]) @ vectors.T
    sigma = vectors @ np.diag([1.0, condition**-0.5, 1.0 / condition]) @ vectors.T
    return ornstein_uhlenbeck(
        0.5 * (hessian + hessian.T),
        0.5 * (sigma + sigma.T),
        beta,
        (0.5, -0.5, 0.3),
        0.16 * np.eye(3),
        [(-5.0, 5.0)] * 3,
        end=1.0,
        name=f"quadratic_3d({condition:g})",
    )


def heavy_ball(
    stiffness: float = 1.0, sigma: float = 1.0, friction: float = 1.0, beta: float = 4.0
) -> ExactProblem:
    """Momentum on a quadratic loss in the (x, v) plane; noise enters the velocity only.

    The matrix [[0, -1], [stiffness, friction]] is not symmetric; the stationary density is
    proportional to exp(-(beta/sigma) (Phi + v^2/2)).
    """
    spread = max(0.3, np.sqrt(sigma / beta), np.sqrt(sigma / (beta * stiffness)))
    half_width = 1.0 + 8.0 * float(spread)
    box = {"x": (-half_width, half_width), "v": (-half_width, half_width)}
    problem = Problem(
        loss=f"{0.5 * stiffness!r}*x**2",
        sigma=sigma,
        beta=beta,
        domain=box,
        friction=friction,
        title="heavy_ball",
    )
    return ornstein_uhlenbeck(
        [[0.0, -1.0], [stiffness, friction]],
        [[0.0, 0.0], [0.0, friction * sigma]],
        beta,
        (1.0, 0.0),
        0.09 * np.eye(2),
        name="heavy_ball",
        problem=problem,
    )


def point_source(end: float = 0.005) -> ExactProblem:
    """Pure diffusion from one point, tensor diag(0.2, 1) turned by 45 degrees.

    The hardest start for positivity; until the box is felt the answer is the free-space Gaussian.
    """
    turn = rotation(0.25 * np.pi)
    tensor = turn @ np.diag([0.2, 1.0]) @ turn.T
    return ornstein_uhlenbeck(
        np.zeros((2, 2)),
        0.5 * (tensor + tensor.T),
        1.0,
        (0.0, 0.0),
        np.zeros((2, 2)),
        [(-1.0, 1.0)] * 2,
        end=end,
        name="point_source",
        source="heat kernel of a constant tensor",
    )
