"""Critical points of known landscapes to 1e-6, and how noise moves them."""

from __future__ import annotations

import numpy as np
import pytest
from measures import ORDER_WINDOW, compiled_only, fitted_order

from fokkerplanck import gallery
from fokkerplanck.operators.generator import generator
from fokkerplanck.operators.samples import Samples
from fokkerplanck.problem import Problem
from fokkerplanck.problem.landscape import Landscape
from fokkerplanck.stationary.critical_points import CriticalTable, critical_points, critical_table
from fokkerplanck.stationary.stationary import stationary

# Mueller and Brown, Theor. Chim. Acta 53 (1979) 75.
MINIMA = [[-0.558224, 1.441726], [0.623499, 0.028038], [-0.050011, 0.466694]]
SADDLES = [[0.212487, 0.292988], [-0.822002, 0.624313]]


def table(problem: Problem, cells: int) -> CriticalTable:
    made = generator(problem, problem.grid(cells))
    return critical_table(problem, made.grid, stationary(made, problem))


@pytest.mark.parametrize("exact", [True, False])
def test_mueller_brown(exact: bool) -> None:
    problem = Problem(Landscape("mueller_brown"), 1.0, 0.1, {"x": (-1.8, 1.3), "y": (-0.6, 2.2)})
    found = table(problem, 96)
    points = found.loss if exact else found.quasi_potential
    assert [point.kind for point in points] == 3 * ["minimum"] + 2 * ["saddle"]
    np.testing.assert_allclose([p.position for p in points], MINIMA + SADDLES, atol=1e-6)
    assert found.pairs.tolist() == [[i, i] for i in range(5)]
    assert np.abs(found.shifts).max() < 1e-6


def test_one_dimension() -> None:
    found = table(Problem("(x**2 - 1)**2/4", "1", 8.0, {"x": (-2.2, 2.2)}), 64)
    for points in (found.loss, found.quasi_potential):
        assert [point.kind for point in points] == ["minimum", "minimum", "maximum"]
        places = [float(point.position[0]) for point in points]
        np.testing.assert_allclose(sorted(places), [-1.0, 0.0, 1.0], atol=1e-9)
        assert points[2].value == pytest.approx(0.25, abs=1e-9)
        assert points[2].eigenvalues == pytest.approx([-1.0], abs=1e-6)


@compiled_only
def test_three_dimensions() -> None:
    problem = Problem(
        "(x**2-1)**2/2 + y**2 + z**2 + 0.3*x*y", 1.0, 3.0, {axis: (-2.0, 2.0) for axis in "xyz"}
    )
    found = table(problem, 24)
    x = np.sqrt(1.0 + 0.5 * 0.3**2 / 2.0)
    for points in (found.loss, found.quasi_potential):
        assert [point.index for point in points] == [0, 0, 1]
        ordered = sorted(points[:2], key=lambda point: point.position[0])
        wells = [point.position for point in ordered]
        np.testing.assert_allclose(wells, [[-x, 0.15 * x, 0.0], [x, -0.15 * x, 0.0]], atol=1e-6)
        np.testing.assert_allclose(points[2].position, 0.0, atol=1e-9)
    assert found.pairs.shape == (3, 2)
    assert np.abs(found.shifts).max() < 1e-9


def test_periodic_axes_and_pairs_across_the_side() -> None:
    found = table(gallery.gibbs_noise().problem, 48)
    # Phi = cos(x) cos(y)/2 + 0.3 sin(x): tan x = +-0.6 at y = 0, pi.
    angle = np.arctan(0.6)
    kinds = [point.kind for point in found.quasi_potential]
    assert kinds == 2 * ["minimum"] + 4 * ["saddle"] + 2 * ["maximum"]
    lowest = sorted(float(point.position[0]) for point in found.quasi_potential[:2])
    np.testing.assert_allclose(lowest, [angle - np.pi, -angle], atol=1e-6)
    assert len(found.pairs) == 8
    assert np.abs(found.shifts).max() < 1e-6


