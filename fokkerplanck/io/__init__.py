"""Result files: HDF5 that xarray, netCDF-4 and h5py read without options."""

from .exports.exports import EXPORTS, export
from .groups.control import ControlRecord, Search, SmoothingRecord
from .groups.discrete import DiscreteRecord, RelationRow
from .groups.ensemble import EnsembleRecord
from .groups.passage import PASSAGE_NUMBERS, EscapeRecord, PassageRecord
from .groups.spectrum import SpectrumRecord
from .groups.stationary import NUMBERS, CriticalPoints, Loop, StationaryRecord
from .groups.validation import ValidationRecord
from .identity import Identity, identity
from .inputs import INPUT_BYTES, hdf5_version
from .layout import OBSERVABLES, RESERVED_NAMES, SCHEMA
from .notebook import html_table
from .reader import Contents, read
from .records import Checkpoint, Frame, Header
from .storage.lock import check_free, replacing, settle
from .storage.target import check_target
from .storage.walkers import read_walkers, walkers_file, write_walkers
from .stored_case import StoredCase, stored_case
from .sweep import SweepRecord, read_sweep, write_sweep
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
