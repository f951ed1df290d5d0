"""The problems of the curves, each with its exact transient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
from scipy.linalg import expm

from fokkerplanck.gallery import (
    ExactProblem,
    cross_diffusion,
    gaussian,
    mapped_ornstein_uhlenbeck,
    ornstein_uhlenbeck_2d,
    quartic_well,
)

# Nodes of the reference of the quartic well and where they end: beyond, every density of the
# transient is below 1e-20. Twice the nodes change it by less than 1e-11.
NODES = 500
REACH = 3.2


def quartic_transient() -> ExactProblem:
    """The quartic well with its transient by sinc collocation and the exponential of the matrix."""
    return replace(quartic_well(), density=_quartic_density, source="sinc collocation")


def _quartic_density(t: float, points: tuple[np.ndarray, ...]) -> np.ndarray:
    exact = quartic_well()
    if t == 0.0:
        return gaussian(points, exact.start_mean, exact.start_covariance)
    nodes, values = _collocated(t)
    spacing = nodes[1] - nodes[0]
    found = np.sinc((points[0][:, None] - nodes) / spacing) @ values
    return np.where(np.abs(points[0]) < REACH, found, 0.0)


@lru_cache(maxsize=4)
def _collocated(t: float, count: int = NODES) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and the density of the quartic well there, spectrally accurate."""
    exact = quartic_well()
    nodes = np.linspace(-REACH, REACH, count)
    spacing = nodes[1] - nodes[0]
    apart = np.arange(count)[:, None] - np.arange(count)
    signs = np.where(apart % 2 == 0, 1.0, -1.0)
    off = np.where(apart == 0, 1, apart)
    first = np.where(apart == 0, 0.0, signs / off) / spacing
    second = np.where(apart == 0, -(np.pi**2) / 3.0, -2.0 * signs / off**2) / spacing**2
    drift = nodes - nodes**3
    change = second / exact.problem.beta - first * drift
    start = gaussian([nodes], exact.start_mean, exact.start_covariance)
    return nodes, expm(t * change) @ start


PROBLEMS: dict[str, Callable[[], ExactProblem]] = {
    "P, k = 1": lambda: ornstein_uhlenbeck_2d(1.0),
    "P, k = 4": lambda: ornstein_uhlenbeck_2d(4.0),
    "P, k = 100": lambda: ornstein_uhlenbeck_2d(100.0),
    "cross-diffusion": cross_diffusion,
    "turning tensor": mapped_ornstein_uhlenbeck,
    "quartic well": quartic_transient,
}
