"""The analyses that a result may hold: what each has found, and its group in a file.

Writing, reading, resuming and showing go through this table, in its order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import h5py

from ..dataset import Layout
from ..layout import RESERVED_NAMES, axis_names
from ..trees import read_tree, write_tree
from .control import (
    fill_control,
    fill_smoothing,
    read_control,
    read_smoothing,
)
from .discrete_group import fill_discrete, read_discrete
from .ensemble import ENSEMBLE
from .passage import PASSAGE
from .spectrum import fill_spectrum, read_spectrum
from .stationary_group import fill_stationary, read_stationary
from .validation import VALIDATION


@dataclass(frozen=True)
class Group:
    """One analysis.

    Parameters
    ----------
    fill : callable
        Writes its record into an open file, in place of one that is there.
    read : callable
        The record of an open file; None where there is none, or a torn one.
    """

    fill: Callable[[h5py.File, Any], None]
    read: Callable[[h5py.File], Any]
    layout: Layout | None = None

    @classmethod
    def of(cls, name: str, layout: Layout) -> Group:
        """A group that is a tree of datasets."""

        def read(file: h5py.File) -> Any:
            group = file.get(name)
            if group is None:
                return None
            if not isinstance(group, h5py.Group):
                raise ValueError(f"/{name} is not a group")
            tree = read_tree(group, layout)
            cells = {axis: file[axis].size for axis in axis_names(file)}
            layout.check(tree, cells, f"/{name}")
            return tree

        return cls(lambda file, tree: write_tree(file, name, tree), read, layout)


GROUPS: dict[str, Group] = {
    "stationary": Group(fill_stationary, read_stationary),
    "spectrum": Group(fill_spectrum, read_spectrum),
    "passage": Group.of("passage", PASSAGE),
    "ensemble": Group.of("ensemble", ENSEMBLE),
    "validation": Group.of("validation", VALIDATION),
    "control": Group(fill_control, read_control),
    "smoothing": Group(fill_smoothing, read_smoothing),
    "discrete": Group(fill_discrete, read_discrete),
}


def reserved() -> frozenset[str]:
    """Names of the file that an axis cannot have."""
    layouts = (group.layout for group in GROUPS.values())
    return RESERVED_NAMES.union(*(one.names() for one in layouts if one and one.has_axes))
