"""First passage and escape as records."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..brief import brief
from ..notebook import record_html

# Numbers of a passage between two regions; attributes of the group in a file.
PASSAGE_NUMBERS: dict[str, str] = {
    "transition_rate": "transitions per unit time of those that come from the source",
    "reactive_flux": "transitions from source to target per unit time",
    "source_share": "share of the time since the source was left last",
    "error_transition_rate": "estimated error of the transition rate",
    "error_reactive_flux": "estimated error of the reactive flux",
}
# Arrays of an escape by its dimensions: well and second well.
ESCAPE_ARRAYS: dict[str, tuple[str, int]] = {
    "weight": ("share of the time since each core was seen last", 1),
    "exit_time": ("mean time from each minimum to any other core", 1),
    "spread": ("relative spread of the exit time over the basin", 1),
    "indicator": ("tr(H Sigma) at the minimum", 1),
    "times": ("mean time from minimum to core", 2),
    "rates": ("rates of the coarse chain", 2),
    "chain_times": ("mean times of the coarse chain", 2),
    "barrier": ("height of the lowest pass in Phi~ above the first minimum", 2),
    "kramers_times": ("mean times by Eyring-Kramers rates", 2),
}


@dataclass(eq=False, repr=False)
class EscapeRecord:
    """Wells of Phi~ and the times between them; dimensionless, n wells.

    Parameters
    ----------
    minima : ndarray, shape (n, d)
    basin : ndarray of int, shape (n_1, ..., n_d)
        Number of the well that each cell drains to.
    loss_minima : ndarray, shape (k, d)
    loss_basin : ndarray of int, shape (n_1, ..., n_d), optional
        Likewise of Phi.
    weight, exit_time, spread, indicator : ndarray, shape (n,)
    times, rates, chain_times, barrier : ndarray, shape (n, n)
    kramers_times : ndarray, shape (n, n), optional
        Under detailed balance.
    quality : float
        Largest relative difference between the times of the coarse chain and the true ones.
    agreement : float
        Whether larger tr(H Sigma) escapes faster, from -1 to 1; NaN with one well.
    """

    __repr__ = brief
    _repr_html_ = record_html

    minima: np.ndarray
    basin: np.ndarray
    loss_minima: np.ndarray
    loss_basin: np.ndarray | None
    weight: np.ndarray
    exit_time: np.ndarray
    spread: np.ndarray
    indicator: np.ndarray
    times: np.ndarray
    rates: np.ndarray
    chain_times: np.ndarray
    barrier: np.ndarray
    kramers_times: np.ndarray | None
    quality: float
    agreement: float


@dataclass(eq=False, repr=False)
class PassageRecord:
    """First passage to a target; all quantities dimensionless, m starts, s ways out.

    Parameters
    ----------
    target, source : str
        As the case gives them; empty where it does not.
    mean_time, deviation : ndarray, shape (n_1, ..., n_d), optional
        Mean and standard deviation of the time until the target is reached; None without one.
    sides : tuple of str
        Ways out: absorbing sides, and "target".
    exit_probability : ndarray, shape (s, n_1, ..., n_d), optional
    committor, backward_committor : ndarray, shape (n_1, ..., n_d), optional
        Given a source; the second in a closed box.
    current : ndarray, shape (d, n_1, ..., n_d), optional
        Reactive current from source to target.
    numbers : dict
        By the names of ``PASSAGE_NUMBERS``.
    start : ndarray, shape (m, d), optional
        Points of interest.
    start_mean_time, start_deviation : ndarray, shape (m,), optional
    error_start_mean_time : ndarray, shape (m,), optional
        Estimated error of the mean times.
    start_exit_probability : ndarray, shape (m, s), optional
    start_committor : ndarray, shape (m,), optional
    time : ndarray, shape (n,), optional
        Times of the first-passage densities.
    survival : ndarray, shape (m, n), optional
        Probability of not having arrived.
    arrival : ndarray, shape (m, n, s), optional
        Density of the time of arrival by the way out.
    escape : EscapeRecord or None
    """

    __repr__ = brief
    _repr_html_ = record_html

    target: str = ""
    source: str = ""
    mean_time: np.ndarray | None = None
    deviation: np.ndarray | None = None
    sides: tuple[str, ...] = ()
    exit_probability: np.ndarray | None = None
    committor: np.ndarray | None = None
    backward_committor: np.ndarray | None = None
    current: np.ndarray | None = None
    numbers: dict[str, float] = field(default_factory=dict)
    start: np.ndarray | None = None
    start_mean_time: np.ndarray | None = None
    start_deviation: np.ndarray | None = None
    error_start_mean_time: np.ndarray | None = None
    start_exit_probability: np.ndarray | None = None
    start_committor: np.ndarray | None = None
    time: np.ndarray | None = None
    survival: np.ndarray | None = None
    arrival: np.ndarray | None = None
    escape: EscapeRecord | None = None

    def all_numbers(self) -> dict[str, np.ndarray]:
        """Every number by name, arrays over starts or wells among them."""
        found: dict[str, np.ndarray] = {k: np.asarray(v) for k, v in self.numbers.items()}
        for name in ("mean_time", "deviation", "exit_probability", "committor"):
            values = getattr(self, f"start_{name}")
            if values is not None:
                found[name] = values
        if self.escape is not None:
            found |= {name: getattr(self.escape, name) for name in ESCAPE_ARRAYS}
            found |= {n: np.asarray(getattr(self.escape, n)) for n in ("quality", "agreement")}
            found["wells"] = np.asarray(float(len(self.escape.minima)))
        return {name: values for name, values in found.items() if values is not None}
