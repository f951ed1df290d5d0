"""The stationary state that a run compares its density with, where there is one to be had."""

from __future__ import annotations

import warnings

import numpy as np

from ..case import Case
from ..errors import CaseError, CaseWarning, NumericalFailure
from ..stationary.stationary import StationaryState, stationary
from ..timestepping.schemes import Scheme
from ..timestepping.system import System

# Beyond these sizes a case that does not ask for the stationary state does without it when
# detailed balance fails: the linear solve would cost more than the run.
STATIONARY_CELLS = {1: 1_000_000, 2: 600_000, 3: 300_000}

UNRESTED = "no stationary density, hence no free energy"


def rest_state(
    case: Case,
    system: System,
    scheme: Scheme | None = None,
    absent: list[str] | None = None,
) -> StationaryState | None:
    """Stationary state where there is one and the case needs it or it is cheap.

    It is that of the scheme, or where no scheme is given of the generator; where that of the
    scheme high-order is not found, that of the generator takes its place, with a caution. With a
    list ``absent`` what is needed by analyses only may fail, and the list gets the reason.
    """
    needed = (
        case.stationary is not None or case.initial.kind == "stationary" or _rest_for_passage(case)
    )
    exists = case.grid.domain.closed and system.autonomous
    if not exists and not needed:
        return None
    balanced = system.potential.values is not None
    if not (needed or balanced or case.grid.size <= STATIONARY_CELLS[case.grid.ndim]):
        return None
    name = "scharfetter-gummel" if scheme is None else scheme.name
    if name != "scharfetter-gummel" and not balanced:
        try:
            return _finite(stationary(system.at(0.0), case.problem, name))
        except NumericalFailure as failure:
            warnings.warn(
                f"the stationary density is of order 2 in the cell width: {failure}",
                CaseWarning,
                stacklevel=2,
            )
    try:
        return _finite(stationary(system.at(0.0), case.problem))
    except (CaseError, NumericalFailure) as failure:
        begins = not exists or case.initial.kind == "stationary"
        if needed and (absent is None or begins):
            raise
        why = failure.detail if isinstance(failure, CaseError) else str(failure)
        warnings.warn(f"{UNRESTED}: {why}", CaseWarning, stacklevel=2)
        if absent is not None:
            absent.append(why)
        return None


def _finite(rest: StationaryState) -> StationaryState:
    """The state itself, or NumericalFailure."""
    if not np.isfinite(rest.density).all():
        raise NumericalFailure(
            "the stationary density is not finite", "take a smaller domain or a smaller beta"
        )
    return rest


def _rest_for_passage(case: Case) -> bool:
    """Whether [passage] needs the stationary state: for escape, and for rates of a closed box."""
    asked = case.passage
    between = asked is not None and asked.source is not None and case.grid.domain.closed
    return asked is not None and (asked.escape or between)
