"""Losses of single samples, with exact first and second derivatives by the parameters.

Each function takes ``theta``, d arrays of shape (m, 1) for m points; ``columns``, k arrays of
shape (n,) with the inputs of n samples; and ``targets`` of shape (n,). Arrays of shape (m, n) come
back. All is elementwise, so that a value depends on its point and its sample alone, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Arrays = Sequence[np.ndarray]


@dataclass(frozen=True)
class SampleLoss:
    """One row of the table of models.

    Parameters
    ----------
    loss : callable
        ``loss(theta, columns, targets)``: l_i, shape (m, n).
    gradient : callable
        The d derivatives of l_i.
    hessian : callable
        The second derivatives, d lists of d arrays, of which the upper triangle is what counts.
    own : int
        Parameters that come before those of the columns.
    text : str
        The model in words.
    """

    loss: Callable[[Arrays, Arrays, np.ndarray], np.ndarray]
    gradient: Callable[[Arrays, Arrays, np.ndarray], list[np.ndarray]]
    hessian: Callable[[Arrays, Arrays, np.ndarray], list[list[np.ndarray]]]
    own: int
    text: str


def projection(weights: Arrays, columns: Arrays) -> np.ndarray:
    """theta . x_i, shape (m, n)."""
    total = weights[0] * columns[0]
    for weight, column in zip(weights[1:], columns[1:], strict=True):
        total += weight * column
    return total


def _square(residual: np.ndarray) -> np.ndarray:
    return 0.5 * residual * residual


def _outer(scale: np.ndarray, columns: Arrays) -> list[list[np.ndarray]]:
    """scale x x^T; the lower triangle refers to the upper one."""
    d = len(columns)
    upper = {(i, j): scale * (columns[i] * columns[j]) for i in range(d) for j in range(i, d)}
    return [[upper[min(i, j), max(i, j)] for j in range(d)] for i in range(d)]


def _linear_loss(theta: Arrays, columns: Arrays, targets: np.ndarray) -> np.ndarray:
    return _square(projection(theta, columns) - targets)


def _linear_gradient(theta: Arrays, columns: Arrays, targets: np.ndarray) -> list[np.ndarray]:
    residual = projection(theta, columns) - targets
    return [residual * column for column in columns]


def _linear_hessian(theta: Arrays, columns: Arrays, targets: np.ndarray) -> list[list[np.ndarray]]:
    return _outer(np.ones((len(theta[0]), 1)), columns)


def _margin(theta: Arrays, columns: Arrays, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """s = (1 - 2 y) theta . x, large where the sample is wrong, and exp(-|s|)."""
    margin = projection(theta, columns) * (1.0 - 2.0 * targets)
    return margin, np.exp(-np.abs(margin))


def _logistic_loss(theta: Arrays, columns: Arrays, targets: np.ndarray) -> np.ndarray:
    # log(1 + e^s): neither overflows for large s nor loses the digits of e^s for small ones.
    margin, decay = _margin(theta, columns, targets)
    return np.maximum(margin, 0.0) + np.log1p(decay)


def _logistic_gradient(theta: Arrays, columns: Arrays, targets: np.ndarray) -> list[np.ndarray]:
    # p - y = (1 - 2 y)/(1 + e^-s), without the cancellation in p - 1.
    margin, decay = _margin(theta, columns, targets)
    slope = np.where(margin >= 0.0, 1.0, decay) / (1.0 + decay) * (1.0 - 2.0 * targets)
    return [slope * column for column in columns]


def _logistic_hessian(
    theta: Arrays, columns: Arrays, targets: np.ndarray
) -> list[list[np.ndarray]]:
    _, decay = _margin(theta, columns, targets)
    return _outer(decay / (1.0 + decay) ** 2, columns)


def _neuron(
    theta: Arrays, columns: Arrays, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """tanh z, its derivative and the residual a tanh z - y."""
    argument = projection(theta[1:], columns)
    activity = np.tanh(argument)
    # 1 - tanh^2 has no digits left where tanh is close to 1.
    decay = np.exp(-2.0 * np.abs(argument))
    return activity, 4.0 * decay / (1.0 + decay) ** 2, theta[0] * activity - targets


def _neuron_loss(theta: Arrays, columns: Arrays, targets: np.ndarray) -> np.ndarray:
    return _square(theta[0] * np.tanh(projection(theta[1:], columns)) - targets)


def _neuron_gradient(theta: Arrays, columns: Arrays, targets: np.ndarray) -> list[np.ndarray]:
    activity, slope, residual = _neuron(theta, columns, targets)
    inner = theta[0] * slope * residual
    return [residual * activity, *(inner * column for column in columns)]


def _neuron_hessian(theta: Arrays, columns: Arrays, targets: np.ndarray) -> list[list[np.ndarray]]:
    activity, slope, residual = _neuron(theta, columns, targets)
    amplitude = theta[0]
    mixed = slope * (residual + amplitude * activity)
    # d slope/dz = -2 tanh slope.
    bend = amplitude * slope * (amplitude * slope - 2.0 * residual * activity)
    inner = _outer(bend, columns)
    across = [mixed * column for column in columns]
    return [
        [activity * activity, *across],
        *([part, *row] for part, row in zip(across, inner, strict=True)),
    ]


KINDS: dict[str, SampleLoss] = {
    "linear_regression": SampleLoss(
        _linear_loss,
        _linear_gradient,
        _linear_hessian,
        0,
        "l = (theta.x - y)^2/2; one parameter per column",
    ),
    "logistic_regression": SampleLoss(
        _logistic_loss,
        _logistic_gradient,
        _logistic_hessian,
        0,
        "l = log(1 + exp(theta.x)) - y theta.x with y = 0 or 1; one parameter per column",
    ),
    "tanh_neuron": SampleLoss(
        _neuron_loss,
        _neuron_gradient,
        _neuron_hessian,
        1,
        "l = (a tanh(w.x) - y)^2/2; the parameters are a, then one w per column",
    ),
}
