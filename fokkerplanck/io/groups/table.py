"""The analyses that a result may hold: what each has found, and its group in a file.

Writing, reading, resuming and showing go through this table, in its order.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import h5py

from ..dataset import Layout
from ..layout import RESERVED_NAMES, axis_names
from ..shapes import check_tree
from ..trees import read_tree, write_tree
from .control import CONTROL, SEARCH
from .discrete import DISCRETE
from .ensemble import ENSEMBLE
from .passage import PASSAGE
from .smoothing import SMOOTHING
from .spectrum import SPECTRUM
from .stationary import STATIONARY
from .validation import VALIDATION

if TYPE_CHECKING:
    from xarray import DataTree


@dataclass(frozen=True)
class Group:
    """One analysis: a tree of datasets.

    Parameters
    ----------
    name : str
    layout : Layout
    apart : collection of str
        Groups within it that are not of the analysis; alone they do not make it be there.
    """

    name: str
    layout: Layout
    apart: Collection[str] = ()

    def fill(self, file: h5py.File, tree: DataTree) -> None:
        """Write its tree into an open file, in place of one that is there."""
        write_tree(file, self.name, tree, self.apart)

    def read(self, file: h5py.File) -> DataTree | None:
        """The tree of an open file; None where there is none.

        Raises
        ------
        ValueError
            If it is not as the layout says.
        """
        group = file.get(self.name)
        if group is None:
            return None
        if not isinstance(group, h5py.Group):
            raise ValueError(f"/{self.name} is not a group")
        if self.apart and not group.keys() - set(self.apart):
            return None
        tree = read_tree(group, self.layout, self.apart)
        cells = {axis: file[axis].size for axis in axis_names(file)}
        check_tree(tree, self.layout, cells, f"/{self.name}")
        return tree


_GROUPS = (
    Group("stationary", STATIONARY),
    Group("spectrum", SPECTRUM),
    Group("passage", PASSAGE),
    Group("ensemble", ENSEMBLE),
    Group("validation", VALIDATION),
    # Where the optimiser stands belongs to resuming.
    Group("control", CONTROL, apart=(SEARCH,)),
    Group("smoothing", SMOOTHING),
    Group("discrete", DISCRETE),
)
GROUPS: dict[str, Group] = {group.name: group for group in _GROUPS}


def reserved() -> frozenset[str]:
    """Names of the file that an axis cannot have."""
    layouts = (group.layout for group in _GROUPS)
    return RESERVED_NAMES.union(GROUPS, *(one.names() for one in layouts if one.has_axes))
