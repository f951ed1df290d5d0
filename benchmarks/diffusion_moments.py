"""Exact first and second moments of SGD and of its diffusions, where they close.

With a linear gradient K (theta - c) and a Sigma quadratic in theta, as linear regression has them,
z = (1, m, M) with m = E[theta - c] and M = E[(theta - c)(theta - c)^T] obeys z' = T z under SGD and
dz/dt = G z under a diffusion: no sampling noise and no grid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import expm

import fokkerplanck as fp
from fokkerplanck.problem.modified import covariance_corrected, second_order

EQUATIONS: dict[str, Callable[[fp.Problem], fp.Problem]] = {
    "(39)/(48)": lambda problem: problem,
    "second order": second_order,
    "with covariance": covariance_corrected,
}


@dataclass(frozen=True)
class Closed:
    """Coefficients of an equation whose moments close.

    Attributes
    ----------
    stiffness : (d, d)
        K.
    noise : (d, d), (d, d, d), (d, d, d, d)
        2 Sigma/beta as constant, and coefficients of delta and of delta delta^T.
    """

    stiffness: np.ndarray
    noise: tuple[np.ndarray, np.ndarray, np.ndarray]

    @classmethod
    def of(cls, problem: fp.Problem, centre: np.ndarray) -> Closed:
        """From values: differences of a quadratic are exact, whatever their step."""
        d, unit = problem.ndim, np.eye(problem.ndim)

        def covariance(place: np.ndarray) -> np.ndarray:
            return 2.0 / problem.beta * problem.sigma_at(list(place))

        first = np.stack(
            [(covariance(centre + e) - covariance(centre - e)) / 2.0 for e in unit], axis=-1
        )
        second = np.empty((d, d, d, d))
        for a in range(d):
            for b in range(d):
                near, far = unit[a] + unit[b], unit[a] - unit[b]
                second[:, :, a, b] = (
                    covariance(centre + near)
                    + covariance(centre - near)
                    - covariance(centre + far)
                    - covariance(centre - far)
                ) / 8.0
        slopes = [
            (problem.gradient_at(list(centre + e)) - problem.gradient_at(list(centre - e))) / 2.0
            for e in unit
        ]
        return cls(np.stack(slopes, axis=1), (covariance(centre), first, second))

    def scaled(self, factor: float) -> Closed:
        """With the noise multiplied."""
        constant, first, second = self.noise
        return Closed(self.stiffness, (factor * constant, factor * first, factor * second))

    def expected_noise(self, one: float, m: np.ndarray, M: np.ndarray) -> np.ndarray:
        """E[2 Sigma/beta]."""
        constant, first, second = self.noise
        return one * constant + first @ m + np.einsum("ijab,ab->ij", second, M)

    def generator(self) -> np.ndarray:
        """G, of the diffusion."""
        K = self.stiffness

        def rate(one: float, m: np.ndarray, M: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
            return 0.0, -K @ m, -K @ M - M @ K.T + self.expected_noise(one, m, M)

        return _matrix(rate, len(K))

    def transfer(self, eta: float) -> np.ndarray:
        """T, of one iteration of SGD; the noise of a batch is 2 Sigma/(eta beta)."""
        A = np.eye(len(self.stiffness)) - eta * self.stiffness

        def step(one: float, m: np.ndarray, M: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
            return one, A @ m, A @ M @ A.T + eta * self.expected_noise(one, m, M)

        return _matrix(step, len(self.stiffness))


def rest(matrix: np.ndarray, d: int) -> np.ndarray:
    """Covariance at rest under a rate matrix G, or T - 1; nan where moments grow without limit."""
    inner = matrix[1:, 1:]
    z = np.linalg.solve(inner, -matrix[1:, 0])
    return z[d:].reshape(d, d) - np.outer(z[:d], z[:d])


def mean_square_stable(transfer: np.ndarray) -> bool:
    """Whether the second moments of SGD stay bounded."""
    return bool(np.abs(np.linalg.eigvals(transfer[1:, 1:])).max() < 1.0)


def errors(
    problem: fp.Problem, centre: np.ndarray, start: tuple[np.ndarray, np.ndarray], times: np.ndarray
) -> dict[str, dict[str, float]]:
    """Differences between SGD and each equation: ``{equation: {"mean", "covariance", "rest"}}``.

    Largest entries over the ``times``, multiples of the learning rate, for mean and covariance;
    at rest relative to the covariance of SGD, in the Frobenius norm.
    """
    eta, d = problem.learning_rate, problem.ndim
    assert eta is not None
    mean, covariance = start
    z = np.concatenate([[1.0], mean, (covariance + np.outer(mean, mean)).ravel()])
    T = Closed.of(problem, centre).transfer(eta)
    exact = [_split(np.linalg.matrix_power(T, round(t / eta)) @ z, d) for t in times]
    stable = mean_square_stable(T)
    exact_rest = rest(T - np.eye(len(T)), d) if stable else np.full((d, d), np.nan)
    found = {}
    for name, equation in EQUATIONS.items():
        G = Closed.of(equation(problem), centre).generator()
        moments = [_split(expm(t * G) @ z, d) for t in times]
        gap = rest(G, d) - exact_rest
        found[name] = {
            **{
                quantity: max(
                    float(np.abs(a[k] - b[k]).max()) for a, b in zip(moments, exact, strict=True)
                )
                for k, quantity in enumerate(("mean", "covariance"))
            },
            "rest": float(np.linalg.norm(gap) / np.linalg.norm(exact_rest)),
        }
    return found


def fitted_order(rates: np.ndarray, values: np.ndarray) -> float:
    """Slope of log(values) over log(rates)."""
    return float(np.polyfit(np.log(rates), np.log(values), 1)[0])


def _matrix(apply: Callable[..., tuple[float, np.ndarray, np.ndarray]], d: int) -> np.ndarray:
    """The matrix of a linear map of (1, m, M)."""
    columns = []
    for z in np.eye(1 + d + d * d):
        one, m, M = apply(z[0], z[1 : 1 + d], z[1 + d :].reshape(d, d))
        columns.append(np.concatenate([[one], m, M.ravel()]))
    return np.stack(columns, axis=1)


def _split(z: np.ndarray, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance."""
    m = z[1 : 1 + d]
    return m, z[1 + d :].reshape(d, d) - np.outer(m, m)
