"""Cell masses, bins and tests of fit against exact results and slow twins."""

from __future__ import annotations

import math

import numpy as np
import pytest
from measures import ORDER_WINDOW, fitted_order
from scipy import special, stats
from validation_samples import (
    LINE,
    PLANE,
    PLANE_ABSORBED,
    PLANE_WELLS,
    SPACE,
    Mixture,
    box,
    draw,
    nearest,
    ring,
    tilted,
)

from fokkerplanck.errors import CaseError
from fokkerplanck.validation import (
    bisect,
    cell_masses,
    coarsened,
    error_budget,
    g_test,
    judge,
)
from fokkerplanck.validation.combine import share
from fokkerplanck.validation.power import detectable, noncentrality

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
        assert verdict.budget.sentence.endswith("do not differ")

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
