"""What the group ``/smoothing`` holds: local entropy, and minima of Phi, Phi~ and Phi_ent."""

from __future__ import annotations

from ..dataset import Attribute, Layout, Variable

SMOOTHING = Layout(
    {
        "gamma": Variable("gamma", "inverse variance of the kernel"),
        # "loss", "quasi_potential" or "local_entropy"; none of them where Phi has no minimum.
        "field": Variable("field", "field of the table", optional=True, text=True),
        "minimum": Variable("minimum", "minimum of the loss", optional=True),
        # With (d/2) log(2 pi/gamma), which makes it tend to Phi for large gamma.
        "local_entropy": Variable("gamma axes", "local entropy, tending to the loss"),
        # By rising value.
        "loss_minima": Variable("minimum component", "minima"),
        "flatness": Variable("minimum", "log det of the Hessian"),
        "knob": Variable("field", "beta or gamma of the field"),
        # What became of each minimum of Phi; NaN where it is gone.
        "places": Variable("field minimum component", "counterparts"),
        "depths": Variable("field minimum", "above the deepest"),
        "counts": Variable("field", "minima of the field"),
    },
    {
        "flattest": Attribute("number of the flattest minimum"),
        "gamma_crossing": Attribute(
            "gamma at which the deepest minimum of Phi_ent changes", optional=True
        ),
        "beta_crossing": Attribute("beta at which that of Phi~ changes", optional=True),
        # Versions that wrote it last take a group without it for a torn one.
        "complete": Attribute("1 once the group is whole", bool, optional=True),
    },
)
