"""First passage and escape as a case asks for them, as a tree, as numbers and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..case import Case
from ..errors import CaseError, NumericalFailure
from ..grid import Grid
from ..io import PASSAGE, Arrays
from ..operators.generator import Generator
from ..passage.escape import Escape, escape
from ..passage.passage import Passage, passage, read_region, target_region
from ..passage.targets import kill
from ..stationary.stationary import StationaryState
from ..timestepping.system import System
from .context import Coarse, Context, generator_cautions, generator_of
from .text import (
    NAMED,
    ROWS,
    PageTable,
    Rows,
    Solved,
    measured,
    number,
    number_table,
    place,
    point,
)

if TYPE_CHECKING:
    from xarray import DataTree

# Numbers of the wells that [expect] may name.
_OF_WELLS = (
    *("weight", "exit_time", "spread", "indicator", "times", "rates", "chain_times", "barrier"),
    "kramers_times",
)


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


def compute(context: Context) -> list[str]:
    """First passage and escape, each without the other where that fails."""
    case, chain, asked = context.case, context.chain, context.case.passage
    assert asked is not None
    assert chain is not None
    found: Passage | None = None
    wells: Escape | None = None
    errors: dict[str, Any] = {}

    def arrive() -> list[str]:
        nonlocal found, errors
        found = transit(case, chain.generator, chain.rest)
        errors = {} if found is None else _errors(chain.coarse, found)
        answered = {
            "committor and transition rates are": asked.source,
            "densities of the time of arrival are": asked.times,
        }
        told = [what for what, given in answered.items() if given is not None]
        return [text for what in told for text in generator_cautions(case, what)]

    def leave() -> list[str]:
        nonlocal wells
        wells, notes = wells_of(case, chain.generator, chain.rest)
        return notes + generator_cautions(case, "times between wells are")

    notes = context.record.attempt("passage", arrive)
    if asked.escape:
        notes += context.record.attempt("passage.escape", leave)
    if found is not None or wells is not None:
        given = ("", "") if found is None else (asked.target or "", asked.source or "")
        context.record.take("passage", passage_tree(case.grid, found, given, errors, wells))
    return notes


def transit(case: Case, generator: Generator, rest: StationaryState | None) -> Passage | None:
    """First passage to the target of [passage]; None where it has none.

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
        return None
    start = None if asked.start is None else np.array(asked.start)
    return passage(*(generator, case.problem, asked.target, asked.source, start, asked.times, rest))


def wells_of(
    case: Case, generator: Generator, rest: StationaryState | None
) -> tuple[Escape, list[str]]:
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
    return wells, notes


def rates_of(found: Passage) -> dict[str, float]:
    """Transition rate and reactive flux of a closed box; empty where there are none."""
    committor = found.committor
    if committor is None or not np.isfinite(committor.rate):
        return {}
    return {"transition_rate": committor.rate, "reactive_flux": committor.flux}


def _errors(coarse: Coarse, found: Passage) -> dict[str, Any]:
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


def passage_tree(
    grid: Grid,
    found: Passage | None,
    regions: tuple[str, str],
    errors: Mapping[str, Any],
    wells: Escape | None,
) -> DataTree:
    """The group ``/passage``.

    Parameters
    ----------
    grid : Grid
    found : Passage or None
    regions : tuple of str
        Target and source as they were given; empty where they were not, or not as texts.
    errors : mapping
        Estimated errors by their names in the group.
    wells : Escape or None
    """
    known = set(PASSAGE.variables)
    numbers = {name: value for name, value in errors.items() if name not in known}
    arrays: dict[str, Any] = {name: value for name, value in errors.items() if name in known}
    if found is not None:
        arrays |= {
            "side": found.sides,
            "start_position": found.starts,
            **{
                name: getattr(found, name)
                for name in (
                    *("mean_time", "deviation", "exit_probability", "start_mean_time"),
                    *("start_deviation", "start_exit_probability", "start_committor"),
                )
            },
        }
        if (committor := found.committor) is not None:
            arrays |= {
                "committor": committor.forward,
                "backward_committor": committor.backward,
                "current": committor.current,
            }
            if rates := rates_of(found):
                numbers |= {**rates, "source_share": committor.share}
        if found.arrivals:
            arrays |= {
                "delay": found.arrivals[0].time,
                "survival": [one.survival for one in found.arrivals],
                "arrival": [one.density for one in found.arrivals],
            }
    attributes = {**numbers, "target": regions[0], "source": regions[1]}
    within = {} if wells is None else {"escape": escape_tree(grid, wells)}
    return PASSAGE.build(grid, arrays, attributes, within)


def escape_tree(grid: Grid, wells: Escape) -> DataTree:
    """The group ``/passage/escape``."""
    arrays: dict[str, Any] = {name: getattr(wells, name) for name in _OF_WELLS}
    arrays |= {"position": wells.minima, "basin": wells.basin}
    if wells.loss_basin is not None:
        arrays |= {"loss_position": wells.loss_minima, "loss_basin": wells.loss_basin}
    return PASSAGE.children["escape"].build(
        grid,
        arrays,
        {"agreement": float(wells.agreement), "quality": float(wells.quality)},
    )


