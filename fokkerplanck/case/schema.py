"""What may stand in a case file: one pydantic model per section, unknown keys forbidden.

The models hold what was written, with formulas for numbers evaluated; `load` turns them into the
records. pydantic knows the place of an error, and `messages` puts it into the key.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ..errors import CaseError
from ..limits import CASE_TIMES
from ..problem.jumps import KINDS as JUMPS
from ..problem.losses import KINDS
from .analyses import (
    ControlSection,
    DiscreteSection,
    EnsembleSection,
    PassageSection,
    SmoothingSection,
    SpectrumSection,
    StationarySection,
    ValidationSection,
)
from .choices import (
    FIGURES,
    INITIAL_KINDS,
    PRECISIONS,
    SCHEMES,
    STEPPERS,
)
from .values import Fraction, NotNegative, Number, Numbers, Positive, Positives, Section

MODELS = tuple(KINDS)


def _class(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise CaseError(f"{value!r} is not a value of the target; give a text or a number")
    return value if isinstance(value, str) else float(value)


class ModelSection(Section):
    """``[loss]`` with ``model``: a loss of data in a CSV file."""

    model: Literal[MODELS]  # type: ignore[valid-type]
    data: Annotated[str, Field(strict=True)]
    features: Annotated[list[Annotated[str, Field(strict=True)]], Field(min_length=1)]
    target: Annotated[str, Field(strict=True)]
    intercept: Annotated[bool, Field(strict=True)] = False
    standardise: Annotated[bool, Field(strict=True)] = False
    l2: NotNegative = 0.0
    positive: Annotated[str | float | None, BeforeValidator(_class)] = None

    @model_validator(mode="after")
    def _columns(self) -> ModelSection:
        for index, name in enumerate(self.features):
            if name in self.features[:index]:
                raise CaseError(f"{name} stands there twice", f"features[{index}]")
            if name == self.target:
                raise CaseError(f"{name} is also the target", f"features[{index}]")
        if self.model == "tanh_neuron" and len(self.features) > 1:
            raise CaseError(f"{len(self.features)} columns; a tanh_neuron has one", "features")
        if self.positive is not None and self.model != "logistic_regression":
            raise CaseError(f"has no use with {self.model}", "positive")
        return self


class LossSection(Section):
    """``[loss]``: a formula, or a named family with its own keys."""

    model_config = ConfigDict(extra="allow", frozen=True)

    formula: Annotated[str, Field(strict=True)] | None = None
    name: Annotated[str, Field(strict=True)] | None = None

    @model_validator(mode="after")
    def _one_of(self) -> LossSection:
        if (self.formula is None) == (self.name is None):
            raise CaseError("give either formula or name, or model")
        if self.formula is not None and self.model_extra:
            key = next(iter(self.model_extra))
            raise CaseError("unknown key; beside formula there is no other", key)
        return self


def _loss_section(value: Any, info: ValidationInfo) -> LossSection | ModelSection:
    # Chosen by hand: pydantic would put the names of both sections into the keys of errors.
    if not (isinstance(value, dict) and "model" in value):
        return LossSection.model_validate(value, context=info.context)
    for key in ("formula", "name"):
        if key in value:
            raise CaseError("is given beside model; keep one", key)
    return ModelSection.model_validate(value, context=info.context)


class DriftSection(Section):
    """``[drift]``: one formula per axis, added to -grad Phi."""

    formula: Any

    @field_validator("formula")
    @classmethod
    def _formulas(cls, value: Any) -> list[Any]:
        entries = value if isinstance(value, list | tuple) else [value]
        for entry in entries:
            if isinstance(entry, bool) or not isinstance(entry, str | int | float):
                raise CaseError(f"{entry!r} is not a formula; give a list with one per axis")
        return list(entries)


class NoiseSection(Section):
    """``[noise]``: Sigma and beta, directly or from the batch size and the learning rate."""

    sigma: Any = None
    source: Literal["minibatch"] | None = None
    beta: Positive | None = None
    batch_size: Positive | None = None
    learning_rate: Positive | None = None
    replacement: Annotated[bool, Field(strict=True)] = True
    momentum: Number | None = None
    friction: Positive | None = None
    alpha: Number | None = None
    jumps: Literal[JUMPS] | None = None  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _temperature(self) -> NoiseSection:
        if self.sigma is not None and self.source is not None:
            raise CaseError("is given beside sigma; keep one", "source")
        if self.sigma is None and self.source is None:
            raise CaseError('is missing; give sigma, or source = "minibatch" for data', "sigma")
        pair = (self.batch_size, self.learning_rate)
        if self.beta is not None and self.batch_size is not None:
            raise CaseError("is given twice, also by batch_size; keep one", "beta")
        if self.momentum is not None and self.friction is not None:
            raise CaseError("is given beside momentum; keep one", "friction")
        if self.beta is None and None in pair:
            raise CaseError("is missing; give beta, or both batch_size and learning_rate", "beta")
        return self


class AxisSection(Section):
    """One axis of ``[domain]``."""

    range: tuple[Number, Number]
    cells: Annotated[int, Field(strict=True)]
    boundary: Any = "reflecting"

    @field_validator("boundary")
    @classmethod
    def _sides(cls, value: Any) -> Any:
        sides = [value] if isinstance(value, str) else value
        if not isinstance(sides, list | tuple) or not all(isinstance(s, str) for s in sides):
            raise CaseError(f"{value!r} is not a boundary; give one word or a pair of words")
        return value


class InitialSection(Section):
    """``[initial]``: the density at t = 0."""

    kind: Literal[INITIAL_KINDS] = "uniform"  # type: ignore[valid-type]
    mean: Numbers | None = None
    at: Numbers | None = None
    std: Positives | None = None
    covariance: list[list[Number]] | None = None
    formula: Annotated[str, Field(strict=True)] | None = None


class DensitySection(Section):
    """``[density]``: until when, how often and how."""

    end: Positive | None = None
    frames: Annotated[int, Field(strict=True, ge=2, le=CASE_TIMES)] | None = None
    times: Annotated[list[NotNegative], Field(min_length=1)] | None = None
    scheme: Literal[SCHEMES] = "auto"  # type: ignore[valid-type]
    stepper: Literal[STEPPERS] = "auto"  # type: ignore[valid-type]
    rtol: Fraction = 1e-6
    breakpoints: Annotated[list[Positive], Field(max_length=CASE_TIMES)] = Field(
        default_factory=list
    )

    @field_validator("times")
    @classmethod
    def _increasing(cls, value: list[float] | None) -> list[float] | None:
        for before, after in zip(value or [], (value or [])[1:], strict=False):
            if not after > before:
                raise CaseError(f"{after:g} follows {before:g}; times must strictly increase")
        return value

    @model_validator(mode="after")
    def _one_of(self) -> DensitySection:
        if self.times is not None and self.frames is not None:
            raise CaseError("give either frames or times")
        if self.times is None and self.end is None:
            raise CaseError("is missing; give the last time, a number > 0", "end")
        last = self.times[-1] if self.times else None
        if last is not None and self.end is not None and last > self.end:
            raise CaseError(f"the last one, {last:g}, lies beyond end = {self.end:g}", "times")
        if last == 0 and self.end is None:
            raise CaseError("has nothing after t = 0; give a time > 0", "times")
        return self


class OutputSection(Section):
    """``[output]``: what is written and drawn."""

    every_frame: Annotated[bool, Field(strict=True)] = True
    errors: Annotated[bool, Field(strict=True)] = True
    precision: Literal[PRECISIONS] = "float64"  # type: ignore[valid-type]
    figures: list[Literal[FIGURES]] | None = None  # type: ignore[valid-type]
    report: Annotated[bool, Field(strict=True)] = True


class ExpectSection(Section):
    """One entry of ``[expect]``."""

    value: Number | None = None
    rtol: NotNegative | None = None
    atol: NotNegative | None = None
    min: Number | None = None
    max: Number | None = None

    @model_validator(mode="after")
    def _bounds(self) -> ExpectSection:
        tolerance = self.rtol is not None or self.atol is not None
        if self.value is not None and not tolerance:
            raise CaseError("value needs a tolerance; add rtol or atol")
        if self.value is None and tolerance:
            raise CaseError("rtol and atol need a value")
        if self.value is None and self.min is None and self.max is None:
            raise CaseError("expects nothing; give value with rtol or atol, min, or max")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise CaseError(f"min = {self.min:g} lies above max = {self.max:g}")
        return self


class CaseFile(Section):
    """The whole file."""

    title: Annotated[str, Field(strict=True)] = ""
    parameters: dict[str, Any] = Field(default_factory=dict)
    # The model first: what is known of its keys serves the message for an unknown one.
    loss: Annotated[ModelSection | LossSection | None, PlainValidator(_loss_section)] = None
    drift: DriftSection | None = None
    noise: NoiseSection
    domain: dict[str, AxisSection]
    initial: InitialSection = InitialSection()
    density: DensitySection | None = None
    stationary: StationarySection | None = None
    spectrum: SpectrumSection | None = None
    passage: PassageSection | None = None
    ensemble: EnsembleSection | None = None
    validation: ValidationSection | None = None
    control: ControlSection | None = None
    smoothing: SmoothingSection | None = None
    discrete: DiscreteSection | None = None
    output: OutputSection = OutputSection()
    expect: dict[str, ExpectSection] = Field(default_factory=dict)

    @field_validator("title")
    @classmethod
    def _printable(cls, value: str) -> str:
        if not value.isprintable():
            raise CaseError(f"{value!r} has line breaks or control signs; give one line of text")
        return value

    @model_validator(mode="after")
    def _forces(self) -> CaseFile:
        if self.loss is None and self.drift is None:
            raise CaseError("is missing; give [loss], [drift] or both", "loss")
        if self.ensemble is not None and self.density is None:
            raise CaseError("is missing; walkers are counted at the times of [density]", "density")
        if self.control is not None and self.density is None:
            raise CaseError("is missing; [control] steers its density up to its end", "density")
        for name in ("validation", "discrete"):
            if self.control is not None and getattr(self, name) is not None:
                raise CaseError("compares at u = 1; leave it out beside [control]", name)
        if self.validation is not None and self.ensemble is None:
            raise CaseError("is missing; [validation] compares it with the density", "ensemble")
        return self
