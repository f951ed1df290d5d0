"""Walkers against laws that are known exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from measures import compiled_only
from scipy.interpolate import CubicSpline
from scipy.linalg import expm, solve_continuous_lyapunov

import fokkerplanck as fp
from fokkerplanck.particles import METHODS, Gaussian, ensemble
from fokkerplanck.particles.weights import symmetric_weights
from fokkerplanck.problem.models import DataModel

pytestmark = compiled_only

WIDE = {"x": (-6, 6), "y": (-6, 6)}
KINDS = ("linear_regression", "logistic_regression", "tanh_neuron")
RATE, BATCH = 0.2, 4


def spread_of(covariance: np.ndarray, particles: int) -> np.ndarray:
    """Standard errors of a normal sample's covariances."""
    variances = np.diag(covariance)
    return np.sqrt((np.outer(variances, variances) + covariance**2) / particles)


def data(kind: str = "linear_regression") -> DataModel:
    rng = np.random.default_rng(20263)
    x = rng.standard_normal((24, 2)) * (1.0, 0.6)
    y = x @ (0.7, -0.4) + 0.3 * rng.standard_normal(24)
    if kind == "tanh_neuron":
        return DataModel(kind, x[:, :1], np.tanh(x[:, 0]) + 0.3 * y, l2=0.1)
    return DataModel(kind, x, y if kind == "linear_regression" else (y > 0.0) * 1.0, l2=0.1)


def of_data(model: DataModel, **more: object) -> fp.Problem:
    return fp.Problem(model, "minibatch", batch_size=BATCH, learning_rate=RATE, domain=WIDE, **more)


def test_ornstein_uhlenbeck_in_time() -> None:
    hessian = np.array([[3.0, 0.8], [0.8, 1.0]])
    sigma = np.array([[1.0, 0.3], [0.3, 0.5]])
    problem = fp.Problem("0.5*(3*x**2 + 1.6*x*y + y**2)", sigma, 2.0, WIDE)
    start = Gaussian(np.array([1.5, -1.0]), 0.09 * np.eye(2))
    particles = 200_000
    found = ensemble(
        problem,
        problem.grid(32),
        start,
        [0.0, 0.3, 1.0],
        method="weak-2",
        step=0.01,
        particles=particles,
    )
    rest = solve_continuous_lyapunov(hessian, 2.0 * sigma / problem.beta)
    for time, mean, covariance in zip(found.time, found.mean, found.covariance, strict=True):
        flow = expm(-hessian * time)
        exact = rest + flow @ (start.covariance - rest) @ flow.T
        error = np.sqrt(np.diag(exact) / particles)
        assert (np.abs(mean - flow @ start.mean) < 4.0 * error).all()
        assert (np.abs(covariance - exact) < 4.0 * spread_of(exact, particles)).all()


def moment_errors(method: str, steps: list[int], particles: int) -> list[float]:
    """Largest error of second moments for d x = -x dt + noise of Sigma = I + x x^T, beta = 2.

    d M/dt = -2 M + (I + M): M(1) = I + (M(0) - I)/e.
    """
    problem = fp.Problem(
        "0.5*(x**2 + y**2)",
        [["1 + x**2", "x*y"], ["x*y", "1 + y**2"]],
        2.0,
        {"x": (-90, 90), "y": (-90, 90)},
    )
    place = np.array([2.0, -1.5])
    exact = np.eye(2) + (np.outer(place, place) - np.eye(2)) * np.exp(-1.0)
    grid, errors = problem.grid(8), []
    for count in steps:
        start = np.broadcast_to(place, (particles, 2))
        found = ensemble(
            problem, grid, start, [0.0, 1.0], method=method, step=1.0 / count, particles=particles
        )
        moments = found.covariance[1] + np.outer(found.mean[1], found.mean[1])
        errors.append(float(np.abs(moments - exact).max()))
    return errors


