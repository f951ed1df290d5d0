"""Nonlinear problems with known stationary states and spectra, one noise strength each."""

from __future__ import annotations

import numpy as np
import sympy
from scipy.special import erfc, gammaln

from ..problem import Problem
from .record import ExactProblem, Points, stationary_normalizer
from .symbolic import axis_symbols, parse

# Spectral for these densities: the midpoint rule resolves a well of beta 40 with width 0.1 / 20.
QUADRATURE_CELLS = 1600

# Slowest rate and mean first-passage time -1 -> 0 of the quartic well, by beta.
QUARTIC_RATES = {
    1.0: 0.792088426687,
    5.0: 0.134777983734,
    10.0: 0.033545287306,
    20.0: 0.002776140653,
    40.0: 1.958927e-5,
}
QUARTIC_PASSAGE = {5.0: 7.93402154, 10.0: 30.82130247, 20.0: 361.90375950}


def quartic_well(beta: float = 5.0) -> ExactProblem:
    """Double well x^4/4 - x^2/2 in one dimension, barrier 1/4 at x = 0.

    The slowest rate is known at beta = 1, 5, 10, 20 and 40; for large beta it tends to Kramers'
    (sqrt(2)/pi) exp(-beta/4).
    """
    problem = Problem(
        loss="x**4/4 - x**2/2",
        sigma=1.0,
        beta=beta,
        domain={"x": (-4.0, 4.0)},
        title="quartic_well",
    )

    def weight(points: Points) -> np.ndarray:
        square = np.square(points[0])
        # exp(-beta (Phi + 1/4)), largest value 1.
        return np.exp(-0.25 * beta * (square - 1.0) ** 2)

    numbers = {"kramers_rate": np.sqrt(2.0) / np.pi * np.exp(-0.25 * beta)}
    if beta in QUARTIC_PASSAGE:
        numbers["passage_time_-1_to_0"] = QUARTIC_PASSAGE[beta]
    rate = QUARTIC_RATES.get(beta)
    return ExactProblem(
        name="quartic_well",
        problem=problem,
        end=2.0,
        source="Gibbs state; eigenvalues of the Schroedinger form",
        start_mean=np.array([-1.0]),
        start_covariance=np.array([[0.04]]),
        detailed_balance=True,
        stationary_density=stationary_normalizer(weight, problem.grid(QUADRATURE_CELLS)),
        eigenvalues=() if rate is None else (0.0, -rate),
        entropy_production=0.0,
        numbers=numbers,
    )


def multiplicative_noise(k: float = 1.0, beta: float = 14.0) -> ExactProblem:
    """Sigma = 1 + x^2 over the loss k x^2/2: a Gibbs state with a power tail.

    rho_ss ~ (1 + x^2)^-(1 + beta k/2), mean m0 exp(-k t), and discrete eigenvalues
    -(n k - n (n - 1)/beta) for n < (1 + beta k)/2 (Wong, Proc. Symp. Appl. Math. 16 (1964) 264).
    """
    problem = Problem(
        loss=f"{0.5 * k!r}*x**2",
        sigma="1 + x**2",
        beta=beta,
        domain={"x": (-10.0, 10.0)},
        title="multiplicative_noise",
    )
    power = 1.0 + 0.5 * beta * k
    log_norm = 0.5 * np.log(np.pi) + gammaln(power - 0.5) - gammaln(power)
    start_mean, start_variance = 0.5, 0.04

    def stationary_density(points: Points) -> np.ndarray:
        return np.exp(-power * np.log1p(np.square(points[0])) - log_norm)

    def mean(t: float) -> np.ndarray:
        return np.array([start_mean * np.exp(-k * t)])

    def covariance(t: float) -> np.ndarray:
        # d E[x^2]/dt = -2 k E[x^2] + (2/beta)(1 + E[x^2]).
        rate = 2.0 * k - 2.0 / beta
        limit = 2.0 / (beta * rate)
        second = limit + (start_variance + start_mean**2 - limit) * np.exp(-rate * t)
        return np.array([[second - mean(t)[0] ** 2]])

    orders = range(int(np.ceil(0.5 * (1.0 + beta * k))))
    return ExactProblem(
        name="multiplicative_noise",
        problem=problem,
        end=1.0,
        source="Pearson diffusion: Gibbs state, polynomial eigenfunctions, closed moments",
        start_mean=np.array([start_mean]),
        start_covariance=np.array([[start_variance]]),
        detailed_balance=True,
        mean=mean,
        covariance=covariance,
        stationary_density=stationary_density,
        eigenvalues=tuple(n * (n - 1) / beta - n * k for n in orders),
        entropy_production=0.0,
    )


