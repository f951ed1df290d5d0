"""Gauss quadrature along lattice edges, refined where the integrand jumps or bends inside an edge.

A jump inside an edge would leave an error of first order in the cell width. Simpson's rule from
the two ends and the middle finds such edges, and halving locates what is in them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# Values at the share s of the way along edges given by their number: f(edges, s), both (n,).
Along = Callable[[np.ndarray, np.ndarray], np.ndarray]

# Simpson and Gauss differ by at least 1/9 of a step, by 1/10 of the range of a kink in the middle,
# and by 1e-3 of the range of sin(x) over a tenth of its period.
IRREGULAR = 0.01
# Differences below this share of the integrand are rounding.
ROUNDING = 1e-12
# Halvings of an edge: what is left of it is rounding. Panels per edge that still change: a jump
# is in one of them, and more than so many are the rounding of a singular integrand.
HALVINGS, MOST_PANELS = 50, 32


def gauss(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Abscissae and weights of the Gauss-Legendre rule on [0, 1]."""
    abscissae, weights = np.polynomial.legendre.leggauss(nodes)
    return 0.5 * (abscissae + 1.0), 0.5 * weights


def irregular(
    total: np.ndarray, first: np.ndarray, middle: np.ndarray, last: np.ndarray
) -> np.ndarray:
    """Where Gauss quadrature cannot be trusted.

    Parameters
    ----------
    total : ndarray
        What the Gauss rule gives.
    first, middle, last : ndarrays of that shape
        The integrand at the ends and in the middle of the edges.

    Returns
    -------
    bool ndarray
        False where a value is not finite.
    """
    values = (first, middle, last, total)
    # Where the noise vanishes there is no force: inf or NaN, of which only numpy would speak.
    with np.errstate(all="ignore"):
        difference = np.abs((first + 4.0 * middle + last) / 6.0 - total)
        spread = np.maximum.reduce(values) - np.minimum.reduce(values)
        size = np.maximum.reduce([np.abs(value) for value in values])
        found = (difference > IRREGULAR * spread) & (difference > ROUNDING * (size + 1.0))
        return np.asarray(found & np.isfinite(difference))


def refined(
    along: Along, count: int, nodes: int, tolerance: float, plain: np.ndarray
) -> np.ndarray:
    """Integrals over [0, 1] by Gauss rules on panels that are halved until they agree.

    Parameters
    ----------
    along : callable
    count : int
        Number of edges.
    nodes : int
        Of the rule on each panel.
    tolerance : float
        Largest change by a halving, relative to 1 + |plain|.
    plain : (count,) float64
        The integrals by one rule; they stand where the panels never agree, as at a pole.

    Returns
    -------
    (count,) float64
    """
    abscissae, weights = gauss(nodes)

    def panels(edge: np.ndarray, low: np.ndarray, width: np.ndarray) -> np.ndarray:
        places = low + width * abscissae[:, None]
        values = along(np.tile(edge, nodes), places.reshape(-1)).reshape(places.shape)
        # Where the noise vanishes they are inf or NaN, and never agree.
        with np.errstate(invalid="ignore"):
            return np.asarray(width * (weights @ values))

    total, allowed = np.zeros(count), tolerance * (1.0 + np.abs(plain))
    edge, low, width = np.arange(count), np.zeros(count), np.ones(count)
    whole = panels(edge, low, width)
    for _ in range(HALVINGS):
        half = 0.5 * width
        edge, low = np.concatenate([edge, edge]), np.concatenate([low, low + half])
        parts = panels(edge, low, np.concatenate([half, half])).reshape(2, -1)
        with np.errstate(all="ignore"):
            both = parts[0] + parts[1]
            rest = ~(np.abs(both - whole) <= allowed[edge[: both.size]])
        if np.count_nonzero(rest) > MOST_PANELS * count:
            break
        ready = ~rest
        np.add.at(total, edge[: ready.size][ready], both[ready])
        if not rest.any():
            return total
        again = np.concatenate([rest, rest])
        edge, low, width = edge[again], low[again], np.concatenate([half[rest], half[rest]])
        whole = parts.reshape(-1)[again]
    total[edge] = plain[edge]
    return total
