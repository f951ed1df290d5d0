"""Figures of schedules with their costs and of local entropy with its minima."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fokkerplanck import load_case, run
from fokkerplanck.figures import draw
from fokkerplanck.figures.local_entropy import local_entropy_figures
from fokkerplanck.figures.schedules import schedules_figures
from fokkerplanck.io import CONTROL, SMOOTHING
from fokkerplanck.io.result import Result
from fokkerplanck.problem import Problem
from fokkerplanck.smoothing import local_entropy, minima_table

pytestmark = pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")


def small(name: str, **changes: Any) -> Result:
    return run(load_case(name, {"expect": {}, **changes}))


def steered(costs: list[float], hjb: float) -> Result:
    result = small("schedule_quadratic", **{
        "domain.theta.cells": 64, "density.frames": 3, "control.schedule": 0.5,
        "control.feedback": False,
    })  # fmt: skip
    names = ("optimal", "constant", "cosine")
    values = np.array([[1.0, 0.2], [1.0, 1.0], [0.8, 0.3]])
    arrays = {"edges": [0.0, 3.0, 6.0], "interval": [1.5, 4.5]}
    arrays |= {"policy": names, "values": values, "costs": costs}
    attributes = {"of": "learning-rate", "hjb": hjb}
    result.analyses["control"] = CONTROL.build(result.grid, arrays, attributes)
    return result


def test_costs_are_bars_in_order() -> None:
    for costs, hjb in (([0.02, 0.5, 0.1], 1e-3), ([-0.1, 0.2, 0.1], -0.3)):
        figure = schedules_figures(steered(costs, hjb))["schedules"]
        left, right = figure.axes
        ends = [bar.get_x() + bar.get_width() for bar in right.patches]
        np.testing.assert_allclose(ends, sorted([*costs, hjb], reverse=True), rtol=1e-12)
        # Every bar is seen, also that of the least cost, and its number has room.
        assert min(bar.get_width() for bar in right.patches) > 0.0
        assert right.get_xlim()[1] > max(ends)
        assert right.get_yticklabels()[0].get_text() == "constant"
        assert right.get_xscale() == ("log" if hjb > 0.0 else "linear")
        assert len(left.patches) == 3
    assert schedules_figures(small("quadratic", **{
        "domain.x.cells": 16, "domain.y.cells": 16, "density.frames": 3, "density.end": 0.1,
        "ensemble.particles": 100, "validation.budget": False,
    })) == {}  # fmt: skip


def test_curves_and_minima_of_local_entropy(tmp_path: Path) -> None:
    result = small("local_entropy_sharp_flat", **{
        "domain.x.cells": 160, "smoothing.gamma": [0.5, 30.0, 1000.0], "smoothing.beta": [],
    })  # fmt: skip
    figure = local_entropy_figures(result)["local_entropy"]
    left, right = figure.axes
    words = [text.get_text() for text in left.get_legend().get_texts()]
    assert len(words) == 5
    markers = [line for line in left.lines if line.get_marker() == "o"]
    counts = [len(line.get_xdata()) for line in markers]
    assert counts == [2, 0, 1, 2, 2]
    curves = [line for line in right.lines if line.get_marker() == "o"]
    assert len(curves) == 2
    assert right.get_xscale() == "log"
    assert [p.name for p in draw(result, tmp_path, ["local_entropy"])] == ["local_entropy.png"]


def test_maps_of_local_entropy_in_two_dimensions() -> None:
    problem = Problem(
        loss="0.5*(x**2 - 1)**2 + 0.2*x + y**2", domain={"x": (-2, 2), "y": (-1.5, 1.5)}
    )
    grid = problem.grid((40, 32))
    found = [local_entropy(problem, grid, gamma) for gamma in (3.0, 100.0)]
    table = minima_table(problem, grid, found)
    result = small("schedule_double_well", **{
        "domain.x": {"range": [-2, 2], "cells": 40},
        "domain.y": {"range": [-1.5, 1.5], "cells": 32},
        "density.frames": 2, "density.end": 0.1, "control.schedule": 1.0, "control.intervals": 1,
        "ensemble.particles": 100, "control.feedback": True,
    })  # fmt: skip
    assert set(schedules_figures(result)) == {"schedules", "feedback"}
    result.loss = problem.loss_at(grid.points)
    arrays = {
        "gamma": [3.0, 100.0], "local_entropy": [one.values for one in found],
        "loss_minima": table.loss, "flatness": table.flatness, "field": table.fields,
        "knob": table.knobs, "places": table.places, "depths": table.depths,
        "counts": table.counts,
    }  # fmt: skip
    result.analyses["smoothing"] = SMOOTHING.build(result.grid, arrays, {"flattest": 0.0})
    figures = local_entropy_figures(result)
    assert set(figures) == {"local_entropy", "local_entropy_depths"}
    assert len(figures["local_entropy"].axes) == 3
    assert len(figures["local_entropy"].axes[0].lines[0].get_xdata()) == 2
