"""The sections that say what is solved become a Problem."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from ..domain import Domain
from ..errors import CaseError
from ..problem import Problem
from ..problem.formula import read_parameters
from ..problem.landscape import Landscape
from ..problem.noise import beta_from, friction_from
from .schema import CaseFile, NoiseSection, as_number


def constants_of(data: dict[str, Any]) -> dict[str, float]:
    """Names that formulas for numbers may use, with their values: the parameters and beta.

    Raises
    ------
    CaseError
        With the key ``parameters.<name>``.
    """
    parameters, domain, noise = (data.get(name) for name in ("parameters", "domain", "noise"))
    axes = domain if isinstance(domain, dict) else {}
    constants = read_parameters(parameters, axes) if isinstance(parameters, dict) else {}
    if isinstance(noise, dict):
        # What is wrong in [noise] is said when its own turn comes.
        with suppress(CaseError, KeyError):
            constants["beta"] = _beta_of(noise, constants)
    return constants


def _beta_of(noise: dict[str, Any], constants: dict[str, float]) -> float:
    if "beta" in noise:
        return as_number(noise["beta"], constants)
    values = (noise["batch_size"], noise["learning_rate"], noise.get("momentum", 0.0))
    return beta_from(*(as_number(value, constants) for value in values))


def build_problem(file: CaseFile, domain: Domain, constants: dict[str, float]) -> Problem:
    """Problem of the case.

    Raises
    ------
    CaseError
        With the key, for a formula that cannot be read, an unknown family or one of its keys, or
        a Sigma or a drift of the wrong shape.
    """
    parameters = {name: value for name, value in constants.items() if name != "beta"}
    return Problem(
        loss=_loss(file),
        sigma=file.noise.sigma,
        beta=_temperature(file.noise),
        domain=domain,
        drift=None if file.drift is None else file.drift.formula,
        parameters=parameters,
        friction=_friction(file.noise),
        title=file.title,
    )


def _loss(file: CaseFile) -> Any:
    if file.loss is None or file.loss.name is None:
        return None if file.loss is None else file.loss.formula
    return Landscape(file.loss.name, **(file.loss.model_extra or {}))


def _temperature(noise: NoiseSection) -> float:
    # The schema has seen to it that there is either beta or the pair.
    if noise.batch_size is not None and noise.learning_rate is not None:
        return beta_from(noise.batch_size, noise.learning_rate, noise.momentum)
    return noise.beta or 0.0


def _friction(noise: NoiseSection) -> float | None:
    if noise.friction is not None or noise.momentum is None:
        return noise.friction
    if noise.learning_rate is None:
        raise CaseError("needs learning_rate beside it; or give friction", "noise.momentum")
    return friction_from(noise.momentum, noise.learning_rate)
