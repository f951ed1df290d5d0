"""Tables of mutations that make a bundled case a bad one, and what they are made into."""

from __future__ import annotations

import copy
import datetime
import json
import math
import tomllib
from collections.abc import Iterator
from typing import Any

from fokkerplanck.case import bundled_cases

# Between them these have every section of a case file.
CASES = (
    "double_well_1d",
    "fluctuation_dissipation",
    "kramers",
    "quadratic_3d",
    "schedule_quadratic",
    "sharp_flat",
    "tanh_neuron",
)
# Names in these tables are free: a misspelt one is another name.
FREE = ("parameters", "expect", "domain")


def toml(value: Any) -> str:
    """A value as TOML, tables inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf"
    return value.isoformat() if isinstance(value, datetime.date) else json.dumps(value)


def text_of(data: dict[str, Any]) -> str:
    """A case file of these tables."""
    return "".join(f"{json.dumps(name)} = {toml(value)}\n" for name, value in data.items())


def bundled(name: str) -> dict[str, Any]:
    return tomllib.loads(bundled_cases()[name].read_text(encoding="utf-8"))


def changed(data: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy with another value at a dotted key; without the key where it is ``...``."""
    result = copy.deepcopy(data)
    *tables, last = key.split(".")
    place = result
    for part in tables:
        place = place.setdefault(part, {})
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return result


def leaves(data: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}.")
        elif "." not in name:
            yield f"{prefix}{name}", value


def generated() -> Iterator[tuple[str, str]]:
    """Each value of another type, each key misspelt: (what was done, text)."""
    for case in CASES:
        data = bundled(case)
        for key, value in leaves(data):
            wrong: list[Any] = [1 if isinstance(value, bool) else True, {"a": {"b": 1}}]
            if not isinstance(value, list):
                wrong.append([[]])
            for other in wrong:
                yield f"{case}: {key} = {toml(other)}", text_of(changed(data, key, other))
            section, _, last = key.rpartition(".")
            if section.split(".")[0] not in FREE:
                odd = changed(changed(data, key, ...), f"{key}z", value)
                yield f"{case}: {last}z for {last}", text_of(odd)


WELL = bundled("double_well_1d")
# Key, value; the sentence names the key.
VALUES: list[tuple[str, Any]] = [
    *(("density.frames", value) for value in (1, 0, -5, 10**9, 2**62, 2.5, "ten", None or [])),
    *(("density.end", value) for value in (0, -1, math.inf, math.nan, "x", "1/0", "9**9**9")),
    *(("density.rtol", value) for value in (0, 1, -1e-6, 2, math.nan)),
    *(("domain.x.cells", value) for value in (0, -1, 3, 2**62, 10**15, "64", 64.0, [64])),
    *(("domain.x.range", value) for value in ([1, 1], [2, -2], [0], [0, 1, 2], [math.nan, 1])),
    *(("domain.x.boundary", value) for value in ("open", ["periodic", "absorbing"], 3, [])),
    *(("noise.beta", value) for value in (0, -2, math.inf, "y", "beta", "1e999", [1])),
    *(("noise.sigma", value) for value in ("y", [1, 2], [[1, 2], [2, 1]], "x.real", True)),
    *(("initial.kind", value) for value in ("gausian", "", "GAUSSIAN", 3)),
    *(("spectrum.count", value) for value in (0, -1, 2**40, 1.5, "six")),
    *(("output.figures", value) for value in ("density", ["densty"], [1], {"a": 1})),
    *(("output.precision", value) for value in ("float16", 64)),
    *(("ensemble.particles", value) for value in (0, -1, 10**10, 1e6)),
    *(("ensemble.seed", value) for value in (-1, 2**63, "x")),
    *(("ensemble.method", value) for value in ("euler", "")),
    *(("ensemble.trajectories", value) for value in (-1, 10**12)),
    *(("control.intervals", value) for value in (0, 10**9)),
    *(("smoothing.gamma", value) for value in ([], [0], [-1], ["x"])),
    *(("title", value) for value in ("two\nlines", "\x1b[2J", 3, [])),
    *(("parameters.pi", value) for value in (3,)),
    *(("parameters.a b", value) for value in (3,)),
    ("parameters.lambda", 1),
    ("noise", ...),
    ("domain", ...),
    ("domain", {}),
    ("density.stepper", "rk4"),
    ("density.scheme", "upwind"),
    ("passage.target", "x >"),
    ("passage.target", "__import__('os')"),
    ("discrete.steps", 0),
    ("discrete.frames", 10**9),
]


def nested(pattern: str, levels: int) -> str:
    text = "x"
    for _ in range(levels):
        text = pattern.format(text)
    return text


