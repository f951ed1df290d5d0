"""The group ``/passage`` of a result file, written and read."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from ..layout import COMPRESSION, add_axes, add_scale, add_variable, axis_names, set_attributes
from .passage import ESCAPE_ARRAYS, PASSAGE_NUMBERS, EscapeRecord, PassageRecord

# Written last: without it the run was killed while it wrote the group.
LAST = "source"
# Names in the file, what they are, and their dimensions.
_FIELDS = {
    "mean_time": "mean time until the target is reached",
    "deviation": "standard deviation of that time",
    "committor": "probability of reaching the target before the source",
    "backward_committor": "probability of having come last from the source",
}
_STARTS = {
    "start_mean_time": "mean time from the start",
    "start_deviation": "standard deviation of the time from the start",
    "start_committor": "committor at the start",
    "error_start_mean_time": "estimated error of the mean time from the start",
}


def fill_passage(file: h5py.File, record: PassageRecord) -> None:
    """Write the group with coordinates of its own, in place of one that is there."""
    if "passage" in file:
        del file["passage"]
    group = file.create_group("passage")
    names = axis_names(file)
    add_axes(group, [(name, file[name][...], file[f"{name}_bounds"][...]) for name in names])
    axes = [group[name] for name in names]
    component = add_scale(group, "component", names, "component of a vector")
    for name, long_name in _FIELDS.items():
        values = getattr(record, name)
        if values is not None:
            add_variable(group, name, axes, long_name, data=np.asarray(values, np.float64))
    if record.current is not None:
        add_variable(group, "current", [component, *axes], "reactive current", data=record.current)
    if record.sides and record.exit_probability is not None:
        side = add_scale(group, "side", record.sides, "way out")
        add_variable(
            group,
            "exit_probability",
            [side, *axes],
            "probability of leaving by each way",
            data=record.exit_probability,
        )
    if record.start is not None:
        _fill_starts(group, record, component)
    if record.escape is not None:
        _fill_escape(group.create_group("escape"), file, names, record.escape)
    set_attributes(group, {**record.numbers, "target": record.target, LAST: record.source})


def read_passage(file: h5py.File) -> PassageRecord | None:
    """The first passage of a file; None where there is none, or a torn one."""
    group = file.get("passage")
    if group is None or LAST not in group.attrs:
        return None

    def values(name: str) -> np.ndarray | None:
        return group[name][...] if name in group else None

    arrays = (
        *_FIELDS,
        *_STARTS,
        *("exit_probability", "current", "start_exit_probability"),
        *("survival", "arrival"),
    )
    return PassageRecord(
        target=str(group.attrs["target"]),
        source=str(group.attrs["source"]),
        sides=tuple(group["side"].asstr()[...]) if "side" in group else (),
        numbers={name: float(group.attrs[name]) for name in PASSAGE_NUMBERS if name in group.attrs},
        start=values("start_position"),
        time=values("delay"),
        escape=_read_escape(group["escape"]) if "escape" in group else None,
        **{name: values(name) for name in arrays},
    )


def _fill_starts(group: h5py.Group, record: PassageRecord, component: h5py.Dataset) -> None:
    assert record.start is not None
    start = add_scale(group, "start", np.arange(len(record.start)), "number of the start")
    add_variable(group, "start_position", [start, component], "start", data=record.start)
    for name, long_name in _STARTS.items():
        if getattr(record, name) is not None:
            add_variable(group, name, [start], long_name, data=getattr(record, name))
    if "side" not in group:
        return
    rows = [start, group["side"]]
    add_variable(
        group,
        "start_exit_probability",
        rows,
        "probability of leaving by each way from the start",
        data=record.start_exit_probability,
    )
    if record.time is None:
        return
    # Not "time": trees of groups take a dimension of that name for the one of the frames.
    time = add_scale(group, "delay", record.time, "time since the start")
    add_variable(
        group, "survival", [start, time], "probability of not having arrived", data=record.survival
    )
    add_variable(
        group,
        "arrival",
        [start, time, group["side"]],
        "density of the time of arrival by the way out",
        data=record.arrival,
    )


def _fill_escape(
    group: h5py.Group, file: h5py.File, names: tuple[str, ...], record: EscapeRecord
) -> None:
    add_axes(group, [(name, file[name][...], file[f"{name}_bounds"][...]) for name in names])
    axes = [group[name] for name in names]
    component = add_scale(group, "component", names, "component of a vector")
    count = np.arange(len(record.minima))
    wells = [
        add_scale(group, "well", count, "number of the minimum of Phi~"),
        add_scale(group, "well2", count, "number of a second minimum"),
    ]
    add_variable(group, "position", [wells[0], component], "minimum of Phi~", data=record.minima)
    add_variable(
        group, "basin", axes, "minimum of Phi~ drained to", data=record.basin, **COMPRESSION
    )
    if record.loss_basin is not None:
        bottom = add_scale(
            group, "bottom", np.arange(len(record.loss_minima)), "number of the minimum of Phi"
        )
        add_variable(
            group, "loss_position", [bottom, component], "minimum of Phi", data=record.loss_minima
        )
        add_variable(
            group,
            "loss_basin",
            axes,
            "minimum of Phi drained to",
            data=record.loss_basin,
            **COMPRESSION,
        )
    for name, (long_name, dimensions) in ESCAPE_ARRAYS.items():
        values = getattr(record, name)
        if values is not None:
            add_variable(group, name, wells[:dimensions], long_name, data=values)
    set_attributes(group, {"agreement": float(record.agreement), "quality": float(record.quality)})


def _read_escape(group: h5py.Group) -> EscapeRecord:
    names = tuple(group["component"].asstr()[...])
    # The last one is there under detailed balance only.
    arrays: dict[str, Any] = {
        name: None if name == "kramers_times" and name not in group else group[name][...]
        for name in ESCAPE_ARRAYS
    }
    return EscapeRecord(
        minima=group["position"][...],
        basin=group["basin"][...],
        loss_minima=group["loss_position"][...]
        if "loss_position" in group
        else np.zeros((0, len(names))),
        loss_basin=group["loss_basin"][...] if "loss_basin" in group else None,
        quality=float(group.attrs["quality"]),
        agreement=float(group.attrs["agreement"]),
        **arrays,
    )
