"""A result as an xarray DataTree: the same names, dimensions and attributes as in its file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xarray import DataTree

    from .result import Result


def tree_of(result: Result) -> DataTree:
    """The tree of a result, in memory.

    It is read from a file that the result is saved to for the purpose, so that there is one
    description of dimensions, units and names: that of the file.
    """
    import xarray

    with tempfile.TemporaryDirectory(prefix="fokkerplanck-") as folder:
        path = result.save(Path(folder) / "result.h5")
        with xarray.open_datatree(path, engine="h5netcdf") as tree:
            # Not `tree.load()`, which leaves coordinates that groups inherit in the file.
            nodes = {node.path: node.to_dataset(inherit=False).load() for node in tree.subtree}
    return xarray.DataTree.from_dict(nodes)
