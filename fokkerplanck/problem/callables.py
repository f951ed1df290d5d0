"""Fields given as Python functions, differentiated by central differences of order six."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import CaseError

# First derivative: sum of w_k (f(x + k h) - f(x - k h)) / h, error h^6 f^(7) / 140.
FIRST_WEIGHTS = (3.0 / 4.0, -3.0 / 20.0, 1.0 / 60.0)
# Second derivative: w_0 f + sum of w_k (f(x + k h) + f(x - k h)), over h^2, error h^6 f^(8) / 560.
SECOND_WEIGHTS = (-49.0 / 18.0, 3.0 / 2.0, -3.0 / 20.0, 1.0 / 90.0)
# Steps as fractions of the axis length. For a feature length of an eighth of the axis the
# truncation error is 2e-15 and 1e-11 relative, of the size of the rounding error eps/h and eps/h^2.
FIRST_STEP = 2.0**-10
FIRST_REACH = len(FIRST_WEIGHTS) * FIRST_STEP
SECOND_STEP = 2.0**-8


@dataclass(frozen=True)
class CallableField:
    """A tensor field given by a Python function of one array per axis.

    Parameters
    ----------
    function : callable
        ``function(x, y, ...)``, or with a keyword argument ``t`` if it depends on time. It gets
        arrays of one common shape and returns an array of shape ``(*shape, *points shape)``, or
        nested sequences of entries that broadcast to the points.
    shape : tuple of int
        Tensor shape.
    lengths : tuple of float
        Axis lengths, which set the steps of the differences.
    key : str
        Case key for messages.

    Notes
    -----
    The differences reach ``3/1024`` (first) and ``3/256`` (second derivatives) of an axis beyond
    the points: the function must be defined there.
    """

    function: Callable[..., Any]
    shape: tuple[int, ...]
    lengths: tuple[float, ...]
    key: str

    @cached_property
    def time_dependent(self) -> bool:
        """Whether the function takes ``t`` beside the axes."""
        return takes_time(self.function, len(self.lengths))

    @property
    def constant(self) -> None:
        """Never known for a function."""
        return None

    @property
    def zero(self) -> np.ndarray:
        """No entry is known to vanish identically."""
        return np.zeros(self.shape, dtype=bool)

    def __call__(self, points: Sequence[Any], t: float = 0.0) -> np.ndarray:
        """Evaluate; float64 of shape ``(*self.shape, *broadcast shape of points)``.

        Raises
        ------
        CaseError
            If the function returns another shape, or something that is not real numbers.
        """
        coordinates = np.broadcast_arrays(*(np.asarray(point, dtype=float) for point in points))
        with np.errstate(all="ignore"):
            if self.time_dependent:
                result = self.function(*coordinates, t=t)
            else:
                result = self.function(*coordinates)
        values = np.empty(self.shape + coordinates[0].shape)
        if len(self.lengths) == 1 and np.shape(result) == coordinates[0].shape:
            # One axis: "lambda x: 1 + x**2" is what one writes for a drift or a Sigma.
            result = np.reshape(result, values.shape)
        try:
            self._fill(values, result)
        except (TypeError, ValueError):
            raise CaseError(
                f"the function returned {_described(result)}; expected are real numbers of shape "
                f"{values.shape} for points of shape {coordinates[0].shape}",
                self.key,
            ) from None
        return values

    def gradient(self) -> CallableField:
        """Derivatives by every axis as a new last tensor index: order 6 in the step."""

        def function(*points: np.ndarray, t: float = 0.0) -> np.ndarray:
            slopes = [self._first(points, axis, t, FIRST_STEP) for axis in range(len(points))]
            return np.stack(slopes, axis=len(self.shape))

        return self._derived(function, (*self.shape, len(self.lengths)))

    def hessian(self) -> CallableField:
        """Second derivatives as two new tensor indices: order 6 in the step."""
        d = len(self.lengths)

        def function(*points: np.ndarray, t: float = 0.0) -> np.ndarray:
            values = np.empty((d, d, *self.shape, *points[0].shape))
            for i in range(d):
                values[i, i] = self._second(points, i, t)
                for j in range(i):
                    values[i, j] = values[j, i] = self._mixed(points, i, j, t)
            rank = len(self.shape)
            return np.moveaxis(values, (0, 1), (rank, rank + 1))

        return self._derived(function, (*self.shape, d, d))

    def divergence(self) -> CallableField:
        """Sum over the last tensor index j of the derivative of entry (..., j) by x_j: order 6."""
        rank = len(self.shape)

        def function(*points: np.ndarray, t: float = 0.0) -> np.ndarray:
            total = np.zeros(self.shape[:-1] + points[0].shape)
            for axis in range(len(points)):
                slope = self._first(points, axis, t, FIRST_STEP)
                total += np.take(slope, axis, axis=rank - 1)
            return total

        return self._derived(function, self.shape[:-1])

    def _derived(self, function: Callable[..., Any], shape: tuple[int, ...]) -> CallableField:
        if self.time_dependent:
            return CallableField(function, shape, self.lengths, self.key)
        return CallableField(lambda *points: function(*points), shape, self.lengths, self.key)

    def _first(
        self, points: Sequence[np.ndarray], axis: int, t: float, fraction: float
    ) -> np.ndarray:
        step = fraction * self.lengths[axis]
        total = np.zeros(self.shape + points[0].shape)
        for k, weight in enumerate(FIRST_WEIGHTS, start=1):
            above = self(_shifted(points, axis, k * step), t)
            total += weight * (above - self(_shifted(points, axis, -k * step), t))
        return total / step

    def _second(self, points: Sequence[np.ndarray], axis: int, t: float) -> np.ndarray:
        step = SECOND_STEP * self.lengths[axis]
        total = SECOND_WEIGHTS[0] * self(points, t)
        for k, weight in enumerate(SECOND_WEIGHTS[1:], start=1):
            above = self(_shifted(points, axis, k * step), t)
            total += weight * (above + self(_shifted(points, axis, -k * step), t))
        return total / step**2

    def _mixed(self, points: Sequence[np.ndarray], i: int, j: int, t: float) -> np.ndarray:
        step = SECOND_STEP * self.lengths[i]
        total = np.zeros(self.shape + points[0].shape)
        for k, weight in enumerate(FIRST_WEIGHTS, start=1):
            above = self._first(_shifted(points, i, k * step), j, t, SECOND_STEP)
            below = self._first(_shifted(points, i, -k * step), j, t, SECOND_STEP)
            total += weight * (above - below)
        return total / step

    def _fill(self, values: np.ndarray, result: Any, index: tuple[int, ...] = ()) -> None:
        """Write ``result`` into ``values``; tensor indices may be nested lists or array axes."""
        if len(index) == len(self.shape):
            entry = np.asarray(result)
            if entry.dtype.kind not in "fiub":
                raise TypeError
            values[index] = entry
            return
        if len(result) != self.shape[len(index)]:
            raise ValueError
        for i, part in enumerate(result):
            self._fill(values, part, (*index, i))


def takes_time(function: Callable[..., Any], axes: int) -> bool:
    """Whether a function has an argument named ``t`` that is not one of its ``axes`` first."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # ufuncs and builtins have no signature
        return False
    if "t" not in parameters:
        return False
    by_keyword = parameters["t"].kind is inspect.Parameter.KEYWORD_ONLY
    return by_keyword or list(parameters).index("t") >= axes


def _shifted(points: Sequence[np.ndarray], axis: int, distance: float) -> list[np.ndarray]:
    shifted = list(points)
    shifted[axis] = points[axis] + distance
    return shifted


def _described(result: Any) -> str:
    if isinstance(result, list | tuple):
        return f"a {type(result).__name__} of {len(result)} entries"
    values = np.asarray(result)
    return f"{values.dtype} of shape {values.shape}"
