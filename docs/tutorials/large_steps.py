"""
Large steps and heavy tails: beyond the diffusion
=================================================

The diffusion picture needs a small learning rate and noise with a variance. A grid can do without both.
"""

# %%
# Large learning rates
# --------------------
#
# ``[discrete]`` evolves the density by SGD's own map theta -> theta - eta g_B, equation (52). On a parabola of curvature h the variance at
# rest is eta s^2/(2 h - eta h^2), and the diffusion has it without the second term. In the case ``large_step`` eta h = 1.8, close to the edge 2.
import warnings
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np

import fokkerplanck as fp

small = {
    "domain.x.cells": 48,
    "domain.y.cells": 60,
    "density.frames": 3,
    "discrete.rates": [0.1, 0.3, 0.5],
    "discrete.steps": 20,
    "expect": {},
}
result = fp.run(fp.load_case("large_step", small))
steps = result.discrete
eta, h, s2 = 0.5, 3.6, 0.1
print("variance along x of SGD at rest: %.6f" % steps.stationary_covariance[0, 0])
print("closed form:                     %.6f" % (eta * s2 / (2 * h - eta * h**2)))
print("diffusion:                       %.6f" % (eta * s2 / (2 * h)))

# %%
# The multipliers of the operator say how fast SGD forgets. The one of x is 1 - eta h = -0.8: negative, since SGD jumps from side to side.
# No diffusion has such a mode.
print("multipliers:", np.round(steps.multiplier_real[:5], 4))

# %%
# Fluctuation and dissipation: E[theta.grad Phi] = (eta/2) E|g_B|^2 holds exactly for SGD at rest, and (43) for the diffusion only. Each row
# is one relation under one density, with the gap between its two sides.
print("%-10s %-14s %9s %9s %9s" % ("density", "relation", "left", "right", "gap"))
relations = zip(
    *(getattr(steps, "relation_" + name) for name in ("source", "name", "left", "right")),
    strict=True,
)
for source, name, left, right in relations:
    if name in ("dissipation", "virial", "all_orders"):
        gap = abs(left - right) / max(abs(left), abs(right))
        print("%-10s %-14s %9.5f %9.5f %9.1e" % (source, name, left, right, gap))

# %%
# Heavy tails
# -----------
#
# Below ``noise.alpha`` = 2 the noise jumps, (51), and the Laplacian becomes its power alpha/2. A jump carries over a barrier at once:
# escape does not depend on the height, and falls with a power of the width. The case ``levy_double_well`` has one barrier; this is
# the share that has crossed it for two heights and two widths.
warnings.simplefilter("ignore", fp.CaseWarning)  # jumps leave any box: runs would say how many
figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
for height, width in ((1.0, 1.0), (2.0, 1.0), (1.0, 1.5)):
    small = {
        "domain.x.cells": 192,
        "density.end": 6.0,
        "density.frames": 7,
        "parameters.height": height,
        "parameters.width": width,
        "domain.x.range": [-2.5 * width, 2.5 * width],
        "initial.mean": -width,
        "expect": {},
    }
    case = replace(fp.load_case("levy_double_well", small), ensemble=None, validation=None)
    jumps = fp.run(case)
    x = jumps.centers[0]
    crossed = (jumps.density * (x > 0)).sum(axis=1) * jumps.cell_volume
    axes.plot(jumps.time, crossed, label="height %g, width %g" % (height, width))
    print("height %g, width %g: %.5f have crossed at t = 6" % (height, width, crossed[-1]))
axes.set(xlabel="t", ylabel="share on the right")
axes.legend()

# %%
# Twice the height changes next to nothing. By the rate K (c/alpha) w^-alpha a width larger by half lets fewer across, by 1.5^-1.2 = 0.61.