def hopf() -> ExactProblem:
    """Limit cycle: drift (1 - r^2) x + 2 x_perp, D = 0.1; strong stationary current.

    rho_ss ~ exp(-(r^4/4 - r^2/2)/D); the current is 2 x_perp rho_ss, so the entropy production
    rate is 4 E[r^2]/D. Leading eigenvalues by angular number 0, 1, 2, 3, 0.
    """
    diffusion = 0.1
    problem = Problem(
        loss="(x**2 + y**2)**2/4 - (x**2 + y**2)/2",
        drift=["-2*y", "2*x"],
        sigma=1.0,
        beta=1.0 / diffusion,
        domain={"x": (-2.5, 2.5), "y": (-2.5, 2.5)},
        title="hopf",
    )
    # s = r^2 is normal (mean 1, variance 2 D) cut at 0: rho = exp(-(s - 1)^2/(4 D))/mass.
    tail = 0.5 * erfc(-1.0 / np.sqrt(4.0 * diffusion))
    mass = np.pi * np.sqrt(4.0 * np.pi * diffusion) * tail
    mean_square = 1.0 + 2.0 * diffusion * np.pi * np.exp(-0.25 / diffusion) / mass

    def stationary_density(points: Points) -> np.ndarray:
        square = np.square(points[0]) + np.square(points[1])
        return np.exp(-((square - 1.0) ** 2) / (4.0 * diffusion)) / mass

    return ExactProblem(
        name="hopf",
        problem=problem,
        end=2.0,
        source="radial potential and tangential current; radial eigenvalue problems",
        start_mean=np.array([1.0, 0.0]),
        start_covariance=0.04 * np.eye(2),
        detailed_balance=False,
        stationary_density=stationary_density,
        eigenvalues=(
            0.0,
            complex(-0.1321970541, 2.0),
            complex(-0.1321970541, -2.0),
            complex(-0.4659048678, 4.0),
            complex(-0.4659048678, -4.0),
            complex(-0.9678527711, 6.0),
            complex(-0.9678527711, -6.0),
            -1.5647191927,
        ),
        entropy_production=4.0 * mean_square / diffusion,
    )


def caughey(
    damping: float = 1.0, diffusion: float = 0.5, energy: float = 1.0, potential: str = "x**2/2"
) -> ExactProblem:
    """Oscillator with energy-dependent damping and noise in the velocity only.

    x' = v, v' = -U'(x) - g (E - E0) v + sqrt(2 D) xi with E = v^2/2 + U(x);
    rho_ss ~ exp(-(g/D)(E^2/2 - E0 E)) (Caughey and Ma, Int. J. Non-Linear Mech. 17 (1982) 137).

    Parameters
    ----------
    damping, diffusion, energy : float
        g, D and E0; E0 > 0 gives a limit cycle.
    potential : str
        U(x), a polynomial that grows in both directions.
    """
    x, v = axis_symbols(("x", "v"))
    well = parse(potential, [x])
    total = v**2 / 2 + well
    problem = Problem(
        drift=["v", str(-sympy.diff(well, x) - damping * (total - energy) * v)],
        sigma=[[0, 0], [0, 1]],
        beta=1.0 / diffusion,
        domain={"x": (-4.0, 4.0), "v": (-4.0, 4.0)},
        title="caughey",
    )
    energy_at = sympy.lambdify((x, v), total, "numpy")

    def weight(points: Points) -> np.ndarray:
        excess = energy_at(*points) - energy
        return np.exp(-0.5 * damping / diffusion * excess**2)

    return ExactProblem(
        name="caughey",
        problem=problem,
        end=2.0,
        source="stationary density a function of the energy",
        start_mean=np.array([1.0, 0.0]),
        start_covariance=0.09 * np.eye(2),
        detailed_balance=False,
        stationary_density=stationary_normalizer(weight, problem.grid(QUADRATURE_CELLS // 4)),
    )
