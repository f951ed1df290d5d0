"""A problem made in Python as the tables of a case file, as far as these can hold it."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from ...grid import Grid
from ...limits import INPUT_BYTES
from ...problem import DataModel, Problem
from ...problem.landscape import Landscape
from ...problem.noise import MINIBATCH
from ..overrides import plain

# The name that the table of a loss of data has among the inputs of a result.
DATA = "data.csv"
# Hexadecimal digits of a fingerprint: two different functions agree in them once in 1e19.
DIGITS = 16
# What stands for functions where the rest of the case is checked.
NO_LOSS: dict[str, Any] = {"formula": "0"}


@dataclass
class Written:
    """A problem on paper.

    Parameters
    ----------
    tables : dict
        Of the case file: parameters, loss, drift, noise, domain. A function stands there by its
        name and a fingerprint of its values at the cell centres at t = 0.
    checked : dict
        The same with formulas in place of functions, for the checks of a case file.
    inputs : dict
        Text of the data, by the name that ``tables`` give it.
    functions : list of str
        Keys of what no case file can hold.
    """

    tables: dict[str, Any] = field(default_factory=dict)
    checked: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    functions: list[str] = field(default_factory=list)

    def put(self, key: str, table: dict[str, Any], stand_in: dict[str, Any] | None = None) -> None:
        """Take a table; with a stand-in it names a function."""
        self.tables[key] = plain(table)
        self.checked[key] = plain(table if stand_in is None else stand_in)


def written(problem: Problem, grid: Grid) -> Written:
    """The tables that say what a problem is, and its grid.

    Raises
    ------
    CaseError
        If a function does not return what it should.
    """
    given = problem.arguments or _derived(problem)
    paper = Written()
    if given["parameters"]:
        paper.put("parameters", dict(given["parameters"]))
    _loss(paper, problem, grid, given)
    if given["drift"] is not None:
        _drift(paper, problem, grid, given["drift"])
    _noise(paper, problem, grid, given)
    axes: dict[str, dict[str, Any]] = {}
    for axis, cells in zip(grid.domain.axes, grid.shape, strict=True):
        axes[axis.name] = {"range": [axis.lower, axis.upper], "cells": cells}
        if axis.boundary != ("reflecting", "reflecting"):
            same = axis.boundary[0] == axis.boundary[1]
            axes[axis.name]["boundary"] = axis.boundary[0] if same else list(axis.boundary)
    paper.put("domain", axes)
    return paper


def name_of(function: Any) -> str:
    """What a function is called."""
    return str(getattr(function, "__name__", type(function).__name__))


def fingerprint(*values: np.ndarray) -> str:
    """A word that is another one for other values."""
    digest = hashlib.sha256()
    for array in values:
        digest.update(np.ascontiguousarray(array).tobytes())
    return f"sha256 {digest.hexdigest()[:DIGITS]}"


def _derived(problem: Problem) -> dict[str, Any]:
    """Arguments of a problem made from another one, which has no formulas of its own to show."""
    name = f"derived from {problem!r}"
    names = ("gradient", "hessian", "div_sigma", "momentum", "alpha", "jumps", "batch_size")
    return {
        **dict.fromkeys(names),
        "loss": _named(problem.loss_at, name) if problem.has_loss else None,
        "drift": _named(problem.drift_at, name) if problem.has_drift else None,
        "sigma": _named(problem.sigma_at, name),
        "parameters": problem.parameters,
        "beta": problem.beta,
        "learning_rate": problem.learning_rate,
        "friction": problem.friction,
        "replacement": True,
    }


def _named(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function by another name."""
    result = partial(function)
    result.__name__ = name  # type: ignore[attr-defined]
    return result


