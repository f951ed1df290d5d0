"""Cells that the dropped edges of reflecting sides leave without a way out.

Where noise is strongly oblique to the box the lattice offsets are long, and from a cell in a
corner all of them may lead across a side. Such cells would keep their probability for ever.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

# Offsets that reach over fewer cells leave no cell alone.
LONG = 3


def stranded(size: int, sources: list[np.ndarray], targets: list[np.ndarray]) -> np.ndarray:
    """Which cells no edge connects, in either direction, to most of the others.

    Parameters
    ----------
    size : int
        Number of cells N.
    sources, targets : lists of integer arrays
        Flat cells at both ends of the edges with a positive rate.

    Returns
    -------
    (N,) bool
    """
    source, target = np.concatenate(sources), np.concatenate(targets)
    pattern = sparse.coo_matrix(
        (np.ones(source.size, dtype=np.int8), (source, target)), shape=(size, size)
    )
    count, label = connected_components(pattern, directed=False)
    if count == 1:
        return np.zeros(size, dtype=bool)
    return label != np.argmax(np.bincount(label))
