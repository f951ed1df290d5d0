"""Flux correction: adding an antidiffusive flux only as far as the density stays non-negative."""

from __future__ import annotations

import numba
import numpy as np

from ..operators.generator import Generator
from ..operators.threads import parallel


def add_limited(generator: Generator, low: np.ndarray, excess: np.ndarray, dt: float) -> np.ndarray:
    """low + dt A excess with every edge flux scaled so that no cell turns negative.

    Parameters
    ----------
    generator : Generator
    low : (N,) float64
        Non-negative.
    excess : (N,) float64
        Any sign; A excess vanishes when it is proportional to the stationary state.
    dt : float

    Returns
    -------
    (N,) float64
        Non-negative, with the mass of ``low + dt A excess`` where the limiter is idle and the
        mass of ``low`` in a closed box.

    Notes
    -----
    Zalesak (1979): all fluxes out of a cell share one factor, that of the cell they leave.
    """
    r = generator.rates
    loss = dt * generator.killing * excess
    outflow = np.maximum(loss, 0.0)
    _outflow(r.forward, r.backward, r.shifts, excess, dt, outflow)
    wrap = dt * (r.wrap_forward * excess[r.wrap_source] - r.wrap_backward * excess[r.wrap_target])
    np.add.at(outflow, r.wrap_source, np.maximum(wrap, 0.0))
    np.add.at(outflow, r.wrap_target, np.maximum(-wrap, 0.0))
    share = np.ones_like(low)
    over = outflow > low
    share[over] = low[over] / outflow[over]
    result = low - np.where(loss > 0.0, share * loss, loss)
    _limited_gain(r.forward, r.backward, r.shifts, excess, dt, share, result)
    wrap *= np.where(wrap > 0.0, share[r.wrap_source], share[r.wrap_target])
    np.subtract.at(result, r.wrap_source, wrap)
    np.add.at(result, r.wrap_target, wrap)
    return np.maximum(result, 0.0)


@parallel
def _outflow(forward, backward, shifts, excess, dt, outflow):
    """Add to ``outflow`` (N,) the sum of the fluxes that leave each cell along bulk edges."""
    size = excess.size
    for i in numba.prange(size):
        total = 0.0
        for k in range(shifts.size):
            ahead, behind = i + shifts[k], i - shifts[k]
            if 0 <= ahead < size:
                total += max(forward[k, i] * excess[i] - backward[k, i] * excess[ahead], 0.0)
            if 0 <= behind < size:
                total += max(
                    backward[k, behind] * excess[i] - forward[k, behind] * excess[behind], 0.0
                )
        outflow[i] += dt * total


@parallel
def _limited_gain(forward, backward, shifts, excess, dt, share, result):
    """Add to ``result`` (N,) the fluxes along bulk edges, each scaled by its donor's share."""
    size = excess.size
    for i in numba.prange(size):
        gain = 0.0
        for k in range(shifts.size):
            ahead, behind = i + shifts[k], i - shifts[k]
            if 0 <= ahead < size:
                flux = forward[k, i] * excess[i] - backward[k, i] * excess[ahead]
                gain -= flux * (share[i] if flux > 0.0 else share[ahead])
            if 0 <= behind < size:
                flux = forward[k, behind] * excess[behind] - backward[k, behind] * excess[i]
                gain += flux * (share[behind] if flux > 0.0 else share[i])
        result[i] += dt * gain
