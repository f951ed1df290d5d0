"""A case file becomes checked records: problem, grid, initial density, what to compute."""

from .bundled import bundled_cases, find_case
from .load import load_case
from .memory import memory_available, memory_needed, require_memory
from .overrides import apply_overrides, parse_override
from .records import (
    Case,
    Density,
    Discrete,
    Ensemble,
    Expect,
    Initial,
    Output,
    Passage,
    Stationary,
    Validation,
)
from .stored import stored_expect, stored_settings

__all__ = [
    "Case",
    "Density",
    "Discrete",
    "Ensemble",
    "Expect",
    "Initial",
    "Output",
    "Passage",
    "Stationary",
    "Validation",
    "apply_overrides",
    "bundled_cases",
    "find_case",
    "load_case",
    "memory_available",
    "memory_needed",
    "parse_override",
    "require_memory",
    "stored_expect",
    "stored_settings",
]
