"""The tensor fields of a data model, as a problem asks for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .callables import CallableField
from .models import DataModel


@dataclass(frozen=True)
class ModelField:
    """One of the tensor fields of a model, as the problem's fields are (see `field.Field`).

    Parameters
    ----------
    model : DataModel
    quantity : str
        Name of the method: loss, gradient, hessian, sigma or div_sigma.
    lengths : tuple of float
        Axis lengths, for what has to be taken by differences.
    key : str
        Case key for messages.
    """

    model: DataModel
    quantity: str
    lengths: tuple[float, ...]
    key: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Tensor shape."""
        rank = {"loss": 0, "gradient": 1, "hessian": 2, "sigma": 2, "div_sigma": 1}
        return (self.model.parameters,) * rank[self.quantity]

    @property
    def time_dependent(self) -> bool:
        """The data do not change."""
        return False

    @property
    def constant(self) -> None:
        """Never known to be constant."""
        return None

    @property
    def zero(self) -> np.ndarray:
        """Which entries vanish identically: with one sample there is no noise."""
        return np.full(self.shape, self.quantity == "sigma" and self.model.samples == 1)

    def __call__(self, points: Sequence[Any], t: float = 0.0) -> np.ndarray:
        """Evaluate at points; float64, shape ``(*self.shape, *broadcast shape of points)``."""
        evaluate: Callable[[Sequence[Any]], np.ndarray] = getattr(self.model, self.quantity)
        with np.errstate(all="ignore"):
            return evaluate(points)

    def gradient(self) -> ModelField | CallableField:
        """Exact derivatives of the loss and its gradient; those of others by differences."""
        following = {"loss": "gradient", "gradient": "hessian"}
        if self.quantity in following:
            return self._other(following[self.quantity])
        return self._by_differences.gradient()

    def hessian(self) -> ModelField | CallableField:
        """Exact second derivatives of the loss; those of others by differences."""
        if self.quantity == "loss":
            return self._other("hessian")
        return self._by_differences.hessian()

    def divergence(self) -> ModelField | CallableField:
        """Exact divergence of Sigma; that of others by differences."""
        if self.quantity == "sigma":
            return self._other("div_sigma")
        return self._by_differences.divergence()

    @property
    def _by_differences(self) -> CallableField:
        return CallableField(lambda *points: self(points), self.shape, self.lengths, self.key)

    def _other(self, quantity: str) -> ModelField:
        return ModelField(self.model, quantity, self.lengths, self.key)
