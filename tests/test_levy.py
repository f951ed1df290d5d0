"""Heavy tails: jumps on a grid, their walkers, exit times, tail indices."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from measures import ORDER_WINDOW, compiled_only, fitted_order
from reference_exit_time import levy_exit_time
from scipy.linalg import expm

from fokkerplanck.case import load_case
from fokkerplanck.errors import CaseError
from fokkerplanck.fractional.fractional import Fractional, lattice_weights
from fokkerplanck.fractional.levy import LEVY, LevySystem, step_levy
from fokkerplanck.fractional.levy_integrator import evolve_levy
from fokkerplanck.fractional.transport import Transport
from fokkerplanck.grid import Grid
from fokkerplanck.particles import Gaussian, ensemble
from fokkerplanck.pipeline.study import study
from fokkerplanck.problem import DataModel, Problem
from fokkerplanck.problem.jumps import Jumps, tail_constant
from fokkerplanck.problem.tails import gradient_tail, tail_of
from fokkerplanck.timestepping.evolve import evolve
from fokkerplanck.timestepping.initial import gaussian_density


def box(cells: tuple[int, ...], sides: tuple[Any, ...], length: float = 2.0) -> Grid:
    names = "xyz"[: len(cells)]
    domain = {
        name: {"range": (0.0, length * (1 + i)), "boundary": side}
        for i, (name, side) in enumerate(zip(names, sides, strict=True))
    }
    return Problem("x", domain=domain).grid(cells)


def line_laplacian(n: int, h: float, side: str) -> np.ndarray:
    """-L, three points, with nothing through the sides or around the corner."""
    matrix = np.zeros((n, n))
    for i in range(n):
        for j in (i - 1, i + 1):
            if side == "periodic" or 0 <= j < n:
                matrix[i, i] += 1.0
                matrix[i, j % n] -= 1.0
    return matrix / h**2


def power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    """Power of a symmetric positive semi-definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    # Zero to rounding is zero: its power would not be small.
    values = np.where(values > 1e-12 * values.max(), values, 0.0)
    return (vectors * values**exponent) @ vectors.T


def dense(operator: Fractional) -> np.ndarray:
    size = operator.grid.size
    columns = [operator.matvec(e.reshape(operator.grid.shape)) for e in np.eye(size)]
    return np.stack([column.reshape(-1) for column in columns], axis=1)


# The operator.


@pytest.mark.parametrize("alpha", [0.4, 1.0, 1.5, 1.9])
@pytest.mark.parametrize(
    ("cells", "sides", "kind"),
    [
        ((9,), ("reflecting",), "isotropic"),
        ((8,), ("periodic",), "isotropic"),
        ((5, 6), ("reflecting", "reflecting"), "isotropic"),
        ((5, 6), ("periodic", "reflecting"), "isotropic"),
        ((5, 6), ("reflecting", "periodic"), "components"),
        ((5, 7), ("periodic", "periodic"), "components"),
    ],
)
def test_closed_boxes_against_powers_of_matrices(
    alpha: float, cells: tuple[int, ...], sides: tuple[str, ...], kind: str
) -> None:
    """The slow twin: dense powers. A positive, conservative generator, its exact exponential."""
    grid = box(cells, sides)
    strengths = (0.7,) * len(cells) if kind == "isotropic" else (0.7, 1.6)
    operator = Fractional(grid, Jumps(alpha, kind, strengths))
    lines = [
        line_laplacian(n, h, side) for n, h, side in zip(cells, grid.spacing, sides, strict=True)
    ]
    eye = [np.eye(n) for n in cells]
    if len(cells) == 1:
        wanted = -strengths[0] * power(lines[0], alpha / 2)
    elif kind == "isotropic":
        total = np.kron(lines[0], eye[1]) + np.kron(eye[0], lines[1])
        wanted = -strengths[0] * power(total, alpha / 2)
    else:
        wanted = -strengths[0] * np.kron(power(lines[0], alpha / 2), eye[1])
        wanted -= strengths[1] * np.kron(eye[0], power(lines[1], alpha / 2))
    found = dense(operator)
    scale = np.abs(wanted).max()
    np.testing.assert_allclose(found, wanted, atol=1e-7 * scale)
    np.testing.assert_allclose(found.sum(axis=0), 0.0, atol=1e-12 * scale)
    assert (found - np.diag(np.diag(found))).min() >= -1e-13 * scale
    assert operator.q >= -np.diag(found).min() * (1.0 - 1e-12)
    start = np.random.default_rng(3).random(grid.shape)
    after = operator.exponential(start, 0.3)
    wanted_after = (expm(0.3 * wanted) @ start.reshape(-1)).reshape(grid.shape)
    np.testing.assert_allclose(after, wanted_after, rtol=1e-6)
    assert after.sum() == pytest.approx(start.sum(), rel=1e-14)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.7])
