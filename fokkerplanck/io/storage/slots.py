"""Checkpoints in two slots, so that a kill while one is written leaves the other.

Both slots are allocated when the file is made and overwritten in place: a checkpoint never changes
the structure of the file. A slot counts only if its checksum fits.
"""

from __future__ import annotations

import json
import secrets
import zlib
from collections.abc import Mapping, Sequence

import h5py
import numpy as np

from ..layout import add_scale, add_variable, plain
from ..records import Checkpoint
from .journal import NAME_BYTES, NUMBER_BYTES

GROUP = "checkpoint"
SLOTS = ("a", "b")

# The attribute that holds the name of the run and the number of its last change. The header of the
# group is written once, so its bytes keep their place in the file.
RUN = "run"

# Room for the counters of a stepper as JSON; some tens of names.
COUNTER_BYTES = 4096

_SCALARS = {
    "sequence": (np.int64, "number of the checkpoint; 0 means none"),
    "frame": (np.int64, "last frame before the checkpoint"),
    # Not "time": xarray takes a scalar of that name for the coordinate.
    "reached": (np.float64, "time of the checkpoint"),
    "step": (np.float64, "next step size"),
    "checksum": (np.int64, "CRC-32 of this slot"),
}


def create_slots(file: h5py.File, axes: Sequence[h5py.Dataset]) -> None:
    """Allocate both slots, empty."""
    group = file.create_group(GROUP)
    group.attrs[RUN] = new_mark()
    shape = tuple(len(axis) for axis in axes)
    characters = add_scale(
        group, "character", np.arange(COUNTER_BYTES, dtype=np.int32), "position in the text"
    )
    for name in SLOTS:
        slot = group.create_group(name)
        for scalar, (dtype, long_name) in _SCALARS.items():
            add_variable(slot, scalar, [], long_name, data=dtype(0))
        counters = np.zeros(COUNTER_BYTES, dtype="S1")
        add_variable(slot, "counters", [characters], "counters of the stepper", data=counters)
        add_variable(
            slot, "density", axes, "density at the checkpoint", data=np.zeros(shape, np.float64)
        )


def new_mark() -> np.bytes_:
    """Name of a new run with the number 0 behind it."""
    return np.bytes_(secrets.token_hex(NAME_BYTES // 2) + "0" * NUMBER_BYTES)


def write_slot(slot: Mapping[str, h5py.Dataset], checkpoint: Checkpoint, sequence: int) -> None:
    """Overwrite a slot, given by its datasets, in place."""
    text = json.dumps(dict(checkpoint.counters), default=plain).encode("ascii")
    if len(text) > COUNTER_BYTES:
        raise ValueError(f"the counters take {len(text)} bytes; {COUNTER_BYTES} are possible")
    values = {
        "sequence": np.int64(sequence),
        "frame": np.int64(checkpoint.frame),
        "reached": np.float64(checkpoint.time),
        "step": np.float64(checkpoint.step),
    }
    counters = np.frombuffer(text.ljust(COUNTER_BYTES, b"\0"), dtype="S1")
    density = np.ascontiguousarray(checkpoint.density, dtype=np.float64)
    values["checksum"] = np.int64(_checksum(values, counters, density))
    for name, data in {**values, "counters": counters, "density": density}.items():
        # As slot[name][...] = data, at a third of the cost.
        slot[name].id.write(h5py.h5s.ALL, h5py.h5s.ALL, np.asarray(data))


def read_slots(file: h5py.File) -> list[tuple[int, str, Checkpoint]]:
    """Valid checkpoints as (sequence, slot, checkpoint), newest first."""
    found = []
    for name in SLOTS:
        try:
            slot = file[GROUP][name]
            values = {key: slot[key][()] for key in _SCALARS}
            counters, density = slot["counters"][...], slot["density"][...]
        except (KeyError, OSError, RuntimeError):  # absent, or cut off while being written
            continue
        checksum = values.pop("checksum")
        if values["sequence"] < 1 or checksum != _checksum(values, counters, density):
            continue
        checkpoint = Checkpoint(
            int(values["frame"]),
            float(values["reached"]),
            density,
            float(values["step"]),
            json.loads(counters.tobytes().rstrip(b"\0").decode("ascii")),
        )
        found.append((int(values["sequence"]), name, checkpoint))
    return sorted(found, key=lambda item: item[0], reverse=True)


def _checksum(values: Mapping[str, np.generic], counters: np.ndarray, density: np.ndarray) -> int:
    value = 0
    for scalar in values.values():
        value = zlib.crc32(scalar.tobytes(), value)
    return zlib.crc32(density.data, zlib.crc32(counters.tobytes(), value))
