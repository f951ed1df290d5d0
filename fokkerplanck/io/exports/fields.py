"""What of a result file can be drawn on its grid, found by the dimensions of the datasets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from ..layout import axis_names, complete_frames
from ..storage.checkpoint import GROUP as CHECKPOINT

# Further times than those of the frames: fields over them would stand beside the wrong frame.
_OTHER_TIMES = ("iteration", "feedback_time")
_VECTOR, _TENSOR = ("component",), ("row", "column")


@dataclass(frozen=True)
class GridField:
    """One field of a result file.

    Parameters
    ----------
    name : str
        Letters, digits and underscores; unique in the file.
    dataset : str
        Path in the file.
    rank : int
        0 for scalars, 1 for vectors, 2 for tensors; their indices are the first of the dataset.
    moving : bool
        Whether the first index of the dataset is that of the frame.
    entry : int or None
        A fixed first index, such as the number of a mode.
    corners : bool
        Whether its values sit at the corners of the cells; otherwise they are cell averages.
    """

    name: str
    dataset: str
    rank: int = 0
    moving: bool = False
    entry: int | None = None
    corners: bool = False

    def values(self, file: h5py.File, frame: int = 0) -> np.ndarray:
        """The field, shape (n_1, ..., n_d), with the components of vectors and tensors last."""
        dataset = file[self.dataset]
        if self.moving:
            return np.asarray(dataset[frame])
        values = np.asarray(dataset[...] if self.entry is None else dataset[self.entry])
        return np.moveaxis(values, range(self.rank), range(-self.rank, 0))


def padded(values: np.ndarray, rank: int) -> np.ndarray:
    """Vectors and tensors as viewers take them, shape (..., 3**rank); scalars as they are.

    Missing axes get zeros; the components of a tensor stand row by row.
    """
    if not rank:
        return values
    cells, ndim = values.shape[:-rank], values.shape[-1]
    full = np.zeros((*cells, *(3,) * rank), values.dtype)
    place: tuple[Any, ...] = (..., *(slice(ndim),) * rank)
    full[place] = values
    return full.reshape(*cells, 3**rank)


def grid_fields(file: h5py.File) -> list[GridField]:
    """Every field over the axes, those of the root first.

    Left out are checkpoints, and fields over times of their own: steps of SGD, feedbacks, and
    walkers seen at other times than the density.
    """
    paths: list[str] = []
    file.visititems(
        lambda path, item: paths.append(path) if isinstance(item, h5py.Dataset) else None
    )
    paths = [path for path in paths if not path.startswith(f"{CHECKPOINT}/")]
    return [
        field
        for path in sorted(paths, key=lambda path: ("/" in path, path))
        for field in _fields_of(file, path)
    ]


def kept_frames(file: h5py.File) -> list[int]:
    """Numbers of the whole frames whose density is in the file."""
    density, corner = file["density"], (0,) * len(axis_names(file))
    # A kept density is finite everywhere, so its first cell tells.
    return [k for k in range(complete_frames(file)) if np.isfinite(density[(k, *corner)])]


def _fields_of(file: h5py.File, path: str) -> Iterator[GridField]:
    item, names = file[path], axis_names(file)
    if item.is_scale or item.ndim < len(names):
        return
    dims = tuple(one[0].name.rsplit("/", 1)[1] if len(one) else "" for one in item.dims)
    lead, place = dims[: -len(names)], dims[-len(names) :]
    corners = place == tuple(f"{name}_corner" for name in names)
    if place != names and not corners:
        return
    name = _plain(path)
    if not lead:
        yield GridField(name, path, corners=corners)
    elif lead in (_VECTOR, _TENSOR):
        yield GridField(name, path, rank=len(lead))
    elif lead == ("time",) or (lead == ("walk_time",) and len(item) == len(file["time"])):
        yield GridField(name, path, moving=True)
    elif len(lead) == 1 and lead[0] not in (*_OTHER_TIMES, "walk_time"):
        scale = item.dims[0][0]
        words = scale.asstr()[...] if h5py.check_string_dtype(scale.dtype) else scale[...]
        for entry, word in enumerate(words):
            label = word if isinstance(word, str) else f"{lead[0]}_{word:g}"
            yield GridField(f"{name}_{_plain(label)}", path, entry=entry)


def _plain(text: str) -> str:
    return re.sub(r"\W+", "_", text)
