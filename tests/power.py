"""A model of a disk that loses power: what was not waited for is there in part, in any order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PAGE = 512


@dataclass
class Recording:
    """Every change of the files in a folder: (what, file, offset or size, data)."""

    folder: Path
    before: dict[str, bytes] = field(default_factory=dict)
    calls: list[tuple[str, str, int, bytes]] = field(default_factory=list)

    def note(self, frames: int) -> None:
        """The writer has said that so many frames are safe."""
        self.calls.append(("frames", "", frames, b""))

    def after_a_failure(self, end: int, folder: Path, rng: np.random.Generator) -> int:
        """Files as a power failure after ``end`` calls may leave them; returns frames said safe.

        What was written to a file before the last wait for it is there. Of what came later each
        piece of 512 bytes is there or not, by chance, and so is each change of size.
        """
        frames = 0
        images = {name: bytearray(data) for name, data in self.before.items()}
        waited = {
            name: max((i for i, c in enumerate(self.calls[:end]) if c[:2] == ("sync", name)),
                      default=-1)
            for name in {call[1] for call in self.calls}
        }  # fmt: skip
        for number, (what, name, place, data) in enumerate(self.calls[:end]):
            if what == "frames":
                frames = place
            if what not in ("write", "size"):
                continue
            image = images.setdefault(name, bytearray())
            kept = number < waited[name]
            if what == "size" and (kept or rng.random() < 0.5):
                image[:] = image[:place].ljust(place, b"\0")
            for start in range(0, len(data), PAGE) if what == "write" else ():
                if kept or rng.random() < 0.5:
                    piece = data[start : start + PAGE]
                    image.extend(bytes(max(0, place + start + len(piece) - len(image))))
                    image[place + start : place + start + len(piece)] = piece
        folder.mkdir()
        for name, image in images.items():
            (folder / name).write_bytes(image)
        return frames


@contextmanager
def recorded(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Recording]:
    """Record what is done to the files that are in a folder now."""
    recording = Recording(folder)
    for path in folder.iterdir():
        recording.before[path.name] = path.read_bytes()

    def name(descriptor: int) -> str:
        return Path(os.readlink(f"/proc/self/fd/{descriptor}")).name

    def wrap(call: Callable[..., Any], what: str) -> Callable[..., Any]:
        def go(descriptor: int, *arguments: Any) -> Any:
            if what == "write":
                data, place = arguments
                recording.calls.append((what, name(descriptor), place, bytes(data)))
            elif what == "size":
                recording.calls.append((what, name(descriptor), arguments[0], b""))
            done = call(descriptor, *arguments)
            if what == "sync":
                recording.calls.append((what, name(descriptor), 0, b""))
            return done

        return go

    with patch.context() as inner:
        for function, what in (
            ("pwrite", "write"),
            ("ftruncate", "size"),
            ("fdatasync", "sync"),
            ("fsync", "sync"),
        ):
            inner.setattr(os, function, wrap(getattr(os, function), what))
        yield recording
