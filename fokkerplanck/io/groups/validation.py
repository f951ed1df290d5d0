"""The comparison of density and walkers as a record, and its group in a result file."""

from __future__ import annotations

from dataclasses import dataclass

import h5py
import numpy as np

from ..brief import brief
from ..layout import add_times, add_variable, set_attributes
from ..notebook import record_html

# Written last: without it the run was killed while it wrote the group.
LAST = "agrees"
COMPARED = {
    "p_value": "probability of so large a difference by chance, all tests together",
    "fit": "p-value of the G-test on pooled bins",
    "energy": "p-value of the energy distance",
    "moments": "p-value of mean and covariance",
    "distance": "energy distance, in units of length",
    "detectable": "relative error of the masses that the G-test finds with power 0.9",
    "observed": "difference of the masses of the bins, rms relative",
    "sampling": "what the number of walkers alone contributes to it",
    "grid_error": "what the grid contributes to it",
    "noise_shape": "what the shape of the mini-batches' noise contributes to it",
    "sides": "what finite steps at reflecting and absorbing sides contribute to it",
    "diffusion_gap": "what the gap between SGD and diffusion contributes to it",
    "unexplained": "what is left",
    "remaining_p_value": "p-value of what is left",
    "total_variation": "share of the walkers in a wrong bin",
    "expected_total_variation": "its mean from the number of walkers alone",
}


@dataclass(eq=False, repr=False)
class ValidationRecord:
    """Density against walkers at some output times; all quantities are dimensionless.

    Parameters
    ----------
    time : ndarray, shape (n,)
    series : dict
        Arrays of shape (n,) by name; NaN where there is none.
    p_value : float
        Of all times together.
    level : float
        Below which density and walkers are said to differ.
    agrees : bool
        Whether they agree, known errors taken out.
    sentences : tuple of str
        One per time.
    """

    __repr__ = brief
    _repr_html_ = record_html

    time: np.ndarray
    series: dict[str, np.ndarray]
    p_value: float
    level: float
    agrees: bool
    sentences: tuple[str, ...]

    @property
    def last(self) -> dict[str, float]:
        """Numbers of the last time."""
        return {name: float(values[-1]) for name, values in self.series.items()}


def fill_validation(file: h5py.File, record: ValidationRecord) -> None:
    """Write the group ``/validation``, in place of one that is there."""
    if "validation" in file:
        del file["validation"]
    group = file.create_group("validation")
    time = add_times(group, record.time, "time of the comparison")
    for name, values in record.series.items():
        add_variable(group, name, [time], COMPARED[name], data=values)
    set_attributes(
        group,
        {
            "p_value": float(record.p_value),
            "level": float(record.level),
            "sentences": "\n".join(record.sentences),
            LAST: bool(record.agrees),
        },
    )


def read_validation(file: h5py.File) -> ValidationRecord | None:
    """The comparison in a file; None where there is none, or a torn one."""
    group = file.get("validation")
    if group is None or LAST not in group.attrs:
        return None
    return ValidationRecord(
        time=group["time"][...],
        series={name: group[name][...] for name in COMPARED if name in group},
        p_value=float(group.attrs["p_value"]),
        level=float(group.attrs["level"]),
        agrees=bool(group.attrs[LAST]),
        sentences=tuple(str(group.attrs["sentences"]).splitlines()),
    )
