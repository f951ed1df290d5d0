"""Power failures, cut files, full disks and second writers, at the level of the result file."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from power import recorded
from store_samples import grid_of, make_frame, make_header, make_spectrum, make_stationary

from fokkerplanck import open_result
from fokkerplanck.errors import StoreError
from fokkerplanck.io import Checkpoint, ResultWriter, read
from fokkerplanck.io.storage import disk, journal
from fokkerplanck.io.storage.journal import journal_files
from fokkerplanck.io.storage.lock import lock_file

FRAMES = 12
HEADER = make_header((16, 20))


@pytest.fixture(autouse=True)
def prompt(monkeypatch):
    """However slow the disk of the tests is, every frame waits for it."""
    monkeypatch.setattr(disk, "FREE_SYNC_S", 1e9)


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
    writer._session.let_go()
    writer._session._disk.close()
    os.close(writer._session._lock._descriptor)
    writer._session._closed = True


def snapshot(path, folder):
    """The file and its journal as they are on the disk now."""
    folder.mkdir()
    for file in (path, *journal_files(path)):
        if file.exists():
            shutil.copy(file, folder / file.name)
    return folder / path.name


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


def test_no_power_failure_costs_a_frame(tmp_path, monkeypatch, rng):
    """At any call, with any part of what the disk had not confirmed."""
    monkeypatch.setattr(journal, "TURN_BYTES", 60_000)
    (tmp_path / "run").mkdir()
    path = tmp_path / "run" / "a.h5"
    writer = begun(path, 1)
    with recorded(path.parent, monkeypatch) as recording:
        for index in range(1, FRAMES):
            put(writer, index)
            recording.note(index + 1)
        writer.write("stationary", make_stationary(HEADER))
    writer.close("interrupted")
    assert sum(call[0] == "size" for call in recording.calls) > 3  # both files had their turns
    for trial, end in enumerate(rng.choice(len(recording.calls) + 1, 60)):
        folder = tmp_path / f"{trial}"
        frames = recording.after_a_failure(int(end), folder, rng)
        assert_frames(folder / "a.h5", max(frames, 1))
        if trial % 3 == 0:
            assert_goes_on(folder / "a.h5", max(frames, 1))
        shutil.rmtree(folder)


@pytest.mark.parametrize("torn", ["cut", "zeros"])
def test_a_cut_file_is_restored_from_its_journal(tmp_path, torn):
    path = tmp_path / "a.h5"
    writer = begun(path, 4)
    before = path.stat().st_size
    put(writer, 4)
    whole = path.read_bytes()
    lengths = [*range(before, len(whole), 1501), len(whole) - 1, before - 5000]
    for trial, length in enumerate(lengths):
        copy = snapshot(path, tmp_path / f"{trial}")
        rest = b"" if torn == "cut" else bytes(len(whole) - length)
        copy.write_bytes(whole[:length] + rest)
        assert_frames(copy, 5, 5)
        resumed = assert_goes_on(copy, 5)
        assert resumed.recovered.endswith("5 whole frames are there, and the run goes on at "
                                          f"time {make_frame(HEADER, 4).time!r}")  # fmt: skip
    writer.close("interrupted")


def test_a_torn_journal_costs_what_it_had_not_confirmed(tmp_path, monkeypatch):
    """The file is not touched before the journal is whole."""
    path = tmp_path / "a.h5"
    writer = begun(path, 3)
    head = journal_files(path)[0].stat().st_size
    monkeypatch.setattr(disk, "FREE_SYNC_S", -1e9)
    before = path.read_bytes()
    put(writer, 3)
    assert path.read_bytes() == before
    end = journal_files(path)[0].stat().st_size
    for trial, length in enumerate([head, head + 1, (head + end) // 2, end - 1, end]):
        copy = snapshot(path, tmp_path / f"{trial}")
        torn, _ = journal_files(copy)
        os.truncate(torn, length)
        frames = 4 if length == end else 3
        assert_frames(copy, frames, frames)
        assert_goes_on(copy, frames)
    writer.close("interrupted")
    assert_frames(path, 4, 4)


def test_a_file_beyond_its_torn_journal_counts_as_it_is(tmp_path):
    """Older changes done again would mix two states of the file."""
    path = tmp_path / "a.h5"
    writer = begun(path, 5)
    end = journal_files(path)[0].stat().st_size
    for trial, length in enumerate([end - 1, end - 9000, end // 2, 50, 0]):
        copy = snapshot(path, tmp_path / f"{trial}")
        os.truncate(journal_files(copy)[0], length)
        assert_frames(copy, 5, 5)
        assert_goes_on(copy, 5)
    writer.close("interrupted")


def test_a_journal_is_of_one_run(tmp_path):
    """A file that took the place of another is not mixed with the other's journal."""
    path, other = tmp_path / "a.h5", tmp_path / "b.h5"
    leave(begun(path, 6))
    begun(other, 3).close("interrupted")
    os.replace(other, path)
    assert_frames(path, 3, 3)
    assert_goes_on(path, 3)


