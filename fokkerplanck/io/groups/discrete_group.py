"""The group ``/discrete`` of a result file, written and read."""

from __future__ import annotations

import h5py
import numpy as np

from ..layout import add_axes, add_scale, add_variable, axis_names, set_attributes
from .discrete import NUMBERS, SCAN, SERIES, DiscreteRecord, RelationRow

# Written last: without it the run was killed while it wrote the group.
LAST = "noise"
SIDES = {
    "left": "left side",
    "right": "right side",
    "sampling": "standard error of the difference from the number of walkers",
    "grid": "error of the difference from the grid",
}


def fill_discrete(file: h5py.File, record: DiscreteRecord) -> None:
    """Write the group with coordinates of its own, in place of one that is there."""
    if "discrete" in file:
        del file["discrete"]
    group = file.create_group("discrete")
    names = axis_names(file)
    add_axes(group, [(name, file[name][...], file[f"{name}_bounds"][...]) for name in names])
    component = add_scale(group, "component", names, "component of a vector or matrix")
    second = add_scale(group, "component2", names, "second component of a matrix")
    axes = [group[name] for name in names]
    if record.iteration.size:
        iteration = add_scale(group, "iteration", record.iteration, "number of steps")
        add_variable(
            group, "density", [iteration, *axes], "density after steps", data=record.density
        )
        for name, values in record.series.items():
            scales = [iteration, *(component, second)[: values.ndim - 1]]
            add_variable(group, name, scales, SERIES[name], data=values)
    add_variable(
        group, "stationary", axes, "stationary density of the steps", data=record.stationary
    )
    add_variable(group, "stationary_mean", [component], "its mean", data=record.mean)
    add_variable(
        group,
        "stationary_covariance",
        [component, second],
        "its covariance",
        data=record.covariance,
    )
    mode = add_scale(group, "mode", np.arange(record.multipliers.size), "number of the mode")
    for part in ("real", "imag"):
        add_variable(
            group,
            f"multiplier_{part}",
            [mode],
            f"eigenvalue of the transfer operator, {part}",
            data=np.ascontiguousarray(getattr(record.multipliers, part)),
        )
    _fill_scan(group, axes, record)
    _fill_relations(group, record)
    set_attributes(group, {**record.numbers, LAST: record.noise})


def _fill_scan(group: h5py.Group, axes: list[h5py.Dataset], record: DiscreteRecord) -> None:
    if not record.scan_rates.size:
        return
    rates = add_scale(group, "learning_rate", record.scan_rates, "learning rate, at the same beta")
    add_variable(
        group,
        "scan_density",
        [rates, *axes],
        "stationary density by learning rate",
        data=record.scan_density,
    )
    for name, values in record.scan.items():
        add_variable(group, f"scan_{name}", [rates], SCAN[name], data=values)


def _fill_relations(group: h5py.Group, record: DiscreteRecord) -> None:
    if not record.relations:
        return
    # A row each: sources do not know the same relations.
    row = add_scale(group, "relation", np.arange(len(record.relations)), "number of the relation")
    for name in ("source", "name"):
        words = [getattr(one, name) for one in record.relations]
        add_variable(
            group,
            f"relation_{name}",
            [row],
            f"{name} of the relation",
            data=words,
            dtype=h5py.string_dtype(),
        )
    for side, long_name in SIDES.items():
        values = np.array([getattr(one, side) for one in record.relations])
        add_variable(group, f"relation_{side}", [row], long_name, data=values)


def read_discrete(file: h5py.File) -> DiscreteRecord | None:
    """The group of a file; None where there is none, or a torn one."""
    group = file.get("discrete")
    if group is None or LAST not in group.attrs:
        return None
    shape = group["stationary"].shape
    evolved, scanned = "iteration" in group, "learning_rate" in group
    relations: list[RelationRow] = []
    if "relation_left" in group:
        words = [group[f"relation_{name}"].asstr()[...] for name in ("source", "name")]
        sides = [group[f"relation_{side}"][...] for side in SIDES]
        relations = [
            RelationRow(str(source), str(name), *(float(value) for value in values))
            for source, name, *values in zip(*words, *sides, strict=True)
        ]
    return DiscreteRecord(
        noise=str(group.attrs[LAST]),
        iteration=group["iteration"][...] if evolved else np.zeros(0, dtype=int),
        density=group["density"][...] if evolved else np.zeros((0, *shape)),
        series={name: group[name][...] for name in SERIES} if evolved else {},
        stationary=group["stationary"][...],
        mean=group["stationary_mean"][...],
        covariance=group["stationary_covariance"][...],
        multipliers=group["multiplier_real"][...] + 1j * group["multiplier_imag"][...],
        scan_rates=group["learning_rate"][...] if scanned else np.zeros(0),
        scan=(
            {name: group[f"scan_{name}"][...] for name in SCAN if f"scan_{name}" in group}
            if scanned
            else {}
        ),
        scan_density=group["scan_density"][...] if scanned else np.zeros((0, *shape)),
        relations=tuple(relations),
        numbers={name: float(group.attrs[name]) for name in NUMBERS if name in group.attrs},
    )
