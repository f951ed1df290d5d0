"""The solvers compared, one adapter each.

An adapter has ``REQUIRES`` (distribution name), ``NOTE`` (its settings, one sentence) and
``prepare(exact, cells)``, which does everything that is done once per problem and returns a
function; each call of that function solves from the start to ``exact.end`` and returns the density
with the points it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import ModuleType

import numpy as np

Solve = Callable[[], tuple[np.ndarray, tuple[np.ndarray, ...]]]

# Label -> module of this package.
ADAPTERS = {
    "high-order": "ours_high",
    "scharfetter-gummel": "ours_low",
    "Crank-Nicolson": "crank_nicolson",
    "fplanck": "fplanck",
    "fplanck, turned by hand": "fplanck_turned",
    "py-pde": "py_pde",
    "FiPy": "fipy",
    "FiPy, implicit Euler": "fipy_euler",
}


class NotExpressible(Exception):
    """The tool has no way to state the problem."""


def adapter(label: str) -> ModuleType:
    """Module of one tool; imports the tool only when it prepares."""
    return import_module(f".{ADAPTERS[label]}", __name__)
