"""Cell masses, bins, statistics and budgets against exact results and slow twins."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from measures import ORDER_WINDOW, fitted_order
from scipy import integrate, special, stats
from validation_samples import (
    LINE,
    LINE_WELLS,
    PLANE,
    PLANE_ABSORBED,
    PLANE_WELLS,
    SPACE,
    Mixture,
    box,
    draw,
    tilted,
)

from fokkerplanck.domain import Domain
from fokkerplanck.errors import CaseError, NumericalFailure
from fokkerplanck.grid import Grid
from fokkerplanck.validation import (
    Bins,
    Halved,
    band,
    bisect,
    cell_masses,
    central_moments,
    coarsened,
    dependent,
    energy_test,
    error_budget,
    g_test,
    independent,
    judge,
    moment_test,
    wilson,
)
from fokkerplanck.validation.combine import share
from fokkerplanck.validation.mixture import exceedance
from fokkerplanck.validation.power import detectable, noncentrality

MANY = 10**14


def nearest(masses: np.ndarray, walkers: int = MANY) -> np.ndarray:
    """Counts without sampling noise."""
    return np.rint(masses * walkers).astype(np.int64)


def ring(cells: int) -> Grid:
    return Grid.of(
        Domain.from_mapping({"x": {"range": (0.0, 2.0 * math.pi), "boundary": "periodic"}}), cells
    )


# Distribution functions and densities on a box, with a slope at the sides and on a circle.
DECAY = (0.0, 1.0), lambda x: np.exp(-2.0 * x), lambda x: -0.5 * np.exp(-2.0 * x)
WAVE = lambda x: 1.0 + 0.7 * np.cos(x), lambda x: x + 0.7 * np.sin(x)


class TestCellMasses:
    @pytest.mark.parametrize("periodic", [False, True])
    def test_order_four(self, periodic: bool) -> None:
        widths, errors = [], []
        for cells in (16, 32, 64, 128):
            if periodic:
                grid, (density, primitive) = ring(cells), WAVE
            else:
                grid, density, primitive = box(cells, DECAY[0]), DECAY[1], DECAY[2]
            values = density(grid.centers[0])
            faces = grid.bounds[0]
            exact = primitive(faces[:, 1]) - primitive(faces[:, 0])
            exact /= exact.sum()
            masses = cell_masses(grid, values / grid.integrate(values))
            widths.append(grid.spacing[0])
            errors.append(np.abs(masses / exact - 1.0).max())
        assert fitted_order(widths, errors) == pytest.approx(4.0, abs=ORDER_WINDOW)

    @pytest.mark.parametrize("mixture", [PLANE_WELLS, PLANE_ABSORBED, SPACE])
    def test_mass_is_kept(self, mixture: Mixture) -> None:
        density = mixture.density()
        masses = cell_masses(mixture.grid, density)
        assert masses.sum() == pytest.approx(mixture.grid.integrate(density), rel=1e-14)
        assert masses.min() >= 0.0

    def test_rough_densities_stay_non_negative_and_where_they_are(
        self, rng: np.random.Generator
    ) -> None:
        grid = box(12, (-1.0, 1.0), (0.0, 3.0))
        density = rng.pareto(0.5, grid.shape) * (rng.random(grid.shape) < 0.3)
        masses = cell_masses(grid, density)
        assert masses.min() >= 0.0
        assert ((masses > 0.0) == (density > 0.0)).all()

    def test_point_stays_in_its_cell(self) -> None:
        grid = box(8, (0.0, 1.0), (0.0, 1.0))
        density = np.zeros(grid.shape)
        density[0, 3] = 1.0 / grid.cell_volume
        expected = np.zeros(grid.shape)
        expected[0, 3] = 1.0
        np.testing.assert_allclose(cell_masses(grid, density), expected, rtol=1e-14)

    def test_nothing_weighs_nothing(self) -> None:
        grid = box(8, (0.0, 1.0))
        assert (cell_masses(grid, np.zeros(8)) == 0.0).all()

    @pytest.mark.parametrize("value", [-1e-9, math.nan, math.inf])
    def test_bad_value_is_refused(self, value: float) -> None:
        density = np.ones(8)
        density[5] = value
        with pytest.raises(CaseError, match=r"density has the minimum .*finite values >= 0"):
            cell_masses(box(8, (0.0, 1.0)), density)

    def test_bad_shape_is_refused(self) -> None:
        with pytest.raises(CaseError, match=r"shape \(7,\); the grid needs \(8,\)"):
            cell_masses(box(8, (0.0, 1.0)), np.ones(7))

    def test_coarsened(self, rng: np.random.Generator) -> None:
        fine = rng.random((12, 8))
        coarse = coarsened(fine, (4, 4))
        assert coarse[1, 2] == pytest.approx(fine[3:6, 4:6].sum())
        assert coarse.sum() == pytest.approx(fine.sum())
        with pytest.raises(CaseError, match=r"\(12, 8\) cells does not refine one of \(5, 4\)"):
            coarsened(fine, (5, 4))


class TestBins:
    @pytest.mark.parametrize("mixture", [LINE, PLANE_WELLS, PLANE_ABSORBED, SPACE])
    @pytest.mark.parametrize("particles", [1_000, 1_000_000])
    def test_every_bin_is_a_box_and_full_enough(self, mixture: Mixture, particles: int) -> None:
        masses = mixture.masses()
        bins = bisect(mixture.grid, masses, particles)
        expected = bins.pool_all(masses, 1.0) * particles
        assert expected.size == bins.size == len(bins.splits) + 1 > 8
        assert expected.min() >= 20.0
        assert expected.sum() == pytest.approx(particles)
        assert bins.outside == (mixture is PLANE_ABSORBED)
        for label in range(bins.boxes):
            places = np.nonzero(bins.labels == label)
            volume = math.prod(int(np.ptp(place)) + 1 for place in places)
            assert volume == places[0].size

    def test_shallower_is_what_a_shallow_tree_would_be(self) -> None:
        masses = PLANE_ABSORBED.masses()
        deep = bisect(PLANE.grid, masses, 1_000_000)
        for depth in (0, 3, 6):
            direct = bisect(PLANE.grid, masses, 1_000_000, depth=depth)
            merged = deep.shallower(depth)
            assert (merged.labels == direct.labels).all()
            assert (merged.splits == direct.splits).all()
            assert (merged.levels == direct.levels).all()
            assert (merged.boxes, merged.outside) == (direct.boxes, direct.outside)

    def test_few_walkers_outside_count_with_the_last_bin(self) -> None:
        masses = LINE.masses() * (1.0 - 1e-5)
        bins = bisect(LINE.grid, masses, 100_000)
        counts = draw(np.random.default_rng(41), masses, 100_000)
        counts[60] -= 500
        assert not bins.outside
        pooled = bins.pool_all(counts, 100_000)
        assert pooled[-1] - bins.pool(counts)[-1] >= 500
        # Half a per cent of the walkers left a box that keeps all of them.
        assert g_test(LINE.grid, counts, masses, 100_000).p_value < 1e-6

    @pytest.mark.parametrize("factor", [-1.0, 0.0, 1.1])
    def test_no_probabilities(self, factor: float) -> None:
        with pytest.raises(CaseError, match="are no probabilities; the sum must be in"):
            bisect(LINE.grid, factor * LINE.masses(), 1_000)


class TestFit:
    def test_against_slow_twin(self) -> None:
        particles = 50_000
        masses = PLANE_ABSORBED.masses()
        counts = draw(np.random.default_rng(30977), masses, particles)
        bins = bisect(PLANE.grid, masses, particles)
        number, mass = bins.pool_all(counts, particles), bins.pool_all(masses, 1.0)
        total = 0.0
        for first, middle, last in bins.splits:
            halves = [range(first, middle), range(middle, last)]
            p = [sum(mass[i] for i in half) for half in halves]
            n = [sum(number[i] for i in half) for half in halves]
            g = sum(
                2.0 * k * math.log(k * sum(p) / (sum(n) * q)) for k, q in zip(n, p, strict=True)
            )
            inverse = sum(sum(p) / q for q in p)
            total += g / (1.0 + (inverse - 1.0) / (6.0 * particles * sum(p)))
        fit = g_test(PLANE.grid, counts, masses, particles)
        assert fit.statistic == pytest.approx(total, rel=1e-10)
        assert fit.degrees == bins.size - 1 == sum(scale.degrees for scale in fit.scales)
        for scale in fit.scales:
            assert scale.effect == detectable(scale.degrees, particles, share(0.01, 3))
        # Without the corrections, of less than a per cent each, it is G of all bins at once.
        whole = 2.0 * float((number * np.log(number / (particles * mass))).sum())
        assert fit.statistic == pytest.approx(whole, rel=0.02)
        assert fit.statistic < whole

    def test_empty_bins_count(self) -> None:
        masses = LINE.masses()
        counts = draw(np.random.default_rng(5209), masses, 10_000)
        counts[LINE.grid.centers[0] > 1.5] = 0
        fit = g_test(LINE.grid, counts, masses, 10_000)
        assert math.isfinite(fit.statistic)
        assert fit.p_value < 1e-20

    def test_exact_counts_fit(self) -> None:
        masses = PLANE.masses()
        fit = g_test(PLANE.grid, nearest(masses, 10**6), masses, 10**6)
        assert fit.scales[0].p_value > 0.999

    def test_error_shows_in_its_own_scale(self) -> None:
        masses, particles = PLANE.masses(), 1_000_000
        bins = bisect(PLANE.grid, masses, particles)
        for level, seen in ((1, "broad"), (4, "middle"), (7, "fine")):
            counts = nearest(tilted(PLANE, bins, level, 0.04), particles)
            for scale in g_test(PLANE.grid, counts, masses, particles).scales:
                assert (scale.p_value < 1e-6) == (scale.name == seen)

    def test_one_cell_has_nothing_to_test(self) -> None:
        masses = np.zeros(LINE.grid.shape)
        masses[7] = 1.0
        counts = nearest(masses, 1000)
        verdict = judge(LINE.grid, counts, masses, 1000, mean=np.zeros(1), covariance=np.eye(1))
        assert verdict.fit.bins == 1
        assert verdict.fit.effect == math.inf
        assert verdict.moments is None
        assert verdict.agrees
        assert verdict.budget.observed == 0.0
        assert verdict.budget.sentence.startswith("Sampling noise dominates: 0.00%")

    @pytest.mark.parametrize("counts", [np.zeros(120), np.full(120, -1), np.full(120, 1000)])
    def test_bad_counts_are_refused(self, counts: np.ndarray) -> None:
        with pytest.raises(CaseError, match="are not those of 1000 walkers"):
            g_test(LINE.grid, counts.astype(int), LINE.masses(), 1000)

    @pytest.mark.parametrize("test", [g_test, error_budget])
    def test_bad_shapes_are_refused(self, test) -> None:
        good = LINE.masses()
        with pytest.raises(CaseError, match=r"counts of the shape \(119,\)"):
            test(LINE.grid, np.ones(119, dtype=int), good, 1000)
        with pytest.raises(CaseError, match=r"masses of the shape \(119,\)"):
            test(LINE.grid, np.ones(120, dtype=int), good[1:], 1000)


class TestPower:
    def test_noncentral_chi_square(self) -> None:
        for degrees in (1, 7, 448):
            size = noncentrality(degrees, 0.01, 0.9)
            critical = stats.chi2.isf(0.01, degrees)
            assert stats.ncx2.sf(critical, degrees, size) == pytest.approx(0.9, rel=1e-6)

    def test_one_degree_by_hand(self) -> None:
        # The far tail of the two-sided test is negligible: (z_0.975 + z_0.9)/sqrt(N).
        by_hand = (special.ndtri(0.975) + special.ndtri(0.9)) / 100.0
        assert detectable(1, 10_000, 0.05) == pytest.approx(by_hand, rel=1e-4)


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


class TestCombine:
    def test_independent(self) -> None:
        assert independent([0.2, 0.01, 0.5]) == pytest.approx(1.0 - 0.99**3)
        assert independent([1e-200, 0.3]) == pytest.approx(2e-200)
        assert independent([1.0, 1.0]) == 1.0
        assert independent([]) == dependent([]) == 1.0
        assert independent([share(0.03, 4)] * 4) == pytest.approx(0.03)

    def test_equal_p_values_stay(self) -> None:
        for p in (0.9, 0.5, 0.03, 1e-12):
            assert dependent([p, p, p]) == pytest.approx(p, rel=1e-6)

    def test_one_small_p_value_among_three_costs_a_factor_three(self) -> None:
        assert dependent([1e-10, 0.4, 0.7]) == pytest.approx(3e-10, rel=1e-6)
        assert dependent([0.0, 1.0]) < 1e-200

    def test_one_p_value_near_one_does_not_outvote_a_small_one(self) -> None:
        assert dependent([1.0 - 1e-12, 1e-4, 0.5]) < 4e-4

    @pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9, 1.0])
    def test_uniform_in_the_tail_whatever_the_dependence(self, correlation: float) -> None:
        number = 50_000
        rng = np.random.default_rng(25847)
        shared, own = rng.normal(size=(number, 1)), rng.normal(size=(number, 3))
        z = math.sqrt(correlation) * shared + math.sqrt(1.0 - correlation) * own
        p_values = np.sort([dependent(row) for row in special.chdtrc(1, z**2)])
        assert (p_values < 0.01).mean() == pytest.approx(0.0105, abs=0.0015)
        gap = np.abs(p_values - np.arange(number) / number).max()
        assert gap < (0.03 if correlation in (0.0, 1.0) else 0.08)


class TestBands:
    def test_quantiles(self) -> None:
        for particles in (50, 1_000_000):
            p = np.append(np.geomspace(1e-9, 0.9, 60), [0.0, 1.0])
            lower, upper = band(p, particles, level=0.9)
            exact = stats.binom.ppf(np.array([[0.05], [0.95]]), particles, p)
            np.testing.assert_allclose(lower * particles, exact[0], rtol=1e-9)
            np.testing.assert_allclose(upper * particles, exact[1], rtol=1e-9)

    def test_many_walkers_make_it_wilsons(self) -> None:
        particles, p = 1_000_000, 0.03
        lower, upper = band(np.array([p]), particles)
        low, high = wilson(np.arange(29_000, 31_000), particles)
        inside = np.arange(29_000, 31_000)[(low <= p) & (p <= high)] / particles
        assert lower[0] == pytest.approx(inside.min(), abs=2e-6)
        assert upper[0] == pytest.approx(inside.max(), abs=2e-6)

    def test_wilson_at_the_ends(self) -> None:
        lower, upper = wilson(np.array([0, 50]), 50, level=0.95)
        z = special.ndtri(0.975)
        assert lower[0] == 0.0
        assert upper[0] == pytest.approx(z**2 / (50 + z**2))
        assert lower[1] == pytest.approx(50 / (50 + z**2))
        assert upper[1] == 1.0

    def test_coverage_of_all_bins_together(self) -> None:
        # The outermost bins expect a hundredth of a walker.
        particles, masses = 20_000, LINE.masses()[20:100:4]
        masses = masses / masses.sum()
        lower, upper = band(masses, particles, 0.9, together=True)
        rng = np.random.default_rng(11467)
        fractions = rng.multinomial(particles, masses, size=2000) / particles
        inside = (lower <= fractions) & (fractions <= upper)
        assert 0.9 < inside.all(axis=1).mean() < 0.97


class TestBudget:
    particles = 1_000_000
    masses = PLANE.masses()
    bins: Bins = bisect(PLANE.grid, masses, particles)
    pattern = np.tanh(PLANE.grid.points[0]) * np.ones(PLANE.grid.shape)

    def off_by(self, relative: float) -> np.ndarray:
        """Masses with an error of about the relative size given."""
        wrong = self.masses * (1.0 + relative * self.pattern)
        return wrong / wrong.sum()

    def size(self, wrong: np.ndarray) -> float:
        p = self.bins.shallower(6).pool(self.masses)
        q = self.bins.shallower(6).pool(wrong)
        return math.sqrt(float(((q - p) ** 2 / p).sum()))

    def test_noise_alone(self) -> None:
        budgets = []
        for seed in range(100):
            counts = draw(np.random.default_rng([13679, seed]), self.masses, self.particles)
            budgets.append(
                error_budget(PLANE.grid, counts, self.masses, self.particles, bins=self.bins)
            )
        one = budgets[0]
        assert one.sampling == pytest.approx(math.sqrt((one.bins - 1) / 1e6))
        square = np.mean([budget.observed**2 for budget in budgets])
        assert square == pytest.approx(one.sampling**2, rel=0.06)
        moved = np.mean([budget.total_variation for budget in budgets])
        assert moved == pytest.approx(one.expected_total_variation, rel=0.03)
        assert one.dominant == "sampling"
        assert one.walkers_needed == math.inf
        assert one.sentence.startswith("Sampling noise dominates: 0.79% of the ")

    def test_grid_error_from_two_grids(self) -> None:
        fine = Mixture(box(96, *[(-4.0, 4.0)] * 2), PLANE.parts).masses()
        wrong = self.off_by(0.04)
        # A quarter of the error on the finer grid.
        quarter = fine + 0.25 * np.repeat(np.repeat(wrong - self.masses, 2, 0), 2, 1) / 4.0
        counts = draw(np.random.default_rng(72911), self.masses, self.particles)
        budget = error_budget(PLANE.grid, counts, wrong, self.particles, finer=quarter)
        assert budget.grid == pytest.approx(self.size(wrong), rel=0.03)
        assert budget.dominant == "grid"
        assert budget.sentence.startswith("The grid error dominates")
        assert budget.p_value > 0.01
        assert budget.unexplained == 0.0
        assert budget.walkers_needed == pytest.approx(63 / budget.grid**2)

    def test_gap_from_two_learning_rates(self) -> None:
        sizes = []
        for seed in range(20):
            rng = np.random.default_rng([98207, seed])
            half = draw(rng, self.off_by(0.03), self.particles)
            counts = draw(rng, self.off_by(0.06), self.particles)
            halved = Halved(half, self.masses, self.particles)
            budget = error_budget(PLANE.grid, counts, self.masses, self.particles, halved=halved)
            sizes.append(budget.diffusion)
            assert budget.dominant == "diffusion"
            assert budget.diffusion < budget.diffusion_limit
        expected = self.size(self.off_by(0.06))
        assert np.mean(sizes) == pytest.approx(expected, rel=0.05)
        assert "gap between SGD and diffusion dominates" in budget.sentence

    def test_gap_lost_in_noise_is_bounded(self) -> None:
        rng = np.random.default_rng(15013)
        halved = Halved(draw(rng, self.masses, self.particles), self.masses, self.particles)
        counts = draw(rng, self.masses, self.particles)
        budget = error_budget(PLANE.grid, counts, self.masses, self.particles, halved=halved)
        assert budget.diffusion == 0.0
        assert 0.0 < budget.diffusion_limit < 0.02
        assert f"diffusion is below {budget.diffusion_limit:.2%}" in budget.sentence
        assert budget.dominant == "sampling"

    def test_neither_grid_nor_gap_explains_another_density(self) -> None:
        rng = np.random.default_rng(64879)
        counts = draw(rng, self.off_by(0.05), self.particles)
        halved = Halved(draw(rng, self.off_by(0.05), self.particles), self.masses, self.particles)
        fine = Mixture(box(96, *[(-4.0, 4.0)] * 2), PLANE.parts).masses()
        budget = error_budget(
            PLANE.grid, counts, self.masses, self.particles, finer=fine, halved=halved
        )
        assert budget.p_value < 1e-6
        assert budget.dominant == "unexplained"
        assert budget.unexplained == pytest.approx(self.size(self.off_by(0.05)), rel=0.15)
        assert "nothing here explains" in budget.sentence.split("dominates")[0]

    def test_walkers_outside_belong_to_the_budget(self) -> None:
        masses = PLANE_ABSORBED.masses()
        counts = draw(np.random.default_rng(83101), masses * 1.02, self.particles)
        budget = error_budget(PLANE.grid, counts, masses, self.particles)
        assert budget.total_variation == pytest.approx(0.7 * 0.02, rel=0.1)
        assert budget.dominant == "unexplained"

    @pytest.mark.parametrize("shape", [(48, 48), (96, 144)])
    def test_grids_that_tell_nothing_are_refused(self, shape: tuple[int, int]) -> None:
        counts = draw(np.random.default_rng(3371), self.masses, self.particles)
        finer = np.full(shape, 1.0 / math.prod(shape))
        with pytest.raises(CaseError, match="does not tell the grid error"):
            error_budget(PLANE.grid, counts, self.masses, self.particles, finer=finer)


def test_verdict_in_words() -> None:
    particles = 100_000
    places = PLANE.walkers(np.random.default_rng(49871), particles)
    counts, masses = PLANE.counted(places), PLANE.masses()
    mean, covariance = places.mean(axis=0), np.cov(places.T)
    verdict = judge(PLANE.grid, counts, masses, particles, mean=mean, covariance=covariance)
    assert verdict.agrees
    assert set(verdict.p_values) == {"fit", "energy", "moments"}
    assert verdict.p_value == pytest.approx(dependent(list(verdict.p_values.values())))
    assert verdict.sentence.startswith("100,000 walkers agree with the density (p = ")
    assert "a covariance wrong by 1.48% would have shown" in verdict.sentence
    assert "probability 90%" in verdict.fit.sentence
    assert "sampling noise gives" in verdict.energy.sentence
