"""Walkers of SGD beside the densities of its diffusions, in one dimension over eta and |B|."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from scipy.optimize import brentq

import fokkerplanck as fp
from fokkerplanck.particles import Gaussian, ensemble
from fokkerplanck.problem import DataModel
from fokkerplanck.validation import cell_masses, error_budget

from .diffusion_moments import EQUATIONS
from .machine import ROOT

# Output times over 1/lambda; rates 0.1 2^k divide them.
TIMES = {"early": 1.6, "late": 6.4}
CELLS = 2048


@dataclass(frozen=True)
class Setup:
    """One learning rate and batch size.

    Attributes
    ----------
    problem : Problem
    start : Gaussian
    method : str
        How walkers move.
    curvature : float
        At the minimum: lambda.
    skewness : float
        Total variation that the skewness of a batch's gradient makes at rest.
    overshoot : float
        eta lambda beyond which steps overshoot where the loss is most curved.
    """

    problem: fp.Problem
    start: Gaussian
    method: str
    curvature: float
    skewness: float
    overshoot: float


@cache
def iris_model() -> tuple[DataModel, float]:
    """Logistic regression with one parameter, versicolor or virginica by the sepals' length."""
    whole = fp.load_case(ROOT / "cases" / "logistic_regression.toml").problem.model
    assert whole is not None
    x, y = whole.features[50:, 0], whole.targets[50:]
    model = DataModel("logistic_regression", (x - x.mean()) / x.std(), y)
    return model, brentq(lambda w: float(model.gradient([w])[0]), -9.0, 9.0)


def irises(rate: float, batch: int) -> Setup:
    """Real mini-batches, from a start away from the minimum."""
    model, minimum = iris_model()
    curvature = float(model.hessian([minimum])[0, 0])
    eta = rate / curvature
    # Ten standard deviations, the exponential tails of strong noise, and the jumps of steps that
    # are too large for the curvature away from the minimum.
    spread = np.sqrt(eta * float(model.sigma([minimum])[0, 0]) / (2.0 * curvature * batch))
    half = max(2.0, 10.0 * spread, 10.0 * eta / batch, 1.5 * eta)
    problem = fp.Problem(
        model,
        "minibatch",
        domain={"slope": (minimum - half, minimum + half)},
        batch_size=batch,
        learning_rate=eta,
    )
    start = Gaussian(np.array([minimum - 0.8]), np.array([[0.04]]))
    skewness = skew_distance(model.sample_gradients([minimum])[:, 0], curvature, eta, batch)
    # The logistic loss is most curved at 0.
    overshoot = 2.0 * curvature / model.largest_curvature([np.zeros(1)])
    return Setup(problem, start, "sgd", curvature, skewness, overshoot)


def double_well(rate: float, batch: int) -> Setup:
    """Gaussian noise in the right-hand well of x^4/4 - x^2/2, from three deviations aside."""
    curvature, minimum = 2.0, 1.0
    eta = rate / curvature
    spread = np.sqrt(eta / (2.0 * curvature * batch))
    problem = fp.Problem(
        "x**4/4 - x**2/2",
        domain={"x": (max(-3.0, minimum - 14.0 * spread), min(3.0, minimum + 14.0 * spread))},
        batch_size=batch,
        learning_rate=eta,
    )
    start = Gaussian(np.array([minimum - 3.0 * spread]), np.array([[spread**2]]))
    return Setup(problem, start, "sgd-gaussian", curvature, 0.0, 2.0)


STUDIES: dict[str, Callable[[float, int], Setup]] = {"irises": irises, "double well": double_well}


def walker_records(
    study: str, rates: Sequence[float], batches: Sequence[int], particles: int
) -> list[dict[str, Any]]:
    """Total variation between walkers and the three densities."""
    rows = []
    for batch, rate in product(batches, rates):
        setup = STUDIES[study](rate, batch)
        problem, curvature = setup.problem, setup.curvature
        grid, coarse = problem.grid(CELLS), problem.grid(CELLS // 2)
        walkers = ensemble(
            problem,
            grid,
            setup.start,
            [0.0, *(time / curvature for time in TIMES.values())],
            method=setup.method,
            particles=particles,
            open_sides=True,
        )
        for equation, modify in EQUATIONS.items():
            masses = densities(modify(problem), grid, setup.start, walkers.time)
            halved = densities(modify(problem), coarse, setup.start, walkers.time)
            for k, when in enumerate(TIMES, start=1):
                budget = error_budget(grid, walkers.counts[k], masses[k], particles)
                change = np.abs(masses[k].reshape(-1, 2).sum(axis=1) - halved[k]).sum() / 2.0
                rows.append(
                    {
                        "study": study,
                        "batch": batch,
                        "rate": rate,
                        "equation": equation,
                        "when": when,
                        "time": float(walkers.time[k]) * curvature,
                        "total_variation": budget.total_variation,
                        "floor": budget.expected_total_variation,
                        "bins": budget.bins,
                        # Order 2: a third of the change remains.
                        "grid_error": float(change) / 3.0,
                        "outside": int(walkers.outside[k]),
                        "lost": int(walkers.lost[k]),
                        "beta": problem.beta,
                        "overshoot": setup.overshoot,
                        "skewness": setup.skewness,
                    }
                )
    return rows


def densities(
    problem: fp.Problem, grid: fp.Grid, start: Gaussian, times: np.ndarray
) -> list[np.ndarray]:
    """Masses of the cells at the times of the walkers."""
    first = np.exp(-0.5 * (grid.points[0] - start.mean[0]) ** 2 / start.covariance[0, 0])
    first /= grid.integrate(first)
    return [cell_masses(grid, rho) for rho in fp.evolve(problem, grid, first, times).density.values]


def skew_distance(gradients: np.ndarray, curvature: float, eta: float, batch: int) -> float:
    """Total variation at rest that the skewness of a batch's gradient alone makes, to first order.

    Linearised at the minimum, each iteration adds -eta^3 E[g^3]/|B|^2 to the third moment, which
    decays with the rate 3 lambda, and no diffusion knows of it. A skewness s turns a Gaussian into
    (1 + s He_3/6) times itself, and E|He_3| = (2 + 8 exp(-3/2))/sqrt(2 pi).
    """
    variance = eta * np.mean(gradients**2) / (2.0 * curvature * batch)
    third = eta**2 * np.mean(gradients**3) / (3.0 * curvature * batch**2)
    distance = (2.0 + 8.0 * np.exp(-1.5)) / np.sqrt(2.0 * np.pi) / 12.0
    return float(abs(third) / variance**1.5 * distance)
