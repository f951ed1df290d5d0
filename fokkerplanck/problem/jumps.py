"""Heavy-tailed noise (51): the tail index, the kind of jumps and how strong they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import CaseError
from .expressions.formula import number
from .expressions.names import nearest

KINDS = ("isotropic", "components")


@dataclass(frozen=True)
class Jumps:
    """d theta = b dt + dX with X of independent stationary increments, alpha-stable.

    Parameters
    ----------
    alpha : float
        Tail index, 0 < alpha < 2: E|X|^p is finite for p < alpha only.
    kind : str
        "isotropic": E exp(i k.X_t) = exp(-t K |k|^alpha); "components": independent ones along
        the axes, exp(-t sum_a K_a |k_a|^alpha). In one dimension both are the same.
    strengths : tuple of float
        K_a for each axis, equal for isotropic jumps.

    Notes
    -----
    With the learning rate eta and the batch size B, K = eta^(alpha-1) sigma^alpha of (51) with
    sigma^2 = Sigma/(2B), that is K = eta^(alpha/2-1) (Sigma/beta)^(alpha/2); a step of SGD is
    theta - eta (grad Phi - sigma xi), E exp(i k xi) = exp(-abs(k)^alpha). Without a learning rate
    eta is 1 there. At alpha = 2 K is Sigma/beta, the diffusion of (48).
    """

    alpha: float
    kind: str
    strengths: tuple[float, ...]

    def over_sides_rate(self, strength: float, distance: np.ndarray) -> np.ndarray:
        """Jumps per unit time that go further than a distance, one way along an axis."""
        return strength * tail_constant(self.alpha) / self.alpha * distance**-self.alpha


def tail_constant(alpha: float) -> float:
    """c of the jump density c |x|^(-1-alpha) whose exponent is |k|^alpha."""
    return (
        alpha
        * 2.0 ** (alpha - 1.0)
        * math.gamma((1.0 + alpha) / 2.0)
        / (math.sqrt(math.pi) * math.gamma(1.0 - alpha / 2.0))
    )


def read_jumps(
    alpha: Any,
    kind: str | None,
    parameters: dict[str, float],
    sigma: np.ndarray | None,
    beta: float,
    rate: float | None,
    momentum: bool,
) -> Jumps | None:
    """Jumps of a problem; None for Gaussian noise, which alpha = 2 is.

    Parameters
    ----------
    alpha : number, formula or None
    kind : str, optional
        One of ``KINDS``; isotropic where left out.
    parameters : dict
    sigma : (d, d) array, optional
        A constant Sigma.
    beta : float
    rate : float, optional
        Learning rate.
    momentum : bool

    Raises
    ------
    CaseError
        Where alpha is out of range, or the noise is not of that kind.
    """
    key = "noise.alpha"
    if kind is not None and kind not in KINDS:
        raise CaseError(f"{kind!r} is not a kind of jumps; {nearest(kind, KINDS)}", "noise.jumps")
    if alpha is None:
        if kind is not None:
            raise CaseError("needs alpha beside it", "noise.jumps")
        return None
    value = number(alpha, parameters, key)
    if not 0.0 < value <= 2.0:
        raise CaseError(f"{value:g} is not allowed; the tail index is in (0, 2]", key)
    if value == 2.0:
        return None
    if momentum:
        raise CaseError("below 2 goes without momentum; leave it out", key)
    if sigma is None:
        raise CaseError(
            "below 2 needs a constant Sigma: its equation has a number, and where jumps would take "
            "their size from, before or behind, it does not say",
            "noise.sigma",
        )
    kind = kind or "isotropic"
    diagonal = np.diag(sigma)
    if np.count_nonzero(sigma - np.diag(diagonal)):
        raise CaseError(
            "has entries off the diagonal; jumps are isotropic or along the axes", "noise.sigma"
        )
    if not diagonal.min() > 0.0:
        raise CaseError("needs positive entries on the diagonal with alpha below 2", "noise.sigma")
    if kind == "isotropic" and not np.all(diagonal == diagonal[0]):
        raise CaseError(
            "has different entries on the diagonal; isotropic jumps have one strength, so take "
            'one number, or jumps = "components"',
            "noise.sigma",
        )
    eta = 1.0 if rate is None else rate
    strengths = eta ** (value / 2.0 - 1.0) * (diagonal / beta) ** (value / 2.0)
    return Jumps(value, kind, tuple(float(strength) for strength in strengths))
