"""Ensembles: threads, frames, sides, starts, formulas, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from measures import compiled_only
from scipy import stats
from walker_bits import from_python

import fokkerplanck as fp
from fokkerplanck.particles import METHODS, EnsembleFrames, Gaussian, ensemble
from fokkerplanck.particles.codegen.formulas import Numbers
from fokkerplanck.particles.codegen.module import kernels_of
from fokkerplanck.particles.codegen.source import fields_source
from fokkerplanck.particles.factor import factorise_once
from fokkerplanck.particles.methods import DEFAULT_STEP, default_step
from fokkerplanck.problem.models import DataModel

ROOT = Path(__file__).resolve().parents[1]
BOX = {"x": (-3, 3), "y": (-3, 3)}
START = Gaussian(np.array([0.5, -0.5]), 0.1 * np.eye(2))
LEVEL = 1e-3
# Several blocks, for several threads; the last one not full.
PARTICLES = 1300 if numba.config.DISABLE_JIT else 5000


def model() -> DataModel:
    rng = np.random.default_rng(20263)
    x = rng.standard_normal((22, 2))
    return DataModel("linear_regression", x, x @ (0.7, -0.4) + 0.3 * rng.standard_normal(22))


def quadratic(**more: object) -> fp.Problem:
    settings: dict[str, object] = {"learning_rate": 0.1, "domain": BOX, **more}
    return fp.Problem("0.5*(x**2 + 2*y**2)", 1.0, 2.0, **settings)


def of_data() -> fp.Problem:
    return fp.Problem(model(), "minibatch", batch_size=4, learning_rate=0.1, domain=BOX)


def moved(name: str, times: list[float], **more: object) -> EnsembleFrames:
    problem = of_data() if METHODS[name].batches else quadratic()
    problem = quadratic(alpha=1.5) if name == "stable" else problem
    step = None if METHODS[name].sgd else 0.1
    settings = {"particles": PARTICLES, "trajectories": 40, "step": step, **more}
    return ensemble(problem, problem.grid(16), START, times, method=name, **settings)


def same(one: EnsembleFrames, two: EnsembleFrames) -> None:
    for name in ("counts", "mean", "covariance", "loss", "gradient_norm", "trajectories"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)


@pytest.mark.parametrize("name", METHODS)
def test_threads_change_nothing(name: str) -> None:
    threads = numba.get_num_threads()
    results = []
    for count in (1, min(2, threads)):
        numba.set_num_threads(count)
        try:
            results.append(moved(name, [0.0, 0.7]))
        finally:
            numba.set_num_threads(threads)
    same(*results)
    assert not np.array_equal(results[0].mean[1], moved(name, [0.0, 0.7], seed=7).mean[1])


def test_threads_of_the_environment_change_nothing() -> None:
    code = (
        "import fokkerplanck as fp, hashlib\n"
        "from fokkerplanck.particles import ensemble, Gaussian\n"
        "box = {'x': (-3, 3), 'y': (-3, 3)}\n"
        "p = fp.Problem('0.5*(x**2 + 2*y**2)', 1.0, 2.0, box)\n"
        "start = Gaussian([.5, -.5], [[.1, 0], [0, .1]])\n"
        "e = ensemble(p, p.grid(16), start, [0, .5], method='langevin', step=.1, particles=1300)\n"
        "print(hashlib.sha256(e.counts.tobytes() + e.covariance.tobytes()).hexdigest())"
    )
    printed = set()
    for count in ("1", "2"):
        environment = {**os.environ, "NUMBA_NUM_THREADS": count}
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        printed.add(done.stdout)
    assert len(printed) == 1


@pytest.mark.parametrize("name", [name for name in METHODS if name != "sgd"])
def test_frames_do_not_disturb_the_walkers(name: str) -> None:
    # The third of the frames falls into an epoch, of 5 batches here.
    one, two = moved(name, [0.0, 1.2]), moved(name, [0.0, 0.3, 0.8, 1.2])
    assert one.trajectories is not None
    assert two.trajectories is not None
    # Intervals are divided evenly, so that steps differ in the last digit.
    np.testing.assert_allclose(one.trajectories[:, -1], two.trajectories[:, -1], rtol=1e-9)
    np.testing.assert_allclose(one.covariance[-1], two.covariance[-1], rtol=1e-9)


@pytest.mark.parametrize("name", METHODS)
def test_every_walker_is_counted(name: str) -> None:
    found = moved(name, [0.0, 0.4, 0.9])
    assert (found.counts.sum(axis=(1, 2)) == PARTICLES).all()
    assert not found.outside.any()
    assert not found.lost.any()
    assert not found.absorbed.any()
    assert found.counts.dtype == np.int64
    assert found.order == METHODS[name].order
    assert found.trajectories is not None
    assert found.trajectories.shape == (40, 3, 2)


def test_sgd_frames_are_at_the_nearest_iteration() -> None:
    found = moved("sgd", [0.0, 0.34, 0.96])
    np.testing.assert_allclose(found.time, [0.0, 0.3, 1.0])


def test_a_density_is_drawn_cell_by_cell() -> None:
    problem = quadratic()
    grid = problem.grid(16)
    density = np.exp(-problem.loss_at(grid.points))
    density[3] = 0.0
    particles = 200_000
    found = ensemble(
        problem,
        grid,
        density,
        [0.0],
        method="langevin",
        particles=particles,
        trajectories=particles,
    )
    expected = density / density.sum() * particles
    held = expected > 5.0
    assert found.counts[0][expected == 0.0].sum() == 0
    rest = [found.counts[0][~held].sum()], [expected[~held].sum()]
    observed = np.concatenate([found.counts[0][held], rest[0]])
    assert stats.chisquare(observed, np.concatenate([expected[held], rest[1]])).pvalue > LEVEL
    assert found.trajectories is not None
    within = (found.trajectories[:, 0] - [-3.0, -3.0]) / grid.spacing % 1.0
    assert stats.kstest(within.reshape(-1), "uniform").pvalue > LEVEL


def free(boundary: str, **more: object) -> fp.Problem:
    axis = {"range": (0.0, 1.0), "boundary": boundary}
    return fp.Problem(drift=[0], sigma=1.0, beta=2.0, domain={"x": axis}, **more)


@compiled_only
@pytest.mark.parametrize("boundary", ["reflecting", "periodic"])
def test_closed_sides_keep_the_uniform_law(boundary: str) -> None:
    problem = free(boundary)
    grid = problem.grid(20)
    found = ensemble(
        problem, grid, np.ones(20), [0.0, 2.0], method="langevin", step=0.5, particles=100_000
    )
    assert found.counts[1].sum() == 100_000
    assert stats.chisquare(found.counts[1]).pvalue > LEVEL


@compiled_only
def test_absorbing_sides_take_what_diffusion_takes() -> None:
    """Survival of Brownian motion from the middle of (0, 1); steps between are accounted for."""
    problem = free("absorbing")
    k = np.arange(1, 60, 2)
    time, particles = 0.15, 200_000
    signs = np.where(k % 4 == 1, 1.0, -1.0)
    alive = (4.0 / (k * np.pi) * signs * np.exp(-0.5 * (k * np.pi) ** 2 * time)).sum()
    start = np.full((particles, 1), 0.5)
    found = ensemble(
        problem,
        problem.grid(10),
        start,
        [0.0, time],
        method="langevin",
        step=0.01,
        particles=particles,
    )
    assert found.counts[1].sum() + found.absorbed[1].sum() == particles
    error = np.sqrt(particles * alive * (1.0 - alive))
    assert abs(found.counts[1].sum() - particles * alive) < 4.0 * error
    lower, upper = found.absorbed[1]
    assert abs(lower - upper) < 4.0 * np.sqrt(lower + upper)
    assert found.lost[1] == 0


def test_divergent_walkers_are_lost_and_leave_no_nan() -> None:
    problem = fp.Problem("0.5*x**2", 1.0, 2.0, {"x": (-3, 3)}, learning_rate=2.5)
    start = Gaussian(np.zeros(1), np.eye(1))
    times = [0.0, 2.5 * 8, 2.5 * 200]
    found = ensemble(
        problem,
        problem.grid(60),
        start,
        times,
        method="sgd-gaussian",
        particles=1000,
        open_sides=True,
    )
    assert found.outside[1] > 500
    assert found.lost.tolist() == [0, 0, 1000]
    total = found.counts.sum(axis=1) + found.outside + found.lost
    assert (total == 1000).all()
    for values in (found.mean, found.covariance, found.loss, found.gradient_norm):
        assert np.isfinite(values).all()


def test_a_place_without_a_value_loses_the_walker() -> None:
    problem = fp.Problem(drift=["sqrt(x)"], sigma=1.0, beta=2.0, domain={"x": (-1, 1)})
    found = ensemble(
        problem,
        problem.grid(8),
        np.ones(8),
        [0.0, 0.5],
        method="langevin",
        step=0.1,
        particles=2000,
    )
    assert 500 < found.lost[1] < 2000
    assert np.isfinite(found.mean).all()


@pytest.mark.parametrize(("d", "rank"), [(d, rank) for d in (1, 2, 3) for rank in range(d + 1)])
def test_covariances_of_any_rank_have_a_root(d: int, rank: int) -> None:
    rng = np.random.default_rng(20261)
    parts = rng.standard_normal((40, d, rank)) * 10.0 ** rng.integers(-3, 3, (40, d, 1))
    # Some of them with an axis without noise, or two axes that share theirs.
    parts[:10, rng.integers(d)] = 0.0
    parts[10:20, -1] = parts[10:20, 0]
    covariances = parts @ parts.transpose(0, 2, 1)
    rows, columns = np.tril_indices(d)
    packed = np.ascontiguousarray(covariances[:, rows, columns].T)
    factorise_once(packed, 3.0)
    factors = np.zeros_like(covariances)
    factors[:, rows, columns] = packed.T
    size = np.sqrt(np.einsum("kii->ki", covariances))
    error = np.abs(factors @ factors.transpose(0, 2, 1) - 3.0 * covariances)
    assert (error <= 2e-6 * size[:, :, None] * size[:, None, :]).all()
    if rank == d:
        assert (error[20:] <= 1e-14 * 3.0 * size[20:, :, None] * size[20:, None, :]).all()


def test_the_default_step() -> None:
    """Free walkers take one exact step; others a fraction of the fastest time scale."""
    problem = free("periodic")
    start = np.full((20_000, 1), 0.5)
    found = ensemble(
        problem, problem.grid(8), start, [0.0, 0.01], method="langevin", particles=20_000
    )
    assert found.step == 0.01
    assert abs(found.covariance[1, 0, 0] - 0.01) < 4.0 * 0.01 * np.sqrt(2.0 / 20_000)
    stiff = fp.Problem("50*x**2", 1.0, 2.0, {"x": (-1, 1)})
    wild = fp.Problem("x**2/2", [["1 + 900*x**2"]], 2.0, {"x": (-1, 1)})
    for case, rate in ((stiff, 100.0), (wild, 900.0)):
        step = default_step(case, case.grid(400), 1)
        assert step == pytest.approx(DEFAULT_STEP[1] / rate, rel=0.05)


FORMULAS = (
    ("x**4/4 - 0.3*y**3 + exp(-x*y)", ["1 + x**2", "2 + sin(y)"]),
    ("log(2 + x**2)*sqrt(y + 9) + atan2(x + 9, y)", ["1 + tanh(x)**2", "cosh(y)"]),
    (
        "abs(x - 0.1) + max(x, y, 0.2) + min(x, 2*y) + heaviside(x - y)*x",
        ["2 + sign(x)", "floor(y) + 9"],
    ),
    ("erf(x) + x**2.5*0 + (9 + x)**1.5 + (9 + y)**-3 + asinh(x) + atan(y)", ["e", "pi + t"]),
)


@pytest.mark.parametrize(("loss", "diagonal"), FORMULAS)
def test_formulas_in_kernels_are_those_of_the_problem(loss: str, diagonal: list[str]) -> None:
    problem = fp.Problem(loss, diagonal, 2.0, BOX, drift=["-y*cos(t)", "x"])
    numbers = Numbers()
    kernels = kernels_of(fields_source(problem, batches=False, lagged=False, numbers=numbers))
    x = np.random.default_rng(20261).uniform(-3, 3, (2, 50))
    t, data = 0.7, np.zeros((1, 1))
    drift, sigma = np.empty((2, 50)), np.empty((3, 50))
    value, gradient = np.empty(50), np.empty((2, 50))
    from_python(kernels.drift)(x, t, numbers.array, data, drift)
    from_python(kernels.sigma)(x, t, numbers.array, data, sigma)
    from_python(kernels.landscape)(x, t, numbers.array, data, value, gradient)
    points = list(x)
    exact = problem.sigma_at(points, t)
    near = {"rtol": 1e-13, "atol": 1e-13}
    np.testing.assert_allclose(drift, problem.drift_at(points, t), **near)
    np.testing.assert_allclose(sigma, [exact[0, 0], exact[1, 0], exact[1, 1]], **near)
    np.testing.assert_allclose(value, problem.loss_at(points, t), **near)
    np.testing.assert_allclose(gradient, problem.gradient_at(points, t), **near)


@pytest.mark.parametrize("kind", ["linear_regression", "logistic_regression", "tanh_neuron"])
def test_data_in_kernels_are_those_of_the_model(kind: str) -> None:
    base = model()
    neuron = kind == "tanh_neuron"
    targets = (base.targets > 0.0) * 1.0 if kind == "logistic_regression" else base.targets
    fitted = DataModel(kind, base.features[:, :1] if neuron else base.features, targets, l2=0.2)
    problem = fp.Problem(fitted, "minibatch", batch_size=4, learning_rate=0.1, domain=BOX)
    numbers, again = Numbers(), Numbers()
    kernels = kernels_of(fields_source(problem, batches=False, lagged=False, numbers=numbers))
    batches = kernels_of(fields_source(problem, batches=True, lagged=False, numbers=again))
    rng = np.random.default_rng(20261)
    x = rng.uniform(-3, 3, (2, 30))
    data = np.vstack([fitted.features.T, fitted.targets])
    drift, sigma, out = np.empty((2, 30)), np.empty((3, 30)), np.empty((2, 30))
    from_python(kernels.drift)(x, 0.0, numbers.array, data, drift)
    from_python(kernels.sigma)(x, 0.0, numbers.array, data, sigma)
    np.testing.assert_allclose(drift, problem.drift_at(list(x)), rtol=1e-12, atol=1e-13)
    exact = problem.sigma_at(list(x))
    expected = [exact[0, 0], exact[1, 0], exact[1, 1]]
    np.testing.assert_allclose(sigma, expected, rtol=1e-12, atol=1e-13)
    index = rng.integers(0, fitted.samples, (5, 30)).astype(np.uint32)
    from_python(batches.batch_gradient)(x, again.array, data, index, out)
    slow = [fitted.sample_gradients(x[:, i])[index[:, i]].mean(axis=0) for i in range(30)]
    np.testing.assert_allclose(out, np.transpose(slow), rtol=1e-12, atol=1e-13)


def test_other_numbers_need_no_other_module() -> None:
    def text(k: float, beta: float) -> str:
        problem = fp.Problem(
            "k*x**2/2", [["1 + k*x**2"]], beta, {"x": (-3, 3)}, parameters={"k": k}
        )
        return fields_source(problem, batches=False, lagged=False, numbers=Numbers())

    assert text(0.3, 2.0) == text(4.7, 5.0)
    assert text(0.3, 2.0) != text(0.0, 2.0)


def refused(problem: fp.Problem, match: str, **more: object) -> None:
    settings = {"method": "langevin", "particles": 100, **more}
    start = settings.pop("start", START)
    times = settings.pop("times", [0.0, 0.1])
    with pytest.raises(fp.CaseError, match=match):
        ensemble(problem, problem.grid(8), start, times, **settings)


def test_what_is_refused() -> None:
    plain = fp.Problem("x**2 + y**2", 1.0, 2.0, BOX)
    refused(plain, "did you mean langevin", method="langevn")
    refused(plain, "increase strictly from 0", times=[0.1, 0.2])
    refused(plain, "increase strictly from 0", times=[0.0, np.nan])
    refused(plain, "at least 1", particles=0)
    refused(plain, "between 0 and the 100", trajectories=101)
    refused(plain, "needs a learning rate", method="sgd-gaussian")
    refused(plain, "a number > 0", step=-1.0)
    refused(plain, "draws no samples", replacement=True)
    refused(plain, "outside", start=np.full((100, 2), 5.0))
    refused(plain, "has shape", start=np.ones((3, 3)))
    refused(plain, "outside the box", start=Gaussian(np.array([50.0, 0.0]), np.eye(2)))
    refused(plain, "negative eigenvalue", start=Gaussian(np.zeros(2), np.diag([1.0, -1.0])))
    refused(quadratic(), "is the learning rate", method="sgd-gaussian", step=0.1)
    refused(quadratic(), "needs a model", method="sgd")
    refused(
        fp.Problem("x**2", [1, 2], 2.0, BOX),
        "constant times the identity",
        method="leimkuhler-matthews",
    )
    refused(fp.Problem(lambda x, y: x**2, 1.0, 2.0, BOX), "Python function")
    refused(fp.Problem("x**2", lambda x, y: 1 + 0 * x, 2.0, BOX), "Python function|returned")
    big = fp.Problem(model(), "minibatch", batch_size=30, learning_rate=0.1, domain=BOX)
    refused(big, "30 distinct samples", method="sgd", replacement=False)
    refused(big, "30 distinct samples", method="sgd-epochs")


@pytest.mark.slow
@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="is about compiling")
def test_a_second_process_compiles_nothing(tmp_path: Path) -> None:
    code = (
        "import fokkerplanck as fp\n"
        "from fokkerplanck.particles import ensemble, Gaussian\n"
        "import sys\n"
        "p = fp.Problem('0.5*x**2', 1.0, 2.0, {'x': (-3, 3)})\n"
        "start = Gaussian([0.], [[.1]])\n"
        "ensemble(p, p.grid(16), start, [0, .5], method='langevin', particles=50)\n"
        "kernels = [m for n, m in sys.modules.items() if n.startswith('fokkerplanck_kernels')]\n"
        "found = [f.stats for m in kernels for f in vars(m).values() if hasattr(f, 'stats')]\n"
        "for kind in ('cache_hits', 'cache_misses'):\n"
        "    print(sum(sum(getattr(s, kind).values()) for s in found))"
    )
    printed = []
    for _ in range(2):
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        printed.append(done.stdout.split())
    assert printed[0][0] == "0"
    assert int(printed[1][0]) >= 4
    assert printed[1][1] == "0"
