"""Kills, power failures, full disks and second writers, at the level of the result file."""

import contextlib
import errno
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from power import recorded, stopping_at
from store_samples import grid_of, make_frame, make_header, make_spectrum, make_stationary

from fokkerplanck import open_result
from fokkerplanck.errors import StoreError
from fokkerplanck.io import Checkpoint, ResultWriter, Search, read
from fokkerplanck.io import writer as writers
from fokkerplanck.io.storage import parts, store
from fokkerplanck.io.storage.lock import lock_file
from fokkerplanck.io.storage.parts import folder_of

FRAMES = 12
HEADER = make_header((16, 20))


def put(writer, index):
    frame = make_frame(HEADER, index)
    writer.append(frame, Checkpoint(index, frame.time, frame.density, 0.5, {"n": index}))


def begun(path, frames):
    """A writer after some frames."""
    writer = ResultWriter.create(path, HEADER)
    for index in range(frames):
        put(writer, index)
    return writer


def leave(writer):
    """What a kill does: everything is closed, nothing is written."""
    writer._store.let_go()
    os.close(writer._store._lock._descriptor)
    writer._closed = True


def assert_frames(path, least, most=FRAMES):
    """Whole frames, at least so many; returns their number."""
    contents = read(path)
    count = len(contents.time)
    assert least <= count <= most
    for index in range(count):
        expected = make_frame(HEADER, index)
        assert contents.time[index] == expected.time
        np.testing.assert_array_equal(contents.density[index], expected.density)
        for name, values in expected.observables.items():
            np.testing.assert_array_equal(contents.observables[name][index], values)
    return count


def assert_goes_on(path, least, frames=FRAMES):
    """Resume after at least ``least`` frames, and bring it to its end."""
    writer, state = ResultWriter.resume(path, HEADER)
    first = 0 if state is None else state.frame + 1
    assert first >= least
    if state is not None:
        np.testing.assert_array_equal(state.density, make_frame(HEADER, state.frame).density)
    with writer:
        for index in range(first, frames):
            put(writer, index)
        writer.write("stationary", make_stationary(HEADER))
    contents = read(path)
    assert contents.status == "complete"
    assert assert_frames(path, frames) == frames
    np.testing.assert_array_equal(
        contents.analyses["stationary"].density, make_stationary(HEADER).density
    )
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    return writer


def whole_run(path, said):
    """A run from its begin to its end; ``said`` gets the frames that it has reported."""
    with ResultWriter.create(path, HEADER) as writer:
        for index in range(FRAMES):
            put(writer, index)
            said.append(index + 1)
        writer.write_search(SEARCH)
        writer.write("stationary", make_stationary(HEADER))


SEARCH = Search(np.linspace(0.0, 1.0, 5), 0.5, np.array([3.0, 0.5]), 2, False)


@settings(max_examples=40, deadline=None)
@given(call=st.integers(1, 440), parts_at_most=st.sampled_from([2, 5, 64]))
def test_a_run_killed_at_any_call_loses_nothing(call, parts_at_most):
    said = []
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "FEWEST_PARTS", parts_at_most)
        path = Path(folder) / "a.h5"
        with stopping_at(call, patch), contextlib.suppress(OSError):
            whole_run(path, said)
        if not path.exists():
            assert not said
            return
        frames = assert_frames(path, len(said))
        if read(path).status != "complete":
            assert_goes_on(path, frames)
            assert [file.name for file in path.parent.iterdir()] == ["a.h5"]


def test_the_calls_of_a_run_are_met(tmp_path, monkeypatch):
    """There are about as many as the test above draws from."""
    with stopping_at(10**9, monkeypatch) as calls:
        whole_run(tmp_path / "a.h5", [])
    assert 400 < len(calls) < 500
    assert {"pwrite", "replace", "unlink", "fdatasync", "fsync", "rmdir"} <= set(calls)


