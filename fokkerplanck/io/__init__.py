"""Result files: HDF5 that xarray, netCDF-4 and h5py read without options."""

from .control import ControlRecord, Search, SmoothingRecord
from .discrete import DiscreteRecord, RelationRow
from .ensemble import EnsembleRecord
from .exports import EXPORTS, export
from .identity import Identity, identity
from .inputs import INPUT_BYTES, hdf5_version
from .layout import OBSERVABLES, RESERVED_NAMES, SCHEMA
from .lock import check_free
from .notebook import html_table
from .passage import PASSAGE_NUMBERS, EscapeRecord, PassageRecord
from .reader import Contents, read
from .records import Checkpoint, Frame, Header
from .session import replacing, settle
from .spectrum import SpectrumRecord
from .stationary import NUMBERS, CriticalPoints, Loop, StationaryRecord
from .stored_case import StoredCase, stored_case
from .sweep import SweepRecord, read_sweep, write_sweep
from .target import check_target
from .validation import ValidationRecord
from .walkers import read_walkers, walkers_file, write_walkers
from .writer import ResultWriter

__all__ = [
    "EXPORTS",
    "INPUT_BYTES",
    "NUMBERS",
    "OBSERVABLES",
    "PASSAGE_NUMBERS",
    "RESERVED_NAMES",
    "SCHEMA",
    "Checkpoint",
    "Contents",
    "ControlRecord",
    "CriticalPoints",
    "DiscreteRecord",
    "EnsembleRecord",
    "EscapeRecord",
    "Frame",
    "Header",
    "Identity",
    "Loop",
    "PassageRecord",
    "RelationRow",
    "ResultWriter",
    "Search",
    "SmoothingRecord",
    "SpectrumRecord",
    "StationaryRecord",
    "StoredCase",
    "SweepRecord",
    "ValidationRecord",
    "check_free",
    "check_target",
    "export",
    "hdf5_version",
    "html_table",
    "identity",
    "read",
    "read_sweep",
    "read_walkers",
    "replacing",
    "settle",
    "stored_case",
    "walkers_file",
    "write_sweep",
    "write_walkers",
]