def test_weights_of_the_line(alpha: float) -> None:
    """Against quadrature of the symbol, their sum, and their tail."""
    weights = lattice_weights(alpha, 2000)
    middle = 1999
    nodes, shares = np.polynomial.legendre.leggauss(400)
    k = 0.5 * math.pi * (nodes + 1.0)
    for m in (0, 1, 2, 7):
        # (2 sin(k/2))^alpha has a kink at 0 alone, where the integrand is small.
        integral = 0.5 * shares @ ((2.0 * np.sin(k / 2.0)) ** alpha * np.cos(m * k))
        assert weights[middle + m] == pytest.approx(-integral, abs=3e-6)
    assert np.delete(weights, middle).min() > 0.0
    assert weights.sum() == pytest.approx(
        -2.0 * tail_constant(alpha) / alpha * 2000**-alpha, rel=0.01
    )
    assert weights[0] * 1999 ** (1.0 + alpha) == pytest.approx(tail_constant(alpha), rel=1e-5)


def test_absorbing_boxes_are_parts_of_the_lattice() -> None:
    """The restricted operator: the middle of a much larger torus, in one and two dimensions."""
    grid = box((6,), ("absorbing",))
    operator = Fractional(grid, Jumps(1.3, "isotropic", (0.7,)))
    weights = lattice_weights(1.3, 6) * 0.7 / grid.spacing[0] ** 1.3
    wanted = np.array([[weights[5 + i - j] for j in range(6)] for i in range(6)])
    np.testing.assert_allclose(dense(operator), wanted, atol=1e-12)
    grid = box((4, 5), ("absorbing", "absorbing"))
    found = dense(Fractional(grid, Jumps(1.3, "isotropic", (0.7, 0.7))))
    sizes = (384, 240)
    lines = [(2 / h * np.sin(np.pi * np.arange(m) / m)) ** 2
             for m, h in zip(sizes, grid.spacing, strict=True)]  # fmt: skip
    table = -0.7 * np.fft.ifft2(np.add.outer(*lines) ** 0.65).real
    for a, b, c, d in [(0, 0, 0, 0), (1, 2, 0, 0), (3, 4, 0, 0), (2, 0, 2, 1)]:
        column = c * 5 + d
        assert found[a * 5 + b, column] == pytest.approx(
            table[a - c, b - d], rel=2e-3
        )  # what the torus itself folds back
    assert found.sum(axis=0).max() < 0.0
    assert found[~np.eye(20, dtype=bool)].min() > 0.0


@pytest.mark.parametrize("alpha", [0.8, 1.5])
def test_order_2_in_the_cell_width(alpha: float) -> None:
    """A cosine decays by its own power."""
    widths, errors = [], []
    for n in (32, 64, 128):
        grid = box((n,), ("periodic",), 2.0 * math.pi)
        wave = np.cos(3.0 * grid.centers[0])
        change = Fractional(grid, Jumps(alpha, "isotropic", (1.0,))).matvec(wave)
        widths.append(float(grid.spacing[0]))
        errors.append(float(np.abs(change + 3.0**alpha * wave).max()))
    assert fitted_order(widths, errors) == pytest.approx(2.0, abs=ORDER_WINDOW)


