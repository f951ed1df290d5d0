"""Result files from strangers: what is looked at before anything is read.

HDF5 can lead out of the file (external links, external storage, virtual datasets), in circles
(links), and to arrays that no memory holds, declared or packed in a few bytes. None of it is in a
file that this package writes, so all of it is refused. h5py decodes numbers and text and runs
nothing of a file; types beyond numbers and text are refused all the same.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py
import numpy as np
from h5py import h5a, h5d, h5i, h5l, h5o, h5t, h5z

from ...errors import StoreError
from ...limits import (
    RESULT_ATTRIBUTE_BYTES,
    RESULT_ATTRIBUTES,
    RESULT_LEVELS,
    RESULT_OBJECTS,
    RESULT_STRINGS,
)
from ...runtime.machine import memory_available, readable
from .damage import DAMAGE, damaged
from .heaps import refuse_endless

SIGNATURE = b"\x89HDF\r\n\x1a\n"
# What HDF5 says of a file that is shorter than its superblock claims.
_CUT = re.compile(r"truncated file: eof = (\d+), sblock->base_addr = (\d+), stored_eof = (\d+)")
# The superblock of version 0 with the entry of the root group.
LEAST_BYTES = 96
FILTERS = (h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32)
# Attributes of dimension scales and of what they belong to, and their classes of types.
_SCALE = b"DIMENSION_SCALE"
_SCALE_CLASSES = {
    b"CLASS": h5t.STRING,
    b"NAME": h5t.STRING,
    b"DIMENSION_LIST": h5t.VLEN,
    b"REFERENCE_LIST": h5t.COMPOUND,
}
# Where a text of variable length is: its length (4 bytes), its heap and its number there.
_REFERENCE = 16


@contextmanager
def guarded(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file to read, once everything in it has been looked at.

    Raises
    ------
    FileNotFoundError
    StoreError
        If it cannot be opened, or holds what results do not.
    """
    if path.exists() and not path.is_file():
        # A pipe would be waited for.
        raise StoreError("this is a device, a pipe or a folder; a file is needed", path)
    refuse_endless(path)
    try:
        file = h5py.File(path, "r", locking="best-effort")
    except FileNotFoundError:
        raise
    except OSError as error:
        if isinstance(error, BlockingIOError) or "unable to lock" in str(error):
            raise StoreError("another process is writing this file; wait for it", path) from error
        if isinstance(error, PermissionError):
            raise StoreError("permission to open this file is denied", path) from error
        raise _unreadable(error, path) from error
    with file:
        try:
            inspect(file, path)
        except DAMAGE as error:
            raise damaged(path, error) from error
        yield file


def _unreadable(error: OSError, path: Path) -> StoreError:
    """A sentence for what HDF5 does not open.

    Nothing is salvaged from a copy that was cut off. HDF5 would open it once zeros fill up its end;
    but names and attributes of the root lie all over a file that grew, the status at its very end,
    and a chunk of zeros is a density like any other.
    """
    if cut := _CUT.search(str(error)):
        there, base, claimed = (int(number) for number in cut.groups())
        return StoreError(
            f"the end of this file is missing: it should have {base + claimed:,} bytes and has "
            f"{there:,}; copy it again, or run the case again with --overwrite",
            path,
        )
    with suppress(OSError), path.open("rb") as file:
        begun, size = SIGNATURE.startswith(file.read(len(SIGNATURE))), path.stat().st_size
        if begun and size < LEAST_BYTES:
            return StoreError(
                f"this file has {size} bytes, which is no whole HDF5 file; copy it again, or run "
                "the case again with --overwrite",
                path,
            )
    return StoreError(f"this is not a readable HDF5 file: {error}", path)


def inspect(file: h5py.File, path: Path) -> None:
    """Look at every object of a file before its values are read.

    Raises
    ------
    StoreError
        For links and storage outside the file, circles, types and filters that results do not
        have, or more than :mod:`~fokkerplanck.limits` and the memory allow.
    """
    _Inspection(path, file.id.get_filesize()).group(file.id, "", 0)


