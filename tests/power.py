"""Disks that stop in the middle: killed processes, and power failures that lose what was not
waited for."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PAGE = 512
# Calls that change something on the disk, or wait for it.
CALLS = ("pwrite", "ftruncate", "fdatasync", "fsync", "replace", "unlink", "mkdir", "rmdir")


@contextmanager
def stopping_at(number: int, patch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """From one call on nothing changes on the disk, as after a kill; yields the calls so far.

    Of a write that is met the first half is done.
    """
    calls: list[str] = []

    def wrap(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def go(*arguments: Any, **more: Any) -> Any:
            calls.append(name)
            if len(calls) == number and name == "pwrite":
                descriptor, data, offset = arguments
                real(descriptor, data[: len(data) // 2], offset)
            if len(calls) >= number:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return real(*arguments, **more)

        return go

    with patch.context() as inner:
        for name in CALLS:
            inner.setattr(os, name, wrap(name, getattr(os, name)))
        yield calls


@dataclass
class Recording:
    """Every change below a folder: (what, number of the file or a path, place or path, data)."""

    folder: Path
    calls: list[tuple[str, Any, Any, bytes]] = field(default_factory=list)
    # Of every file made, since a system gives the numbers of files that are gone to new ones.
    numbers: dict[int, int] = field(default_factory=dict)

    def note(self, frames: int) -> None:
        """The writer has said that so many frames are safe."""
        self.calls.append(("frames", frames, None, b""))

    def after_a_failure(self, end: int, folder: Path, rng: np.random.Generator) -> int:
        """Files as a power failure after ``end`` calls may leave them; returns frames said safe.

        What was written to a file before the last wait for it is there. Of what came later each
        piece of 512 bytes is there or not, by chance, and so is each change of size. Names given
        and taken in a folder before the last wait for it hold; of later ones the first few do.
        """
        calls = self.calls[:end]
        waited = {key: number for number, (what, key, *_) in enumerate(calls) if what == "sync"}
        images: dict[Any, bytearray] = {}
        held: dict[Any, int] = {}
        frames = 0
        for number, (what, key, place, data) in enumerate(calls):
            kept = number < waited.get(key, -1)
            if what == "frames":
                frames = key
            if what in ("write", "size"):
                image = images.setdefault(key, bytearray())
                if what == "size" and (kept or rng.random() < 0.5):
                    image[:] = image[:place].ljust(place, b"\0")
                for start in range(0, len(data), PAGE):
                    if kept or rng.random() < 0.5:
                        piece = data[start : start + PAGE]
                        image.extend(bytes(max(0, place + start + len(piece) - len(image))))
                        image[place + start : place + start + len(piece)] = piece
            if what in ("name", "gone"):
                later = [n for n, c in enumerate(calls) if c[0] in ("name", "gone") and c[1] == key]
                later = [n for n in later if n > waited.get(key, -1)]
                held.setdefault(key, int(rng.integers(0, len(later) + 1)))
                if number in later[held[key] :]:
                    continue
                path = folder / Path(place[0]).relative_to(self.folder)
                path.parent.mkdir(parents=True, exist_ok=True)
                if what == "gone":
                    path.unlink(missing_ok=True)
                else:
                    # Named first, filled below: what it holds may come later.
                    path.write_text(str(place[1]))
        for path in [one for one in folder.rglob("*") if one.is_file()]:
            path.write_bytes(images.get(int(path.read_text()), b""))
        return frames


@contextmanager
def recorded(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Recording]:
    """Record what is done to the files below a folder, and to their names."""
    recording = Recording(folder)

    def at(descriptor: int) -> Any:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        return path if os.path.isdir(path) else recording.numbers.get(os.fstat(descriptor).st_ino)

    def wrap(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def go(*arguments: Any, **more: Any) -> Any:
            note = recording.calls.append
            if name == "pwrite":
                note(("write", at(arguments[0]), arguments[2], bytes(arguments[1])))
            elif name == "ftruncate":
                note(("size", at(arguments[0]), arguments[1], b""))
            elif name == "replace":
                number, target = recording.numbers[os.stat(arguments[0]).st_ino], str(arguments[1])
                note(("name", os.path.dirname(target), (target, number), b""))
            elif name == "unlink" and os.path.exists(arguments[0]):
                path = str(arguments[0])
                note(("gone", os.path.dirname(path), (path,), b""))
            done = real(*arguments, **more)
            if name == "open" and arguments[1] & os.O_EXCL:
                recording.numbers[os.fstat(done).st_ino] = len(recording.calls)
                note(("made", None, None, b""))
            if name in ("fdatasync", "fsync"):
                note(("sync", at(arguments[0]), None, b""))
            return done

        return go

    with patch.context() as inner:
        for name in (*CALLS, "open"):
            inner.setattr(os, name, wrap(name, getattr(os, name)))
        yield recording
