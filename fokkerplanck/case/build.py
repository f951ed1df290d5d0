"""The sections that say what is solved become a Problem."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from ..domain import Domain
from ..errors import CaseError
from ..problem import Problem
from ..problem.expressions.formula import read_parameters
from ..problem.landscape import Landscape
from ..problem.noise import read_settings
from .files.data import read_model
from .files.sources import Sources
from .schema import CaseFile, ModelSection
from .values import as_number

# What of [noise] beta depends on.
BETA_KEYS = ("beta", "batch_size", "learning_rate", "momentum")


def constants_of(data: dict[str, Any], sources: Sources) -> dict[str, float]:
    """Names that formulas for numbers may use, with their values: the parameters and beta.

    Parameters
    ----------
    data : dict
        The case file.
    sources : Sources
        Where the files are that the case names.

    Raises
    ------
    CaseError
        With the key ``parameters.<name>``.
    """
    parameters, domain, noise = (data.get(name) for name in ("parameters", "domain", "noise"))
    axes = domain if isinstance(domain, dict) else {}
    constants = read_parameters(parameters, axes) if isinstance(parameters, dict) else {}
    if isinstance(noise, dict):
        # What is wrong in [noise], or in the data, is said when its own turn comes.
        with suppress(CaseError, KeyError, ValidationError):
            constants["beta"] = _beta_of(noise, data.get("loss"), constants, sources)
    return constants


def _beta_of(
    noise: dict[str, Any], loss: Any, constants: dict[str, float], sources: Sources
) -> float:
    given = {key: as_number(noise[key], constants) for key in BETA_KEYS if key in noise}
    if "beta" not in given and "batch_size" not in given:
        raise KeyError("beta")
    replacement, samples = noise.get("replacement", True) is not False, None
    if not replacement:
        # Then beta depends on the number of samples.
        samples = read_model(ModelSection.model_validate(loss, context=constants), sources).samples
    return read_settings({}, samples, **given, replacement=replacement).beta


def build_problem(
    file: CaseFile, domain: Domain, constants: dict[str, float], sources: Sources
) -> Problem:
    """Problem of the case.

    Parameters
    ----------
    file : CaseFile
    domain : Domain
    constants : dict
        As :func:`constants_of` gives them.
    sources : Sources
        Where the files are that the case names.

    Raises
    ------
    CaseError
        With the key, for a formula that cannot be read, an unknown family or one of its keys,
        data that cannot be used, or a Sigma or a drift of the wrong shape.
    """
    noise = file.noise
    if noise.momentum is not None and noise.learning_rate is None:
        raise CaseError("needs learning_rate beside it; or give friction", "noise.momentum")
    parameters = {name: value for name, value in constants.items() if name != "beta"}
    return Problem(
        loss=_loss(file, sources),
        sigma=noise.sigma if noise.source is None else noise.source,
        beta=noise.beta,
        domain=domain,
        drift=None if file.drift is None else file.drift.formula,
        parameters=parameters,
        batch_size=noise.batch_size,
        learning_rate=noise.learning_rate,
        replacement=noise.replacement,
        momentum=noise.momentum,
        friction=noise.friction,
        alpha=noise.alpha,
        jumps=noise.jumps,
        title=file.title,
    )


def _loss(file: CaseFile, sources: Sources) -> Any:
    if file.loss is None:
        return None
    if isinstance(file.loss, ModelSection):
        return read_model(file.loss, sources)
    if file.loss.name is None:
        return file.loss.formula
    return Landscape(file.loss.name, **(file.loss.model_extra or {}))
