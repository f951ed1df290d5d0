"""Policies: rules that give a control without optimising, and feedback on expectations (62).

Every policy becomes K values, one per interval: that of the interval's middle. Feedback reads the
density at the start of an interval and extrapolates to its middle from there and from the start
of the one before, which is of order 2 in the length of an interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from ..errors import CaseError
from .objective import Objective, dot

# Rates r of 1/(1 + r t) that are tried, times the horizon: from hardly any decay on.
RATES = (1e-1, 1e3)
COARSE = 7
# The cost is flat around its minimum: a rate this close, relatively, is as good.
CLOSE = 1e-2


@dataclass(frozen=True)
class Policy:
    """One way to choose the control.

    Attributes
    ----------
    name : str
    of_time : callable or None
        u as a function of t/T; None where it depends on the density or on a best constant.
    summary : str
    """

    name: str
    of_time: Callable[[np.ndarray], np.ndarray] | None
    summary: str


def _cosine(s: np.ndarray) -> np.ndarray:
    return np.asarray(0.5 * (1.0 + np.cos(math.pi * s)))


POLICIES = {
    row.name: row
    for row in (
        Policy("constant", lambda s: np.ones_like(s), "u = 1 throughout"),
        Policy("inverse-time", None, "u = 1/(1 + r t) with the best rate r"),
        Policy(
            "step-decay", lambda s: 0.1 ** np.floor(3.0 * s), "a tenth at each third of the run"
        ),
        Policy("cosine", _cosine, "u = (1 + cos(pi t/T))/2"),
        Policy(
            "feedback",
            None,
            "u = min(1, beta E|grad Phi|^2/(2 E tr(Sigma H))): steepest fall of E[Phi], "
            "the best one for a quadratic",
        ),
        Policy("printed", None, "feedback as printed in the review, u = min(1, E[Phi]/(eta S))"),
    )
}


def policy_values(name: str, objective: Objective, lowest: float) -> np.ndarray:
    """Control values (K,) of a policy, not below ``lowest``.

    Raises
    ------
    CaseError
        For a name that does not exist or has no meaning for this problem.
    """
    if name == "inverse-time":
        return best_inverse_time(objective, lowest)[0]
    if name == "feedback":
        return greedy_policy(objective, lowest)
    if name == "printed":
        return printed_policy(objective, lowest)
    policy = POLICIES.get(name)
    if policy is None or policy.of_time is None:
        raise CaseError(
            f"{name!r} is not a policy; allowed are {', '.join(POLICIES)}", "control.schedule"
        )
    return np.clip(policy.of_time(objective.middles / objective.end), lowest, 1.0)


def best_inverse_time(objective: Objective, lowest: float) -> tuple[np.ndarray, float]:
    """u = 1/(1 + r t) at the rate r >= 0 of least cost: values (K,) and r.

    The rate is looked for on a grid of half the cells, where there is one.
    """
    coarse = objective.coarser() or objective

    def values(log_rate: float) -> np.ndarray:
        decay = 1.0 / (1.0 + math.exp(log_rate) * objective.middles)
        return np.asarray(np.clip(decay, lowest, 1.0))

    first, last = (math.log(rate / objective.end) for rate in RATES)
    logs = np.linspace(first, last, COARSE)
    costs = [coarse.cost(values(log)) for log in logs]
    best = int(np.argmin(costs))
    around = (logs[max(best - 1, 0)], logs[min(best + 1, COARSE - 1)])
    found = minimize_scalar(
        lambda log: coarse.cost(values(log)), bounds=around, method="bounded",
        options={"xatol": CLOSE},
    )  # fmt: skip
    log = float(found.x) if found.fun <= costs[best] else float(logs[best])
    return values(log), math.exp(log)


def greedy_policy(objective: Objective, lowest: float) -> np.ndarray:
    """Feedback on expectations: the control at which E[Phi] falls fastest, (60).

    dE[Phi]/dt = -u E[|grad Phi|^2] + (u^2/beta) E[tr(Sigma H)] is least at
    u = beta E|grad Phi|^2/(2 E tr(Sigma H)), and at 1 where the trace is not positive. For
    Phi = a theta^2/2 with a > 0 this is (62), min(1, 2 E[Phi]/S) with S = 2 Sigma/beta.
    """
    family = objective.family
    if family.lever.name != "learning-rate":
        raise CaseError("feedback steers the learning rate, not the batch size", "control.schedule")
    problem, points = family.problem, family.grid.points
    slope = -np.einsum("i...,i...->...", problem.drift_at(points), problem.gradient_at(points))
    curvature = np.einsum("ij...,ij...->...", problem.sigma_at(points), problem.hessian_at(points))
    fall, noise = slope.reshape(-1), curvature.reshape(-1) / problem.beta

    def rule(density: np.ndarray) -> float:
        up = dot(noise, density)
        best = dot(fall, density) / (2.0 * up) if up > 0.0 else 1.0
        return min(max(best, lowest), 1.0)

    return _rolled_out(rule, objective, lowest)


def printed_policy(objective: Objective, lowest: float) -> np.ndarray:
    """(62) as the review prints it: min(1, E[Phi]/(eta S)), S = 2 Sigma/beta.

    Raises
    ------
    CaseError
        Without a learning rate, or for noise that is no constant times the identity.
    """
    problem = objective.family.problem
    scale, rate = problem.isotropic_scale, problem.learning_rate
    if scale is None or rate is None:
        raise CaseError(
            "printed needs a constant isotropic sigma and noise.learning_rate", "control.schedule"
        )
    loss = problem.loss_at(objective.family.grid.points).reshape(-1) * objective.volume
    unit = rate * 2.0 * scale / problem.beta
    return _rolled_out(lambda rho: min(max(dot(loss, rho) / unit, lowest), 1.0), objective, lowest)


def _rolled_out(
    rule: Callable[[np.ndarray], float], objective: Objective, lowest: float
) -> np.ndarray:
    """Controls of a rule of the density, by the density they lead to."""
    density, values = objective.initial.reshape(-1), np.empty(objective.intervals)
    middle, _ = objective.step(density, rule(density), 0.5 * objective.dt)
    values[0], before = rule(middle), rule(density)
    for number in range(1, objective.intervals):
        density, _ = objective.step(density, values[number - 1], objective.dt)
        now = rule(density)
        # Both bounds are the rule's own, and the extrapolation keeps them.
        values[number] = min(max(1.5 * now - 0.5 * before, lowest), 1.0)
        before = now
    return values
