"""What the group ``/validation`` holds: density against walkers at some output times."""

from __future__ import annotations

from ..dataset import Attribute, Layout, Variable

# By time; NaN where there is none.
COMPARED = {
    "p_value": "probability of so large a difference by chance, all tests together",
    "fit": "p-value of the G-test on pooled bins",
    "energy": "p-value of the energy distance",
    "moments": "p-value of mean and covariance",
    "distance": "energy distance, in units of length",
    "detectable": "relative error of the masses that the G-test finds with power 0.9",
    "observed": "difference of the masses of the bins, rms relative",
    "sampling": "what the number of walkers alone contributes to it",
    "grid_error": "what the grid contributes to it",
    "noise_shape": "what the shape of the mini-batches' noise contributes to it",
    "sides": "what finite steps at reflecting and absorbing sides contribute to it",
    "diffusion_gap": "what the gap between SGD and diffusion contributes to it",
    "unexplained": "what is left",
    "remaining_p_value": "p-value of what is left",
    "total_variation": "share of the walkers in a wrong bin",
    "expected_total_variation": "its mean from the number of walkers alone",
}
VALIDATION = Layout(
    {
        # Not "time": trees of groups take a dimension of that name for the one of the frames.
        "walk_time": Variable("walk_time", "time of the comparison", least=1, formerly="time"),
        "time": Variable("walk_time", "time of the comparison"),
        **{
            # The first versions of schema 1 knew nothing of sides.
            name: Variable("walk_time", long_name, optional=name == "sides")
            for name, long_name in COMPARED.items()
        },
    },
    {
        # `Arrays.p_value` is this one; `COMPARED` has one of the same name for each time.
        "p_value": Attribute("of all times together"),
        "level": Attribute("below it density and walkers differ"),
        "agrees": Attribute("1 where they agree, known errors taken out, else 0", bool),
        "sentences": Attribute("the verdict, a sentence per time", str, lines_for="walk_time"),
    },
)