def _loss(paper: Written, problem: Problem, grid: Grid, given: Mapping[str, Any]) -> None:
    loss = given["loss"]
    own = [key for key in ("gradient", "hessian") if given[key] is not None]
    if loss is None and not own:
        return
    table: dict[str, Any]
    if isinstance(loss, DataModel):
        found = _model(loss, paper)
        table = {"function": repr(loss)} if found is None else found
    elif isinstance(loss, Landscape):
        table = {"name": loss.name, **loss.keys}
    elif isinstance(loss, Mapping):
        table = dict(loss)
    elif callable(loss):
        table = {"function": name_of(loss)}
    else:
        table = {"formula": _text("0" if loss is None else loss)}
    if "function" not in table and not own:
        paper.put("loss", table)
        return
    paper.functions += ["loss"] if "function" in table else []
    for key in own:
        table[key] = name_of(given[key])
        paper.functions.append(f"loss.{key}")
    table["values"] = fingerprint(problem.loss_at(grid.points), problem.gradient_at(grid.points))
    paper.put("loss", table, NO_LOSS)


def _model(model: DataModel, paper: Written) -> dict[str, Any] | None:
    """The table of a loss of data, whose numbers go to the inputs; None where it is too large."""
    ones = np.all(model.features[:, -1] == 1.0)
    intercept = bool(ones and model.features.shape[1] > 1)
    columns = model.features[:, :-1] if intercept else model.features
    if model.kind == "tanh_neuron" and columns.shape[1] > 1:
        return None
    names = list(model.names[: columns.shape[1]])
    if model.kind == "tanh_neuron" or len(set(names)) < columns.shape[1]:
        names = [f"feature {k + 1}" for k in range(columns.shape[1])]
    target = "target" if "target" not in names else "the target"
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    table.writerow([*names, target])
    # Python writes a double so that it is read back to the last bit.
    table.writerows(np.column_stack([columns, model.targets]).tolist())
    text = file.getvalue()
    if len(text.encode()) > INPUT_BYTES:
        return None
    paper.inputs[DATA] = text
    found = {"model": model.kind, "data": DATA, "features": names, "target": target}
    return found | {"intercept": intercept} | ({"l2": model.l2} if model.l2 else {})


def _drift(paper: Written, problem: Problem, grid: Grid, drift: Any) -> None:
    if callable(drift):
        paper.functions.append("drift")
        table = {"function": name_of(drift), "values": fingerprint(problem.drift_at(grid.points))}
        free = problem.ndim if problem.friction is None else problem.ndim // 2
        paper.put("drift", table, {"formula": ["0"] * free})
        return
    entries = [drift] if isinstance(drift, str | int | float) else list(drift)
    paper.put("drift", {"formula": [_text(entry) for entry in entries]})


def _noise(paper: Written, problem: Problem, grid: Grid, given: Mapping[str, Any]) -> None:
    names = ("beta", "batch_size", "learning_rate", "momentum", "friction", "alpha", "jumps")
    rest = {name: given[name] for name in names if given[name] is not None}
    if not given["replacement"]:
        rest["replacement"] = False
    if "momentum" in rest and "learning_rate" not in rest:
        # A case file has no learning rate of 1 that goes without saying.
        del rest["momentum"]
        rest |= {"friction": problem.friction, "beta": problem.beta}
    if "beta" not in rest and "batch_size" not in rest:
        rest["beta"] = problem.beta
    sigma = given["sigma"]
    if isinstance(sigma, str) and sigma == MINIBATCH:
        paper.put("noise", {"source": MINIBATCH, **rest})
        return
    if not callable(sigma) and given["div_sigma"] is None:
        paper.put("noise", {"sigma": sigma, **rest})
        return
    values = problem.sigma_at(grid.points), problem.div_sigma_at(grid.points)
    table: dict[str, Any] = {"values": fingerprint(*values)}
    if given["div_sigma"] is not None:
        table["div_sigma"] = name_of(given["div_sigma"])
        paper.functions.append("noise.div_sigma")
    if callable(sigma):
        table = {"function": name_of(sigma), **table}
        paper.functions.append("noise.sigma")
    else:
        table = {"sigma": sigma, **table}
    paper.put("noise", {**table, **rest}, {"sigma": 1.0, **rest})


def _text(value: Any) -> str:
    """A formula; a bare number is one too."""
    return value if isinstance(value, str) else repr(plain(value))
