"""Names of the result file and the netCDF-4 rules it keeps.

A netCDF-4 file is an HDF5 file in which every dataset has a dimension scale on each of its
dimensions. All dimensions here are coordinates with values, so no reader has to invent one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np

from ..errors import CaseError
from .records import Header

# 2: walk_time, loop_time and relation instead of names that groups above them use for something
# else (trees of groups refuse that); drift and inputs; units on labels too.
SCHEMA = 2
CONVENTIONS = "CF-1.11"

# No file consistency flags before HDF5 1.10: a killed run must open without h5clear.
LIBVER = ("earliest", "v108")

# Largest chunk of the density; a frame above it is cut into several.
CHUNK_BYTES = 4 * 2**20

# Frames per chunk of the time series: the first frame allocates what most runs ever need.
SERIES_ROWS = 256

# Smooth fields in double precision hold noise in most of their bits and shrink by a fifth at best;
# counts, numbers of basins and single precision shrink to a third. gzip alone is read everywhere.
COMPRESSION: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True}

# Object headers end at 64 KiB and share it among all attributes.
MAX_ATTRIBUTE_BYTES = 60_000

OBSERVABLES: dict[str, str] = {
    "mass": "total probability",
    "minimum": "smallest value of the density",
    "mean": "mean of the parameters",
    "covariance": "covariance of the parameters",
    "energy": "expected quasi-potential",
    "entropy": "differential entropy",
    "free_energy": "free energy",
    "kl_to_stationary": "Kullback-Leibler divergence to the stationary density",
    "dissipation": "rate of decrease of the free energy",
    "entropy_production": "rate of entropy production",
    "housekeeping": "entropy production that keeps the stationary currents going",
    "naive_free_energy": "free energy with the loss in place of the quasi-potential",
    "expected_loss": "expected loss",
    "loss_rate": "rate of change of the expected loss",
    "limited": "share of the cell faces whose flux the limiter scaled down since the last frame",
    "limited_flux": "share of the flux corrections taken away since the last frame",
    "loss_rate_dynkin": "rate of change of the expected loss by Dynkin's formula",
    "schedule": "control u(t)",
    "error": "estimated error of the density in L1",
    "error_mean": "estimated error of the mean",
    "error_covariance": "estimated error of the covariance",
    "over_sides_rate": "density that jumps over the sides per unit time",
}

ROOT_ATTRIBUTES = frozenset(
    (
        *("Conventions", "title", "history", "source", "case_toml", "beta", "seed", "status"),
        *("schema", "timings", "notes", "failed"),
    )
)

_FIXED = "time density loss sigma drift component component2 row column bound character"
# Of what has no layout; `groups.table.reserved` has all of them.
RESERVED_NAMES = frozenset([*f"{_FIXED} checkpoint inputs".split(), *OBSERVABLES])


def check_names(header: Header, reserved: frozenset[str]) -> None:
    """Raise :class:`CaseError` where an axis or attribute would take a name of the file."""
    taken = reserved | {f"{name}_bounds" for name in header.names}
    for name in header.names:
        if name in taken:
            raise CaseError(
                f"an axis cannot be called {name!r}, which the result file uses for something "
                "else; choose another name",
                f"domain.{name}",
            )
    for name in header.parameters:
        if name in ROOT_ATTRIBUTES:
            raise ValueError(f"the parameter {name!r} would replace an attribute of the file")


def density_chunk(shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Chunk of one frame, the longest axis halved until it holds at most ``CHUNK_BYTES``."""
    chunk = list(shape)
    while math.prod(chunk) * itemsize > CHUNK_BYTES:
        longest = int(np.argmax(chunk))
        chunk[longest] = -(-chunk[longest] // 2)
    return tuple(chunk)


def encode_attribute(value: Any) -> Any:
    """Value as netCDF-4 can hold it: text, numbers, arrays of numbers; the rest as JSON."""
    if isinstance(value, bool | np.bool_):
        return np.int8(value)  # netCDF has no truth values
    if isinstance(value, str | int | float | np.number):
        return value
    if isinstance(value, np.ndarray | list | tuple):
        array = np.asarray(value)
        if array.dtype.kind in "iuf" and array.ndim == 1 and array.size:
            return array
    return json.dumps(value, default=plain)


def set_attributes(target: h5py.HLObject, attributes: Mapping[str, Any]) -> None:
    """Write the attributes that are not None."""
    for name, value in attributes.items():
        if value is not None:
            target.attrs[name] = encode_attribute(value)


def add_scale(
    group: h5py.Group, name: str, values: Any, long_name: str, **options: Any
) -> h5py.Dataset:
    """Create a coordinate: a dataset that is the dimension scale of its own name."""
    if isinstance(values, tuple):  # strings
        scale = group.create_dataset(name, data=list(values), dtype=h5py.string_dtype())
    else:
        scale = group.create_dataset(name, data=values, **options)
    set_attributes(scale, {"long_name": long_name, "units": "1"})
    scale.make_scale(name)
    return scale


def add_variable(
    group: h5py.Group,
    name: str,
    scales: Sequence[h5py.Dataset],
    long_name: str | None = None,
    **options: Any,
) -> h5py.Dataset:
    """Create a dimensionless variable over the given scales."""
    variable = group.create_dataset(name, **options)
    for dimension, scale in enumerate(scales):
        variable.dims[dimension].attach_scale(scale)
    set_attributes(variable, {"long_name": long_name, "units": "1"})
    return variable


def add_series(file: h5py.File, observables: Mapping[str, Any]) -> None:
    """Make room for observables that grow with time, from the values of the first frame."""
    components = (file["component"], file["component2"])
    for name, value in observables.items():
        shape = np.shape(value)
        add_variable(
            file,
            name,
            [file["time"], *components[: len(shape)]],
            OBSERVABLES.get(name, name),
            shape=(0, *shape),
            maxshape=(None, *shape),
            chunks=(SERIES_ROWS, *shape),
            dtype=np.float64,
            fillvalue=np.nan,
        )


def append_row(dataset: h5py.Dataset, index: int, values: Any, write: bool = True) -> None:
    """Make a dataset of numbers ``index + 1`` long and write its last row.

    The same as ``resize`` and an assignment; h5py's own cost more than the numbers where there are
    twenty datasets and a frame every few milliseconds.
    """
    row = np.asarray(values, dtype=np.float64, order="C")
    dataset.id.set_extent((index + 1, *row.shape))
    if write:
        place = dataset.id.get_space()
        place.select_hyperslab((index, *(0,) * row.ndim), (1, *row.shape))
        dataset.id.write(h5py.h5s.create_simple((1, *row.shape)), place, row)


def add_axes(group: h5py.Group, header_axes: Sequence[tuple[str, np.ndarray, np.ndarray]]) -> None:
    """Create one coordinate per axis, and its cell bounds."""
    add_scale(group, "bound", ("lower", "upper"), "side of a cell")
    for name, centers, bounds in header_axes:
        axis = add_scale(group, name, centers, f"{name}, cell centre")
        axis.attrs["bounds"] = f"{name}_bounds"
        add_variable(
            group, f"{name}_bounds", [axis, group["bound"]], f"{name}, cell faces", data=bounds
        )


def axis_names(file: h5py.File) -> tuple[str, ...]:
    """Names of the axes in the order of the array dimensions."""
    return tuple(dimension[0].name.rsplit("/", 1)[1] for dimension in file["loss"].dims)


def series_names(file: h5py.File) -> list[str]:
    """Names of the observables: what grows along time besides time and density."""
    return [
        name
        for name, item in file.items()
        if name not in ("time", "density")
        and isinstance(item, h5py.Dataset)
        and item.maxshape[:1] == (None,)
    ]


def complete_frames(file: h5py.File) -> int:
    """Number of frames of which every array is there; earlier versions could be killed in one."""
    return min(len(file[name]) for name in ("time", "density", *series_names(file)))


def plain(value: Any) -> Any:
    """Turn numpy values into what JSON knows."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{value!r} cannot be kept in a result file")
