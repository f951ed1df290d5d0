"""The analyses that a result may hold: what each has found, and its group in a file.

Writing, reading, resuming and showing go through this table, in its order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import h5py

from .control import (
    ControlRecord,
    SmoothingRecord,
    fill_control,
    fill_smoothing,
    read_control,
    read_smoothing,
)
from .discrete import DiscreteRecord
from .discrete_group import fill_discrete, read_discrete
from .ensemble import EnsembleRecord
from .ensemble_group import fill_ensemble, read_ensemble
from .passage import PassageRecord
from .passage_group import fill_passage, read_passage
from .spectrum import SpectrumRecord, fill_spectrum, read_spectrum
from .stationary import StationaryRecord
from .stationary_group import fill_stationary, read_stationary
from .validation import ValidationRecord, fill_validation, read_validation


@dataclass(frozen=True)
class Group:
    """One analysis.

    Parameters
    ----------
    record : type
        Of what it has found.
    fill : callable
        Writes the record into an open file, in place of one that is there.
    read : callable
        The record of an open file; None where there is none, or a torn one.
    """

    record: type
    fill: Callable[[h5py.File, Any], None]
    read: Callable[[h5py.File], Any]


GROUPS: dict[str, Group] = {
    "stationary": Group(StationaryRecord, fill_stationary, read_stationary),
    "spectrum": Group(SpectrumRecord, fill_spectrum, read_spectrum),
    "passage": Group(PassageRecord, fill_passage, read_passage),
    "ensemble": Group(EnsembleRecord, fill_ensemble, read_ensemble),
    "validation": Group(ValidationRecord, fill_validation, read_validation),
    "control": Group(ControlRecord, fill_control, read_control),
    "smoothing": Group(SmoothingRecord, fill_smoothing, read_smoothing),
    "discrete": Group(DiscreteRecord, fill_discrete, read_discrete),
}
