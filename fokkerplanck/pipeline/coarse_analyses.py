"""Estimated errors of what is computed of a generator: the same on two coarser grids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..analyses.observables import entropy_production
from ..analyses.passage import rates_of, transit
from ..analyses.start import system_of
from ..analyses.stationary import StationaryParts
from ..case import Case
from ..errors import CaseError, CaseWarning, NumericalFailure
from ..passage.passage import Passage
from ..runtime.silence import ignoring
from ..spectrum.spectrum import Spectrum, spectrum
from ..stationary.stationary import StationaryState
from ..timestepping.system import System
from .error_estimate import LOW_ORDER, coarser_grids, factor_of, number_errors
from .stationary_state import generator_of, rest_of_chain

Numbers = Callable[[Case, System, StationaryState | None], np.ndarray]


@dataclass(frozen=True)
class CoarseAnalyses:
    """The system of a case and its stationary state on two coarser grids.

    Parameters
    ----------
    case : Case
    rest_of : callable
        Gives the stationary state, or None, of a case and its system.
    """

    case: Case
    rest_of: Callable[[Case, System], StationaryState | None]

    @cached_property
    def _coarse(self) -> list[tuple[float, Case, System, StationaryState | None]]:
        """Widening of the cells, case, system and stationary state of each grid."""
        found = []
        for grid in coarser_grids(self.case.grid):
            case = replace(self.case, grid=grid)
            system = system_of(case)
            rest = self.rest_of(case, system)
            found.append((factor_of(self.case.grid, grid), case, system, rest))
        return found

    def errors(self, values: np.ndarray, numbers: Numbers) -> np.ndarray | None:
        """Estimated errors of numbers that belong together.

        Parameters
        ----------
        values : (n,) float64
            On the case's own grid.
        numbers : callable
            Gives the same numbers from a case, its system and its stationary state.

        Returns
        -------
        (n,) float64 or None
            None where they are switched off, or a coarser grid does not give these numbers.
        """
        if not self.case.output.errors:
            return None
        gaps, factors = [], []
        try:
            with ignoring(CaseWarning, module="fokkerplanck"):
                for factor, case, system, rest in self._coarse:
                    other = numbers(case, system, rest)
                    if other.shape != values.shape:
                        return None
                    gaps.append(np.abs(other - values))
                    factors.append(factor)
        except (CaseError, NumericalFailure):
            return None
        if not gaps or not all(np.isfinite(gap).all() for gap in gaps):
            return None
        # Each number by itself: eigenvalues and times have errors of their own sizes.
        return np.array(
            [
                number_errors(factors, [gap[i : i + 1] for gap in gaps], LOW_ORDER)[0]
                for i in range(values.size)
            ]
        )


def stationary_errors(
    coarse: CoarseAnalyses, rest: StationaryState, parts: StationaryParts
) -> dict[str, float]:
    """Estimated error of the entropy production, by its name in the group, where there is any."""
    value = parts.attributes["entropy_production"]
    if rest.detailed_balance or not np.isfinite(value):
        return {}

    def produced(case: Case, system: System, rest: StationaryState | None) -> np.ndarray:
        return np.array([] if rest is None else [entropy_production(rest.generator, rest.density)])

    found = coarse.errors(np.array([value]), produced)
    return {} if found is None else {"error_entropy_production": float(found[0])}


def spectrum_errors(coarse: CoarseAnalyses, found: Spectrum) -> np.ndarray | None:
    """Estimated errors of the eigenvalues, each by its absolute value."""
    values = found.eigenvalues

    def moved(case: Case, system: System, rest: StationaryState | None) -> np.ndarray:
        generator, known = system.at(0.0), rest_of_chain(system, rest)
        return spectrum(
            generator, values.size, None if known is None else known.log_density
        ).eigenvalues

    return coarse.errors(values, moved)


def passage_errors(coarse: CoarseAnalyses, found: Passage) -> dict[str, Any]:
    """Estimated errors of mean times from the starts, and of the rate between two regions.

    They go by the names that the group ``/passage`` has for them.
    """
    places = tuple(tuple(float(x) for x in place) for place in found.starts)
    rates = tuple(rates_of(found))

    def listed(one: Passage | None) -> np.ndarray:
        assert one is not None
        return np.append(one.start_mean_time, [rates_of(one)[name] for name in rates])

    def arrived(case: Case, system: System, rest: StationaryState | None) -> np.ndarray:
        assert case.passage is not None
        generator = generator_of(system, rest)
        asked = replace(case.passage, start=places, times=None)
        return listed(transit(replace(case, passage=asked), generator, rest))

    errors = coarse.errors(listed(found), arrived)
    if errors is None:
        return {}
    of_rates = zip(rates, errors[len(places) :], strict=True)
    return {
        "error_start_mean_time": errors[: len(places)],
        **{f"error_{name}": float(error) for name, error in of_rates},
    }
