"""What was found in stationary states and ensembles, in rows of the closing table."""

from __future__ import annotations

import numpy as np

from ..analyses.text import by_axis
from ..io import (
    ValidationRecord,
)
from ..io.result import Result
from ..validation import dependent


def walker_rows(result: Result) -> list[tuple[str, str]]:
    """Rows about the ensemble and its comparison with the density."""
    rows = []
    walkers, comparison = result.ensemble, result.validation
    if walkers is not None:
        text = f"{walkers.particles:,} by {walkers.method}, step {walkers.step:.4g}"
        gone = int(walkers.absorbed[-1].sum())
        text += f", {gone:,} absorbed" if gone else ""
        rows.append(("walkers", text))
        # Of independent walkers; those that are gone are in no mean.
        left = max(int(walkers.particles - gone - walkers.lost[-1]), 1)
        errors = np.sqrt(np.diagonal(walkers.covariance[-1]) / left)
        text = f"{by_axis(result.names, walkers.mean[-1], errors)} at t = {walkers.time[-1]:g}"
        rows.append(("mean of the walkers", f"{text} (standard errors)"))
    if comparison is not None:
        rows.append(("validation", _verdict(comparison)))
        rows += [
            (f"  t = {time:.4g}", sentence)
            for time, sentence in zip(comparison.time, comparison.sentences, strict=True)
        ]
    return rows


def _verdict(comparison: ValidationRecord) -> str:
    """One of three: agreement, a difference that the budget explains, or one that it does not."""
    found = f"p = {comparison.p_value:.2g}, level {comparison.level:g}"
    if comparison.p_value >= comparison.level:
        return f"walkers and density agree ({found})"
    remaining = dependent(list(comparison.series["remaining_p_value"]))
    if comparison.agrees:
        return (
            f"explained: walkers and density differ ({found}), but agree once what is measured "
            f"below is taken out (p = {remaining:.2g})"
        )
    return (
        f"UNEXPLAINED: walkers and density differ ({found}), and not by what is measured below "
        f"(without it p = {remaining:.2g}); exit status 1"
    )
