"""Estimated errors of what is computed of a generator: the same on two coarser grids."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .case import Case
from .density import Generator, StationaryState, System
from .error_estimate import LOW_ORDER, coarser_grids, factor_of, number_errors
from .errors import CaseError, CaseWarning, NumericalFailure

Numbers = Callable[[Case, Generator, StationaryState | None], np.ndarray]


@dataclass(frozen=True)
class CoarseAnalyses:
    """The generator of a case and its stationary state on two coarser grids.

    Parameters
    ----------
    case : Case
    rest_of : callable
        Gives the stationary state, or None, of a case and its system.
    """

    case: Case
    rest_of: Callable[[Case, System], StationaryState | None]

    @cached_property
    def _coarse(self) -> list[tuple[float, Case, Generator, StationaryState | None]]:
        """Widening of the cells, case, generator and stationary state of each grid."""
        found = []
        for grid in coarser_grids(self.case.grid):
            case = replace(self.case, grid=grid)
            system = System(case.problem, grid)
            rest = self.rest_of(case, system)
            generator = system.at(0.0) if rest is None else rest.generator
            found.append((factor_of(self.case.grid, grid), case, generator, rest))
        return found

    def errors(self, values: np.ndarray, numbers: Numbers) -> np.ndarray | None:
        """Estimated errors of numbers that belong together.

        Parameters
        ----------
        values : (n,) float64
            On the case's own grid.
        numbers : callable
            Gives the same numbers from a case, its generator and its stationary state.

        Returns
        -------
        (n,) float64 or None
            None where they are switched off, or a coarser grid does not give these numbers.
        """
        if not self.case.output.errors:
            return None
        gaps, factors = [], []
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", CaseWarning)
                for factor, case, generator, rest in self._coarse:
                    other = numbers(case, generator, rest)
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
