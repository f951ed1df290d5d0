"""The compiled module of a problem: kernels and formulas in one file, cached between processes.

numba's cache knows of a change only in the file that holds the cached function. So the text of all
kernels and that of the formulas go into one file, whose name is the hash of its content; what is
imported is this text, never what someone else may have put there. Kernels alone are cached: what
they call is compiled into them.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from types import ModuleType

from ..compiling import cache_folder

# In the order in which they refer to each other; the fields come before those that use them.
BEFORE, AFTER = ("elementary", "random", "factor"), ("sides", "langevin", "sgd", "stable", "frame")
HEADER = '''"""Kernels of one problem, written by fokkerplanck; may be deleted at any time."""

import math
from math import (
    acos as arccos, acosh as arccosh, asin as arcsin, asinh as arcsinh, atan as arctan,
    atan2 as arctan2, atanh as arctanh, cos, cosh, e, erf, log, pi, sin, sinh, sqrt, tan,
)
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy import floor, maximum, minimum, sign

inline = numba.njit(error_model="numpy")
kernel = numba.njit(error_model="numpy", nogil=True, cache={cache})
'''
# Imports from this package, one line or in brackets, and those that the header repeats.
_IMPORTS = re.compile(r"^(?:from [.\w]+ import (?:\([^)]*\)|[^\n]*)|import \w+[^\n]*)\n", re.M)


def kernels_of(fields: str) -> ModuleType:
    """Module with all kernels, for fields given as text.

    Parameters
    ----------
    fields : str
        As :func:`~fokkerplanck.particles.source.fields_source` gives it; what it lacks is taken
        from the free walkers'.
    """
    return _module(lambda cache: _text(fields, cache))


def common() -> ModuleType:
    """Module with the kernels that know of no problem: seeds, and the factor of one matrix."""
    return _module(_common_text)


def _module(write: Callable[[bool], str]) -> ModuleType:
    text = write(True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    name = f"fokkerplanck_kernels_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    file = _written(name, text)
    if file is None:
        text = write(False)
    module = ModuleType(name)
    module.__file__ = str(file or f"<{name}>")
    sys.modules[name] = module
    exec(compile(text, module.__file__, "exec"), module.__dict__)
    return module


def _common_text(cache: bool) -> str:
    return "\n\n".join([HEADER.format(cache=cache), *(_body(name) for name in BEFORE)])


def _text(fields: str, cache: bool) -> str:
    parts = [HEADER.format(cache=cache)]
    parts += [_body(name) for name in BEFORE]
    # The stand-ins first: what the problem defines replaces them.
    parts += [_body("fields"), fields]
    parts += [_body(name) for name in AFTER]
    return "\n\n".join(parts)


def _body(name: str) -> str:
    text = resources.files(__package__).joinpath(f"{name}.py").read_text(encoding="utf-8")
    return _IMPORTS.sub("", text)


def _written(name: str, text: str) -> Path | None:
    """The file with this text; left as it is if it is there, as its age is part of the cache's key.

    None where nothing can be written: the kernels are then compiled in each process.
    """
    folder = cache_folder()
    file = folder / f"{name}.py"
    try:
        if file.is_file() and file.read_text(encoding="utf-8") == text:
            return file
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(suffix=".tmp", dir=folder)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        _put(Path(temporary), file, text)
    except OSError:
        return None
    return file


def _put(temporary: Path, file: Path, text: str) -> None:
    """Give a file its name, unless another process was first: the age of that one stays."""
    try:
        os.link(temporary, file)
    except FileExistsError:
        if file.read_text(encoding="utf-8") != text:
            os.replace(temporary, file)
    except OSError:  # a file system without links
        os.replace(temporary, file)
    temporary.unlink(missing_ok=True)
