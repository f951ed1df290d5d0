"""Result files: HDF5 that xarray, netCDF-4 and h5py read without options."""

from .dataset import Arrays, Attribute, Layout, Variable
from .exports.exports import EXPORTS, export
from .groups.control import CONTROL, Search
from .groups.discrete import DISCRETE
from .groups.ensemble import ENSEMBLE
from .groups.passage import PASSAGE
from .groups.smoothing import SMOOTHING
from .groups.spectrum import SPECTRUM
from .groups.stationary import CRITICAL, LOOP, POINTS, STATIONARY
from .groups.table import reserved
from .groups.validation import COMPARED, VALIDATION
from .identity import Identity, identity
from .inputs import INPUT_BYTES, hdf5_version
from .layout import OBSERVABLES, SCHEMA
from .notebook import html_table
from .reader import Contents, read
from .records import Checkpoint, Frame, Header
from .storage.lock import check_free
from .storage.session import replacing, settle
from .storage.target import check_target
from .storage.walkers import read_walkers, walkers_file, write_walkers
from .stored_case import StoredCase, stored_case
from .sweep import SweepRecord, read_sweep, write_sweep
from .writer import ResultWriter

__all__ = [
    "COMPARED",
    "CONTROL",
    "CRITICAL",
    "DISCRETE",
    "ENSEMBLE",
    "EXPORTS",
    "INPUT_BYTES",
    "LOOP",
    "OBSERVABLES",
    "PASSAGE",
    "POINTS",
    "SCHEMA",
    "SMOOTHING",
    "SPECTRUM",
    "STATIONARY",
    "VALIDATION",
    "Arrays",
    "Attribute",
    "Checkpoint",
    "Contents",
    "Frame",
    "Header",
    "Identity",
    "Layout",
    "ResultWriter",
    "Search",
    "StoredCase",
    "SweepRecord",
    "Variable",
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
    "reserved",
    "settle",
    "stored_case",
    "walkers_file",
    "write_sweep",
    "write_walkers",
]
