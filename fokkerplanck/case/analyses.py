"""The sections of a case file that ask for an analysis."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, ValidationInfo, model_validator

from ..errors import CaseError
from ..limits import CASE_TIMES
from .choices import CONTROLS, METHODS, POLICIES, STEP_NOISES
from .values import (
    Fraction,
    Positive,
    Positives,
    Section,
    read_number,
)


class StationarySection(Section):
    """``[stationary]``: its presence asks for the stationary state."""


class SpectrumSection(Section):
    """``[spectrum]``: the slowest modes of the generator."""

    count: Annotated[int, Field(strict=True, ge=1)] = 6


def _points(value: Any, info: ValidationInfo) -> list[list[float]]:
    """One point or a list of points; a bare number is a point of one axis."""
    rows = value if isinstance(value, list | tuple) else [value]
    nested = bool(rows) and all(isinstance(row, list | tuple) for row in rows)
    result = []
    for index, row in enumerate(rows if nested else [rows]):
        try:
            result.append([read_number(entry, info) for entry in row])
        except CaseError as error:
            raise CaseError(error.detail, f"[{index}]" if nested else "") from None
    return result


class PassageSection(Section):
    """``[passage]``: first passage to a target, escape from minima, or both."""

    target: Annotated[str, Field(strict=True)] | None = None
    source: Annotated[str, Field(strict=True)] | None = None
    start: Annotated[list[list[float]], BeforeValidator(_points)] | None = None
    end: Positive | None = None
    frames: Annotated[int, Field(strict=True, ge=2, le=CASE_TIMES)] | None = None
    escape: Annotated[bool, Field(strict=True)] | None = None

    @model_validator(mode="after")
    def _together(self) -> PassageSection:
        if self.target is None:
            for key in ("source", "start", "end"):
                if getattr(self, key) is not None:
                    raise CaseError(
                        f'is missing beside {key}; give a condition such as "x > 0", or "boundary"',
                        "target",
                    )
            if self.escape is False:
                raise CaseError("is false and there is no target: nothing is asked for", "escape")
        if self.frames is not None and self.end is None:
            raise CaseError("has no use without end, the last time of arrival", "frames")
        return self


class EnsembleSection(Section):
    """``[ensemble]``: walkers beside the density."""

    method: Literal[METHODS] = "auto"  # type: ignore[valid-type]
    particles: Annotated[int, Field(strict=True, ge=1, le=10**9)] = 1_000_000
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**63)] = 20261
    step: Positive | None = None
    end: Positive | None = None
    trajectories: Annotated[int, Field(strict=True, ge=0)] = 0

    @model_validator(mode="after")
    def _few_kept(self) -> EnsembleSection:
        if self.trajectories > self.particles:
            raise CaseError(
                f"{self.trajectories} is more than there are particles, {self.particles}",
                "trajectories",
            )
        return self


class ValidationSection(Section):
    """``[validation]``: density against ensemble."""

    significance: Fraction = 1e-3
    budget: Annotated[bool, Field(strict=True)] = True


def _schedule(value: Any, info: ValidationInfo) -> str | list[float]:
    if isinstance(value, str):
        return value
    entries = value if isinstance(value, list | tuple) else [value]
    if not entries:
        raise CaseError("has no value; give one per interval")
    values = []
    for index, entry in enumerate(entries):
        place = f"[{index}]" if isinstance(value, list | tuple) else ""
        u = read_number(entry, info)
        if not 0.0 < u <= 1.0:
            raise CaseError(f"{entry!r} is outside (0, 1]; u scales the largest rate", place)
        values.append(u)
    return values


def _lowest(value: Any, info: ValidationInfo) -> float:
    result = read_number(value, info)
    if not 0.0 < result <= 1.0:
        raise CaseError(f"{value!r} is outside (0, 1]; it is the least u")
    return result


class ControlSection(Section):
    """``[control]``: a schedule of the learning rate or the batch size."""

    schedule: Annotated[Any, PlainValidator(_schedule)] = "optimal"
    of: Literal[CONTROLS] = "learning-rate"  # type: ignore[valid-type]
    intervals: Annotated[int, Field(strict=True, ge=1, le=CASE_TIMES)] | None = None
    lowest: Annotated[float, BeforeValidator(_lowest)] = 1e-3
    terminal: Annotated[str, Field(strict=True)] | None = None
    running: Annotated[str, Field(strict=True)] | None = None
    compare: list[Literal[POLICIES]] | None = None  # type: ignore[valid-type]
    feedback: Annotated[bool, Field(strict=True)] = False
    iterations: Annotated[int, Field(strict=True, ge=1, le=CASE_TIMES)] = 300

    @model_validator(mode="after")
    def _counted(self) -> ControlSection:
        values = self.schedule
        if isinstance(values, list) and self.intervals not in (None, len(values)):
            raise CaseError(
                f"{self.intervals} is not the number of values in schedule, {len(values)}",
                "intervals",
            )
        return self


class SmoothingSection(Section):
    """``[smoothing]``: local entropy (66) for some gamma, beside Phi~ for some beta."""

    gamma: Annotated[Positives, Field(min_length=1)]
    beta: Positives = Field(default_factory=list)


class DiscreteSection(Section):
    """``[discrete]``: steps of SGD as a transfer operator (52)."""

    noise: Literal[STEP_NOISES] = "auto"  # type: ignore[valid-type]
    steps: Annotated[int, Field(strict=True, ge=1)] | None = None
    end: Positive | None = None
    frames: Annotated[int, Field(strict=True, ge=2, le=CASE_TIMES)] = 11
    rates: Annotated[Positives, Field(min_length=1)] | None = None
    modes: Annotated[int, Field(strict=True, ge=1, le=100)] = 6
    observables: list[Annotated[str, Field(strict=True)]] = Field(default_factory=list)
    draws: Annotated[int, Field(strict=True, ge=1, le=CASE_TIMES)] = 128
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**63)] = 20261

    @model_validator(mode="after")
    def _one_of(self) -> DiscreteSection:
        if self.steps is not None and self.end is not None:
            raise CaseError("is given beside steps; keep one", "end")
        return self