# The drift.


def test_transport_is_of_order_2_positive_and_conservative() -> None:
    problem = Problem(drift=["sin(x)", "-0.6*y"], domain={
        "x": {"range": (0, 2 * math.pi), "boundary": "periodic"}, "y": (-4, 4)})  # fmt: skip
    widths, errors = [], []
    for n in (48, 96, 192):
        grid = problem.grid(n)
        x, y = grid.points

        def exact(t: float, x: np.ndarray = x, y: np.ndarray = y) -> np.ndarray:
            # tan(x/2) grows by exp(t) along the flow; rho = sum of what came there.
            back = 2.0 * np.arctan(np.exp(-t) * np.tan(x / 2.0))
            stretch = np.exp(-t) * np.cos(back / 2.0) ** 2 / np.cos(x / 2.0) ** 2
            start = (1.5 + np.cos(back)) * np.exp(-((y * np.exp(0.6 * t)) ** 2))
            return np.asarray(start * np.abs(stretch) * np.exp(0.6 * t))

        start = exact(0.0)
        found = Transport(problem, grid).advance(start, 0.0, 0.5)
        assert found.min() >= 0.0
        assert grid.integrate(found) == pytest.approx(grid.integrate(start), rel=1e-13)
        widths.append(float(grid.spacing[0]))
        errors.append(float(grid.integrate(np.abs(found - exact(0.5)))))
    assert fitted_order(widths, errors) >= 2.0 - 2.0 * ORDER_WINDOW
    step = np.zeros(problem.grid(48).shape)
    step[20:24, 18:30] = 1.0
    after = Transport(problem, problem.grid(48)).advance(step, 0.0, 0.7)
    assert after.min() >= 0.0
    assert after.sum() == pytest.approx(step.sum(), rel=1e-13)


# The equation.


def stable_ou(alpha: float, reach: float, **rest: Any) -> Problem:
    return Problem("x**2/2", domain={"x": (-reach, reach)}, alpha=alpha, **rest)


@pytest.mark.parametrize("alpha", [0.8, 1.0, 1.5])
def test_ornstein_uhlenbeck_against_its_characteristic_function(alpha: float) -> None:
    """In time, up to what has jumped over the sides, which is known."""
    problem = stable_ou(alpha, 60.0)
    grid = problem.grid(1536)
    x = grid.centers[0]
    start = gaussian_density(grid, [2.0], np.array([[0.16]]))
    times = [0.0, 0.3, 1.0, 2.5]
    path = evolve_levy(problem, grid, start, times, rtol=3e-3)
    system = LevySystem(problem, grid)
    folded = 0.0
    for number in (1, 2, 3):
        t, density = times[number], path[number]
        assert density.min() >= 0.0
        assert grid.integrate(density) == pytest.approx(1.0, abs=1e-13)
        rate = system.over_sides(density)
        folded += rate * (times[number] - times[number - 1])
        for k in (0.3, 0.7, 1.2):
            decayed = k * math.exp(-t)
            wanted = np.exp(
                2.0j * decayed - 0.08 * decayed**2 - k**alpha * (1.0 - math.exp(-alpha * t)) / alpha
            )
            found = grid.integrate(density * np.exp(1j * k * x))
            assert abs(found - wanted) <= 2.0 * folded + 4e-3
            # The sides would be a poor excuse in a box so large.
            assert folded < 0.1