# What a formula must not be, or not be so large; each is refused at once.
FORMULAS = {
    **{name: name for name in ("9**9**9**9", "x**9**9**9", "factorial(9)", "x!", "x.__class__")},
    **{
        name: name
        for name in ("lambda: x", "(x := 1)", "[x for x in x]", "'x'", "f'{x}'", "x if x")
    },
    **{
        name: name for name in ("().__class__", "x[0]", "sin(x=1)", "sin(*x)", "yield x", "await x")
    },
    **{
        name: name for name in ("__import__('os')", "exec('1')", "zoo", "oo", "Symbol('x')", "S(1)")
    },
    **{
        name: name
        for name in ("х + 1", "x∗∗2", "x²", "x\u200b+1", "x\u2212 1", "sin\u00a0", "1e999")
    },
    "long": "x+" * 600_000 + "x",
    "digits": "1" * 3000,
    "brackets": "(" * 4000 + "x" + ")" * 4000,
    "minuses": "-" * 4000 + "x",
    "sum of 5000": "x+" * 4900 + "x",
    **{f"{name} in {name}": nested(f"{name}({{}})", 90) for name in ("sin", "cosh", "erf", "log")},
    **{f"{p} in itself": nested(p, 90) for p in ("where(x<1,{},x)", "min({},x*x)", "atan2({},x)")},
    "powers of powers": nested("({})**x", 80),
    "a product of 300": "*".join(f"(x+{i})" for i in range(300)),
    "a quotient of 300": "/".join(f"(x+{i})" for i in range(1, 300)),
    "where of a thousand": "+".join(f"where(x<{i},x,{i})" for i in range(1000)),
    "min of 1000": "min(" + ",".join(f"x+{i}" for i in range(1000)) + ")",
    "and of 500": "where(" + " and ".join(f"x>{i}" for i in range(500)) + ",x,1)",
    "chain of 2000": "where(" + "<".join("x" * 2000) + ",x,1)",
    "doubling": nested("sin({0})+cos({0})", 9),
    "sine of a sum": "sin(" + "+".join(f"x**{i}" for i in range(1, 950)) + ")",
    **{name: name for name in ("", " ", "#", "x x", "2x", "x^2", "x//2", "x%2", "1/0", "sqrt(-1)")},
}

TEXTS: dict[str, bytes] = {
    "nothing": b"",
    "zero bytes": bytes(100),
    "not UTF-8": b"title = '\xff'",
    "UTF-16": "title = 'x'".encode("utf-16"),
    "an image": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "no TOML": b"title = \n[",
    "twice": b"title = 'a'\ntitle = 'b'",
    "lists in lists": b"a = " + b"[" * 5000,
    "tables in tables": b"a = " + b"{a = " * 3000,
    "dots": b".".join([b"a"] * 20_000) + b" = 1",
    "long number": b"a = " + b"1" * 5000,
    "beyond 64 bits": text_of(WELL).encode() + b"\nspectrum = { count = 99999999999999999999 }",
    "too long": b"#" * 60_001,
    "a date": b"noise = 1979-05-27\ndomain = 1979-05-27",
    "an array of tables": b"[[noise]]\nbeta = 1\n[[noise]]\nbeta = 2",
}

HEAD, ROWS = b"x1,y\n", b"1,2\n2,1\n4,4\n3,3.5\n"
# Content of the data, and a part of the sentence.
DATA: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "no rows"),
    "only a head": (HEAD, "no rows"),
    "binary": (bytes(range(256)), "UTF-8"),
    "zeros": (bytes(1000), "rows"),
    "UTF-16": ("x1,y\n1,2\n".encode("utf-16"), "UTF-8"),
    "NaN": (HEAD + ROWS + b"nan,2\n", "nan"),
    "infinite": (HEAD + ROWS + b"inf,2\n", "inf"),
    "overflow": (HEAD + ROWS + b"1e999,2\n", "1e999"),
    "words": (HEAD + ROWS + b"one,2\n", "one"),
    "code": (HEAD + ROWS + b"__import__('os'),2\n", "__import__"),
    "underscores": (HEAD + ROWS + b"1_0,2\n", "1_0"),
    "short row": (HEAD + ROWS + b"1\n", "1 cells"),
    "long row": (HEAD + ROWS + b"1,2,3\n", "3 cells"),
    "hole": (HEAD + ROWS + b",2\n", "empty"),
    "quote": (HEAD + b'1,"2\n' + ROWS, "not a CSV file"),
    "long cell": (HEAD + b"1," + b"2" * 200_000 + b"\n", "not a CSV file"),
    "no head": (ROWS, "holds numbers"),
    "two alike": (b"x1,x1,y\n1,2,3\n", "two columns"),
    "other names": (b"a,b\n1,2\n2,3\n", "no column"),
    "line in a name": (b'"x\n1",y\n1,2\n2,3\n', "no column"),
}  # fmt: skip
