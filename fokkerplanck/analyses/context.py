"""What an analysis may use: the case, its operators, what came before, and where its tree goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..case import Case
from ..io import ENSEMBLE, Arrays
from ..operators.generator import Generator
from ..runtime.progress import Progress
from ..semi_lagrangian.choice import deficiency
from ..stationary.stationary import StationaryState
from ..timestepping.system import System
from .cautions import given

if TYPE_CHECKING:
    from xarray import DataTree

# The same numbers as those of a case from its system and stationary state on another grid.
Numbers = Callable[[Case, System, StationaryState | None], np.ndarray]


class Coarse(Protocol):
    """The case on coarser grids."""

    def errors(self, values: np.ndarray, numbers: Numbers) -> np.ndarray | None:
        """Estimated errors of numbers that belong together; None where there are none."""


class Record(Protocol):
    """Where trees go, and what is there already."""

    found: dict[str, DataTree]
    failed: dict[str, str]

    @property
    def kept(self) -> list[int]:
        """Numbers of the frames whose density is kept."""

    def density(self, index: int) -> np.ndarray:
        """Density of a kept frame."""

    def take(self, analysis: str, tree: DataTree) -> None:
        """Take the tree of an analysis."""

    def attempt(self, section: str, analysis: Callable[[], Any]) -> list[str]:
        """The notes of an analysis; of one that fails the reason is kept and told."""


@dataclass(frozen=True)
class Chain:
    """The operators that analyses ask.

    Attributes
    ----------
    system : System
    rest : StationaryState or None
    coarse : Coarse
        The same on coarser grids.
    """

    system: System
    rest: StationaryState | None
    coarse: Coarse

    @property
    def generator(self) -> Generator:
        """That of the stationary state where there is one, else the system's own at time 0."""
        return generator_of(self.system, self.rest)


@dataclass(frozen=True)
class Context:
    """One run, as its analyses see it.

    Attributes
    ----------
    case : Case
    record : Record
    progress : Progress
    chain : Chain or None
        None under heavy-tailed noise.
    """

    case: Case
    record: Record
    progress: Progress
    chain: Chain | None

    @property
    def walkers(self) -> Arrays | None:
        """The ensemble, where it was done."""
        tree = None if "ensemble" in self.record.failed else self.record.found.get("ensemble")
        return None if tree is None else Arrays(tree, ENSEMBLE)


def generator_of(system: System, rest: StationaryState | None) -> Generator:
    """The generator of the stationary state where there is one, else the system's at time 0."""
    return system.at(0.0) if rest is None else rest.generator


def rest_of_chain(system: System, rest: StationaryState | None) -> StationaryState | None:
    """The stationary state if it is that of the generator, and not that of a high-order scheme.

    Such a state makes the generator's rates those of another chain, which on grids that do not
    resolve the density have slow modes that no iteration finds.
    """
    return rest if rest is not None and rest.generator is system.at(0.0) else None


def generator_cautions(case: Case, what: str) -> list[str]:
    """Says of ``what`` that the generator answers for it although the noise has no full rank."""
    why = deficiency(case.problem, case.grid, (0.0,))
    if not why:
        return []
    return given(
        [
            f"{what} those of the generator, which is of order 1 where the noise has no full rank "
            f"({why}); compare with more cells"
        ]
    )
