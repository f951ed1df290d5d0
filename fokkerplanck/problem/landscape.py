"""Named loss landscapes, each a formula with its own keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..errors import CaseError
from .expressions.formula import number
from .expressions.names import nearest

# Coefficients of Mueller and Brown, Theor. Chim. Acta 53, 75 (1979), table 1:
# A, a, b, c, x0, y0 of the four terms A exp(a dx^2 + b dx dy + c dy^2).
MUELLER_BROWN_TERMS = (
    (-200.0, -1.0, 0.0, -10.0, 1.0, 0.0),
    (-100.0, -1.0, 0.0, -10.0, 0.0, 0.5),
    (-170.0, -6.5, 11.0, -6.5, -0.5, 1.5),
    (15.0, 0.7, 0.6, 0.7, -1.0, 1.0),
)


@dataclass(frozen=True)
class LandscapeFamily:
    """One row of the table of landscapes.

    Parameters
    ----------
    write : callable
        ``write(axes, keys)`` gives the formula.
    defaults : mapping
        Keys with their default values; a key with the default ``None`` takes a list or matrix,
        every other one a number.
    positive : tuple of str
        Keys that must be > 0.
    axes : tuple of int
        Numbers of axes it can have.
    text : str
        The formula in words, for documentation.
    """

    write: Callable[[Sequence[str], Mapping[str, Any]], str]
    defaults: Mapping[str, float | None]
    text: str
    positive: tuple[str, ...] = ()
    axes: tuple[int, ...] = (1, 2, 3)


class Landscape:
    """A named loss with its keys: ``Landscape("ring", radius=1.5)``.

    Parameters
    ----------
    name : str
        One of ``FAMILIES``.
    **keys
        As listed there; numbers may be formulas of the problem's parameters.

    Raises
    ------
    CaseError
        For an unknown name (key ``loss.name``) or an unknown key (key ``loss.<key>``).
    """

    def __init__(self, name: str, **keys: Any):
        if name not in FAMILIES:
            raise CaseError(
                f"{name!r} is not a landscape; {nearest(str(name), FAMILIES)}", "loss.name"
            )
        self.name = name
        self.keys = dict(keys)
        for key in keys:
            if key not in FAMILIES[name].defaults:
                raise CaseError(
                    f"{key} is not a key of {name}; {nearest(key, FAMILIES[name].defaults)}",
                    f"loss.{key}",
                )

    def formula(
        self, axis_names: Sequence[str], parameters: Mapping[str, float] | None = None
    ) -> str:
        """The loss as formula text in the given axes.

        Raises
        ------
        CaseError
            For a value out of range or a wrong number of axes.
        """
        family = FAMILIES[self.name]
        if len(axis_names) not in family.axes:
            allowed = " or ".join(str(count) for count in family.axes)
            raise CaseError(
                f"{self.name} needs {allowed} axes, and the domain has {len(axis_names)}",
                "loss.name",
            )
        values: dict[str, Any] = {}
        for key, default in family.defaults.items():
            value = self.keys.get(key, default)
            if default is None:
                read = _vector if key == "minimum" else _matrix
                values[key] = read(value, len(axis_names), parameters or {}, f"loss.{key}")
                continue
            values[key] = number(value, parameters or {}, f"loss.{key}")
            if key in family.positive and not values[key] > 0.0:
                raise CaseError(
                    f"{values[key]:g} is not positive; {key} must be > 0", f"loss.{key}"
                )
        return family.write(axis_names, values)

    def __repr__(self) -> str:
        keys = "".join(f", {key}={value!r}" for key, value in self.keys.items())
        return f"Landscape({self.name!r}{keys})"


def _vector(value: Any, d: int, parameters: Mapping[str, float], key: str) -> list[float]:
    if value is None:
        return [0.0] * d
    entries = value if isinstance(value, list | tuple | np.ndarray) else [value]
    if len(entries) != d:
        raise CaseError(f"{len(entries)} numbers for {d} axes; give one per axis", key)
    return [number(entry, parameters, key) for entry in entries]


def _matrix(value: Any, d: int, parameters: Mapping[str, float], key: str) -> np.ndarray:
    """Symmetric matrix from a number, a diagonal list or a full matrix; identity by default."""
    if value is None:
        return np.eye(d)
    if not isinstance(value, list | tuple | np.ndarray):
        return number(value, parameters, key) * np.eye(d)
    if not any(isinstance(row, list | tuple | np.ndarray) for row in value):
        return np.diag(_vector(value, d, parameters, key))
    rows = [list(row) if isinstance(row, list | tuple | np.ndarray) else [row] for row in value]
    if len(rows) != d or any(len(row) != d for row in rows):
        raise CaseError(f"a {d} x {d} matrix is needed for {d} axes", key)
    matrix = np.array([[number(entry, parameters, key) for entry in row] for row in rows])
    if not np.array_equal(matrix, matrix.T):
        i, j = np.argwhere(matrix != matrix.T)[0]
        raise CaseError(
            f"entry ({i + 1}, {j + 1}) is {matrix[i, j]:g} and entry ({j + 1}, {i + 1}) is "
            f"{matrix[j, i]:g}; the matrix must be symmetric",
            key,
        )
    return matrix


def _shifted(axis: str, centre: float) -> str:
    return f"({axis} - {_text(centre)})" if centre else axis


def _text(value: float) -> str:
    return repr(float(value)) if value >= 0 else f"({float(value)!r})"


def _others(axes: Sequence[str], stiffness: float) -> str:
    """Quadratic well in the axes that the family itself does not use."""
    return "".join(f" + 0.5*{_text(stiffness)}*{axis}**2" for axis in axes)


def _quadratic(axes: Sequence[str], keys: Mapping[str, Any]) -> str:
    hessian = keys["hessian"]
    shifted = [_shifted(axis, centre) for axis, centre in zip(axes, keys["minimum"], strict=True)]
    terms = [
        # Off the diagonal the two equal entries meet, which takes the half away.
        f"0.5*{_text(hessian[i, i])}*{u}**2" if i == j else f"{_text(hessian[i, j])}*{u}*{v}"
        for i, u in enumerate(shifted)
        for j, v in enumerate(shifted)
        if j >= i and hessian[i, j] != 0.0
    ]
    return " + ".join(terms) or "0"


def _double_well(axes: Sequence[str], keys: Mapping[str, Any]) -> str:
    half = _text(keys["separation"] / 2.0)
    well = f"{_text(keys['barrier'])}*(({axes[0]}/{half})**2 - 1)**2"
    return well + _others(axes[1:], keys["stiffness"])


def _ring(axes: Sequence[str], keys: Mapping[str, Any]) -> str:
    radius, stiffness = keys["radius"], keys["stiffness"]
    strength = _text(stiffness / (8.0 * radius**2))
    ring = f"{strength}*({axes[0]}**2 + {axes[1]}**2 - {_text(radius)}**2)**2"
    return ring + _others(axes[2:], stiffness)


def _mueller_brown(axes: Sequence[str], keys: Mapping[str, Any]) -> str:
    terms = []
    for height, a, b, c, x0, y0 in MUELLER_BROWN_TERMS:
        u, v = _shifted(axes[0], x0), _shifted(axes[1], y0)
        exponent = f"{_text(a)}*{u}**2 + {_text(b)}*{u}*{v} + {_text(c)}*{v}**2"
        terms.append(f"{_text(height)}*exp({exponent})")
    return f"{_text(keys['scale'])}*({' + '.join(terms)})"


def _rosenbrock(axes: Sequence[str], keys: Mapping[str, Any]) -> str:
    a, b = _text(keys["a"]), _text(keys["b"])
    return " + ".join(f"({a} - {u})**2 + {b}*({v} - {u}**2)**2" for u, v in pairwise(axes))


def _sharp_flat(axes: Sequence[str], keys: Mapping[str, Any]) -> str:
    half = keys["separation"] / 2.0
    rest = "".join(f" + {axis}**2" for axis in axes[1:])
    sharp = f"(0.5*({_shifted(axes[0], -half)}**2{rest})/{_text(keys['sharp_width'])}**2)"
    flat = f"(0.5*({_shifted(axes[0], half)}**2{rest})/{_text(keys['flat_width'])}**2)"
    depths = f"{_text(keys['sharp_depth'])}*{flat}**2 + {_text(keys['flat_depth'])}*{sharp}**2"
    return f"{sharp}*{flat}/({sharp} + {flat}) - ({depths})/({sharp}**2 + {flat}**2)"


FAMILIES: dict[str, LandscapeFamily] = {
    "quadratic": LandscapeFamily(
        _quadratic,
        {"hessian": None, "minimum": None},
        "(1/2) (theta - minimum)^T hessian (theta - minimum); hessian is a number, a diagonal list "
        "or a symmetric matrix (default: identity), minimum a list (default: the origin)",
    ),
    "double_well": LandscapeFamily(
        _double_well,
        {"barrier": 1.0, "separation": 2.0, "stiffness": 1.0},
        "barrier ((2 x/separation)^2 - 1)^2 + (stiffness/2) (y^2 + ...): minima with value 0 at "
        "x = -separation/2 and x = separation/2, a barrier of that height at x = 0",
        positive=("barrier", "separation", "stiffness"),
    ),
    "ring": LandscapeFamily(
        _ring,
        {"radius": 1.0, "stiffness": 1.0},
        "stiffness (x^2 + y^2 - radius^2)^2/(8 radius^2) + (stiffness/2) z^2: zero on the circle, "
        "where stiffness is the curvature across it",
        positive=("radius", "stiffness"),
        axes=(2, 3),
    ),
    "mueller_brown": LandscapeFamily(
        _mueller_brown,
        {"scale": 1.0},
        "scale times the potential of Mueller and Brown (1979): minima near (-0.558, 1.442), "
        "(0.623, 0.028) and (-0.050, 0.467) with the values -146.70, -108.17 and -80.77 scale",
        positive=("scale",),
        axes=(2,),
    ),
    "rosenbrock": LandscapeFamily(
        _rosenbrock,
        {"a": 1.0, "b": 100.0},
        "sum over neighbouring axes of (a - x)^2 + b (y - x^2)^2: a curved valley, in two axes "
        "with its minimum 0 at (a, a^2)",
        positive=("b",),
        axes=(2, 3),
    ),
    "sharp_flat": LandscapeFamily(
        _sharp_flat,
        {
            "sharp_width": 0.25,
            "flat_width": 1.0,
            "sharp_depth": 0.0,
            "flat_depth": 0.0,
            "separation": 2.0,
        },
        "A B/(A + B) - (sharp_depth B^2 + flat_depth A^2)/(A^2 + B^2) with the parabolas "
        "A = |theta - a|^2/(2 sharp_width^2), B = |theta - b|^2/(2 flat_width^2), "
        "a = (-separation/2, 0, ...), b = -a: exactly at a and b there are minima with the values "
        "-sharp_depth and -flat_depth and the curvatures 1/width^2, and far away Phi grows "
        "quadratically; keep the depths below the barrier scale",
        positive=("sharp_width", "flat_width", "separation"),
    ),
}
