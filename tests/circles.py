"""Averages over circles, along which the exact problem of Chaudhari and Soatto turns."""

from __future__ import annotations

import numpy as np
from scipy.integrate import quad


def circle_averages(lam: float, radius: float) -> tuple[float, float]:
    """Period of v on a circle around the origin, and time average of Phi~ along it.

    By quadrature over the angle.
    """

    def well(angle: float) -> float:
        x, y = radius * np.cos(angle), radius * np.sin(angle)
        return float((x**2 - 1.0) ** 2 / 4.0 + y**2 / 2.0)

    def dwell(angle: float) -> float:
        return float(np.exp(0.25 * radius**4 - well(angle)) / lam)

    period = 4.0 * quad(dwell, 0.0, 0.5 * np.pi, epsabs=0.0, epsrel=1e-11)[0]
    total = (
        4.0
        * quad(
            lambda angle: dwell(angle) * well(angle), 0.0, 0.5 * np.pi, epsabs=0.0, epsrel=1e-11
        )[0]
    )
    return period, total / period
