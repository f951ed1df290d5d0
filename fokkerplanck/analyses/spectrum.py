"""The slowest modes as a case asks for them, as a tree, as numbers and in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..case import Case
from ..grid import Grid
from ..io import SPECTRUM, Arrays
from ..operators.generator import Generator
from ..spectrum.spectrum import Spectrum, spectrum
from ..stationary.stationary import StationaryState
from ..timestepping.system import System
from .context import Coarse, Context, generator_cautions, rest_of_chain
from .text import PageTable, Rows, Solved, measured, number

if TYPE_CHECKING:
    from xarray import DataTree

# Modes that are named one by one.
NAMED_MODES = 4


def compute(context: Context) -> list[str]:
    """What [spectrum] asks for."""
    assert context.case.spectrum is not None
    assert context.chain is not None
    system, rest = context.chain.system, context.chain.rest
    found, notes = spectrum_of(
        system.at(0.0), context.case.spectrum.count, rest_of_chain(system, rest)
    )
    notes += generator_cautions(context.case, "eigenvalues are")
    errors = _errors(context.chain.coarse, found)
    context.record.take("spectrum", spectrum_tree(context.case.grid, found, errors))
    return notes


def _errors(coarse: Coarse, found: Spectrum) -> np.ndarray | None:
    """Estimated errors of the eigenvalues, each by its absolute value."""
    values = found.eigenvalues

    def moved(case: Case, system: System, rest: StationaryState | None) -> np.ndarray:
        generator, known = system.at(0.0), rest_of_chain(system, rest)
        return spectrum(
            generator, values.size, None if known is None else known.log_density
        ).eigenvalues

    return coarse.errors(values, moved)


def spectrum_of(
    generator: Generator, count: int, rest: StationaryState | None
) -> tuple[Spectrum, list[str]]:
    """What [spectrum] asks for, and what to read with care.

    Parameters
    ----------
    generator : Generator
    count : int
        Modes, the zero included.
    rest : StationaryState or None
        Its stationary state, where it is known already.
    """
    found = spectrum(generator, count, None if rest is None else rest.log_density)
    notes = []
    lost = int((np.abs(found.eigenvalues[int(found.closed) :]) < found.floor).sum())
    if lost:
        notes.append(
            f"{lost} eigenvalues of the spectrum are below {found.floor:.1e}, where they are "
            "rounding: the box falls apart into regions that do not exchange probability"
        )
    fastest = float(np.abs(found.imag).max())
    if found.reach < fastest:
        notes.append(
            f"modes of the spectrum that oscillate faster than {found.reach:.3g} may be missing"
        )
    return found, notes


def spectrum_tree(grid: Grid, found: Spectrum, errors: np.ndarray | None = None) -> DataTree:
    """The group ``/spectrum``.

    Parameters
    ----------
    grid : Grid
    found : Spectrum
    errors : ndarray, shape (m,), optional
        Estimated error of each eigenvalue, absolute value.
    """
    arrays: dict[str, Any] = {
        "real": found.real,
        "imag": found.imag,
        "relaxation_time": found.relaxation_times,
        "residual": found.residuals,
        "error_real": errors,
    }
    for name, values in (("modes", found.modes), ("left", found.left)):
        arrays[name] = values.real
        if np.iscomplexobj(values):
            arrays[f"{name}_imag"] = values.imag
    mixing = found.mixing
    return SPECTRUM.build(
        grid,
        arrays,
        {
            "floor": float(found.floor),
            "reach": float(found.reach),
            "mixing_lower": math.nan if mixing is None else float(mixing.lower),
            "mixing_upper": math.nan if mixing is None else float(mixing.upper),
            "contraction": math.nan if mixing is None else float(mixing.contraction),
            "detailed_balance": bool(found.detailed_balance),
            "closed": bool(found.closed),
            "method": found.method,
        },
    )


def gap(found: Arrays) -> float:
    """Slowest rate of decay: of mode 1 in a closed box, else of mode 0; NaN where it is not there.

    Parameters
    ----------
    found : Arrays
        Over the group ``/spectrum``.
    """
    first = int(found.closed)
    return float(-found.real[first]) if len(found.real) > first else math.nan


def spectrum_numbers(found: Arrays) -> dict[str, Any]:
    """Every number by name, arrays over the modes among them."""
    series = {
        "real": found.real,
        "imag": found.imag,
        "residuals": found.residual,
        "relaxation_times": found.relaxation_time,
    }
    return {**series, "gap": gap(found), **found.numbers}


def spectrum_rows(result: Solved, found: Arrays) -> Rows:
    """Rows about the slowest modes and the mixing time."""
    rows: Rows = []
    values, times = found.real + 1j * found.imag, found.relaxation_time
    # Of a pair one tells all.
    shown = [j for j in range(int(found.closed), len(values)) if values[j].imag >= 0.0]
    for j in shown[:NAMED_MODES]:
        error = None if found.error_real is None else float(found.error_real[j])
        if values[j].imag:
            text = f"{values[j].real:.6g} +- {values[j].imag:.6g} i"
            text += "" if error is None else f", error {error:.1g}"
            text += f", frequency {values[j].imag / (2.0 * np.pi):.4g}"
        else:
            text = measured(float(values[j].real), error)
        if abs(values[j]) < found.floor:
            text += " (rounding)"
        else:
            text += f", relaxation time {times[j]:.6g}"
        rows.append((f"eigenvalue {j}", text))
    detail = "" if found.closed else "; mode 0 is no zero but the slowest way to leave"
    rows.append(("spectrum", f"{len(values)} modes, residuals {found.residual.max():.1e}{detail}"))
    if math.isfinite(found.mixing_lower):
        text = f"at least {found.mixing_lower:.4g}"
        if math.isfinite(found.mixing_upper):
            text += f", at most {found.mixing_upper:.4g}"
        rows.append(("mixing time", f"{text} (1/4 in total variation, worst start)"))
    return rows


def spectrum_tables(result: Solved, found: Arrays) -> tuple[PageTable, ...]:
    """The modes one by one."""
    columns = (found.real, found.imag, found.relaxation_time, found.residual)
    rows = tuple(
        (str(j), *(number(values[j]) for values in columns)) for j in range(len(found.real))
    )
    head = ("mode", "Re λ", "Im λ", "relaxation time", "residual")
    return (PageTable("Slowest modes of the generator", head, rows),)
