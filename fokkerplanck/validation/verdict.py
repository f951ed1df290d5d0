"""Walkers against a density: every test, one p-value, one sentence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..grid import Grid
from .bins import bisect
from .budget import Budget, FurtherRuns, error_budget
from .combine import dependent
from .energy import EnergyTest, energy_test
from .fit import FitTest, g_test
from .moments import ROUGH, MomentTest, moment_test, roughness


@dataclass(frozen=True)
class Verdict:
    """Outcome of :func:`judge`.

    Parameters
    ----------
    fit : FitTest
    energy : EnergyTest
    moments : MomentTest or None
    budget : Budget
    p_value : float
        Of all tests together, by :func:`dependent`: as good as uniform under the null.
    level : float
        Below which walkers and density are said to differ.
    particles : int
    """

    fit: FitTest
    energy: EnergyTest
    moments: MomentTest | None
    budget: Budget
    p_value: float
    level: float
    particles: int

    @property
    def agrees(self) -> bool:
        """Whether the tests leave the density standing."""
        return self.p_value >= self.level

    @property
    def explained(self) -> bool:
        """Whether nothing is left once what the budget measures is taken out."""
        return self.budget.measured and self.budget.p_value >= self.level

    @property
    def p_values(self) -> dict[str, float]:
        """p-values by test."""
        result = {"fit": self.fit.p_value, "energy": self.energy.p_value}
        if self.moments is not None:
            result["moments"] = self.moments.p_value
        return result

    @property
    def sentence(self) -> str:
        """The verdict, its power or its size, and what dominates the difference."""
        single = ", ".join(f"{name} {value:.2g}" for name, value in self.p_values.items())
        tests = f"(p = {self.p_value:.2g}; {single})"
        if self.agrees:
            found = f"{self.particles:,} walkers agree with the density {tests}"
        elif self.explained:
            how = "by" if self.budget.seen else "by no more than the noise in"
            found = (
                f"{self.particles:,} walkers differ from the density {tests} {how} what is "
                f"measured here, without which they agree (p = {self.budget.p_value:.2g})"
            )
        else:
            found = f"{self.particles:,} walkers differ from the density {tests}, unexplained"
        if self.agrees and self.moments is not None:
            found += f"; a covariance wrong by {self.moments.effect:.2%} would have shown"
        return f"{found}. {self.budget.sentence}."


def judge(
    grid: Grid,
    counts: np.ndarray,
    masses: np.ndarray,
    particles: int,
    further: FurtherRuns | None = None,
    *,
    mean: np.ndarray | None = None,
    covariance: np.ndarray | None = None,
    level: float = 0.01,
) -> Verdict:
    """Test one frame of an ensemble against one of a density.

    Parameters
    ----------
    grid : Grid
    counts : int ndarray of the grid's shape
    masses : ndarray of the grid's shape
        Expected probabilities, from :func:`cell_masses`; what is missing to 1 is outside.
    particles : int
        Walkers that started; those not in ``counts`` are outside.
    further : FurtherRuns, optional
        Where it has ``better`` masses the tests are of those, and ``masses`` are what the budget
        is of.
    mean, covariance : ndarrays, shapes (d,) and (d, d), optional
        Of the walkers in ``counts``, at their true places; left out where the density is too
        narrow for the grid to know its moments.
    level : float

    Returns
    -------
    Verdict

    Raises
    ------
    CaseError
        If arrays do not fit each other.

    Notes
    -----
    The tests share their walkers, so their p-values are combined by :func:`dependent`. Frames
    of one ensemble share them too: combine the verdicts of several frames in the same way.
    """
    tested = masses if further is None or further.better is None else further.better
    bins = bisect(grid, tested, particles)
    fit = g_test(grid, counts, tested, particles, level=level, bins=bins)
    energy = energy_test(grid, counts, tested, bins=bins)
    moments = None
    if mean is not None and covariance is not None and (roughness(grid, tested) <= ROUGH).all():
        walkers = int(counts.sum())
        moments = moment_test(grid, mean, covariance, walkers, tested, level=level)
    budget = error_budget(grid, counts, masses, particles, further, bins=bins)
    tests = [fit.p_value, energy.p_value, *([] if moments is None else [moments.p_value])]
    return Verdict(
        fit=fit,
        energy=energy,
        moments=moments,
        budget=budget,
        p_value=dependent(tests),
        level=level,
        particles=particles,
    )
