"""A result as XDMF: a text that tells ParaView where in the HDF5 files to find what."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree as ET

import h5py
import numpy as np

from ...runtime.files import whole_file
from ..layout import COMPRESSION, LIBVER, axis_names
from ..storage.opening import reading
from .fields import GridField, grid_fields, kept_frames, padded

AXES = "XYZ"
# Width of the strip that stands for one axis, in lengths of the axis.
STRIP = 0.1
KINDS = {0: "Scalar", 1: "Vector", 2: "Tensor"}


def companion(target: Path) -> Path:
    """The HDF5 file beside an XDMF file."""
    return target.with_name(f"{target.stem}_xdmf.h5")


def export_xdmf(source: Path, target: Path) -> None:
    """Write ``target`` and its companion, in place of those that are there.

    Densities and all scalars stay in the result file, and only the text points to them. The
    companion holds the corners of the cells: in a result the last axis runs fastest, in the images
    of XDMF the first, so the cells are given as a mesh with coordinates. It also holds vectors and
    tensors, whose components stand first in a result and last in XDMF.

    Parameters
    ----------
    source : Path
        A result file; it must stay where it is, seen from ``target``.
    target : Path

    Raises
    ------
    StoreError
        If the result cannot be read.
    """
    beside = companion(target)
    # The text takes its place last: it points into the other file.
    with reading(source) as file, whole_file(target) as fresh, whole_file(beside) as numbers:
        with h5py.File(numbers, "w", libver=LIBVER) as extra:
            _write_corners(file, extra)
            text = _text(file, extra, os.path.relpath(source, target.parent), beside.name)
        fresh.write_text(text, encoding="utf-8")


def _write_corners(file: h5py.File, extra: h5py.File) -> None:
    corners = []
    for name in axis_names(file):
        faces = file[f"{name}_bounds"][...]
        corners.append(np.append(faces[:, 0], faces[-1, 1]))
    if len(corners) == 1:
        # Meshes have two axes at least: a line of cells is drawn as a strip.
        width = STRIP * (corners[0][-1] - corners[0][0])
        corners.append(np.array([-0.5, 0.5]) * width)
    placed = list(np.meshgrid(*corners, indexing="ij"))
    placed += [np.zeros_like(placed[0])] * (3 - len(placed))
    for axis, values in zip(AXES, placed, strict=True):
        extra.create_dataset(axis, data=values, **COMPRESSION)


def _text(file: h5py.File, extra: h5py.File, result: str, beside: str) -> str:
    frames, fields = kept_frames(file), grid_fields(file)
    shape = extra[AXES[0]].shape
    root = ET.Element("Xdmf", Version="2.0")
    domain = ET.SubElement(root, "Domain")
    series = domain
    if frames:
        series = ET.SubElement(
            domain, "Grid", Name="frames", GridType="Collection", CollectionType="Temporal"
        )
    still = [field for field in fields if not field.moving]
    lines = {field.name: _line(file, extra, field, 0, result, beside) for field in still}
    every: list[int | None] = [*frames] if frames else [None]
    for frame in every:
        grid = ET.SubElement(series, "Grid", Name="cells", GridType="Uniform")
        if frame is not None:
            ET.SubElement(grid, "Time", Value=repr(float(file["time"][frame])))
        kind = f"{len(shape)}DSMesh"
        ET.SubElement(grid, "Topology", TopologyType=kind, Dimensions=_words(shape))
        geometry = ET.SubElement(grid, "Geometry", GeometryType="X_Y_Z")
        geometry.extend(_item(extra[axis], f"{beside}:/{axis}") for axis in AXES)
        for field in fields:
            line = lines.get(field.name)
            if frame is not None and line is None:
                line = _line(file, extra, field, frame, result, beside)
            if line is not None:
                grid.append(line)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _line(
    file: h5py.File, extra: h5py.File, field: GridField, frame: int, result: str, beside: str
) -> ET.Element:
    """The attribute of one field at one frame."""
    center = "Node" if field.corners else "Cell"
    line = ET.Element("Attribute", Name=field.name, AttributeType=KINDS[field.rank], Center=center)
    dataset = file[field.dataset]
    if field.rank:
        values = padded(field.values(file), field.rank)
        if values.ndim == 2:
            values = values[:, np.newaxis]  # the strip
        dataset = extra.create_dataset(field.name, data=values, **COMPRESSION)
        line.append(_item(dataset, f"{beside}:/{field.name}"))
        return line
    place = f"{result}:/{field.dataset}"
    first = frame if field.moving else field.entry
    if first is None:
        line.append(_item(dataset, place))
        return line
    shape = dataset.shape[1:]
    slab = ET.SubElement(line, "DataItem", ItemType="HyperSlab", Dimensions=_words(shape))
    start, stride, count = (first, *(0,) * len(shape)), (1,) * dataset.ndim, (1, *shape)
    numbers = ET.SubElement(
        slab, "DataItem", Dimensions=_words((3, dataset.ndim)), NumberType="Int", Format="XML"
    )
    numbers.text = " ".join(_words(row) for row in (start, stride, count))
    slab.append(_item(dataset, place))
    return line


def _item(dataset: h5py.Dataset, place: str) -> ET.Element:
    item = ET.Element(
        "DataItem",
        Format="HDF",
        NumberType="Float" if dataset.dtype.kind == "f" else "Int",
        Precision=str(dataset.dtype.itemsize),
        Dimensions=_words(dataset.shape),
    )
    item.text = place
    return item


def _words(numbers: tuple[int, ...]) -> str:
    return " ".join(str(one) for one in numbers)
