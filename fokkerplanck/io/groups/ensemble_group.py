"""The group ``/ensemble`` of a result file, written and read."""

from __future__ import annotations

import h5py
import numpy as np

from ..layout import (
    COMPRESSION,
    add_axes,
    add_scale,
    add_times,
    add_variable,
    axis_names,
    set_attributes,
)
from .ensemble import EnsembleRecord

# Written last: without it the run was killed while it wrote the group.
LAST = "seed"
_ATTRIBUTES = ("particles", "method", "step", LAST)
_SERIES = {
    "outside": "walkers beyond the box",
    "lost": "walkers that left to infinity",
    "loss": "mean loss of the walkers",
    "gradient_norm": "mean squared gradient norm of the walkers",
}


def fill_ensemble(file: h5py.File, record: EnsembleRecord) -> None:
    """Write the group with coordinates of its own, in place of one that is there."""
    if "ensemble" in file:
        del file["ensemble"]
    group = file.create_group("ensemble")
    names = axis_names(file)
    add_axes(group, [(name, file[name][...], file[f"{name}_bounds"][...]) for name in names])
    time = add_times(group, record.time, "time of the walkers")
    component = add_scale(group, "component", names, "component of a vector or matrix")
    second = add_scale(group, "component2", names, "second component of a matrix")
    side = add_scale(
        group,
        "side",
        tuple(f"{name} {end}" for name in names for end in ("lower", "upper")),
        "side of the box",
    )
    axes = [group[name] for name in names]
    add_variable(
        group,
        "counts",
        [time, *axes],
        "walkers per cell",
        data=record.counts,
        chunks=(1, *record.counts.shape[1:]),
        **COMPRESSION,
    )
    add_variable(group, "mean", [time, component], "mean of the walkers", data=record.mean)
    add_variable(
        group,
        "covariance",
        [time, component, second],
        "covariance of the walkers",
        data=record.covariance,
    )
    add_variable(group, "absorbed", [time, side], "walkers absorbed", data=record.absorbed)
    for name, long_name in _SERIES.items():
        add_variable(group, name, [time], long_name, data=getattr(record, name))
    if record.trajectories is not None and len(record.trajectories):
        walker = add_scale(
            group, "walker", np.arange(len(record.trajectories)), "number of the walker"
        )
        add_variable(
            group,
            "trajectories",
            [walker, time, component],
            "places of single walkers",
            data=record.trajectories,
        )
    set_attributes(group, {name: getattr(record, name) for name in _ATTRIBUTES})


def has_ensemble(file: h5py.File) -> bool:
    """Whether a file has an ensemble, and not a torn one."""
    return "ensemble" in file and LAST in file["ensemble"].attrs


def read_ensemble(file: h5py.File) -> EnsembleRecord | None:
    """The ensemble of a file; None where there is none, or a torn one."""
    if not has_ensemble(file):
        return None
    group = file["ensemble"]
    arrays = ("counts", "mean", "covariance", "absorbed", *_SERIES)
    return EnsembleRecord(
        time=group["time"][...],
        **{name: group[name][...] for name in arrays},
        particles=int(group.attrs["particles"]),
        method=str(group.attrs["method"]),
        step=float(group.attrs["step"]),
        seed=int(group.attrs["seed"]),
        trajectories=group["trajectories"][...] if "trajectories" in group else None,
    )
