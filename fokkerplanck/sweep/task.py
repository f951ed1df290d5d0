"""What a worker does: one member, on one core, from where an earlier try has left it."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..case import Case
from ..case.files.open import load_case
from ..errors import CaseError, CaseWarning, NumericalFailure, StoreError
from ..io import check_free, identity
from ..io.result import Result, open_result
from ..pipeline.provenance import effective_overrides, source
from ..pipeline.run import run
from ..runtime.compiling import one_thread, share_cache
from .numbers import numbers_of

INPUT, NUMERICAL, DIED, OTHER = "input", "numerical", "died", "other"
# Said again by every try: the same numbers come out bit for bit.
FINAL = (INPUT, NUMERICAL)

ABSENT, DONE, BEGUN, STALE, FOREIGN, DAMAGED = (
    *("absent", "done", "begun", "stale", "foreign", "damaged"),
)

# Threads of one worker would share numba's threads and the warnings filter.
_alone = threading.Lock()


@dataclass(frozen=True)
class Task:
    """One member as it travels to a worker.

    Parameters
    ----------
    number : int
    case : Path
    text : str
        Of the case file when the sweep began.
    overrides : dict
    path : Path or None
        Result file; None keeps the numbers only.
    replace : bool
        Whether a finished result of another case text or version may go.
    """

    number: int
    case: Path
    text: str
    overrides: dict[str, Any]
    path: Path | None
    replace: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of a member: its numbers, or why there are none.

    ``failure`` is empty or one of "input", "numerical", "died", "other".
    """

    number: int
    numbers: dict[str, Any] = field(default_factory=dict)
    failure: str = ""
    sentence: str = ""


def outcome_of(number: int, result: Result) -> Outcome:
    """Numbers of a result, with what failed beside them."""
    failed = "; ".join(f"[{section}]: {why}" for section, why in result.failed.items())
    return Outcome(number, numbers_of(result), NUMERICAL if failed else "", failed)


def member_status(case: Case, path: Path) -> tuple[str, str]:
    """How far the result file of a member is, and why it is not this case's where it is not.

    Raises
    ------
    StoreError
        If another process is writing it.
    """
    if not path.exists():
        return ABSENT, ""
    check_free(path)
    try:
        found = identity(path)
    except StoreError as error:
        return DAMAGED, error.detail
    differs = "another case text" if found.case_toml != case.text else ""
    differs = differs or ("other versions" if found.source != source() else "")
    if effective_overrides(found.overrides) != effective_overrides(case.overrides):
        differs = "other settings"
    if differs:
        return FOREIGN, f"holds a result of {differs}"
    if found.status == "complete":
        return DONE, ""
    return (BEGUN, "") if found.resumable else (STALE, "")


def solve(task: Task) -> Outcome:
    """Solve one member; errors become an outcome with their sentence."""
    with _alone, warnings.catch_warnings():
        # They stand in the notes of the result.
        warnings.simplefilter("ignore", CaseWarning)
        share_cache()
        one_thread()
        try:
            return outcome_of(task.number, _result(task, _stopping()))
        except CaseError as error:
            return Outcome(task.number, failure=INPUT, sentence=str(error))
        except NumericalFailure as error:
            return Outcome(task.number, failure=NUMERICAL, sentence=str(error))
        except KeyboardInterrupt:
            return Outcome(task.number, failure=OTHER, sentence="its worker was stopped")
        except MemoryError:
            return Outcome(task.number, failure=OTHER, sentence="there was not enough memory")
        except Exception as error:
            told = str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
            return Outcome(task.number, failure=OTHER, sentence=told)


def _result(task: Task, stopped: Callable[[], bool]) -> Result:
    case = load_case(task.case, task.overrides)
    if case.text != task.text:
        raise CaseError("was changed while the sweep ran; start it again", file=task.case)
    if task.path is None:
        return run(case, stopped=stopped)
    state, why = member_status(case, task.path)
    if state == DONE:
        return open_result(task.path)
    if state == FOREIGN and not task.replace:
        raise StoreError(f"{why}; give --overwrite to replace it or --out elsewhere", task.path)
    if state == BEGUN:
        return run(case, task.path, resume=True, stopped=stopped)
    # What is neither finished nor can be resumed was left by a worker that died.
    return run(case, task.path, overwrite=state != ABSENT, stopped=stopped)


def _stopping() -> Callable[[], bool]:
    """Tells whether this process, where it is a Dask worker, is on its way out."""
    try:
        from distributed import get_worker

        worker = get_worker()
    except (ImportError, ValueError):
        return lambda: False
    return lambda: not worker.status.name.startswith(("running", "paused"))