@pytest.mark.parametrize("disk", ["fast", "slow"])
def test_no_power_failure_costs_what_the_disk_confirmed(tmp_path, monkeypatch, rng, disk):
    """At any call, with any part of what the disk had not confirmed; on a slow disk, which is not
    waited for, a failure costs frames but leaves a result that goes on."""
    monkeypatch.setattr(parts, "FREE_SYNC_S", 1e9 if disk == "fast" else -1e9)
    monkeypatch.setattr(store, "FEWEST_PARTS", 4)
    (tmp_path / "run").mkdir()
    path = tmp_path / "run" / "a.h5"
    with recorded(path.parent, monkeypatch) as recording:
        writer = ResultWriter.create(path, HEADER)
        for index in range(FRAMES):
            put(writer, index)
            recording.note(index + 1)
        writer.write("stationary", make_stationary(HEADER))
        writer.close("complete")
    begun = next(n for n, call in enumerate(recording.calls) if call[0] == "frames")
    least = []
    for trial, end in enumerate(rng.integers(begun, len(recording.calls) + 1, 25)):
        folder = tmp_path / f"{trial}"
        frames = recording.after_a_failure(int(end), folder, rng)
        found = assert_frames(folder / "a.h5", frames if disk == "fast" else 1)
        least.append(found - frames)
        if trial % 3 == 0 and read(folder / "a.h5").status != "complete":
            assert_goes_on(folder / "a.h5", found)
        shutil.rmtree(folder)
    assert min(least) < 0 if disk == "slow" else min(least) == 0


def test_a_result_that_took_the_place_of_another_is_not_mixed_with_its_parts(tmp_path):
    path, other = tmp_path / "a.h5", tmp_path / "b.h5"
    leave(begun(path, 6))
    begun(other, 3).close("interrupted")
    os.replace(other, path)
    assert_frames(path, 3, 3)
    assert_goes_on(path, 3)


def test_a_new_run_removes_the_parts_of_the_old_one(tmp_path):
    path = tmp_path / "a.h5"
    leave(begun(path, 5))
    with ResultWriter.create(path, HEADER, overwrite=True) as writer:
        # It has not begun, so the old one is there.
        assert_frames(path, 5, 5)
        put(writer, 0)
        assert_frames(path, 1, 1)
        assert not list(folder_of(path).iterdir())
    assert [file.name for file in tmp_path.iterdir()] == ["a.h5"]


def test_files_of_somebody_else_stay(tmp_path):
    path = tmp_path / "a.h5"
    writer = begun(path, 3)
    (folder_of(path) / "notes.txt").write_text("mine")
    writer.close("complete")
    assert [file.name for file in folder_of(path).iterdir()] == ["notes.txt"]
    assert_frames(path, 3, 3)


def test_an_end_that_a_kill_cut_off_is_ignored(tmp_path, monkeypatch):
    """The result is complete, and its parts are still there."""
    path = tmp_path / "a.h5"
    writer = begun(path, 3)
    monkeypatch.setattr(writers, "clear", lambda target: None)
    monkeypatch.setattr(parts.Folder, "remove", lambda self, names: None)
    writer.close("complete")
    assert folder_of(path).exists()
    assert read(path).status == "complete"
    assert_frames(path, 3, 3)


