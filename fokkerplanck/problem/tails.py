"""How heavy the tails of gradient noise are: a power law's index, its error, and whether it is one.

Above a threshold the sizes are taken to follow P(R > r) = (r/threshold)^(-alpha). The maximum
likelihood estimate is Hill's; the threshold is the one at which data and law are closest
(Kolmogorov-Smirnov), and the law is tested by samples drawn from it in the same way (A. Clauset,
C. R. Shalizi, M. E. J. Newman, SIAM Rev. 51 (2009), 661-703).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import CaseError
from .models import DataModel

# Fewer sizes than this above a threshold say nothing about a tail.
LEAST_TAIL = 15
# Thresholds tried, evenly spaced in rank.
THRESHOLDS = 60
# Below this probability of a worse fit the law is rejected, as Clauset et al. recommend.
REJECTED = 0.1
# A power law that holds over less than this ratio of sizes is a name for any falling curve.
SHORT_RANGE = 3.0
# A power law that is not better than an exponential by this many standard errors of their ratio of
# likelihoods is no sign of a heavy tail.
BETTER = 2.0


@dataclass(frozen=True)
class Tail:
    """The upper tail of some sizes.

    Parameters
    ----------
    alpha : float
        Tail index: moments below it are finite.
    error : float
        Its standard error, alpha/sqrt(count).
    threshold : float
        Size from which the law is fitted.
    count : int
        Sizes above it.
    reach : float
        Largest size over the threshold.
    p_value : float
        Probability of a worse fit if the law were true.
    advantage : float
        Log likelihood of the law less that of an exponential above the threshold, in standard
        errors (Vuong, Econometrica 57 (1989), 307): above ``BETTER`` the exponential is ruled out.
    """

    alpha: float
    error: float
    threshold: float
    count: int
    reach: float
    p_value: float
    advantage: float

    @property
    def sentence(self) -> str:
        """What may be said, and no more."""
        law = f"tail index {self.alpha:.2f} +- {self.error:.2f} from {self.count} sizes"
        if self.p_value < REJECTED:
            return f"no power law (p = {self.p_value:.2g}); its {law} would mean nothing"
        if self.reach < SHORT_RANGE:
            return (
                f"no power law to be seen: the {self.count} largest sizes span a factor of "
                f"{self.reach:.2g} only, too little for a {law}"
            )
        if self.advantage < BETTER:
            return (
                f"no heavy tail to be seen: an exponential fits the {self.count} largest sizes as "
                f"well as a power law of {law}"
            )
        if self.alpha - 2.0 * self.error > 2.0:
            return f"{law}, above 2: the variance is finite and sums tend to Gaussian noise"
        if self.alpha + 2.0 * self.error < 2.0:
            return f"{law}, below 2: heavy tails, as noise.alpha gives them"
        return f"{law}, not told apart from 2, where the variance ceases to exist"


def gradient_tail(model: DataModel, theta: np.ndarray, seed: int = 20261) -> Tail:
    """Tail of the sizes |g_i - g| of the sample gradients at one point.

    Notes
    -----
    A finite data set has a largest gradient: at best its sizes look like a power law up to there.
    """
    gradients = model.sample_gradients(theta)
    away = gradients - gradients.mean(axis=0)
    return tail_of(np.sqrt((away**2).sum(axis=1)), seed)


def tail_of(sizes: np.ndarray, seed: int = 20261, repeats: int = 200) -> Tail:
    """Fit and test a power law.

    Parameters
    ----------
    sizes : (n,) array
        Non-negative.
    seed : int
        Of the samples that the test draws.
    repeats : int
        How many.

    Raises
    ------
    CaseError
        For fewer than twice ``LEAST_TAIL`` positive sizes, or sizes that are all the same.
    """
    positive = np.sort(sizes[sizes > 0.0])
    if positive.size < 2 * LEAST_TAIL or positive[0] == positive[-1]:
        raise CaseError(
            f"{positive.size} different sizes of gradients are too few for a tail index; at least "
            f"{2 * LEAST_TAIL} are needed",
            "loss.data",
        )
    alpha, threshold, count, distance = _fitted(positive)
    random = np.random.default_rng(seed)
    body = positive[: positive.size - count]
    worse = 0
    for _ in range(repeats):
        inside = random.random(positive.size) < body.size / positive.size
        drawn = np.empty(positive.size)
        number = int(inside.sum())
        drawn[:number] = random.choice(body, number) if body.size else threshold
        drawn[number:] = threshold * random.random(positive.size - number) ** (-1.0 / alpha)
        worse += _fitted(np.sort(drawn))[3] >= distance
    return Tail(
        alpha,
        alpha / np.sqrt(count),
        threshold,
        count,
        float(positive[-1] / threshold),
        worse / repeats,
        _advantage(positive[positive.size - count :] / threshold, alpha),
    )


def _advantage(sizes: np.ndarray, alpha: float) -> float:
    """Standardised log ratio of likelihoods, power law over exponential, of sizes above 1."""
    mean = float(sizes.mean()) - 1.0
    if not mean > 0.0:
        return 0.0
    power = np.log(alpha) - (alpha + 1.0) * np.log(sizes)
    ratio = power - (-np.log(mean) - (sizes - 1.0) / mean)
    spread = float(ratio.std()) * np.sqrt(sizes.size)
    return float(ratio.sum()) / spread if spread > 0.0 else 0.0


def _fitted(rising: np.ndarray) -> tuple[float, float, int, float]:
    """Index, threshold, sizes above it and distance of the threshold that fits best."""
    n = rising.size
    logs = np.log(rising)
    best = (1.0, float(rising[0]), n, np.inf)
    for first in np.unique(np.linspace(0, n - LEAST_TAIL, THRESHOLDS).round().astype(int)):
        tail = logs[first:] - logs[first]
        total = tail.sum()
        if not total > 0.0:
            continue
        count = tail.size
        alpha = (count - 1) / total
        law = -np.expm1(-alpha * tail)
        steps = np.arange(count + 1) / count
        distance = max(float((steps[1:] - law).max()), float((law - steps[:-1]).max()))
        if distance < best[3]:
            best = (float(alpha), float(rising[first]), count, distance)
    return best
