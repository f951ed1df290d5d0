"""Tables of the code's own tables: schemes, steppers, methods of walkers, policies, losses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fokkerplanck.control import POLICIES
from fokkerplanck.io import OBSERVABLES
from fokkerplanck.particles import METHODS
from fokkerplanck.problem.expressions.functions import CONSTANTS, FUNCTIONS
from fokkerplanck.problem.landscape import FAMILIES
from fokkerplanck.problem.losses import KINDS
from fokkerplanck.timestepping.schemes import SCHEME_TABLE
from fokkerplanck.timestepping.steppers import STEPPERS

from . import markdown as md

HERE = Path(__file__).resolve().parents[1]
POSITIVE = {
    "always": "always",
    "bounded": "for steps below 1/q, which are kept",
    "rounding": "to rounding, which is cut off",
}


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def schemes() -> str:
    """Schemes in space, with their declared orders and guarantees."""
    rows = [
        [
            md.code(row.name),
            str(row.order),
            str(row.side_order),
            _yes(row.positive),
            _yes(row.gibbs_exact),
            _yes(row.entropy_decaying),
            md.escape(row.summary),
        ]
        for row in SCHEME_TABLE.values()
    ]
    orders, kept = ["order inside", "order at sides"], ["keeps Gibbs", "relative entropy falls"]
    return md.table(["scheme", *orders, "positive", *kept, "what it is"], rows)


def steppers() -> str:
    """Steppers in time."""
    rows = [
        [
            md.code(row.name),
            f"exact ({row.order})" if row.exact else str(row.order),
            POSITIVE[row.positive],
            _yes(row.gibbs_exact),
            "yes" if row.entropy_decaying else "not guaranteed",
            "needed" if row.needs_detailed_balance else "",
            md.escape(row.summary),
        ]
        for row in STEPPERS.values()
    ]
    head = ["stepper", "order in time", "positive", "keeps Gibbs", "relative entropy falls"]
    return md.table([*head, "detailed balance", "what it is"], rows)


def methods() -> str:
    """Methods that move walkers."""
    rows = [
        [
            md.code(row.name),
            str(row.order),
            str(row.stationary_order),
            "the learning rate" if row.sgd else "`ensemble.step`",
            md.escape(row.summary),
        ]
        for row in METHODS.values()
    ]
    return md.table(["method", "weak order", "order at rest", "step", "what it is"], rows)


def policies() -> str:
    """Schedules that need no optimisation."""
    rows = [[md.code(row.name), md.escape(row.summary)] for row in POLICIES.values()]
    return md.table(["policy", "control"], rows)


def landscapes() -> str:
    """Named losses with their keys."""
    rows = [
        [
            md.code(name),
            ", ".join(map(str, family.axes)),
            ", ".join(
                md.code(key if value is None else f"{key} = {value:g}")
                for key, value in family.defaults.items()
            ),
            md.escape(family.text),
        ]
        for name, family in FAMILIES.items()
    ]
    return md.table(["name", "axes", "keys and defaults", "Phi"], rows)


def models() -> str:
    """Losses of data."""
    rows = [[md.code(name), md.escape(kind.text)] for name, kind in KINDS.items()]
    return md.table(["model", "loss of one sample"], rows)


def observables() -> str:
    """What is measured at every frame."""
    rows = [[md.code(name), md.escape(text)] for name, text in OBSERVABLES.items()]
    return md.table(["name", "what it is"], rows)


def functions() -> str:
    """Names that formulas know."""
    named = ", ".join(map(md.code, (*FUNCTIONS, "where")))
    constants = ", ".join(map(md.code, CONSTANTS))
    return f"Functions: {named}. Constants: {constants}.\n"


def look_up() -> str:
    """The last part of the table of contents."""
    pages = [
        "/pages/case_file",
        "/pages/command_line",
        # Not in every checkout.
        *(f"/{name}" for name in ("result_file",) if (HERE / f"{name}.md").exists()),
        "/pages/result_groups",
        "/pages/api/index",
        "/changelog",
        "/contributing",
    ]
    listed = "\n".join(pages)
    return f"```{{toctree}}\n:hidden:\n:caption: Look up\n\n{listed}\n```\n"


TABLES: dict[str, Callable[[], str]] = {
    "schemes": schemes,
    "steppers": steppers,
    "methods": methods,
    "policies": policies,
    "landscapes": landscapes,
    "models": models,
    "observables": observables,
    "functions": functions,
    "look_up": look_up,
}


def write_all(folder: Path) -> None:
    """Write each table to a file of its own, for pages to include."""
    for name, make in TABLES.items():
        md.write(folder / f"{name}.md", make())
