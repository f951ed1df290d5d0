"""``fokkerplanck sweep``: its arguments, and what it says at the end."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .status import FAILED, INTERRUPTED, MISSED, SUCCESS

if TYPE_CHECKING:
    from ..io import SweepRecord

SET_HELP = (
    "KEY=A,B,C sweeps a key, KEY=A sets it for all members; commas inside quotes and brackets do "
    "not divide; several swept keys make a grid"
)


def add_sweep(commands: Any, case: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the command and return its parser; ``case`` holds CASE and --set."""
    sweep: argparse.ArgumentParser = commands.add_parser(
        "sweep",
        parents=[case],
        help="solve a case at many settings on all cores",
        description="Solve a case at many settings on all cores. " + SET_HELP + ".",
    )
    sweep.add_argument(
        "--out", metavar="DIR", help="write DIR/MEMBER/NAME.h5 and DIR/sweep.h5 (runs/NAME_sweep)"
    )
    lists = sweep.add_mutually_exclusive_group()
    lists.add_argument(
        "--zip", action="store_true", help="take first values together, then second ones: no grid"
    )
    lists.add_argument(
        "--list", metavar="FILE", help="CSV file: keys in the first line, a member in each other"
    )
    where = sweep.add_mutually_exclusive_group()
    where.add_argument(
        "--scheduler", metavar="ADDRESS", help="a Dask cluster that runs, as in tcp://host:8786"
    )
    where.add_argument("--workers", metavar="N", type=int, help="processes to start (one per core)")
    sweep.add_argument(
        "--retries",
        metavar="N",
        type=int,
        default=2,
        help="how often a member is tried again whose worker died or whose file failed (2)",
    )
    sweep.add_argument(
        "--overwrite", action="store_true", help="replace members solved from another case text"
    )
    sweep.add_argument("--no-figures", action="store_true", help="write result files only")
    sweep.add_argument("--quiet", action="store_true", help="no progress bar")
    return sweep


def sweep_command(options: argparse.Namespace) -> int:
    """Run the sweep; returns the exit status."""
    from ..case import find_case
    from ..case.files.open import is_result
    from ..errors import CaseError
    from ..sweep import SUMMARY, parse_settings, sweep, table_of

    try:
        settings = parse_settings(options.set, options.list)
    except CaseError as error:
        raise error if error.file is not None else error.in_file("--set") from None
    case = Path(options.case) if is_result(options.case) else find_case(options.case)
    folder = Path(options.out) if options.out else Path("runs") / f"{case.stem}_sweep"
    try:
        record = sweep(
            case,
            settings,
            out=folder,
            paired=options.zip or options.list is not None,
            scheduler=options.scheduler,
            workers=options.workers,
            retries=options.retries,
            overwrite=options.overwrite,
            progress=sys.stderr.isatty() and not options.quiet,
        )
    except KeyboardInterrupt:
        sys.stderr.write("fokkerplanck: interrupted; the same command continues\n")
        return INTERRUPTED
    print(table_of(record))
    files = [folder / SUMMARY]
    if not options.no_figures:
        from ..figures.sweep import draw_sweep

        files += draw_sweep(record, folder)
    print("\n".join(["files", *(f"  {file}" for file in files)]))
    return _status(record)


def _status(record: SweepRecord) -> int:
    for member, sentence in record.failures.items():
        sys.stderr.write(f"failed: {member}: {sentence}\n")
    if not record.failures:
        return SUCCESS
    return FAILED if (record.status == "failed").all() else MISSED
