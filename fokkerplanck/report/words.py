"""What was solved, in words: the settings of a case as terms and sentences."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..analyses.table import ANALYSES
from ..io.result import Result


def equation(settings: Mapping[str, Any]) -> tuple[str, str]:
    """The process and the equation of its density, as lines of text."""
    drifting = bool(settings.get("drift"))
    sloping = bool(settings.get("loss")) or not drifting
    drift = " + ".join(["−∇Φ"] * sloping + ["f"] * drifting)
    if drift == "−∇Φ":
        drift, flow = "−∇Φ", "div(∇Φ ρ)"
    elif sloping:
        drift, flow = f"({drift})", "div((∇Φ − f) ρ)"
    else:
        flow = "−div(f ρ)"
    noise = settings.get("noise", {})
    if isinstance(noise, dict) and noise.get("alpha", 2) != 2:
        return f"dθ = {drift} dt + jumps of index α", f"∂ρ/∂t = {flow} − K (−Δ)^(α/2) ρ"
    return f"dθ = {drift} dt + √(2Σ/β) dW", f"∂ρ/∂t = {flow} + (1/β) div div(Σ ρ)"


def setup(result: Result, settings: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Terms and what stands for them: loss, noise, box, start, evolution, analyses.

    Parameters
    ----------
    result : Result
    settings : mapping
        Of the case, overrides put in; empty where they are not known.
    """
    rows = [
        ("Loss Φ", _force(settings.get("loss"))),
        ("Drift f", _force(settings.get("drift"))),
        ("Noise", _noise(result, settings.get("noise"))),
        *((f"Axis {name}", text) for name, text in _axes(result)),
        ("Start", _flat(settings.get("initial"))),
        ("Evolution", _evolution(result)),
        *_methods(result),
        ("Control", _flat(settings.get("control"))),
        ("Asked for", "; ".join(one.asked for key, one in ANALYSES.items() if key in settings)),
    ]
    return tuple((name, text) for name, text in rows if text)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return "[" + ", ".join(value) + "]"
    return json.dumps(value, ensure_ascii=False, default=str)


def _flat(table: Any) -> str:
    """A table of settings on one line."""
    if not isinstance(table, dict):
        return ""
    if isinstance(table.get("function"), str) and "values" in table:
        # The fingerprint is for machines.
        rest = {key: one for key, one in table.items() if key not in ("function", "values")}
        return ", ".join(part for part in (f"Python: {table['function']}", _flat(rest)) if part)
    return ", ".join(f"{key} = {_shown(value)}" for key, value in table.items())


def _force(table: Any) -> str:
    if isinstance(table, dict) and set(table) == {"formula"}:
        return _shown(table["formula"])
    return _flat(table)


def _noise(result: Result, table: Any) -> str:
    sigma = result.sigma.reshape(*result.sigma.shape[:2], -1)
    if not sigma.size:
        kind = ""
    elif np.ptp(sigma, axis=2).max() == 0.0:
        values = np.linalg.eigvalsh(sigma[..., 0])
        kind = "Σ is the same everywhere"
        if len(values) > 1 and values[0] > 0.0:
            kind += f", condition number {values[-1] / values[0]:.4g}"
    else:
        kind = "Σ varies from place to place"
    # beta follows in any case, also where it comes from batch size and learning rate.
    stated = {k: v for k, v in table.items() if k != "beta"} if isinstance(table, dict) else None
    text = _flat(stated)
    return "; ".join(part for part in (text, f"β = {result.beta:.6g}", kind) if part)


def _axes(result: Result) -> list[tuple[str, str]]:
    return [
        (
            axis.name,
            f"{axis.lower:g} to {axis.upper:g}, {cells} cells of width {axis.length / cells:.4g}, "
            + (axis.boundary[0] if len(set(axis.boundary)) == 1 else " / ".join(axis.boundary)),
        )
        for axis, cells in zip(result.grid.domain.axes, result.shape, strict=True)
    ]


def _evolution(result: Result) -> str:
    if not len(result.time):
        return ""
    return f"{len(result.time)} frames from t = {result.time[0]:g} to t = {result.time[-1]:g}"


def _methods(result: Result) -> list[tuple[str, str]]:
    """Scheme and stepper with the reasons for them."""
    found = []
    for note in result.notes:
        word, _, rest = note.partition(" ")
        if word in ("scheme", "stepper"):
            found.append((word.capitalize(), rest))
    return found