@pytest.mark.parametrize(("method", "steps"), [("langevin", [8, 16]), ("weak-2", [1, 2])])
def test_weak_order_with_varying_sigma(method: str, steps: list[int]) -> None:
    first, second = moment_errors(method, steps, 4_000_000)
    assert abs(np.log2(first / second) - METHODS[method].order) < 0.2


BUMPY, SLOPE_OF_BUMPY = "x**2/2 + cos(x)", lambda x: x - np.sin(x)


def leimkuhler_matthews_square(h: float, steps: int) -> tuple[float, float]:
    """E x^2 after some steps from the Gibbs law at beta = 1, and in the Gibbs law, by quadrature.

    X' = X - h Phi'(X) + s (R + R')/2 as it is written, s = sqrt(2h), with the expectation carried
    backwards as a function of X - s R/2.
    """
    normal, weights = np.polynomial.hermite_e.hermegauss(40)
    weights = weights / weights.sum()
    half = 0.5 * np.sqrt(2.0 * h) * normal
    y = np.linspace(-10, 10, 801)
    place = y[:, None] + half
    following = np.clip(place - h * SLOPE_OF_BUMPY(place) + half, y[0], y[-1])
    values = place**2 @ weights
    for _ in range(steps - 1):
        values = CubicSpline(y, values)(following) @ weights
    gibbs = np.exp(-(y**2) / 2 - np.cos(y))
    gibbs /= gibbs.sum()
    first = np.clip((y - h * SLOPE_OF_BUMPY(y))[:, None] + half, y[0], y[-1])
    return float(gibbs @ (CubicSpline(y, values)(first) @ weights)), float(gibbs @ y**2)


def test_leimkuhler_matthews_is_the_recursion_it_claims() -> None:
    problem = fp.Problem(BUMPY, 1.0, 1.0, {"x": (-12, 12)})
    grid, particles = problem.grid(1024), 4_000_000
    found = ensemble(
        problem,
        grid,
        np.exp(-problem.loss_at(grid.points)),
        [0.0, 5.6, 6.4],
        method="leimkuhler-matthews",
        step=0.8,
        particles=particles,
    )
    for frame, steps in ((1, 7), (2, 8)):
        expected, gibbs = leimkuhler_matthews_square(0.8, steps)
        square = found.covariance[frame, 0, 0] + found.mean[frame, 0] ** 2
        error = 2.3 / np.sqrt(particles)
        assert abs(square - expected) < 4.0 * error
        assert abs(gibbs - expected) > 4.0 * error
    # The first step, from a point, has half the noise of R and half of R'.
    once = ensemble(
        problem,
        grid,
        np.full((100_000, 1), 0.3),
        [0.0, 0.8],
        method="leimkuhler-matthews",
        step=0.8,
        particles=100_000,
    )
    assert abs(once.covariance[1, 0, 0] - 0.8) < 4.0 * 0.8 * np.sqrt(2.0 / 100_000)


def test_order_of_the_invariant_law_of_leimkuhler_matthews() -> None:
    gaps = [np.subtract(*leimkuhler_matthews_square(h, round(24 / h))) for h in (0.2, 0.4)]
    declared = METHODS["leimkuhler-matthews"].stationary_order
    assert abs(np.log2(gaps[1] / gaps[0]) - declared) < 0.2


