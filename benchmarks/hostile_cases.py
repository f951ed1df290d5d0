"""Random cases through the Python door: small ones, extreme ones, and nonsense.

Each ends in a result that keeps what is promised, or in one sentence that names its key.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

import fokkerplanck as fp
from fokkerplanck.timestepping.steppers import STEPPERS

from .hostile_child import RESULT, SENTENCE, Outcome, failure, leaks

# Cells along each axis of usual cases, by the number of axes.
CELLS = {1: (5, 60), 2: (5, 18), 3: (4, 8)}
# Of one axis; those of a periodic axis have its period.
LOSSES = (
    *("0", "{a}*x**2", "x**4 - {a}*x**2", "{a}*sin(3*x)", "{a}*abs(x)", "exp({a}*x)"),
    *("{a}*floor(2*x)", "log(1 + x**2)", "{a}*x", "sqrt(abs(x) + 0.1)", "where(x < 0, {a}, x)"),
)
WAVES = ("0", "{a}*sin(x)", "{a}*cos(2*x)", "{a}*x")
MOVING = ("{a}*x**2 + 0.1*t*x", "x**2*(1 + {a}*sin(3*t))")
STEEP = ("x**60", "1/x", "log(x)", "1e300*x**2", "1e-300*x", "exp(exp(x**2))")
SIGMAS = ("{a}", "1 + {b}*x**2", "{b}*exp(-x**2)", "x**2", "abs(x)", "0", "1e-12", "1 + {b}*sin(t)")
SIDES = ("reflecting", "absorbing", "periodic", ["absorbing", "reflecting"])
CLOSED = ("reflecting", "reflecting", "periodic")
# At the default rtol they take a minute and more.
LOW_ORDER = ("implicit", "extrapolated", "split", "explicit")
# Where numbers are asked for.
EXTREMES = (0, -1, 1e-300, 1e-12, 1e12, 1e300, float("nan"), float("inf"), 2**80)
NONSENSE: tuple[Any, ...] = (
    None,
    True,
    "",
    "x",
    "1/0",
    "nan",
    [],
    [1],
    {},
    {"a": 1},
    object(),
    b"x",
    1j,
    np.nan,
)
# Shares of the cases: of those with an extreme number, a nonsensical value, a steep loss.
EXTREME, WRONG, WILD = 0.2, 0.2, 0.1
# Rounding, summed over the steps of a frame.
ROUNDING = 1e-10
SECTIONS = ("stationary", "spectrum", "passage", "ensemble", "smoothing", "discrete", "control")
NEED_CLOSED = ("stationary", "spectrum", "control")


def draw(rng: np.random.Generator) -> dict[str, Any]:
    """Arguments of ``Problem`` and ``make_case``, by their keys."""
    ndim = int(rng.choice([1, 1, 2, 2, 3]))
    names = "xyz"[:ndim]
    low, high = CELLS[ndim]
    section = _choice(rng, SECTIONS) if rng.random() < 0.6 else ""
    sides = [_choice(rng, CLOSED if section in NEED_CLOSED else SIDES) for _ in names]
    moving = not section and rng.random() < 0.2
    case: dict[str, Any] = {
        "loss": " + ".join(map(partial(_loss, rng, moving), names, sides)),
        "sigma": _sigma(rng, names, sides, moving),
        "beta": _log_uniform(rng, 0.05, 50.0),
        "domain": {
            name: {"range": _range(rng, side), "boundary": side}
            for name, side in zip(names, sides, strict=True)
        },
        "cells": [int(rng.integers(low, high + 1)) for _ in names],
        "density": {
            "end": _log_uniform(rng, 1e-3, 5.0),
            "frames": int(rng.integers(2, 7)),
            "scheme": _choice(rng, ("auto", "scharfetter-gummel", "high-order")),
        },
        "initial": _start(rng, names, all(side in CLOSED for side in sides)),
    }
    if rng.random() < 0.4:
        case["drift"] = [_choice(rng, ("0.5", f"sin({name})", "0")) for name in names]
    if rng.random() < 0.5:
        case["density"]["scheme"] = "scharfetter-gummel"
        case["density"]["stepper"] = _choice(rng, ("auto", *STEPPERS))
        if case["density"]["stepper"] in LOW_ORDER:
            case["density"]["rtol"] = 1e-3
    if rng.random() < 0.15 and not section:
        case |= {"alpha": float(rng.uniform(0.8, 2.0)), "sigma": _log_uniform(rng, 0.1, 2.0)}
    elif rng.random() < 0.2 and ndim == 2 and not section:
        case |= {"friction": _log_uniform(rng, 0.1, 3.0), "sigma": _log_uniform(rng, 0.1, 2.0)}
        case |= {"loss": _loss(rng, moving, "x", sides[0])}
        case.pop("drift", None)
    if section:
        case[section] = _section(rng, section, all(side in CLOSED for side in sides))
    _spoil(rng, case)
    return case


def _spoil(rng: np.random.Generator, case: dict[str, Any]) -> None:
    if rng.random() < WILD:
        case["loss"] = _choice(rng, STEEP)
    kind = rng.random()
    if kind < EXTREME:
        key = _choice(rng, ("beta", "end", "std", "frames", "cells", "range", "rtol", "sigma"))
        _put(case, key, _choice(rng, EXTREMES))
    elif kind < EXTREME + WRONG:
        key = _choice(rng, [*case, "end", "std", "frames", "rtol", "range", "scheme"])
        _put(case, key, _choice(rng, NONSENSE))


def _put(case: dict[str, Any], key: str, value: Any) -> None:
    """A value in the place of its key; the first axis stands for all."""
    if key in ("end", "frames", "rtol", "scheme"):
        case["density"][key] = value
    elif key == "std":
        case["initial"] = {"kind": "gaussian", "mean": [0.1] * len(case["domain"]), "std": value}
    elif key == "range":
        case["domain"]["x"] = {"range": [-1.0, value], "boundary": "reflecting"}
    elif key == "cells" and isinstance(value, float):
        case["cells"][0] = int(value) if np.isfinite(value) else value
    else:
        case[key] = value


def _choice(rng: np.random.Generator, values: Any) -> Any:
    return values[int(rng.integers(len(values)))]


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _range(rng: np.random.Generator, side: Any) -> list[Any]:
    if side == "periodic":
        return [-math.pi, math.pi]
    return [-float(rng.uniform(0.5, 3.0)), float(rng.uniform(0.5, 3.0))]


def _loss(rng: np.random.Generator, moving: bool, name: str, side: Any) -> str:
    return _formula(rng, WAVES if side == "periodic" else LOSSES + MOVING * moving, name)


def _formula(rng: np.random.Generator, formulas: Sequence[str], name: str) -> str:
    text: str = _choice(rng, formulas)
    text = text.replace("exp", "EXP").replace("x", name).replace("EXP", "exp")
    return text.format(a=round(rng.uniform(0.1, 2.0), 3), b=round(rng.uniform(0.1, 0.9), 3))


def _sigma(rng: np.random.Generator, names: str, sides: Sequence[Any], moving: bool) -> Any:
    kind = _choice(rng, ("number", "diagonal", "full", "full", "formulas"))
    if kind == "number":
        return _log_uniform(rng, 1e-3, 10.0)
    if kind == "diagonal":
        return [_log_uniform(rng, 1e-4, 10.0) for _ in names]
    if kind == "full" or "periodic" in sides:
        square = rng.normal(size=(len(names), int(rng.integers(1, len(names) + 1))))
        return (square @ square.T).tolist()
    return [_formula(rng, SIGMAS if moving else SIGMAS[:-1], name) for name in names]


def _start(rng: np.random.Generator, names: str, closed: bool) -> dict[str, Any]:
    inside = [float(rng.uniform(-0.4, 0.4)) for _ in names]
    start: dict[str, Any] = _choice(
        rng,
        (
            {"kind": "uniform"},
            {"kind": "gaussian", "mean": inside, "std": _log_uniform(rng, 0.01, 1.0)},
            {"kind": "point", "at": inside},
            {"kind": "formula", "formula": "exp(-x**2)*where(x > 0, 1, 0.1)"},
            {"kind": "stationary" if closed else "uniform"},
        ),
    )
    return start


def _section(rng: np.random.Generator, name: str, closed: bool) -> dict[str, Any]:
    choices: dict[str, dict[str, Any]] = {
        "stationary": {},
        "spectrum": {"count": int(rng.integers(1, 8))},
        "passage": _choice(
            rng, ({"target": "x > 0.3"}, {"escape": True} if closed else {"target": "boundary"})
        ),
        "ensemble": {"particles": 500, "step": 0.02, "trajectories": 3},
        "smoothing": {"gamma": [_log_uniform(rng, 0.1, 100.0)]},
        "discrete": {"steps": int(rng.integers(1, 20)), "frames": 3, "modes": 2},
        "control": {
            "intervals": 3,
            "iterations": 5,
            "schedule": _choice(rng, ("optimal", "cosine")),
        },
    }
    return choices[name]


PROBLEM = ("loss", "sigma", "beta", "domain", "drift", "alpha", "friction")


def attempt(task: dict[str, int]) -> Outcome:
    """Solve a case by its number; in a child."""
    case = draw(np.random.default_rng([task["seed"], task["number"]]))
    told = case.pop("cells")
    problem = {name: case.pop(name) for name in PROBLEM if name in case}
    if isinstance(problem.get("alpha"), float):
        problem["learning_rate"] = 0.1
    if "discrete" in case:
        problem["learning_rate"] = 0.1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = fp.run(fp.make_case(fp.Problem(**problem), told, **case))
        except (fp.CaseError, fp.NumericalFailure) as error:
            return _sentence(error)
    leaked = leaks(caught)
    if leaked:
        return failure("warning", leaked[0])
    wrong = _wrong(result)
    return failure("wrong", wrong) if wrong else Outcome(RESULT, "result")


def _sentence(error: Exception) -> Outcome:
    text = str(error)
    if "\n" in text or not text:
        return failure("traceback", f"not one line: {text!r}")
    if isinstance(error, fp.CaseError) and not error.key and "cells" not in text:
        return failure("wrong", f"no key is named: {text}")
    return Outcome(SENTENCE, type(error).__name__, text)


def _wrong(result: fp.Result) -> str:
    """The first promise that a result does not keep."""
    kept = result.density[result.kept_frames]
    if not (np.isfinite(kept).all() and kept.min(initial=0.0) >= 0.0):
        return f"density {kept.min():g} to {kept.max():g}"
    words = " ".join(note.split(":")[0] for note in result.notes)
    closed = "absorbing" not in str(result.attrs["boundaries"])
    mass = result.mass
    if closed and "alpha" not in result.case_toml and np.abs(mass - 1.0).max() > ROUNDING:
        return f"mass {mass.min():.15g} to {mass.max():.15g} in a closed box"
    if mass.max() > 1.0 + ROUNDING or (np.diff(mass) > ROUNDING).any():
        return f"mass {mass} rises"
    stepper = words.split("stepper ")[-1].split()[0] if "stepper " in words else ""
    known = STEPPERS.get(stepper)
    if (
        closed
        and known is not None
        and known.entropy_decaying
        and "free_energy" in result.observables
    ):
        falls = result.kl_to_stationary
        if (np.diff(falls) > 1e-9 * (1.0 + np.abs(falls[:-1]))).any():
            return f"relative entropy {falls} rises"
    return ""
