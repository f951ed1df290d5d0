"""Shared by all tests: floating-point errors raise, hypothesis and random numbers repeat."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import settings
from storeys import storey_of

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=25)
settings.load_profile("repeatable")

# Started in the background or by nohup, tests and their children would ignore these.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each test bears the name of its storey as a marker."""
    for item in items:
        item.add_marker(storey_of(item.path.stem))


@pytest.fixture(autouse=True)
def floating_point_errors_raise() -> Iterator[None]:
    """An overflow or a NaN that numpy would only warn of is an error; tails may underflow."""
    with np.errstate(all="raise", under="ignore"):
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same in every run."""
    return np.random.default_rng(20261)
