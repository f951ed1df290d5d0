"""Local entropy of a case and the minima it leaves, as a tree and in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..case import Case
from ..errors import CaseError
from ..io import SMOOTHING, Arrays
from ..smoothing import local_entropy, minima_table
from .text import Rows, Solved, place

if TYPE_CHECKING:
    from xarray import DataTree

_WORDS = {"loss": "Phi", "quasi_potential": "Phi~", "local_entropy": "Phi_ent"}


def smooth(case: Case) -> DataTree:
    """Local entropy at every gamma, and the table of minima: the group ``/smoothing``.

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
    numbers: dict[str, Any] = {"flattest": float(table.flattest), "complete": 1}
    for name, field in (("gamma", "local_entropy"), ("beta", "quasi_potential")):
        crossing = table.crossing(field)
        if math.isfinite(crossing):
            numbers[f"{name}_crossing"] = crossing
    shift = [0.5 * grid.ndim * math.log(2.0 * math.pi / gamma) for gamma in asked.gamma]
    arrays: dict[str, Any] = {
        "gamma": asked.gamma,
        "local_entropy": [one.values + s for one, s in zip(found, shift, strict=True)],
    }
    if table.flatness.size:
        arrays |= {
            "field": table.fields,
            "loss_minima": table.loss,
            "flatness": table.flatness,
            "knob": table.knobs,
            "places": table.places,
            "depths": table.depths,
            "counts": table.counts,
        }
    return SMOOTHING.build(grid, arrays, numbers)


def smoothing_numbers(found: Arrays) -> dict[str, Any]:
    """The flattest minimum, and the gamma and beta at which another one becomes the deepest."""
    return dict(found.numbers)


def smoothing_rows(result: Solved, found: Arrays) -> Rows:
    """Rows about what smoothing and noise make of the minima of the loss."""
    rows: Rows = []
    # Without a minimum of Phi there is no table.
    for k, name in enumerate(() if found.field is None else found.field):
        head = f"minima of {_WORDS[name]}"
        if name != "loss":
            head += f", {'gamma' if name == 'local_entropy' else 'beta'} = {found.knob[k]:g}"
        count, depths = int(found.counts[k]), found.depths[k]
        alive = np.flatnonzero(~np.isnan(depths))
        if not alive.size:
            rows.append((head, f"{count}, none of them near one of Phi"))
            continue
        best = int(alive[np.argmin(depths[alive])])
        flat = best == int(found.flatness.argmin()) and found.flatness.size > 1
        text = f"{count}, deepest {place(result.names, found.places[k, best])}"
        text += ", the flattest of Phi" if flat else ""
        if alive.size > 1:
            second = float(np.sort(depths[alive])[1])
            text += f", by {second:.4g}"
        rows.append((head, text))
    for knob, what in (("gamma", "Phi_ent"), ("beta", "Phi~")):
        crossing = getattr(found, f"{knob}_crossing")
        if crossing is not None:
            rows.append((f"{what} changes its mind", f"at {knob} = {crossing:.4g}"))
    return rows
