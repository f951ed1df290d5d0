"""P-values are uniform when walkers follow the density; errors of the stated size are found."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import stats
from validation_samples import (
    LINE,
    LINE_WELLS,
    PLANE,
    PLANE_ABSORBED,
    PLANE_WELLS,
    SPACE,
    Mixture,
    draw,
    tilted,
)

from fokkerplanck.validation import (
    FurtherRuns,
    Halved,
    bisect,
    energy_test,
    error_budget,
    g_test,
    judge,
    moment_test,
)

SEEDS = 200
# Bonferroni: some fifty Kolmogorov-Smirnov tests, five per cent in all.
UNIFORM = 0.001
NULLS: dict[str, tuple[Mixture, int]] = {
    "line": (LINE, 1_000_000),
    "line wells": (LINE_WELLS, 100_000),
    "plane": (PLANE, 1_000_000),
    "plane wells": (PLANE_WELLS, 100_000),
    "absorbed": (PLANE_ABSORBED, 100_000),
    "space": (SPACE, 300_000),
}


def assert_uniform(p_values: dict[str, list[float]]) -> None:
    for name, values in p_values.items():
        assert len(values) >= SEEDS
        assert stats.kstest(values, "uniform").pvalue > UNIFORM, name


@cache
def null_of_counts(name: str) -> dict[str, list[float]]:
    """p-values by test of walkers drawn from the density they are held against."""
    mixture, particles = NULLS[name]
    masses = mixture.masses()
    bins = bisect(mixture.grid, masses, particles)
    p_values: dict[str, list[float]] = {"fit": [], "energy": [], "budget": []}
    for seed in range(SEEDS):
        rng = np.random.default_rng([71933, list(NULLS).index(name), seed])
        counts = draw(rng, masses, particles)
        fit = g_test(mixture.grid, counts, masses, particles, bins=bins)
        p_values["fit"].append(fit.p_value)
        energy = energy_test(mixture.grid, counts, masses, bins=bins)
        p_values["energy"].append(energy.p_value)
        budget = error_budget(mixture.grid, counts, masses, particles, bins=bins)
        p_values["budget"].append(budget.p_value)
        for scale in fit.scales:
            p_values.setdefault(scale.name, []).append(scale.p_value)
    return p_values


@pytest.mark.parametrize("name", NULLS)
def test_null_of_counts_is_uniform(name: str) -> None:
    assert_uniform(null_of_counts(name))


@pytest.mark.parametrize("test", ["fit", "energy", "budget", "broad", "middle", "fine"])
def test_nulls_of_all_densities_together_are_uniform(test: str) -> None:
    """Six times as many p-values show a bias two and a half times smaller."""
    assert_uniform({test: [p for name in NULLS for p in null_of_counts(name)[test]]})


@pytest.mark.parametrize("mixture", [LINE_WELLS, PLANE_WELLS])
def test_null_of_walkers_is_uniform(mixture: Mixture) -> None:
    """Walkers at places, not in cells: their moments share the noise of their counts."""
    particles = 10_000
    masses = mixture.masses()
    p_values: dict[str, list[float]] = {"fit": [], "energy": [], "moments": [], "all": []}
    for seed in range(SEEDS):
        places = mixture.walkers(np.random.default_rng([53077, seed]), particles)
        verdict = judge(
            mixture.grid,
            mixture.counted(places),
            masses,
            particles,
            mean=places.mean(axis=0),
            covariance=np.atleast_2d(np.cov(places.T)),
        )
        for name, value in verdict.p_values.items():
            p_values[name].append(value)
        p_values["all"].append(verdict.p_value)
    assert_uniform(p_values)


@pytest.mark.parametrize("mixture", [PLANE, SPACE])
def test_moments_of_a_million_walkers_are_uniform(mixture: Mixture) -> None:
    """Mean and covariance of Gaussian walkers are drawn from their own laws, exactly."""
    particles = 1_000_000
    masses = mixture.masses()
    _, mean, covariance = mixture.parts[0]
    wishart = stats.wishart(df=particles - 1, scale=np.array(covariance) / (particles - 1))
    values = []
    for seed in range(SEEDS):
        rng = np.random.default_rng([80819, seed])
        found = rng.multivariate_normal(mean, np.array(covariance) / particles)
        sampled = wishart.rvs(random_state=rng)
        values.append(moment_test(mixture.grid, found, sampled, particles, masses).p_value)
    assert_uniform({"moments": values})


def test_extrapolation_of_a_gap_leaves_uniform_p_values() -> None:
    """The gap is linear in the learning rate, so nothing is left at learning rate 0.

    Nor is anything of what symmetric walkers lack.
    """
    particles, half = 200_000, 300_000
    masses = PLANE.masses()
    x = PLANE.grid.points[0]
    tilt = masses * (x - (masses * x).sum()) * 0.05
    bins = bisect(PLANE.grid, masses, particles)
    values: dict[str, list[float]] = {"two rates": [], "symmetric": []}

    def drawn(rng: np.random.Generator, factor: float, number: int) -> np.ndarray:
        return draw(rng, np.maximum(masses + factor * tilt, 0.0), number)

    for seed in range(SEEDS):
        rng = np.random.default_rng([90121, seed])
        halved = Halved(drawn(rng, 0.5, half), masses, half)
        counts = drawn(rng, 1.0, particles)
        budget = error_budget(
            PLANE.grid, counts, masses, particles, FurtherRuns(halved=halved), bins=bins
        )
        values["two rates"].append(budget.p_value)
        symmetric = Halved(counts, masses, particles)
        counts = drawn(rng, 1.7, half)
        budget = error_budget(
            PLANE.grid,
            counts,
            masses,
            half,
            FurtherRuns(halved=halved, symmetric=symmetric),
            bins=bins,
        )
        values["symmetric"].append(budget.p_value)
    assert_uniform(values)


@pytest.mark.parametrize("mixture", [LINE, PLANE, PLANE_WELLS, SPACE])
def test_two_percent_in_sigma_is_found_by_a_million_walkers(mixture: Mixture) -> None:
    particles = 1_000_000
    masses, wrong = mixture.masses(), mixture.masses(scale=1.02)
    for seed in range(5):
        counts = draw(np.random.default_rng([67217, seed]), masses, particles)
        assert judge(mixture.grid, counts, masses, particles).p_value > 1e-4
        verdict = judge(mixture.grid, counts, wrong, particles)
        assert verdict.p_value < 1e-4
        assert not verdict.agrees
        assert "differ from" in verdict.sentence


@pytest.mark.parametrize(("scale", "split"), [(0, 1), (1, 4)], ids=["broad", "middle"])
def test_stated_effect_is_found_nine_times_in_ten(scale: int, split: int) -> None:
    particles, level = 1_000_000, 0.01
    masses = PLANE.masses()
    bins = bisect(PLANE.grid, masses, particles)
    counts = draw(np.random.default_rng(38177), masses, particles)
    effect = g_test(PLANE.grid, counts, masses, particles, level=level).scales[scale].effect
    rates = []
    for factor in (1.0, 0.3):
        true = tilted(PLANE, bins, split, factor * effect)
        found = 0
        for seed in range(SEEDS):
            counts = draw(np.random.default_rng([44119, seed]), true, particles)
            fit = g_test(PLANE.grid, counts, masses, particles, level=level, bins=bins)
            found += fit.p_value < level
        rates.append(found / SEEDS)
    # Three binomial standard errors below 0.9; the other scales add a little.
    assert rates[0] > 0.9 - 3.0 * np.sqrt(0.09 / SEEDS)
    assert rates[0] < 0.98
    assert rates[1] < 0.15


def test_stated_error_of_the_covariance_is_found_nine_times_in_ten() -> None:
    particles, level = 1_000_000, 0.01
    masses = PLANE.masses()
    _, mean, covariance = PLANE.parts[0]
    exact = np.array(covariance)
    effect = moment_test(PLANE.grid, np.array(mean), exact, particles, masses).effect
    for factor, least, most in ((1.0, 0.83, 0.97), (0.3, 0.0, 0.15)):
        scale = exact * (1.0 + factor * effect)
        wishart = stats.wishart(df=particles - 1, scale=scale / (particles - 1))
        found = 0
        for seed in range(SEEDS):
            rng = np.random.default_rng([29389, seed])
            place = rng.multivariate_normal(mean, scale / particles)
            sampled = wishart.rvs(random_state=rng)
            test = moment_test(PLANE.grid, place, sampled, particles, masses, level=level)
            found += test.p_value < level
        assert least <= found / SEEDS <= most
