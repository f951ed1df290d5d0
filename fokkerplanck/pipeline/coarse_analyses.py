"""Estimated errors of what is computed of a generator: the same on two coarser grids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..analyses.context import Numbers
from ..analyses.start import system_of
from ..case import Case
from ..errors import CaseError, CaseWarning, NumericalFailure
from ..runtime.silence import ignoring
from ..stationary.stationary import StationaryState
from ..timestepping.system import System
from .error_estimate import LOW_ORDER, coarser_grids, factor_of, number_errors


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
