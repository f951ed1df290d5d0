"""Moments, mixtures and energy distances against exact results and slow twins."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from measures import ORDER_WINDOW, fitted_order
from scipy import integrate, special, stats
from validation_samples import (
    LINE_WELLS,
    PLANE,
    PLANE_WELLS,
    Mixture,
    box,
    draw,
    nearest,
    ring,
)

from fokkerplanck.errors import CaseError, NumericalFailure
from fokkerplanck.validation import (
    bisect,
    cell_masses,
    central_moments,
    energy_test,
    moment_test,
)
from fokkerplanck.validation.mixture import exceedance
from fokkerplanck.validation.power import noncentrality

# Distribution functions and densities on a box, with a slope at the sides and on a circle.
DECAY = (0.0, 1.0), lambda x: np.exp(-2.0 * x), lambda x: -0.5 * np.exp(-2.0 * x)
WAVE = lambda x: 1.0 + 0.7 * np.cos(x), lambda x: x + 0.7 * np.sin(x)


class TestMoments:
    def test_moments_are_of_order_four_with_slopes_at_the_sides(self) -> None:
        lower, upper = DECAY[0]
        norm = integrate.quad(DECAY[1], lower, upper)[0]
        mean = integrate.quad(lambda x: x * DECAY[1](x), lower, upper)[0] / norm
        variance = integrate.quad(lambda x: (x - mean) ** 2 * DECAY[1](x), lower, upper)[0] / norm
        widths, errors = [], []
        for cells in (16, 32, 64, 128):
            grid = box(cells, DECAY[0])
            faces = grid.bounds[0]
            center, table = central_moments(grid, DECAY[2](faces[:, 1]) - DECAY[2](faces[:, 0]))
            widths.append(grid.spacing[0])
            errors.append(abs(center[0] - mean) + abs(table[2] - variance))
        assert errors[0] < 1e-5
        assert fitted_order(widths, errors) > 4.0 - ORDER_WINDOW

    def test_moments_on_a_circle(self) -> None:
        faces = ring(64).bounds[0]
        center, table = central_moments(ring(64), WAVE[1](faces[:, 1]) - WAVE[1](faces[:, 0]))
        variance = integrate.quad(lambda x: (x - math.pi) ** 2 * WAVE[0](x), 0.0, 2 * math.pi)[0]
        assert center[0] == pytest.approx(math.pi, rel=1e-10)
        assert table[2] == pytest.approx(variance / (2.0 * math.pi), rel=1e-5)

    @pytest.mark.parametrize("cells", [24, 48])
    def test_coarse_cells_do_not_widen_a_gaussian(self, cells: int) -> None:
        grid = box(cells, (-4.0, 4.0), (-4.0, 4.0))
        _, mean, covariance = PLANE.parts[0]
        center, table = central_moments(grid, Mixture(grid, PLANE.parts).masses())
        # Cells as bars would add h^2/12, two per cent on the coarse grid.
        assert center == pytest.approx(mean, abs=1e-6)
        found = [table[2, 0], table[1, 1], table[0, 2]]
        assert found == pytest.approx([0.5, covariance[0][1], 0.4], rel=1e-5)
        # Isserlis: E x^2 y^2 = S_xx S_yy + 2 S_xy^2.
        assert table[2, 2] == pytest.approx(0.5 * 0.4 + 2.0 * 0.2**2, rel=0.02)

    def test_z_scores_of_a_gaussian(self) -> None:
        particles = 10_000
        _, mean, covariance = PLANE.parts[0]
        exact = np.array(covariance)
        mean_error = np.sqrt(np.diag(exact) / particles)
        variance = (np.outer(np.diag(exact), np.diag(exact)) + exact**2) / particles
        found = moment_test(
            PLANE.grid,
            np.array(mean) + [2.0, -1.0] * mean_error,
            exact + [[1.0, 3.0], [3.0, -2.0]] * np.sqrt(variance),
            particles,
            PLANE.masses(),
        )
        assert found.mean_z == pytest.approx([2.0, -1.0], rel=2e-3)
        assert found.covariance_z == pytest.approx(np.array([[1.0, 3.0], [3.0, -2.0]]), rel=2e-3)
        assert found.degrees == 5
        # Mean and covariance of a Gaussian are independent.
        shift = np.array([2.0, -1.0] * mean_error)
        along = particles * shift @ np.linalg.solve(exact, shift)
        only_mean = moment_test(
            PLANE.grid, np.array(mean) + shift, exact, particles, PLANE.masses()
        )
        assert only_mean.statistic == pytest.approx(along, rel=2e-3)
        assert only_mean.p_value == pytest.approx(stats.chi2.sf(along, 5), rel=5e-3)

    def test_effect_of_a_gaussian(self) -> None:
        # A covariance wrong by e has lambda = N e^2 d/2.
        _, mean, covariance = PLANE.parts[0]
        test = moment_test(PLANE.grid, np.array(mean), np.array(covariance), 10**6, PLANE.masses())
        assert test.effect == pytest.approx(math.sqrt(noncentrality(5, 0.01) / 1e6), rel=2e-3)
        assert f"wrong by {test.effect:.2%}" in test.sentence

    def test_narrow_density_is_refused(self) -> None:
        grid = box(16, (-4.0, 4.0), (-4.0, 4.0))
        narrow = Mixture(grid, ((1.0, (0.1, 0.2), ((1.0, 0.0), (0.0, 0.04))),))
        with pytest.raises(NumericalFailure, match=r"along y the density is about .* cells wide"):
            moment_test(grid, np.zeros(2), np.eye(2), 1000, narrow.masses())

    def test_bad_moments_are_refused(self) -> None:
        masses = PLANE.masses()
        with pytest.raises(CaseError, match="do not fit 2 axes"):
            moment_test(PLANE.grid, np.zeros(1), np.eye(2), 1000, masses)
        with pytest.raises(CaseError, match="not finite"):
            moment_test(PLANE.grid, np.zeros(2), np.eye(2) * np.nan, 1000, masses)


class TestMixture:
    @pytest.mark.parametrize("degrees", [1, 2, 7, 300])
    def test_equal_weights(self, degrees: int) -> None:
        for p in (0.999, 0.5, 0.01, 1e-8, 1e-40, 1e-150):
            value = 0.3 * special.chdtri(degrees, p)
            assert exceedance(value, np.full(degrees, 0.3)) == pytest.approx(p, rel=1e-6)

    def test_sum_of_exponentials(self) -> None:
        # Weights in pairs: P = sum_k exp(-x/2w_k) prod_{j != k} w_k/(w_k - w_j).
        rates = np.array([3.0, 1.0, 0.2])
        for x in (0.05, 2.0, 30.0, 400.0):
            exact = sum(
                math.exp(-x / (2.0 * w)) * math.prod(w / (w - v) for v in rates if v != w)
                for w in rates
            )
            weights = np.append(np.repeat(rates, 2), 0.0)
            assert exceedance(x, weights) == pytest.approx(exact, rel=1e-6)

    def test_falls_through_the_mean(self) -> None:
        weights = 1.0 / np.arange(1, 200) ** 2
        tails = [exceedance(x, weights) for x in np.linspace(0.0, 5.0, 101) * weights.sum()]
        assert tails[0] == 1.0
        assert all(b < a for a, b in pairwise(tails))


class TestEnergy:
    @pytest.mark.parametrize("mixture", [LINE_WELLS, PLANE_WELLS])
    def test_against_slow_twin(self, mixture: Mixture) -> None:
        particles = 3_000
        masses = mixture.masses()
        counts = draw(np.random.default_rng(87121), masses, particles)
        bins = bisect(mixture.grid, masses, particles, depth=7)
        assert bins.boxes > 40
        p, q = bins.pool(masses), bins.pool(counts) / particles
        axes = np.broadcast_arrays(*mixture.grid.points)
        places = np.stack([bins.pool(masses * x) for x in axes], axis=1) / p[:, None]
        energy = 0.0
        for i in range(bins.boxes):
            for j in range(bins.boxes):
                length = math.dist(places[i], places[j])
                energy += (2.0 * q[i] * p[j] - q[i] * q[j] - p[i] * p[j]) * length
        found = energy_test(mixture.grid, counts, masses)
        assert found.energy == pytest.approx(energy, rel=1e-8)
        assert found.statistic == pytest.approx(particles * energy, rel=1e-8)

    @pytest.mark.parametrize("periodic", [False, True])
    def test_expected_distances_are_those_of_noise(self, periodic: bool) -> None:
        if periodic:
            grid = ring(64)
            masses = cell_masses(grid, WAVE[0](grid.centers[0]) / (2.0 * math.pi))
        else:
            grid, masses = LINE_WELLS.grid, LINE_WELLS.masses()
        bins = bisect(grid, masses, 5_000)
        ratios = []
        for seed in range(200):
            counts = draw(np.random.default_rng([17989, seed]), masses, 5_000)
            found = energy_test(grid, counts, masses, bins=bins)
            ratios.append(
                [
                    found.energy / found.expected_energy,
                    found.distance[0] / found.expected_distance[0],
                ]
            )
        error = np.std(ratios, axis=0) / math.sqrt(len(ratios))
        assert (np.abs(np.mean(ratios, axis=0) - 1.0) < 3.5 * error).all()

    def test_distance_is_the_displacement(self) -> None:
        masses = PLANE.masses()
        moved = tuple(
            (weight, (mean[0] + 0.03, mean[1] - 0.05), covariance)
            for weight, mean, covariance in PLANE.parts
        )
        found = energy_test(PLANE.grid, nearest(Mixture(PLANE.grid, moved).masses()), masses)
        assert found.distance == pytest.approx([0.03, 0.05], rel=1e-3)
        assert found.p_value < 1e-100

    def test_the_corner_of_a_circle_does_not_matter(self) -> None:
        grid = ring(60)
        angles = grid.centers[0]
        masses = cell_masses(grid, np.exp(4.0 * np.cos(angles - 1.0)))
        masses /= masses.sum()
        counts = draw(np.random.default_rng(60923), masses, 20_000)
        here = energy_test(grid, counts, masses)
        there = energy_test(grid, np.roll(counts, -10), np.roll(masses, -10))
        assert there.distance == pytest.approx(here.distance, rel=1e-10)
        assert there.expected_distance == pytest.approx(here.expected_distance, rel=1e-10)
        # The boxes are cut elsewhere.
        assert there.energy == pytest.approx(here.energy, rel=0.1)
