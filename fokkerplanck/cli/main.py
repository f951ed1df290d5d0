"""The command line: reads arguments, calls the library, turns errors into a sentence and a status.

Exit status: see ``status.STATUS``.
"""

from __future__ import annotations

import argparse
import os
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CaseError, NumericalFailure, StoreError
from ..runtime.own_settings import use_own_settings
from .arguments import parser_of
from .completion import completion
from .signals import interrupted_by_signals, stopped_by_signals
from .status import BAD_INPUT, FAILED, INTERRUPTED, MISSED, SUCCESS
from .surroundings import (
    check_texts,
    check_threads,
    open_streams,
    set_threads,
    warnings_in_one_line,
)
from .sweep import sweep_command

# The library is imported inside the commands, so that --help answers at once and --threads can
# act before numba is loaded.
if TYPE_CHECKING:
    from ..case import Case


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    open_streams()
    use_own_settings()
    options = _parser().parse_args(arguments)
    try:
        check_texts(options)
        check_threads()
        with warnings_in_one_line():
            status: int = options.command(options)
            sys.stdout.flush()
            return status
    except BrokenPipeError:
        # The reader of a pipe has seen enough. Python would complain once more while closing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SUCCESS
    except KeyboardInterrupt:
        hint = "; --resume continues" if options.command is _run else ""
        return _complain(f"interrupted{hint}", INTERRUPTED)
    except NumericalFailure as error:
        return _complain(str(error), FAILED)
    except (CaseError, StoreError) as error:
        return _complain(str(error), BAD_INPUT)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _complain(f"{place}{error.strerror or error}", BAD_INPUT)
    except MemoryError:
        return _complain("there is not enough memory; take fewer cells or frames", BAD_INPUT)
    except ValueError as error:
        # numba's, once it has tried to start its threads.
        if "threading layer" not in str(error):
            raise
        layer = os.environ.get("NUMBA_THREADING_LAYER", "")
        sentence = f"NUMBA_THREADING_LAYER: {layer!r} cannot be loaded here; leave it unset"
        return _complain(sentence, BAD_INPUT)


def _complain(sentence: str, status: int) -> int:
    sys.stderr.write(f"fokkerplanck: {sentence}\n")
    return status


def _run(options: argparse.Namespace) -> int:
    with stopped_by_signals() as stopped:
        return _solved(options, stopped)


def _solved(options: argparse.Namespace, stopped: Callable[[], bool]) -> int:
    set_threads(options.threads)
    case = _load(options)
    path = _target(options, case)
    from ..pipeline.run import run
    from ..report.closing_table import summary
    from ..report.numbers import disagreement, expectations
    from ..runtime.machine import changed_at

    before = changed_at(path)
    shown = sys.stderr.isatty() and not options.quiet
    with _naming(case), _client(options.scheduler) as client:
        result = run(
            case,
            path,
            resume=options.resume,
            overwrite=options.overwrite,
            progress=shown,
            stopped=stopped,
            client=client,
        )
    drawn = []
    if not options.no_figures:
        from ..report.solve import illustrate

        drawn = illustrate(case, result, path, before, progress=shown)
    print(summary(case, result))
    print("\n".join(["files", *(f"  {file}" for file in [path, *drawn])]))
    return _judged(expectations(case, result) + disagreement(case, result), result.failed)


def _target(options: argparse.Namespace, case: Case) -> Path:
    """Where the result goes; a result file that runs again stays as it is, unless it resumes."""
    from ..case.files.open import is_result

    again = is_result(case.file)
    if again and options.resume and not options.out:
        return case.file
    usual = Path("runs") / (f"{case.name}-again" if again else case.name)
    path = (Path(options.out) if options.out else usual) / f"{case.name}.h5"
    if again and not options.resume and path.exists() and path.samefile(case.file):
        raise StoreError("the case comes from this very file; give --out elsewhere", path)
    return path


@contextmanager
def _client(address: str | None) -> Iterator[Any]:
    """Of the Dask cluster that moves the walkers; None where they stay here."""
    if address is None:
        yield None
        return
    from ..sweep.cluster import dask_client

    with dask_client(scheduler=address) as client:
        yield client


def _judged(missed: list[str], failed: Mapping[str, str]) -> int:
    """Say what is not as expected and what is not there; the exit status."""
    for sentence in missed:
        sys.stderr.write(f"not as expected: {sentence}\n")
    for section, why in failed.items():
        sys.stderr.write(f"not computed: [{section}]: {why}\n")
    if failed:
        return FAILED
    return MISSED if missed else SUCCESS


def _load(options: argparse.Namespace) -> Case:
    from ..case import parse_override
    from ..case.files.open import load_case

    overrides = {}
    for text in options.set:
        try:
            key, value = parse_override(text)
        except CaseError as error:
            raise error.in_file("--set") from None
        overrides[key] = value
    return load_case(options.case, overrides, origin="--set")


