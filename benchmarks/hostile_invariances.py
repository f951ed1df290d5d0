"""What must not matter: a frame in between, an axis turned round, the units, a constant.

A random problem is solved twice, the second time in other words; both densities must agree.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import fokkerplanck as fp

from .hostile_child import RESULT, SENTENCE, Outcome, failure, leaks

NAMES = "xyz"
CELLS = {1: (16, 60), 2: (8, 20), 3: (6, 8)}
SIDES = ("reflecting", "reflecting", "absorbing", ("absorbing", "reflecting"))
# A stepper and the rtol at which it is affordable; the first two are exact in time.
STEPPERS = (
    *(("uniformization", 1e-6), ("krylov", 1e-6), ("auto", 1e-6), ("auto", 1e-4)),
    *(("extrapolated", 1e-5), ("implicit", 1e-3), ("split", 1e-4), ("explicit", 1e-5)),
)
EXACT = ("uniformization", "krylov")
# Where coefficients depend on t; others take many small steps.
MOVING = (("auto", 1e-4), ("magnus", 1e-4))
# L1 distance of two densities: rounding where time is exact, else some times the rtol of the runs.
ROUNDING, TIMES_RTOL = 1e-9, 10.0


@dataclass(frozen=True)
class Setting:
    """A problem with its place: x' = turn x + shift, t' = clock t; ``turn`` has one entry a row."""

    loss: str
    drift: tuple[str, ...]
    sigma: tuple[tuple[str, ...], ...]
    beta: float
    ranges: np.ndarray
    sides: tuple[Any, ...]
    cells: tuple[int, ...]
    mean: np.ndarray
    std: np.ndarray
    end: float
    density: dict[str, Any]
    turn: np.ndarray
    shift: np.ndarray
    clock: float = 1.0
    constant: float = 0.0
    frames: tuple[float, ...] = field(default=())


def draw(rng: np.random.Generator) -> Setting:
    """A random problem, as it stands."""
    ndim = int(rng.choice([1, 2, 2, 3]))
    axes = range(ndim)
    moving = rng.random() < 0.3
    wave = f"*(1 + 0.5*sin({rng.uniform(1, 9):.3f}*t))" if moving else ""

    def number(low: float, high: float) -> str:
        return f"{rng.uniform(low, high):.4f}"

    def other() -> str:
        return f"X{int(rng.integers(ndim))}"

    loss = " + ".join(
        f"{number(0.2, 1.5)}*X{i}**2 + {number(-1, 1)}*sin({number(0.5, 2)}*X{i} + {other()})"
        for i in axes
    )
    drift = tuple(f"{number(-1, 1)}*cos({other()} + {number(0, 6)}){wave}" for _ in axes)
    square = rng.normal(size=(ndim, ndim)) * 0.4
    tensor = square @ square.T + 0.1 * np.eye(ndim)
    factor = rng.choice(["1", f"(1 + 0.4*sin({other()}))"])
    low, high = CELLS[ndim]
    table = MOVING if moving else STEPPERS
    stepper, rtol = table[int(rng.integers(len(table)))]
    scheme = str(rng.choice(["scharfetter-gummel", "high-order", "auto"], p=[0.6, 0.2, 0.2]))
    settings = {"scheme": scheme, "rtol": rtol}
    if scheme == "scharfetter-gummel":
        settings["stepper"] = stepper
    return Setting(
        loss,
        drift,
        tuple(tuple(f"{entry:.6f}*{factor}" for entry in row) for row in tensor),
        float(rng.uniform(0.5, 8.0)),
        np.stack([-rng.uniform(1.0, 2.5, ndim), rng.uniform(1.0, 2.5, ndim)], 1),
        tuple(SIDES[int(rng.integers(len(SIDES)))] for _ in axes),
        tuple(int(rng.integers(low, high + 1)) for _ in axes),
        rng.uniform(-0.5, 0.5, ndim),
        rng.uniform(0.2, 0.6, ndim),
        float(rng.uniform(0.05, 1.0)),
        settings,
        np.eye(ndim),
        np.zeros(ndim),
    )


def solve(setting: Setting, start: Any = None) -> fp.Result:
    """The run of a problem in the words that a setting takes."""
    turn = setting.turn
    back = np.linalg.inv(turn)
    ndim = len(turn)
    order = np.abs(turn).argmax(1)
    size = np.abs(turn).max()
    box, words = {}, {}
    for i, source in enumerate(order):
        ends = sorted(turn[i, source] * setting.ranges[source] + setting.shift[i])
        side = setting.sides[source]
        sides = (side, side) if isinstance(side, str) else side
        box[NAMES[i]] = {
            "range": [float(end) for end in ends],
            "boundary": list(sides[::-1] if turn[i, source] < 0.0 else sides),
        }
        words[source] = f"({float(back[source, i])!r}*({NAMES[i]} - ({float(setting.shift[i])!r})))"
    per_time = 1.0 / setting.clock

    def told(text: str, scale: float) -> str:
        for i in range(ndim):
            text = text.replace(f"X{i}", words[i])
        return f"{scale * per_time!r}*({text.replace('*t)', f'*(t*{per_time!r}))')})"

    problem = fp.Problem(
        f"{told(setting.loss, float(size**2))} + {setting.constant!r}",
        [
            [told(setting.sigma[a][b], float(turn[i, a] * turn[j, b])) for j, b in enumerate(order)]
            for i, a in enumerate(order)
        ],
        setting.beta,
        box,
        drift=[told(setting.drift[a], float(turn[i, a])) for i, a in enumerate(order)],
    )
    mean = (turn @ setting.mean + setting.shift).tolist()
    std = (np.abs(turn) @ setting.std).tolist()
    times = [0.0, *setting.frames, setting.end * setting.clock]
    case = fp.make_case(
        problem,
        [setting.cells[a] for a in order],
        initial={"kind": "gaussian", "mean": mean, "std": std} if start is None else start,
        density={**setting.density, "times": times},
        output={"errors": False},
    )
    return fp.run(case)


def _frame(rng: np.random.Generator, one: Setting) -> np.ndarray:
    inside = sorted(float(part) for part in rng.uniform(0.1, 0.9, int(rng.integers(1, 4))))
    return solve(replace(one, frames=tuple(part * one.end for part in inside))).density[-1]


def _split(rng: np.random.Generator, one: Setting) -> np.ndarray:
    if "*t)" in "".join(one.drift):
        # The second half would start its clock again.
        return _frame(rng, one)
    first = float(rng.uniform(0.2, 0.8)) * one.end
    half = solve(replace(one, end=first))
    # What was absorbed is no part of the start, which is normalised.
    mass = half.density[-1].sum() * half.cell_volume
    rest = solve(replace(one, end=one.end - first), half.density[-1])
    return np.asarray(rest.density[-1] * mass)


def _mirrored(rng: np.random.Generator, one: Setting) -> np.ndarray:
    signs = rng.choice([-1.0, 1.0], len(one.turn))
    signs[int(rng.integers(len(signs)))] = -1.0
    found = solve(replace(one, turn=np.diag(signs))).density[-1]
    return np.asarray(np.flip(found, tuple(np.flatnonzero(signs < 0.0))))


def _permuted(rng: np.random.Generator, one: Setting) -> np.ndarray:
    order = np.roll(rng.permutation(len(one.turn)), 1)
    found = solve(replace(one, turn=np.eye(len(order))[order])).density[-1]
    return np.asarray(found.transpose(np.argsort(order)))


def _scaled(rng: np.random.Generator, one: Setting) -> np.ndarray:
    size = float(10.0 ** rng.uniform(-4.0, 4.0))
    found = solve(replace(one, turn=size * one.turn)).density[-1]
    return np.asarray(found * size ** len(one.turn))


def _shifted(rng: np.random.Generator, one: Setting) -> np.ndarray:
    return solve(replace(one, shift=rng.uniform(-30.0, 30.0, len(one.turn)))).density[-1]


def _clocked(rng: np.random.Generator, one: Setting) -> np.ndarray:
    return solve(replace(one, clock=float(10.0 ** rng.uniform(-5.0, 5.0)))).density[-1]


def _lifted(rng: np.random.Generator, one: Setting) -> np.ndarray:
    return solve(replace(one, constant=float(rng.uniform(-1e3, 1e3)))).density[-1]


KINDS: dict[str, Callable[[np.random.Generator, Setting], np.ndarray]] = {
    "a frame in between": _frame,
    "two halves": _split,
    "mirrored axes": _mirrored,
    "permuted axes": _permuted,
    "scale": _scaled,
    "shift": _shifted,
    "unit of time": _clocked,
    "a constant in the loss": _lifted,
}


def bound(setting: Setting, one: fp.Result) -> float:
    """L1 distance that another run of a setting may have from this one.

    Where the limiter of the scheme high-order is at work, as a caution says, its effect depends
    on where steps begin, and what it takes away bounds that.
    """
    if setting.density.get("stepper") in EXACT and "*t)" not in "".join(setting.drift):
        return ROUNDING
    limited = float(one.limited_flux.max()) if "limited_flux" in one.observables else 0.0
    return max(TIMES_RTOL * float(setting.density["rtol"]), limited)


def attempt(task: dict[str, int]) -> Outcome:
    """Solve a problem twice, by its number; in a child."""
    rng = np.random.default_rng([task["seed"], 1, task["number"]])
    name = list(KINDS)[task["number"] % len(KINDS)]
    setting = draw(rng)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            one = solve(setting)
            other = KINDS[name](rng, setting)
        except (fp.CaseError, fp.NumericalFailure) as error:
            return Outcome(SENTENCE, name, str(error))
    leaked = leaks(caught)
    if leaked:
        return failure("warning", leaked[0])
    distance = float(np.abs(one.density[-1] - other).sum() * one.cell_volume)
    allowed = bound(setting, one)
    if not distance <= allowed:
        words = f"{setting.density}, {len(setting.turn)} axes"
        return failure("wrong", f"{name}: L1 {distance:.1e}, allowed {allowed:.0e}; {words}")
    return Outcome(RESULT, name)
