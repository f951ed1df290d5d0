"""Walkers against densities: cell masses, tests with stated power, error budgets, verdicts."""

from .bands import band, wilson
from .bins import Bins, bisect
from .budget import Budget, FurtherRuns, Halved, error_budget
from .combine import dependent, independent
from .energy import EnergyTest, energy_test
from .fit import FitTest, Scale, g_test
from .masses import cell_masses, coarsened, extrapolated
from .moments import MomentTest, central_moments, moment_test
from .verdict import Verdict, judge

__all__ = [
    "Bins",
    "Budget",
    "EnergyTest",
    "FitTest",
    "FurtherRuns",
    "Halved",
    "MomentTest",
    "Scale",
    "Verdict",
    "band",
    "bisect",
    "cell_masses",
    "central_moments",
    "coarsened",
    "dependent",
    "energy_test",
    "error_budget",
    "extrapolated",
    "g_test",
    "independent",
    "judge",
    "moment_test",
    "wilson",
]
