"""The closing table of a run: what it found, with errors, cautions and verdicts."""

from __future__ import annotations

import numpy as np

from ..analyses.table import rows_of
from ..analyses.text import by_axis, measured
from ..case import Case
from ..io.result import Result
from .numbers import free_energy_increase, judged, mass_drift
from .table import table

# Analyses in the order of their rows.
PARTS = (
    *("stationary", "control", "smoothing", "spectrum", "passage", "ensemble", "validation"),
    "discrete",
)
# Means below this share of an axis are zero but for rounding.
ROUNDING = 1e-13
# Rises of the naive free energy below this share of its range are the grid's error.
NAIVE_RISE = 1e-3


def summary(case: Case, result: Result) -> str:
    """The closing table: what was kept, how far the density got, where the time went.

    Examples
    --------
    >>> import fokkerplanck as fp
    >>> problem = fp.Problem("x**2/2", beta=2.0, domain={"x": (-6, 6)})
    >>> case = fp.make_case(problem, 64, name="well", density={"end": 1.0, "frames": 3})
    >>> table = fp.summary(case, fp.run(case))
    >>> for line in table.splitlines()[:2]:
    ...     print(line)
    case              well: 64 cells, beta = 2
    frames            3 up to t = 1
    """
    cells = " x ".join(str(n) for n in result.shape)
    rows = [("case", f"{case.name}: {cells} cells, beta = {result.beta:g}")]
    rows += evolution_rows(result)
    for name in PARTS:
        rows += rows_of(name, result)
    rows += [("NOT COMPUTED", f"[{key}]: {why}") for key, why in result.failed.items()]
    for note in result.notes:
        word, _, rest_of_note = note.partition(" ")
        told = word in ("scheme", "stepper", "error")
        rows.append((word, rest_of_note) if told else ("caution", note))
    if "limited" in result.observables and len(result.time) > 1:
        faces, flux = result.limited[-1], result.limited_flux[-1]
        rows.append(
            (
                "limiter",
                f"at the end {flux:.1e} of the flux corrections, on {faces:.0%} of the faces",
            )
        )
    for one in judged(case.expect, result):
        verdict = f"MISSED, {one.reason}" if one.reason else "met"
        rows.append(("expected", f"{one.name}: {verdict}"))
    spent = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in result.timings.items())
    if spent:
        rows.append(("wall time", spent))
    return table(rows)


def _mass_row(result: Result) -> tuple[str, str]:
    if "absorbing" in str(result.attrs.get("boundaries", "")):
        return "mass left", f"{result.mass[-1]:.8g} of {result.mass[0]:.8g}"
    return "mass drift", f"{mass_drift(result):.1e}"


def evolution_rows(result: Result) -> list[tuple[str, str]]:
    """Rows (what, finding) about the frames; none of them where there is no frame."""
    if not len(result.time):
        return []
    at = f"t = {result.time[-1]:g}"
    rows = [
        ("frames", f"{len(result.time)} up to {at}"),
        _mass_row(result),
        ("minimum", f"{np.min(result.minimum):.1e}"),
    ]
    if "error" in result.observables:
        rows.append(("estimated error", f"{_error_text(result)} of the density (L1)"))
    if "free_energy" in result.observables:
        rise = free_energy_increase(result)
        fell = "fell throughout" if rise <= 1e-12 else f"ROSE by {rise:.1e} of its size"
        start, end, begin = result.free_energy[0], result.free_energy[-1], result.time[0]
        rows += [
            ("free energy", f"{start:.6g} at t = {begin:g}, {end:.6g} at {at}, {fell}"),
            ("KL to stationary", f"{result.kl_to_stationary[-1]:.3e} at {at}"),
        ]
        rows += _naive_row(result)
    lengths = np.array([axis.length for axis in result.grid.domain.axes])
    mean = np.where(np.abs(result.mean[-1]) < ROUNDING * lengths, 0.0, result.mean[-1])
    errors = result.observables.get("error_mean")
    known = None if errors is None else errors[-1]
    rows.append(("mean", f"{by_axis(result.names, mean, known)} at {at}"))
    rows.append(("expected loss", f"{measured(result.expected_loss[-1])} at {at}"))
    return rows


def _error_text(result: Result) -> str:
    """The error of the last frame, and the largest one where it is notably larger."""
    error = result.observables["error"]
    if not np.isfinite(error[-1]):
        return "not known"
    text = f"{error[-1]:.1e} at t = {result.time[-1]:g}"
    worst = int(np.nanargmax(error))
    if error[worst] > 2.0 * error[-1]:
        text += f", at most {error[worst]:.1e} (at t = {result.time[worst]:.4g})"
    return text


def _naive_row(result: Result) -> list[tuple[str, str]]:
    """Whether the free energy with Phi in place of Phi~ rises on the way."""
    if "naive_free_energy" not in result.observables:
        return []
    rise = result.naive_free_energy[-1] - result.naive_free_energy.min()
    if rise <= NAIVE_RISE * np.ptp(result.naive_free_energy):
        return []
    return [("  with Phi for Phi~", f"rises by {rise:.3g}: SGD does not minimise Phi")]
