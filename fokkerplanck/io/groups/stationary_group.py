"""The group ``/stationary`` of a result file, written and read."""

from __future__ import annotations

import h5py
import numpy as np

from ..layout import add_axes, add_scale, add_variable, axis_names, set_attributes
from ..values import require_numbers_of
from .stationary import NUMBERS, CriticalPoints, Loop, StationaryRecord

# Written last: without it the run was killed while it wrote the group.
LAST = "curl"
_GROUPS = {"current": "cycle", "drift": "limit_cycle"}
_SCALARS = ("winding", "closure", "mean_potential", "multiplier")


def fill_stationary(file: h5py.File, state: StationaryRecord) -> None:
    """Write the group with coordinates of its own, in place of one that is there."""
    if "stationary" in file:
        del file["stationary"]
    group = file.create_group("stationary")
    names = axis_names(file)
    add_axes(group, [(name, file[name][...], file[f"{name}_bounds"][...]) for name in names])
    add_scale(group, "component", names, "component of a vector or matrix")
    add_scale(group, "component2", names, "second component of a matrix")
    axes = [group[name] for name in names]
    vector = [group["component"], *axes]
    corners = []
    if state.stream_function is not None:
        for name in names:
            faces = group[f"{name}_bounds"][...]
            values = np.append(faces[:, 0], faces[-1, 1])
            corners.append(add_scale(group, f"{name}_corner", values, f"{name}, cell face"))
    for name, long_name, scales in (
        ("density", "stationary density", axes),
        ("quasi_potential", "quasi-potential", axes),
        ("current", "stationary probability current", vector),
        ("velocity", "velocity of the stationary current", vector),
        ("integrated_potential", "line integral of the force field", axes),
        ("stream_function", "stream function of the stationary current", corners),
        (
            "angular_momentum",
            "mean angular momentum of the stationary current",
            [group["component"], group["component2"]],
        ),
    ):
        values = getattr(state, name)
        if values is not None:
            add_variable(group, name, scales, long_name, data=np.asarray(values, np.float64))
    if state.critical:
        _fill_critical(group.create_group("critical"), names, state)
    for source, stem in _GROUPS.items():
        for number, loop in enumerate(loop for loop in state.loops if loop.source == source):
            _fill_loop(group.create_group(f"{stem}_{number}"), names, loop)
    set_attributes(
        group,
        {
            **state.numbers,
            "entropy_production": float(state.entropy_production),
            "detailed_balance": bool(state.detailed_balance),
            "residual": float(state.residual),
            LAST: float(state.curl),
        },
    )


def read_stationary(file: h5py.File) -> StationaryRecord | None:
    """The stationary state of a file; None where there is none, or a torn one."""
    group = file.get("stationary")
    if group is None or LAST not in group.attrs:
        return None

    def values(name: str) -> np.ndarray | None:
        return group[name][...] if name in group else None

    critical, pairs, shifts = {}, None, None
    if "critical" in group:
        for name in ("loss", "quasi_potential"):
            if name in group["critical"]:
                part = group["critical"][name]
                critical[name] = CriticalPoints(
                    part["position"][...], part["value"][...], part["eigenvalues"][...]
                )
        if "pair" in group["critical"]:
            pairs = group["critical"]["pairs"][...]
            for side, name in enumerate(("loss", "quasi_potential")):
                points = critical[name].value
                require_numbers_of("stationary/critical/pairs", pairs[:, side], len(points))
            shifts = group["critical"]["shifts"][...]
    return StationaryRecord(
        density=group["density"][...],
        quasi_potential=group["quasi_potential"][...],
        current=group["current"][...],
        entropy_production=float(group.attrs["entropy_production"]),
        detailed_balance=bool(group.attrs["detailed_balance"]),
        residual=float(group.attrs["residual"]),
        curl=float(group.attrs[LAST]),
        numbers={name: float(group.attrs[name]) for name in NUMBERS if name in group.attrs},
        velocity=values("velocity"),
        integrated_potential=values("integrated_potential"),
        stream_function=values("stream_function"),
        angular_momentum=values("angular_momentum"),
        critical=critical,
        pairs=pairs,
        shifts=shifts,
        loops=_read_loops(group),
    )


def _fill_critical(group: h5py.Group, names: tuple[str, ...], state: StationaryRecord) -> None:
    """Tables of critical points; those without a row are left out."""
    for name, points in state.critical.items():
        if not len(points.value):
            continue
        part = group.create_group(name)
        point = add_scale(part, "point", np.arange(len(points.value)), "number of the point")
        component = add_scale(part, "component", names, "component of a vector")
        eigenvalue = add_scale(part, "mode", np.arange(len(names)), "number of the eigenvalue")
        rows = [point, component]
        add_variable(part, "position", rows, "critical point", data=points.position)
        add_variable(part, "value", [point], "value there", data=points.value)
        add_variable(
            part,
            "eigenvalues",
            [point, eigenvalue],
            "eigenvalues of the Hessian",
            data=points.eigenvalues,
        )
        add_variable(part, "index", [point], "directions that lead down", data=points.index)
    if state.pairs is None or state.shifts is None or not len(state.pairs):
        return
    pair = add_scale(group, "pair", np.arange(len(state.pairs)), "number of the pair")
    side = add_scale(group, "side", ("loss", "quasi_potential"), "which field")
    component = add_scale(group, "component", names, "component of a vector")
    add_variable(group, "pairs", [pair, side], "matching points", data=state.pairs)
    add_variable(group, "shifts", [pair, component], "way from the loss to Phi~", data=state.shifts)


def _fill_loop(group: h5py.Group, names: tuple[str, ...], loop: Loop) -> None:
    time = add_scale(group, "loop_time", loop.time, "time along the loop")
    component = add_scale(group, "component", names, "component of a vector")
    add_variable(group, "points", [time, component], "points of the loop", data=loop.points)
    set_attributes(
        group,
        {
            "period": loop.period,
            "center": loop.center,
            **{name: getattr(loop, name) for name in _SCALARS},
        },
    )


def _read_loops(group: h5py.Group) -> tuple[Loop, ...]:
    loops = []
    for source, stem in _GROUPS.items():
        number = 0
        while f"{stem}_{number}" in group:
            part = group[f"{stem}_{number}"]
            scalars = {name: part.attrs[name].item() for name in _SCALARS}
            loops.append(
                Loop(
                    source=source,
                    points=part["points"][...],
                    time=part["loop_time" if "loop_time" in part else "time"][...],  # schema 1
                    center=part.attrs["center"],
                    **scalars,
                )
            )
            number += 1
    return tuple(loops)
