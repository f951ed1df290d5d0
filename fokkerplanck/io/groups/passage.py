"""What the group ``/passage`` holds: first passage, and the escape from wells."""

from __future__ import annotations

from ..dataset import Attribute, Layout, Variable

ESCAPE = Layout(
    {
        "well": Variable("well", "number of the minimum of Phi~", least=1),
        "well2": Variable("well2", "number of a second minimum"),
        "bottom": Variable("bottom", optional=True, long_name="number of the minimum of Phi"),
        "position": Variable("well component", "minimum of Phi~"),
        "basin": Variable("axes", "minimum of Phi~ drained to", indexes="well"),
        "loss_position": Variable("bottom component", "minimum of Phi"),
        "loss_basin": Variable(
            "axes", "minimum of Phi drained to", optional=True, indexes="bottom"
        ),
        "weight": Variable("well", "share of the time since each core was seen last"),
        "exit_time": Variable("well", "mean time from each minimum to any other core"),
        "spread": Variable("well", "relative spread of the exit time over the basin"),
        "indicator": Variable("well", "tr(H Sigma) at the minimum"),
        "times": Variable("well well2", "mean time from minimum to core"),
        "rates": Variable("well well2", "rates of the coarse chain"),
        "chain_times": Variable("well well2", "mean times of the coarse chain"),
        "barrier": Variable(
            "well well2", "height of the lowest pass in Phi~ above the first minimum"
        ),
        "kramers_times": Variable(
            "well well2", "mean times by Eyring-Kramers rates", optional=True
        ),
    },
    {
        "agreement": Attribute("whether larger tr(H Sigma) escapes faster, from -1 to 1"),
        "quality": Attribute("largest relative error of the times of the coarse chain"),
    },
)
PASSAGE = Layout(
    {
        "side": Variable("side", "way out", optional=True, text=True),
        "start": Variable("start", optional=True, long_name="number of the start"),
        # Not "time": trees of groups take a dimension of that name for the one of the frames.
        "delay": Variable("delay", optional=True, long_name="time since the start"),
        "mean_time": Variable("axes", "mean time until the target is reached", optional=True),
        "deviation": Variable("axes", "standard deviation of that time", optional=True),
        "committor": Variable(
            "axes", "probability of reaching the target before the source", optional=True
        ),
        "backward_committor": Variable(
            "axes", "probability of having come last from the source", optional=True
        ),
        "current": Variable("component axes", "reactive current", optional=True),
        "exit_probability": Variable("side axes", "probability of leaving by each way"),
        "start_position": Variable("start component", "start"),
        "start_mean_time": Variable("start", "mean time from the start"),
        "start_deviation": Variable("start", "standard deviation of the time from the start"),
        "start_committor": Variable("start", "committor at the start", optional=True),
        "error_start_mean_time": Variable(
            "start", "estimated error of the mean time from the start", optional=True
        ),
        "start_exit_probability": Variable(
            "start side", "probability of leaving by each way from the start"
        ),
        "survival": Variable("start delay", "probability of not having arrived"),
        "arrival": Variable("start delay side", "density of the time of arrival by the way out"),
    },
    {
        "target": Attribute("condition of the target, as the case gives it", str),
        "source": Attribute("likewise of the source; empty without one", str),
        "transition_rate": Attribute(
            "transitions per unit time of those that come from the source", optional=True
        ),
        "reactive_flux": Attribute(
            "transitions from source to target per unit time", optional=True
        ),
        "source_share": Attribute(
            "share of the time since the source was left last", optional=True
        ),
        "error_transition_rate": Attribute("estimated error of the transition rate", optional=True),
        "error_reactive_flux": Attribute("estimated error of the reactive flux", optional=True),
    },
    {"escape": ESCAPE},
)
