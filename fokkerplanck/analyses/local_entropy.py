"""Local entropy of a case, as a record."""

from __future__ import annotations

import math

import numpy as np

from ..case import Case
from ..errors import CaseError
from ..io import SmoothingRecord
from ..smoothing import local_entropy, minima_table


def smooth(case: Case) -> SmoothingRecord:
    """Local entropy at every gamma, and the table of minima.

    Raises
    ------
    CaseError
        For a gamma or a loss that has none.
    """
    asked, problem, grid = case.smoothing, case.problem, case.grid
    assert asked is not None
    if problem.jumps is not None and asked.beta:
        raise CaseError("asks for Phi~, which needs Gaussian noise; leave it out", "smoothing.beta")
    found = [local_entropy(problem, grid, gamma) for gamma in asked.gamma]
    table = minima_table(problem, grid, found, asked.beta)
    numbers = {"flattest": float(table.flattest)}
    for name, field in (("gamma", "local_entropy"), ("beta", "quasi_potential")):
        crossing = table.crossing(field)
        if math.isfinite(crossing):
            numbers[f"{name}_crossing"] = crossing
    shift = [0.5 * grid.ndim * math.log(2.0 * math.pi / gamma) for gamma in asked.gamma]
    return SmoothingRecord(
        np.array(asked.gamma),
        np.array([one.values + s for one, s in zip(found, shift, strict=True)]),
        table.loss,
        table.flatness,
        table.fields,
        table.knobs,
        table.places,
        table.depths,
        table.counts,
        numbers,
    )
