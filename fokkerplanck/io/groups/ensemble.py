"""What the group ``/ensemble`` holds: walkers counted on the grid, their moments, and who left."""

from __future__ import annotations

from ..dataset import Attribute, Layout, Variable

ENSEMBLE = Layout(
    {
        # Not "time": trees of groups take a dimension of that name for the one of the frames.
        "walk_time": Variable("walk_time", "time of the walkers", least=1, formerly="time"),
        "side": Variable("side", "side of the box", text=True),
        "walker": Variable("walker", "number of the walker", optional=True),
        # Of the walkers' own steps, nearest to the output times.
        "time": Variable("walk_time", "time of the walkers"),
        "counts": Variable("walk_time axes", "walkers per cell", counts=True),
        "outside": Variable("walk_time", "walkers beyond the box", counts=True),
        "absorbed": Variable("walk_time side", "walkers absorbed", counts=True),
        "lost": Variable("walk_time", "walkers that left to infinity", counts=True),
        # Of those that are left.
        "mean": Variable("walk_time component", "mean of the walkers"),
        "covariance": Variable("walk_time component component2", "covariance of the walkers"),
        "loss": Variable("walk_time", "mean loss of the walkers"),
        "gradient_norm": Variable("walk_time", "mean squared gradient norm of the walkers"),
        "trajectories": Variable("walker walk_time component", "places of single walkers"),
    },
    {
        "particles": Attribute("number of walkers", int, least=1),
        "method": Attribute("how they step", str),
        # The learning rate for SGD.
        "step": Attribute("time per step"),
        "seed": Attribute("their seed", int),
    },
)
