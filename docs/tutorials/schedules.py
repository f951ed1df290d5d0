"""
Schedules: how to steer the learning rate
=========================================

A factor u(t) in (0, 1] multiplies the learning rate, (59). What is the best one? The density gives the expected loss at the end as a number
without noise, with its exact gradient by the values of u, so that an optimiser finds the best schedule in seconds.
"""

# %%
# Against the closed form
# -----------------------
#
# For Phi = a theta^2/2 the best schedule is known, equation (62) corrected: u = min(1, 2 E[Phi]/S). It keeps u = 1 until noise and slope
# balance, and then anneals like 1/t; E[Phi] ends at 0.027293.
import warnings
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np

import fokkerplanck as fp

small = {"domain.theta.cells": 192, "control.intervals": 60, "density.frames": 13}
result = fp.run(fp.load_case("schedule_quadratic", small))
costs = result["control"].costs
for name in ("optimal", "feedback", "inverse-time", "cosine", "step-decay", "constant", "printed"):
    print("%-12s  E[Phi] at the end %.5f" % (name, costs.sel(policy=name)))
print("closed form   E[Phi] at the end 0.02729")

# %%
# The policy ``feedback`` is (62) itself, ``printed`` is what the review prints: it never anneals. With the corrected one the
# optimiser agrees without knowing it.
record = result.control
middle = record.interval
figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
for name, values in zip(record.policy, record.values, strict=True):
    if name in ("optimal", "inverse-time", "cosine", "constant"):
        axes.step(middle, values, where="mid", label=name, linewidth=2 if name == "optimal" else 1)
S, a, E0 = 0.4, 1.3, 2.0
turn = np.log((E0 - S / 4) / (S / 4)) / (2 * a)
form = np.where(middle < turn, 1.0, 2 / S / (2 / S + 2 * a * (middle - turn) / S))
axes.plot(middle, form, "k:", label="closed form")
axes.set(xlabel="t", ylabel="u", ylim=(0, 1.05))
axes.legend()

# %%
# What no schedule can beat
# -------------------------
#
# A feedback u(t, theta) sees where each walker is. The best one solves the Hamilton-Jacobi-Bellman equation; its cost is the bound for
# every schedule. On two wells of different depth the bound is far below: who has crossed the barrier should rest, who has not should
# hurry.
warnings.simplefilter("ignore", fp.CaseWarning)  # a coarse grid, to be quick: the run would say so
small = {
    "domain.x.cells": 32,
    "domain.y.cells": 24,
    "control.intervals": 40,
    "density.frames": 9,
    "density.end": 12.0,
}
case = replace(fp.load_case("schedule_double_well", small), ensemble=None)
result = fp.run(case)
costs = result["control"].costs
usual = costs.sel(policy=["constant", "cosine", "step-decay"])
print("best of three usual ones: %s, %.4f" % (usual.idxmin().item(), usual.min()))
print("best schedule:            %.4f" % costs.sel(policy="optimal"))
print("best feedback:            %.4f" % result.control.hjb)
