"""Which arrays a result file may hold, their dimensions, and whether a file keeps to them."""

from __future__ import annotations

import h5py
import numpy as np

from ..domain import BOUNDARIES, MAX_AXES
from .layout import OBSERVABLES, axis_names

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
TEXTS = ("bound", "component", "component2", "row", "column", "side")


def check_shapes(file: h5py.File) -> None:
    """Compare the arrays of a file with the table; groups and arrays may be absent.

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