def _print(case: Case, stage: str, text: Callable[[], str]) -> int:
    """Print a text; on a terminal, say what goes on until it is there."""
    from ..runtime.clock import Clock

    clock = Clock(case.name, sys.stderr.isatty())
    with clock.compiling(), clock(stage):
        found = text()
    print(found)
    return SUCCESS


def _check(options: argparse.Namespace) -> int:
    case = _load(options)
    from ..report.explain import explain

    return _print(case, "check", lambda: explain(case))


def _study(options: argparse.Namespace) -> int:
    if options.levels < 2:
        raise CaseError(f"{options.levels} is too small; an order needs 2 or more", "--levels")
    case = _load(options)
    from ..pipeline.study import study

    return _print(case, "study", lambda: study(case, options.levels))


def _sweep(options: argparse.Namespace) -> int:
    with interrupted_by_signals():
        return sweep_command(options)


def _validate(options: argparse.Namespace) -> int:
    from ..case.files.open import is_result

    if is_result(options.case):
        return _validate_file(options)
    set_threads(options.threads)
    case = _load(options)
    from ..analyses.table import rows_of
    from ..analyses.validation import with_validation
    from ..pipeline.run import run
    from ..report.numbers import disagreement, expectations
    from ..report.table import table

    stated = {
        name: one
        for name, one in case.expect.items()
        if name.startswith(("ensemble.", "validation."))
    }
    case = replace(with_validation(case), expect=stated)
    with _naming(case):
        result = run(case, progress=sys.stderr.isatty() and not options.quiet)
    print(table(rows_of("ensemble", result) + rows_of("validation", result)))
    return _judged(expectations(case, result) + disagreement(case, result), result.failed)


def _validate_file(options: argparse.Namespace) -> int:
    from ..analyses.table import rows_of
    from ..analyses.validation import compare
    from ..io.result import open_result
    from ..report.table import table

    if options.set:
        raise CaseError("changes a case, and this is the result of one; leave it out", "--set")
    result = open_result(options.case)
    if result.validation is None:
        result.analyses["validation"] = compare(result)
    print(table(rows_of("ensemble", result) + rows_of("validation", result)))
    return SUCCESS if result.validation.agrees else MISSED


@contextmanager
def _naming(case: Case) -> Iterator[None]:
    """Errors found while a case runs name its file, as those found while it is read."""
    try:
        yield
    except CaseError as error:
        raise error if error.file is not None else error.in_file(case.file) from None


def _list(options: argparse.Namespace) -> int:
    from ..case import bundled_cases

    cases = bundled_cases()
    width = max(map(len, cases), default=0)
    for name, path in cases.items():
        title = tomllib.loads(path.read_text(encoding="utf-8")).get("title", "")
        print(f"{name:{width}}  {title}".rstrip())
    return SUCCESS


def _new(options: argparse.Namespace) -> int:
    from ..case.files.template import case_template

    path = Path(options.name)
    if not path.name:
        raise CaseError(f"{options.name!r} is no name for a file; take letters and digits", "NAME")
    if path.suffix != ".toml":
        path = path.with_name(f"{path.name}.toml")
    try:
        # "x" refuses an existing file in the same act that would create it.
        with open(path, "x", encoding="utf-8") as file:
            file.write(case_template(path.stem.replace("\\", " ").replace('"', " ")))
    except FileExistsError:
        raise CaseError("exists and is left as it is; take another name", file=path) from None
    print(f"{path} is written; edit it, then: fokkerplanck run {path}")
    return SUCCESS


def _plot(options: argparse.Namespace) -> int:
    from ..figures import draw
    from ..io.result import open_result
    from .reading import figures_of

    path = Path(options.file)
    directory = Path(options.out) if options.out else path.parent
    result = open_result(path)
    for drawn in draw(result, directory, options.figures or figures_of(result, path)):
        print(drawn)
    return SUCCESS


def _report(options: argparse.Namespace) -> int:
    from .reading import report

    directory = Path(options.out) if options.out else None
    for page in report(Path(options.file), directory, not options.no_figures, options.zoomable):
        print(page)
    return SUCCESS


def _compare(options: argparse.Namespace) -> int:
    from .reading import compare

    page = Path(options.html) if options.html else None
    print(compare(Path(options.first), Path(options.second), page))
    if page is not None:
        print(f"\nfiles\n  {page}")
    return SUCCESS


def _export(options: argparse.Namespace) -> int:
    from ..io import export

    for written in export(options.file, options.to, options.out):
        print(written)
    return SUCCESS


def _completion(options: argparse.Namespace) -> int:
    from ..case import bundled_cases

    print(completion(_parser(), bundled_cases(), options.shell), end="")
    return SUCCESS


def _parser() -> argparse.ArgumentParser:
    return parser_of(
        {
            "run": _run,
            "check": _check,
            "study": _study,
            "validate": _validate,
            "list": _list,
            "new": _new,
            "sweep": _sweep,
            "plot": _plot,
            "report": _report,
            "compare": _compare,
            "export": _export,
            "completion": _completion,
        }
    )
