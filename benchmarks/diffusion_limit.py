"""How good is the diffusion picture? SGD beside (39)/(48) and its modified equations.

Exact moments of a quadratic and of a linear regression give orders without sampling noise; walkers
of a logistic regression with real mini-batches, and of a double well with Gaussian noise, give the
phase diagram over eta and |B|.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np

import fokkerplanck as fp
from fokkerplanck.problem import DataModel

from .diffusion_figure import draw_orders, draw_phases
from .diffusion_moments import EQUATIONS, Closed, errors, fitted_order, mean_square_stable, rest
from .diffusion_walkers import TIMES, walker_records
from .machine import ROOT
from .report import RESULTS, save

# The quadratic: largest curvature 1, and a Sigma that does not commute with the Hessian.
HESSIAN = np.array([[0.9, 0.3], [0.3, 0.2]])
SIGMA = ((1.0, -0.4), (-0.4, 0.5))
START = (np.array([1.0, -0.5]), 0.25 * np.eye(2))
MOMENT_TIMES = np.array([1.0, 2.0, 3.0])
# Of eta lambda; the last three give the order.
RATES = 0.5 ** np.arange(1, 9)
FITTED = 3
BATCH, LARGEST_BATCH = 4, 128
QUANTITIES = ("mean", "covariance", "rest")

# Walkers of each study: values of eta lambda, batch sizes, number.
TOP = (1.9,)
FULL = {
    "irises": ((*(0.05 * 2.0 ** (0.5 * np.arange(11))), *TOP), (1, 4, 16, 64), 1_000_000),
    "double well": (
        (*(0.025 * 2.0 ** (0.5 * np.arange(13))), *TOP),
        (1, 4, 16, 64, 256, 1024),
        1_000_000,
    ),
}
QUICK = {
    "irises": ((0.1, 0.2, 0.4, 0.8, 1.6), (1, 4, 16), 40_000),
    "double well": ((0.1, 0.2, 0.4, 0.8, 1.6), (1, 16, 256), 100_000),
}
# Gaps below this many times their sampling noise are not used for orders.
CLEAR = 2.0

MOMENT_COLUMNS = ("problem", "kept", "equation", *(f"{q}, order" for q in QUANTITIES))
WALKER_COLUMNS = (
    "study",
    "\\|B\\|",
    "equation",
    "TV, early, at 0.1",
    "0.4",
    "1.6",
    "TV, late, at 0.1",
    "0.4",
    "1.6",
    "order early, late",
    "late TV is 1 % at",
    "10 % at",
    "of skewness, at 0.1",
)


def quadratic(eta: float, batch: float) -> fp.Problem:
    """Constant noise."""
    H = HESSIAN / np.linalg.eigvalsh(HESSIAN)[-1]
    formula = f"0.5*({H[0, 0]}*x**2 + {2 * H[0, 1]}*x*y + {H[1, 1]}*y**2)"
    box = {"x": (-9, 9), "y": (-9, 9)}
    return fp.Problem(formula, SIGMA, domain=box, batch_size=batch, learning_rate=eta)


def penguins() -> tuple[DataModel, np.ndarray, float]:
    """Linear regression on real data: model, minimum, largest curvature."""
    model = fp.load_case(ROOT / "cases" / "linear_regression.toml").problem.model
    assert model is not None
    centre = np.linalg.lstsq(model.features, model.targets, rcond=None)[0]
    return model, centre, model.largest_curvature(list(centre))


def moment_records() -> list[dict[str, Any]]:
    """Errors of the moments over the ladder of learning rates, and their orders."""
    model, centre, curvature = penguins()

    def regression(eta: float, batch: float) -> fp.Problem:
        box = {"flipper": (-9, 9), "bill": (-9, 9)}
        return fp.Problem(model, "minibatch", domain=box, batch_size=batch, learning_rate=eta)

    rows = []
    cases: Sequence[tuple[str, Callable[..., fp.Problem], np.ndarray, float]] = (
        ("quadratic", quadratic, np.zeros(2), 1.0),
        ("linear regression", regression, centre, curvature),
    )
    for (name, make, middle, scale), kept in product(cases, ("|B|", "beta")):
        found = [
            errors(
                make(rate / scale, BATCH if kept == "|B|" else 2 * LARGEST_BATCH * rate),
                middle,
                START,
                MOMENT_TIMES / scale,
            )
            for rate in RATES
        ]
        for equation, quantity in product(EQUATIONS, QUANTITIES):
            values = np.array([one[equation][quantity] for one in found])
            rows.append(
                {
                    "problem": name,
                    "kept": kept,
                    "equation": equation,
                    "quantity": quantity,
                    "rates": list(RATES),
                    "errors": [None if np.isnan(value) else value for value in values],
                    "order": fitted_order(RATES[-FITTED:], values[-FITTED:]),
                }
            )
    return rows


def rest_records() -> list[dict[str, Any]]:
    """Covariance of (48) at rest against that of SGD, linear regression, over eta and |B|.

    Moments depend on |B| through its inverse alone, so it need not be whole.
    """
    model, centre, curvature = penguins()
    box = {"flipper": (-9, 9), "bill": (-9, 9)}
    unit = Closed.of(fp.Problem(model, "minibatch", 2.0, box), centre)
    rows = []
    for batch, rate in product(np.geomspace(1.0, 64.0, 37), np.geomspace(0.01, 1.99, 121)):
        eta = rate / curvature
        closed = unit.scaled(eta / batch)
        T = closed.transfer(eta)
        error = None
        if mean_square_stable(T):
            exact = rest(T - np.eye(len(T)), 2)
            gap = rest(closed.generator(), 2) - exact
            error = float(np.linalg.norm(gap) / np.linalg.norm(exact))
        rows.append({"batch": float(batch), "rate": float(rate), "error": error})
    return rows


def crossing(rates: np.ndarray, values: np.ndarray, level: float) -> str:
    """First rate at which values pass a level upwards, interpolated between logarithms."""
    above = np.flatnonzero(values >= level)
    if not above.size:
        return f"> {rates[-1]:.2g}"
    k = above[0]
    if k == 0:
        return f"< {rates[0]:.2g}"
    share = np.log(level / values[k - 1]) / np.log(values[k] / values[k - 1])
    return f"{rates[k - 1] * (rates[k] / rates[k - 1]) ** share:.2g}"


def moment_rows(records: Sequence[dict[str, Any]]) -> list[list[str]]:
    """A line per problem, ladder and equation, with errors at eta lambda = 1/8."""
    at = int(np.flatnonzero(RATES == 0.125)[0])
    lines: dict[tuple[str, ...], list[str]] = {}
    for row in records:
        key = (row["problem"], row["kept"].replace("|", "\\|"), row["equation"])
        lines.setdefault(key, []).append(f"{row['errors'][at]:.1e}, {row['order']:.2f}")
    return [[*key, *cells] for key, cells in lines.items()]


def walker_rows(records: Sequence[dict[str, Any]]) -> list[list[str]]:
    """A line per study, batch and equation."""
    rows = []
    keys = dict.fromkeys((row["study"], row["batch"], row["equation"]) for row in records)
    for study, batch, equation in keys:
        cells, orders, late = [], [], (np.empty(0), np.empty(0))
        for when in ("early", "late"):
            chosen = [
                row
                for row in records
                if (row["study"], row["batch"], row["equation"], row["when"])
                == (study, batch, equation, when)
            ]
            rates = np.array([row["rate"] for row in chosen])
            values = np.array([row["total_variation"] for row in chosen])
            floor = np.array([row["floor"] for row in chosen])
            cells += [f"{values[np.argmin(np.abs(rates - at))]:.2%}" for at in (0.1, 0.4, 1.6)]
            use = (values > CLEAR * floor) & (rates < 0.5)
            clear = np.sqrt(values[use] ** 2 - floor[use] ** 2)
            orders.append(f"{fitted_order(rates[use], clear):.2f}" if use.sum() > 2 else "noise")
            late = rates, values
            skewed = [row["skewness"] for row in chosen if abs(row["rate"] - 0.1) < 1e-9]
        rows.append(
            [
                study,
                str(batch),
                equation,
                *cells,
                ", ".join(orders),
                crossing(*late, 0.01),
                crossing(*late, 0.1),
                f"{skewed[0]:.2%}",
            ]
        )
    return rows


def fixed_beta(records: Sequence[dict[str, Any]]) -> str:
    """The late gap of the best diffusion while eta and |B| fall together."""
    first = min(row["rate"] for row in records if row["study"] == "irises")
    chosen = [
        row
        for row in records
        if (row["study"], row["equation"], row["when"]) == ("irises", "with covariance", "late")
        and abs(row["rate"] / row["batch"] / first - 1.0) < 1e-9
    ]
    gaps = ", ".join(f"{row['total_variation']:.1%} (|B| = {row['batch']})" for row in chosen[::-1])
    return (
        f"at a fixed beta = {chosen[0]['beta']:.1f} the late gap of the last equation is {gaps}, "
        f"and the skewness of a batch's gradient alone makes {chosen[0]['skewness']:.1%} whatever "
        "eta: a limit of SGD at fixed beta does not exist, since |B| cannot be less than 1"
    )


def divergence(records: Sequence[dict[str, Any]]) -> str:
    """Where walkers leave to infinity below the bound of the linearised recursion."""
    lost = [row for row in records if row["lost"] > 0]
    if not lost:
        return "no walker left to infinity"
    first = min(lost, key=lambda row: row["rate"])
    return (
        f"some walkers of the {first['study']} leave to infinity from eta lambda = "
        f"{first['rate']:.2g} on, at |B| = {first['batch']}, {first['lost']:,} of them there; they "
        "count as far from the density"
    )


def run(quick: bool = False) -> str:
    """Measure, draw, store and return the tables."""
    moments, stationary = moment_records(), rest_records()
    chosen = QUICK if quick else FULL
    walkers = [row for study, how in chosen.items() for row in walker_records(study, *how)]
    walkers_used = " and ".join(f"{how[2]:,} ({study})" for study, how in chosen.items())
    folder = RESULTS / "quick" if quick else RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    draw_orders(moments, stationary, folder / "diffusion_moments.png")
    draw_phases(walkers, folder / "diffusion_limit.png")
    first = save(
        "diffusion_moments",
        "SGD and its diffusions: exact moments",
        MOMENT_COLUMNS,
        moment_rows(moments),
        [
            "errors at eta lambda = 1/8, lambda the largest curvature, and orders fitted to eta "
            f"lambda = {', '.join(f'1/{round(1 / rate)}' for rate in RATES[-FITTED:])}",
            "mean and covariance: largest entry of the difference at lambda t = 1, 2, 3; rest: "
            "covariance at rest, relative, in the Frobenius norm",
            f"|B| = {BATCH} where |B| is kept; {2 * LARGEST_BATCH} eta lambda where beta is",
            "the linear regression is that of the case linear_regression, 342 penguins; its Sigma "
            "varies, and at fixed beta its covariance has order 1, with small factors",
        ],
        [*moments, *stationary],
        quick,
    )
    second = save(
        "diffusion_limit",
        "SGD and its diffusions: walkers",
        WALKER_COLUMNS,
        walker_rows(walkers),
        [
            "irises: logistic regression with one parameter, versicolor or virginica by the "
            "sepals' length, 100 samples, mini-batches drawn with replacement; double well: "
            "x^4/4 - x^2/2 with Gaussian noise of the gradient, Sigma = 1",
            "total variation over up to 64 bins of equal mass between SGD and the density; columns "
            "are values of eta lambda, lambda the curvature at the minimum",
            f"early and late: lambda t = {TIMES['early']} and {TIMES['late']}, at the nearest "
            f"iteration; {walkers_used} walkers, of which "
            f"sampling alone makes at most {max(row['floor'] for row in walkers):.2%}",
            "orders over eta lambda < 0.5, sampling noise taken out in squares, where the gap is "
            f"more than {CLEAR:g} times that noise",
            "of skewness: what the third moment of a batch's gradient makes at rest by itself, to "
            "first order, of order 1/2 in eta at fixed |B|; no diffusion has it",
            fixed_beta(walkers),
            f"largest grid error {max(row['grid_error'] for row in walkers):.1e}",
            divergence(walkers),
        ],
        walkers,
        quick,
    )
    return f"{first}\n\n{second}"
