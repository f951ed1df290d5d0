"""What the group ``/control`` holds: schedules with their costs; and where an optimiser stands."""

from __future__ import annotations

from dataclasses import dataclass

import h5py
import numpy as np

from ..dataset import Attribute, Layout, Variable
from ..layout import add_scale, add_variable, set_attributes

CONTROL = Layout(
    {
        "interval": Variable("interval", "middle of an interval"),
        "edges": Variable("edges", "ends of the intervals", bounds_of="interval"),
        # The one that was followed comes first, under its own name.
        "policy": Variable("policy", "schedule", text=True),
        "iteration": Variable("iteration", "iteration", optional=True),
        "feedback_time": Variable("feedback_time", "time of a feedback", optional=True),
        "values": Variable("policy interval", "control"),
        "costs": Variable("policy", "cost"),
        "history": Variable("iteration", "cost so far"),
        "feedback": Variable("feedback_time axes", "control by place"),
    },
    {
        "hjb": Attribute("cost of the best feedback, where one was looked for", optional=True),
        "of": Attribute("what the control scales", str),
    },
)
SEARCH = "search"
# Written last: without it the run was killed while it wrote the group.
DONE = "complete"


@dataclass(frozen=True)
class Search:
    """Where an optimiser stands between two rounds; a resumed run goes on from here."""

    values: np.ndarray
    cost: float
    history: np.ndarray
    rounds: int
    converged: bool


def fill_search(file: h5py.File, search: Search) -> None:
    """Write where the optimiser stands."""
    group = file.require_group("control")
    if SEARCH in group:
        del group[SEARCH]
    part = group.create_group(SEARCH)
    number = add_scale(part, "number", np.arange(search.values.size), "number of the interval")
    add_variable(part, "control", [number], "control", data=search.values)
    if search.history.size:
        step = add_scale(part, "step", np.arange(search.history.size), "iteration")
        add_variable(part, "history", [step], "cost so far", data=search.history)
    set_attributes(
        part, {"cost": search.cost, "rounds": search.rounds, DONE: int(search.converged)}
    )


def read_search(file: h5py.File) -> Search | None:
    """Where the optimiser stood; None if it had not begun."""
    part = file.get(f"control/{SEARCH}")
    if part is None or DONE not in part.attrs:
        return None
    return Search(
        part["control"][...],
        float(part.attrs["cost"]),
        part["history"][...] if "history" in part else np.empty(0),
        int(part.attrs["rounds"]),
        bool(part.attrs[DONE]),
    )
