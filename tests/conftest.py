"""Shared by all tests: floating-point errors raise, hypothesis and random numbers repeat."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=25)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def floating_point_errors_raise() -> Iterator[None]:
    """An overflow or a NaN that numpy would only warn of is an error; tails may underflow."""
    with np.errstate(all="raise", under="ignore"):
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same in every run."""
    return np.random.default_rng(20261)
