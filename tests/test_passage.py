"""First passage against closed forms, quadratures, dense twins and identities."""

from __future__ import annotations

import numpy as np
import pytest
from fields import settings_of
from hypothesis import assume, given
from hypothesis import strategies as st
from measures import ORDER_WINDOW, compiled_only, examples, fitted_order
from scipy.integrate import quad

from fokkerplanck import CaseError, Problem, generator
from fokkerplanck.gallery.wells import QUARTIC_PASSAGE
from fokkerplanck.linear_solvers.backward import BackwardSolver
from fokkerplanck.particles import ensemble
from fokkerplanck.passage.committor import committor
from fokkerplanck.passage.passage import passage
from fokkerplanck.passage.targets import Region, cut_rate, kill
from fokkerplanck.stationary.stationary import stationary


def quartic(beta: float) -> Problem:
    return Problem(loss="x**4/4 - x**2/2", sigma=1.0, beta=beta, domain={"x": (-2.5, 2.5)})


def quartic_quadrature(beta: float) -> float:
    """beta int_{-1}^0 exp(beta Phi(y)) int_{-inf}^y exp(-beta Phi(z)) dz dy."""
    phi = np.polynomial.Polynomial([0.0, 0.0, -0.5, 0.0, 0.25])
    # Midpoint sums on both nested intervals, Richardson-extrapolated.
    values = []
    for n in (8000, 16000):
        h = 1.0 / n
        z = -2.5 + h * (np.arange(int(2.5 * n)) + 0.5)
        weight = np.exp(-beta * (phi(z) + 0.25))
        inner = h * (np.cumsum(weight) - 0.5 * weight)[z > -1.0]
        values.append(beta * h * float((np.exp(beta * (phi(z[z > -1.0]) + 0.25)) * inner).sum()))
    return (4.0 * values[1] - values[0]) / 3.0


@pytest.mark.parametrize(("beta", "exact"), [(1.0, 0.5957493185), (4.0, 4.5016024162)])
def test_exit_of_an_ornstein_uhlenbeck_process(beta: float, exact: float) -> None:
    problem = Problem(
        loss="x**2/2", beta=beta, domain={"x": {"range": (-1, 1), "boundary": "absorbing"}}
    )
    errors, widths = [], []
    for cells in (32, 64, 128):
        found = passage(generator(problem, problem.grid(cells)), problem, start=[[0.0]])
        errors.append(abs(found.start_mean_time[0] - exact))
        widths.append(2.0 / cells)
        assert found.sides == ("x lower", "x upper")
        assert found.start_exit_probability[0] == pytest.approx([0.5, 0.5], abs=1e-12)
    assert errors[-1] < 2e-4 * exact
    assert abs(fitted_order(widths, errors) - 2.0) < ORDER_WINDOW


def test_exit_with_a_constant_drift() -> None:
    """dX = a dt + sqrt(2 D) dW on (0, 1): time, its variance and the side of exit."""
    a, diffusion = 1.5, 0.5
    problem = Problem(
        drift=[str(a)],
        beta=1.0 / diffusion,
        domain={"x": {"range": (0.0, 1.0), "boundary": "absorbing"}},
    )
    pull = a / diffusion
    start = 0.3

    def right(x: float) -> float:
        return float(np.expm1(-pull * x) / np.expm1(-pull))

    def mean(x: float) -> float:
        return (right(x) - x) / a

    def green(x: float, y: float) -> float:
        """Time spent at y per unit length, from x."""
        low, high = min(x, y), max(x, y)
        slope = diffusion * pull * np.exp(-pull * y)
        return float(right(low) * (1.0 - right(high)) * -np.expm1(-pull) / slope)

    second = 2.0 * sum(
        quad(lambda y: green(start, y) * mean(y), *ends)[0] for ends in ((0, start), (start, 1))
    )
    spread = np.sqrt(second - mean(start) ** 2)
    errors, widths = [], []
    for cells in (20, 40, 80):
        found = passage(generator(problem, problem.grid(cells)), problem, start=[[start]])
        got = np.array(
            [
                *found.start_mean_time,
                *found.start_deviation,
                found.start_exit_probability[0, 1],
            ]
        )
        errors.append(np.abs(got / [mean(start), spread, right(start)] - 1.0).max())
        widths.append(1.0 / cells)
    assert errors[-1] < 5e-4
    assert abs(fitted_order(widths, errors) - 2.0) < 0.3
    np.testing.assert_allclose(found.exit_probability.sum(axis=0), 1.0, rtol=1e-13)


