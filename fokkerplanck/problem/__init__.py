"""What is solved: a loss, a drift, a noise covariance and a temperature on a domain."""

from .problem import Problem

__all__ = ["Problem"]
