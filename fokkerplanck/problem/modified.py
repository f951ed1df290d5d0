"""Stochastic modified equations of SGD: diffusions that follow it to second order in eta.

With S = 2 Sigma/(eta beta) the covariance of a batch's gradient, Sigma/|B| with replacement, SGD is
theta' = theta - eta g + eta xi, Cov xi = S. Against its diffusion (39) two corrections are of the
next order in eta.

==================  ===================================  ======================================
equation            loss                                 Sigma
==================  ===================================  ======================================
(39), (48)          Phi                                  Sigma
second order        Phi + (eta/4)|grad Phi|^2            Sigma
covariance as well  Phi + (eta/4)|grad Phi|^2            Sigma + (eta/2)(H Sigma + Sigma H)
==================  ===================================  ======================================

At a fixed |B|, S does not depend on eta, the noise Sigma/beta is itself of order eta, and the weak
orders on a finite horizon are 1, 2 and 2, absolutely. At rest the variance is of order eta, and
relative to it the orders are 1, 1 and 2 for a quadratic loss. With the constant noise s^2 = S and
the curvature h, SGD rests at var = eta s^2/(2h - eta h^2); at eta h = 0.1 the three equations miss
it by -5.0 %, -9.5 % and -0.5 %: second order alone makes the variance at rest worse, since the
drift grows stiffer and the noise does not.

At a fixed beta, where |B| falls with eta, the weak orders of moments up to the second are 1, 1
and, for a quadratic loss with constant Sigma, 2. A loss with third derivatives then lacks the
drift (eta/(2 beta)) sum_jk Sigma_jk d_jk grad Phi, and a Sigma that varies lacks
(eta/2)(grad Phi . grad) Sigma and terms of order 1/beta.

No diffusion knows the third moment of a batch's gradient. It skews the law of SGD at rest by an
amount of the order of 1/sqrt(beta) at any eta: small for large beta, but not for small eta.

References
----------
Li, Tai and E, J. Mach. Learn. Res. 20 (2019), 40 (the second-order equation).
Shardlow, BIT Numer. Math. 46 (2006), 111 (modified equations of Euler's method).
"""

from __future__ import annotations

import numpy as np
import sympy as sp

from ..errors import CaseError
from .callables import CallableField
from .coefficients import Coefficients
from .expressions.field import Field, FormulaField
from .expressions.names import exact
from .problem import Problem


def second_order(problem: Problem) -> Problem:
    """The diffusion with the drift -grad(Phi + (eta/4)|grad Phi|^2) and the same Sigma.

    Parameters
    ----------
    problem : Problem
        With a learning rate eta; without extra drift, momentum and dependence on time.

    Returns
    -------
    Problem
        Of the same domain and beta, without learning rate, batch and model: it is a diffusion,
        and SGD on it would not be the SGD that it describes. Formulas stay formulas, with exact
        derivatives. Of a data model or of Python functions, loss, gradient and Sigma come from the
        given derivatives, and what is beyond from differences of order 6.

    Raises
    ------
    CaseError
        Where the learning rate is missing, or the problem has what is excluded.
    """
    return _modified(problem, _learning_rate(problem), None)


def covariance_corrected(problem: Problem, *, positive: bool = False) -> Problem:
    """As :func:`second_order`, and with the covariance Sigma + (eta/2)(H Sigma + Sigma H).

    Parameters
    ----------
    problem : Problem
        As there.
    positive : bool
        Complete the square: (1 + eta H/2) Sigma (1 + eta H/2), of the same order. At eta h = 0.1
        the variance at rest is then -0.25 % off.

    Notes
    -----
    Without ``positive`` the covariance can have a negative eigenvalue where Sigma is nearly
    singular, whatever eta, as for a neuron on real data; :meth:`Problem.check` names the place.
    """
    return _modified(problem, _learning_rate(problem), positive)