def test_alpha_2_is_the_gaussian_solver() -> None:
    """Exactly so by the case, and in the limit by the operator."""
    assert stable_ou(2.0, 6.0).jumps is None
    near = stable_ou(2.0 - 1e-9, 6.0)
    plain = Problem("x**2/2", domain={"x": (-6.0, 6.0)})
    grid = plain.grid(192)
    start = gaussian_density(grid, [1.0], np.array([[0.1]]))
    levy = evolve_levy(near, grid, start, [0.0, 0.8], rtol=1e-3)[-1]
    gauss = evolve(plain, grid, start, [0.0, 0.8]).density[-1]
    assert grid.integrate(np.abs(levy - gauss)) <= 2e-3


def test_order_2_in_time() -> None:
    problem = stable_ou(1.4, 12.0)
    # Cells so small that what a passage of the drift costs in accuracy does not show.
    grid = problem.grid(4096)
    start = gaussian_density(grid, [2.0], np.array([[0.5]])).reshape(-1)
    found = []
    for count in (4, 8, 16, 32):
        system, density = LevySystem(problem, grid), start
        for _ in range(count):
            density = step_levy(system, density, 0.0, 0.8 / count)  # type: ignore[arg-type]
        found.append(density)
    errors = [float(np.abs(a - b).sum()) for a, b in itertools.pairwise(found)]
    steps = [1 / 4, 1 / 8, 1 / 16]
    assert fitted_order(steps, errors) == pytest.approx(LEVY.order, abs=2.0 * ORDER_WINDOW)


def test_escape_from_a_well_by_jumps() -> None:
    """The rate is that of jumps wider than the way to the saddle, whatever the barrier's height."""
    reach, alpha = 2.0, 1.2
    # Jumps from -1 that land in the right half, folded at the sides as often as need be.
    ways = [
        (start + 4.0 * reach * fold) ** -alpha
        for fold in range(60)
        for start in (1.0, 2.0 * reach - 1.0)
    ]
    ends = [
        (start + 4.0 * reach * fold) ** -alpha
        for fold in range(60)
        for start in (1.0 + 2.0 * reach, 4.0 * reach - 1.0)
    ]
    share = sum(ways) - sum(ends)
    for height in (1.0, 2.0):
        problem = Problem(
            f"{height}*(x**2 - 1)**2", sigma=1.0, beta=1.0 / 0.004 ** (2 / 1.2), alpha=1.2,
            domain={"x": (-reach, reach)},
        )  # fmt: skip
        jumps = problem.jumps
        assert jumps is not None
        assert jumps.strengths[0] == pytest.approx(0.004)
        grid = problem.grid(100)
        start = gaussian_density(grid, [-1.0], np.array([[0.01]]))
        path = evolve_levy(problem, grid, start, [0.0, 2.0, 10.0], rtol=1e-2)
        right = [grid.integrate(np.where(grid.centers[0] > 0.0, rho, 0.0)) for rho in path[1:]]
        rate = -0.5 * math.log((1 - 2 * right[1]) / (1 - 2 * right[0])) / 8.0
        wanted = share * float(jumps.over_sides_rate(0.004, np.array(1.0)))
        assert rate == pytest.approx(wanted, rel=0.1)


