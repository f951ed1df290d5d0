"""Every exact answer of the gallery against an independent one: residuals, quadrature, spectra."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from circles import circle_averages
from scipy.integrate import simpson, solve_ivp
from scipy.linalg import eigvals, eigvalsh

from fokkerplanck import gallery
from fokkerplanck.gallery import ExactProblem
from fokkerplanck.gallery.record import Points

PROBLEMS: dict[str, Callable[[], ExactProblem]] = {
    "P(1)": gallery.ornstein_uhlenbeck_2d,
    "P(100)": lambda: gallery.ornstein_uhlenbeck_2d(100.0),
    "line": lambda: gallery.ornstein_uhlenbeck(2.0, 0.7, 1.5, 0.4, 0.1),
    "circulating": gallery.circulating_ornstein_uhlenbeck,
    "3-D": gallery.quadratic_3d,
    "heavy ball": gallery.heavy_ball,
    "point source": gallery.point_source,
    "cross diffusion": gallery.cross_diffusion,
    "quartic": gallery.quartic_well,
    "multiplicative": gallery.multiplicative_noise,
    "hopf": gallery.hopf,
    "caughey": gallery.caughey,
    "caughey, two wells": lambda: gallery.caughey(0.5, 0.2, 0.3, "x**4/4 - x**2/2"),
    "stirred": gallery.chaudhari_soatto,
    "stirred, lam = 0": lambda: gallery.chaudhari_soatto(0.0),
    "van der Pol": gallery.van_der_pol,
    "gibbs noise": gallery.gibbs_noise,
    "rotating 1": lambda: gallery.rotating_tensor(1),
    "rotating 2": lambda: gallery.rotating_tensor(2, 50.0),
    "rotating 3": lambda: gallery.rotating_tensor(3),
    "mapped 1": lambda: gallery.mapped_ornstein_uhlenbeck(1),
    "mapped 2": gallery.mapped_ornstein_uhlenbeck,
    "mapped 3": lambda: gallery.mapped_ornstein_uhlenbeck(3),
    "travelling 1": lambda: gallery.travelling_well(1),
    "travelling 2": gallery.travelling_well,
    "travelling 3": lambda: gallery.travelling_well(3),
}
_built: dict[str, ExactProblem] = {}

# Central difference of order 8 and its step: truncation and rounding both near 1e-11.
STENCIL = (4 / 5, -1 / 5, 4 / 105, -1 / 280)
STEP = 0.01
CELLS = {1: 3001, 2: 401, 3: 91}
# P was published with a box of five standard deviations; what it cuts off shows in the mass.
CUT = {"P(1)": 3e-5, "P(100)": 3e-5}


def problem(key: str) -> ExactProblem:
    if key not in _built:
        _built[key] = PROBLEMS[key]()
    return _built[key]


def having(attribute: str) -> list[str]:
    return [key for key in PROBLEMS if getattr(problem(key), attribute) is not None]


def slope(
    function: Callable[[list[np.ndarray]], np.ndarray], points: Points, axis: int
) -> np.ndarray:
    """Derivative of ``function(points)`` along one axis, order 8."""
    total = 0.0
    for k, weight in enumerate(STENCIL, start=1):
        for sign in (1, -1):
            shifted = [p + sign * k * STEP * (i == axis) for i, p in enumerate(points)]
            total = total + sign * weight * function(shifted)
    return np.asarray(total) / STEP


def flux_terms(
    exact: ExactProblem, rho: Callable[[Points], np.ndarray], points: Points, t: float
) -> list[np.ndarray]:
    """Terms of -div(drift rho) + sum_ij d_i d_j (D_ij rho), (48) written out."""
    case = exact.problem
    axes = range(case.ndim)
    terms = [-slope(lambda p, i=i: case.drift_at(p, t)[i] * rho(p), points, i) for i in axes]
    for i in axes:
        for j in axes:
            terms.append(
                slope(
                    lambda q, i=i, j=j: slope(lambda p: case.sigma_at(p, t)[i, j] * rho(p), q, j),
                    points,
                    i,
                )
                / case.beta
            )
    return terms


def places(exact: ExactProblem, rho: Callable[[Points], np.ndarray], count: int) -> Points:
    """Random points where the density is at least a thousandth of its peak."""
    rng = np.random.default_rng(20263)
    axes = exact.problem.domain.axes
    lower = np.array([axis.lower for axis in axes])[:, None]
    upper = np.array([axis.upper for axis in axes])[:, None]
    points = lower + (upper - lower) * rng.random((len(axes), 200_000))
    values = rho(list(points))
    chosen = np.flatnonzero(values > 1e-3 * values.max())[:count]
    assert len(chosen) == count
    return list(points[:, chosen])


# The kernel of the point source is too narrow for this stencil; it has a test of its own.
@pytest.mark.parametrize("key", [key for key in having("density") if key != "point source"])
def test_density_solves_the_equation(key: str) -> None:
    exact = problem(key)
    assert exact.density is not None
    t = 0.7 * exact.end
    points = places(exact, lambda p: exact.density(t, p), 12)
    scale = 10.0 / exact.end
    rate = scale * slope(lambda p: exact.density(t + p[0] / scale, points), [0.0], 0)
    terms = flux_terms(exact, lambda p: exact.density(t, p), points, t)
    size = max(np.abs(term).max() for term in terms)
    assert np.abs(sum(terms) - rate).max() <= 2e-8 * size
    assert np.abs(rate).max() >= 1e-4 * size


@pytest.mark.parametrize("key", having("stationary_density"))
def test_stationary_density_is_at_rest(key: str) -> None:
    exact = problem(key)
    rho = exact.stationary_density
    points = places(exact, rho, 12)
    terms = flux_terms(exact, rho, points, 0.0)
    size = max(np.abs(term).max() for term in terms)
    assert np.abs(sum(terms)).max() <= 2e-8 * size


@pytest.mark.parametrize("key", having("stationary_density"))
def test_current_vanishes_only_under_detailed_balance(key: str) -> None:
    exact = problem(key)
    case, rho = exact.problem, exact.stationary_density
    points = places(exact, rho, 40)
    drive = case.velocity_at(points) * rho(points)
    gradient = np.stack([slope(rho, points, i) for i in range(case.ndim)])
    current = drive - np.einsum("ij...,j...->i...", case.sigma_at(points), gradient) / case.beta
    relative = np.abs(current).max() / np.abs(drive).max()
    if exact.detailed_balance:
        assert relative <= 1e-8
    else:
        assert relative >= 1e-2


@pytest.mark.parametrize("key", having("stationary_density"))
def test_stationary_mass_is_one(key: str) -> None:
    exact = problem(key)
    grid = exact.problem.grid(CELLS[exact.problem.ndim])
    mass = grid.integrate(exact.stationary_density(grid.points))
    assert mass == pytest.approx(1.0, abs=CUT.get(key, 1e-10))


@pytest.mark.parametrize("key", having("density"))
def test_moments_of_the_density(key: str) -> None:
    exact = problem(key)
    grid = exact.problem.grid(CELLS[exact.problem.ndim])
    density = exact.density(exact.end, grid.points)
    assert grid.integrate(density) == pytest.approx(1.0, abs=CUT.get(key, 1e-9))
    offsets = np.broadcast_arrays(*grid.points)
    mean = np.array([grid.integrate(offset * density) for offset in offsets])
    if exact.mean is not None:
        np.testing.assert_allclose(mean, exact.mean(exact.end), atol=CUT.get(key, 1e-9))
    if exact.covariance is not None:
        second = [[grid.integrate((a * b) * density) for a in offsets] for b in offsets]
        np.testing.assert_allclose(
            np.array(second) - np.outer(mean, mean),
            exact.covariance(exact.end),
            atol=10 * CUT.get(key, 1e-9),
        )


@pytest.mark.parametrize("key", list(PROBLEMS))
def test_box_holds_the_answer(key: str) -> None:
    exact = problem(key)
    case = exact.problem
    grid = case.grid(CELLS[case.ndim] // 2)
    answers = [exact.initial(grid)]
    if exact.density is not None:
        answers.append(exact.density(exact.end, grid.points))
    if exact.stationary_density is not None:
        answers.append(exact.stationary_density(grid.points))
    assert grid.integrate(answers[0]) == pytest.approx(1.0, abs=1e-13)
    for density in answers:
        for axis, side in enumerate(case.domain.axes):
            if not side.periodic:
                edge = np.take(density, (0, -1), axis=axis).max()
                assert edge <= CUT.get(key, 1e-10) * density.max()


@pytest.mark.parametrize("key", list(PROBLEMS))
def test_coefficients_are_admissible(key: str) -> None:
    exact = problem(key)
    exact.problem.check(exact.problem.grid(12), 0.3)


def test_point_source_is_the_heat_kernel() -> None:
    exact = problem("point source")
    turn = np.sqrt(0.5)
    grid = exact.problem.grid(201)
    x, y = grid.points
    u, v = turn * (x + y), turn * (y - x)
    t = exact.end
    kernel = np.exp(-(u**2) / (0.8 * t) - v**2 / (4.0 * t)) / (4.0 * np.pi * t * np.sqrt(0.2))
    np.testing.assert_allclose(exact.density(t, grid.points), kernel, rtol=1e-9, atol=1e-300)
    start = exact.initial(grid)
    assert np.count_nonzero(start) == 1
    assert start[100, 100] == pytest.approx(1.0 / grid.cell_volume)


def test_published_cross_diffusion_moments() -> None:
    exact = problem("cross diffusion")
    mean, covariance = exact.mean(0.3), exact.covariance(0.3)
    found = [*mean, covariance[0, 0], covariance[0, 1], covariance[1, 1]]
    np.testing.assert_allclose(found, list(exact.numbers.values()), atol=6e-9)


def test_published_circulating_numbers() -> None:
    exact = problem("circulating")
    assert exact.entropy_production == pytest.approx(81.0 / 19.0, rel=1e-13)
    rates = sorted(a + 3 * b for a in range(12) for b in range(5))
    np.testing.assert_allclose(np.real(exact.eigenvalues), -np.array(rates[:10]), atol=1e-12)
    limit = exact.covariance(60.0)
    np.testing.assert_allclose(limit, [[1.0, 0.45], [0.45, 1.0 / 3.0]], atol=1e-12)


@pytest.mark.parametrize("key", ["circulating", "P(100)", "3-D", "line", "hopf", "stirred"])
def test_entropy_production_by_quadrature(key: str) -> None:
    exact = problem(key)
    case = exact.problem
    grid = case.grid(CELLS[case.ndim] // 2)
    rho = exact.stationary_density(grid.points)
    live = rho > 1e-14 * rho.max()
    inverse = np.linalg.inv(case.constant_sigma / case.beta)
    points = [p[live] for p in np.broadcast_arrays(*grid.points)]
    log_slope = np.stack(
        [slope(exact.stationary_density, points, i) for i in range(case.ndim)]
    ) / exact.stationary_density(points)
    flow = case.velocity_at(points) - np.linalg.inv(inverse) @ log_slope
    rate = np.einsum("ik,ij,jk,k->", flow, inverse, flow, rho[live]) * grid.cell_volume
    assert exact.entropy_production == pytest.approx(rate, rel=1e-6, abs=1e-9)


def polynomial_spectrum(
    drift: Sequence[Sequence[float]], tensor: Sequence[float], degree: int
) -> np.ndarray:
    """Eigenvalues of b(x) d/dx + D(x) d^2/dx^2 on polynomials, b and D given by coefficients."""
    matrix = np.zeros((degree + 1, degree + 1))
    for n in range(degree + 1):
        for power, coefficient in enumerate(drift):
            if n >= 1:
                matrix[n - 1 + power, n] += n * coefficient
        for power, coefficient in enumerate(tensor):
            if n >= 2:
                matrix[n - 2 + power, n] += n * (n - 1) * coefficient
    return np.sort(eigvals(matrix).real)[::-1]


def test_multiplicative_spectrum_and_moments() -> None:
    exact = problem("multiplicative")
    beta = exact.problem.beta
    found = polynomial_spectrum([0.0, -1.0], [1.0 / beta, 0.0, 1.0 / beta], 7)
    assert len(exact.eigenvalues) == 8
    np.testing.assert_allclose(np.real(exact.eigenvalues), found, atol=1e-10)
    # E[x^2] relaxes with the rate of the second polynomial, from the start to the Gibbs value.
    grid = exact.problem.grid(20_001)
    rest = grid.integrate(grid.points[0] ** 2 * exact.stationary_density(grid.points))
    for t in (0.0, 0.4, 3.0):
        mean = 0.5 * np.exp(-t)
        second = rest + (0.04 + 0.25 - rest) * np.exp(found[2] * t)
        assert exact.mean(t)[0] == pytest.approx(mean)
        assert exact.covariance(t)[0, 0] == pytest.approx(second - mean**2, rel=1e-9)


@pytest.mark.parametrize("beta", sorted(gallery.wells.QUARTIC_RATES))
def test_quartic_rates(beta: float) -> None:
    # Schroedinger form in sinc functions: -(1/beta) u'' + (beta Phi'^2/4 - Phi''/2) u.
    n, width = 401, 0.02 if beta > 15 else 0.03
    x = width * (np.arange(n) - n // 2)
    lag = np.subtract.outer(np.arange(n), np.arange(n))
    second = -2.0 * (-1.0) ** lag / np.maximum(np.square(lag, dtype=float), 1.0)
    np.fill_diagonal(second, -(np.pi**2) / 3.0)
    potential = 0.25 * beta * (x**3 - x) ** 2 - 0.5 * (3 * x**2 - 1)
    found = eigvalsh(np.diag(potential) - second / (beta * width**2), subset_by_index=(0, 1))
    exact = gallery.quartic_well(beta)
    assert abs(found[0]) <= 1e-9
    assert -np.real(exact.eigenvalues[1]) == pytest.approx(found[1], rel=3e-7, abs=2e-12)
    if beta >= 20:
        assert exact.numbers["kramers_rate"] == pytest.approx(found[1], rel=0.2)


@pytest.mark.parametrize("beta", sorted(gallery.wells.QUARTIC_PASSAGE))
def test_quartic_passage_times(beta: float) -> None:
    # tau(-1) = beta int_{-1}^0 exp(beta Phi(y)) int_{-inf}^y exp(-beta Phi), Simpson on both.
    step = 1e-4
    x = np.arange(-35_000, 1) * step
    well = 0.25 * x**4 - 0.5 * x**2
    weight = np.exp(-beta * (well + 0.25))
    middle = x[1:] - 0.5 * step
    weight_middle = np.exp(-beta * (0.25 * middle**4 - 0.5 * middle**2 + 0.25))
    inner = np.concatenate(
        [[0.0], np.cumsum(weight[:-1] + 4 * weight_middle + weight[1:]) * step / 6]
    )
    part = x >= -1.0 - 0.5 * step
    outer = (inner * np.exp(beta * (well + 0.25)))[part]
    simpson = step / 3 * (outer[0] + outer[-1] + 4 * outer[1:-1:2].sum() + 2 * outer[2:-1:2].sum())
    numbers = gallery.quartic_well(beta).numbers
    assert numbers["passage_time_-1_to_0"] == pytest.approx(beta * simpson, rel=2e-9)


def radial_eigenvalue(angular: int, rank: int) -> float:
    """Real part of an eigenvalue of the Hopf problem with angular number m, by collocation.

    With f = r^m g(s) exp(i m theta), s = r^2, the backward operator is
    4 D s g'' + (4 D (m + 1) + 2 s (1 - s)) g' + m (1 - s) g + 2 i m g.
    """
    n, top, diffusion = 36, 4.0, 0.1
    k = np.arange(n + 1)
    nodes = np.cos(np.pi * k / n)
    sign = np.where((k == 0) | (k == n), 2.0, 1.0) * (-1.0) ** k
    gap = np.subtract.outer(nodes, nodes) + np.eye(n + 1)
    first = np.outer(sign, 1.0 / sign) / gap
    first -= np.diag(first.sum(axis=1))
    s, first = 0.5 * top * (nodes + 1.0), first * 2.0 / top
    operator = (
        np.diag(4.0 * diffusion * s) @ first @ first
        + np.diag(4.0 * diffusion * (angular + 1) + 2.0 * s * (1.0 - s)) @ first
        + np.diag(angular * (1.0 - s))
    )
    values = eigvals(operator)
    return float(np.sort(values.real[np.abs(values.imag) < 1e-8])[::-1][rank])


def test_hopf_spectrum() -> None:
    exact = problem("hopf")
    sectors = {0.0: (0, 1), 2.0: (1, 0), 4.0: (2, 0), 6.0: (3, 0)}
    for value in exact.eigenvalues[1:]:
        angular, rank = sectors[abs(np.imag(value))]
        assert np.real(value) == pytest.approx(radial_eigenvalue(angular, rank), abs=2e-10)


def test_mapped_eigenfunction() -> None:
    # The first linear variable, seen in x, is an eigenfunction of the backward operator.
    exact = problem("mapped 2")
    case = exact.problem
    points = places(exact, exact.stationary_density, 12)

    def mode(p: Points) -> np.ndarray:
        return p[0] - 0.8 * np.sin(p[1])

    drift, tensor = case.drift_at(points), case.sigma_at(points) / case.beta
    image = sum(drift[i] * slope(mode, points, i) for i in range(2))
    for i in range(2):
        for j in range(2):
            image = image + tensor[i, j] * slope(lambda q, j=j: slope(mode, q, j), points, i)
    np.testing.assert_allclose(image, exact.eigenvalues[1].real * mode(points), atol=1e-9)


def test_heavy_ball_rests_at_the_gibbs_state() -> None:
    exact = problem("heavy ball")
    beta = exact.problem.beta
    np.testing.assert_allclose(exact.covariance(80.0), np.eye(2) / beta, atol=1e-13)


@pytest.mark.parametrize("radius", [0.4, 0.9])
def test_stirred_current_runs_on_circles(radius: float) -> None:
    """v = J/rho_ss by differences of the density: tangential, with the period of a full turn."""
    exact = problem("stirred")
    angle = 2.0 * np.pi * np.arange(400) / 400
    points = [radius * np.cos(angle), radius * np.sin(angle)]
    rho = exact.stationary_density
    flow = exact.problem.velocity_at(points) - np.stack(
        [slope(rho, points, i) / rho(points) for i in range(2)]
    )
    assert np.abs(points[0] * flow[0] + points[1] * flow[1]).max() <= 1e-9
    speed = (points[0] * flow[1] - points[1] * flow[0]) / radius
    dwell = 2.0 * np.pi * radius / len(angle) / speed
    well = (points[0] ** 2 - 1.0) ** 2 / 4.0 + points[1] ** 2 / 2.0
    period, mean_well = circle_averages(0.5, radius)
    assert period == pytest.approx(dwell.sum(), rel=1e-9)
    assert mean_well == pytest.approx((dwell * well).sum() / dwell.sum(), rel=1e-9)


def test_stirred_turnover() -> None:
    exact = problem("stirred")
    # Flux through the half-line y = 0, x > 0, where rho_ss has no slope across it.
    x = np.linspace(0.0, 5.0, 2001)
    points = [x, np.zeros_like(x)]
    flux = exact.problem.velocity_at(points)[1] * exact.stationary_density(points)
    assert exact.numbers["turnover"] == pytest.approx(simpson(flux, x=x), rel=1e-9)


@pytest.mark.parametrize("mu", sorted(gallery.cycles.VAN_DER_POL_PERIODS))
def test_van_der_pol_periods(mu: float) -> None:
    """Time between two passes of v = 0 downwards, once the start is forgotten."""
    exact = gallery.van_der_pol(mu)

    def turns(_: float, state: np.ndarray) -> float:
        return float(state[1])

    turns.direction = -1.0  # type: ignore[attr-defined]
    passes = solve_ivp(
        lambda _, state: exact.problem.velocity_at([state[0], state[1]]),
        (0.0, 60.0),
        (2.0, 1e-3),
        method="DOP853",
        rtol=1e-12,
        atol=1e-12,
        events=turns,
    ).t_events[0]
    assert exact.numbers["period"] == pytest.approx(passes[-1] - passes[-2], rel=1e-9)


def test_wrong_dimension_is_refused() -> None:
    for build in (gallery.rotating_tensor, gallery.mapped_ornstein_uhlenbeck):
        with pytest.raises(ValueError, match="ndim = 4"):
            build(4)
