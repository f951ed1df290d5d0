"""Schedules with their costs, and local entropy with its minima, as records and as groups."""

from __future__ import annotations

from dataclasses import dataclass, field

import h5py
import numpy as np

from ..layout import add_axes, add_scale, add_variable, axis_names, set_attributes
from ..notebook import record_html

# Written last: without them the run was killed while it wrote the group.
LAST = "of"
DONE = "complete"
SEARCH = "search"


@dataclass(eq=False)
class ControlRecord:
    """What steered the density, and what other schedules would have cost.

    Parameters
    ----------
    edges : (K + 1,) ndarray
        Ends of the intervals.
    names : tuple of str
        Schedules; the one that was followed comes first, under its own name.
    values : (P, K) ndarray
        Their controls.
    costs : (P,) ndarray
    of : str
        What the control scales.
    history : ndarray
        Cost after every iteration of the optimiser; empty without one.
    hjb : float
        Cost of the best feedback found; NaN where none was looked for.
    feedback_times, feedback : (F,) and (F, *grid) ndarray
        That feedback.
    """

    _repr_html_ = record_html

    edges: np.ndarray
    names: tuple[str, ...]
    values: np.ndarray
    costs: np.ndarray
    of: str = "learning-rate"
    history: np.ndarray = field(default_factory=lambda: np.empty(0))
    hjb: float = np.nan
    feedback_times: np.ndarray = field(default_factory=lambda: np.empty(0))
    feedback: np.ndarray = field(default_factory=lambda: np.empty(0))

    @property
    def numbers(self) -> dict[str, float]:
        """Costs by name, with underscores; ``cost`` is that of the schedule followed.

        ``policy_margin`` is how far the optimum lies below the best policy, ``hjb_margin`` how far
        the best feedback lies below all schedules: neither can be negative.
        """
        found = {"cost": float(self.costs[0])}
        if self.names[0] == "optimal" and len(self.costs) > 1:
            found["policy_margin"] = float(self.costs[1:].min() - self.costs[0])
        if np.isfinite(self.hjb):
            found["hjb_margin"] = float(self.costs.min() - self.hjb)
        found |= {
            name.replace("-", "_"): float(cost)
            for name, cost in zip(self.names, self.costs, strict=True)
        }
        if np.isfinite(self.hjb):
            found["hjb"] = self.hjb
        return found


@dataclass(eq=False)
class SmoothingRecord:
    """Local entropy for some gamma, and minima of Phi, Phi~ and Phi_ent side by side.

    Parameters
    ----------
    gamma : (g,) ndarray
    values : (g, *grid) ndarray
        Phi_ent + (d/2) log(2 pi/gamma), which tends to Phi for large gamma.
    loss : (m, d) ndarray
        Minima of Phi, by rising value.
    flatness : (m,) ndarray
        log det of the Hessian of Phi there.
    fields : tuple of str
        ``loss``, ``quasi_potential`` or ``local_entropy``.
    knobs : (f,) ndarray
        beta or gamma of each field.
    places : (f, m, d) ndarray
        What became of each minimum of Phi; NaN where it is gone.
    depths : (f, m) ndarray
        Value there less that of the deepest minimum.
    counts : (f,) ndarray
        Minima of each field.
    numbers : dict
        ``flattest`` and ``gamma_crossing``, ``beta_crossing`` where there is one.
    """

    _repr_html_ = record_html

    gamma: np.ndarray
    values: np.ndarray
    loss: np.ndarray
    flatness: np.ndarray
    fields: tuple[str, ...]
    knobs: np.ndarray
    places: np.ndarray
    depths: np.ndarray
    counts: np.ndarray
    numbers: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Search:
    """Where an optimiser stands between two rounds; a resumed run goes on from here."""

    values: np.ndarray
    cost: float
    history: np.ndarray
    rounds: int
    converged: bool


