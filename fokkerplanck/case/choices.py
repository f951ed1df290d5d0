"""The names that a case chooses among.

Those of the numerics are copies: their tables load numba, for which `list`, `new` and every case
that is read would wait half a second. Tests hold the copies against the tables.
"""

from __future__ import annotations

INITIAL_KINDS = ("gaussian", "uniform", "point", "formula", "stationary")
SCHEMES = ("auto", "scharfetter-gummel", "high-order", "semi-lagrangian")
STEPPERS = (
    "auto",
    "exponential",
    "uniformization",
    "chebyshev",
    "krylov",
    "magnus",
    "split",
    "implicit",
    "extrapolated",
    "explicit",
)
METHODS = (
    "auto",
    "sgd",
    "sgd-epochs",
    "sgd-symmetric",
    "sgd-gaussian",
    "sgd-reflected",
    "langevin",
    "leimkuhler-matthews",
    "weak-2",
    "stable",
)
POLICIES = ("constant", "inverse-time", "step-decay", "cosine", "feedback", "printed")
SCHEDULES = ("optimal", *POLICIES)
CONTROLS = ("learning-rate", "batch-size")
# How a step of SGD is drawn in [discrete].
STEP_NOISES = ("auto", "gaussian", "minibatch")
PRECISIONS = ("float64", "float32", "compact")
# Of `figures`, which lies above; a test compares them.
FIGURES = (
    "density",
    "free_energy",
    "observables",
    "quasi_potential",
    "current",
    "entropy_production",
    "schedules",
    "local_entropy",
    "discrete",
    "modes",
    "eigenvalues",
    "walkers",
    "mean_time",
    "committor",
    "arrival",
    "escape",
)
