"""What the group ``/discrete`` holds: steps of SGD, what is stationary under them, relations."""

from __future__ import annotations

from ..dataset import Attribute, Layout, Variable

_DISTANCE = "total variation between rho_ss of the steps and of the diffusion"
_DIVERGENCE = "Kullback-Leibler divergence of rho_ss of the steps from that of the diffusion"
_EXCESS = "variance that the grid adds to a step, relative"
_FOLDED = "share of a step at rest that reflecting sides bring back"

DISCRETE = Layout(
    {
        "iteration": Variable("iteration", "number of steps", optional=True),
        "mode": Variable("mode", "number of the mode"),
        "learning_rate": Variable(
            "learning_rate", "learning rate, at the same beta", optional=True
        ),
        # A row each: sources do not know the same relations.
        "relation": Variable("relation", "number of the relation", optional=True, formerly="row"),
        "density": Variable("iteration axes", "density after steps"),
        "mass": Variable("iteration", "mass after that many steps"),
        "minimum": Variable("iteration", "smallest value of the density"),
        "mean": Variable("iteration component", "mean of the parameters"),
        "covariance": Variable("iteration component component2", "covariance of the parameters"),
        "stationary": Variable("axes", "stationary density of the steps"),
        "stationary_mean": Variable("component", "its mean"),
        "stationary_covariance": Variable("component component2", "its covariance"),
        "multiplier_real": Variable("mode", "eigenvalue of the transfer operator, real"),
        "multiplier_imag": Variable("mode", "eigenvalue of the transfer operator, imag"),
        "scan_density": Variable("learning_rate axes", "stationary density by learning rate"),
        "scan_distance": Variable("learning_rate", _DISTANCE),
        "scan_divergence": Variable("learning_rate", _DIVERGENCE),
        "scan_variance_ratio": Variable(
            "learning_rate",
            "variance of the steps over that of the diffusion, summed over the axes",
        ),
        "scan_excess": Variable("learning_rate", _EXCESS),
        "scan_folded": Variable("learning_rate", _FOLDED),
        # diffusion: its stationary density; transfer: that of the steps; walkers: those at the
        # last output time.
        "relation_source": Variable("relation", "source of the relation", text=True),
        "relation_name": Variable("relation", "name of the relation", text=True),
        "relation_left": Variable("relation", "left side"),
        "relation_right": Variable("relation", "right side"),
        "relation_sampling": Variable(
            "relation", "standard error of the difference from the number of walkers"
        ),
        "relation_grid": Variable("relation", "error of the difference from the grid"),
    },
    {
        "rate": Attribute("learning rate"),
        "multiplier": Attribute("mass left after a step at rest; 1 in a closed box"),
        "residual": Attribute("change of the stationary density in a step, L1"),
        "entries": Attribute("entries of the transfer operator"),
        "excess": Attribute(_EXCESS),
        "folded": Attribute(_FOLDED),
        "distance": Attribute(_DISTANCE, optional=True),
        "divergence": Attribute(_DIVERGENCE, optional=True),
        "distance_order": Attribute("order of the distance in the learning rate", optional=True),
        "walkers_p_value": Attribute(
            "p-value of the walkers against the density of as many steps", optional=True
        ),
        "walkers_distance": Attribute("share of the walkers in a wrong bin", optional=True),
        "walkers_sampling": Attribute("its mean from the number of walkers alone", optional=True),
        "walkers_grid": Attribute(
            "rms relative error of the bins' masses through the grid, from two grids",
            optional=True,
        ),
        "walkers_noise": Attribute("the same through the number of walkers", optional=True),
        "walkers_unexplained": Attribute("the same through neither", optional=True),
        "noise": Attribute("noise of a step, in words", str),
    },
)