def fill_control(file: h5py.File, record: ControlRecord) -> None:
    """Write the group ``/control``, in place of values that are there; the search is kept."""
    group = file.require_group("control")
    for name in list(group):
        if name != SEARCH:
            del group[name]
    middle = 0.5 * (record.edges[1:] + record.edges[:-1])
    interval = add_scale(group, "interval", middle, "middle of an interval")
    edge = add_scale(group, "edges", record.edges, "ends of the intervals")
    policy = add_scale(group, "policy", record.names, "schedule")
    add_variable(group, "values", [policy, interval], "control", data=record.values)
    add_variable(group, "costs", [policy], "cost", data=record.costs)
    set_attributes(edge, {"bounds_of": "interval"})
    if record.history.size:
        iteration = add_scale(group, "iteration", np.arange(record.history.size), "iteration")
        add_variable(group, "history", [iteration], "cost so far", data=record.history)
    if record.feedback_times.size:
        names = axis_names(file)
        add_axes(group, [(name, file[name][...], file[f"{name}_bounds"][...]) for name in names])
        time = add_scale(group, "feedback_time", record.feedback_times, "time of a feedback")
        axes = [time, *(group[name] for name in names)]
        add_variable(group, "feedback", axes, "control by place", data=record.feedback)
    # netCDF has no value for "none": the attribute is left out instead.
    set_attributes(group, {"hjb": record.hjb if np.isfinite(record.hjb) else None, LAST: record.of})


def read_control(file: h5py.File) -> ControlRecord | None:
    """The schedules of a file; None where there are none, or a torn group."""
    group = file.get("control")
    if group is None or LAST not in group.attrs:
        return None
    return ControlRecord(
        edges=group["edges"][...],
        names=tuple(group["policy"].asstr()[...]),
        values=group["values"][...],
        costs=group["costs"][...],
        of=str(group.attrs[LAST]),
        history=group["history"][...] if "history" in group else np.empty(0),
        hjb=float(group.attrs.get("hjb", np.nan)),
        feedback_times=group["feedback_time"][...] if "feedback" in group else np.empty(0),
        feedback=group["feedback"][...] if "feedback" in group else np.empty(0),
    )


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


def fill_smoothing(file: h5py.File, record: SmoothingRecord) -> None:
    """Write the group ``/smoothing``, in place of one that is there."""
    if "smoothing" in file:
        del file["smoothing"]
    group = file.create_group("smoothing")
    names = axis_names(file)
    add_axes(group, [(name, file[name][...], file[f"{name}_bounds"][...]) for name in names])
    gamma = add_scale(group, "gamma", record.gamma, "inverse variance of the kernel")
    axes = [group[name] for name in names]
    add_variable(
        group, "local_entropy", [gamma, *axes], "local entropy, tending to the loss",
        data=record.values,
    )  # fmt: skip
    if len(record.flatness):
        field_scale = add_scale(group, "field", record.fields, "field of the table")
        point = add_scale(group, "minimum", np.arange(len(record.flatness)), "minimum of the loss")
        component = add_scale(group, "component", names, "component of a vector")
        add_variable(group, "loss_minima", [point, component], "minima", data=record.loss)
        add_variable(group, "flatness", [point], "log det of the Hessian", data=record.flatness)
        add_variable(group, "knob", [field_scale], "beta or gamma of the field", data=record.knobs)
        add_variable(
            group, "places", [field_scale, point, component], "counterparts", data=record.places
        )
        add_variable(group, "depths", [field_scale, point], "above the deepest", data=record.depths)
        add_variable(group, "counts", [field_scale], "minima of the field", data=record.counts)
    set_attributes(group, {**record.numbers, DONE: 1})


def read_smoothing(file: h5py.File) -> SmoothingRecord | None:
    """Local entropy of a file; None where there is none, or a torn group."""
    group = file.get("smoothing")
    if group is None or DONE not in group.attrs:
        return None
    d = len(axis_names(file))
    there = "flatness" in group
    return SmoothingRecord(
        gamma=group["gamma"][...],
        values=group["local_entropy"][...],
        loss=group["loss_minima"][...] if there else np.empty((0, d)),
        flatness=group["flatness"][...] if there else np.empty(0),
        fields=tuple(group["field"].asstr()[...]) if there else (),
        knobs=group["knob"][...] if there else np.empty(0),
        places=group["places"][...] if there else np.empty((0, 0, d)),
        depths=group["depths"][...] if there else np.empty((0, 0)),
        counts=group["counts"][...] if there else np.empty(0, int),
        numbers={k: float(v) for k, v in group.attrs.items() if k != DONE},
    )