@pytest.mark.parametrize("beta", [*QUARTIC_PASSAGE, 40.0])
def test_quartic_well(beta: float) -> None:
    """To 1e-3 with 512 cells, order 2, and 1e-6 by extrapolation."""
    exact = QUARTIC_PASSAGE.get(beta) or quartic_quadrature(beta)
    problem = quartic(beta)
    times = {}
    for cells in (128, 256, 512):
        found = passage(generator(problem, problem.grid(cells)), problem, "x > 0", start=[[-1.0]])
        times[cells] = float(found.start_mean_time[0])
    errors = [abs(time / exact - 1.0) for time in times.values()]
    assert errors[-1] < 1e-3
    assert abs(fitted_order([1 / 128, 1 / 256, 1 / 512], errors) - 2.0) < ORDER_WINDOW
    extrapolated = (4.0 * times[512] - times[256]) / 3.0
    assert extrapolated == pytest.approx(exact, rel=1e-6)


def test_time_that_no_spectrum_sees() -> None:
    """A mean time of 1e33, relatively right by extrapolation."""
    beta = 300.0
    times = []
    for cells in (512, 1024):
        problem = quartic(beta)
        found = passage(generator(problem, problem.grid(cells)), problem, "x > 0", start=[[-1.0]])
        times.append(float(found.start_mean_time[0]))
    exact = quartic_quadrature(beta)
    assert exact > 1e32
    assert times[1] == pytest.approx(exact, rel=5e-3)
    assert (4.0 * times[1] - times[0]) / 3.0 == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize("edge", [0.0, 0.0137])
def test_committor_in_one_dimension(edge: float) -> None:
    """q is the integral of exp(beta Phi), and the rate that of the two-sided flux."""
    beta = 5.0
    problem = quartic(beta)

    def gibbs(sign: float, low: float, high: float) -> float:
        return quad(lambda x: np.exp(sign * beta * (x**4 / 4 - x**2 / 2)), low, high)[0]

    errors, rates, widths = [], [], []
    for cells in (64, 128, 256):
        found_generator = generator(problem, problem.grid(cells))
        found = passage(
            found_generator, problem, f"x > {edge}", "x < -0.7123", start=[[-0.5], [-0.3]]
        )
        whole = gibbs(1, -0.7123, edge)
        exact = [gibbs(1, -0.7123, x) / whole for x in (-0.5, -0.3)]
        assert found.start_committor is not None
        errors.append(np.abs(found.start_committor - exact).max())
        between = found.committor
        assert between is not None
        assert between.backward is not None
        np.testing.assert_allclose(between.backward + between.forward, 1.0, rtol=1e-12)
        flux = 1.0 / (beta * whole * gibbs(-1, -2.5, 2.5))
        rates.append(abs(between.flux / flux - 1.0))
        widths.append(1.0 / cells)
    assert errors[-1] < 2e-4
    assert fitted_order(widths, errors) > 1.7
    assert rates[-1] < 2e-3
    assert fitted_order(widths, rates) > 1.7


@compiled_only
@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_circle_is_met_where_it_is(beta: float) -> None:
    """Exit from the unit disc of a rotating linear drift: radial, and order 2 on a square grid.

    The rotation does not change |x|, so the time is that of the radial process:
    tau(r) = int_r^1 (exp(beta s^2/2) - 1)/s ds with D = 1/beta.
    """
    problem = Problem(
        loss="(x**2 + y**2)/2", drift=["-3*y", "3*x"], beta=beta,
        domain={"x": (-1.2, 1.2), "y": (-1.2, 1.2)},
    )  # fmt: skip
    exact = [quad(lambda s: np.expm1(0.5 * beta * s * s) / s, r, 1.0)[0] for r in (0.0, 0.65)]
    starts = [[0.0, 0.0], [0.25, -0.6]]
    errors, widths = [], []
    for cells in (33, 47, 66, 94, 132):
        found = passage(
            generator(problem, problem.grid(cells)), problem, "x**2 + y**2 > 1", start=starts
        )
        errors.append(np.abs(found.start_mean_time - exact).max())
        widths.append(1.0 / cells)
    assert errors[-1] < 1e-3 * exact[0]
    assert abs(fitted_order(widths, errors) - 2.0) < 0.25


