"""A case file becomes checked records: problem, grid, initial density, what to compute."""

from .bundled import bundled_cases, find_case
from .load import load_case, read_case
from .memory import memory_available, memory_needed, require_memory
from .overrides import (
    apply_overrides,
    key_path,
    overridden,
    parse_override,
    parse_value,
    split_override,
)
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
from .sources import Sources
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
    "Sources",
    "Stationary",
    "Validation",
    "apply_overrides",
    "bundled_cases",
    "find_case",
    "key_path",
    "load_case",
    "memory_available",
    "memory_needed",
    "overridden",
    "parse_override",
    "parse_value",
    "read_case",
    "require_memory",
    "split_override",
    "stored_expect",
    "stored_settings",
]
