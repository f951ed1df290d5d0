"""Damages of a result file: what accidents and strangers do to one, by name."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
from store_samples import (
    grid_of,
    make_ensemble,
    make_frame,
    make_header,
    make_passage,
    make_spectrum,
    make_stationary,
    make_validation,
)

from fokkerplanck.io import ResultWriter

ARRAYS = (
    *("loss", "sigma", "density", "time", "x", "x_bounds", "y", "mean", "mass", "covariance"),
    *("stationary/density", "stationary/current", "stationary/quasi_potential"),
    *("spectrum/real", "spectrum/modes", "spectrum/left", "passage/mean_time", "passage/arrival"),
    *("passage/escape/times", "passage/escape/basin"),
    *("ensemble/counts", "ensemble/mean", "ensemble/trajectories", "validation/p_value"),
)
# What is read without these is still a result: an observable that is absent, a part left out.
OPTIONAL = ("mean", "mass", "covariance", "passage/mean_time", "passage/arrival")
OPTIONAL += ("passage/escape/times",)


def write_good(path: Path) -> None:
    """A small result with most groups."""
    header = make_header((4, 5), seed=7)
    with ResultWriter.create(path, header) as writer:
        for index in range(3):
            writer.append(make_frame(header, index))
        writer.write("stationary", make_stationary(header))
        writer.write("spectrum", make_spectrum(grid_of(header), turning=True))
        writer.write("passage", make_passage(header))
        grid, times, paths = grid_of(header), np.arange(3.0), np.ones((2, 3, 2))
        writer.write("ensemble", make_ensemble(grid, times, paths))
        writer.write("validation", make_validation(grid, times[1:], ["a", "b"]))
        writer.close("complete", timings={"solve": 1.0}, notes=["a note"])


def accidents(good: bytes) -> Iterator[tuple[str, bytes]]:
    """Files cut off, with flipped bits, other bytes or holes; the same in every run."""
    rng = np.random.default_rng(51607)
    size = len(good)
    for cut in (0, 1, 7, 8, 96, 512, 2048, *rng.integers(2048, size, 9)):
        yield f"cut at {cut}", good[:cut]
    for kind, count in (("bits", 20), ("bytes", 20), ("holes", 14), ("heap", 8)):
        for number in range(count):
            raw = bytearray(good)
            if kind == "bits":
                # Where the structure of the file is, most are met.
                for place in rng.integers(0, size // 4, 4):
                    raw[place] ^= 1 << rng.integers(0, 8)
            elif kind == "bytes":
                for place in rng.integers(0, size, 12):
                    raw[place] = rng.integers(0, 256)
            elif kind == "holes":
                place, length = rng.integers(0, size), int(rng.choice([64, 512, 4096]))
                raw[place : place + length] = bytes(len(raw[place : place + length]))
            else:
                # Zeros in the heap of strings, where HDF5 turns in circles.
                place = good.find(b"GCOL") + 16 + int(rng.integers(0, 2000))
                raw[place : place + 512] = bytes(512)
            yield f"{kind} {number}", bytes(raw)
    yield "other bytes", b"\x89HDF\r\n\x1a\n" + bytes(500)
    yield "text", b"title = 'x'\n" * 50


Damage = Callable[[h5py.File], None]


def structural() -> Iterator[tuple[str, Damage]]:
    """Arrays removed, renamed, of other types and shapes; attributes of other types."""
    for name in ARRAYS:
        if name not in OPTIONAL:
            yield f"{name} removed", lambda file, name=name: file.__delitem__(name)
            yield f"{name} renamed", lambda file, name=name: file.move(name, f"{name}_old")
        yield f"{name} as text", lambda file, name=name: _replace(file, name, "S4")
        yield f"{name} as a group", _as_group(name)
        if name not in ("time", "mass"):  # a torn last frame leaves lengths unequal
            yield f"{name} longer", lambda file, name=name: _replace(file, name, None, 1)
            yield f"{name} deeper", lambda file, name=name: _replace(file, name, None, 0, (2,))
    for name in ("title", "case_toml", "source", "status"):
        for what, value in (("3", 3), ("numbers", [1.0, 2.0]), ("bytes", np.bytes_(b"\xff"))):
            yield f"{name} is {what}", _attribute(name, value)
    for name in ("title", "case_toml", "source", "status", "beta", "schema"):
        yield f"no {name}", lambda file, name=name: file.attrs.__delitem__(name)
    for name, value in (
        *(("schema", "1"), ("schema", [1, 1]), ("schema", 99), ("schema", np.nan)),
        *(("beta", "warm"), ("beta", [1.0, 2.0]), ("seed", "x"), ("seed", [1, 2])),
        *(("timings", "{"), ("timings", "[1]"), ("timings", "[" * 20_000), ("notes", 5)),
        *(("timings", '{"a": "b"}'), ("boundaries", "x"), ("boundaries", "periodic")),
        *(("title", h5py.Empty("S3")), ("status", ["a", "b"])),
    ):
        yield f"{name} = {str(value)[:12]}", _attribute(name, value)


def hostile() -> Iterator[tuple[str, Damage, str]]:
    """What a stranger could put into a file, and a part of the sentence."""
    yield "external link", _link("loss", h5py.ExternalLink("other.h5", "/x")), "another place"
    yield "soft link", _link("loss", h5py.SoftLink("/sigma")), "another place"
    yield "link to itself", _link("circle", h5py.SoftLink("/circle")), "another place"
    yield "hard circle", lambda f: f["stationary"].__setitem__("up", f["/"]), "link back"
    yield "external storage", _external, "another file"
    yield "virtual dataset", _virtual, "another file"
    yield "1e12 numbers", _new(shape=(10**6, 10**6), dtype="f8", chunks=(9, 9)), "of memory"
    yield "long texts", _new(shape=(4, 5), dtype=f"S{2 * 10**9}"), "of memory"
    yield "huge chunk", _new(shape=(4, 5), dtype="f8", chunks=(4, 5), maxshape=(None, None)), "axes"
    yield "a bomb", _bomb, "unpacks to more"
    yield "references", _new(shape=(4, 5), dtype=h5py.ref_dtype), "neither numbers nor text"
    yield "opaque", _new(data=np.zeros((4, 5), "V8")), "neither numbers nor text"
    yield "sequences", _new(shape=(4, 5), dtype=h5py.vlen_dtype("i4")), "neither numbers nor text"
    yield "compound", _new(shape=(4, 5), dtype=[("a", "f8")]), "neither numbers nor text"
    yield "another filter", _new(data=np.ones((4, 5)), compression="lzf"), "packed in a way"
    yield "a named type", lambda f: f.__setitem__("type", np.dtype("f8")), "neither a group"
    yield "deep groups", lambda f: f.create_group("/".join("g" * 500)), "levels deep"
    yield "many groups", lambda f: [f.create_group(f"g{i}") for i in range(10_001)], "more than"
    yield "many texts", _many_texts, "10000 are allowed"
    yield "an axis out of order", lambda f: f["x_bounds"].__setitem__((1, 0), np.nan), "in order"


def _replace(
    file: h5py.File, name: str, dtype: str | None, longer: int = 0, more: tuple[int, ...] = ()
) -> None:
    old = file[name]
    shape = tuple(size + longer for size in old.shape) + more
    growing = {"maxshape": (None, *shape[1:])} if old.maxshape[:1] == (None,) else {}
    scales = [dimension[0] for dimension in old.dims if len(dimension)]
    attributes, kind = dict(old.attrs), old.dtype
    del file[name]
    new = file.create_dataset(name, shape=shape, dtype=dtype or kind, **growing)
    for key in ("every_frame",):
        if key in attributes:
            new.attrs[key] = attributes[key]
    if name in ("x", "y", "time"):
        new.make_scale(name)
        return
    for dimension, scale in enumerate(scales):
        new.dims[dimension].attach_scale(scale)


def _as_group(name: str) -> Damage:
    def damage(file: h5py.File) -> None:
        del file[name]
        file.create_group(name)

    return damage


def _attribute(name: str, value: object) -> Damage:
    return lambda file: file.attrs.__setitem__(name, value)


def _link(name: str, link: object) -> Damage:
    def damage(file: h5py.File) -> None:
        if name in file:
            del file[name]
        file[name] = link

    return damage


def _new(**options: object) -> Damage:
    def damage(file: h5py.File) -> None:
        del file["loss"]
        file.create_dataset("loss", **options)

    return damage


def _external(file: h5py.File) -> None:
    del file["loss"]
    file.create_dataset("loss", shape=(4, 5), dtype="f8", external=[("/etc/passwd", 0, 160)])


def _virtual(file: h5py.File) -> None:
    del file["loss"]
    layout = h5py.VirtualLayout((4, 5), "f8")
    layout[...] = h5py.VirtualSource("other.h5", "x", (4, 5))
    file.create_virtual_dataset("loss", layout)


def _bomb(file: h5py.File) -> None:
    # A megabyte that HDF5 would unpack to a gigabyte, in a chunk of 160 bytes.
    packer = zlib.compressobj(1)
    parts = [packer.compress(bytes(2**24)) for _ in range(16)]
    file["sigma"].id.write_direct_chunk((0, 0, 0, 0), b"".join([*parts, packer.flush()]))


def _many_texts(file: h5py.File) -> None:
    file.create_dataset("texts", shape=(20_000,), dtype=h5py.string_dtype())
