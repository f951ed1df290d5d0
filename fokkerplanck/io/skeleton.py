"""What of a result file does not grow: how it begins, and how it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import h5py
import numpy as np

from ..errors import StoreError
from .groups.table import reserved
from .inputs import fill_inputs
from .layout import (
    COMPRESSION,
    CONVENTIONS,
    MAX_ATTRIBUTE_BYTES,
    SCHEMA,
    add_axes,
    add_scale,
    add_variable,
    check_names,
    density_chunk,
    encode_attribute,
    set_attributes,
)
from .precision import density_storage
from .records import Header
from .storage.checkpoint import name_run


def check_header(header: Header) -> None:
    """Raise for a header that no file can hold.

    Raises
    ------
    CaseError
        If an axis has a name that the file needs.
    StoreError
        If the case text is too long for an attribute.
    """
    check_names(header, reserved())
    if len(header.case_toml.encode()) > MAX_ATTRIBUTE_BYTES:
        raise StoreError(
            f"the case text of {len(header.case_toml.encode())} bytes does not fit; "
            f"{MAX_ATTRIBUTE_BYTES} are possible"
        )


def write_skeleton(
    file: h5py.File, header: Header, precision: str, every_frame: bool, resumable: bool = True
) -> None:
    """Write attributes, scales, loss, Sigma, and an empty density; name the run that goes on.

    Raises
    ------
    CaseError, StoreError
        As :func:`check_header`.
    """
    check_header(header)
    attributes = {
        "Conventions": CONVENTIONS,
        "title": header.title,
        "history": f"{now()} created by {header.source}".rstrip(),
        "source": header.source,
        "case_toml": header.case_toml,
        "beta": float(header.beta),
        "seed": header.seed,
        "status": "running",
        "schema": SCHEMA,
        **header.parameters,
    }
    set_attributes(file, attributes)
    shape, names = header.shape, header.names
    time = add_scale(
        file,
        "time",
        np.empty(0),
        "time",
        maxshape=(None,),
        chunks=(1024,),
        fillvalue=np.nan,
    )
    add_axes(file, list(zip(names, header.centers, header.bounds, strict=True)))
    axes = [file[name] for name in names]
    matrix = [
        add_scale(file, name, tuple(names), f"{word} of a matrix or vector")
        for name, word in (
            ("component", "component"),
            ("component2", "second component"),
            ("row", "row"),
            ("column", "column"),
        )
    ]
    add_variable(file, "loss", axes, "loss", data=np.asarray(header.loss, np.float64))
    _write_sigma(file, header, [*matrix[2:], *axes])
    if header.drift is not None:
        add_variable(file, "drift", [matrix[0], *axes], "deterministic drift", data=header.drift)
    fill_inputs(file, header.inputs)
    dtype, options, marks = density_storage(precision)
    density = add_variable(
        file,
        "density",
        [time, *axes],
        "probability density at the cell centre",
        shape=(0, *shape),
        maxshape=(None, *shape),
        chunks=(1, *density_chunk(shape, dtype.itemsize)),
        dtype=dtype,
        fillvalue=np.nan,
        **options,
    )
    fill = np.array([np.nan], dtype)
    set_attributes(density, {"_FillValue": fill, "every_frame": every_frame, **marks})
    if resumable:
        name_run(file)


def write_ending(
    file: h5py.File,
    status: str,
    timings: Mapping[str, float] | None,
    notes: Sequence[str] | None,
    failed: Mapping[str, str] | None,
) -> None:
    """Write the status, and what is known of the run as a whole."""
    if timings:
        file.attrs["timings"] = encode_attribute(dict(timings))
    if notes:
        file.attrs["notes"] = "\n".join(notes)
    if failed:
        file.attrs["failed"] = encode_attribute(dict(failed))
    file.attrs["status"] = status


def now() -> str:
    """The time, as the history of a file tells it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _write_sigma(file: h5py.File, header: Header, scales: list[h5py.Dataset]) -> None:
    """Write Sigma one entry at a time; compression makes a constant entry free."""
    ndim, shape = len(header.names), header.shape
    full = np.broadcast_to(np.asarray(header.sigma, np.float64), (ndim, ndim, *shape))
    sigma = add_variable(
        file,
        "sigma",
        scales,
        "covariance of the per-sample gradients",
        shape=full.shape,
        chunks=(1, 1, *density_chunk(shape, full.itemsize)),
        dtype=np.float64,
        **COMPRESSION,
    )
    for i, j in np.ndindex(ndim, ndim):
        sigma[i, j] = full[i, j]
