"""Grid solvers of the Fokker-Planck equation: rates, generator, steppers, stationary state."""

from . import threads  # noqa: F401  before any kernel starts its threads
from .arrival import expectation
from .critical import critical_points, critical_table
from .currents import cell_current, circulation, edge_fluxes, entropy_rates, face_fluxes, stream_function
from .decomposition import decompose
from .escape import Escape, escape
from .evolve import Evolution, evolve, fixed_steps
from .flux_march import FluxMarch
from .generator import Generator, generator
from .high import HighOrder, high_order
from .initial import formula_density, gaussian_density, normalised, point_density
from .march import March
from .multilevel import null_state
from .passage import Passage, passage
from .rotation import leading_rotation
from .schemes import SCHEME_TABLE, SCHEMES, Scheme, choose_scheme, gibbs, march_of
from .spectrum import Spectrum, spectrum, spectrum_method
from .stationary import StationaryState, stationary
from .steppers import STEPPERS, Stepper, choose_stepper
from .system import System

__all__ = [
    "SCHEMES",
    "SCHEME_TABLE",
    "STEPPERS",
    "Escape",
    "Evolution",
    "FluxMarch",
    "Generator",
    "HighOrder",
    "March",
    "Passage",
    "Scheme",
    "Spectrum",
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
    "escape",
    "evolve",
    "expectation",
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
    "passage",
    "point_density",
    "spectrum",
    "spectrum_method",
    "stationary",
    "stream_function",
]
