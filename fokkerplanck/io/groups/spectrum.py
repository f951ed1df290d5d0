"""The spectrum as a record, and its group ``/spectrum`` in a result file."""

from __future__ import annotations

from dataclasses import dataclass

import h5py
import numpy as np

from ..brief import brief
from ..layout import add_axes, add_scale, add_variable, axis_names, set_attributes
from ..notebook import record_html

# Written last: without it the run was killed while it wrote the group.
LAST = "method"
# Numbers beside the modes; attributes of the group in a file, NaN where they do not exist.
_NUMBERS = {
    "floor": "moduli of eigenvalues below it are rounding",
    "reach": "frequency up to which no mode was missed",
    "mixing_lower": "lower bound on the mixing time",
    "mixing_upper": "upper bound on the mixing time",
    "contraction": "rate at which every chi-square distance to rest falls at least",
}


@dataclass(eq=False, repr=False)
class SpectrumRecord:
    """Eigenvalues and modes of the generator by decreasing real part; dimensionless.

    Mode 0 of a closed box is the zero, with the stationary density; with absorbing sides there is
    no zero, and mode 0 is the slowest way to leave.

    Parameters
    ----------
    real, imag : ndarray, shape (m,)
        Of the eigenvalues, per unit time; of a pair the one with positive imaginary part first.
    modes : ndarray, shape (m, n_1, ..., n_d)
        Right modes r, real or complex; sum |r| V = 1.
    left : ndarray, shape (m, n_1, ..., n_d)
        Left modes u; sum u_j r_k V is 1 for j = k, else 0, without a complex conjugate.
    residuals : ndarray, shape (m,)
        |A r - lambda r| / (q |r|).
    detailed_balance, closed : bool
    floor, reach : float
        Moduli below ``floor`` are rounding; up to the frequency ``reach`` no mode was missed.
    mixing_lower, mixing_upper : float
        Bounds on the time until the worst start is within 1/4 of rest in total variation; NaN
        where there are none.
    contraction : float
        Rate at which every chi-square distance to rest falls at least.
    method : str
    error_real : ndarray, shape (m,), optional
        Estimated error of each eigenvalue, absolute value.
    """

    __repr__ = brief
    _repr_html_ = record_html

    real: np.ndarray
    imag: np.ndarray
    modes: np.ndarray
    left: np.ndarray
    residuals: np.ndarray
    detailed_balance: bool
    closed: bool
    floor: float
    reach: float
    mixing_lower: float
    mixing_upper: float
    contraction: float
    method: str
    error_real: np.ndarray | None = None

    @property
    def eigenvalues(self) -> np.ndarray:
        """Complex, shape (m,)."""
        return np.asarray(self.real + 1j * self.imag)

    @property
    def relaxation_times(self) -> np.ndarray:
        """-1/Re lambda, infinite for the zero, shape (m,)."""
        return np.divide(
            -1.0, self.real, out=np.full(len(self.real), np.inf), where=self.real != 0.0
        )

    @property
    def gap(self) -> float:
        """Slowest rate of decay: of mode 1 in a closed box, else of mode 0."""
        first = int(self.closed)
        return float(-self.real[first]) if len(self.real) > first else float("nan")

    def all_numbers(self) -> dict[str, np.ndarray | float]:
        """What ``[expect]`` may name."""
        series = ("real", "imag", "residuals", "relaxation_times")
        scalars = ("gap", *_NUMBERS)
        return {name: getattr(self, name) for name in (*series, *scalars)}


def fill_spectrum(file: h5py.File, record: SpectrumRecord) -> None:
    """Write the group with coordinates of its own, in place of one that is there."""
    if "spectrum" in file:
        del file["spectrum"]
    group = file.create_group("spectrum")
    names = axis_names(file)
    add_axes(group, [(name, file[name][...], file[f"{name}_bounds"][...]) for name in names])
    mode = add_scale(group, "mode", np.arange(len(record.real)), "number of the mode")
    for name, values, long_name in (
        ("real", record.real, "real part of the eigenvalue"),
        ("imag", record.imag, "imaginary part of the eigenvalue"),
        ("relaxation_time", record.relaxation_times, "relaxation time"),
        ("residual", record.residuals, "residual of the mode, relative to the largest rate"),
    ):
        add_variable(group, name, [mode], long_name, data=values)
    if record.error_real is not None:
        text = "estimated error of the eigenvalue, absolute value"
        add_variable(group, "error_real", [mode], text, data=record.error_real)
    scales = [mode, *(group[name] for name in names)]
    for name, values, long_name in (
        ("modes", record.modes, "right mode"),
        ("left", record.left, "left mode"),
    ):
        add_variable(group, name, scales, long_name, data=np.asarray(values.real, np.float64))
        if np.iscomplexobj(values):
            add_variable(
                group, f"{name}_imag", scales, f"{long_name}, imaginary part", data=values.imag
            )
    set_attributes(
        group,
        {
            **{name: float(getattr(record, name)) for name in _NUMBERS},
            "detailed_balance": bool(record.detailed_balance),
            "closed": bool(record.closed),
            LAST: record.method,
        },
    )


def read_spectrum(file: h5py.File) -> SpectrumRecord | None:
    """The spectrum of a file; None where there is none, or a torn one."""
    group = file.get("spectrum")
    if group is None or LAST not in group.attrs:
        return None

    def whole(name: str) -> np.ndarray:
        values: np.ndarray = group[name][...]
        return values + 1j * group[f"{name}_imag"][...] if f"{name}_imag" in group else values

    return SpectrumRecord(
        real=group["real"][...],
        imag=group["imag"][...],
        modes=whole("modes"),
        left=whole("left"),
        residuals=group["residual"][...],
        detailed_balance=bool(group.attrs["detailed_balance"]),
        closed=bool(group.attrs["closed"]),
        **{name: float(group.attrs[name]) for name in _NUMBERS},
        method=str(group.attrs[LAST]),
        error_real=group["error_real"][...] if "error_real" in group else None,
    )