def test_staircase_would_be_of_order_one() -> None:
    """What the cut edges are for: ended at the cell centres the disc is too large by O(h)."""
    problem = Problem(loss="0*x", beta=1.0, domain={"x": (-1.2, 1.2), "y": (-1.2, 1.2)})
    found = generator(problem, problem.grid(66))
    x, y = found.grid.points
    cells = passage(found, problem, x**2 + y**2 > 1.0, start=[[0.0, 0.0]]).start_mean_time[0]
    cut = passage(found, problem, "x**2 + y**2 > 1", start=[[0.0, 0.0]]).start_mean_time[0]
    assert abs(cut - 0.25) < 2e-4
    assert abs(cells - 0.25) > 20.0 * abs(cut - 0.25)


def test_cut_rate_of_a_shorter_edge() -> None:
    """c B(-P) over the share s is (c/s) B(-s P), also for one-way edges."""
    from reference import bernoulli

    pull, share = np.array([-3.0, 1e-4, 2.0, 30.0]), np.array([0.3, 0.5, 1.0, 0.01])
    whole = np.array([2.0 * bernoulli(-p) for p in pull])
    back = np.array([2.0 * bernoulli(p) for p in pull])
    exact = [2.0 / s * bernoulli(-s * p) for p, s in zip(pull, share, strict=True)]
    np.testing.assert_allclose(cut_rate(whole, back, share), exact, rtol=1e-12)
    np.testing.assert_allclose(cut_rate(np.array([3.0]), np.zeros(1), np.array([0.5])), [6.0])


@compiled_only
def test_turning_flow_has_one_reactive_current() -> None:
    """Without detailed balance: the flux through any surface between the regions is the same."""
    problem = Problem(
        loss="x**4/4 - x**2/2 + y**2/2", drift=["-y", "x"], sigma=[[1.0, 0.3], [0.3, 0.6]],
        beta=6.0, domain={"x": (-2.2, 2.2), "y": (-2.2, 2.2)},
    )  # fmt: skip
    rates = []
    for cells in (32, 64, 128):
        found = generator(problem, problem.grid(cells))
        grid, state = found.grid, stationary(found, problem)
        target, source = (
            Region.of(grid, lambda p, c=c: (p[0] - c) ** 2 + p[1] ** 2 < 0.1, "region")
            for c in (1.0, -1.0)
        )
        between = committor(found, target, source, state)
        rates.append(between.rate)
        x, y = grid.points
        surfaces = [x + 0.2 * y < c + 0 * y for c in (-0.5, 0.0, 0.3)]
        surfaces.append((x + 1.0) ** 2 + y**2 < 0.8)
        assert between.flows is not None
        for surface in surfaces:
            left = np.reshape(surface, -1).astype(float)
            total = 0.0
            for row, shift in zip(between.flows, found.rates.shifts, strict=True):
                edges = np.flatnonzero(row)
                total += float((row[edges] * (left[edges] - left[edges + shift])).sum())
            assert total * grid.cell_volume == pytest.approx(between.flux, rel=1e-10)
        assert between.backward is not None
        known = between.backward[np.isfinite(between.backward)]
        assert known.min() >= 0.0
        assert known.max() <= 1.0 + 1e-12
        # By the half turn x -> -x, q- (x) = q+ of the reversed problem; the shares are equal.
        assert between.share == pytest.approx(0.5, abs=1e-9)
    # The rates converge at order 2: each step is a quarter of the one before.
    assert 2.5 < (rates[1] - rates[0]) / (rates[2] - rates[1]) < 6.5


@examples
@given(data=st.data())
def test_backward_committor_by_time_reversal(data: st.DataObject) -> None:
    """Regions of whole cells, random problems: q- is the committor of the reversed matrix."""
    setting = data.draw(
        settings_of(dimensions=(1, 2), sides=("reflecting", "periodic"), decades=0.5)
    )
    found = generator(setting.problem, setting.grid)
    grid = found.grid
    order = np.random.default_rng([77, data.draw(st.integers(0, 99))]).permutation(grid.size)
    a, b = np.zeros(grid.size, dtype=bool), np.zeros(grid.size, dtype=bool)
    a[order[0]], b[order[1]] = True, True
    matrix = found.to_scipy().toarray()
    assume(not matrix[np.ix_(a, b)].any())
    state = stationary(found, setting.problem)
    between = committor(found, Region.of(grid, b, "target"), Region.of(grid, a, "source"), state)
    rho = state.density.reshape(-1)
    reversed_matrix = matrix.T * rho[:, None] / rho[None, :]
    for adjoint, one, zero, got in (
        (matrix.T, b, a, between.forward),
        (reversed_matrix.T, a, b, between.backward),
    ):
        free = ~(a | b)
        assume(np.linalg.cond(adjoint[np.ix_(free, free)]) < 1e9)
        right = adjoint[np.ix_(free, one)].sum(axis=1)
        exact = one.astype(float)
        exact[free] = np.linalg.solve(-adjoint[np.ix_(free, free)], right)
        np.testing.assert_allclose(np.reshape(got, -1), exact, rtol=1e-6, atol=1e-9)
        assert not exact[zero].any()
    # Both ends of the stream carry the same, in both directions of time.
    killed = between.killed
    out = (rho * np.reshape(between.backward, -1)) @ killed.exit_rates(0)
    assert between.flux == pytest.approx(float(out) * grid.cell_volume, rel=1e-9)


