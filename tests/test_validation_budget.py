"""Combined p-values, bands, budgets and verdicts."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import special, stats
from validation_samples import (
    LINE,
    PLANE,
    PLANE_ABSORBED,
    WIDE,
    Mixture,
    box,
    draw,
    nearest,
)

from fokkerplanck.errors import CaseError
from fokkerplanck.validation import (
    Bins,
    Budget,
    FurtherRuns,
    Halved,
    band,
    bisect,
    coarsened,
    dependent,
    error_budget,
    independent,
    judge,
    wilson,
)
from fokkerplanck.validation.combine import share


def dominant(budget: Budget) -> str:
    """Name of the largest part."""
    return max(budget.parts, key=lambda name: budget.parts[name])


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
        assert dominant(one) == "sampling"
        assert "sampling noise 9" in one.sentence or "sampling noise 100 %" in one.sentence

    def test_grid_error_from_two_grids(self) -> None:
        fine = Mixture(box(96, *[(-4.0, 4.0)] * 2), PLANE.parts).masses()
        wrong = self.off_by(0.04)
        # A quarter of the error on the finer grid.
        quarter = fine + 0.25 * np.repeat(np.repeat(wrong - self.masses, 2, 0), 2, 1) / 4.0
        counts = draw(np.random.default_rng(72911), self.masses, self.particles)
        budget = error_budget(PLANE.grid, counts, wrong, self.particles, FurtherRuns(finer=quarter))
        assert budget.grid == pytest.approx(self.size(wrong), rel=0.03)
        assert dominant(budget) == "grid"
        assert "shares of its square: the grid error" in budget.sentence
        assert budget.p_value > 0.01
        assert budget.unexplained == 0.0

    def test_gap_from_two_learning_rates(self) -> None:
        sizes = []
        for seed in range(20):
            rng = np.random.default_rng([98207, seed])
            half = draw(rng, self.off_by(0.03), self.particles)
            counts = draw(rng, self.off_by(0.06), self.particles)
            halved = Halved(half, self.masses, self.particles)
            budget = error_budget(
                PLANE.grid, counts, self.masses, self.particles, FurtherRuns(halved=halved)
            )
            sizes.append(budget.diffusion)
            assert dominant(budget) == "diffusion"
            assert budget.diffusion < budget.diffusion_limit
        expected = self.size(self.off_by(0.06))
        assert np.mean(sizes) == pytest.approx(expected, rel=0.05)
        assert "shares of its square: the gap between SGD and diffusion" in budget.sentence

    def test_gap_lost_in_noise_is_bounded(self) -> None:
        rng = np.random.default_rng(15013)
        halved = Halved(draw(rng, self.masses, self.particles), self.masses, self.particles)
        counts = draw(rng, self.masses, self.particles)
        budget = error_budget(
            PLANE.grid, counts, self.masses, self.particles, FurtherRuns(halved=halved)
        )
        assert budget.diffusion == 0.0
        assert 0.0 < budget.diffusion_limit < 0.02
        assert f"diffusion is below {budget.diffusion_limit:.2%}" in budget.sentence
        assert dominant(budget) == "sampling"

    def test_shape_of_the_noise_is_taken_out_first(self) -> None:
        """Walkers off by 10 %, symmetric ones by 5, those at half the learning rate by 2.5."""
        shapes, gaps = [], []
        for seed in range(20):
            rng = np.random.default_rng([51229, seed])
            walkers, symmetric, half = (
                draw(rng, self.off_by(size), self.particles) for size in (0.1, 0.05, 0.025)
            )
            halved = Halved(half, self.masses, self.particles)
            budget = error_budget(
                PLANE.grid,
                walkers,
                self.masses,
                self.particles,
                FurtherRuns(
                    halved=halved, symmetric=Halved(symmetric, self.masses, self.particles)
                ),
            )
            shapes.append(budget.shape)
            gaps.append(budget.diffusion)
            assert budget.p_value > 1e-3
        expected = self.size(self.off_by(0.05))
        assert np.mean(shapes) == pytest.approx(expected, rel=0.03)
        assert np.mean(gaps) == pytest.approx(expected, rel=0.05)
        assert "the shape of the mini-batches' noise" in budget.sentence
        # Without the symmetric walkers the shape would be taken for the learning rate's.
        alone = error_budget(
            PLANE.grid, walkers, self.masses, self.particles, FurtherRuns(halved=halved)
        )
        assert alone.p_value < 1e-6

    def test_neither_grid_nor_gap_explains_another_density(self) -> None:
        rng = np.random.default_rng(64879)
        counts = draw(rng, self.off_by(0.05), self.particles)
        halved = Halved(draw(rng, self.off_by(0.05), self.particles), self.masses, self.particles)
        fine = Mixture(box(96, *[(-4.0, 4.0)] * 2), PLANE.parts).masses()
        budget = error_budget(
            PLANE.grid, counts, self.masses, self.particles, FurtherRuns(finer=fine, halved=halved)
        )
        assert budget.p_value < 1e-6
        assert dominant(budget) == "unexplained"
        assert budget.unexplained == pytest.approx(self.size(self.off_by(0.05)), rel=0.15)
        assert "nothing here explains 9" in budget.sentence

    def test_walkers_outside_belong_to_the_budget(self) -> None:
        masses = PLANE_ABSORBED.masses()
        counts = draw(np.random.default_rng(83101), masses * 1.02, self.particles)
        budget = error_budget(PLANE.grid, counts, masses, self.particles)
        assert budget.total_variation == pytest.approx(0.7 * 0.02, rel=0.1)
        assert dominant(budget) == "unexplained"

    @pytest.mark.parametrize("shape", [(48, 48), (96, 144)])
    def test_grids_that_tell_nothing_are_refused(self, shape: tuple[int, int]) -> None:
        counts = draw(np.random.default_rng(3371), self.masses, self.particles)
        finer = np.full(shape, 1.0 / math.prod(shape))
        with pytest.raises(CaseError, match="does not tell the grid error"):
            error_budget(PLANE.grid, counts, self.masses, self.particles, FurtherRuns(finer=finer))


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


def test_better_masses_are_richardsons() -> None:
    """Given the masses without grid error, the budget is that of a finer grid; tests are exact."""
    coarse, fine = replace(PLANE, grid=box(24, WIDE, WIDE)), PLANE
    wrong, right = coarse.masses(1.03), coarsened(fine.masses(1.0), coarse.grid.shape)
    # A grid twice as fine has a quarter of the error.
    between = right + 0.25 * (wrong - right)
    finer = np.kron(between, np.full((2, 2), 0.25))
    counts = nearest(right, 10**7)
    ours = error_budget(coarse.grid, counts, wrong, 10**7, FurtherRuns(better=right))
    theirs = error_budget(coarse.grid, counts, wrong, 10**7, FurtherRuns(finer=finer))
    assert ours.grid == pytest.approx(theirs.grid, rel=1e-9)
    assert ours.p_value == pytest.approx(theirs.p_value, abs=1e-6)
    assert dominant(ours) == "grid"
    assert judge(coarse.grid, counts, wrong, 10**7, FurtherRuns(better=right)).agrees
    assert not judge(coarse.grid, counts, wrong, 10**7).agrees
