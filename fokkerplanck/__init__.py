"""Fokker-Planck densities of stochastic gradient descent: positive, conservative, Gibbs-exact.

The names below are loaded on first use (PEP 562), so that ``import fokkerplanck`` is quick and
draws in none of the compiled or plotting libraries.
"""

import os
import sys

# Python has put the working folder first where it looks for modules, and a case may lie beside
# files that have the names of modules. A checkout keeps it: its workers find the package there.
if (
    sys.argv[:1] == ["-m"]
    and "fokkerplanck" in sys.orig_argv
    and not sys.flags.safe_path
    and os.path.realpath(sys.path[0]) != os.path.dirname(os.path.realpath(__path__[0]))
):
    del sys.path[0]

from importlib import import_module
from types import ModuleType
from typing import Any

__version__ = "0.1.0"

_EXPORTS = {
    "Axis": "domain",
    "Domain": "domain",
    "Grid": "grid",
    "CaseError": "errors",
    "CaseWarning": "errors",
    "NumericalFailure": "errors",
    "StoreError": "errors",
    "Problem": "problem",
    "DataModel": "problem",
    "data_model": "case",
    "Case": "case",
    "load_case": "case.files.open",
    "make_case": "case",
    "gaussian_density": "timestepping.initial",
    "generator": "operators.generator",
    "evolve": "analyses.library",
    "stationary": "stationary.stationary",
    "spectrum": "spectrum.spectrum",
    "passage": "analyses.library",
    "escape": "analyses.library",
    "ensemble": "particles",
    "analyse": "analyses.library",
    "Result": "io.result",
    "open_result": "io.result",
    "export": "io",
    "run": "pipeline.run",
    "solve": "report.solve",
    "summary": "report.closing_table",
    "draw": "figures",
    "write_report": "report.page",
    "write_zoomable": "report.zoomable",
    "zoomable": "interactive",
    "differences": "report.compare",
    "sweep": "sweep",
}

__all__ = ["__version__", *_EXPORTS]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'fokkerplanck' has no attribute {name!r}")
    value = getattr(import_module(f".{_EXPORTS[name]}", __name__), name)
    globals()[name] = value
    return value


class _Package(ModuleType):
    """Importing the submodule `run`, from wherever, must not put it in the function's place."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _EXPORTS and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __dir__() -> list[str]:
    return sorted(__all__)
