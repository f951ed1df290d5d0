"""exp(t A) applied to a density: uniformization, and Chebyshev under detailed balance.

Both are exact in time for coefficients that do not change. Uniformization sums non-negative terms
only, so it is positive for any generator and accurate down to small entries, at about
s + 6 sqrt(s) products with s = q t. Chebyshev needs about sqrt(2 s ln(1/eps)) products, but works
on the symmetrised operator M^-1/2 A M^1/2, which exists under detailed balance only.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.special import gammaln, ive

from ..errors import NumericalFailure
from ..operators.generator import Generator

# Poisson and Chebyshev coefficients below this share are left out.
TRUNCATION = 1e-17
# Uniformization looks this often whether the density still moves.
SETTLED_EVERY = 64
# Change in L1, relative to the mass, that all remaining products together may still make.
SETTLED = 1e-15
# Chebyshev's L1 error is a few rounding units times sqrt(chi^2 + 1) of the density to its Gibbs
# state; beyond this weight the tails would be noise.
MAX_WEIGHT = 1e4
# Negative mass that may be cut off as rounding.
MAX_CUT = 1e-11
# Longest s of one series: its coefficients then take a few MB. Longer times are covered in pieces
# that grow from the first one up to it, so that a density that comes to rest soon costs little.
LONGEST_SERIES, LONGEST_SUM = 1e8, 1e7
FIRST_PIECE, GROWTH = 1e4, 4.0
# L1 distance to the Gibbs state, relative to the mass, that is rounding.
AT_REST = 1e-12
# Products times cells beyond which a time is not begun, and the cells whose work costs as much as
# the call of a product: about ten hours.
MOST_WORK = 3e13
CALL_CELLS = 4000
SHORTER = "take density.stepper = 'auto' or 'krylov', an earlier density.end, or fewer cells"


def poisson_weights(s: float) -> tuple[int, np.ndarray]:
    """First index and weights of the Poisson law of mean s, without its negligible tails.

    The weights sum to one.
    """
    spread = 9.0 * math.sqrt(s) + 40.0
    first = max(0, int(s - spread))
    k = np.arange(first, int(s + spread) + 1)
    weights = np.exp(k * math.log(s) - s - gammaln(k + 1.0)) if s > 0.0 else (k == 0) * 1.0
    kept = np.flatnonzero(weights > TRUNCATION * weights.max())
    weights = weights[kept[0] : kept[-1] + 1]
    return first + int(kept[0]), weights / weights.sum()


def uniformize(
    generator: Generator,
    density: np.ndarray,
    duration: float,
    moved: Callable[[float], object] = lambda share: None,
) -> tuple[np.ndarray, int]:
    """exp(duration A) density = sum_k Poisson(k; s) (I + A/q)^k density.

    Parameters
    ----------
    generator : Generator
    density : (N,) float64
        Non-negative.
    duration : float
    moved : callable
        Called with the share of the products done.

    Returns
    -------
    density : (N,) float64
        Non-negative, mass exact to rounding, entries relatively accurate while they are above
        about ``TRUNCATION`` of the largest; smaller ones come out smaller, or zero.
    products : int

    Notes
    -----
    Jensen (1953). Stops early once the density is stationary: in L1 each further product changes
    no more than the last one did.
    """
    if generator.q * duration > LONGEST_SUM:
        return _pieces(uniformize, generator, density, duration, LONGEST_SUM)
    q = generator.q
    first, weights = poisson_weights(q * duration)
    last = first + weights.size - 1
    x, y = density.copy(), np.empty_like(density)
    total = weights[0] * x if first == 0 else np.zeros_like(x)
    mass = float(x.sum())
    padded = np.zeros(last + 1)
    padded[first:] = weights
    for begin in range(1, last + 1, SETTLED_EVERY):
        end = min(begin + SETTLED_EVERY, last + 1)
        x, y, change = generator.powers(x, y, 1.0 / q, padded, begin, end, total)
        moved(end / (last + 1))
        if change * (last + 1 - end) <= SETTLED * mass:
            total += max(0.0, float(padded[end:].sum())) * x
            return total, end - 1
    if generator.closed:
        # Millions of products would let the mass walk off by their rounding.
        total *= mass / float(total.sum())
    return total, last


def uniformization_products(s: float) -> float:
    """Products of :func:`uniformize` for s = q t, where it does not settle earlier."""
    return s + 6.0 * math.sqrt(s) + 10.0


def chebyshev_products(s: float) -> float:
    """Products of :func:`chebyshev` for s = q t, about."""
    pieces = max(1.0, s / LONGEST_SERIES)
    return pieces * (7.7 * math.sqrt(s / pieces) + 10.0)


def require_affordable(products: float, s: float, cells: int, advice: str = SHORTER) -> None:
    """Refuse a time that takes too many products.

    Raises
    ------
    NumericalFailure
        With the number of products, and how long they take.
    """
    work = products * (cells + CALL_CELLS)
    if not work <= MOST_WORK:
        raise NumericalFailure(
            f"s = q t = {s:.3g} (the largest exit rate of a cell times the time) takes "
            f"{products:.2g} products, about {work / 3.6e12:.2g} hours",
            advice,
        )


def at_rest(generator: Generator, density: np.ndarray) -> np.ndarray | None:
    """The Gibbs state of the density's mass, where the density differs from it by rounding only."""
    if not (generator.detailed_balance and generator.closed):
        return None
    rest = np.square(_root_gibbs(generator))
    mass = float(density.sum())
    rest *= mass / float(rest.sum())
    return rest if float(np.abs(density - rest).sum()) <= AT_REST * mass else None


