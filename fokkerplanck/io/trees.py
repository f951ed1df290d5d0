"""Trees of datasets in HDF5 files, as netCDF-4 has them."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from .dataset import Layout
from .layout import COMPRESSION, add_scale, add_variable, set_attributes

if TYPE_CHECKING:
    from xarray import Dataset, DataTree

# Attributes by which HDF5 and netCDF-4 hold dimensions together.
_PLUMBING = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "_Netcdf4Dimid"}
# Whole numbers are compressed from here on: counts and basins shrink to a third.
_LEAST_COMPRESSED = 64


def write_tree(file: h5py.Group, name: str, tree: DataTree, apart: Collection[str] = ()) -> None:
    """Write a tree as a group, in place of one that is there.

    Parameters
    ----------
    file : h5py.Group
    name : str
    tree : DataTree
    apart : collection of str
        Groups within it that are none of the tree's, and stay.
    """
    group = file.require_group(name)
    for attribute in list(group.attrs):
        del group.attrs[attribute]
    for item in list(group):
        if item not in apart:
            del group[item]
    _write(group, tree)
    for child, node in tree.children.items():
        write_tree(group, child, node)


def read_tree(group: h5py.Group, layout: Layout, apart: Collection[str] = ()) -> DataTree:
    """The tree of a group, in memory, with the names of the present schema.

    Parameters
    ----------
    group : h5py.Group
    layout : Layout
        Knows the names of earlier schemas; what it has no name for is read too.
    apart : collection of str
        Groups within it that are left out.

    Raises
    ------
    ValueError
        If its arrays do not fit together.
    """
    from xarray import DataTree

    return DataTree.from_dict(_datasets(group, "/", layout, apart))


def _write(group: h5py.Group, tree: DataTree) -> None:
    dataset = tree.to_dataset(inherit=True)
    used = {dim for one in dataset.data_vars.values() for dim in one.dims}
    own = tree.to_dataset(inherit=False).dims
    scales = {}
    for name in map(str, dataset.dims):
        # Coordinates that groups inherit and do not use stay where they are.
        if name in used or name in own:
            values = dataset[name].values
            words = tuple(values.tolist()) if values.dtype.kind == "O" else values
            attrs = dict(dataset[name].attrs)
            scales[name] = add_scale(group, name, words, attrs.pop("long_name"))
            set_attributes(scales[name], attrs)
    for variable, one in dataset.data_vars.items():
        attrs = dict(one.attrs)
        options: dict[str, Any] = {"data": one.values}
        if one.dtype.kind == "O":
            options = {"data": one.values.tolist(), "dtype": h5py.string_dtype()}
        elif one.dtype.kind in "iu" and one.size >= _LEAST_COMPRESSED and one.ndim:
            options |= COMPRESSION
            row = one.shape[1:]
            if str(one.dims[0]).endswith("time") and math.prod(row) >= _LEAST_COMPRESSED:
                # Fields over time are read one by one.
                options["chunks"] = (1, *row)
        dims = [scales[str(dim)] for dim in one.dims]
        add_variable(group, str(variable), dims, attrs.pop("long_name"), **options)
    set_attributes(group, {str(name): value for name, value in dataset.attrs.items()})


def _datasets(
    group: h5py.Group, path: str, layout: Layout | None, apart: Collection[str] = ()
) -> dict[str, Dataset]:
    from xarray import Dataset

    found: dict[str, Dataset] = {}
    data: dict[str, Any] = {}
    layout = layout or Layout({})
    # What has its present name already may stand beside one that had it before.
    renamed = {old: new for old, new in layout.renamed.items() if new not in group}
    known = layout.variables
    for name, item in group.items():
        if name in apart:
            continue
        if isinstance(item, h5py.Group):
            found |= _datasets(item, f"{path}{name}/", layout.child(name))
        else:
            dims, values, attrs = _variable(name, item)
            dims = tuple(renamed.get(dim, dim) for dim in dims)
            # Where the layout has both names, so has the tree.
            both = (name,) if name in renamed and name in known else ()
            for label in (renamed.get(name, name), *both):
                # Schema 1 did not describe every array, and what comes from elsewhere need not.
                described = known[label].attributes if label in known else {"long_name": label}
                data[label] = (dims, values, {**described, **attrs})
    coordinates = [name for name, (dims, *_) in data.items() if dims == (name,)]
    attrs = _attributes(group)
    for name, one in layout.attributes.items():
        # netCDF has no truth values.
        if one.kind is bool and isinstance(attrs.get(name), int):
            attrs[name] = bool(attrs[name])
    dataset = Dataset(data, attrs=attrs).set_coords(coordinates)
    return {path: dataset, **found}


def _variable(name: str, item: h5py.Dataset) -> tuple[tuple[str, ...], np.ndarray, dict[str, Any]]:
    if item.shape is None:
        raise ValueError(f"{item.name} is not an array")
    dims: tuple[str, ...] = (name,)
    if not item.is_scale:
        # The name of a scale that was deleted is None.
        places = [(len(one) and one[0].name) or "" for one in item.dims]
        if "" in places:
            raise ValueError(f"{item.name} does not say which dimensions it has")
        dims = tuple(place.rsplit("/", 1)[-1] for place in places)
    text = h5py.check_string_dtype(item.dtype) is not None
    values = item.asstr()[...] if text else item[...]
    return dims, np.asarray(values, dtype=object if text else None), _attributes(item)


def _attributes(item: h5py.HLObject) -> dict[str, Any]:
    return {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in item.attrs.items()
        if name not in _PLUMBING
    }
