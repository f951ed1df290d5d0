"""The compiled modules: one of a problem, and one of what no problem changes, cached on disk.

numba's cache knows of a change only in the file that holds the cached function. So the text of the
kernels and that of the formulas go into one file, whose name is the hash of its content; what is
imported is this text, never what someone else may have put there. What knows of no problem goes
into a file of its own, compiled once for all problems; a problem's file names it, and so its hash
changes with that one's.

With compilation switched off no file is written: the same text runs as that of the files it comes
from, line by line, where a debugger shows it.
"""

from __future__ import annotations

import hashlib
import linecache
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from types import ModuleType

from ...runtime.compiling import cache_folder
from .jit import COMPILED

# In the order in which they refer to each other; the fields come before those that use them.
COMMON = ("arguments", "codegen/elementary", "rng", "factor", "sides", "near_sides", "sums")
OWN = ("steps_near_sides", "langevin", "sgd", "stable", "frame")
HEADER = '''"""Kernels of walkers, written by fokkerplanck; may be deleted at any time."""

import functools
import math
from collections.abc import Callable
from math import e, pi
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy import floor, maximum, minimum, sign
'''
# What formulas call, by the names that numpy gives it; and the decorators in place of those in jit.
DEFINITIONS = """\
arccos, arccosh = library(math.acos, np.arccos), library(math.acosh, np.arccosh)
arcsin, arcsinh = library(math.asin, np.arcsin), library(math.asinh, np.arcsinh)
arctan, arctanh = library(math.atan, np.arctan), library(math.atanh, np.arctanh)
sin, sinh = library(math.sin, np.sin), library(math.sinh, np.sinh)
cos, cosh = library(math.cos, np.cos), library(math.cosh, np.cosh)
log, sqrt = library(math.log, np.log), library(math.sqrt, np.sqrt)
tan, arctan2 = library(math.tan, np.tan), library(math.atan2, np.arctan2)
erf = library(math.erf, math.erf)
inline, merged, kernel = decorators(called={cache}, kept={cache})
"""
# Beginning of a problem's module: all of the common one, and callees that belong to it alone.
BEGINNING = """from {common} import *

inline, merged, kernel = decorators(called=False, kept={cache})
"""
# Imports from this package, one line or in brackets, and those that the header repeats.
_IMPORTS = re.compile(r"^(?:from [.\w]+ import (?:\([^)]*\)|[^\n]*)|import \w+[^\n]*)\n", re.M)

# Text, and the file of this package that it stands in.
Part = tuple[str, str | None]
# Held by the thread that makes a module.
_writing = threading.Lock()


def kernels_of(fields: str) -> ModuleType:
    """Module with all kernels, for fields given as text.

    What only kernels call can be called by nothing else.

    Parameters
    ----------
    fields : str
        As :func:`~fokkerplanck.particles.codegen.source.fields_source` gives it; what it lacks is
        taken from the free walkers'.
    """
    name = common().__name__
    return _module(lambda cache: _parts(name, fields, cache))


def common() -> ModuleType:
    """Module with what knows of no problem."""
    return _module(_common_parts)


def _module(parts: Callable[[bool], list[Part]]) -> ModuleType:
    text = _joined(parts(True))
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    name = f"fokkerplanck_kernels_{digest}"
    # Another thread must not meet the module half made.
    with _writing:
        if name not in sys.modules:
            _make(name, text, parts)
    return sys.modules[name]


def _make(name: str, text: str, parts: Callable[[bool], list[Part]]) -> None:
    module = ModuleType(name)
    # Decorators look for it while it is made.
    sys.modules[name] = module
    if COMPILED:
        file = _written(name, text)
        if file is None:
            text = _joined(parts(False))
        module.__file__ = str(file or f"<{name}>")
        exec(compile(text, module.__file__, "exec"), module.__dict__)
    else:
        for number, (part, file_of_part) in enumerate(parts(False)):
            shown = file_of_part or f"<{name}, part {number}>"
            if file_of_part is None:
                linecache.cache[shown] = len(part), None, part.splitlines(True), shown
            exec(compile(part, shown, "exec"), module.__dict__)


def _joined(parts: list[Part]) -> str:
    return "\n\n".join(text for text, _ in parts)


def _common_parts(cache: bool) -> list[Part]:
    definitions = DEFINITIONS.format(cache=cache)
    return [
        (HEADER, None),
        _body("codegen/jit"),
        (definitions, None),
        *(_body(name) for name in COMMON),
    ]


def _parts(name: str, fields: str, cache: bool) -> list[Part]:
    # The stand-ins first: what the problem defines replaces them.
    return [
        (BEGINNING.format(common=name, cache=cache), None),
        _body("codegen/fields"),
        (fields, None),
        *(_body(name) for name in OWN),
    ]


def _body(name: str) -> Part:
    """A file of :mod:`fokkerplanck.particles` without its imports, whose lines are left empty."""
    file = resources.files("fokkerplanck.particles").joinpath(f"{name}.py")
    text = file.read_text(encoding="utf-8")
    return _IMPORTS.sub(lambda found: "\n" * found.group().count("\n"), text), str(file)


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