def test_a_write_that_fails_leaves_no_trace(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    writer = begun(path, 2)
    monkeypatch.setattr("fokkerplanck.io.writer.pack_frame", lambda *rest: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        put(writer, 2)
    monkeypatch.undo()
    assert_frames(path, 2, 2)
    put(writer, 2)
    put(writer, 3)
    writer.close("interrupted")
    assert_frames(path, 4, 4)
    assert_goes_on(path, 4)


def test_an_analysis_that_cannot_be_written_leaves_the_others(tmp_path):
    path = tmp_path / "a.h5"
    with begun(path, 3) as writer:
        writer.write("stationary", make_stationary(HEADER))
        with pytest.raises(AttributeError):
            writer.write("spectrum", None)
    contents = read(path)
    assert "spectrum" not in contents.analyses
    np.testing.assert_array_equal(
        contents.analyses["stationary"].density, make_stationary(HEADER).density
    )


def test_a_damaged_analysis_is_computed_again(tmp_path):
    path = tmp_path / "a.h5"
    writer = begun(path, 3)
    writer.write("stationary", make_stationary(HEADER))
    writer.write("spectrum", make_spectrum(grid_of(HEADER)))
    leave(writer)
    part = folder_of(path) / "stationary.h5"
    part.write_bytes(part.read_bytes()[:-1000])
    contents = read(path)
    assert "stationary" not in contents.analyses
    assert contents.analyses["spectrum"] is not None
    resumed = assert_goes_on(path, 3)
    assert resumed.recovered.startswith(f"{part}: the end of this file is missing")


@pytest.mark.parametrize("damage", ["torn", "gone"])
def test_a_part_that_is_damaged_while_the_run_goes_on_costs_no_others(tmp_path, damage):
    path = tmp_path / "a.h5"
    writer = begun(path, 6)
    part = folder_of(path) / parts.frame_name(3)
    whole = part.read_bytes()
    part.unlink()
    if damage == "torn":
        part.write_bytes(whole[:-300])
    with pytest.raises(StoreError, match=r"this file is damaged|parts of it were removed"):
        writer.close("complete")
    assert_frames(path, 3, 3)
    # Those behind it are still there.
    part.write_bytes(whole)
    assert_frames(path, 6, 6)
    assert_goes_on(path, 6)


def test_readers_meet_whole_frames_while_a_run_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "FEWEST_PARTS", 3)
    path = tmp_path / "a.h5"
    writer, found = begun(path, 1), []
    with ThreadPoolExecutor(1) as executor:

        def look():
            while not found or found[-1] < 60:
                found.append(assert_frames(path, found[-1] if found else 1, 60))

        looking = executor.submit(look)
        for index in range(1, 60):
            put(writer, index)
        writer.close("complete")
        looking.result()
    assert len(set(found)) > 3


def test_where_the_optimiser_stands_is_a_part(tmp_path):
    path = tmp_path / "a.h5"
    writer = ResultWriter.create(path, HEADER)
    writer.write_search(SEARCH)
    leave(writer)
    resumed, checkpoint = ResultWriter.resume(path, HEADER)
    assert checkpoint is None
    found = resumed.search()
    for name in ("values", "history"):
        np.testing.assert_array_equal(getattr(found, name), getattr(SEARCH, name))
    assert (found.cost, found.rounds, found.converged) == (0.5, 2, False)
    with resumed:
        put(resumed, 0)
    assert_frames(path, 1, 1)


os_pwrite = os.pwrite


def full(descriptor, data, offset):
    """Half of it fits, as on a real disk."""
    os_pwrite(descriptor, data[: len(data) // 2], offset)
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def finish(writer):
    with writer:
        for index in range(writer.frames, 6):
            put(writer, index)
        writer.write("stationary", make_stationary(HEADER))


@pytest.mark.parametrize("call", [1, 2, 3, 5, 8, 40])
def test_a_full_disk_costs_the_frame_that_does_not_fit(tmp_path, monkeypatch, call):
    """Whichever call finds no room."""
    path = tmp_path / "a.h5"
    writer = begun(path, 2)
    count = []

    def limited(descriptor, data, offset):
        count.append(1)
        return (full if len(count) >= call else os_pwrite)(descriptor, data, offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", limited)
        with pytest.raises(StoreError, match=r"No space left.*--resume"):
            finish(writer)
    # One call writes a part; the fifth and those after it belong to an analysis and the end.
    frames = assert_frames(path, min(1 + call, 6))
    assert_goes_on(path, frames)


def test_a_new_file_on_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    begun(path, 2).close("complete")
    before = path.read_bytes()
    for target in (path, tmp_path / "b.h5"):
        writer = ResultWriter.create(target, HEADER, overwrite=True)
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", full)
            with pytest.raises(StoreError, match="cannot be written: No space left"), writer:
                put(writer, 0)
    assert [file.name for file in tmp_path.iterdir()] == ["a.h5"]
    assert path.read_bytes() == before


def test_a_folder_that_is_deleted_is_told(tmp_path):
    path = tmp_path / "gone" / "a.h5"
    writer = begun(path, 2)
    shutil.rmtree(path.parent)
    with pytest.raises(StoreError, match="moved or deleted"), writer:
        put(writer, 2)
    assert not path.parent.exists()


def test_a_folder_that_is_moved_keeps_the_frames(tmp_path):
    path = tmp_path / "old" / "a.h5"
    writer = begun(path, 3)
    path.parent.rename(tmp_path / "new")
    with pytest.raises(StoreError, match="moved or deleted"), writer:
        put(writer, 3)
    assert_frames(tmp_path / "new" / "a.h5", 3, 3)
    assert_goes_on(tmp_path / "new" / "a.h5", 3)


OTHER = """
import sys
from pathlib import Path
from fokkerplanck.errors import StoreError
from fokkerplanck.io.storage.lock import Lock
try:
    Lock.take(Path(sys.argv[1]))
except StoreError as error:
    sys.exit(str(error))
print("mine", flush=True)
sys.stdin.read()
"""


def other(path):
    return subprocess.Popen(
        [sys.executable, "-c", OTHER, path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[1],
    )  # fmt: skip


def test_one_file_has_one_writer_and_any_reader(tmp_path):
    path = tmp_path / "a.h5"
    leave(begun(path, 2))
    holder = other(path)
    assert holder.stdout.readline() == "mine\n"
    told = f"process {holder.pid} on .* is writing this result"
    with pytest.raises(StoreError, match=told):
        ResultWriter.resume(path, HEADER)
    with pytest.raises(StoreError, match=told):
        ResultWriter.create(path, HEADER, overwrite=True)
    assert_frames(path, 2, 2)
    with h5py.File(path) as file:
        assert len(file["time"]) == 1
    holder.kill()
    holder.communicate()
    # What a killed process leaves locks nothing.
    assert lock_file(path).exists()
    writer, _ = ResultWriter.resume(path, HEADER)
    late = other(path)
    _, sentence = late.communicate()
    assert f"process {os.getpid()} on " in sentence
    assert late.returncode == 1
    writer.close("interrupted")
    assert not lock_file(path).exists()


def test_where_the_disk_knows_no_locks_the_words_count(tmp_path, monkeypatch):
    def none(descriptor, operation):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr("fcntl.flock", none)
    path = tmp_path / "a.h5"
    writer = begun(path, 1)
    said = lock_file(path).read_text()
    writer.close("interrupted")
    lock_file(path).write_text(said.replace(str(os.getpid()), str(os.getppid())))
    with pytest.raises(StoreError, match=f"process {os.getppid()} on"):
        ResultWriter.resume(path, HEADER)
    lock_file(path).write_text(said.replace(str(os.getpid()), "999999999"))
    ResultWriter.resume(path, HEADER)[0].close("interrupted")


def test_saving_over_a_file_that_is_written_is_refused(tmp_path):
    path = tmp_path / "a.h5"
    writer = begun(path, 2)
    result = open_result(path)
    with pytest.raises(StoreError, match=f"process {os.getpid()} on"):
        result.save(path, overwrite=True)
    leave(writer)
    result.save(path, overwrite=True)
    assert_frames(path, 2, 2)
    assert [file.name for file in tmp_path.iterdir()] == ["a.h5"]


def test_a_cut_file_is_told(tmp_path):
    path = tmp_path / "a.h5"
    begun(path, 3).close("interrupted")
    os.truncate(path, path.stat().st_size - 100)
    for use in (read, lambda file: ResultWriter.resume(file, HEADER)):
        with pytest.raises(StoreError, match=r"end of this file is missing.*--overwrite"):
            use(path)
    assert not lock_file(path).exists()