@pytest.mark.parametrize("alpha", [0.8, 1.5])
def test_exit_time_from_an_interval(alpha: float) -> None:
    """Getoor's formula, with the first order of the boundary extrapolated away."""
    times = []
    for n in (101, 303):
        problem = Problem("0", alpha=alpha, domain={
            "x": {"range": (-1.0, 1.0), "boundary": "absorbing"}})  # fmt: skip
        times.append(float(levy_exit_time(problem, problem.grid(n))[n // 2]))
    limit = times[1] + 0.5 * (times[1] - times[0])
    wanted = math.gamma(0.5) / (
        2.0**alpha * math.gamma(1.0 + 0.5 * alpha) * math.gamma(0.5 + 0.5 * alpha)
    )
    assert limit == pytest.approx(wanted, rel=2e-4)
    assert times[1] == pytest.approx(wanted, rel=1e-2)


def test_exit_time_from_a_disc() -> None:
    alpha, domain = 1.2, {}
    for name in "xy":
        domain[name] = {"range": (-1.05, 1.05), "boundary": "absorbing"}
    problem = Problem("0", alpha=alpha, domain=domain)
    wanted = 1.0 / (2.0**alpha * math.gamma(1.0 + 0.5 * alpha) ** 2)
    errors = []
    for n in (43, 85):
        grid = problem.grid(n)
        x, y = grid.points
        inside = np.asarray(x**2 + y**2 < 1.0)
        found = levy_exit_time(problem, grid, inside)
        errors.append(float(found[n // 2, n // 2]) / wanted - 1.0)
        assert found[~inside].max() == 0.0
    assert abs(errors[1]) <= 0.02
    assert abs(errors[1]) < abs(errors[0])


def test_exit_time_with_a_drift_against_a_dense_solve() -> None:
    problem = Problem("x**2 + x", alpha=1.1, domain={
        "x": {"range": (-1.0, 1.5), "boundary": "absorbing"}})  # fmt: skip
    grid = problem.grid(40)
    backward = dense(Fractional(grid, problem.jumps))  # type: ignore[arg-type]
    b, h = problem.drift_at(grid.points)[0], float(grid.spacing[0])
    for i in range(40):
        backward[i, i] -= abs(b[i]) / h
        j = i + 1 if b[i] > 0.0 else i - 1
        if 0 <= j < 40:
            backward[i, j] += abs(b[i]) / h
    wanted = np.linalg.solve(-backward, np.ones(40))
    np.testing.assert_allclose(levy_exit_time(problem, grid), wanted, rtol=1e-7)


# Walkers.


@compiled_only
@pytest.mark.parametrize("alpha", [0.8, 1.0, 1.5])
@pytest.mark.parametrize("kind", ["isotropic", "components"])
def test_walkers_have_the_characteristic_function_of_both_kinds(alpha: float, kind: str) -> None:
    """On a torus of length 2 pi, where whole wave numbers know nothing of tails cut off."""
    side = {"range": (-math.pi, math.pi), "boundary": "periodic"}
    problem = Problem(
        drift=["0.4", "0"], domain={"x": side, "y": side}, alpha=alpha, jumps=kind, beta=2.0
    )
    strength = 0.5 ** (0.5 * alpha)
    start = Gaussian(np.zeros(2), np.zeros((2, 2)))
    number = 300_000
    found = ensemble(
        problem, problem.grid(8), start, [0.0, 0.6], method="stable", particles=number, seed=977,
        step=0.2, trajectories=number,
    )  # fmt: skip
    places = found.trajectories[:, -1]
    good = np.isfinite(places).all(axis=1)
    assert good.mean() > 0.9999 if alpha >= 1.0 else good.mean() > 0.999
    for k in ([1, 0], [0, 1], [1, 1], [2, -1]):
        size = math.hypot(*k) ** alpha if kind == "isotropic" else sum(abs(m) ** alpha for m in k)
        wanted = np.exp(0.24j * k[0] - 0.6 * strength * size)
        mean = np.exp(1j * (places[good] @ k)).mean()
        assert abs(mean - wanted) <= 4.5 / math.sqrt(number) + (1.0 - good.mean())


@compiled_only
def test_walkers_and_density_fold_alike() -> None:
    """A box far too small for the tails: both know the same operator."""
    problem = stable_ou(1.1, 3.0)
    grid = problem.grid(96)
    start = gaussian_density(grid, [1.0], np.array([[0.09]]))
    density = evolve_levy(problem, grid, start, [0.0, 1.0], rtol=1e-3)[-1]
    number = 40_000
    walkers = ensemble(problem, grid, Gaussian([1.0], np.array([[0.09]])), [0.0, 1.0],
                       method="stable", particles=number, seed=31, step=0.01)  # fmt: skip
    shares = density.reshape(8, 12).sum(axis=1) * grid.cell_volume
    counts = walkers.counts[-1].reshape(8, 12).sum(axis=1) / number
    np.testing.assert_allclose(counts, shares, atol=4.5 * math.sqrt(0.25 / number) + 2e-3)


# Tail indices of data.


def test_tail_index_of_known_laws() -> None:
    random = np.random.default_rng(47)
    for alpha in (1.2, 3.0):
        sizes = random.random(1500) ** (-1.0 / alpha)
        tail = tail_of(sizes, repeats=60)
        assert abs(tail.alpha - alpha) <= 3.5 * tail.error
        assert "no power law" not in tail.sentence
        assert ("below 2" if alpha < 2.0 else "above 2") in tail.sentence
    normal = tail_of(np.abs(random.normal(size=4000)), repeats=60)
    assert "no power law" in normal.sentence
    with pytest.raises(CaseError, match="too few"):
        tail_of(np.ones(100))


def test_tail_index_of_a_data_model() -> None:
    random = np.random.default_rng(43)
    features = random.normal(size=(900, 1))
    noise = np.sign(random.normal(size=900)) * random.random(900) ** (-1.0 / 1.4)
    model = DataModel("linear_regression", features, features[:, 0] + noise)
    tail = gradient_tail(model, np.array([1.0]))
    assert abs(tail.alpha - 1.4) <= 4.0 * tail.error


# What cannot be.


@pytest.mark.parametrize(
    ("keys", "key", "text"),
    [
        ({"alpha": 2.2}, "noise.alpha", r"in \(0, 2\]"),
        ({"alpha": -1}, "noise.alpha", r"in \(0, 2\]"),
        ({"alpha": 1.5, "sigma": "1 + x**2"}, "noise.sigma", "constant Sigma"),
        ({"alpha": 1.5, "sigma": [[1, 0.2], [0.2, 1]]}, "noise.sigma", "off the diagonal"),
        ({"alpha": 1.5, "sigma": [1, 2]}, "noise.sigma", "components"),
        ({"alpha": 1.5, "sigma": [1, 0], "jumps": "components"}, "noise.sigma", "positive"),
        ({"alpha": 1.5, "jumps": "radial"}, "noise.jumps", "isotropic"),
        ({"alpha": 1.5, "momentum": 0.5, "beta": 1.0}, "noise.alpha", "momentum"),
        ({"jumps": "components"}, "noise.jumps", "alpha"),
    ],
)
def test_refusals(keys: dict[str, Any], key: str, text: str) -> None:
    with pytest.raises(CaseError, match=text) as caught:
        Problem("x**2", domain={"x": (-1, 1), "y": (-1, 1)}, **keys)
    assert caught.value.key == key


def test_refusals_of_sides_and_methods() -> None:
    side = {"range": (-1, 1), "boundary": ["absorbing", "reflecting"]}
    mixed = Problem("x**2", domain={"x": side}, alpha=1.5)
    with pytest.raises(CaseError, match="every side"):
        LevySystem(mixed, mixed.grid(8))
    problem = stable_ou(1.5, 2.0)
    with pytest.raises(CaseError, match="takes stable"):
        ensemble(
            problem, problem.grid(8), Gaussian([0.0], np.eye(1)), [0.0, 1.0], method="langevin"
        )
    with pytest.raises(CaseError, match="nothing leaves"):
        levy_exit_time(problem, problem.grid(8))
    plain = Problem("x**2", domain={"x": (-1, 1)})
    with pytest.raises(CaseError, match="Gaussian"):
        LevySystem(plain, plain.grid(8))


def test_a_study_moves_stable_jumps() -> None:
    case = load_case("levy_ou", {"domain.x.cells": 1024, "domain.x.range": [-50, 50]})
    rows = study(case, 3).splitlines()
    assert float(rows[3].split()[-1]) == pytest.approx(2.0, abs=0.3)
    assert "jumps" in rows[-1]
