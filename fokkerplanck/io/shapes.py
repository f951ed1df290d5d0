"""Which arrays a result file may hold, their dimensions, and whether a file keeps to them."""

from __future__ import annotations

import h5py
import numpy as np

from ..domain import BOUNDARIES, MAX_AXES
from .groups.discrete import SCAN
from .groups.discrete_group import SIDES
from .layout import OBSERVABLES, axis_names

# Dimensions by name: G stands for those of the grid, C for one more along each axis, d for the
# number of axes, * for any. Other letters are equal wherever they stand in one group.
_CRITICAL = {"position": "k d", "value": "k", "eigenvalues": "k d", "index": "k"}
# Up to schema 1 the times of loops were called time.
_LOOP = {"time": "k", "loop_time": "k", "points": "k d"}
SHAPES: dict[str, dict[str, str]] = {
    "/": {
        **{name: "*" for name in ("time", *OBSERVABLES)},
        **dict.fromkeys(("mean", "error_mean"), "* d"),
        **dict.fromkeys(("covariance", "error_covariance"), "* d d"),
        **{"density": "* G", "loss": "G", "sigma": "d d G", "drift": "d G", "bound": "p"},
    },
    "/stationary": {
        **dict.fromkeys(("density", "quasi_potential", "integrated_potential"), "G"),
        **dict.fromkeys(("current", "velocity"), "d G"),
        **{"stream_function": "C", "angular_momentum": "d d"},
    },
    "/stationary/critical": {"pairs": "m 2", "shifts": "m d"},
    "/stationary/critical/loss": _CRITICAL,
    "/stationary/critical/quasi_potential": _CRITICAL,
    "/spectrum": {
        **dict.fromkeys(("real", "imag", "relaxation_time", "residual", "error_real"), "m"),
        **dict.fromkeys(("modes", "modes_imag", "left", "left_imag"), "m G"),
    },
    "/control": {
        **{"edges": "*", "policy": "p", "values": "p k", "costs": "p", "history": "*"},
        **{"feedback_time": "f", "feedback": "f G"},
    },
    "/control/search": {"control": "*", "history": "*"},
    "/smoothing": {
        **{"gamma": "g", "local_entropy": "g G", "loss_minima": "m d", "flatness": "m"},
        **{"field": "f", "knob": "f", "places": "f m d", "depths": "f m", "counts": "f"},
    },
    "/discrete": {
        **{"iteration": "k", "density": "k G", "mass": "k", "minimum": "k"},
        **{"mean": "k d", "covariance": "k d d", "stationary": "G", "stationary_mean": "d"},
        **{"stationary_covariance": "d d", "multiplier_real": "m", "multiplier_imag": "m"},
        **{"learning_rate": "r", "scan_density": "r G"},
        **{f"scan_{name}": "r" for name in SCAN},
        **{f"relation_{name}": "q" for name in ("source", "name", *SIDES)},
    },
}
# Arrays without which others of their length mean nothing.
COORDINATES = {
    "/spectrum": {"m": "real"},
    "/control": {"p": "policy", "f": "feedback_time"},
    "/smoothing": {"g": "gamma", "f": "field"},
    "/discrete": {"k": "iteration", "r": "learning_rate"},
}
TEXTS = (
    *("bound", "component", "component2", "row", "column", "side", "policy", "field"),
    *("relation_source", "relation_name"),
)


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
        for letter, name in COORDINATES.get(place, {}).items():
            if letter in known and name not in group:
                raise ValueError(f"{place}/{name} is absent, and what belongs to it is not")
    loops = [name for name in file.get("stationary", {}) if name.startswith(("cycle", "limit"))]
    for name in loops:
        known = {}
        for part, dimensions in _LOOP.items():
            if part in file[f"stationary/{name}"]:
                _check(file[f"stationary/{name}"], part, dimensions, shape, known)


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
        whole = {"G": shape, "C": tuple(cells + 1 for cells in shape), "d": (len(shape),)}
        expected += whole.get(token, (int(token) if token.isdigit() else token,))
    fits = len(expected) == len(item.shape)
    for wanted, found in zip(expected, item.shape, strict=False):
        if wanted != "*":
            size = known.setdefault(wanted, found) if isinstance(wanted, str) else wanted
            fits = fits and size == found
    if not fits:
        raise ValueError(f"{place} has the shape {item.shape} and not ({dimensions})")