def test_transition_rate_is_half_the_gap() -> None:
    """Two states: k_AB + k_BA tends to the spectral gap, and 1/k_AB to the mean time."""
    beta = 40.0
    problem = quartic(beta)
    found = generator(problem, problem.grid(512))
    got = passage(found, problem, "x > 0.8", "x < -0.8", start=[[-1.0]])
    assert got.committor is not None
    assert 2.0 * got.committor.rate == pytest.approx(1.958927e-5, rel=1e-3)
    assert got.start_mean_time[0] * got.committor.rate == pytest.approx(1.0, rel=1e-4)


def test_arrivals_have_the_moments_of_the_backward_equation() -> None:
    problem = quartic(2.0)
    found = generator(problem, problem.grid(128))
    got = passage(found, problem, "x > 0", start=[[-1.0]], times=np.linspace(0.0, 60.0, 1201))
    (arrival,) = got.arrivals
    time, density = arrival.time, arrival.density[:, 0]
    assert arrival.survival[0] == pytest.approx(1.0, abs=1e-12)
    assert arrival.survival[-1] < 1e-7
    assert np.diff(arrival.survival).max() < 1e-8
    step = time[1]
    assert step * density.sum() == pytest.approx(1.0, abs=1e-4)
    # int S dt = tau, int t S dt = E[T^2]/2, by the trapezoidal rule.
    weight = np.full(time.size, step)
    weight[[0, -1]] *= 0.5
    assert weight @ arrival.survival == pytest.approx(got.start_mean_time[0], rel=3e-4)
    second = 2.0 * float(weight @ (time * arrival.survival))
    deviation = np.sqrt(second - got.start_mean_time[0] ** 2)
    assert deviation == pytest.approx(got.start_deviation[0], rel=1e-3)


@compiled_only
def test_walkers_leave_when_the_density_says() -> None:
    """1e5 walkers of an Ornstein-Uhlenbeck process between absorbing sides."""
    problem = Problem(
        loss="x**2/2", beta=1.0, domain={"x": {"range": (-1, 1), "boundary": "absorbing"}}
    )
    grid = problem.grid(201)
    times = np.linspace(0.0, 3.0, 31)
    got = passage(generator(problem, grid), problem, start=[[0.0]], times=times)
    start = np.zeros(grid.shape)
    start[100] = 1.0 / grid.cell_volume
    walkers = ensemble(
        problem, grid, start, times, method="weak-2", particles=100_000, seed=90113, step=5e-3
    )
    left = 1.0 - walkers.absorbed.sum(axis=1) / 100_000
    survival = got.arrivals[0].survival
    noise = np.sqrt(np.clip(survival * (1.0 - survival), 0.0, 1.0) / 100_000)
    # Four standard errors, and what steps and the start within a cell displace.
    assert (np.abs(left - survival) <= 4.0 * noise + 2e-3).all()
    mean = float(np.trapezoid(left, times)) + left[-1] / 1.57
    assert mean == pytest.approx(0.5957493185, abs=4.0 * 0.5 / np.sqrt(1e5) + 2e-3)


