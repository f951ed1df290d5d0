"""First passage and escape as a case asks for them, from the generator to their record."""

from __future__ import annotations

import numpy as np

from ..case import Case
from ..errors import CaseError, NumericalFailure
from ..io import EscapeRecord, PassageRecord
from ..io.groups.passage import ESCAPE_ARRAYS
from ..operators.generator import Generator
from ..passage.escape import Escape, escape
from ..passage.passage import Passage, passage, read_region, target_region
from ..passage.targets import kill
from ..stationary.stationary import StationaryState


def check_regions(case: Case, generator: Generator) -> None:
    """Refuse regions that meet before anything long is computed.

    Raises
    ------
    CaseError
    """
    asked = case.passage
    if asked is None or asked.target is None:
        return
    if case.problem.time_dependent:
        raise CaseError("coefficients that change in time leave no mean time", "passage")
    target = target_region(generator, case.problem, asked.target)
    if asked.source is None:
        return
    if target is None:
        raise CaseError('needs a target inside the box; the target is "boundary"', "passage.source")
    source = read_region(generator, case.problem, asked.source, "passage.source")
    kill(generator, (target, source))


def transit(case: Case, generator: Generator, rest: StationaryState | None) -> PassageRecord:
    """First passage to the target of [passage], empty where it has none.

    Parameters
    ----------
    case : Case
        With [passage].
    generator : Generator
    rest : StationaryState or None
        Stationary state; needed for transition rates.

    Raises
    ------
    CaseError, NumericalFailure
    """
    asked = case.passage
    assert asked is not None
    if asked.target is None:
        return PassageRecord()
    start = None if asked.start is None else np.array(asked.start)
    found = passage(
        *(generator, case.problem, asked.target, asked.source, start, asked.times, rest)
    )
    return _passage_record(found, asked.target, asked.source or "")


def wells_of(
    case: Case, generator: Generator, rest: StationaryState | None
) -> tuple[EscapeRecord, list[str]]:
    """The wells of passage.escape, and what to read with care.

    Raises
    ------
    CaseError, NumericalFailure
    """
    if rest is None:
        raise NumericalFailure("there is no stationary density to find wells in")
    wells = escape(generator, case.problem, rest)
    notes = []
    if wells.unresolved:
        notes.append(
            f"{wells.unresolved} of the {wells.unresolved + len(wells.minima)} minima of Phi~ "
            "have no cell of their own and are left out of the escape times; take more cells "
            "to tell them apart"
        )
    if len(wells.minima) == 1:
        notes.append("Phi~ has one minimum: there is nowhere to escape to")
    return _escape_record(wells), notes


def _passage_record(found: Passage, target: str, source: str) -> PassageRecord:
    committor, arrivals = found.committor, found.arrivals
    numbers: dict[str, float] = {}
    if committor is not None and np.isfinite(committor.rate):
        numbers = {
            "transition_rate": committor.rate,
            "reactive_flux": committor.flux,
            "source_share": committor.share,
        }
    return PassageRecord(
        target=target,
        source=source,
        mean_time=found.mean_time,
        deviation=found.deviation,
        sides=found.sides,
        exit_probability=found.exit_probability,
        committor=None if committor is None else committor.forward,
        backward_committor=None if committor is None else committor.backward,
        current=None if committor is None else committor.current,
        numbers=numbers,
        start=found.starts,
        start_mean_time=found.start_mean_time,
        start_deviation=found.start_deviation,
        start_exit_probability=found.start_exit_probability,
        start_committor=found.start_committor,
        time=arrivals[0].time if arrivals else None,
        survival=np.array([a.survival for a in arrivals]) if arrivals else None,
        arrival=np.array([a.density for a in arrivals]) if arrivals else None,
    )


def _escape_record(wells: Escape) -> EscapeRecord:
    return EscapeRecord(
        minima=wells.minima,
        basin=wells.basin,
        loss_minima=wells.loss_minima,
        loss_basin=wells.loss_basin,
        quality=wells.quality,
        agreement=wells.agreement,
        **{name: getattr(wells, name) for name in ESCAPE_ARRAYS},
    )
