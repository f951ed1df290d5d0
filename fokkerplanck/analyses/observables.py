"""What is measured of a density at every output time. All quantities are dimensionless."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..fractional.levy import LevySystem
from ..grid import Grid
from ..operators.currents import entropy_rates
from ..operators.generator import Generator
from ..problem import Problem
from ..stationary.stationary import StationaryState


@dataclass(frozen=True)
class Observer:
    """Measures densities of one problem on one grid.

    Parameters
    ----------
    problem : Problem
    stationary : StationaryState or None
        Without it the free energy and what hangs on it are left out.
    """

    problem: Problem
    stationary: StationaryState | None

    # What is beyond the largest number is inf or NaN, and kept as that.
    @np.errstate(over="ignore", invalid="ignore")
    def measure(
        self,
        generator: Generator,
        density: np.ndarray,
        time: float,
        change: np.ndarray | None = None,
        scales: tuple[float, float] = (1.0, 1.0),
    ) -> dict[str, float | np.ndarray]:
        """All observables of one density.

        Parameters
        ----------
        generator : Generator
            With the coefficients of this time.
        density : ndarray of the grid's shape
        time : float
        change : ndarray of the grid's shape, optional
            d rho/dt for the loss_rate; that of the generator by default. Dissipation and entropy
            production are the generator's always, of order 2: there they are >= 0.
        scales : pair of float
            Factors of drift and covariance under a control; then ``loss_rate_dynkin`` is (60).

        Returns
        -------
        dict
            mass, minimum, mean (d,), covariance (d, d), entropy -int rho log rho, expected_loss,
            loss_rate (left side of (42), from the change) and loss_rate_dynkin (its right side
            E[drift . grad Phi + tr(Sigma H)/beta]); with every axis noisy entropy_production; with
            a stationary state energy E[Phi~], free_energy (46), kl_to_stationary, dissipation,
            the exact -dF/dt of the discrete free energy under the generator, and with a loss
            naive_free_energy, (46) with Phi (and the kinetic energy of a heavy ball) for Phi~,
            which need not fall;
            without detailed balance housekeeping, the part of the entropy production that keeps
            the stationary currents going; the other part is beta times the dissipation.
        """
        grid = generator.grid
        own = generator.matvec(density)
        change = own if change is None else change
        loss, fall, curvature = self._loss_fields(generator, time)
        rate = scales[0] * fall + scales[1] * curvature
        mass = float(grid.integrate(density))
        mean, covariance = moments(generator, density)
        entropy = float(grid.integrate(_x_log_y(density, -_log(density))))
        expected_loss = float(grid.integrate(density * loss))
        result: dict[str, float | np.ndarray] = {
            "mass": mass,
            "minimum": float(density.min()),
            "mean": mean,
            "covariance": covariance,
            "entropy": entropy,
            "expected_loss": expected_loss,
            "loss_rate": float(grid.integrate(change * loss)),
            "loss_rate_dynkin": float(grid.integrate(density * rate)),
        }
        noisy = not any(self.problem.noiseless)
        if noisy:
            result["entropy_production"] = entropy_production(generator, density)
        if self.stationary is not None:
            beta = self.problem.beta
            energy = float(grid.integrate(density * self.stationary.quasi_potential))
            rest = self.stationary.density
            excess = _log_ratio(density, rest, self.stationary.log_density)
            # Every term is >= 0, so nothing cancels near the stationary state.
            divergence = _x_log_y(density, excess) - (density - rest)
            result["energy"] = energy
            result["free_energy"] = energy - entropy / beta
            result["kl_to_stationary"] = float(grid.integrate(divergence))
            result["dissipation"] = -float(grid.integrate(_x_log_y(own, excess))) / beta
            if self.problem.has_loss:
                total = expected_loss + self._kinetic_energy(mean, covariance)
                result["naive_free_energy"] = total - entropy / beta
            if noisy and not self.stationary.detailed_balance:
                rates = entropy_rates(generator, density, self.stationary.log_density)
                result["housekeeping"] = rates.housekeeping
        return result

    def _kinetic_energy(self, mean: np.ndarray, covariance: np.ndarray) -> float:
        """E[|velocity|^2]/2 of a heavy ball, else 0."""
        if self.problem.friction is None:
            return 0.0
        speeds = slice(self.problem.ndim // 2, None)
        return 0.5 * float((mean[speeds] ** 2 + np.diag(covariance)[speeds]).sum())

    def _loss_fields(
        self, generator: Generator, time: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Phi and the parts of the generator's action on it, drift . grad Phi, tr(Sigma H)/beta."""
        if not self.problem.time_dependent:
            if "fields" not in self._cache:
                self._cache["fields"] = self._evaluate(generator, 0.0)
            return self._cache["fields"]
        return self._evaluate(generator, time)

    def _evaluate(
        self, generator: Generator, time: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        problem, points = self.problem, generator.grid.points
        rate = np.einsum(
            "i...,i...->...", problem.drift_at(points, time), problem.gradient_at(points, time)
        )
        curvature = np.einsum(
            "ij...,ij...->...", problem.sigma_at(points, time), problem.hessian_at(points, time)
        )
        return problem.loss_at(points, time), rate, curvature / problem.beta

    @cached_property
    def _cache(self) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        return {}


def measure_levy(
    system: LevySystem, density: np.ndarray, time: float
) -> dict[str, float | np.ndarray]:
    """What is measured of a density under heavy-tailed noise (51).

    mass, minimum, mean (d,), covariance (d, d), entropy, expected_loss, and over_sides_rate: how
    much of it per unit time would jump over the sides in a larger box. Moments are those inside
    the box; on the whole line E|theta|^p is infinite from p = alpha on.
    """
    grid = system.grid
    mean, covariance = grid_moments(grid, density)
    return {
        "mass": float(grid.integrate(density)),
        "minimum": float(density.min()),
        "mean": mean,
        "covariance": covariance,
        "entropy": float(grid.integrate(_x_log_y(density, -_log(density)))),
        "expected_loss": float(grid.integrate(density * system.problem.loss_at(grid.points, time))),
        "over_sides_rate": system.over_sides(density),
    }


def moments(generator: Generator, density: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (d,) and covariance (d, d) over the remaining mass, from cell-centre values."""
    return grid_moments(generator.grid, density)


def grid_moments(grid: Grid, density: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`moments`, for a density on any grid."""
    ndim = grid.ndim
    weights = density / density.sum()
    mean = np.empty(ndim)
    for i, centers in enumerate(grid.centers):
        others = tuple(axis for axis in range(ndim) if axis != i)
        mean[i] = weights.sum(axis=others) @ centers
    covariance = np.empty((ndim, ndim))
    for i in range(ndim):
        for j in range(i, ndim):
            others = tuple(axis for axis in range(ndim) if axis not in (i, j))
            marginal = weights.sum(axis=others)
            left = grid.centers[i] - mean[i]
            right = grid.centers[j] - mean[j]
            value = marginal @ left**2 if i == j else left @ marginal @ right
            covariance[i, j] = covariance[j, i] = value
    return mean, covariance


def entropy_production(generator: Generator, density: np.ndarray) -> float:
    """e_p = sum over edges of I log(forward rho_x / backward rho_y) >= 0, per unit time.

    I is the edge current; edges with an empty end are left out.
    """
    grid, rates = generator.grid, generator.rates
    x = density.reshape(-1)
    total = 0.0
    for shift, forward, backward in zip(rates.shifts, rates.forward, rates.backward, strict=True):
        edges = np.flatnonzero(forward)
        total += _production(forward[edges] * x[edges], backward[edges] * x[edges + shift])
    total += _production(
        rates.wrap_forward * x[rates.wrap_source], rates.wrap_backward * x[rates.wrap_target]
    )
    return total * grid.cell_volume


def _production(ahead: np.ndarray, back: np.ndarray) -> float:
    both = (ahead > 0.0) & (back > 0.0)
    ahead, back = ahead[both], back[both]
    with np.errstate(over="ignore", under="ignore"):
        ratio = ahead / back
    # The logarithm of the quotient is the more accurate one, as long as there is a quotient.
    plain = np.isfinite(ratio) & (ratio > 0.0)
    logarithm = np.log(np.where(plain, ratio, 1.0))
    logarithm[~plain] = np.log(ahead[~plain]) - np.log(back[~plain])
    return float(((ahead - back) * logarithm).sum())


def _log(density: np.ndarray) -> np.ndarray:
    """Logarithm, -inf where the density vanishes."""
    with np.errstate(divide="ignore"):
        return np.log(density)


def _log_ratio(density: np.ndarray, rest: np.ndarray, log_rest: np.ndarray) -> np.ndarray:
    """log(rho/r), -inf where rho vanishes."""
    result = _log(density) - log_rest
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        ratio = (density - rest) / rest
    # Of two logarithms that are nearly the same, the difference is rounding.
    close = np.abs(ratio) < 0.5
    result[close] = np.log1p(ratio[close])
    return result


def _x_log_y(factor: np.ndarray, logarithm: np.ndarray) -> np.ndarray:
    """factor * logarithm with 0 where the density of the logarithm vanishes."""
    finite = np.isfinite(logarithm)
    return np.where(finite, factor * np.where(finite, logarithm, 0.0), 0.0)
