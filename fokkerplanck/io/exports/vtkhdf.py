"""A result as a VTKHDF file, which ParaView opens: an image of cells, with its time steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ...runtime.files import whole_file
from ..layout import COMPRESSION, LIBVER, axis_names
from ..storage.opening import reading
from .fields import GridField, grid_fields, kept_frames, padded

ROOT = "VTKHDF"
# The first version with time steps and offsets per array.
VERSION = (2, 0)


def export_vtkhdf(source: Path, target: Path) -> None:
    """Write ``target``, in place of an export that is there.

    Cells are boxes of equal size, so the grid is an image: densities are data of its cells and
    the stream function of its corners. Vectors have three components and tensors nine, with zeros
    along missing axes. Fields that do not move are written once and shown at every step.

    Parameters
    ----------
    source : Path
        A result file.
    target : Path

    Raises
    ------
    StoreError
        If the result cannot be read.
    """
    with (
        reading(source) as file,
        whole_file(target) as fresh,
        h5py.File(fresh, "w", libver=LIBVER) as written,
    ):
        _write(file, written.create_group(ROOT, track_order=True))


def _write(file: h5py.File, root: h5py.Group) -> None:
    names, frames = axis_names(file), kept_frames(file)
    bounds = [file[f"{name}_bounds"] for name in names]
    cells = [len(one) for one in bounds]
    extent, origin, spacing = np.zeros(6, np.int64), np.zeros(3), np.ones(3)
    for axis, faces in enumerate(bounds):
        extent[2 * axis + 1] = cells[axis]
        origin[axis] = faces[0, 0]
        spacing[axis] = (faces[-1, 1] - faces[0, 0]) / cells[axis]
    root.attrs["Version"] = np.array(VERSION, np.int64)
    # A string of fixed length in ASCII: readers take no other.
    root.attrs.create("Type", np.bytes_("ImageData"))
    root.attrs["WholeExtent"] = extent
    root.attrs["Origin"] = origin
    root.attrs["Spacing"] = spacing
    root.attrs["Direction"] = np.eye(3).ravel()
    steps = None
    if frames:
        steps = root.create_group("Steps")
        steps.attrs["NSteps"] = np.int64(len(frames))
        steps["Values"] = file["time"][...][frames]
    for kind, corners in (("CellData", False), ("PointData", True)):
        group = root.create_group(kind)
        offsets = steps.create_group(f"{kind}Offsets") if steps is not None else None
        for field in grid_fields(file):
            if field.corners == corners and (frames or not field.moving):
                _write_field(file, field, frames, group, offsets)


def _write_field(
    file: h5py.File,
    field: GridField,
    frames: list[int],
    group: h5py.Group,
    offsets: h5py.Group | None,
) -> None:
    first = image_order(field.values(file, frames[0] if frames else 0), field.rank)
    count = len(frames) if field.moving else 1
    lead = () if offsets is None else (count,)
    options: dict[str, Any] = {}
    if first.size > 1:
        options = {"chunks": (*(1,) * len(lead), *first.shape), **COMPRESSION}
    dataset = group.create_dataset(field.name, (*lead, *first.shape), first.dtype, **options)
    if offsets is None:
        dataset[...] = first
        return
    for step in range(count):
        values = field.values(file, frames[step]) if step else None
        dataset[step] = first if values is None else image_order(values, field.rank)
    offsets[field.name] = np.arange(len(frames)) if field.moving else np.zeros(len(frames), int)


def image_order(values: np.ndarray, rank: int) -> np.ndarray:
    """Values by (z, y, x), as images keep them, then the components with zeros for missing axes.

    Images of one or two axes have no place for those that are missing.

    Parameters
    ----------
    values : ndarray
        By axis, then ``rank`` indices of components.
    """
    ndim = values.ndim - rank
    turned = values.transpose(*range(ndim - 1, -1, -1), *range(ndim, values.ndim))
    return padded(turned, rank)
