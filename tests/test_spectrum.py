"""Spectra of known problems, small rates to rounding, left and right modes, bounds on mixing."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
from fields import CLOSED, Setting, settings_of
from hypothesis import given, reject
from hypothesis import strategies as st
from measures import ORDER_WINDOW, compiled_only, examples, few_examples, fitted_order
from reference_spectrum import all_eigenvalues, slowest_rate
from scipy.linalg import expm

import fokkerplanck as fp
from fokkerplanck import gallery
from fokkerplanck.errors import CaseError, NumericalFailure
from fokkerplanck.gallery.wells import QUARTIC_RATES
from fokkerplanck.linear_solvers import shifted
from fokkerplanck.operators.generator import Generator, generator
from fokkerplanck.operators.potential import Potential
from fokkerplanck.problem import Problem
from fokkerplanck.spectrum import irreversible, reversible
from fokkerplanck.spectrum.dirichlet import orthonormal, ritz, slow_real_rates
from fokkerplanck.spectrum.spectrum import Spectrum, spectrum


def modes_of(problem: Problem, cells: object, count: int) -> Spectrum:
    return spectrum(generator(problem, problem.grid(cells)), count)  # type: ignore[arg-type]


def pairing(found: Spectrum, made: Generator) -> np.ndarray:
    """sum u_j r_k V."""
    rows = len(found.real)
    left, right = (values.reshape(rows, -1) for values in (found.left, found.modes))
    return left @ right.T * made.grid.cell_volume


# Known spectra.


@compiled_only
@pytest.mark.parametrize("beta", list(QUARTIC_RATES))
def test_quartic_well_to_1e_3_at_512_cells_and_to_1e_6_by_richardson(beta: float) -> None:
    problem, known = gallery.quartic_well(beta).problem, QUARTIC_RATES[beta]
    counts = (256, 512, 1024)
    rates = np.array([modes_of(problem, cells, 2).gap for cells in counts])
    errors = np.abs(rates / known - 1.0)
    # The bundled box is wider than the wells need, 8 units; that of the case `kramers` is 5.
    assert errors[1] <= 1e-3
    assert fitted_order(1.0 / np.array(counts), errors) == pytest.approx(2.0, abs=ORDER_WINDOW)
    # Two steps of Richardson's extrapolation in h^2.
    once = (4.0 * rates[1:] - rates[:-1]) / 3.0
    assert (16.0 * once[1] - once[0]) / 15.0 == pytest.approx(known, rel=1e-6)


@compiled_only
def test_ornstein_uhlenbeck_without_detailed_balance() -> None:
    exact = gallery.circulating_ornstein_uhlenbeck()
    known = -np.sort([n + 3 * m for n in range(8) for m in range(3)])[:6]
    errors, widths = [], []
    for cells in (96, 128, 160):
        made = generator(exact.problem, exact.problem.grid(cells))
        found = spectrum(made, 6)
        assert not found.detailed_balance
        assert found.real[0] == 0.0
        assert np.abs(found.imag).max() < 0.05
        errors.append(abs(found.real[1] - known[1]))
        widths.append(float(made.grid.spacing[0]))
        np.testing.assert_allclose(pairing(found, made), np.eye(len(found.real)), atol=1e-9)
        assert found.residuals.max() < 1e-11
    assert fitted_order(widths, errors) == pytest.approx(2.0, abs=ORDER_WINDOW)
    # Errors grow with the number of the mode.
    np.testing.assert_allclose(found.real, known, atol=0.06)


@compiled_only
def test_ornstein_uhlenbeck_with_detailed_balance() -> None:
    exact = gallery.ornstein_uhlenbeck_2d()
    known = np.sort(np.real(exact.eigenvalues))[::-1][:6]
    errors, widths = [], []
    for cells in (48, 64, 96):
        made = generator(exact.problem, exact.problem.grid(cells))
        found = spectrum(made, 6)
        assert found.detailed_balance
        errors.append(float(np.abs(found.real - known).max()))
        widths.append(float(made.grid.spacing[0]))
    assert fitted_order(widths, errors) == pytest.approx(2.0, abs=ORDER_WINDOW)
    # The slowest left mode of a linear drift is linear.
    slowest = found.left[1]
    along = np.gradient(slowest, axis=0)[40:56, 40:56]
    np.testing.assert_allclose(along, along.mean(), rtol=1e-2)


@compiled_only
def test_multiplicative_noise_below_the_continuum() -> None:
    exact = gallery.multiplicative_noise()
    known = np.array(exact.eigenvalues[:5])
    errors = []
    for cells in (256, 512, 1024):
        found = modes_of(exact.problem, cells, 5)
        errors.append(float(np.abs(found.real - known).max()))
    assert fitted_order([4.0, 2.0, 1.0], errors) == pytest.approx(2.0, abs=ORDER_WINDOW)
    assert errors[-1] < 5e-3
    # The polynomial of degree one.
    x = exact.problem.grid(1024).centers[0]
    inner = np.abs(x) < 3.0
    slope = found.left[1][inner] / x[inner]
    np.testing.assert_allclose(slope, slope[0], rtol=5e-3)


@compiled_only
def test_hopf_oscillates() -> None:
    exact = gallery.hopf()
    known = np.array([-0.1321970541 + 2j, -0.4659048678 + 4j])
    values = []
    for cells in (48, 64, 96):
        found = modes_of(exact.problem, cells, 8)
        values.append(found.eigenvalues)
        assert found.reach > 6.0
        # Of a pair the positive frequency first; both have conjugate modes.
        assert (found.imag[1::2][:3] > 0.0).all()
        np.testing.assert_array_equal(found.imag[2::2][:3], -found.imag[1::2][:3])
        np.testing.assert_allclose(found.modes[2], found.modes[1].conj(), atol=1e-10)
    got = np.array(values)[:, [1, 3]]
    for column, exact_value in zip(got.T, known, strict=True):
        order = fitted_order([1 / 48, 1 / 64, 1 / 96], np.abs(column - exact_value))
        assert order == pytest.approx(2.0, abs=2 * ORDER_WINDOW)
    extrapolated = (4.0 * np.array(values)[2] - np.array(values)[0]) / 3.0
    np.testing.assert_allclose(extrapolated[[1, 3]], known, atol=5e-3)
    assert extrapolated[7] == pytest.approx(-1.5647191927, rel=1e-3)


def test_absorbing_interval_has_no_zero() -> None:
    length, diffusion = 2.0, 0.5
    problem = Problem(
        "0", 1.0, 1.0 / diffusion, {"x": {"range": (0.0, length), "boundary": "absorbing"}}
    )
    known = -diffusion * (np.pi * np.arange(1, 5) / length) ** 2
    errors = []
    for cells in (100, 200, 400):
        made = generator(problem, problem.grid(cells))
        found = spectrum(made, 4)
        errors.append(float(np.abs(found.real - known).max()))
        assert not found.closed
        assert found.mixing is None
        assert found.gap == -found.real[0]
        # The quasi-stationary density.
        assert made.grid.integrate(found.modes[0]) == pytest.approx(1.0, abs=1e-12)
        assert found.modes[0].min() > 0.0
        np.testing.assert_allclose(pairing(found, made), np.eye(4), atol=1e-10)
    assert fitted_order([4.0, 2.0, 1.0], errors) == pytest.approx(2.0, abs=ORDER_WINDOW)
    assert found.relaxation_times[0] == pytest.approx(-1.0 / known[0], rel=1e-3)


# Exponentially small rates.


@pytest.mark.parametrize("beta", [40.0, 107.0, 150.0])
def test_small_gaps_are_relatively_right(beta: float) -> None:
    """1.98e-5, 1.11e-12 and 2.4e-17 at q = 2e4, against the same chain in 60 digits."""
    problem = gallery.quartic_well(beta).problem
    made = generator(problem, problem.grid(128))
    found = spectrum(made, 3)
    known = slowest_rate(made, found.gap)
    assert abs(float(found.gap / known - 1)) < 1e-9
    assert found.floor < 1e-6 * found.gap
    # Plus one in one well, minus one in the other.
    u = found.left[1]
    assert np.abs(u).max() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(("height", "tilt"), [(0.1, 0.02), (0.15, 0.01)])
def test_several_small_gaps_at_once(height: float, tilt: float) -> None:
    """Three wells over two barriers: rates of 2e-9 or 4e-14 that lie close together."""
    problem = Problem(f"{height}*(1 - cos(3*x)) + {tilt}*x", 1.0, 100.0, {"x": (-3.0, 3.0)})
    made = generator(problem, problem.grid(160))
    found = spectrum(made, 4)
    assert -found.real[2] < 1e-8 < -found.real[3]
    for rate in -found.real[1:3]:
        assert abs(float(rate / slowest_rate(made, rate) - 1)) < 1e-9


def test_a_trap_far_above_the_lowest_well() -> None:
    """33 decades less weight: in the symmetrised form the mode is below rounding where it ends."""
    problem = Problem("x**4/4 - x**2/2 + 0.3*x", 1.0, 130.0, {"x": (-2.0, 2.0)})
    made = generator(problem, problem.grid(160))
    found = spectrum(made, 4)
    assert abs(float(found.gap / slowest_rate(made, found.gap) - 1)) < 1e-9
    assert found.residuals.max() < 1e-12
    # What leaves the trap arrives in the well.
    right = found.modes[1]
    assert abs(made.grid.integrate(right)) < 1e-9
    assert np.abs(right[:60]).sum() == pytest.approx(np.abs(right[100:]).sum(), rel=0.1)
    np.testing.assert_allclose(pairing(found, made), np.eye(4), atol=1e-9)


@pytest.mark.parametrize("beta", [20.0, 107.0])
def test_small_gap_without_detailed_balance(beta: float) -> None:
    """A well in x and a current around y have nothing to do with each other."""
    loss = "x**4/4 - x**2/2"
    alone = Problem(loss, 1.0, beta, {"x": (-2.0, 2.0)})
    turning = {"x": (-2.0, 2.0), "y": {"range": (0.0, 2.0 * np.pi), "boundary": "periodic"}}
    both = Problem(loss, 1.0, beta, turning, drift=["0", "1"])
    one = modes_of(alone, 64, 2)
    two = modes_of(both, (64, 16), 4)
    assert not two.detailed_balance
    # A ratio: approx() takes any two numbers below 1e-12 for equal.
    assert two.gap / one.gap == pytest.approx(1.0, rel=1e-9)
    assert two.imag[2] > 0.1


def test_form_of_several_modes_carries_the_currents() -> None:
    """In a space of left modes its eigenvalues are theirs, thanks to its antisymmetric part."""
    problem = gallery.circulating_ornstein_uhlenbeck().problem
    made = generator(problem, problem.grid(32))
    found = spectrum(made, 4)
    mass = found.modes[0].reshape(-1) * made.grid.cell_volume
    functions = orthonormal(mass, found.left[1:].reshape(3, -1))
    rates = slow_real_rates(made, mass, functions)
    np.testing.assert_allclose(rates, found.eigenvalues[1:], rtol=1e-9)


def test_ritz_keeps_rates_of_any_scale(rng: np.random.Generator) -> None:
    problem = gallery.quartic_well(107.0).problem
    made = generator(problem, problem.grid(128))
    found = spectrum(made, 4)
    psi = made.potential.values
    assert psi is not None
    weight = np.exp(psi.min() - psi)
    exact = orthonormal(weight, found.left[1:].reshape(3, -1))
    mixed = exact + 1e-5 * np.tril(rng.standard_normal((3, 3)), 0) @ exact
    rates, turned = ritz(made, weight, orthonormal(weight, mixed))
    np.testing.assert_allclose(rates, -found.real[1:], rtol=1e-9)
    np.testing.assert_allclose(np.abs(turned @ (weight * exact).T), np.eye(3), atol=1e-9)


# All ways to the same modes.


@compiled_only
def test_products_alone_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = gallery.quartic_well(20.0).problem
    made = generator(problem, problem.grid(300))
    factors = spectrum(made, 5)
    monkeypatch.setitem(shifted.DIRECT_CELLS, 1, 10)
    products = spectrum(made, 5)
    assert "Chebyshev" in products.method
    np.testing.assert_allclose(products.real, factors.real, rtol=1e-10)
    np.testing.assert_allclose(products.modes, factors.modes, atol=1e-9)
    # Also where nobody ever is.
    for one, other in zip(products.left, factors.left, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-2 * np.abs(other).max())


@compiled_only
def test_iterative_solves_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = gallery.circulating_ornstein_uhlenbeck().problem
    made = generator(problem, problem.grid(20))
    factors = spectrum(made, 4)
    monkeypatch.setitem(shifted.DIRECT_CELLS, 2, 10)
    found = spectrum(made, 4)
    assert "iteration" in found.method
    np.testing.assert_allclose(found.eigenvalues, factors.eigenvalues, rtol=1e-9, atol=1e-12)


@few_examples
@given(settings_of(decades=1.5), st.integers(1, 5))
def test_against_all_eigenvalues_at_once(setting: Setting, count: int) -> None:
    made = generator(setting.problem, setting.grid)
    count = min(count, setting.grid.size)
    try:
        found = spectrum(made, count)
    except NumericalFailure as failure:
        if "140 decades" not in str(failure):
            raise
        reject()
    known = all_eigenvalues(made)[: len(found.real)]
    scale = made.q
    assert len(found.real) in (count, count + 1)
    np.testing.assert_allclose(found.real, known.real, atol=1e-9 * scale)
    np.testing.assert_allclose(np.abs(found.imag), np.abs(known.imag), atol=1e-7 * scale)
    assert found.residuals.max() < 1e-9


@examples
@given(settings_of(dimensions=(2,), balanced=True), st.sampled_from(["balanced", "general"]))
def test_krylov_spaces_against_all_eigenvalues(setting: Setting, kind: str) -> None:
    """As above with the ways of large grids forced on small ones."""
    problem = setting.problem
    made = generator(problem, problem.grid(10))
    known = all_eigenvalues(made)
    if kind == "general":
        made.potential = Potential(None, np.nan, "hidden")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reversible, "DENSE", 10)
        patch.setattr(irreversible, "DENSE", 10)
        found = spectrum(made, 4)
    np.testing.assert_allclose(found.real, known.real[: len(found.real)], atol=1e-9 * made.q)
    np.testing.assert_allclose(pairing(found, made), np.eye(len(found.real)), atol=1e-6)


def test_equal_eigenvalues_have_dual_modes() -> None:
    """Any vectors of their space are modes; left and right ones still have to fit each other."""
    problem = Problem("(x**2 + y**2)/2", 1.0, 2.0, {"x": (-3.0, 3.0), "y": (-3.0, 3.0)})
    made = generator(problem, problem.grid(16))
    balanced = spectrum(made, 6)
    made.potential = Potential(None, np.nan, "hidden")
    general = spectrum(made, 6)
    assert general.real[1] == pytest.approx(general.real[2], rel=1e-9)
    np.testing.assert_allclose(general.real, balanced.real, rtol=1e-9, atol=1e-12)
    for found in (balanced, general):
        np.testing.assert_allclose(pairing(found, made), np.eye(6), atol=1e-9)


@pytest.mark.parametrize(
    "problem",
    [gallery.quartic_well(5.0).problem, gallery.circulating_ornstein_uhlenbeck().problem],
    ids=["balanced", "circulating"],
)
def test_all_modes_make_up_the_generator(problem: Problem) -> None:
    """A = sum_j lambda_j r_j u_j V, and so for every function of it."""
    grid = problem.grid(14 if problem.ndim == 1 else (5, 4))
    made = generator(problem, grid)
    found = spectrum(made, grid.size)
    assert len(found.real) == grid.size
    left, right = (m.reshape(grid.size, -1) for m in (found.left, found.modes))
    matrix = made.to_scipy().toarray()
    for function in (lambda z: z, lambda z: np.exp(0.3 * z)):
        total = (right.T * function(found.eigenvalues)) @ left * grid.cell_volume
        expected = matrix if function(2.0) == 2.0 else expm(0.3 * matrix)
        np.testing.assert_allclose(total, expected, atol=1e-8 * np.abs(expected).max())


@few_examples
@given(settings_of(sides=CLOSED, decades=1.0))
def test_mixing_time_lies_between_its_bounds(setting: Setting) -> None:
    made = generator(setting.problem, setting.grid)
    found = spectrum(made, 3)
    matrix = made.to_scipy().toarray()
    rest = found.modes[0].reshape(-1) * setting.grid.cell_volume

    def distance(t: float) -> float:
        return float(0.5 * np.abs(expm(t * matrix) - rest[:, None]).sum(axis=0).max())

    assert found.mixing is not None
    assert found.mixing.contraction <= found.gap * (1.0 + 1e-9)
    assert distance(found.mixing.lower) >= 0.25 * (1.0 - 1e-9)
    assert distance(found.mixing.upper) <= 0.25 * (1.0 + 1e-9)


def test_modes_have_the_promised_scale_and_phase() -> None:
    for problem in (gallery.quartic_well(5.0).problem, gallery.hopf().problem):
        made = generator(problem, problem.grid(24))
        found = spectrum(made, 4)
        sizes = np.abs(found.modes).reshape(len(found.real), -1)
        np.testing.assert_allclose(sizes.sum(axis=1) * made.grid.cell_volume, 1.0, rtol=1e-12)
        for size, mode in zip(sizes, found.modes.reshape(sizes.shape), strict=True):
            first = mode[np.flatnonzero(size > 0.5 * size.max())[0]]
            assert first.real > 0.0
            assert abs(first.imag) < 1e-12
        rest = fp.stationary(made)
        np.testing.assert_allclose(found.modes[0], rest.density, atol=1e-12)
        np.testing.assert_allclose(found.left[0], 1.0, rtol=1e-12)


# Refusals.


@pytest.mark.parametrize("count", [0, -1, 2.5, True, "6"])
def test_counts_that_are_none(count: object) -> None:
    problem = gallery.quartic_well(5.0).problem
    with pytest.raises(CaseError, match="at least 1 is needed"):
        modes_of(problem, 16, count)  # type: ignore[arg-type]


def test_more_modes_than_cells() -> None:
    with pytest.raises(CaseError, match="17 modes of a grid of 16 cells"):
        modes_of(gallery.quartic_well(5.0).problem, 16, 17)


def test_too_many_cells_without_detailed_balance(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = gallery.circulating_ornstein_uhlenbeck().problem
    monkeypatch.setitem(shifted.DIRECT_CELLS, 2, 10)
    # The name in the package is that of the function.
    monkeypatch.setattr(import_module("fokkerplanck.spectrum.spectrum"), "ITERATIVE_CELLS", 300)
    with pytest.raises(CaseError, match="400 cells are too many"):
        modes_of(problem, 20, 4)
