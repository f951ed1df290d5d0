"""Linear regression as polynomials: loss and Sigma from moments of the data, whatever their number.

With delta = theta - centre and e the residuals there, the gradient of sample i is A_i delta + b_i,
A_i = x_i x_i^T, b_i = e_i x_i. Hence Phi and Sigma (31) are quadratic in delta, and div Sigma is
linear.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Moments:
    """Coefficients of the polynomials; means run over the samples.

    Parameters
    ----------
    centre : ndarray, shape (d,)
        Least-squares solution (the shortest one where there are several).
    level : float
        Phi at the centre.
    slope : ndarray, shape (d,)
        Mean of b_i, zero but for rounding.
    hessian : ndarray, shape (d, d)
        Mean of A_i.
    constant, first, second : ndarrays, shapes (d, d), (d, d, d), (d, d, d, d)
        Sigma_ij = constant_ij + first_ija delta_a + second_ijab delta_a delta_b.
    div_constant, div_first : ndarrays, shapes (d,), (d, d)
        The divergence of Sigma over columns, div_constant_i + div_first_ia delta_a.
    """

    centre: np.ndarray
    level: float
    slope: np.ndarray
    hessian: np.ndarray
    constant: np.ndarray
    first: np.ndarray
    second: np.ndarray
    div_constant: np.ndarray
    div_first: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, targets: np.ndarray) -> Moments:
        """Moments of (n, d) features and (n,) targets."""
        n = len(features)
        centre = np.linalg.lstsq(features, targets, rcond=None)[0]
        residuals = features @ centre - targets
        pulls = residuals[:, None] * features
        curvatures = features[:, :, None] * features[:, None, :]
        slope, hessian = pulls.mean(axis=0), curvatures.mean(axis=0)
        # Centred before they are squared: a difference of moments would lose the digits of a
        # Sigma that is nearly singular.
        b, a = pulls - slope, curvatures - hessian
        traces = np.trace(a, axis1=1, axis2=2)
        mixed = np.einsum("sia,sj->ija", a, b) / n
        second = np.einsum("sia,sjb->ijab", a, a) / n
        return cls(
            centre=centre,
            level=float(0.5 * np.mean(residuals**2)),
            slope=slope,
            hessian=hessian,
            constant=b.T @ b / n,
            first=mixed + mixed.transpose(1, 0, 2),
            second=0.5 * (second + second.transpose(1, 0, 2, 3)),
            div_constant=(np.einsum("sij,sj->i", a, b) + traces @ b) / n,
            div_first=(np.einsum("sij,sja->ia", a, a) + np.einsum("s,sia->ia", traces, a)) / n,
        )

    def loss(self, points: Sequence[np.ndarray]) -> np.ndarray:
        """Phi, shape (...)."""
        delta = self._delta(points)
        total: np.ndarray = np.asarray(self.level)
        for i, one in enumerate(delta):
            inner: np.ndarray = self.slope[i] + 0.5 * self.hessian[i, i] * one
            for j in range(i):
                inner = inner + self.hessian[i, j] * delta[j]
            total = total + inner * one
        return total

    def gradient(self, points: Sequence[np.ndarray]) -> np.ndarray:
        """grad Phi, shape (d, ...)."""
        return _affine(self.slope, self.hessian, self._delta(points))

    def sigma(self, points: Sequence[np.ndarray]) -> np.ndarray:
        """Sigma, shape (d, d, ...)."""
        delta = self._delta(points)
        d = len(delta)
        result = np.empty((d, d, *np.broadcast_shapes(*(one.shape for one in delta))))
        for i in range(d):
            for j in range(i, d):
                entry: np.ndarray = np.asarray(self.constant[i, j])
                for a, one in enumerate(delta):
                    inner: np.ndarray = np.asarray(self.first[i, j, a])
                    for b in range(a, d):
                        pair = self.second[i, j, a, b]
                        pair = pair if a == b else pair + self.second[i, j, b, a]
                        inner = inner + pair * delta[b]
                    entry = entry + inner * one
                result[i, j] = result[j, i] = entry
        return result

    def div_sigma(self, points: Sequence[np.ndarray]) -> np.ndarray:
        """Divergence of Sigma over columns, shape (d, ...)."""
        return _affine(self.div_constant, self.div_first, self._delta(points))

    def _delta(self, points: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [point - middle for point, middle in zip(points, self.centre, strict=True)]


def _affine(constant: np.ndarray, matrix: np.ndarray, delta: list[np.ndarray]) -> np.ndarray:
    """constant_i + matrix_ia delta_a, shape (d, ...)."""
    d = len(delta)
    result = np.empty((d, *np.broadcast_shapes(*(one.shape for one in delta))))
    for i in range(d):
        result[i] = constant[i]
        for a, one in enumerate(delta):
            result[i] += matrix[i, a] * one
    return result
