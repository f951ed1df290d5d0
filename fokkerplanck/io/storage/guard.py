"""Result files from strangers: what is looked at before anything is read.

HDF5 can lead out of the file (external links, external storage, virtual datasets), in circles
(links), and to arrays that no memory holds, declared or packed in a few bytes. None of it is in a
file that this package writes, so all of it is refused. h5py decodes numbers and text and runs
nothing of a file; types beyond numbers and text are refused all the same.
"""

from __future__ import annotations

import math
import mmap
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

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
from .disk import PAGE

FILTERS = (h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32)
# A collection of the global heap: signature, version, reserved; then its size.
_HEAP = b"GCOL\x01\0\0\0"
_HEAP_HEADER = _OBJECT_HEADER = 16
# A node of a tree of chunks: signature, kind, level, count, two neighbours; then size and place of
# its first chunk.
_NODE, _NODE_HEADER = b"TREE", 24
# Kind and size of a message about the layout of an array; its version and class where all values
# stand in one piece.
_LAYOUT, _CONTIGUOUS = b"\x08\0\x18\0", b"\x03\x01"
# Version and class of the layout of a virtual dataset.
_VIRTUAL = b"\x04\x03"
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


def refuse_endless(
    path: Path, pages: Mapping[int, bytes] | None = None, size: int | None = None
) -> None:
    """Raise :class:`StoreError` where the HDF5 library would never come back, or eat the memory.

    An object of the heap of strings that takes no room, as zeroed bytes are, sends HDF5 (seen
    with 2.0.0) round in circles that no signal leaves, as soon as it opens a string. And it
    allocates what a text claims to have before it looks at what it has.

    Parameters
    ----------
    path : Path
    pages : mapping, optional
        Contents of pages that are newer than those in the file.
    size : int, optional
        Size of the file with these.
    """
    try:
        with path.open("rb") as file, _mapped(file, pages or {}, size) as data:
            for start in _heaps(data):
                sizes = _objects(data, start)
                if sizes is None:
                    detail = "its heap of strings is torn"
                elif _claims_more(data, start, sizes):
                    detail = "a text claims more than it has"
                else:
                    continue
                raise StoreError(f"this result file is damaged: {detail}", path)
    except (OSError, ValueError) as error:
        if isinstance(error, StoreError):
            raise
        # An empty file cannot be mapped; what is wrong with it is told when it is opened.


def _mapped(file: BinaryIO, pages: Mapping[int, bytes], size: int | None) -> mmap.mmap:
    """The bytes of a file, some pages of it newer."""
    if not pages and size is None:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    length = os.fstat(file.fileno()).st_size if size is None else size
    data = mmap.mmap(-1, length)
    data.write(file.read(length))
    for number, page in pages.items():
        place = number * PAGE
        data[place : place + len(page)] = page[: max(length - place, 0)]
    return data


def _heaps(data: mmap.mmap) -> Iterator[int]:
    # From the beginning, wherever the position of a map that was filled is.
    start = data.find(_HEAP, 0)
    while start >= 0:
        yield start
        start = data.find(_HEAP, start + 1)


def _integer(data: mmap.mmap, place: int, size: int) -> int:
    return int.from_bytes(data[place : place + size], "little")


def _objects(data: mmap.mmap, start: int) -> dict[int, int] | None:
    """Bytes of every object of a heap by its number; None where one takes no room."""
    end = min(start + _integer(data, start + len(_HEAP), 8), len(data))
    place, sizes = start + _HEAP_HEADER, dict[int, int]()
    while place + _OBJECT_HEADER <= end:
        number, size = _integer(data, place, 2), _integer(data, place + 8, 8)
        # Object 0 is the free room, whose size counts its own header.
        step = _OBJECT_HEADER + -(-size // 8) * 8 if number else size
        if step < _OBJECT_HEADER:
            return None if step == 0 else sizes
        sizes[number] = size
        place += step
    return sizes


def _claims_more(data: mmap.mmap, start: int, sizes: Mapping[int, int]) -> bool:
    """Whether a reference to an object of a heap claims a length beyond the object's.

    A reference is the length (4 bytes), the address of the heap (8) and the number there (4). What
    looks like one at the head of a node of a tree is the size of its first chunk, behind a
    neighbour that is none; and a virtual dataset, refused later, has no length there.
    """
    address = start.to_bytes(8, "little")
    place = data.find(address, 0)
    while place >= 0:
        number, head = _integer(data, place + 8, 4), max(place - _NODE_HEADER, 0)
        other = data[head : head + 4] == _NODE or data[place - 2 : place] == _VIRTUAL
        other = other or _in_layout(data, place)
        size = sizes.get(number, 0) if number and place >= 4 and not other else 0
        if size and _integer(data, place - 4, 4) > size:
            return True
        place = data.find(address, place + 1)
    return False


def _in_layout(data: mmap.mmap, place: int) -> bool:
    """Whether a place lies inside the address of the values of an array, which looks like a heap's.

    The address of the values (8 bytes) and their size (8) stand behind the head of a message. What
    stands before a reference, a dataspace or another reference, cannot be such a head.
    """
    for inside in range(1, 8):
        message = place - inside - 2
        if message >= 8 and data[message - 8 : message - 4] == _LAYOUT:
            start, size = _integer(data, message + 2, 8), _integer(data, message + 10, 8)
            if data[message : message + 2] == _CONTIGUOUS and start + size <= len(data):
                return True
    return False


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
