"""The state from which a run goes on, in its result file: the group ``/checkpoint``."""

from __future__ import annotations

import json
import secrets

import h5py
import numpy as np

from ..layout import add_scale, add_variable, axis_names, plain
from ..records import Checkpoint

GROUP = "checkpoint"
# The attribute with the name of the run, which its parts have as well.
RUN = "run"
# Of the group in files of earlier versions, which kept two checkpoints in turn.
EARLIER = "a"

# Room for the counters of a stepper as JSON; some tens of names.
COUNTER_BYTES = 4096


def name_run(file: h5py.File) -> None:
    """Make the group, with the name of a new run."""
    file.create_group(GROUP).attrs[RUN] = np.bytes_(secrets.token_hex(16))


def run_of(file: h5py.File) -> str:
    """Name of the run that writes a file; empty where none did."""
    found = file[GROUP].attrs.get(RUN) if GROUP in file else None
    return found.decode("ascii", "replace") if isinstance(found, bytes) else ""


def write_checkpoint(file: h5py.File, checkpoint: Checkpoint) -> None:
    """Write the state, in place of one that is there."""
    group = file[GROUP]
    text = json.dumps(dict(checkpoint.counters), default=plain).encode("ascii")
    if len(text) > COUNTER_BYTES:
        raise ValueError(f"the counters take {len(text)} bytes; {COUNTER_BYTES} are possible")
    counters = np.frombuffer(text.ljust(COUNTER_BYTES, b"\0"), dtype="S1")
    density = np.asarray(checkpoint.density, dtype=np.float64)
    if "density" in group:
        group["counters"][...], group["density"][...] = counters, density
    else:
        numbers = np.arange(COUNTER_BYTES, dtype=np.int32)
        characters = add_scale(group, "character", numbers, "position in the text")
        add_variable(group, "counters", [characters], "counters of the stepper", data=counters)
        axes = [file[name] for name in axis_names(file)]
        add_variable(group, "density", axes, "density at the checkpoint", data=density)
    for name, value, words in (
        ("frame", np.int64(checkpoint.frame), "last frame before the checkpoint"),
        # Not "time": xarray takes a scalar of that name for the coordinate.
        ("reached", np.float64(checkpoint.time), "time of the checkpoint"),
        ("step", np.float64(checkpoint.step), "next step size"),
    ):
        if name in group:
            group[name][()] = value
        else:
            add_variable(group, name, [], words, data=value)


def read_checkpoint(file: h5py.File) -> Checkpoint | None:
    """The state of a file; None where there is none."""
    group = file.get(GROUP)
    if group is None or "density" not in group:
        return None
    return Checkpoint(
        int(group["frame"][()]),
        float(group["reached"][()]),
        group["density"][...],
        float(group["step"][()]),
        json.loads(group["counters"][...].tobytes().rstrip(b"\0").decode("ascii")),
    )
