"""What to cite for a result, and the command that makes it again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from .. import __version__
from ..case import toml_value
from ..io.result import Result

PACKAGE = (
    "The fokkerplanck authors. fokkerplanck: Fokker-Planck densities of stochastic gradient "
    f"descent. Version {__version__}."
)
REVIEW = (
    "G.-H. Liu and E. A. Theodorou. Deep Learning Theory Review: An Optimal Control and Dynamical "
    "Systems Perspective. arXiv:1908.10920 (2019). Equation numbers in parentheses are its."
)
# By the method that rests on it.
METHODS = {
    "flux limiter": "S. T. Zalesak. J. Comput. Phys. 31 (1979) 335.",
    "rates": "D. L. Scharfetter and H. K. Gummel. IEEE Trans. Electron Devices 16 (1969) 64.",
    "stencils": "J. Fehrenbach and J.-M. Mirebeau. J. Math. Imaging Vis. 49 (2014) 123.",
    "stationary density": "W. K. Grassmann, M. I. Taksar and D. P. Heyman. Oper. Res. 33 (1985) "
    "1107.",
    "stable variables": "J. M. Chambers, C. L. Mallows and B. W. Stuck. J. Am. Stat. Assoc. 71 "
    "(1976) 340.",
}


def references(result: Result, settings: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What for, and the reference: the package, the review, and the methods that were used."""
    found = [("this package", PACKAGE), ("the equations", REVIEW)]
    noise = settings.get("noise")
    jumps = isinstance(noise, dict) and noise.get("alpha", 2) != 2
    if jumps:
        used = ["stable variables"] if result.ensemble is not None else []
    else:
        used = ["rates"] + (["stencils"] if result.ndim > 1 else [])
        if any(note.startswith("scheme high-order") for note in result.notes):
            used.append("flux limiter")
        if result.stationary is not None and not result.stationary.detailed_balance:
            used.append("stationary density")
    return (*found, *((name, METHODS[name]) for name in used))


def command(result: Result) -> str:
    """The command line that solves the case again, its text saved under its name."""
    name = str(result.attrs.get("name", "case"))
    words = ["fokkerplanck", "run", f"{name}.toml"]
    for key, value in json.loads(str(result.attrs.get("overrides", "{}"))).items():
        words += ["--set", f"{key}={toml_value(value)}"]
    return shlex.join(words)


def command_of_file(result: Result) -> str:
    """The command line that solves the case again from the result file."""
    return shlex.join(["fokkerplanck", "run", f"{result.attrs.get('name', 'result')}.h5"])
