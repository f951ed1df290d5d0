"""The analyses that a result may hold: what each has found, and its group in a file.

Writing, reading, resuming and showing go through this table, in its order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import h5py

from ..dataset import Layout
from ..layout import RESERVED_NAMES, axis_names
from ..trees import read_tree, write_tree
from .control import CONTROL, SEARCH
from .discrete import DISCRETE
from .ensemble import ENSEMBLE
from .passage import PASSAGE
from .smoothing import SMOOTHING
from .spectrum import SPECTRUM
from .stationary import STATIONARY
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
    def of(cls, name: str, layout: Layout, apart: Collection[str] = ()) -> Group:
        """A group that is a tree of datasets.

        Parameters
        ----------
        name : str
        layout : Layout
        apart : collection of str
            Groups within it that are not of the analysis; alone they do not make it be there.
        """

        def read(file: h5py.File) -> Any:
            group = file.get(name)
            if group is None:
                return None
            if not isinstance(group, h5py.Group):
                raise ValueError(f"/{name} is not a group")
            if apart and not group.keys() - set(apart):
                return None
            tree = read_tree(group, layout, apart)
            cells = {axis: file[axis].size for axis in axis_names(file)}
            layout.check(tree, cells, f"/{name}")
            return tree

        def fill(file: h5py.File, tree: Any) -> None:
            write_tree(file, name, tree, apart)

        return cls(fill, read, layout)


GROUPS: dict[str, Group] = {
    "stationary": Group.of("stationary", STATIONARY),
    "spectrum": Group.of("spectrum", SPECTRUM),
    "passage": Group.of("passage", PASSAGE),
    "ensemble": Group.of("ensemble", ENSEMBLE),
    "validation": Group.of("validation", VALIDATION),
    # Where the optimiser stands belongs to resuming.
    "control": Group.of("control", CONTROL, apart=(SEARCH,)),
    "smoothing": Group.of("smoothing", SMOOTHING),
    "discrete": Group.of("discrete", DISCRETE),
}


def reserved() -> frozenset[str]:
    """Names of the file that an axis cannot have."""
    layouts = (group.layout for group in GROUPS.values())
    return RESERVED_NAMES.union(*(one.names() for one in layouts if one and one.has_axes))
