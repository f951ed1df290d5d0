"""Steering the density: schedules, their costs and gradients, open-loop and feedback optima."""

from .feedback import Feedback, optimal_feedback
from .objective import Objective
from .open_loop import OpenLoop, optimal_schedule
from .policies import POLICIES, Policy, best_inverse_time, policy_values, printed_policy

__all__ = [
    "POLICIES",
    "Feedback",
    "Objective",
    "OpenLoop",
    "Policy",
    "best_inverse_time",
    "optimal_feedback",
    "optimal_schedule",
    "policy_values",
    "printed_policy",
]
