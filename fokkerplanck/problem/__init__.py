"""What is solved: a loss, a drift, a noise covariance and a temperature on a domain."""

from .models import DataModel
from .modified import covariance_corrected, second_order
from .problem import Problem

__all__ = ["DataModel", "Problem", "covariance_corrected", "second_order"]
