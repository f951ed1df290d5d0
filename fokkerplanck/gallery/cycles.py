"""Problems with a stationary current that turns: a double well stirred at will, and van der Pol."""

from __future__ import annotations

import numpy as np

from ..problem import Problem
from .record import ExactProblem, Points, stationary_normalizer

QUADRATURE_CELLS = 800
# Period of the limit cycle without noise, by mu (Andersen and Geer, SIAM J. Appl. Math. 42 (1982)
# 678, to all digits given here; mu = 0 is the linear oscillator).
VAN_DER_POL_PERIODS = {1.0: 6.6632868593, 2.0: 7.6298744797, 5.0: 11.6122306672}


def chaudhari_soatto(lam: float = 0.5) -> ExactProblem:
    """Double well Phi~ = (x^2 - 1)^2/4 + y^2/2 stirred by a current of strength ``lam``.

    Drift j - grad Phi~ with j = lam exp(Phi~ - (x^2 + y^2)^2/4) (-y, x), Sigma = I, beta = 1
    (Chaudhari and Soatto, arXiv 1710.11029, Example 19). rho_ss = exp(-Phi~)/Z for every lam, and
    rho_ss v turns around the origin on circles: the stationary density has no trace of lam, the
    drift has. The fixed points of the drift are not the minima of Phi~.

    Notes
    -----
    Entropy production lam^2 int exp(Phi~ - r^4/2) r^2 / Z; turnover, the flux between the origin
    and infinity, lam int exp(-r^4/4) r dr / Z.
    """
    # Phi~ - r^4/4, the quartic in x cancels.
    exponent = "(1/4 + (y**2 - x**2)/2 - x**2*y**2/2 - y**4/4)"
    problem = Problem(
        loss="(x**2 - 1)**2/4 + y**2/2",
        drift=[f"-({lam!r})*y*exp({exponent})", f"({lam!r})*x*exp({exponent})"],
        sigma=1.0,
        beta=1.0,
        domain={"x": (-3.5, 3.5), "y": (-7.0, 7.0)},
        title=f"chaudhari_soatto({lam:g})",
    )

    def well(points: Points) -> np.ndarray:
        return (np.square(points[0]) - 1.0) ** 2 / 4.0 + np.square(points[1]) / 2.0

    grid = problem.grid(QUADRATURE_CELLS)
    weight = np.exp(-well(grid.points))
    square = np.square(grid.points[0]) + np.square(grid.points[1])
    stirring = np.exp(well(grid.points) - 0.5 * square**2) * square
    produced = lam**2 * float(grid.integrate(stirring) / grid.integrate(weight))
    return ExactProblem(
        name=f"chaudhari_soatto({lam:g})",
        problem=problem,
        end=2.0,
        source="constructed from Phi~ and a solenoidal current; arXiv 1710.11029, Example 19",
        start_mean=np.array([1.0, 0.0]),
        start_covariance=0.04 * np.eye(2),
        detailed_balance=lam == 0.0,
        stationary_density=stationary_normalizer(lambda points: np.exp(-well(points)), grid),
        entropy_production=produced,
        numbers={"turnover": lam * np.sqrt(np.pi) / 2.0 / float(grid.integrate(weight))},
    )


def van_der_pol(mu: float = 1.0, beta: float = 5.0) -> ExactProblem:
    """Relaxation oscillator x' = v, v' = mu (1 - x^2) v - x with noise in the velocity only.

    No closed form of the density; the period of the limit cycle without noise is known for
    mu = 1, 2 and 5, and its amplitude is close to 2. At rest E[x v] = 0 and E[v^2] = E[x^2] for
    every mu.
    """
    problem = Problem(
        drift=["v", f"({mu!r})*(1 - x**2)*v - x"],
        sigma=[[0, 0], [0, 1]],
        beta=beta,
        # Negative damping throws noise in v far out: 2e-6 of the mass has |v| > 5 at mu = 1.
        domain={"x": (-3.6, 3.6), "v": (-4.0 - 3.0 * mu, 4.0 + 3.0 * mu)},
        title=f"van_der_pol({mu:g})",
    )
    known = VAN_DER_POL_PERIODS.get(mu)
    return ExactProblem(
        name=f"van_der_pol({mu:g})",
        problem=problem,
        end=10.0,
        source="period of the limit cycle to ten digits, by mu",
        start_mean=np.array([2.0, 0.0]),
        start_covariance=0.04 * np.eye(2),
        detailed_balance=False,
        numbers={} if known is None else {"period": known},
    )
