"""The files that a case reads, kept in its result."""

from __future__ import annotations

from collections.abc import Mapping

import h5py

from ..limits import INPUT_BYTES
from .layout import add_variable

GROUP = "inputs"
# Attribute with the name that the case gives the file.
NAME = "file"


def fill_inputs(file: h5py.File, inputs: Mapping[str, str]) -> None:
    """Write the texts that are short enough; text with a zero byte is none that HDF5 can hold."""
    kept = {
        name: text
        for name, text in inputs.items()
        if "\0" not in text and len(text.encode()) <= INPUT_BYTES
    }
    if not kept:
        return
    group = file.create_group(GROUP)
    for number, (name, text) in enumerate(kept.items()):
        dataset = add_variable(
            group,
            f"input_{number}",
            [],
            "text of a file that the case reads",
            data=text,
            dtype=h5py.string_dtype(),
        )
        dataset.attrs[NAME] = name


def read_inputs(file: h5py.File) -> dict[str, str]:
    """Text of each file that is kept, by its name in the case."""
    if GROUP not in file:
        return {}
    return {str(one.attrs[NAME]): one.asstr()[()] for one in file[GROUP].values()}


def hdf5_version() -> str:
    """Version of the HDF5 library that writes the files."""
    return str(h5py.version.hdf5_version)
