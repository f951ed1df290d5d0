"""Grid solvers of the Fokker-Planck equation: rates, generator, steppers, stationary state."""

from . import threads  # noqa: F401  before any kernel starts its threads
from .critical import critical_points, critical_table
from .currents import circulation, edge_fluxes, entropy_rates, face_fluxes, stream_function
from .decomposition import decompose
from .evolve import Evolution, evolve, fixed_steps
from .flux_march import FluxMarch
from .generator import Generator, generator
from .high import HighOrder, high_order
from .initial import formula_density, gaussian_density, normalised, point_density
from .march import March
from .multilevel import null_state
from .rotation import leading_rotation
from .schemes import SCHEME_TABLE, SCHEMES, Scheme, choose_scheme, gibbs, march_of
from .stationary import StationaryState, cell_current, stationary
from .steppers import STEPPERS, Stepper, choose_stepper
from .system import System

__all__ = [
    "SCHEMES",
    "SCHEME_TABLE",
    "STEPPERS",
    "Evolution",
    "FluxMarch",
    "Generator",
    "HighOrder",
    "March",
    "Scheme",
    "StationaryState",
    "Stepper",
    "System",
    "cell_current",
    "choose_scheme",
    "choose_stepper",
    "circulation",
    "critical_points",
    "critical_table",
    "decompose",
    "edge_fluxes",
    "entropy_rates",
    "evolve",
    "face_fluxes",
    "fixed_steps",
    "formula_density",
    "gaussian_density",
    "generator",
    "gibbs",
    "high_order",
    "leading_rotation",
    "march_of",
    "normalised",
    "null_state",
    "point_density",
    "stationary",
    "stream_function",
]
