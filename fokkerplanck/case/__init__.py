"""A case file becomes checked records: problem, grid, initial density, what to compute."""

from .disk import disk_needed, require_disk
from .files.bundled import bundled_cases, find_case
from .files.sources import Sources
from .files.stored import stored_expect, stored_settings
from .files.text import toml_value
from .load import load_case, read_case
from .made import given_values, make_case
from .memory import Need, memory_available, memory_needed, memory_needs, require_memory
from .model import data_model
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
    DiscreteRequest,
    EnsembleRequest,
    Expect,
    Initial,
    Output,
    PassageRequest,
    StationaryRequest,
    ValidationRequest,
)

__all__ = [
    "Case",
    "Density",
    "DiscreteRequest",
    "EnsembleRequest",
    "Expect",
    "Initial",
    "Need",
    "Output",
    "PassageRequest",
    "Sources",
    "StationaryRequest",
    "ValidationRequest",
    "apply_overrides",
    "bundled_cases",
    "data_model",
    "disk_needed",
    "find_case",
    "given_values",
    "key_path",
    "load_case",
    "make_case",
    "memory_available",
    "memory_needed",
    "memory_needs",
    "overridden",
    "parse_override",
    "parse_value",
    "read_case",
    "require_disk",
    "require_memory",
    "split_override",
    "stored_expect",
    "stored_settings",
    "toml_value",
]
