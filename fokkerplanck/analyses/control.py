"""The control of a case: which schedule it follows, and what others would cost."""

from __future__ import annotations

from collections.abc import Callable

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
from ..io import ControlRecord, Search
from ..problem.expressions.field import FormulaField
from ..problem.expressions.formula import parse
from ..problem.expressions.names import Names

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
) -> ControlRecord:
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
    history, reference = np.empty(0), values.get(own)
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
        history, reference = found.history, found.values
    names = tuple(values)
    record = ControlRecord(
        objective.schedule(values[own]).edges,
        names,
        np.array([values[name] for name in names]),
        np.array([costs[name] for name in names]),
        asked.of,
        history,
    )
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
        record.hjb = feedback.cost
        record.feedback_times, record.feedback = feedback.times, feedback.controls
    return record


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
