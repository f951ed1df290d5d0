"""The command line: reads arguments, calls the library, turns errors into a sentence and a status.

Exit status: see ``arguments.STATUS``.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
import tomllib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from ..errors import CaseError, CaseWarning, NumericalFailure, StoreError
from ..runtime.interrupts import interrupt
from ..runtime.own_settings import use_own_settings
from .arguments import parser_of
from .completion import completion
from .sweep import sweep_command

# The library is imported inside the commands, so that --help answers at once and --threads can
# act before numba is loaded.
if TYPE_CHECKING:
    from ..case import Case

# Of numba, which looks at the name only once a kernel of several threads is loaded.
THREADING_LAYERS = ("default", "safe", "forksafe", "threadsafe", "omp", "tbb", "workqueue")
# How long a frame may take to its end after an interrupt, and how often it is interrupted then.
GRACE_S = 2.0
AGAIN_S = 1.0

SUCCESS, MISSED, BAD_INPUT, FAILED, INTERRUPTED = 0, 1, 2, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    _open_streams()
    use_own_settings()
    options = _parser().parse_args(arguments)
    try:
        _check_texts(options)
        _check_threads()
        with _warnings_in_one_line():
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


def _open_streams() -> None:
    """Give closed streams a place to go, and signs that a stream does not know a spelling.

    A file that is opened would otherwise take the number of a closed stream, and with it what a
    library writes there.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) < 3:
        pass
    os.close(number)
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            stream = open(number, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _check_texts(options: argparse.Namespace) -> None:
    """Refuse names that are not text, which neither a result nor a page could keep."""
    for name, value in vars(options).items():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and not _encodes(text):
                raise CaseError(
                    f"{text!r} is not UTF-8 text; rename the file or folder", name.replace("_", "-")
                )


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_threads() -> None:
    """Refuse what numba would refuse when it is loaded."""
    count = os.environ.get("NUMBA_NUM_THREADS")
    if count is not None and not (count.strip().isdecimal() and int(count) >= 1):
        raise CaseError(f"{count!r} is no number of threads; take 1 or more", "NUMBA_NUM_THREADS")
    layer = os.environ.get("NUMBA_THREADING_LAYER")
    if layer is not None and layer not in THREADING_LAYERS:
        raise CaseError(
            f"{layer!r} is no threading layer; leave it unset, or take one of "
            f"{', '.join(THREADING_LAYERS)}",
            "NUMBA_THREADING_LAYER",
        )


def _complain(sentence: str, status: int) -> int:
    sys.stderr.write(f"fokkerplanck: {sentence}\n")
    return status


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("always", CaseWarning)
        usual = warnings.showwarning

        def show(message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
            from ..runtime.progress import say

            if issubclass(category, CaseWarning):
                say(f"warning: {message}")
            elif issubclass(category, RuntimeWarning):
                # numpy's words on an overflow; what follows from it is told by an error.
                say(f"warning: {message} in {Path(place[0]).name}")
            else:
                usual(message, category, *place, **more)

        warnings.showwarning = show
        yield


def _run(options: argparse.Namespace) -> int:
    with _stopped_by_signals() as stopped:
        return _solved(options, stopped)


def _solved(options: argparse.Namespace, stopped: Callable[[], bool]) -> int:
    _set_threads(options.threads)
    case = _load(options)
    path = _target(options, case)
    from ..pipeline.run import run
    from ..report.numbers import disagreement, expectations, summary
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
    from ..case.open import is_result

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


@contextmanager
def _stopped_by_signals() -> Iterator[Callable[[], bool]]:
    """SIGINT, SIGTERM and SIGHUP end a run as properly as they can.

    The first one lets the frame that is being computed come to its end, for ``GRACE_S`` at most;
    then the run is interrupted wherever it is. A second one ends the process at once: what the
    result file holds is safe at any moment.

    Yields what tells whether a signal has come. An exception raised inside a callback of a library
    is swallowed there; so it is raised again and again, and the run asks after every frame.
    """
    caught: list[int] = []

    def first(number: int, frame: FrameType | None) -> None:
        if caught:
            os.write(2, b"fokkerplanck: aborted; --resume continues\n")
            os._exit(INTERRUPTED)
        caught.append(number)
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, GRACE_S, AGAIN_S)
        else:
            interrupt()

    def late(number: int, frame: FrameType | None) -> None:
        interrupt()

    before = {}
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # A shell that runs the command in the background leaves SIGINT ignored, nohup SIGHUP, and
        # both mean it.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, first)
    if hasattr(signal, "setitimer"):
        before[signal.SIGALRM] = signal.signal(signal.SIGALRM, late)
    try:
        yield lambda: bool(caught)
    finally:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _set_threads(count: int | None) -> None:
    if count is None:
        return
    available = os.cpu_count() or 1
    if not 1 <= count <= available:
        raise CaseError(
            f"{count} threads are not possible; this machine runs 1 to {available}", "--threads"
        )
    os.environ["NUMBA_NUM_THREADS"] = str(count)


def _load(options: argparse.Namespace) -> Case:
    from ..case import parse_override
    from ..case.open import load_case

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
    # Members that are being solved then close after their frame, and the summary is written.
    before = {}
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # nohup leaves SIGHUP ignored, and means it.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, signal.default_int_handler)
    try:
        return sweep_command(options)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _validate(options: argparse.Namespace) -> int:
    from ..case.open import is_result

    if is_result(options.case):
        return _validate_file(options)
    _set_threads(options.threads)
    case = _load(options)
    from ..analyses.validation import with_validation
    from ..pipeline.run import run
    from ..report.findings import walker_rows
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
    print(table(walker_rows(result)))
    return _judged(expectations(case, result) + disagreement(case, result), result.failed)


def _validate_file(options: argparse.Namespace) -> int:
    from ..analyses.validation import compare
    from ..io.result import open_result
    from ..report.findings import walker_rows
    from ..report.table import table

    if options.set:
        raise CaseError("changes a case, and this is the result of one; leave it out", "--set")
    result = open_result(options.case)
    if result.validation is None:
        result.validation = compare(result)
    print(table(walker_rows(result)))
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
    from ..case.template import case_template

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
