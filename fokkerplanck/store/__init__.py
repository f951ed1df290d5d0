"""Result files: HDF5 that xarray, netCDF-4 and h5py read without options."""

from .layout import OBSERVABLES, RESERVED_NAMES, SCHEMA
from .reader import Contents, read
from .records import Checkpoint, Frame, Header, Stationary
from .writer import ResultWriter, check_target

__all__ = [
    "OBSERVABLES",
    "RESERVED_NAMES",
    "SCHEMA",
    "Checkpoint",
    "Contents",
    "Frame",
    "Header",
    "ResultWriter",
    "Stationary",
    "check_target",
    "read",
]
