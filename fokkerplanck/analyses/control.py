"""The control of a case: which schedule it follows, what others would cost; in words too."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..case import Case
from ..control import (
    POLICIES,
    Objective,
    OpenLoop,
    optimal_feedback,
    optimal_schedule,
    policy_values,
)
from ..control.controlled import LEVERS, ControlledFamily
from ..control.objective import Running
from ..errors import CaseError
from ..io import CONTROL, Arrays, Search
from ..problem.expressions.field import FormulaField
from ..problem.expressions.formula import parse
from ..problem.expressions.names import Names
from .text import PageTable, Rows, Solved, number

if TYPE_CHECKING:
    from xarray import DataTree

# Least controls of a feedback that are compared; see `optimal_feedback`.
FEEDBACK_AXES = 2


def objective_of(case: Case, initial: np.ndarray) -> Objective:
    """The objective of a case: its generators by control, horizon and costs.

    Raises
    ------
    CaseError
        For a problem that cannot be steered, a cost that cannot be read, or a horizon shorter than
        a step of SGD.
    """
    asked, density = case.control, case.density
    assert asked is not None
    assert density is not None
    rate = case.problem.learning_rate
    if rate is not None and density.end < rate:
        raise CaseError(
            f"the horizon {density.end:g} is shorter than a step, the learning rate {rate:g}",
            "density.end",
        )
    family = ControlledFamily(case.problem, case.grid, LEVERS[asked.of])
    if asked.terminal is None:
        if not case.problem.has_loss:
            raise CaseError(
                "is missing; without a loss the cost at the end is needed", "control.terminal"
            )
        terminal = case.problem.loss_at(case.grid.points)
    else:
        terminal = _field(case, asked.terminal, "control.terminal", ())(case.grid.points)
    _require_finite(terminal, "control.terminal")
    return Objective(
        family,
        initial,
        density.end,
        asked.intervals,
        np.ascontiguousarray(terminal),
        _running(case),
    )


def steer(
    case: Case,
    objective: Objective,
    *,
    resumed: Search | None = None,
    moved: Callable[[str, int, float], object] = lambda stage, count, cost: None,
    ended: Callable[[Search], object] = lambda search: None,
) -> DataTree:
    """Find the schedule a case asks for, and the costs it is to be compared with.

    Parameters
    ----------
    case : Case
    objective : Objective
    resumed : Search, optional
        Where an interrupted optimiser stood.
    moved : callable
        Called with the stage, the steps done in it and the least cost.
    ended : callable
        Called after each round of the optimiser, with what a resumption needs.

    Returns
    -------
    DataTree
        The group ``/control``.
    """
    asked = case.control
    assert asked is not None
    values: dict[str, np.ndarray] = {}
    own = _own_name(case)
    if own != "optimal":
        values[own] = _own_values(case, objective)
    for name in _compared(case):
        if name in values:
            continue
        try:
            values[name] = policy_values(name, objective, asked.lowest)
        except CaseError:
            if asked.compare is not None:
                raise
        moved("policies", len(values), np.nan)
    costs = {name: objective.cost(u) for name, u in values.items()}
    history, reference = None, values.get(own)
    if own == "optimal":
        best = min(costs, key=lambda name: costs[name])
        start = OpenLoop(values[best], costs[best])
        if resumed is not None:
            start = OpenLoop(
                resumed.values, resumed.cost, resumed.history, resumed.rounds, resumed.converged
            )
        found = optimal_schedule(
            objective,
            start,
            lowest=asked.lowest,
            iterations=asked.iterations,
            moved=lambda count, cost: moved("optimum", count, cost),
            ended=lambda s: ended(Search(s.values, s.cost, s.history, s.rounds, s.converged)),
        )
        values = {own: found.values, **values}
        costs = {own: found.cost, **costs}
        history = found.history if found.history.size else None
        reference = found.values
    edges = objective.schedule(values[own]).edges
    arrays: dict[str, Any] = {
        "edges": edges,
        "interval": 0.5 * (edges[1:] + edges[:-1]),
        "policy": tuple(values),
        "values": list(values.values()),
        "costs": [costs[name] for name in values],
        "history": history,
    }
    hjb = np.nan
    if asked.feedback:
        if case.grid.ndim > FEEDBACK_AXES:
            raise CaseError(
                "is found in one and two parameters; set it to false", "control.feedback"
            )
        best = min(costs, key=lambda name: costs[name])
        feedback = optimal_feedback(
            objective,
            lowest=asked.lowest,
            reference=values[best] if reference is None or costs[best] < costs[own] else reference,
            moved=lambda count: moved("feedback", count, np.nan),
        )
        hjb = feedback.cost
        arrays |= {"feedback_time": feedback.times, "feedback": feedback.controls}
    # netCDF has no value for "none": the attribute is left out instead.
    attributes = {"of": asked.of, "hjb": float(hjb) if np.isfinite(hjb) else None}
    return CONTROL.build(case.grid, arrays, attributes)


def control_numbers(found: Arrays) -> dict[str, Any]:
    """Costs by name, with underscores; ``cost`` is that of the schedule followed.

    ``policy_margin`` is how far the optimum lies below the best policy, ``hjb_margin`` how far
    the best feedback lies below all schedules: neither can be negative.
    """
    costs, names, hjb = found.costs, found.policy, found.hjb
    numbers = {"cost": float(costs[0])}
    if names[0] == "optimal" and len(costs) > 1:
        numbers["policy_margin"] = float(costs[1:].min() - costs[0])
    if hjb is not None:
        numbers["hjb_margin"] = float(costs.min() - hjb)
    numbers |= {
        name.replace("-", "_"): float(cost) for name, cost in zip(names, costs, strict=True)
    }
    return numbers if hjb is None else {**numbers, "hjb": hjb}


def control_rows(result: Solved, found: Arrays) -> Rows:
    """Rows about the schedule, what others cost, and how well (60) holds along the run."""
    what = found.of.replace("-", " ")
    text = f"{found.policy[0]}, {found.values.shape[1]} intervals of u for the {what}"
    if found.history is not None:
        text += f", {found.history.size} iterations"
    rows = [("schedule", text)]
    if found.hjb is not None:
        rows.append(("  cost, feedback (HJB)", f"{found.hjb:.6g}"))
    rows += [(f"  cost, {name}", f"{cost:.6g}") for cost, name in _ranked(found)]
    if "loss_rate_dynkin" in result.observables and len(result.time):
        left, right = (result.observables[name] for name in ("loss_rate", "loss_rate_dynkin"))
        scale = float(np.abs(left).max())
        if scale > 0.0:
            gap = float(np.abs(left - right).max()) / scale
            text = f"as by Dynkin's formula to {gap:.0e} of the largest rate"
            rows.append(("rate of E[Phi]", text))
    return rows


def control_tables(result: Solved, found: Arrays) -> tuple[PageTable, ...]:
    """What the schedules cost, the cheapest first."""
    own = found.costs[0]
    rows = [(name, number(cost), number(cost - own)) for cost, name in _ranked(found)]
    if found.hjb is not None:
        rows.insert(0, ("best feedback (HJB)", number(found.hjb), number(found.hjb - own)))
    head = ("schedule", "cost", f"above {found.policy[0]}")
    return (PageTable("Costs of the schedules", head, tuple(rows)),)


def _ranked(found: Arrays) -> list[tuple[float, str]]:
    return sorted(zip(found.costs, found.policy, strict=True))


def _own_name(case: Case) -> str:
    schedule = case.control.schedule if case.control is not None else ""
    if isinstance(schedule, tuple):
        return "table"
    return schedule if schedule == "optimal" or schedule in POLICIES else "formula"


def _compared(case: Case) -> tuple[str, ...]:
    assert case.control is not None
    if case.control.compare is not None:
        # The optimiser needs a start.
        return case.control.compare or ("constant",) * (case.control.schedule == "optimal")
    return tuple(POLICIES) if case.control.schedule == "optimal" else ()


def _own_values(case: Case, objective: Objective) -> np.ndarray:
    """Controls of a table, a policy or a formula of t, at the middles of the intervals."""
    asked = case.control
    assert asked is not None
    key, schedule = "control.schedule", asked.schedule
    if isinstance(schedule, tuple):
        return np.array(schedule)
    if schedule in POLICIES:
        return policy_values(schedule, objective, asked.lowest)
    names = Names((), {**case.problem.parameters, "beta": case.problem.beta}, time=True)
    try:
        field = FormulaField((parse(schedule, names, key),), (), (), key)
    except CaseError as error:
        raise CaseError(
            f"{error.detail}; besides formulas of t there are optimal, {', '.join(POLICIES)}", key
        ) from None
    values = np.array([float(field((), t)) for t in objective.middles])
    wrong = np.flatnonzero(~((values > 0.0) & (values <= 1.0)))
    if wrong.size:
        t, u = objective.middles[wrong[0]], values[wrong[0]]
        raise CaseError(
            f"gives u = {u:.4g} at t = {t:.4g}, outside (0, 1]; u scales the largest rate", key
        )
    return values


def _field(case: Case, text: str, key: str, extra: tuple[str, ...]) -> FormulaField:
    constants = {**case.problem.parameters, "beta": case.problem.beta}
    names = Names((*case.grid.names, *extra), constants, time=bool(extra))
    return FormulaField((parse(text, names, key),), (), names.symbols, key)


def _running(case: Case) -> Running | None:
    assert case.control is not None
    text, key = case.control.running, "control.running"
    if text is None:
        return None
    if "u" in case.grid.names:
        raise CaseError("cannot tell the control u from the axis u; rename the axis", key)
    cost = _field(case, text, key, ("u",))
    slope = cost.gradient()
    points, size = case.grid.points, case.grid.size

    def running(t: float, u: float) -> tuple[np.ndarray, np.ndarray]:
        place = (*points, np.array(u))
        values = cost(place, t)
        _require_finite(values, key)
        return values.reshape(size), slope(place, t)[-1].reshape(size)

    return running


def _require_finite(values: np.ndarray, key: str) -> None:
    if not np.isfinite(values).all():
        raise CaseError("has no finite value in some cells of the domain", key)
