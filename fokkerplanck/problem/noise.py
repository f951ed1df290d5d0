"""The noise: Sigma in its several forms, and temperature and friction from SGD's settings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from ..errors import CaseError
from .callables import CallableField
from .expressions.field import Field, FormulaField
from .expressions.formula import number, parse
from .expressions.names import Names, exact
from .model_field import ModelField
from .models import DataModel

SIGMA_KEY = "noise.sigma"
SOURCE_KEY = "noise.source"
MINIBATCH = "minibatch"


def sigma_field(
    sigma: Any, names: Names, lengths: tuple[float, ...], model: DataModel | None = None
) -> Field:
    """Field of the (d, d) covariance of per-sample gradients (31).

    Parameters
    ----------
    sigma : number, formula, list, matrix or callable
        A number or a formula s stands for s I; a list of d entries for a diagonal matrix; d lists
        of d entries for a full matrix; entries are numbers or formulas. A callable takes one array
        per axis and returns an array of shape (d, d, ...) or nested lists. "minibatch" is the
        covariance of the sample gradients of ``model``.
    names : Names
        Names for formulas; the axes give d.
    lengths : tuple of float
        Axis lengths, for the differences of a callable.
    model : DataModel, optional
        The loss, where it is one of data.

    Raises
    ------
    CaseError
        With the key ``noise.source``, if there is no model for "minibatch"; with the key
        ``noise.sigma``, if the shape does not fit or an entry cannot be read.
    """
    d = len(names.axes)
    if isinstance(sigma, str) and sigma == MINIBATCH:
        if model is None:
            raise CaseError("minibatch needs a loss of data, given by loss.model", SOURCE_KEY)
        return ModelField(model, "sigma", lengths, SOURCE_KEY)
    if callable(sigma):
        return CallableField(sigma, (d, d), lengths, SIGMA_KEY)
    rows = _rows(sigma.tolist() if isinstance(sigma, np.ndarray) else sigma, d)
    entries = tuple(_entry(entry, names) for row in rows for entry in row)
    return FormulaField(entries, (d, d), names.symbols, SIGMA_KEY)


def _rows(sigma: Any, d: int) -> list[list[Any]]:
    """Square array of entries from any of the written forms."""
    expected = f"for {d} {'axis' if d == 1 else 'axes'} give a number or formula, a list of {d}, "
    expected += f"or a {d} x {d} matrix"
    if not isinstance(sigma, list | tuple):
        return [[sigma if i == j else 0 for j in range(d)] for i in range(d)]
    nested = [isinstance(row, list | tuple | np.ndarray) for row in sigma]
    if not any(nested):
        if len(sigma) != d:
            raise CaseError(f"the diagonal has {len(sigma)} entries; {expected}", SIGMA_KEY)
        return [[sigma[i] if i == j else 0 for j in range(d)] for i in range(d)]
    if not all(nested):
        raise CaseError(f"some rows are lists and some are not; {expected}", SIGMA_KEY)
    widths = [len(row) for row in sigma]
    if len(sigma) != d or any(width != d for width in widths):
        uniform = len(set(widths)) == 1
        shape = f"{len(sigma)} x {widths[0]}" if uniform else f"of row lengths {widths}"
        raise CaseError(f"the matrix is {shape}; {expected}", SIGMA_KEY)
    return [list(row) for row in sigma]


def _entry(entry: Any, names: Names) -> sp.Expr:
    if isinstance(entry, str):
        return parse(entry, names, SIGMA_KEY)
    return exact(number(entry, {}, SIGMA_KEY))


@dataclass(frozen=True)
class NoiseSettings:
    """Temperature and friction, and what they were made from.

    Parameters
    ----------
    beta : float
        Inverse temperature > 0.
    friction : float or None
        Of the heavy ball.
    batch_size, learning_rate : float or None
        As far as they were given; a whole batch size is an int.
    replacement : bool
        Whether a batch may hold a sample twice.
    """

    beta: float
    friction: float | None = None
    batch_size: float | None = None
    learning_rate: float | None = None
    replacement: bool = True


def read_settings(
    parameters: dict[str, float],
    samples: int | None = None,
    *,
    beta: Any = None,
    batch_size: Any = None,
    learning_rate: Any = None,
    momentum: Any = None,
    friction: Any = None,
    replacement: bool = True,
) -> NoiseSettings:
    """Temperature and friction from beta, or from batch size and learning rate.

    Parameters
    ----------
    parameters : dict
        Numbers for formulas.
    samples : int, optional
        Size n of the data, where there are any.
    beta, batch_size, learning_rate, momentum, friction : number or formula, optional
        Without beta and batch size beta is 1. Momentum beside beta alone means the learning rate 1.
    replacement : bool
        False divides the covariance of the mini-batch noise by (n - 1)/(n - |B|), see (33), and so
        multiplies beta.

    Raises
    ------
    CaseError
        For a value out of range, values that contradict each other, and a batch that the data
        cannot fill.
    """
    batch = None if batch_size is None else number(batch_size, parameters, "noise.batch_size")
    rate = None
    if learning_rate is not None:
        value = number(learning_rate, parameters, "noise.learning_rate")
        rate = _positive(value, "noise.learning_rate", "learning_rate")
    if momentum is not None:
        momentum = number(momentum, parameters, "noise.momentum")
    gamma = read_friction(momentum, friction, parameters, 1.0 if rate is None else rate)
    if batch is None:
        if beta is None and rate is not None:
            raise CaseError("is missing; learning_rate needs it, or beta", "noise.batch_size")
        if not replacement:
            raise CaseError("false needs batch_size and learning_rate", "noise.replacement")
        kept = read_beta(1.0 if beta is None else beta, parameters)
        return NoiseSettings(kept, gamma, None, rate)
    if beta is not None:
        raise CaseError("is given twice, also by batch_size; keep one", "noise.beta")
    if rate is None:
        raise CaseError("is missing; batch_size needs it", "noise.learning_rate")
    value = beta_from(batch, rate, momentum) * _scarcity(batch, samples, replacement)
    size = int(batch) if batch == int(batch) else batch
    return NoiseSettings(value, gamma, size, rate, replacement)


def _scarcity(batch: float, samples: int | None, replacement: bool) -> float:
    """Factor of beta: 1 with replacement, (n - 1)/(n - |B|) without (33)."""
    key = "noise.batch_size"
    if samples is None:
        if replacement:
            return 1.0
        raise CaseError("false needs a loss of data, given by loss.model", "noise.replacement")
    if batch != int(batch):
        raise CaseError(f"{batch:g} is not a whole number of samples", key)
    if replacement:
        return 1.0
    if batch > samples:
        raise CaseError(
            f"{batch:g} samples cannot be drawn from {samples} without replacement; take at most "
            f"{samples - 1}, or replacement = true",
            key,
        )
    if batch == samples:
        raise CaseError(
            f"all {samples} samples in every batch leave no noise; take at most {samples - 1}, or "
            "replacement = true",
            key,
        )
    return (samples - 1.0) / (samples - batch)


def beta_from(batch_size: float, learning_rate: float, momentum: float | None = None) -> float:
    """Inverse temperature of SGD, beta = 2|B|/eta; with momentum mu, 2|B|(1 - mu)/eta.

    Parameters
    ----------
    batch_size : float
        Mini-batch size |B| > 0.
    learning_rate : float
        Learning rate eta > 0.
    momentum : float, optional
        Heavy-ball mu, 0 <= mu < 1.

    Raises
    ------
    CaseError
        For values out of range.

    Notes
    -----
    Heavy ball, V' = mu V + g_B, theta' = theta - eta V': with v = -sqrt(eta) V and a time step
    dt = sqrt(eta), theta' - theta = v' dt and
    v' - v = -(1 - mu) v - sqrt(eta) g_B = -gamma v dt - g_B dt, gamma = (1 - mu)/sqrt(eta).
    The mini-batch noise of g_B has the covariance Sigma/|B| (33), so v gains the covariance
    eta Sigma/|B| per step, sqrt(eta) Sigma/|B| per unit time. Equal to 2 gamma Sigma/beta, this
    gives beta = 2|B|(1 - mu)/eta. Time is sqrt(eta) times the iteration, not eta times. The
    picture needs gamma dt = 1 - mu small: the stationary variance of theta is right as eta -> 0
    for any mu, that of v in SGD is 2/(1 + mu) times s/beta.
    """
    batch = _positive(batch_size, "noise.batch_size", "batch_size")
    rate = _positive(learning_rate, "noise.learning_rate", "learning_rate")
    kept = 0.0 if momentum is None else _momentum(momentum)
    return 2.0 * batch * (1.0 - kept) / rate


def friction_from(momentum: float, learning_rate: float = 1.0) -> float:
    """Friction of heavy-ball SGD, gamma = (1 - mu)/sqrt(eta); derived in :func:`beta_from`.

    Raises
    ------
    CaseError
        Unless 0 <= momentum < 1 and learning_rate > 0.
    """
    rate = _positive(learning_rate, "noise.learning_rate", "learning_rate")
    return (1.0 - _momentum(momentum)) / math.sqrt(rate)


def _positive(value: Any, key: str, name: str) -> float:
    result = number(value, {}, key)
    if not result > 0.0:
        raise CaseError(f"{result:g} is not positive; {name} must be a number > 0", key)
    return result


def _momentum(value: Any) -> float:
    result = number(value, {}, "noise.momentum")
    if not 0.0 <= result < 1.0:
        raise CaseError(
            f"{result:g} is not in [0, 1); momentum must be 0 <= mu < 1", "noise.momentum"
        )
    return result


def read_beta(value: Any, parameters: dict[str, float]) -> float:
    """Positive inverse temperature from a number or a formula of the parameters.

    Raises
    ------
    CaseError
        With the key ``noise.beta``.
    """
    beta = number(value, parameters, "noise.beta")
    if not beta > 0.0:
        raise CaseError(f"{beta:g} is not positive; beta must be a number > 0", "noise.beta")
    return beta


def read_friction(
    momentum: Any, friction: Any, parameters: dict[str, float], learning_rate: float = 1.0
) -> float | None:
    """Friction gamma > 0 of the heavy ball, or None without one.

    Raises
    ------
    CaseError
        If both are given or one is out of range.
    """
    if momentum is not None and friction is not None:
        raise CaseError("momentum and friction are both given; give one", "noise.friction")
    if momentum is not None:
        return friction_from(number(momentum, parameters, "noise.momentum"), learning_rate)
    if friction is None:
        return None
    gamma = number(friction, parameters, "noise.friction")
    if not gamma > 0.0:
        raise CaseError(
            f"{gamma:g} is not positive; friction must be a number > 0", "noise.friction"
        )
    return gamma
