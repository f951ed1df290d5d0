"""Small ensembles that between them run every kernel of the walkers, and the bits they end with.

As a program: prints them all, compiled or not as ``NUMBA_DISABLE_JIT`` says.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable

import numba
import numpy as np

import fokkerplanck as fp
from fokkerplanck.particles import EnsembleFrames, Gaussian, ensemble
from fokkerplanck.particles.codegen.formulas import Numbers
from fokkerplanck.particles.codegen.module import kernels_of
from fokkerplanck.particles.codegen.source import fields_source
from fokkerplanck.problem.models import DataModel

# More than one block, the last one not full.
PARTICLES = 600
WIDE, NARROW = (-3.0, 3.0), (-0.7, 0.9)
# Each function of the C library, one of our own, powers; and where Python would raise an error:
# a division by zero, roots and logarithms of negative numbers, cosh beyond the largest double.
FORMULAS = (
    "sin(x) + cos(x*y) + tan(x/4) + asin(x/4) + acos(y/4) + atan(y) + atan2(x + 9, y)",
    "sinh(x) + cosh(y) + asinh(x) + acosh(9 + x) + atanh(y/4) + erf(x) + exp(-x*y) + tanh(y)",
    "log(9 + x) + sqrt(y + 9) + (9 + y)**1.5 + (9 + x)**-3 + heaviside(x - y) + floor(x)",
    "max(x, y, 0.2) + min(x, 2*y) + abs(x) + sign(y) + x/heaviside(y - 1) + 1/sin(floor(x))",
    "log(x) + sqrt(y) + asin(x) + acosh(y) + (x - 1)**0.3 + 1/log(floor(x/9) + 2) + cosh(999*x)",
)


def box(*sides: tuple[tuple[float, float], str | tuple[str, str]]) -> dict[str, object]:
    return {
        name: {"range": limits, "boundary": boundary}
        for name, (limits, boundary) in zip("xyz", sides, strict=False)
    }


def model(kind: str, parameters: int) -> DataModel:
    rng = np.random.default_rng(20263)
    features = parameters - (kind == "tanh_neuron")
    x = rng.standard_normal((22, features))
    y = x @ (0.7, -0.4)[:features] + 0.3 * rng.standard_normal(22)
    if kind == "linear_regression":
        return DataModel(kind, x, y)
    return DataModel(kind, x, (y > 0.0) * 1.0 if kind == "logistic_regression" else y, l2=0.1)


def of_data(kind: str = "linear_regression", parameters: int = 2, **more: object) -> fp.Problem:
    settings = {"batch_size": 4, "learning_rate": 0.1, "domain": {"x": WIDE, "y": WIDE}, **more}
    return fp.Problem(model(kind, parameters), "minibatch", **settings)


def heavy_ball(**more: object) -> fp.Problem:
    return of_data(parameters=1, momentum=0.7, drift=["-x*cos(t)"], **more)


def quadratic(**more: object) -> fp.Problem:
    domain = {"x": WIDE, "y": WIDE}
    settings = {"sigma": 1.0, "domain": domain, **more}
    return fp.Problem("0.5*(x**2 + 2*y**2)", beta=2.0, **settings)


def moved(problem: fp.Problem, method: str, **more: object) -> EnsembleFrames:
    d = problem.ndim
    start = Gaussian(np.full(d, 0.3), 0.1 * np.eye(d))
    settings = {"seed": 90317, "particles": PARTICLES, "trajectories": 7, **more}
    step = None if method.startswith("sgd") else 0.1
    return ensemble(
        problem, problem.grid(8), start, [0.0, 0.2, 0.4], method=method, step=step, **settings
    )


SMALL = box((NARROW, "reflecting"), (NARROW, "reflecting"))
ABSORBING = box((NARROW, "absorbing"), (NARROW, ("reflecting", "absorbing")))
TURNED = [["1 + x**2", "0.4*x"], ["0.4*x", "2 + sin(y)"]]
THREE = [["2", "0.3*x", "0"], ["0.3*x", "1 + z**2", "0.2"], ["0", "0.2", "1"]]

RUNS: dict[str, Callable[[], EnsembleFrames]] = {
    "langevin": lambda: moved(quadratic(), "langevin"),
    "leimkuhler-matthews": lambda: moved(quadratic(), "leimkuhler-matthews"),
    "weak-2": lambda: moved(quadratic(), "weak-2"),
    "stable": lambda: moved(quadratic(alpha=1.5), "stable"),
    "sgd": lambda: moved(of_data(), "sgd"),
    "sgd, distinct": lambda: moved(of_data(), "sgd", replacement=False),
    "sgd-epochs": lambda: moved(of_data(), "sgd-epochs"),
    "sgd-symmetric": lambda: moved(of_data(), "sgd-symmetric"),
    "sgd-gaussian": lambda: moved(of_data(), "sgd-gaussian"),
    "langevin, absorbing": lambda: moved(quadratic(domain=ABSORBING), "langevin"),
    "leimkuhler-matthews, absorbing": lambda: moved(
        quadratic(domain=ABSORBING), "leimkuhler-matthews"
    ),
    "weak-2, absorbing": lambda: moved(quadratic(domain=ABSORBING), "weak-2"),
    "stable, alpha 1 along axes, in a small box": lambda: moved(
        quadratic(
            alpha=1.0,
            jumps="components",
            domain=box((NARROW, "reflecting"), (NARROW, "periodic")),
        ),
        "stable",
    ),
    "stable, alpha 0.6 along axes": lambda: moved(
        quadratic(alpha=0.6, jumps="components", domain=ABSORBING), "stable"
    ),
    "langevin, varying Sigma": lambda: moved(
        fp.Problem("x**2 + y**2", TURNED, 2.0, ABSORBING, drift=["-y", "x*cos(t)"]), "langevin"
    ),
    "weak-2, varying Sigma": lambda: moved(
        fp.Problem("x**2 + y**2", TURNED, 2.0, ABSORBING, drift=["-y", "x*cos(t)"]), "weak-2"
    ),
    "weak-2, oblique between sides": lambda: moved(
        fp.Problem("x**2 + y**2", TURNED, 2.0, SMALL, drift=["-y", "x*cos(t)"]), "weak-2"
    ),
    "langevin, oblique between sides": lambda: moved(
        quadratic(sigma=[[1, 0.5], [0.5, 2]], domain=SMALL), "langevin"
    ),
    "sgd-reflected": lambda: moved(of_data(domain=SMALL), "sgd-reflected"),
    "sgd-reflected with momentum": lambda: moved(heavy_ball(), "sgd-reflected"),
    "weak-2, one parameter": lambda: moved(
        fp.Problem("x**4", "1 + x**2", 2.0, {"x": WIDE}), "weak-2"
    ),
    "langevin, three parameters": lambda: moved(
        fp.Problem("x**2 + y**2 + z**2", THREE, 2.0, {"x": WIDE, "y": WIDE, "z": WIDE}),
        "langevin",
    ),
    "sgd with momentum": lambda: moved(heavy_ball(), "sgd"),
    "sgd-symmetric with momentum": lambda: moved(heavy_ball(), "sgd-symmetric"),
    "sgd-gaussian with momentum": lambda: moved(heavy_ball(), "sgd-gaussian"),
    "sgd, logistic regression": lambda: moved(of_data("logistic_regression"), "sgd"),
    "sgd, tanh neuron, open sides": lambda: moved(of_data("tanh_neuron"), "sgd", open_sides=True),
}
# Those whose kernels the tests of ensembles compile anyway.
COMPILED_ELSEWHERE = (
    "langevin", "leimkuhler-matthews", "weak-2", "stable", "sgd", "sgd, distinct", "sgd-epochs",
    "sgd-symmetric", "sgd-gaussian", "langevin, absorbing", "weak-2, absorbing",
    "weak-2, oblique between sides", "sgd-reflected",
)  # fmt: skip


def bits(found: EnsembleFrames) -> str:
    """Hash of all that an ensemble holds."""
    digest = hashlib.sha256()
    for name in ("counts", "mean", "covariance", "loss", "gradient_norm", "trajectories"):
        digest.update(np.ascontiguousarray(getattr(found, name)).tobytes())
    for name in ("absorbed", "outside", "lost"):
        digest.update(np.ascontiguousarray(getattr(found, name)).tobytes())
    return digest.hexdigest()


def from_python(callee: Callable[..., object]) -> Callable[..., object]:
    """A kernel that calls what only kernels can call."""
    return numba.njit(lambda *arguments: callee(*arguments), error_model="numpy")  # type: ignore[no-any-return]


def formula_bits(formula: str) -> str:
    """Hash of a formula's values at some places; all nan are alike."""
    problem = fp.Problem(formula, 1.0, 2.0, {"x": WIDE, "y": WIDE}, gradient=None)
    numbers = Numbers()
    kernels = kernels_of(fields_source(problem, batches=False, lagged=False, numbers=numbers))
    x = np.random.default_rng(20261).uniform(-3, 3, (2, 200))
    value, gradient = np.empty(200), np.empty((2, 200))
    from_python(kernels.landscape)(x, 0.7, numbers.array, np.zeros((1, 1)), value, gradient)
    both = np.vstack([value, gradient])
    both[np.isnan(both)] = np.nan
    return hashlib.sha256(both.tobytes()).hexdigest()


def all_bits(names: list[str]) -> dict[str, str]:
    """Of the runs and formulas with these names; of all where there are none."""
    return {
        name: bits(RUNS[name]()) if name in RUNS else formula_bits(name)
        for name in names or [*RUNS, *FORMULAS]
    }


if __name__ == "__main__":
    json.dump(all_bits(sys.argv[1:]), sys.stdout)