class _Inspection:
    """What has been seen of one file so far."""

    def __init__(self, path: Path, length: int):
        self.path = path
        self.length = length
        self.objects = 0
        self.bytes = 0
        self.groups: set[bytes] = set()
        self.available = memory_available()

    def refuse(self, detail: str) -> StoreError:
        return StoreError(f"this result file is not read: {detail}", self.path)

    def group(self, group: h5py.h5g.GroupID, name: str, level: int) -> None:
        if level > RESULT_LEVELS:
            raise self.refuse(f"{name} lies {level} levels deep; {RESULT_LEVELS} are allowed")
        address = str(h5o.get_info(group).addr).encode()
        if address in self.groups:
            raise self.refuse(f"{name} is a link back to a group that holds it")
        self.groups.add(address)
        self.attributes(group, name or "/")
        names: list[bytes] = []
        group.links.iterate(names.append)
        for part in names:
            self.link(group, part, f"{name}/{part.decode('utf-8', 'replace')}", level)

    def link(self, group: h5py.h5g.GroupID, part: bytes, name: str, level: int) -> None:
        self.objects += 1
        if self.objects > RESULT_OBJECTS:
            raise self.refuse(f"it has more than {RESULT_OBJECTS} groups and datasets")
        if group.links.get_info(part).type != h5l.TYPE_HARD:
            raise self.refuse(f"{name} is a link to another place or file")
        item = h5o.open(group, part)
        kind = h5i.get_type(item)
        if kind == h5i.GROUP:
            self.group(item, name, level + 1)
        elif kind == h5i.DATASET:
            self.attributes(item, name)
            self.dataset(item, name)
        else:
            raise self.refuse(f"{name} is neither a group nor a dataset")

    def attributes(self, item: h5py.h5g.GroupID, name: str) -> None:
        count = h5a.get_num_attrs(item)
        if count > RESULT_ATTRIBUTES:
            raise self.refuse(f"{name} has {count} attributes; {RESULT_ATTRIBUTES} are allowed")
        for index in range(count):
            one = h5a.open(item, index=index)
            kind = one.get_type()
            values = max(one.get_space().get_simple_extent_npoints(), 0)
            size = values * kind.get_size()
            if size > RESULT_ATTRIBUTE_BYTES:
                raise self.refuse(
                    f"an attribute of {name} has {readable(size)}; "
                    f"{readable(RESULT_ATTRIBUTE_BYTES)} are allowed"
                )
            if _is_text(kind) and values > 1:
                # Every one of them may be the same long text.
                self.count(values * self.length, name)
            self.scale(one, kind, name)

    def scale(self, one: h5a.AttrID, kind: h5t.TypeID, name: str) -> None:
        """What makes a dimension scale is exactly that: HDF5 2.0.0 frees others twice, and dies."""
        label = one.get_name()
        if label in _SCALE_CLASSES and kind.get_class() != _SCALE_CLASSES[label]:
            raise self.refuse(f"the attribute {label.decode()} of {name} is none of a scale")
        if label not in (b"CLASS", b"NAME"):
            return
        text = np.empty(one.shape, kind.dtype)
        if text.ndim == 0 and not kind.is_variable_str():
            one.read(text)
        if text.ndim or kind.is_variable_str() or (label == b"CLASS" and text[()] != _SCALE):
            raise self.refuse(f"the attribute {label.decode()} of {name} is none of a scale")

    def dataset(self, item: h5d.DatasetID, name: str) -> None:
        plan, kind = item.get_create_plist(), item.get_type()
        layout = plan.get_layout()
        if layout == h5d.VIRTUAL or (layout == h5d.CONTIGUOUS and plan.get_external_count()):
            raise self.refuse(f"the values of {name} lie in another file")
        filters = [plan.get_filter(index)[0] for index in range(plan.get_nfilters())]
        if len(set(filters)) < len(filters) or not set(filters) <= set(FILTERS):
            raise self.refuse(f"{name} is packed in a way that results are not")
        if kind.get_class() not in (h5t.INTEGER, h5t.FLOAT, h5t.STRING, h5t.ENUM):
            raise self.refuse(f"{name} holds neither numbers nor text")
        values = item.get_space().get_simple_extent_npoints()
        self.count(values * kind.get_size(), name)
        if _is_text(kind):
            self.texts(item, name, values)
        if layout == h5d.CHUNKED:
            part = math.prod(plan.get_chunk()) * kind.get_size()
            self.room(part, name)
            if h5z.FILTER_DEFLATE in filters:
                self.packed(item, part, name)

    def packed(self, item: h5d.DatasetID, part: int, name: str) -> None:
        """Unpack each chunk up to its size: HDF5 goes on to the end, a thousand times it."""
        for chunk in _chunks(item):
            _, raw = item.read_direct_chunk(chunk.chunk_offset)
            if len(zlib.decompressobj().decompress(raw, part + 1)) > part:
                raise self.refuse(f"a part of {name} unpacks to more than its {part} bytes")

    def texts(self, item: h5d.DatasetID, name: str, values: int) -> None:
        if values > RESULT_STRINGS:
            raise self.refuse(f"{name} has {values} texts; {RESULT_STRINGS} are allowed")
        if item.get_offset() is not None and self._longest(item, values) > self.length:
            raise self.refuse(f"a text of {name} would be longer than the file")
        texts = h5py.Dataset(item)
        for index in np.ndindex(texts.shape):
            # One by one: they may all be the same long text.
            self.count(len(texts[index]), name)

    def _longest(self, item: h5d.DatasetID, values: int) -> int:
        """Largest length that the texts claim: HDF5 allocates it before it looks for the text."""
        with self.path.open("rb") as file:
            file.seek(item.get_offset())
            raw = file.read(values * _REFERENCE)
        starts = range(0, len(raw), _REFERENCE)
        return max((int.from_bytes(raw[at : at + 4], "little") for at in starts), default=0)

    def count(self, size: int, name: str) -> None:
        self.bytes += size
        self.room(self.bytes, name)

    def room(self, size: int, name: str) -> None:
        if self.available is not None and size > self.available:
            raise self.refuse(
                f"with {name} its arrays take {readable(size)} of memory, and "
                f"{readable(self.available)} are available"
            )


def _is_text(kind: h5t.TypeID) -> bool:
    return kind.get_class() == h5t.STRING and kind.is_variable_str()


def _chunks(item: h5d.DatasetID) -> list[h5d.StoreInfo]:
    found: list[h5d.StoreInfo] = []
    item.chunk_iter(found.append)
    return found
