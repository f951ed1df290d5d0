"""Walkers: real SGD and its diffusion, counted on the solver's grid."""

from .distributed import Client
from .ensemble import ensemble
from .methods import METHODS, Method
from .recorder import EnsembleFrames
from .start import Gaussian
from .state import Form, Keeper, State

__all__ = [
    "METHODS",
    "Client",
    "EnsembleFrames",
    "Form",
    "Gaussian",
    "Keeper",
    "Method",
    "State",
    "ensemble",
]
