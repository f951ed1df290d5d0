"""The stationary state as a record: density, Phi~ and current, and what was found in them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..brief import brief
from ..notebook import record_html

# Numbers beyond the four that every stationary state has; attributes of the group in a file.
NUMBERS: dict[str, str] = {
    "tolerance": "largest circulation per cell still called detailed balance",
    "largest_curl": "largest |curl A| of A = Sigma^-1 (grad Phi + (1/beta) div Sigma)",
    "misfit": "largest difference between A and the gradient that fits it best, relative",
    "disagreement": "largest beta |Phi~ integrated - Phi~ from rho_ss|",
    "divergence": "net over gross flux of the cells: div(rho_ss v) = 0",
    "mismatch": "misfit of grad Phi = Sigma grad Phi~ - div Sigma/beta - v, rms, relative",
    "cosine": "rms of the angle's cosine between v and grad Phi~",
    "correlation": "of v with Sigma grad Phi~",
    "imbalance": "net over gross flux of the edges",
    "turnover": "probability carried around per unit time",
    "housekeeping": "entropy production that keeps the currents going",
    "error_entropy_production": "estimated error of the entropy production",
    "rotation_frequency": "angular frequency of the slowest oscillating mode",
    "rotation_decay": "decay rate of that mode",
    "rotation_quality": "frequency over twice the decay",
}


@dataclass(frozen=True, eq=False, repr=False)
class CriticalPoints:
    """Critical points of one field, by index, then by value; dimensionless.

    Parameters
    ----------
    position : ndarray, shape (m, d)
    value : ndarray, shape (m,)
    eigenvalues : ndarray, shape (m, d)
        Of the Hessian, rising.
    """

    __repr__ = brief
    _repr_html_ = record_html

    position: np.ndarray
    value: np.ndarray
    eigenvalues: np.ndarray

    @property
    def index(self) -> np.ndarray:
        """Directions that lead down, shape (m,): 0 for a minimum, d for a maximum."""
        return np.asarray((self.eigenvalues < 0.0).sum(axis=1))

    @property
    def kinds(self) -> list[str]:
        """minimum, saddle or maximum, for each point."""
        ndim = self.position.shape[1]
        words = {0: "minimum", ndim: "maximum"}
        return [words.get(int(index), "saddle") for index in self.index]

    @property
    def minima(self) -> np.ndarray:
        """Positions of the minima, shape (k, d)."""
        return self.position[self.index == 0]


@dataclass(frozen=True, eq=False, repr=False)
class Loop:
    """A closed curve, run through once.

    Parameters
    ----------
    source : {"current", "drift"}
        A most likely streamline of J_ss/rho_ss, or a limit cycle of the drift without noise.
    points : ndarray, shape (m, 2)
        Equally spaced in time.
    time : ndarray, shape (m,)
    center : ndarray, shape (2,)
        What it turns around.
    winding : int
        Turns around the centre, counter-clockwise.
    closure : float
        Distance of its ends, in shares of its size.
    mean_potential : float
        Time average of Phi~ along a streamline, NaN for the drift.
    multiplier : float
        Floquet multiplier of the drift's cycle, below 1 where it attracts; NaN for streamlines.
    """

    __repr__ = brief
    _repr_html_ = record_html

    source: str
    points: np.ndarray
    time: np.ndarray
    center: np.ndarray
    winding: int
    closure: float
    mean_potential: float
    multiplier: float

    @property
    def period(self) -> float:
        """Time of one turn."""
        return float(self.time[-1])

    @property
    def centroid(self) -> np.ndarray:
        """Centre of the area enclosed, shape (2,)."""
        x, y = (self.points - self.center).T
        cross = x * np.roll(y, -1) - y * np.roll(x, -1)
        sums = [((part + np.roll(part, -1)) * cross).sum() for part in (x, y)]
        return np.asarray(self.center + np.array(sums) / (3.0 * cross.sum()))


@dataclass(eq=False, repr=False)
class StationaryRecord:
    """The stationary state; all quantities are dimensionless.

    Parameters
    ----------
    density : ndarray, shape (n_1, ..., n_d)
        rho_ss at the cell centres, normalised.
    quasi_potential : ndarray, shape (n_1, ..., n_d)
        Phi~ = -(1/beta) log rho_ss, up to a constant.
    current : ndarray, shape (d, n_1, ..., n_d)
        J_ss at the cell centres.
    entropy_production : float
        Rate e_p of entropy production, >= 0; NaN along axes without noise.
    detailed_balance : bool
        Whether J_ss vanishes everywhere.
    residual : float
        Size of the generator applied to rho_ss.
    curl : float
        Largest circulation of A around a cell square, relative; zero under detailed balance.
    numbers : dict
        By the names of ``NUMBERS``; those that were computed and exist.
    velocity : ndarray, shape (d, n_1, ..., n_d), optional
        v = J_ss/rho_ss of (50), NaN where rho_ss is too small to know it.
    integrated_potential : ndarray, shape (n_1, ..., n_d), optional
        Phi~ by integration of A; the quasi-potential only under detailed balance.
    stream_function : ndarray, shape (n_1 + 1, n_2 + 1), optional
        Of the current, at the cell corners.
    angular_momentum : ndarray, shape (d, d), optional
        E[(x - mean)_i v_j - (x - mean)_j v_i].
    critical : dict
        :class:`CriticalPoints` of ``"loss"`` and ``"quasi_potential"``.
    pairs : ndarray, shape (m, 2), optional
        Numbers of matching points of the two.
    shifts : ndarray, shape (m, d), optional
        How far the noise moves each pair, from Phi to Phi~.
    loops : tuple of Loop
    """

    __repr__ = brief
    _repr_html_ = record_html

    density: np.ndarray
    quasi_potential: np.ndarray
    current: np.ndarray
    entropy_production: float
    detailed_balance: bool
    residual: float
    curl: float
    numbers: dict[str, float] = field(default_factory=dict)
    velocity: np.ndarray | None = None
    integrated_potential: np.ndarray | None = None
    stream_function: np.ndarray | None = None
    angular_momentum: np.ndarray | None = None
    critical: dict[str, CriticalPoints] = field(default_factory=dict)
    pairs: np.ndarray | None = None
    shifts: np.ndarray | None = None
    loops: tuple[Loop, ...] = ()

    @property
    def cycles(self) -> tuple[Loop, ...]:
        """Most likely closed loops of the current."""
        return tuple(loop for loop in self.loops if loop.source == "current")

    @property
    def limit_cycles(self) -> tuple[Loop, ...]:
        """Limit cycles of the drift without noise."""
        return tuple(loop for loop in self.loops if loop.source == "drift")

    def all_numbers(self) -> dict[str, float]:
        """Every number of the state by name, with the period of the first loop of each kind."""
        found = {
            name: float(getattr(self, name)) for name in ("entropy_production", "residual", "curl")
        }
        found |= self.numbers
        for name, loops in (("cycle", self.cycles), ("limit_cycle", self.limit_cycles)):
            if loops:
                found[f"{name}_period"] = loops[0].period
                found[f"{name}_winding"] = float(loops[0].winding)
        return found