Method = Callable[[Generator, np.ndarray, float], tuple[np.ndarray, int]]


def _pieces(
    method: Method, generator: Generator, density: np.ndarray, duration: float, longest: float
) -> tuple[np.ndarray, int]:
    """Cover a long time in growing pieces, up to the rest state at most.

    Raises
    ------
    NumericalFailure
        If what is left takes too many products. Where there is a rest state to come to, that is
        asked only once the pieces have grown to ``longest``.
    """
    q, left, products = generator.q, duration, 0
    may_rest = generator.detailed_balance and generator.closed
    piece = (FIRST_PIECE if may_rest else longest) / q
    expected = chebyshev_products if method is chebyshev else uniformization_products
    while left > 0.0:
        if piece * q >= longest:
            piece = longest / q
            pieces = left / piece
            require_affordable(pieces * expected(longest), q * left, density.size)
        piece = min(piece, left)
        density, count = method(generator, density, piece)
        products += count
        rest = at_rest(generator, density)
        if rest is not None:
            return rest, products
        left = left - piece if left > piece else 0.0
        piece *= GROWTH
    return density, products


def chebyshev_weight(generator: Generator, density: np.ndarray) -> float:
    """sqrt(chi^2 + 1) of a density against the Gibbs state: amplifies Chebyshev's rounding.

    Cells where even the root of the Gibbs state underflows count only if they hold mass.
    """
    root = _root_gibbs(generator)
    mass = float(density.sum())
    if float(density[root == 0.0].sum()) > TRUNCATION * mass:
        return math.inf
    with np.errstate(over="ignore"):
        weight = np.linalg.norm(_over_root(density, root)) * np.linalg.norm(root) / mass
    return float(weight) if np.isfinite(weight) else math.inf


def chebyshev(
    generator: Generator,
    density: np.ndarray,
    duration: float,
    moved: Callable[[float], object] = lambda share: None,
) -> tuple[np.ndarray, int]:
    """exp(duration A) density by Chebyshev polynomials of the symmetrised generator.

    Parameters
    ----------
    generator : Generator
        With detailed balance.
    density : (N,) float64
    duration : float
    moved : callable
        As in :func:`uniformize`.

    Returns
    -------
    density : (N,) float64
        Non-negative: rounding below zero is cut off and the mass restored.
    products : int

    Raises
    ------
    NumericalFailure
        Without detailed balance, or when the density is so far from the Gibbs state that
        rounding would spoil it.

    Notes
    -----
    With z = q t and T_k the Chebyshev polynomials of (A + q)/q, whose spectrum lies in [-1, 1],
    exp(t A) = sum_k (2 - delta_k0) exp(-z) I_k(z) T_k.
    """
    if generator.q * duration > LONGEST_SERIES:
        return _pieces(chebyshev, generator, density, duration, LONGEST_SERIES)
    if not generator.detailed_balance:
        raise NumericalFailure(
            "Chebyshev diverges without detailed balance", "use the stepper exponential or split"
        )
    weight = chebyshev_weight(generator, density)
    if not weight <= MAX_WEIGHT:
        raise NumericalFailure(
            f"the density is too far from its Gibbs state for Chebyshev (weight {weight:.1e})",
            "use the stepper exponential, which starts with uniformization",
        )
    q = generator.q
    coefficients = chebyshev_coefficients(q * duration)
    symmetric = generator.symmetrized
    root = _root_gibbs(generator)
    current = _over_root(density, root)
    total = coefficients[0] * current
    before = current
    current = np.empty_like(before)
    symmetric.combine(before, 1.0 / q, 1.0, before, 0.0, current, total, coefficients[1])
    before = before.copy()
    for k, coefficient in enumerate(coefficients[2:], 2):
        symmetric.combine(current, 2.0 / q, 2.0, before, -1.0, before, total, float(coefficient))
        before, current = current, before
        if k % SETTLED_EVERY == 0:
            moved(k / coefficients.size)
    total *= root
    survived = float(density.sum()) if generator.closed else None
    return cut_rounding(total, survived, "Chebyshev"), coefficients.size - 1


def chebyshev_coefficients(z: float) -> np.ndarray:
    """(2 - delta_k0) exp(-z) I_k(z) up to the last one that counts, at least two of them."""
    count = int(10.0 + math.sqrt(2.0 * z * 45.0) + 45.0)
    coefficients = 2.0 * ive(np.arange(count), z)
    coefficients[0] *= 0.5
    return coefficients[: max(2, int(np.flatnonzero(coefficients > TRUNCATION)[-1]) + 1)]


def cut_rounding(density: np.ndarray, mass: float | None, method: str) -> np.ndarray:
    """Set rounding below zero to zero and restore the mass (kept as it is when None).

    Raises
    ------
    NumericalFailure
        If more than rounding would have to be cut.
    """
    total = float(np.abs(density).sum())
    cut = -float(np.minimum(density, 0.0).sum())
    if not cut <= MAX_CUT * total:
        raise NumericalFailure(
            f"{method} left a negative mass of {cut / total:.1e}",
            "use a stepper that is positive by construction: exponential, split or implicit",
        )
    density = np.maximum(density, 0.0)
    return density if mass is None else density * (mass / float(density.sum()))


def _root_gibbs(generator: Generator) -> np.ndarray:
    """exp(-(Psi - min Psi)/2), flat."""
    psi = generator.potential.values
    assert psi is not None
    return np.exp(-0.5 * (psi - psi.min())).reshape(-1)


def _over_root(density: np.ndarray, root: np.ndarray) -> np.ndarray:
    """density / root, 0 where the root underflows."""
    return np.divide(density, root, out=np.zeros_like(density), where=root > 0.0)
