"""Settings of libraries come from the user's own places, not from the folder of a case.

While they are imported, numba reads ``.numba_config.yaml`` and matplotlib ``matplotlibrc`` in the
working folder, before all other places. That of numba may name a cache, and a cache is code.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# The module that reads it, and the file in the working folder.
FILES = {"numba.core.config": ".numba_config.yaml", "matplotlib": "matplotlibrc"}
# A folder that has none of these files.
ELSEWHERE = os.path.dirname(os.path.abspath(__file__))


class _Guard(MetaPathFinder):
    """Finds the modules that read settings, as all other finders do, and watches their import."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's own specification, with a guarded import."""
        if name not in FILES:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        found = (finder.find_spec(name, path, target) for finder in others)
        spec = next(filter(None, found), None)
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            loader.exec_module = partial(_import, loader.exec_module, FILES[name])
        return spec


def use_own_settings() -> None:
    """Leave settings in the working folder unread, in all of this process from now on.

    For processes of our own. In a script of a user the working folder is his own choice.
    """
    if not any(isinstance(finder, _Guard) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Guard())


def _import(execute: Any, file: str, module: Any) -> None:
    # Only where there is such a file: the folder belongs to all threads of a process.
    with contextlib.chdir(ELSEWHERE) if os.path.lexists(file) else contextlib.nullcontext():
        execute(module)
    if hasattr(module, "_config_fname"):
        # numba looks again whenever it compiles, for a file; this is none.
        module._config_fname = os.devnull
