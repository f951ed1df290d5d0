"""Losses of data: the mean over samples, its derivatives and the covariance of sample gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import CaseError
from .expressions.names import nearest
from .losses import KINDS
from .moments import Moments

# Values of one temporary array, points times samples: a dozen of them stay in the cache.
CHUNK = 2**14
# Fourth powers of the data, times squares of parameters, must not overflow.
LARGEST = 1e60


@dataclass(frozen=True, eq=False, repr=False)
class DataModel:
    """Phi = (1/n) sum_i l_i + (l2/2)|theta|^2 over n samples (30), with Sigma of (31).

    Parameters
    ----------
    kind : str
        One of ``KINDS``:
        ``linear_regression`` l = (theta.x - y)^2/2,
        ``logistic_regression`` l = log(1 + exp(theta.x)) - y theta.x, y = 0 or 1,
        ``tanh_neuron`` l = (a tanh(w.x) - y)^2/2, theta = (a, w).
    features : array, shape (n, k) or (n,)
        Inputs x, one column each; a column of ones gives an intercept (of the neuron, a bias).
    targets : array, shape (n,)
        y.
    l2 : float
        Weight decay >= 0, of every parameter; it is no part of the noise.
    names : tuple of str, optional
        Of the parameters, for messages.

    Attributes
    ----------
    features : ndarray, shape (n, k), float64, C-contiguous, read-only
    targets : ndarray, shape (n,), float64, read-only

    Raises
    ------
    CaseError
        With a key below ``loss``.

    Notes
    -----
    Methods of ``points`` take d arrays, which broadcast; tensor axes come first in what they
    return. Linear regression is evaluated from moments of the data and costs the same for any n;
    the other kinds sum over the samples, in chunks of points so that memory stays bounded. No
    value depends on how the points are divided, not by a bit.

    References
    ----------
    G.-H. Liu and E. A. Theodorou. Deep Learning Theory Review: An Optimal Control and Dynamical
    Systems Perspective. arXiv:1908.10920 (2019), equations (30) and (31).

    Examples
    --------
    >>> import numpy as np
    >>> import fokkerplanck as fp
    >>> x = np.array([-1.0, 0.0, 1.0, 2.0])
    >>> y = np.array([-0.4, -0.1, 0.6, 0.9])
    >>> problem = fp.Problem(
    ...     fp.DataModel("linear_regression", x, y),
    ...     sigma="minibatch",
    ...     batch_size=1,
    ...     learning_rate=0.1,
    ...     domain={"w": (-1, 2)},
    ... )
    >>> w = np.array([0.0, 0.5])
    >>> problem.loss_at((w,)).round(4)
    array([0.1675, 0.005 ])
    >>> problem.sigma_at((w,))[0, 0].round(4)
    array([0.45  , 0.0125])
    """

    kind: str
    features: np.ndarray
    targets: np.ndarray
    l2: float = 0.0
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise CaseError(
                f"{self.kind!r} is not a model; {nearest(str(self.kind), KINDS)}", "loss.model"
            )
        features = _numbers(self.features, "loss.features")
        features = features[:, None] if features.ndim == 1 else features
        targets = _numbers(self.targets, "loss.target")
        if features.ndim != 2 or targets.shape != features.shape[:1] or not features.size:
            raise CaseError(
                f"features of shape {features.shape} do not fit targets of shape "
                f"{targets.shape}; give (n, k) and (n,) with n and k at least 1",
                "loss.features",
            )
        features.setflags(write=False)
        targets.setflags(write=False)
        self.__dict__.update(
            features=features, targets=targets, l2=float(self.l2), names=tuple(self.names)
        )
        self._check()

    def __repr__(self) -> str:
        l2 = f", l2={self.l2:g}" if self.l2 else ""
        return f"DataModel({self.kind!r}, {self.samples} samples{l2})"

    @property
    def samples(self) -> int:
        """Number of samples n."""
        return len(self.targets)

    @property
    def parameters(self) -> int:
        """Number of parameters d."""
        return KINDS[self.kind].own + self.features.shape[1]

    def loss(self, points: Sequence[Any]) -> np.ndarray:
        """Phi, shape (...)."""
        points = _arrays(points)
        if self._moments is not None:
            values = self._moments.loss(points)
        else:
            values = self._over_points(self._mean_loss, points, ())
        for point in points if self.l2 else ():
            values = values + 0.5 * self.l2 * point**2
        return values

    def gradient(self, points: Sequence[Any]) -> np.ndarray:
        """grad Phi, shape (d, ...)."""
        points = _arrays(points)
        if self._moments is not None:
            values = self._moments.gradient(points)
        else:
            values = self._over_points(self._mean_gradient, points, (self.parameters,))
        for i, point in enumerate(points if self.l2 else ()):
            values[i] += self.l2 * point
        return values

    def hessian(self, points: Sequence[Any]) -> np.ndarray:
        """Hessian of Phi, shape (d, d, ...)."""
        points = _arrays(points)
        d = self.parameters
        if self._moments is not None:
            values = np.empty((d, d, *_shape(points)))
            values[:] = self._moments.hessian.reshape(d, d, *(1,) * (values.ndim - 2))
        else:
            values = self._over_points(self._mean_hessian, points, (d, d))
        for i in range(d):
            values[i, i] += self.l2
        return values

    def sigma(self, points: Sequence[Any]) -> np.ndarray:
        """Covariance of the samples' gradients (31), with 1/n; shape (d, d, ...)."""
        points = _arrays(points)
        if self._moments is not None:
            return self._moments.sigma(points)
        return self._over_points(self._covariance, points, (self.parameters, self.parameters))

    def div_sigma(self, points: Sequence[Any]) -> np.ndarray:
        """Divergence of Sigma over columns, shape (d, ...)."""
        points = _arrays(points)
        if self._moments is not None:
            return self._moments.div_sigma(points)
        return self._over_points(self._divergence, points, (self.parameters,))

    def sample_gradients(self, theta: Sequence[float] | np.ndarray) -> np.ndarray:
        """Gradients g_i of the samples at one point, l2 theta included; shape (n, d)."""
        at = np.asarray(theta, dtype=float)
        parts = KINDS[self.kind].gradient(list(at[:, None, None]), self._columns, self.targets)
        return np.stack([part[0] for part in parts], axis=1) + self.l2 * at

    def gradients_at(self, points: Sequence[Any]) -> np.ndarray:
        """Gradients g_i of all samples, l2 theta included, at m points (d, m); shape (d, m, n)."""
        at = [np.asarray(point, dtype=float)[:, None] for point in points]
        parts = KINDS[self.kind].gradient(at, self._columns, self.targets)
        return np.stack([part + self.l2 * one for part, one in zip(parts, at, strict=True)])

    def largest_curvature(self, points: Sequence[Any]) -> float:
        """Largest eigenvalue of the Hessian at any of the points; SGD needs eta below 2 over it."""
        hessian = self.hessian(points)
        d = self.parameters
        stacked = np.moveaxis(hessian.reshape(d, d, -1), 2, 0)
        return float(np.linalg.eigvalsh(stacked)[:, -1].max())

    @cached_property
    def _moments(self) -> Moments | None:
        if self.kind != "linear_regression":
            return None
        return Moments.of(self.features, self.targets)

    @cached_property
    def _columns(self) -> list[np.ndarray]:
        return list(np.ascontiguousarray(self.features.T))

    def _over_points(
        self,
        evaluate: Callable[[list[np.ndarray]], np.ndarray],
        points: list[np.ndarray],
        tensor: tuple[int, ...],
    ) -> np.ndarray:
        """Fill an array of shape (*tensor, ...) chunk by chunk; ``evaluate`` gets (m, 1) arrays."""
        shape = _shape(points)
        flat = [np.broadcast_to(point, shape).reshape(-1, 1) for point in points]
        result = np.empty((*tensor, flat[0].size))
        step = max(1, CHUNK // self.samples)
        for first in range(0, flat[0].size, step):
            part = slice(first, first + step)
            result[..., part] = evaluate([point[part] for point in flat])
        return result.reshape(tensor + shape)

    def _mean_loss(self, theta: list[np.ndarray]) -> np.ndarray:
        return KINDS[self.kind].loss(theta, self._columns, self.targets).mean(axis=1)

    def _mean_gradient(self, theta: list[np.ndarray]) -> np.ndarray:
        parts = KINDS[self.kind].gradient(theta, self._columns, self.targets)
        return np.stack([part.mean(axis=1) for part in parts])

    def _mean_hessian(self, theta: list[np.ndarray]) -> np.ndarray:
        parts = KINDS[self.kind].hessian(theta, self._columns, self.targets)
        return _symmetric(lambda i, j: parts[i][j].mean(axis=1), len(parts))

    def _covariance(self, theta: list[np.ndarray]) -> np.ndarray:
        # Centred before squaring: Sigma stays positive semi-definite to its own rounding.
        parts = _centred(KINDS[self.kind].gradient(theta, self._columns, self.targets))
        return _symmetric(lambda i, j: (parts[i] * parts[j]).mean(axis=1), len(parts))

    def _divergence(self, theta: list[np.ndarray]) -> np.ndarray:
        """Mean of H_i (g_i - g) + tr(H_i) (g_i - g)."""
        # The deviations have mean zero, so that H_i need not be centred as well.
        kind, d = KINDS[self.kind], self.parameters
        deviation = _centred(kind.gradient(theta, self._columns, self.targets))
        hessian = kind.hessian(theta, self._columns, self.targets)
        trace = sum((hessian[i][i] for i in range(1, d)), hessian[0][0])
        result = np.empty((d, len(theta[0])))
        for i in range(d):
            total = (trace + hessian[i][i]) * deviation[i]
            for j in range(d):
                if j != i:
                    total += hessian[i][j] * deviation[j]
            result[i] = total.mean(axis=1)
        return result

    def _check(self) -> None:
        """Whether the data make sense for this model."""
        if not (math.isfinite(self.l2) and self.l2 >= 0.0):
            raise CaseError(f"{self.l2:g} is not a number >= 0", "loss.l2")
        if self.names and len(self.names) != self.parameters:
            raise CaseError(
                f"{len(self.names)} names for {self.parameters} parameters", "loss.features"
            )
        if self.samples < self.parameters:
            raise CaseError(
                f"{self.samples} rows are too few for {self.parameters} parameters; give at "
                "least as many",
                "loss.data",
            )
        still = np.flatnonzero(~self.features.any(axis=0))
        if still.size:
            raise CaseError(
                "is zero in every row, so that its parameter changes nothing; leave it out",
                f"loss.features[{still[0]}]",
            )
        if self.kind == "logistic_regression":
            wrong = np.flatnonzero((self.targets != 0.0) & (self.targets != 1.0))
            if wrong.size:
                raise CaseError(
                    f"the target in row {wrong[0] + 1} is {self.targets[wrong[0]]:g}; it must be "
                    "0 or 1",
                    "loss.target",
                )
            if self.targets.min() == self.targets.max():
                raise CaseError(
                    f"the target is {self.targets[0]:g} in every row; both classes are needed",
                    "loss.target",
                )


def _numbers(values: Any, key: str) -> np.ndarray:
    """A float64 copy of an array of finite numbers."""
    try:
        result = np.array(values, dtype=np.float64, order="C")
    except (TypeError, ValueError):
        raise CaseError("holds something that is not a number", key) from None
    bad = ~(np.abs(result) <= LARGEST)
    if bad.any():
        place = np.argwhere(bad)[0]
        raise CaseError(
            f"holds {result[tuple(place)]:g} in row {place[0] + 1}; numbers must be finite and at "
            f"most {LARGEST:g} in size",
            key,
        )
    return result


def _arrays(points: Sequence[Any]) -> list[np.ndarray]:
    return [np.asarray(point, dtype=float) for point in points]


def _shape(points: Sequence[np.ndarray]) -> tuple[int, ...]:
    return np.broadcast_shapes(*(point.shape for point in points))


def _centred(parts: list[np.ndarray]) -> list[np.ndarray]:
    """Each array less its mean over the samples."""
    return [part - part.mean(axis=1, keepdims=True) for part in parts]


def _symmetric(entry: Callable[[int, int], np.ndarray], d: int) -> np.ndarray:
    """Symmetric tensor of shape (d, d, m) from the entries i <= j."""
    upper = {(i, j): entry(i, j) for i in range(d) for j in range(i, d)}
    return np.stack([np.stack([upper[min(i, j), max(i, j)] for j in range(d)]) for i in range(d)])
