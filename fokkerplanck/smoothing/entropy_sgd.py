"""Entropy-SGD (69)-(70): a fast walker z around a slow one theta.

dz = -[grad Phi(z) + gamma (z - theta)] dt/tau + sqrt(noise/tau) dW, d theta = gamma (z - theta) dt.
With noise = 2 the fast walker samples the integrand of (66), so that for a small time scale tau
theta follows the gradient flow of local entropy, d theta/dt = gamma (<z> - theta).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..domain import Domain
from ..errors import CaseError
from ..problem import Problem

# Steps of the walkers per fast time tau/(gamma + curvature).
STEPS = 25.0


@dataclass(frozen=True)
class SlowWalkers:
    """Places of theta at the output times.

    Attributes
    ----------
    time : (n,) float64
    mean, variance : (n, d) float64
        Over the walkers.
    final : (particles, d) float64
        Theta at the end.
    """

    time: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    final: np.ndarray


def entropy_sgd_problem(
    problem: Problem,
    gamma: float,
    time_scale: float,
    fast: tuple[float, float] | None = None,
    noise: float = 2.0,
) -> Problem:
    """The density of (z, theta) for one parameter, as a problem in two axes.

    Parameters
    ----------
    problem : Problem
        In one axis, with a loss; theta keeps its range, and both walkers' sides reflect.
    gamma, time_scale, noise : float
        gamma, tau and eps of (69)-(70), all > 0.
    fast : pair of float, optional
        Range of z; that of theta where left out.

    Returns
    -------
    Problem
        Axes ``z`` and that of the problem, without a loss, beta = 1.

    Raises
    ------
    CaseError
        For more axes, or numbers that are not positive.
    """
    _require_positive(gamma, time_scale, noise)
    if problem.ndim != 1 or problem.friction is not None or not problem.has_loss:
        raise CaseError("has a density in two axes for one parameter with a loss", "smoothing")
    (axis,) = problem.domain.axes
    if axis.name == "z":
        raise CaseError("is the fast walker's name; call the parameter something else", "domain.z")
    lower, upper = fast or (axis.lower, axis.upper)

    def drift(z: np.ndarray, theta: np.ndarray) -> np.ndarray:
        pull = gamma * (z - theta)
        force = problem.gradient_at([z])[0] + np.zeros_like(pull)
        return np.stack([-(force + pull) / time_scale, pull])

    return Problem(
        sigma=[[0.5 * noise / time_scale, 0.0], [0.0, 0.0]],
        beta=1.0,
        domain=Domain.from_mapping(
            {"z": {"range": (lower, upper)}, axis.name: {"range": (axis.lower, axis.upper)}}
        ),
        drift=drift,
    )


def entropy_sgd_walkers(
    problem: Problem,
    gamma: float,
    time_scale: float,
    start: np.ndarray,
    times: Sequence[float],
    *,
    seed: int,
    noise: float = 2.0,
    step: float | None = None,
    progress: Callable[[float], object] | None = None,
) -> SlowWalkers:
    """Walkers of (69)-(70) in any number of parameters, by Euler-Maruyama (weak order 1).

    Parameters
    ----------
    problem : Problem
        Its loss gives the force; sigma and beta play no part.
    gamma, time_scale, noise : float
    start : (particles, d) ndarray
        theta and z at t = 0.
    times : increasing floats from 0
    seed : int
    step : float, optional
        Largest time step; 1/25 of the fast time tau/(gamma + |H|) at the start where left out.
    progress : callable, optional
        Called with the time reached.

    Raises
    ------
    CaseError
        For numbers that are not positive.
    """
    _require_positive(gamma, time_scale, noise)
    random = np.random.default_rng(seed)
    slow = np.array(start, dtype=float)
    fast = slow.copy()
    if step is None:
        curvature = np.abs(problem.hessian_at(list(slow.T))).sum(axis=0).max()
        step = time_scale / (STEPS * (gamma + float(curvature)))
    mean, variance = [slow.mean(axis=0)], [slow.var(axis=0)]
    for before, after in itertools.pairwise(times):
        count = max(1, math.ceil((after - before) / step))
        h = (after - before) / count
        kick = math.sqrt(noise * h / time_scale)
        for _ in range(count):
            pull = gamma * (fast - slow)
            force = problem.gradient_at(list(fast.T)).T
            slow = slow + h * pull
            fast = fast - (h / time_scale) * (force + pull)
            fast += kick * random.standard_normal(fast.shape)
        mean.append(slow.mean(axis=0))
        variance.append(slow.var(axis=0))
        if progress is not None:
            progress(after)
    return SlowWalkers(np.array(times, dtype=float), np.array(mean), np.array(variance), slow)


def gradient_flow(
    slope: Callable[[np.ndarray], np.ndarray], start: np.ndarray, times: Sequence[float]
) -> np.ndarray:
    """d theta/dt = -slope(theta) from ``start`` (d,) at ``times`` (n,); shape (n, d).

    The limit of Entropy-SGD for a small time scale, with the slope of local entropy.
    """
    from scipy.integrate import solve_ivp

    found = solve_ivp(
        lambda _, x: -slope(x), (times[0], times[-1]), start, t_eval=times, rtol=1e-9, atol=1e-11,
        method="LSODA",
    )  # fmt: skip
    return np.asarray(found.y.T)


def _require_positive(gamma: float, time_scale: float, noise: float) -> None:
    for key, value in (("gamma", gamma), ("time_scale", time_scale), ("noise", noise)):
        if not (math.isfinite(value) and value > 0.0):
            raise CaseError(f"{value:g} is not allowed; give a number > 0", f"smoothing.{key}")
