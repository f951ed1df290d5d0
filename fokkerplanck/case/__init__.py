"""A case file becomes checked records: problem, grid, initial density, what to compute."""

from .bundled import bundled_cases, find_case
from .load import load_case
from .memory import memory_available, memory_needed, require_memory
from .overrides import apply_overrides, key_path, parse_override, parse_value, split_override
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
    "key_path",
    "load_case",
    "memory_available",
    "memory_needed",
    "parse_override",
    "parse_value",
    "require_memory",
    "split_override",
]
