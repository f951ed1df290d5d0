"""What of a result a page has room for: cells are joined and frames thinned beyond that."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..figures.frames import chosen_frames
from ..io.result import Result

# Bytes of the page per byte of an array, which stands there in base64.
BASE64 = 4 / 3
# A slider with more steps cannot be set to one of them.
FRAMES = 200
# Bytes of all frames of a page, which stays below 15 MB with plotly's script and the fields at
# rest; three parameters have two drawings to share them.
FRAME_BYTES = 6_000_000
# Points along a curve over time.
TIMES = 4000


@dataclass(frozen=True)
class Blocks:
    """Cells joined to blocks, equally many in each along an axis but for the last one.

    Parameters
    ----------
    edges : tuple of ndarray, shape (m_i + 1,)
        Faces of the blocks.
    starts : tuple of ndarray of int, shape (m_i,)
        First cell of each block.
    shape : tuple of int
        Cells per axis before they are joined.
    """

    edges: tuple[np.ndarray, ...]
    starts: tuple[np.ndarray, ...]
    shape: tuple[int, ...]

    @property
    def centers(self) -> tuple[np.ndarray, ...]:
        """Middle of the blocks per axis."""
        return tuple(0.5 * (edges[1:] + edges[:-1]) for edges in self.edges)

    @property
    def volume(self) -> np.ndarray:
        """Volumes of the blocks, in their shape."""
        return np.asarray(math.prod(np.ix_(*map(np.diff, self.edges))))

    @property
    def counts(self) -> tuple[int, ...]:
        """Blocks per axis."""
        return tuple(map(len, self.starts))

    @property
    def note(self) -> str:
        """What was joined, in a sentence; empty where nothing was."""
        if self.counts == self.shape:
            return ""
        was, now = (" × ".join(map(str, counts)) for counts in (self.shape, self.counts))
        return f"{was} cells are shown as {now}: means of neighbours, which keep the probability."

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Mean over the cells of each block; of a density this keeps the mass.

        Parameters
        ----------
        values : ndarray of the shape of the cells
        """
        found = np.asarray(values, np.float64)
        for axis, (starts, count) in enumerate(zip(self.starts, self.shape, strict=True)):
            if len(starts) < count:
                cells = np.diff(np.append(starts, count))
                across = [1] * found.ndim
                across[axis] = -1
                found = np.add.reduceat(found, starts, axis=axis) / cells.reshape(across)
        return found


def blocks(bounds: tuple[np.ndarray, ...], most: int) -> Blocks:
    """Blocks of as few cells as leave at most ``most`` of them along each axis.

    Parameters
    ----------
    bounds : tuple of ndarray, shape (n_i, 2)
        Faces of the cells.
    most : int
    """
    faces = [np.append(both[:, 0], both[-1, 1]) for both in bounds]
    shape = tuple(len(both) for both in bounds)
    starts = tuple(np.arange(0, count, -(-count // most)) for count in shape)
    edges = tuple(
        np.append(face[first], face[-1]) for face, first in zip(faces, starts, strict=True)
    )
    return Blocks(edges, starts, shape)


def page_frames(result: Result, values: int) -> np.ndarray:
    """Numbers of the frames that a drawing has room for, the first and the last among them.

    Empty where no density over time is kept.

    Parameters
    ----------
    result : Result
    values : int
        Numbers in single precision per frame.
    """
    bytes_each = 4 * BASE64 * values * (2 if result.ndim == 3 else 1)
    room = int(FRAME_BYTES / bytes_each)
    return chosen_frames(result, max(2, min(FRAMES, room)))


def time_texts(result: Result, frames: np.ndarray) -> list[str]:
    """Times of frames, as the slider shows them."""
    return [f"t = {result.time[k]:.4g}" for k in frames]


def frames_note(result: Result, frames: np.ndarray) -> str:
    """How many frames the slider has and which times they span, in a sentence."""
    if not len(frames):
        return "No density over time is in this result."
    kept = len(result.kept_frames)
    first, last = (f"{result.time[k]:.4g}" for k in (frames[0], frames[-1]))
    if len(frames) < kept:
        return (
            f"The slider has {len(frames)} of {kept} densities from t = {first} to {last}, about "
            "equally far from each other."
        )
    if kept == 1:
        return f"One density is kept, that of t = {first}."
    return f"The slider has all {kept} densities that were kept, from t = {first} to {last}."


def single(values: np.ndarray) -> np.ndarray:
    """In single precision; what is too small for it becomes zero."""
    return np.asarray(values, np.float32)


def even(count: int, most: int) -> np.ndarray:
    """Up to ``most`` of the numbers below ``count``, evenly spread, both ends among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