@pytest.mark.parametrize("replacement", [True, False])
def test_sgd_on_least_squares_at_rest(replacement: bool) -> None:
    model = data()
    n, x = model.samples, model.features
    problem = of_data(model, replacement=replacement)
    factor = 1.0 / BATCH if replacement else (n - BATCH) / (BATCH * (n - 1))
    hessian = model.hessian([np.zeros(())] * 2)
    centre = np.linalg.solve(hessian, x.T @ model.targets / n)
    sigma = model.sigma([np.array(value) for value in centre])
    outer = x[:, :, None] * x[:, None, :] + model.l2 * np.eye(2)
    squares = np.mean([np.kron(one, one) for one in outer], axis=0)
    square = np.kron(hessian, hessian)
    eye = np.eye(2)
    recursion = -RATE * (np.kron(hessian, eye) + np.kron(eye, hessian)) + RATE**2 * (
        square + factor * (squares - square)
    )
    exact = -np.linalg.solve(recursion, RATE**2 * factor * sigma.reshape(-1)).reshape(2, 2)
    particles = 1_000_000
    # Four seeds: their sum is a sharper test than each of them, and less a matter of luck.
    scores = np.zeros((2, 2))
    for seed in (20261, 20263, 20267, 20269):
        found = ensemble(
            problem,
            problem.grid(32),
            Gaussian(centre, exact),
            [0.0, 60 * RATE],
            method="sgd",
            particles=particles,
            seed=seed,
        )
        scores += (found.covariance[1] - exact) / spread_of(exact, particles)
    assert np.abs(scores).max() / np.sqrt(4.0) < 3.0
    # The law is not that of the diffusion: the test would notice a step of the wrong kind.
    diffusion = solve_continuous_lyapunov(hessian, RATE * factor * sigma)
    assert (np.abs(diffusion - exact) / spread_of(exact, particles)).max() > 10.0
    assert found.gradient_norm[1] > 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_places_times_gradients(kind: str) -> None:
    """E[theta . grad Phi] = (eta/2) E|g_B|^2 at rest, exactly, for any loss."""
    model = data(kind)
    problem = of_data(model)
    particles = 40_000
    found = ensemble(
        problem,
        problem.grid(16),
        Gaussian(np.array([0.5, 0.2]), 0.05 * np.eye(2)),
        [0.0, *(RATE * np.arange(300, 420, 40))],
        method="sgd",
        particles=particles,
        trajectories=particles,
    )
    assert found.trajectories is not None
    for frame in range(1, len(found.time)):
        theta = list(found.trajectories[:, frame].T)
        gradient, sigma = model.gradient(theta), model.sigma(theta)
        squares = (gradient**2).sum(axis=0) + np.trace(sigma) / BATCH
        gap = (np.array(theta) * gradient).sum(axis=0) - 0.5 * RATE * squares
        assert abs(gap.mean()) < 4.0 * gap.std() / np.sqrt(particles)
        assert abs(gap.mean()) < 0.3 * (0.5 * RATE * squares).mean()
        np.testing.assert_allclose(found.loss[frame], model.loss(theta).mean(), rtol=1e-12)
        norm = (gradient**2).sum(axis=0).mean()
        np.testing.assert_allclose(found.gradient_norm[frame], norm, rtol=1e-12)


def test_gaussian_heavy_ball_at_rest() -> None:
    """v' = mu v - sqrt(eta) (h x + noise), x' = x + sqrt(eta) v': a linear recursion."""
    rate, momentum, curvature, batch = 0.1, 0.7, 2.0, 5.0
    problem = fp.Problem(
        "x**2",
        1.5,
        learning_rate=rate,
        batch_size=batch,
        momentum=momentum,
        domain={"x": (-6, 6), "v": (-6, 6)},
    )
    dt = np.sqrt(rate)
    step = np.array([[1.0 - rate * curvature, dt * momentum], [-dt * curvature, momentum]])
    kick = rate * 1.5 / batch * np.outer([dt, 1.0], [dt, 1.0])
    exact = np.linalg.solve(np.eye(4) - np.kron(step, step), kick.reshape(-1)).reshape(2, 2)
    particles = 300_000
    found = ensemble(
        problem,
        problem.grid(32),
        Gaussian(np.zeros(2), exact),
        [0.0, 40 * dt],
        method="sgd-gaussian",
        particles=particles,
    )
    assert (np.abs(found.covariance[1] - exact) < 4.0 * spread_of(exact, particles)).all()


