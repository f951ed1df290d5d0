"""Anything at all as a case, a formula or a result file: an answer or one sentence, in time."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bad_cases import WELL, changed, leaves, nested, text_of
from damages import write_good
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limits_of_time import Reader, time_limit

from fokkerplanck import CaseError, StoreError, load_case
from fokkerplanck.problem.expressions.field import FormulaField
from fokkerplanck.problem.expressions.formula import parse, parse_condition
from fokkerplanck.problem.expressions.names import Names

SHARED = {"suppress_health_check": [HealthCheck.function_scoped_fixture]}
TEXT = text_of(WELL).encode()
KEYS = [key for key, _ in leaves(WELL)]

SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=20).filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text)),
    st.sampled_from(["x**2", "1/x", "2*pi", "t", "beta", "periodic", "gaussian"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text("abxy", min_size=1), inner, max_size=3)
    ),
    max_leaves=5,
)


@st.composite
def patched(draw: Any, original: bytes, most: int) -> bytes:
    """The original with some slices replaced, taken out or doubled."""
    raw = bytearray(original)
    for _ in range(draw(st.integers(1, most))):
        place = draw(st.integers(0, len(raw)))
        length = draw(st.integers(0, 40))
        kind = draw(st.sampled_from(["replace", "remove", "double"]))
        part = bytes(raw[place : place + length])
        new = {"replace": draw(st.binary(max_size=40)), "remove": b"", "double": part * 2}[kind]
        raw[place : place + length] = new
    return bytes(raw)


def read(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)
    found: CaseError | StoreError | None = None
    try:
        with time_limit(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            case = load_case(path)
            case.problem.check(case.grid)
    except (CaseError, StoreError) as error:
        # Bytes that begin like HDF5 are taken for a result.
        found = error
    if found is not None:
        assert "\n" not in str(found)
        # What is wrong only where the formulas are evaluated names its key.
        assert found.file == path or (isinstance(found, CaseError) and found.key is not None)
    assert path.read_bytes() == raw


@settings(max_examples=60, **SHARED)
@given(raw=st.one_of(st.binary(max_size=200), patched(TEXT, 3)))
def test_any_bytes_as_a_case(tmp_path: Path, raw: bytes) -> None:
    read(tmp_path / "a.toml", raw)


@settings(max_examples=100, **SHARED)
@given(key=st.sampled_from([*KEYS, "noise", "domain.y", "passage", "ensemble"]), value=VALUES)
def test_any_value_anywhere(tmp_path: Path, key: str, value: Any) -> None:
    data = changed(WELL, key, value)
    # Lone surrogates and numbers beyond TOML are what a file cannot hold.
    read(tmp_path / "a.toml", text_of(data).encode())


NAMES = Names(("x", "S", "zoo", "lambda_"), {"k": 2.5, "E1": 1.0, "N": 3.0}, time=True)
WORDS = """x S zoo k N t pi e 2 0 1e308 0.1 9 + - * / ** ( ) ( ) , < and or not where( min( exp(
    log( sqrt( tanh( abs( atan2( lambda : . [ ] := ' # if else __class__ = ~ | & x"""
TOKENS = st.sampled_from(WORDS.split())
CURVED = st.sampled_from(["sin", "cosh", "erf", "log", "sqrt", "tan", "abs", "exp"])


def refusal(reads: Any, text: str, derive: Any) -> CaseError | None:
    """What is said of a formula, or None."""
    try:
        with time_limit():
            derive(FormulaField((reads(text, NAMES, "key"),), (), NAMES.symbols, "key"))
    except CaseError as error:
        return error
    return None


@settings(max_examples=250)
@given(st.one_of(st.lists(TOKENS, max_size=25).map(" ".join), st.text(max_size=30)))
def test_any_text_as_a_formula(text: str) -> None:
    for reads in (parse, parse_condition):
        error = refusal(reads, text, FormulaField.gradient)
        if error is not None:
            assert error.key == "key"
            assert "\n" not in str(error)


INNER = st.sampled_from(["x", "S*x", "2.5", "k*zoo", "t"])
GROWING = st.recursive(
    INNER,
    lambda inner: st.one_of(
        st.builds("({} + {})*{}".format, inner, inner, inner),
        st.builds("({})**({})".format, inner, st.sampled_from(["2", "0.5", "-1", "x", "60"])),
        st.builds(
            "{}({})".format,
            st.sampled_from(["sin", "cosh", "erf", "log", "sqrt", "tan", "abs", "exp"]),
            inner,
        ),
        st.builds("where({} < {}, {}, {})".format, inner, inner, inner, inner),
        st.builds("max({}, {})/({})".format, inner, inner, inner),
    ),
    max_leaves=40,
)


PATTERNS = ["sin({})", "cosh({})", "erf({})", "({}+S)*x", "where(x<1,{},S)", "min({},x*S)"]
DEEP = st.builds(nested, st.sampled_from(PATTERNS), st.integers(1, 90))


@settings(max_examples=40)
@given(st.one_of(GROWING, DEEP))
def test_what_the_sizes_allow_is_differentiated_in_time(text: str) -> None:
    error = refusal(parse, text, FormulaField.hessian)
    assert error is None or error.key == "key"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "good.h5"
    write_good(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    child = Reader()
    yield child
    child.close()


PATCHES = st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=64)), max_size=6)


@settings(max_examples=80, **SHARED)
@given(patches=PATCHES, cut=st.one_of(st.just(1.0), st.floats(0, 1)))
def test_any_bytes_in_a_result(
    tmp_path: Path, good: bytes, reader: Reader, patches: list[tuple[float, bytes]], cut: float
) -> None:
    raw = bytearray(good[: int(cut * len(good))])
    for share, part in patches:
        # The square favours the beginning, where the structure of the file is.
        place = int(share**2 * len(raw))
        raw[place : place + len(part)] = part
    path = tmp_path / "a.h5"
    path.write_bytes(raw)
    status, stderr, trace = reader(path)
    assert (status, trace, stderr.count("\n")) == (2, "", 1)
    assert path.read_bytes() == raw
