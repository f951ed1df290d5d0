"""Which arrays a result file may hold, their dimensions, and whether a file keeps to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from ..domain import BOUNDARIES, MAX_AXES
from .dataset import COMPONENTS, Attribute, Layout, Variable, dims_of
from .layout import OBSERVABLES, axis_names

if TYPE_CHECKING:
    from xarray import DataTree

# Dimensions by name: G stands for those of the grid, d for the number of axes, * for any. Other
# letters are equal wherever they stand in one group.
SHAPES: dict[str, dict[str, str]] = {
    "/": {
        **{name: "*" for name in ("time", *OBSERVABLES)},
        **dict.fromkeys(("mean", "error_mean"), "* d"),
        **dict.fromkeys(("covariance", "error_covariance"), "* d d"),
        **{"density": "* G", "loss": "G", "sigma": "d d G", "drift": "d G", "bound": "p"},
    },
    "/control/search": {"control": "*", "history": "*"},
}
TEXTS = ("bound", "component", "component2", "row", "column")
# What attributes of a kind may be.
_KINDS: dict[type, Any] = {
    float: (int, float, np.integer, np.floating),
    int: (int, np.integer),
    bool: (bool, np.bool_, int, np.integer),
    str: str,
    np.ndarray: np.ndarray,
}


def check_shapes(file: h5py.File) -> None:
    """Compare the arrays that stand in no tree with the table; they may be absent.

    Raises
    ------
    ValueError
        Naming the first array of another kind or with other dimensions.
    """
    if not 1 <= len(_dataset(file, "loss").shape) <= MAX_AXES or not all(
        len(dimension) for dimension in file["loss"].dims
    ):
        raise ValueError("/loss does not say which axes it has")
    names = axis_names(file)
    shape = tuple(_dataset(file, name).shape[0] for name in names)
    for name, cells in zip(names, shape, strict=True):
        _check(file, name, "c", shape, {"c": cells})
        _check(file, f"{name}_bounds", "c 2", shape, {"c": cells})
        faces = file[f"{name}_bounds"][...]
        if not (np.isfinite(faces).all() and (np.diff(faces[:, 0]) > 0).all() and cells):
            raise ValueError(f"the cells along {name} are not in order")
    named = str(file.attrs.get("boundaries", ""))
    sides = [word for side in named.split(", ") for word in side.split("/")] if named else []
    if named and (len(named.split(", ")) != len(names) or not set(sides) <= set(BOUNDARIES)):
        raise ValueError(f"its sides are {named!r}")
    for place, table in SHAPES.items():
        group = file.get(place)
        if group is None:
            continue
        if not isinstance(group, h5py.Group):
            raise ValueError(f"{place} is not a group")
        known: dict[str, int] = {}
        for name, dimensions in table.items():
            if name in group:
                _check(group, name, dimensions, shape, known)


def _dataset(group: h5py.Group, name: str) -> h5py.Dataset:
    item = group[name]
    if not isinstance(item, h5py.Dataset) or item.shape is None:
        raise ValueError(f"{group.name.rstrip('/')}/{name} is not an array")
    return item


def _check(
    group: h5py.Group, name: str, dimensions: str, shape: tuple[int, ...], known: dict[str, int]
) -> None:
    """``known`` holds the sizes met so far by letter, and gains those of this array."""
    item = _dataset(group, name)
    place = f"{group.name.rstrip('/')}/{name}"
    if item.dtype.kind not in ("OS" if name in TEXTS else "iufb"):
        raise ValueError(f"{place} holds {item.dtype}")
    if item.dtype.kind == "f" and item.dtype.itemsize not in (4, 8):
        # What linear algebra does not take.
        raise ValueError(f"{place} holds {item.dtype}; float32 and float64 are possible")
    expected: list[int | str] = []
    for token in dimensions.split():
        whole = {"G": shape, "d": (len(shape),)}
        expected += whole.get(token, (int(token) if token.isdigit() else token,))
    fits = len(expected) == len(item.shape)
    for wanted, found in zip(expected, item.shape, strict=False):
        if wanted != "*":
            size = known.setdefault(wanted, found) if isinstance(wanted, str) else wanted
            fits = fits and size == found
    if not fits:
        raise ValueError(f"{place} has the shape {item.shape} and not ({dimensions})")


def check_tree(tree: DataTree, layout: Layout, cells: Mapping[str, int], place: str) -> None:
    """Compare a tree, of a file from anywhere, with its layout.

    Parameters
    ----------
    tree : DataTree
    layout : Layout
    cells : mapping of str to int
        Cells along each axis, by its name and in their order.
    place : str
        Of the group in its file.

    Raises
    ------
    ValueError
        Naming the first array or attribute that does not fit.
    """
    sizes = {**cells, **{f"{name}_corner": count + 1 for name, count in cells.items()}}
    sizes |= dict.fromkeys(COMPONENTS, len(cells))
    for name, size in tree.sizes.items():
        if sizes.get(str(name), size) != size:
            raise ValueError(f"{place}/{name} has {size} entries and not {sizes[str(name)]}")
    for name, one in layout.variables.items():
        if name in tree.children:
            raise ValueError(f"{place}/{name} is not an array")
        if name in tree.variables:
            _check_variable(tree[name], one, dims_of(one, tuple(cells)), f"{place}/{name}")
        if one.bounds_of in tree.sizes and name in tree.sizes:
            count = tree.sizes[one.bounds_of]
            if tree.sizes[name] != count + 1:
                raise ValueError(f"{place}/{name} has {tree.sizes[name]} ends of {count}")
    for name, attribute in layout.attributes.items():
        if (value := tree.attrs.get(name)) is not None:
            _check_attribute(value, attribute, tree.sizes, len(cells), f"{place}@{name}")
    if lacking := layout.lacking(tree):
        raise ValueError(f"{place}/{lacking} is absent, and what belongs to it is not")
    for name, child in tree.children.items():
        within = layout.child(name)
        if within is not None:
            check_tree(child, within, cells, f"{place}/{name}")
    for name, one in layout.variables.items():
        if one.indexes and name in tree.variables:
            _check_numbers(tree, name, one.indexes.split(), f"{place}/{name}")


def _check_attribute(
    value: Any, one: Attribute, sizes: Mapping[Any, int], ndim: int, place: str
) -> None:
    fits = isinstance(value, _KINDS[one.kind])
    if fits and one.kind is np.ndarray:
        fits = value.shape == (ndim,) and value.dtype.kind in "iuf"
    if not fits or not (one.least is None or value >= one.least):
        raise ValueError(f"{place} is {value!r}")
    if one.lines_for in sizes and len(value.splitlines()) != sizes[one.lines_for]:
        raise ValueError(f"{place} has no line for each of the {sizes[one.lines_for]} entries")


def _check_variable(array: Any, one: Variable, dims: tuple[str, ...], place: str) -> None:
    kind, size = array.dtype.kind, array.dtype.itemsize
    whole = one.indexes or one.counts
    if kind not in ("OUS" if one.text or one.words else "iu" if whole else "iufb"):
        raise ValueError(f"{place} holds {array.dtype}")
    if kind == "f" and size not in (4, 8):
        # What linear algebra does not take.
        raise ValueError(f"{place} holds {array.dtype}; float32 and float64 are possible")
    if array.dims != dims:
        runs = ", ".join(map(str, array.dims))
        raise ValueError(f"{place} runs over ({runs}) and not ({', '.join(dims)})")
    if one.words and tuple(array.values) != one.words:
        raise ValueError(f"{place} does not hold {', '.join(one.words)}")
    if min(array.shape, default=one.least) < one.least:
        raise ValueError(f"{place} has fewer than {one.least} entries")
    if one.counts and array.size and array.values.min() < 0:
        raise ValueError(f"{place} has counts below 0")


def _check_numbers(tree: DataTree, name: str, counted: list[str], place: str) -> None:
    """Whether an array numbers rows that are there."""
    values = tree.variables[name].values
    columns = [values] if len(counted) == 1 else np.moveaxis(values, -1, 0)
    for numbers, where in zip(columns, counted, strict=True):
        group, _, dim = where.rpartition("/")
        within = tree.children.get(group) if group else tree
        count = 0 if within is None else within.sizes.get(dim, 0)
        if numbers.size and not (numbers.min() >= 0 and numbers.max() < count):
            raise ValueError(f"{place} names rows beyond the {count} of {where}")
