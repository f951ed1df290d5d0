"""
Walkers against the density
===========================

The density stands on three approximations: a small learning rate, Gaussian mini-batch noise, the grid. The check is SGD itself, beside it.
``[ensemble]`` moves walkers and counts them on the cells of the density, ``[validation]`` compares both by statistical tests, and says what
a difference is made of.
"""

# %%
# Walkers of the same equation
# ----------------------------
#
# First the two solvers against each other: the diffusion on the grid, and 100,000 walkers of it. Nothing but the problem is shared.
import matplotlib.pyplot as plt

import fokkerplanck as fp

small = {
    "domain.x.cells": 256,
    "density.end": 4.0,
    "density.frames": 5,
    "ensemble.particles": 100_000,
    "ensemble.trajectories": 0,
    "expect": {},
}
result = fp.run(fp.load_case("double_well_1d", small))
print(result.validation.sentences)
print("p = %.2f, agrees: %s" % (result.validation.p_value, result.validation.agrees))

# %%
# Dots are walkers per cell, in groups of eight cells; lines are the density.
x = result.centers[0]
walkers = result.ensemble
groups = walkers.counts.reshape(len(walkers.time), -1, 8).sum(axis=2)
width = 8 * result.cell_volume
figure, axes = plt.subplots(figsize=(6.8, 3.8), layout="constrained")
for frame in (0, 1, 4):
    (line,) = axes.plot(x, result.density[frame], label="t = %g" % result.time[frame])
    density = groups[frame] / (walkers.particles * width)
    axes.plot(x.reshape(-1, 8).mean(axis=1), density, ".", color=line.get_color())
axes.set(xlabel="x", ylabel="density")
axes.legend()

# %%
# SGD at a learning rate that is not small
# ----------------------------------------
#
# Then SGD itself with Gaussian gradients, in steps of its learning rate. At eta = 0.1 and the curvature 2 of the wells it is not quite the
# diffusion: its variance is larger by eta h/2, about a tenth. The tests find that at once, and the budget names the cause.
large = small | {
    "noise": {"sigma": 1.0, "batch_size": 1, "learning_rate": 0.1},
    "ensemble": {"method": "sgd-gaussian", "particles": 100_000},
}
result = fp.run(fp.load_case("double_well_1d", large))
last = result["validation"].isel(walk_time=-1)
for name in ("observed", "sampling", "grid_error", "diffusion_gap", "unexplained"):
    print("%-14s %6.2f %%" % (name, 100 * last[name]))
print("p of the difference:   %.1e" % last["p_value"])
print("p of what is left:     %.2f" % last["remaining_p_value"])

# %%
# Differences are of the masses of bins, rms and relative. "diffusion_gap" is measured, not fitted: the same walkers with half of the
# learning rate tell how the gap shrinks. With data of a model there is one row more, the shape of the mini-batches' noise, which no
# learning rate makes vanish. See the cases ``linear_regression``, ``logistic_regression`` and ``tanh_neuron``, and
# ``fokkerplanck validate CASE``.