def test_exit_probability_with_a_target_and_a_side() -> None:
    """Out by the target or by the side, on the box of a plain Brownian motion."""
    problem = Problem(
        loss="0*x", beta=1.0,
        domain={"x": {"range": (0, 1), "boundary": ["absorbing", "reflecting"]}},
    )  # fmt: skip
    found = passage(
        generator(problem, problem.grid(64)), problem, "x > 0.707", start=[[0.2], [0.9]]
    )
    assert found.sides == ("x lower", "target")
    np.testing.assert_allclose(
        found.start_exit_probability, [[1 - 0.2 / 0.707, 0.2 / 0.707], [0, 1]], atol=1e-3
    )
    assert found.start_mean_time[0] == pytest.approx(0.2 * (0.707 - 0.2) / 2, rel=1e-2)
    assert found.start_mean_time[1] == 0.0


def test_start_beside_a_target_keeps_order_two() -> None:
    """Within a cell of the boundary the value is continued from the free side."""
    problem = Problem(loss="0*x", beta=1.0, domain={"x": (0.0, 1.0)})
    edge, errors, widths = 0.61803, [], []
    for cells in (40, 80, 160):
        start = edge - 0.2 / cells
        found = passage(
            generator(problem, problem.grid(cells)), problem, f"x > {edge}", start=[[start]]
        )
        # tau = (edge^2 - x^2)/2 from the reflecting side at 0.
        errors.append(abs(found.start_mean_time[0] - (edge**2 - start**2) / 2.0))
        widths.append(1.0 / cells)
    assert max(error * cells**2 for error, cells in zip(errors, (40, 80, 160), strict=True)) < 1.0


BAD = [
    ({"target": "x > 9"}, "passage.target", "holds for no cell"),
    ({"target": "x > -9"}, "passage.target", "holds for all cells"),
    ({"target": "x > 0", "source": "x < 0.5"}, "passage.source", "cells in common"),
    ({"target": "x > 0", "source": "x < 0"}, "passage.source", "no cell between it"),
    ({"target": "x > 0.2", "source": "-1 < x < 0.2"}, "passage.source", "an edge of the grid"),
    ({"target": "boundary"}, "passage.target", "no side of the box is absorbing"),
    ({"target": "x > 0", "start": [[9.0]]}, "passage.start[0]", "is not in"),
    ({"target": "x > 0", "start": [[0.1, 0.2]]}, "passage.start", "1 coordinates"),
    ({"target": "x > 0", "times": [1.0, 0.5]}, "passage.times", "rise"),
    ({"target": "z > 0"}, "passage.target", "z is not known"),
    ({"target": "x"}, "passage.target", "a condition such as"),
]


@pytest.mark.parametrize(("arguments", "key", "part"), BAD)
def test_bad_regions_are_refused(arguments: dict, key: str, part: str) -> None:
    problem = quartic(2.0)
    with pytest.raises(CaseError) as error:
        passage(generator(problem, problem.grid(32)), problem, **arguments)
    assert error.value.key == key
    assert part in str(error.value)


def test_no_path_and_moving_coefficients_are_refused() -> None:
    wall = Problem(drift=["0", "0"], sigma=[1.0, 0.0], domain={"x": (0, 1), "y": (0, 1)})
    with pytest.raises(CaseError, match="no path leads"):
        passage(generator(wall, wall.grid(8)), wall, "y > 0.5")
    moving = Problem(loss="x**2*(1 + t)", domain={"x": (0, 1)})
    with pytest.raises(CaseError, match="change in time"):
        passage(generator(moving, moving.grid(8)), moving, "x > 0.5")


def test_kill_ends_edges_across_periodic_sides() -> None:
    """A target at the seam is met from both sides: the time on a ring of length 1."""
    problem = Problem(
        loss="0*x", beta=1.0, domain={"x": {"range": (0.0, 1.0), "boundary": "periodic"}}
    )
    found = generator(problem, problem.grid(50))
    region = Region.of(found.grid, lambda p: (p[0] < 0.033) | (p[0] > 0.951), "target")
    killed = kill(found, [region])
    time = BackwardSolver(killed.generator, killed.free).solve(np.ones(50))
    x = found.grid.centers[0]
    exact = np.where(killed.free, (x - 0.033) * (0.951 - x) / 2.0, 0.0)
    np.testing.assert_allclose(time, exact, atol=2e-4)


def test_deviation_of_times_whose_squares_overflow() -> None:
    """Mean times of e^475: arrival is a matter of chance alone, so the deviation equals them."""
    problem = quartic(1900.0)
    found = passage(
        generator(problem, problem.grid(400)), problem, target="x > 0.5", start=[[-1.0]]
    )
    assert found.start_mean_time[0] > 1e160
    assert found.start_deviation[0] == pytest.approx(found.start_mean_time[0], rel=1e-6)