def passage_numbers(found: Arrays) -> dict[str, Any]:
    """Every number by name, arrays over starts or wells among them."""
    numbers: dict[str, Any] = dict(found.numbers)
    for name in ("mean_time", "deviation", "exit_probability", "committor"):
        numbers[name] = getattr(found, f"start_{name}")
    if (wells := found.escape) is not None:
        numbers |= {name: getattr(wells, name) for name in (*_OF_WELLS, "quality", "agreement")}
        numbers["wells"] = float(len(wells.position))
    return {name: values for name, values in numbers.items() if values is not None}


def passage_rows(result: Solved, found: Arrays) -> Rows:
    """Rows about first passage, transitions and escape."""
    rows, names = Rows(), result.names
    if found.start is not None:
        where = "the boundary" if found.target == "boundary" else found.target
        errors, committor = found.error_start_mean_time, found.start_committor
        for i, start in enumerate(found.start_position[:NAMED]):
            time = measured(found.start_mean_time[i], None if errors is None else errors[i])
            text = (
                f"{place(names, start)} to {where}: {time}, standard deviation "
                f"{found.start_deviation[i]:.4g}"
            )
            if committor is not None:
                text += f", committor {committor[i]:.4g}"
            rows.append(("mean time from", text))
            if len(found.side) > 1:
                shares = zip(found.side, found.start_exit_probability[i], strict=True)
                exits = ", ".join(f"{name} {share:.6g}" for name, share in shares)
                rows.append(("  leaves by", exits))
    if found.transition_rate is not None:
        rate = measured(found.transition_rate, found.error_transition_rate)
        text = f"{rate} from {found.source} to {found.target}; flux {found.reactive_flux:.6g}"
        rows.append(("transition rate", text))
    return rows if found.escape is None else rows + _escape_rows(names, found.escape)


def _escape_rows(names: tuple[str, ...], wells: Arrays) -> Rows:
    """The wells one by one, then how well they stand for the process."""
    rows: Rows = []
    count, kramers = len(wells.position), wells.kramers_times
    for i, minimum in enumerate(wells.position[: 2 * NAMED]):
        text = f"{place(names, minimum)}: share {wells.weight[i]:.4g}"
        text += f", tr(H Sigma) {wells.indicator[i]:.5g}"
        if count > 1:
            text += f", left after {wells.exit_time[i]:.6g}"
            others = [
                f"to {j + 1} in {wells.times[i, j]:.5g}"
                + (
                    f" (barrier {wells.barrier[i, j]:.4g})"
                    if kramers is None
                    else f" (Kramers {kramers[i, j]:.4g})"
                )
                for j in range(count)
                if j != i
            ]
            text += "; " + ", ".join(others[:NAMED])
        rows.append((f"well {i + 1}", text))
    if count > 1:
        text = (
            f"its times differ by up to {100.0 * wells.quality:.2g} %, exit times spread by up "
            f"to {100.0 * wells.spread.max():.2g} % within a basin"
        )
        verdict = {
            1.0: "yes, for every pair of wells",
            -1.0: "no, the other way for every pair of wells",
            0.0: "undecided: equal, or as often as not",
        }.get(wells.agreement, f"in part (order agrees by {wells.agreement:+.2g})")
        rows += [("coarse chain", text), ("larger tr(H Sigma) leaves faster", verdict)]
    return rows


def passage_tables(result: Solved, found: Arrays) -> tuple[PageTable, ...]:
    """Times from the starts, and the wells."""
    tables: list[PageTable] = []
    if found.start is not None:
        columns = {
            "mean time": found.start_mean_time,
            "deviation": found.start_deviation,
            "committor": found.start_committor,
        }
        exits = zip(found.side, found.start_exit_probability.T, strict=True)
        columns |= {f"by {side}": share for side, share in exits}
        there = {head: values for head, values in columns.items() if values is not None}
        rows = tuple(
            (point(start), *(number(values[k]) for values in there.values()))
            for k, start in enumerate(found.start_position[:ROWS])
        )
        tables.append(PageTable("First passage by start", ("start", *there), rows))
    words = {name: one.long_name for name, one in PASSAGE.attributes.items()}
    tables += number_table("Numbers of the passage", found.numbers, words)
    return (*tables, *(() if found.escape is None else _well_tables(found.escape)))


def _well_tables(wells: Arrays) -> tuple[PageTable, ...]:
    count = min(len(wells.position), ROWS)
    columns = (wells.weight, wells.exit_time, wells.spread, wells.indicator)
    rows = tuple(
        (str(k + 1), point(wells.position[k]), *(number(v[k]) for v in columns))
        for k in range(count)
    )
    head = ("well", "minimum of Φ̃", "share", "mean exit time", "spread", "tr(H Σ)")
    tables = [PageTable("Wells", head, rows)]
    if count > 1:
        heads = ("from", *(f"to {j + 1}" for j in range(count)))
        times = _matrix(wells.times[:count, :count])
        tables.append(PageTable("Mean times between wells", heads, times))
        if wells.kramers_times is not None:
            kramers = _matrix(wells.kramers_times[:count, :count])
            caption = "The same by Eyring-Kramers rates"
            tables.append(PageTable(caption, heads, kramers, folded=True))
    return tuple(tables)


def _matrix(values: np.ndarray) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (str(i + 1), *("" if i == j else number(v) for j, v in enumerate(row)))
        for i, row in enumerate(values)
    )
