"""The deterministic part: the loss and the extra drift in their several forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import CaseError
from .callables import CallableField
from .expressions.field import Field, FormulaField
from .expressions.formula import parse
from .expressions.names import Names
from .landscape import Landscape
from .model_field import ModelField
from .models import DataModel

Loss = str | float | Landscape | DataModel | Mapping[str, Any] | Callable[..., Any] | None
Drift = str | Sequence[str | float] | Callable[..., Any] | None


def loss_field(loss: Loss, names: Names, lengths: tuple[float, ...]) -> Field:
    """Scalar field of the loss; None is the loss zero.

    Parameters
    ----------
    loss : str, Landscape, DataModel, mapping or callable
        A formula, a named family, either of them as ``{"formula": ...}`` or ``{"name": ...,
        key: ...}``, a model with its data, or a function of one array per axis.
    names : Names
        Names for formulas; the axes are those of the parameters.
    lengths : tuple of float
        Axis lengths, for the differences of a callable.

    Raises
    ------
    CaseError
        With a key below ``loss``; with the key ``domain``, if a model has another number of
        parameters than there are axes.
    """
    if isinstance(loss, Mapping):
        loss = _from_mapping(loss)
    if isinstance(loss, DataModel):
        _check_axes(loss, names.axes)
        return ModelField(loss, "loss", lengths, "loss.model")
    if isinstance(loss, Landscape):
        text = loss.formula(names.axes, names.constants)
        return FormulaField((parse(text, names, "loss.name"),), (), names.symbols, "loss.name")
    if callable(loss):
        return CallableField(loss, (), lengths, "loss")
    expression = parse("0" if loss is None else _text(loss), names, "loss.formula")
    return FormulaField((expression,), (), names.symbols, "loss.formula")


def _check_axes(model: DataModel, axes: Sequence[str]) -> None:
    if len(axes) == model.parameters:
        return
    named = f" ({', '.join(model.names)})" if model.names else ""
    raise CaseError(
        f"{model.kind} on these data has {_counted(model.parameters, 'parameter')}{named}, and "
        f"there {'is' if len(axes) == 1 else 'are'} {_counted(len(axes), 'axis', 'axes')} for "
        f"parameters ({', '.join(axes)}); give one per parameter, in this order",
        "domain",
    )


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def drift_field(drift: Drift, names: Names, lengths: tuple[float, ...]) -> Field | None:
    """Vector field of the extra drift, one component per axis; None without one.

    Raises
    ------
    CaseError
        With the key ``drift.formula``.
    """
    key, d = "drift.formula", len(names.axes)
    if drift is None:
        return None
    if callable(drift):
        return CallableField(drift, (d,), lengths, "drift")
    components = [drift] if isinstance(drift, str | int | float) else list(drift)
    if len(components) != d:
        raise CaseError(f"{len(components)} components for {d} axes; give one per axis", key)
    entries = tuple(parse(_text(component), names, key) for component in components)
    return FormulaField(entries, (d,), names.symbols, key)


def _from_mapping(mapping: Mapping[str, Any]) -> Any:
    keys = dict(mapping)
    if "model" in keys:
        raise CaseError(
            "a loss of data is made from its file by fp.data_model(...), or from arrays by "
            "fp.DataModel(...)",
            "loss.model",
        )
    if ("name" in keys) == ("formula" in keys):
        raise CaseError(f"the keys {list(keys)} do not fit; give either formula or name", "loss")
    if "name" in keys:
        return Landscape(keys.pop("name"), **keys)
    text = keys.pop("formula")
    for key in keys:
        raise CaseError(f"{key} does not belong beside a formula", f"loss.{key}")
    return text


def _text(value: Any) -> Any:
    """A bare number is a formula too; anything else is left for the parser to judge."""
    return repr(value) if type(value) in (int, float) else value