def test_heavy_ball_on_data_follows_its_mean() -> None:
    model = data()
    momentum = 0.8
    line = DataModel("linear_regression", model.features[:, :1], model.targets)
    problem = fp.Problem(
        line,
        "minibatch",
        batch_size=BATCH,
        learning_rate=RATE,
        momentum=momentum,
        domain={"x": (-6, 6), "v": (-6, 6)},
    )
    curvature = float(line.hessian([np.zeros(())])[0, 0])
    centre = float(-line.gradient([np.zeros(())])[0] / curvature)
    dt, steps, particles = np.sqrt(RATE), 6, 100_000
    step = np.array([[1.0 - RATE * curvature, dt * momentum], [-dt * curvature, momentum]])
    exact = np.linalg.matrix_power(step, steps) @ [1.5, 0.0]
    start = np.broadcast_to([centre + 1.5, 0.0], (particles, 2))
    found = ensemble(
        problem, problem.grid(16), start, [0.0, steps * dt], method="sgd", particles=particles
    )
    error = np.sqrt(np.diag(found.covariance[1]) / particles)
    assert (np.abs(found.mean[1] - [centre, 0.0] - exact) < 4.0 * error).all()


def test_a_noise_that_is_rarely_of_full_rank() -> None:
    """Sigma = g g^T, g = (y, 1): dE[x^2] = (2/beta) E[y^2] dt, without any drift."""
    problem = fp.Problem(
        sigma=[["y**2", "y"], ["y", 1]],
        beta=2.0,
        drift=[0, 0],
        domain={"x": (-60, 60), "y": (-60, 60)},
    )
    particles = 200_000
    start = np.zeros((particles, 2))
    found = ensemble(
        problem,
        problem.grid(8),
        start,
        [0.0, 1.0],
        method="langevin",
        step=0.01,
        particles=particles,
    )
    # E[y^2] = t, so E[x^2] = 1/2 less the half step of a left sum; E[xy] = 0.
    expected = np.array([[0.495, 0.0], [0.0, 1.0]])
    assert found.lost[1] == 0
    assert (np.abs(found.covariance[1] - expected) < 0.02).all()


@given(st.floats(0.02, 4.0))
def test_weights_are_the_batch_they_stand_for(square: float) -> None:
    weights = symmetric_weights(square)
    for power, expected in ((1, 1.0), (2, square), (3, 0.0)):
        assert abs((weights**power).sum() - expected) < 1e-12 * (1.0 + square) ** 2
    assert 2 < len(weights) < 1.0 / square + 4.0 * square ** (-2 / 3) + 8.0


@pytest.mark.parametrize(("method", "size"), [("sgd", 4.0), ("sgd-symmetric", 2.5)])
def test_moments_of_one_step_from_a_point(method: str, size: float) -> None:
    """Mean -eta grad Phi, variance eta^2 Sigma/|B|; a batch alone has a third moment."""
    rng = np.random.default_rng(30187)
    line = DataModel("linear_regression", np.ones((60, 1)), rng.exponential(size=60))
    problem = fp.Problem(
        line, "minibatch", beta=2.0 * size / RATE, learning_rate=RATE, domain={"x": (-9, 9)}
    )
    if method == "sgd":
        problem = fp.Problem(
            line, "minibatch", batch_size=size, learning_rate=RATE, domain={"x": (-9, 9)}
        )
    particles = 400_000
    found = ensemble(
        problem,
        problem.grid(16),
        np.full((particles, 1), 0.4),
        [0.0, RATE],
        method=method,
        particles=particles,
        trajectories=particles,
    )
    assert found.trajectories is not None
    moved = found.trajectories[:, 1, 0] - 0.4
    pulls = 0.4 - line.targets
    variance = RATE**2 * pulls.var() / size
    error = np.sqrt(variance / particles)
    assert abs(moved.mean() + RATE * pulls.mean()) < 4.0 * error
    excess = 2.0 + np.mean((moved - moved.mean()) ** 4) / variance**2 - 3.0
    assert abs(moved.var() - variance) < 4.0 * variance * np.sqrt(excess / particles)
    third = np.mean((moved - moved.mean()) ** 3) / variance**1.5
    batch = -np.mean((pulls - pulls.mean()) ** 3) / pulls.std() ** 3 / np.sqrt(size)
    assert abs(batch) > 0.5
    expected = batch if method == "sgd" else 0.0
    assert abs(third - expected) < 4.0 * np.sqrt((6.0 + 9.0 * max(excess, 0.0)) / particles)
