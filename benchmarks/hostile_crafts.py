"""Changes of a result file that HDF5 writes without complaint, and that no result has."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Change = Callable[[np.random.Generator, h5py.File], None]

# What cannot be as they stand in a file: numbers, texts, JSON.
NUMBERS = (np.nan, np.inf, -np.inf, 0.0, -1.0, 1e308, -1e308, 5e-324, 1e-300, 1e18)
TEXTS = (
    *(
        "",
        "\0",
        "\n\n",
        "\x1b[2J\x1b]0;x\x07",
        "<script>alert(1)</script>",
        "=1+1",
        "../../x",
        "é" * 40,
    ),
    *("x" * 50_000, "[" * 5_000, "{" * 5_000, '{"a":' * 4_000, "[" * 3_000 + "]" * 3_000, "nan"),
    *("null", "[]", "{}", "0", '"x"', "[null]", '{"a": null}', '{"density.end": "x"}', "1e999"),
    *('{"density.frames": 1e99}', '{"output": 3}', '{"output.figures": ["x"]}', '{"": {}}', "true"),
    *(
        '{"stationary": "x"}',
        '{"noise.beta": -1}',
        '{"total": 1e400}',
        '{"total": NaN}',
        "x = [" * 999,
    ),
)
TYPES = (
    *("f2", "f4", ">f8", "i1", "i8", "u1", "u8", "c16", "?", "S3", "g", h5py.string_dtype()),
    *(h5py.enum_dtype({"a": 0, "b": 1}), np.dtype([("a", "f8")]), h5py.ref_dtype, "V4"),
)
SCALES = ("CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "DIMENSION_LABELS", "_Netcdf4Dimid")
# Changes of a crafted file, at most.
MOST = 3


def _datasets(file: h5py.File) -> list[str]:
    found: list[str] = []
    file.visititems(
        lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None
    )
    return found


def _groups(file: h5py.File) -> list[str]:
    found = ["/"]
    file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Group) else None)
    return found


def _any(rng: np.random.Generator, names: Any) -> Any:
    return names[int(rng.integers(len(names)))]


def _dataset(rng: np.random.Generator, file: h5py.File) -> h5py.Dataset:
    # What stands at the root is read by all, and there is less of it.
    names = _datasets(file)
    at_root = [name for name in names if "/" not in name]
    return file[_any(rng, at_root if rng.random() < 0.3 else names)]


def _values(rng: np.random.Generator, file: h5py.File) -> None:
    item = _dataset(rng, file)
    if item.dtype.kind == "O":
        item[...] = np.full(item.shape, _any(rng, TEXTS), object)
        return
    values = item[()].astype(float)
    kind = _any(rng, ("all", "one", "one", "reversed", "same", "shuffled", "scaled", "negative"))
    if kind == "all":
        values = np.full_like(values, _any(rng, NUMBERS))
    elif kind == "one" and values.size:
        values.reshape(-1)[int(rng.integers(values.size))] = _any(rng, NUMBERS)
    elif kind == "reversed":
        values = values[::-1]
    elif kind == "same":
        values = np.full_like(values, values.reshape(-1)[0] if values.size else 0.0)
    elif kind == "shuffled":
        values = rng.permutation(values.reshape(-1)).reshape(values.shape)
    else:
        values = values * (_any(rng, (1e-300, 1e-12, 1e12, 1e300)) if kind == "scaled" else -1.0)
    with np.errstate(all="ignore"):
        if item.dtype.kind in "iu":
            low, high = np.iinfo(item.dtype).min, np.iinfo(item.dtype).max
            values = np.clip(np.nan_to_num(values), low, high)
        item[...] = values.astype(item.dtype)


def _remake(
    file: h5py.File, item: h5py.Dataset, values: Any, keep: bool, dtype: Any = None
) -> None:
    """Another dataset under the same name, with the same attributes and scales where it may."""
    name, old, growing = item.name, dict(item.attrs), item.maxshape[:1] == (None,)
    scales = [dimension[0] for dimension in item.dims if len(dimension)] if keep else []
    scale = item.is_scale
    del file[name]
    options: dict[str, Any] = {}
    if growing and np.ndim(values):
        options["maxshape"] = (None, *np.shape(values)[1:])
    new = file.create_dataset(name, data=values, dtype=dtype, **options)
    for key, value in old.items():
        if key not in SCALES:
            new.attrs[key] = value
    if scale and keep:
        new.make_scale(name.rsplit("/", 1)[1])
    for number, one in enumerate(scales[: new.ndim]):
        new.dims[number].attach_scale(one)


def _type(rng: np.random.Generator, file: h5py.File) -> None:
    item, kind = _dataset(rng, file), _any(rng, TYPES)
    if kind in ("f2", "f4", ">f8", "i1", "i8", "u1", "u8", "c16", "?", "g"):
        _remake(file, item, item[()].astype(kind), True)
    else:
        _remake(file, item, np.zeros(item.shape, np.dtype(kind)), True, kind)


def _shape(rng: np.random.Generator, file: h5py.File) -> None:
    item = _dataset(rng, file)
    values = item[()]
    kind = _any(rng, ("longer", "shorter", "none", "scalar", "deeper", "turned", "flat", "empty"))
    if kind == "empty":
        name = item.name
        del file[name]
        file[name] = h5py.Empty("f8")
        return
    changed = {
        "longer": lambda: np.concatenate([values, values[-1:]]),
        "shorter": lambda: values[:-1],
        "none": lambda: values[:0],
        "scalar": lambda: values.reshape(-1)[0],
        "deeper": lambda: np.stack([values, values], -1),
        "turned": lambda: values.T,
        "flat": lambda: values.reshape(-1),
    }[kind]()
    kept = h5py.string_dtype() if item.dtype.kind == "O" else None
    _remake(file, item, changed, rng.random() < 0.7, kept)


def _name(rng: np.random.Generator, file: h5py.File) -> None:
    place = _any(rng, [*_datasets(file), *_groups(file)[1:]])
    kind = _any(rng, ("gone", "gone", "renamed", "as a group", "as an array", "copied"))
    if kind == "renamed":
        file.move(place, f"{place}{_any(rng, ('2', ' ', 'é', '_' * 300))}")
    elif kind == "copied":
        other = _any(rng, [*_datasets(file), *_groups(file)[1:]])
        del file[place]
        file.copy(other, place)
    else:
        del file[place]
        if kind == "as a group":
            file.create_group(place)
        elif kind == "as an array":
            file[place] = np.arange(3.0)


def _attribute(rng: np.random.Generator, file: h5py.File) -> None:
    item = file if rng.random() < 0.5 else file[_any(rng, [*_groups(file), *_datasets(file)])]
    names = [name for name in item.attrs if name not in SCALES]
    name = _any(rng, [*names, "extra"]) if rng.random() < 0.9 else _any(rng, TEXTS)[:40]
    old = item.attrs.get(name)
    if rng.random() < 0.15:
        del item.attrs[name]
    elif isinstance(old, str) and rng.random() < 0.6:
        item.attrs[name] = _any(rng, TEXTS)
    else:
        odd: tuple[Any, ...] = (
            *NUMBERS, *TEXTS, True, 2**63 - 1, [1.0, np.nan], [], ["a", "b"], np.bytes_(b"\xff\0"),
            h5py.Empty("f8"), h5py.Empty("S1"), np.float16(1), np.complex128(1j), np.zeros((2, 2)),
            np.longdouble(1),
        )  # fmt: skip
        item.attrs[name] = _any(rng, odd)


def _case(rng: np.random.Generator, file: h5py.File) -> None:
    """The case in the result is another one, or none."""
    text = str(file.attrs["case_toml"])
    kind = _any(rng, ("cut", "line gone", "number", "word", "other", "deep", "overrides"))
    lines = text.splitlines()
    if kind == "cut":
        text = text[: int(rng.integers(len(text)))]
    elif kind == "line gone":
        lines.pop(int(rng.integers(len(lines))))
        text = "\n".join(lines)
    elif kind in ("number", "word"):
        where = int(rng.integers(len(lines)))
        head = lines[where].partition("=")[0]
        odd = ("0", "-1", "1e-300", "1e300", "nan", "inf", "[]", "{}", "[[1]]", "1979-05-27")
        lines[where] = (
            f"{head}= {_any(rng, odd) if kind == 'number' else json.dumps(_any(rng, TEXTS)[:80])}"
        )
        text = "\n".join(lines)
    elif kind == "other":
        text = _any(rng, TEXTS)
    elif kind == "deep":
        text += "\n[" + ".".join("a" * int(rng.choice([5, 2000]))) + "]\nx = 1\n"
    else:
        key = _any(
            rng, ("density.end", "noise.beta", "domain.x.cells", "output.figures", "a.b.c", "")
        )
        file.attrs["overrides"] = json.dumps({key: _any(rng, (None, [], {}, "x", 0, 1e300, [[1]]))})
        return
    file.attrs["case_toml"] = text


def _scale(rng: np.random.Generator, file: h5py.File) -> None:
    """What HDF5 keeps of dimension scales is of another kind, or leads elsewhere."""
    item = _dataset(rng, file)
    name = _any(rng, SCALES[:4])
    if name in item.attrs and rng.random() < 0.8:
        del item.attrs[name]
    kind = _any(rng, ("text", "number", "numbers", "fixed", "reference", "gone"))
    if kind == "fixed":
        odd = _any(rng, (b"DIMENSION_SCAME", b"DIMENSION_SCALE", b"", b"D" * 70))
        item.attrs.create(name, np.bytes_(odd), dtype=f"S{max(len(odd) + int(rng.integers(3)), 1)}")
    elif kind == "reference":
        item.attrs.create(name, _dataset(rng, file).ref, dtype=h5py.ref_dtype)
    elif kind != "gone":
        item.attrs[name] = {"text": "DIMENSION_SCALE", "number": 1.0, "numbers": [1, 2]}[kind]
    if rng.random() < 0.3:
        other = _dataset(rng, file)
        item.dims[0].attach_scale(other)


def _link(rng: np.random.Generator, file: h5py.File) -> None:
    place = _any(rng, [*_datasets(file), *_groups(file)[1:]])
    other = _any(rng, [*_datasets(file), *_groups(file)])
    kind = _any(rng, ("soft", "circle", "outside", "dangling", "hard"))
    target = file[other]
    if rng.random() < 0.7:
        del file[place]
    else:
        place = f"{place}_more"
    if kind == "hard":
        file[place] = target
    elif kind == "outside":
        file[place] = h5py.ExternalLink(_any(rng, ("/etc/passwd", "other.h5", "")), "/x")
    else:
        file[place] = h5py.SoftLink({"soft": f"/{other}", "circle": f"/{place}"}.get(kind, "/none"))


def _storage(rng: np.random.Generator, file: h5py.File) -> None:
    """An array that is larger than it looks, lies elsewhere or is packed in another way."""
    item = _dataset(rng, file)
    name, shape, values = item.name, item.shape, item[()]
    del file[name]
    kind = _any(rng, ("huge", "outside", "virtual", "lzf", "scaled", "wide chunk", "texts"))
    if kind == "huge":
        file.create_dataset(name, (10**6, 10**6), "f8", chunks=(9, 9))
    elif kind == "outside":
        file.create_dataset(name, shape, "f8", external=[("/etc/passwd", 0, 2**20)])
    elif kind == "virtual":
        layout = h5py.VirtualLayout(shape, "f8")
        layout[...] = h5py.VirtualSource("other.h5", "x", shape)
        file.create_virtual_dataset(name, layout)
    elif kind == "texts":
        file.create_dataset(name, (20_000,), h5py.string_dtype())
    elif kind == "wide chunk":
        file.create_dataset(
            name, shape, "f8", chunks=(2**15,) * len(shape), maxshape=(None,) * len(shape)
        )
    elif kind == "lzf":
        file.create_dataset(name, data=values, compression="lzf")
    else:
        file.create_dataset(name, data=values, scaleoffset=2)


def _more(rng: np.random.Generator, file: h5py.File) -> None:
    """Parts that no result has."""
    kind = _any(rng, ("deep", "many", "attributes", "named type", "array", "group"))
    if kind == "deep":
        file.create_group("/".join("g" * 500))
    elif kind == "many":
        for number in range(12_000):
            file.create_group(f"many/{number}")
    elif kind == "attributes":
        for number in range(1_200):
            file[_any(rng, _groups(file))].attrs[f"more {number}"] = number
    elif kind == "named type":
        file["type"] = np.dtype("f8")
    elif kind == "array":
        _any(rng, [file[name] for name in _groups(file)])["more"] = rng.normal(size=(3, 2))
    else:
        file.require_group(_any(rng, ("passage/escape", "stationary/cycle_9", "control", "inputs")))


CHANGES: dict[str, Change] = {
    "values": _values,
    "type": _type,
    "shape": _shape,
    "name": _name,
    "attribute": _attribute,
    "case": _case,
    "scale": _scale,
    "link": _link,
    "storage": _storage,
    "more": _more,
}
WEIGHTS = (0.28, 0.1, 0.12, 0.1, 0.15, 0.08, 0.07, 0.04, 0.03, 0.03)


def craft(rng: np.random.Generator, path: Path) -> list[str]:
    """Change a result in place as its writer could; returns what was done."""
    done = []
    for _ in range(int(rng.integers(1, MOST + 1))):
        name = str(rng.choice(list(CHANGES), p=WEIGHTS))
        with h5py.File(path, "r+") as file:
            try:
                CHANGES[name](rng, file)
            except (OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError):
                continue  # HDF5 does not write this
        done.append(name)
    return done
