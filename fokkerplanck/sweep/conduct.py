"""A sweep: members over Dask's workers, and one summary that grows with them."""

from __future__ import annotations

import time
import uuid
import warnings
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..case import Case
from ..case.files.open import load_case
from ..errors import CaseError, StoreError
from ..io import SweepRecord, write_sweep
from ..io.result import open_result
from ..pipeline.run import require_room
from ..problem.seams import check_seams
from ..runtime.silence import changing_filters
from .cluster import TICK, Watch, dask_client, finished, require_dask
from .plan import Member, Plan, plan_of
from .summary import summary_of
from .task import (
    DAMAGED,
    DIED,
    DONE,
    FINAL,
    FOREIGN,
    OTHER,
    Outcome,
    Task,
    member_status,
    outcome_of,
    solve,
)

SUMMARY = "sweep.h5"
RETRIES = 2
# Seconds between two summaries on the disk: what a kill of this process costs is read again.
BETWEEN = 2.0
BAR = "{desc} {percentage:3.0f}% {bar} {n}/{total} members [{elapsed}<{remaining}]{postfix}"


@dataclass(frozen=True)
class Prepared:
    """A sweep whose members are checked.

    Parameters
    ----------
    case : Case
        Of the first member.
    plan : Plan
    tasks : tuple of Task
        What is still to be solved.
    outcomes : dict of Outcome
        Members that a folder holds already, by number.
    """

    case: Case
    plan: Plan
    tasks: tuple[Task, ...]
    outcomes: dict[int, Outcome]


def sweep(
    case: str | Path | Case,
    settings: Mapping[str, Any],
    *,
    out: str | Path | None = None,
    paired: bool = False,
    client: Any = None,
    scheduler: str | None = None,
    workers: int | None = None,
    retries: int = RETRIES,
    overwrite: bool = False,
    progress: bool = False,
) -> SweepRecord:
    """Solve a case at many settings, one worker process per core.

    Parameters
    ----------
    case : path, name of a bundled case, or Case
        Of a case file or a result file: workers read it themselves.
    settings : mapping
        Dotted keys; a list or an array holds the values to sweep, anything else is for all:
        ``{"noise.beta": [1, 2, 4], "density.frames": 11}``. A value that is itself a list stands
        in a list of lists, or as a tuple where it is for all.
    out : path, optional
        Folder with a folder and a result file for each member, and the summary ``sweep.h5``.
        Members that are finished there are not solved again, begun ones are resumed. Without it
        only the numbers are kept.
    paired : bool
        Take the first values of all keys together, then the second ones.
    client : distributed.Client, optional
        A client that is open, and stays so.
    scheduler : str, optional
        Address of a Dask cluster, ``"tcp://host:port"``, which sees the same files.
    workers : int, optional
        Processes to start here; one per core where left out.
    retries : int
        How often a member is tried again whose worker died or whose file could not be written.
        Bad input and numerical failures come back bit for bit, so they are not.
    overwrite : bool
        Replace members that were solved from another case text or by other versions.
    progress : bool
        Show a bar on stderr.

    Returns
    -------
    SweepRecord
        Numbers over the swept keys, NaN for members that failed.

    Raises
    ------
    CaseError, StoreError
        Before any member is solved, naming the member at fault.
    KeyboardInterrupt
        After the summary was written; the same call continues.

    Notes
    -----
    Worker processes import the calling script again: keep the call below
    ``if __name__ == "__main__":``.

    Examples
    --------
    Here with a client whose worker is a thread; without a client there is a process per core.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from distributed import Client
    >>> import fokkerplanck as fp
    >>> text = '''
    ... [loss]
    ... formula = "x**2/2"
    ... [noise]
    ... sigma = 1
    ... beta = 2
    ... [domain]
    ... x = { range = [-6, 6], cells = 64 }
    ... [density]
    ... end = 1.0
    ... frames = 3
    ... '''
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "well.toml")
    ...     size = file.write_text(text)
    ...     with Client(processes=False, n_workers=1, dashboard_address=None) as client:
    ...         record = fp.sweep(file, {"noise.beta": [1, 2]}, client=client)
    >>> record.keys
    ('noise.beta',)
    >>> record.members.tolist()
    ['beta=1', 'beta=2']
    >>> bool(record["mass_drift"].max() < 1e-12)
    True
    """
    if retries < 0:
        raise CaseError(f"{retries} is negative; give 0 or more", "--retries")
    folder = None if out is None else Path(out).absolute()
    prepared = prepare(case, settings, folder, paired, overwrite)
    record = _Record(prepared, folder)
    if prepared.tasks:
        require_dask()
        bar = tqdm(
            total=len(prepared.plan.members),
            initial=len(prepared.outcomes),
            desc=f"{prepared.case.name} sweep",
            disable=not progress,
            bar_format=BAR,
        )
        with bar:
            try:
                if client is not None:
                    _conduct(client, prepared.tasks, retries, record, bar)
                else:
                    with dask_client(workers, scheduler) as own:
                        _conduct(own, prepared.tasks, retries, record, bar)
            except BaseException:
                record.write("interrupted")
                raise
    return record.write("complete")


