"""The bytes of a file from a stranger, looked at before HDF5 opens it: its heaps of texts."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path

from ...domain import MAX_AXES
from ...errors import StoreError

# A collection of the global heap: signature, version, reserved; then its size.
_HEAP = b"GCOL\x01\0\0\0"
_HEAP_HEADER = _OBJECT_HEADER = 16
# A node of a tree of chunks: signature, kind, level, count, two neighbours; then size and place of
# its first chunk.
_NODE, _NODE_HEADER = b"TREE", 24
# A node has at most 64 chunks, each with its address and a key.
_NODE_BYTES = _NODE_HEADER + 65 * (8 + 8 + 8 * (MAX_AXES + 2))
# Kind and size of a message about the layout of an array; its version and class where all values
# stand in one piece.
_LAYOUT, _CONTIGUOUS = b"\x08\0\x18\0", b"\x03\x01"
# Version and class of the layout of a virtual dataset.
_VIRTUAL = b"\x04\x03"


def refuse_endless(path: Path) -> None:
    """Raise :class:`StoreError` where the HDF5 library would never come back, or eat the memory.

    An object of the heap of strings that takes no room, as zeroed bytes are, sends HDF5 (seen
    with 2.0.0) round in circles that no signal leaves, as soon as it opens a string. And it
    allocates what a text claims to have before it looks at what it has.
    """
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
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


def _heaps(data: mmap.mmap) -> Iterator[int]:
    start = data.find(_HEAP)
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
        other = other or _in_layout(data, place) or _in_tree(data, place)
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


def _in_tree(data: mmap.mmap, place: int) -> bool:
    """Whether a place lies inside the address of a chunk, which looks like a heap's.

    Behind the head of a node of chunks stand keys and addresses in turn; a key has the size (4
    bytes) and the filters (4) of its chunk, and an offset (8) along each axis and inside a value.
    """
    node = data.rfind(_NODE + b"\1", max(place - _NODE_BYTES, 0), place)
    while node >= 0:
        count = _integer(data, node + 6, 2)
        for axes in range(1, MAX_AXES + 2):
            key = 8 + 8 * (axes + 1)
            entry, inside = divmod(place - node - _NODE_HEADER, key + 8)
            if inside > key and entry < count:
                return True
        node = data.rfind(_NODE + b"\1", max(place - _NODE_BYTES, 0), node)
    return False
