"""
Escape: how long SGD stays in a minimum
=======================================

Times of escape are exponential in the barrier over the noise. No simulation of walkers reaches the long ones; the backward equation
does, at the same cost for t = 10 as for t = 1e25.
"""

# %%
# Against exact answers
# ---------------------
#
# The quartic well, from its left minimum to the top of the barrier. The exact mean times are double integrals; the formula of
# Kramers is asymptotic.
import matplotlib.pyplot as plt
import numpy as np

import fokkerplanck as fp

exact = {5: 7.93402154, 10: 30.82130247, 20: 361.90375950}
print(" beta    mean time        exact   deviation")
for beta, time in exact.items():
    problem = fp.Problem(loss="x**4/4 - x**2/2", sigma=1, beta=beta, domain={"x": (-2.5, 2.5)})
    generator = fp.generator(problem, problem.grid(512))
    found = fp.passage(generator, target="x > 0", start=[[-1.0]])
    print(
        "%5d  %11.5f  %11.5f  %10.4f"
        % (beta, found.start_mean_time[0], time, found.start_deviation[0])
    )

# %%
# The deviation is nearly the mean, and tends to it: waiting times become exponential. At beta = 250 the barrier is 62 times the noise.
problem = fp.Problem(loss="x**4/4 - x**2/2", sigma=1, beta=250, domain={"x": (-2.5, 2.5)})
found = fp.passage(fp.generator(problem, problem.grid(512)), target="x > 0", start=[[-1.0]])
kramers = np.pi / np.sqrt(2) * np.exp(250 / 4)
print("mean time %.3e, by Kramers %.3e" % (found.start_mean_time[0], kramers))

# %%
# Sharp and flat
# --------------
#
# Two wells of a valley: the sharp one at x = -1, the flat one at x = 1. ``fp.escape`` finds the wells of Phi~ and the matrix of mean times
# between them, beside the formula of Eyring and Kramers with Sigma in it.
case = fp.load_case("sharp_flat")
problem = case.problem
grid = problem.grid((80, 104))
generator = fp.generator(problem, grid)
rest = fp.stationary(generator)
wells = fp.escape(generator)
names = ["sharp" if place[0] < 0 else "flat" for place in wells.position.values]
for i, name in enumerate(names):
    j = 1 - i
    print(
        "%5s -> %-5s  time %7.1f   Eyring-Kramers %7.1f   share of rho_ss %.2f"
        % (name, names[j], wells.times[i, j], wells.kramers_times[i, j], wells.weight[i])
    )

# %%
# Which of both is left sooner is not a matter of depth alone: the sharp one loses by its curvature. The committor is the chance to
# reach the flat core before the sharp one. Where it is 1/2 the way is open.
between = fp.passage(generator, target="x > 0.9", source="x < -0.9")
print("transitions per unit time: %.3e" % between.transition_rate)
figure, axes = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
x, y = grid.centers
drawn = axes.contourf(x, y, between.committor.T, levels=np.linspace(0, 1, 11), cmap="coolwarm")
axes.contour(x, y, rest.quasi_potential.T, levels=12, colors="0.3", linewidths=0.6)
axes.set(xlabel="x", ylabel="y")
figure.colorbar(drawn, label="chance to reach the flat core first")

# %%
# On the command line: ``fokkerplanck run sharp_flat --set noise.batch_size=4``. Only the ratio of batch size and learning rate matters
# for the diffusion.