def prepare(
    case: str | Path | Case,
    settings: Mapping[str, Any],
    folder: Path | None,
    paired: bool,
    overwrite: bool,
) -> Prepared:
    """Check every member, and look which ones are there.

    Raises
    ------
    CaseError, StoreError
        Naming the member.
    """
    plan = plan_of(settings, paired)
    file = case.file if isinstance(case, Case) else case
    if isinstance(case, Case) and not case.file.is_file():
        raise CaseError(
            "there is no such file, and the members of a sweep read their case from one; of a case "
            "that was made in Python, run it once and sweep its result file",
            file=file,
        )
    shared = {**(case.overrides if isinstance(case, Case) else {}), **plan.fixed}
    tasks, outcomes = [], {}
    first: Case | None = None
    with _once_each():
        for member in plan.members:
            overrides = {**shared, **member.settings}
            loaded = _checked(file, overrides, member)
            first = loaded if first is None else first
            if loaded.grid.names != first.grid.names:
                raise CaseError(f"{member.name} has other axes than the first member", "domain")
            path = None if folder is None else folder / member.name / f"{loaded.name}.h5"
            task = Task(
                member.number, loaded.file.absolute(), loaded.text, overrides, path, overwrite
            )
            state, why = ("", "") if path is None else member_status(loaded, path)
            if state in (FOREIGN, DAMAGED) and not overwrite:
                raise StoreError(
                    f"{why}; give --overwrite to replace it or --out to write elsewhere", path
                )
            if state == DONE and path is not None:
                outcomes[member.number] = outcome_of(member.number, open_result(path))
            else:
                tasks.append(task)
    assert first is not None
    return Prepared(first, plan, tuple(tasks), outcomes)


def _checked(file: str | Path, overrides: dict[str, Any], member: Member) -> Case:
    try:
        case = load_case(file, overrides, origin=f"member {member.name}")
        case.problem.check(case.grid)
        check_seams(case.problem, case.grid)
        require_room(case)
    except CaseError as error:
        if str(error.file or "").startswith("member "):
            raise
        raise CaseError(f"{error.detail} (member {member.name})", error.key, error.file) from None
    return case


@contextmanager
def _once_each() -> Iterator[None]:
    """Every warning once, however many members give it, as the caller's filters have it.

    Python's filter "once" forgets at every change of the filters, of which loading a case has some,
    and it would show what the caller ignores.
    """
    with changing_filters, warnings.catch_warnings(record=True) as given:
        yield
    for one in {(str(one.message), one.category): one for one in given}.values():
        warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)


class _Record:
    """Outcomes as they come, and the summary on the disk."""

    def __init__(self, prepared: Prepared, folder: Path | None):
        self.prepared, self.folder = prepared, folder
        self.outcomes = dict(prepared.outcomes)
        self.written = -BETWEEN

    def take(self, outcome: Outcome) -> None:
        """Keep an outcome; the summary follows when its time has come."""
        self.outcomes[outcome.number] = outcome
        if time.monotonic() - self.written >= BETWEEN:
            self.write("running")

    def write(self, state: str) -> SweepRecord:
        """The summary, also on the disk where there is a folder."""
        record = summary_of(self.prepared.case, self.prepared.plan, self.outcomes, state)
        if self.folder is not None:
            write_sweep(self.folder / SUMMARY, record)
        self.written = time.monotonic()
        return record


def _conduct(
    client: Any, tasks: tuple[Task, ...], retries: int, record: _Record, bar: tqdm[Any]
) -> None:
    """Keep every worker busy with one member until all have an outcome.

    Only as many members as there are workers are with Dask at a time: one that waits on a worker
    would be blamed for its death, and an interrupt would have more to call back.
    """
    waiting = deque((task, 0) for task in tasks)
    sweep_id = uuid.uuid4().hex[:8]
    running: dict[Any, tuple[Task, int]] = {}
    failed = 0
    watch = Watch(client)
    # Another scheduler has tried again itself before it tells of a death.
    final = FINAL if watch.own else (*FINAL, DIED)
    try:
        while waiting or running:
            while waiting and len(running) < max(watch.workers(), 1):
                task, tries = waiting.popleft()
                name = record.prepared.plan.members[task.number].name
                key = f"{name}-{sweep_id}-{tries}"
                future = client.submit(solve, task, key=key, pure=False, retries=0)
                running[future] = task, tries
            for future in finished(client, list(running)):
                task, tries = running[future]
                try:
                    outcome = _outcome(future, task)
                except TimeoutError:
                    # Its worker died before the numbers were here: Dask asks for them again.
                    continue
                del running[future]
                future.release()
                if outcome.failure and outcome.failure not in final and tries < retries:
                    waiting.append((task, tries + 1))
                    continue
                record.take(outcome)
                failed += bool(outcome.failure)
                bar.set_postfix_str(f" {failed} failed" if failed else "", False)
                bar.update(1)
    except BaseException:
        client.cancel(list(running), force=True)
        raise


def _outcome(future: Any, task: Task) -> Outcome:
    """What a worker returned; the death of one is a failure of the member it had.

    Raises
    ------
    TimeoutError
        If it is not known any more.
    """
    error = future.exception(timeout=TICK)
    if error is None:
        outcome: Outcome = future.result(timeout=TICK)
        return outcome
    if type(error).__name__ == "KilledWorker":
        sentence = "its worker died every time, perhaps for want of memory; take fewer --workers"
        return Outcome(task.number, failure=DIED, sentence=sentence)
    return Outcome(task.number, failure=OTHER, sentence=f"{type(error).__name__}: {error}")