def test_new_run_removes_the_journal_of_the_old_one(tmp_path):
    path = tmp_path / "a.h5"
    leave(begun(path, 5))
    with ResultWriter.create(path, HEADER, overwrite=True) as writer:
        put(writer, 0)
        assert_frames(path, 1, 1)
    assert [file.name for file in tmp_path.iterdir()] == ["a.h5"]


def test_a_file_of_earlier_days_is_resumed(tmp_path):
    path = tmp_path / "a.h5"
    begun(path, 3).close("interrupted")
    with h5py.File(path, "r+") as file:
        del file["checkpoint"].attrs["run"]
    assert_goes_on(path, 3)


def test_a_change_that_fails_leaves_no_trace(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    writer = begun(path, 2)
    monkeypatch.setattr("fokkerplanck.io.writer.write_slot", lambda *rest: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        put(writer, 2)
    monkeypatch.undo()
    assert_frames(path, 2, 2)
    put(writer, 2)
    put(writer, 3)
    writer.close("interrupted")
    assert_frames(path, 4, 4)
    assert_goes_on(path, 4)


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


@pytest.mark.parametrize("call", range(1, 8))
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
    # Two calls make a change: one to the journal, one or more to the file.
    frames = assert_frames(path, 2 + (call - 1) // 4)
    assert_goes_on(path, frames)


def test_a_large_group_on_a_full_disk_is_told_and_left_out(tmp_path, monkeypatch):
    """What goes straight to the file is beyond its end, and refers to nothing."""
    monkeypatch.setattr(disk, "SPILL_PAGES", 4)
    path = tmp_path / "a.h5"
    writer = begun(path, 3)
    size, above = path.stat().st_size, []

    def limited(descriptor, data, offset):
        if offset >= size and os.path.samestat(os.fstat(descriptor), path.stat()):
            above.append(offset)
            full(descriptor, data, offset)
        return os_pwrite(descriptor, data, offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", limited)
        with pytest.raises(StoreError, match="No space left"), writer:
            writer.write("spectrum", make_spectrum(grid_of(HEADER), turning=True))
    assert above
    assert (read(path).status, read(path).analyses.get("spectrum")) == ("interrupted", None)
    assert assert_frames(path, 3, 3)
    writer, _ = ResultWriter.resume(path, HEADER)
    with writer:
        writer.write("spectrum", make_spectrum(grid_of(HEADER), turning=True))
    np.testing.assert_array_equal(
        read(path).analyses["spectrum"].modes, make_spectrum(grid_of(HEADER), turning=True).modes
    )


def test_a_new_file_on_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StoreError, match="cannot be created: No space left"):
        ResultWriter.create(tmp_path / "a.h5", HEADER)
    monkeypatch.undo()
    assert not list(tmp_path.iterdir())


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
        assert len(file["time"]) == 2
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


def test_a_cut_file_without_a_journal_is_told(tmp_path):
    path = tmp_path / "a.h5"
    begun(path, 3).close("interrupted")
    os.truncate(path, path.stat().st_size - 100)
    for use in (read, lambda file: ResultWriter.resume(file, HEADER)):
        with pytest.raises(StoreError, match=r"end of this file is missing.*--overwrite"):
            use(path)
    assert not lock_file(path).exists()
