"""The fields that a problem is made of: loss, extra drift, Sigma, and their derivatives."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .callables import FIRST_REACH, CallableField
from .expressions.field import Field, FormulaField


@dataclass(frozen=True, eq=False)
class Coefficients:
    """Loss, extra drift and Sigma as functions of the parameters, without momentum.

    Attributes
    ----------
    loss, sigma : Field
    drift : Field or None
        The extra drift f.
    given : dict
        Derivatives that the caller gave, by "gradient", "hessian" and "div_sigma".
    """

    loss: Field
    drift: Field | None
    sigma: Field
    given: dict[str, CallableField]

    @cached_property
    def gradient(self) -> Field:
        """Gradient of the loss."""
        return self.given.get("gradient") or self.loss.gradient()

    @cached_property
    def hessian(self) -> Field:
        """Hessian of the loss."""
        if "hessian" in self.given:
            return self.given["hessian"]
        gradient = self.given.get("gradient")
        return self.loss.hessian() if gradient is None else gradient.gradient()

    @cached_property
    def div_sigma(self) -> Field:
        """Divergence of Sigma over its columns."""
        return self.given.get("div_sigma") or self.sigma.divergence()

    @cached_property
    def drift_time_dependent(self) -> bool:
        """Whether the deterministic drift, loss included, depends on t."""
        fields = (self.loss, self.given.get("gradient"), self.drift)
        return any(field is not None and field.time_dependent for field in fields)

    @cached_property
    def sigma_time_dependent(self) -> bool:
        """Whether Sigma depends on t."""
        given = self.given.get("div_sigma")
        return self.sigma.time_dependent or (given is not None and given.time_dependent)

    @property
    def fields(self) -> tuple[Field, ...]:
        """What the coefficients are made of: slope of the loss, drift, Sigma."""
        # Differences of a function cost more than the function, and show nothing more in time.
        formula = isinstance(self.loss, FormulaField) or "gradient" in self.given
        loss = self.gradient if formula else self.loss
        drift = () if self.drift is None else (self.drift,)
        divergence = [self.given["div_sigma"]] if "div_sigma" in self.given else []
        return (loss, *drift, self.sigma, *divergence)

    @property
    def loss_may_jump(self) -> bool:
        """Whether the loss is a formula with functions that jump; its gradient does not see it."""
        loss = self.loss
        return isinstance(loss, FormulaField) and not loss.continuous and not self.given

    @cached_property
    def divergence_reach(self) -> float:
        """How far differences for div Sigma reach, as a share of each axis; 0 where it is exact."""
        exact = "div_sigma" in self.given or not isinstance(self.div_sigma, CallableField)
        return 0.0 if exact else FIRST_REACH


def shown(part: Any) -> str:
    """A loss, a drift or a Sigma in a few words: a function by its name."""
    if callable(part):
        return str(getattr(part, "__name__", "callable"))
    text = repr(part)
    return text if len(text) <= 50 else text[:47] + "..."
