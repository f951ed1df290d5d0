"""What the kernels are handed together: the walkers, and the numbers of their equation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class WalkerBlocks(NamedTuple):
    """Walkers by blocks of n.

    Attributes
    ----------
    states : (blocks, 4, LANES) uint64, modified
        Generators.
    x : (blocks, d, n), modified
        Places.
    absorbed : (blocks, 2d) int64, added to
        Walkers taken out by each side.
    """

    states: np.ndarray
    x: np.ndarray
    absorbed: np.ndarray


class Equation(NamedTuple):
    """Numbers of the equation that walkers follow, beside the formulas.

    Attributes
    ----------
    c : (k,)
        Numbers of the formulas.
    data : (columns, samples)
        Features and targets.
    noise : (1, 1) or (d, d)
        2/beta in [0, 0] where Sigma varies, else B, lower triangular.
    sides : (d, 4)
        Ends of the axes and what happens there.
    """

    c: np.ndarray
    data: np.ndarray
    noise: np.ndarray
    sides: np.ndarray
