"""What the group ``/stationary`` holds: the state at rest, critical points and closed loops."""

from __future__ import annotations

import numpy as np

from ..dataset import Attribute, Layout, Variable

# By index, then by value.
POINTS = Layout(
    {
        "point": Variable("point", "number of the point", least=1),
        "mode": Variable("mode", "number of the eigenvalue"),
        "position": Variable("point component", "critical point"),
        "value": Variable("point", "value there"),
        "eigenvalues": Variable("point mode", "eigenvalues of the Hessian"),
        "index": Variable("point", "directions that lead down"),
    }
)
CRITICAL = Layout(
    {
        "pair": Variable("pair", "number of the pair", optional=True),
        "side": Variable("side", "which field", optional=True, words=("loss", "quasi_potential")),
        "pairs": Variable(
            "pair side", "matching points", indexes="loss/point quasi_potential/point"
        ),
        "shifts": Variable("pair component", "way from the loss to Phi~"),
    },
    children={"loss": POINTS, "quasi_potential": POINTS},
)
LOOP = Layout(
    {
        "loop_time": Variable("loop_time", "time along the loop", least=1, formerly="time"),
        "points": Variable("loop_time component", "points of the loop"),
    },
    {
        "period": Attribute("time of one turn"),
        "center": Attribute("what it turns around", np.ndarray),
        "winding": Attribute("turns around the centre, counter-clockwise", int),
        "closure": Attribute("distance of its ends, in shares of its size"),
        "mean_potential": Attribute("time average of Phi~ along it; NaN for the drift"),
        "multiplier": Attribute("Floquet multiplier; NaN for streamlines"),
    },
)
STATIONARY = Layout(
    {
        "component2": Variable("component2", "second component of a matrix", text=True),
        "density": Variable("axes", "stationary density"),
        "quasi_potential": Variable("axes", "quasi-potential"),
        "current": Variable("component axes", "stationary probability current"),
        "velocity": Variable("component axes", "velocity of the stationary current", optional=True),
        "integrated_potential": Variable("axes", "line integral of the force field", optional=True),
        "stream_function": Variable(
            "corners", "stream function of the stationary current", optional=True
        ),
        "angular_momentum": Variable(
            "component component2",
            "mean angular momentum of the stationary current",
            optional=True,
        ),
    },
    {
        "entropy_production": Attribute("rate of entropy production; NaN along axes without noise"),
        "detailed_balance": Attribute("whether the current vanishes everywhere", bool),
        "residual": Attribute("size of the generator applied to the density"),
        "curl": Attribute("largest circulation around a square of cells, relative"),
        # Of the analysis that [stationary] asks for, as far as they exist.
        **{
            name: Attribute(text, optional=True)
            for name, text in {
                "tolerance": "largest circulation per cell still called detailed balance",
                "largest_curl": "largest |curl A| of A = Sigma^-1 (grad Phi + (1/beta) div Sigma)",
                "misfit": "largest difference between A and the gradient that fits it best, "
                "relative",
                "disagreement": "largest beta |Phi~ integrated - Phi~ from rho_ss|",
                "divergence": "net over gross flux of the cells: div(rho_ss v) = 0",
                "mismatch": "misfit of grad Phi = Sigma grad Phi~ - div Sigma/beta - v, rms, "
                "relative",
                "cosine": "rms of the angle's cosine between v and grad Phi~",
                "correlation": "of v with Sigma grad Phi~",
                "imbalance": "net over gross flux of the edges",
                "turnover": "probability carried around per unit time",
                "housekeeping": "entropy production that keeps the currents going",
                "error_entropy_production": "estimated error of the entropy production",
                "rotation_frequency": "angular frequency of the slowest oscillating mode",
                "rotation_decay": "decay rate of that mode",
                "rotation_quality": "frequency over twice the decay",
            }.items()
        },
    },
    # Most likely loops of the current; limit cycles of the drift without noise.
    {"critical": CRITICAL, "cycle_*": LOOP, "limit_cycle_*": LOOP},
)
