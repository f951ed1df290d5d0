"""Grid solvers of the Fokker-Planck equation: rates, generator, steppers, stationary state."""

from . import threads  # noqa: F401  before any kernel starts its threads
from .evolve import SCHEMES, Evolution, evolve, fixed_steps
from .generator import Generator, generator
from .initial import formula_density, gaussian_density, normalised, point_density
from .march import March
from .stationary import StationaryState, cell_current, stationary
from .steppers import STEPPERS, Stepper, choose_stepper
from .system import System

__all__ = [
    "SCHEMES",
    "STEPPERS",
    "Evolution",
    "Generator",
    "March",
    "StationaryState",
    "Stepper",
    "System",
    "cell_current",
    "choose_stepper",
    "evolve",
    "fixed_steps",
    "formula_density",
    "gaussian_density",
    "generator",
    "normalised",
    "point_density",
    "stationary",
]