def test_noise_moves_the_minima_of_a_line() -> None:
    # Phi~' = (Phi' + Sigma'/beta)/Sigma: critical points of Phi + Sigma/beta.
    problem = Problem("(x**2 - 1)**2/4", "1 + 0.5*x", 8.0, {"x": (-1.9, 2.2)})
    found = table(problem, 96)
    known = np.sort(np.roots([1.0, 0.0, -1.0, 0.5 / 8.0]).real)
    by_place = sorted(found.quasi_potential, key=lambda point: point.position[0])
    np.testing.assert_allclose([p.position[0] for p in by_place], known, atol=1e-6)
    assert [point.kind for point in by_place] == ["minimum", "maximum", "minimum"]
    moved = {
        round(float(found.loss[i].position[0])): float(shift[0])
        for (i, _), shift in zip(found.pairs, found.shifts, strict=True)
    }
    expected = {-1: known[0] + 1.0, 0: known[1], 1: known[2] - 1.0}
    assert moved == pytest.approx(expected, abs=1e-6)


@compiled_only
def test_without_detailed_balance_at_order_2() -> None:
    # Linear drift about (0.3, -0.2): Phi~ has the same minimum, curvature C^-1/beta.
    exact = gallery.circulating_ornstein_uhlenbeck()
    inverse = np.linalg.eigvalsh(np.linalg.inv([[1.0, 0.45], [0.45, 1.0 / 3.0]]))
    errors, widths = [], []
    for cells in (64, 96, 128):
        found = table(exact.problem, cells)
        (point,) = found.quasi_potential
        assert point.kind == "minimum"
        np.testing.assert_allclose(point.position, 0.0, atol=1e-7)
        errors.append(float(np.abs(point.eigenvalues - inverse).max()))
        widths.append(1.0 / cells)
    assert fitted_order(widths, errors) == pytest.approx(2.0, abs=2 * ORDER_WINDOW)


@compiled_only
def test_a_ring_is_not_a_list_of_points() -> None:
    found = table(gallery.hopf().problem, 64)
    for points in (found.loss, found.quasi_potential):
        assert [point.kind for point in points] == ["maximum"]
        np.testing.assert_allclose(points[0].position, 0.0, atol=1e-6)


@compiled_only
def test_momentum_pairs_wells_at_rest() -> None:
    problem = Problem(
        "x**4/4 - x**2/2", 1.0, 3.0, {"x": (-2.5, 2.5), "v": (-3.5, 3.5)}, friction=1.0
    )
    found = table(problem, 64)
    assert [point.kind for point in found.loss] == ["minimum", "minimum", "saddle"]
    np.testing.assert_allclose(
        [point.position for point in found.loss], [[-1, 0], [1, 0], [0, 0]], atol=1e-9
    )
    assert len(found.pairs) == 3
    # Motion without noise is first order in the cell width.
    assert np.abs(found.shifts).max() < 0.05


def test_only_where_asked() -> None:
    x = np.linspace(-3.0, 3.0, 61)
    samples = Samples((x,), np.cos(2.0 * x), (None,))
    everywhere = critical_points(samples)
    assert len(everywhere) == 3
    (inside,) = critical_points(samples, np.abs(x) < 1.0)
    np.testing.assert_allclose(inside.position, 0.0, atol=1e-9)
    assert inside.eigenvalues == pytest.approx([-4.0], rel=1e-4)
    assert critical_points(Samples((x,), np.ones(61), (None,))) == ()


def test_interpolant_is_exact_for_its_degree() -> None:
    x, y = np.linspace(-1.0, 1.0, 11), np.linspace(0.0, 2.0, 13)
    samples = Samples((x, y), x[:, None] ** 5 * y**6 - y, (None, None))
    at = np.array([0.23, 1.07])
    value, gradient, hessian = samples.derivatives(at, at)
    a, b = at
    assert value == pytest.approx(a**5 * b**6 - b, rel=1e-11)
    np.testing.assert_allclose(gradient, [5 * a**4 * b**6, 6 * a**5 * b**5 - 1.0], rtol=1e-10)
    mixed = 30 * a**4 * b**5
    np.testing.assert_allclose(
        hessian, [[20 * a**3 * b**6, mixed], [mixed, 30 * a**5 * b**4]], rtol=1e-9
    )