def _modified(problem: Problem, eta: float, square: bool | None) -> Problem:
    """With Sigma as it is for None, else corrected, and (eta^2/4) H Sigma H added for True."""
    own = problem.coefficients
    loss, sigma, given = own.loss, own.sigma, dict(own.given)
    gradients = {key for key in ("gradient", "hessian") if key in given}
    if isinstance(loss, FormulaField) and not gradients:
        new_loss: Field = _formula_loss(loss, eta)
    else:
        new_loss, given["gradient"] = _callable_loss(problem, eta)
        given.pop("hessian", None)
    if square is not None:
        given.pop("div_sigma", None)
        if isinstance(loss, FormulaField) and isinstance(sigma, FormulaField) and not gradients:
            sigma = _formula_sigma(loss, sigma, eta, square)
        else:
            sigma = _callable_sigma(problem, eta, square)
    result = Problem(
        "0", 1.0, problem.beta, problem.domain, parameters=problem.parameters, title=problem.title
    )
    result.__dict__.update(
        coefficients=Coefficients(new_loss, None, sigma, given),
        _written=(_text(new_loss), _text(sigma), None),
        _arguments=None,
    )
    return result


def _learning_rate(problem: Problem) -> float:
    """eta of a problem that has a modified equation."""
    if problem.learning_rate is None:
        raise CaseError("is missing; modified equations need it", "noise.learning_rate")
    if problem.friction is not None:
        raise CaseError(
            f"the friction is {problem.friction:g}; modified equations are those of SGD without "
            "momentum",
            "noise.momentum",
        )
    if problem.has_drift:
        raise CaseError("is given; modified equations are those of a loss alone", "drift")
    if problem.time_dependent:
        raise CaseError(
            "depends on t; modified equations need a loss and a Sigma that do not",
            problem.loss_key if problem.drift_time_dependent else "noise.sigma",
        )
    return problem.learning_rate


def _formula_loss(loss: FormulaField, eta: float) -> FormulaField:
    slopes = loss.gradient().expressions
    squares = sp.Add(*(slope**2 for slope in slopes))
    expression = loss.expressions[0] + exact(eta) / 4 * squares
    return FormulaField((expression,), (), loss.symbols, loss.key)


def _formula_sigma(
    loss: FormulaField, sigma: FormulaField, eta: float, square: bool
) -> FormulaField:
    d = len(loss.symbols)
    hessian = sp.Matrix(d, d, loss.hessian().expressions)
    matrix = sp.Matrix(d, d, sigma.expressions)
    step = exact(eta) / 2
    product = hessian * matrix
    total = matrix + step * (product + product.T)
    if square:
        total += step**2 * product * hessian
    return FormulaField(tuple(total), (d, d), loss.symbols, sigma.key)


def _callable_loss(problem: Problem, eta: float) -> tuple[CallableField, CallableField]:
    """Loss and gradient from values of gradient and Hessian."""
    lengths = tuple(axis.length for axis in problem.domain.axes)

    def loss(*points: np.ndarray) -> np.ndarray:
        gradient = problem.gradient_at(points)
        return problem.loss_at(points) + 0.25 * eta * (gradient**2).sum(axis=0)

    def gradient(*points: np.ndarray) -> np.ndarray:
        slope = problem.gradient_at(points)
        hessian = problem.hessian_at(points)
        return slope + 0.5 * eta * (hessian * slope).sum(axis=1)

    key = problem.loss_key
    return (
        CallableField(loss, (), lengths, key),
        CallableField(gradient, (problem.ndim,), lengths, key),
    )


def _callable_sigma(problem: Problem, eta: float, square: bool) -> CallableField:
    """Sigma from values of Sigma and Hessian."""
    lengths = tuple(axis.length for axis in problem.domain.axes)

    def sigma(*points: np.ndarray) -> np.ndarray:
        matrix, hessian = problem.sigma_at(points), problem.hessian_at(points)
        product = _times(hessian, matrix)
        total = matrix + 0.5 * eta * (product + product.swapaxes(0, 1))
        return total + 0.25 * eta**2 * _times(product, hessian) if square else total

    return CallableField(sigma, (problem.ndim,) * 2, lengths, problem.coefficients.sigma.key)


def _times(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Matrix product of two (d, d, ...) tensors."""
    return np.einsum("ik...,kj...->ij...", left, right)


def _text(field: Field) -> str:
    """What a message shows of a field."""
    if isinstance(field, FormulaField):
        shown = [str(expression) for expression in field.expressions]
        return shown[0] if len(shown) == 1 else f"[{', '.join(shown)}]"
    return f"modified {field.key}"
