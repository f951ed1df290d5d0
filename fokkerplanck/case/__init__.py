"""A case file becomes checked records: problem, grid, initial density, what to compute."""

from .bundled import bundled_cases, find_case
from .disk import disk_needed, require_disk
from .load import load_case
from .memory import Need, memory_available, memory_needed, memory_needs, require_memory
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

__all__ = [
    "Case",
    "Density",
    "Discrete",
    "Ensemble",
    "Expect",
    "Initial",
    "Need",
    "Output",
    "Passage",
    "Stationary",
    "Validation",
    "apply_overrides",
    "bundled_cases",
    "disk_needed",
    "find_case",
    "load_case",
    "memory_available",
    "memory_needed",
    "memory_needs",
    "parse_override",
    "require_disk",
    "require_memory",
]
