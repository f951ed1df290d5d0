"""
Free energy: what never rises
=============================

SGD does not minimise its loss. What falls all the time is a property of the whole density, the free energy

.. math:: F(\\rho) = E_\\rho[\\tilde\\Phi] - \\frac{1}{\\beta} S(\\rho), \\qquad S(\\rho) = -\\int \\rho \\log \\rho,

equation (46), with the quasi-potential Phi~ and not with the loss. It is a Lyapunov function: whatever the start, it falls until the
density rests, with and without detailed balance.
"""

# %%
# A quadratic loss under noise whose axes are not those of the loss. H and Sigma do not commute, so there is no detailed
# balance.
import matplotlib.pyplot as plt
import numpy as np

import fokkerplanck as fp

beta = 2.0
problem = fp.Problem(
    loss="0.5*(x**2 + 3*y**2)",
    sigma=[[1, 0.9], [0.9, 1]],
    beta=beta,
    domain={"x": (-4, 4), "y": (-4, 4)},
)
grid = problem.grid(64)
generator = fp.generator(problem, grid)
rest = fp.stationary(generator)
print("detailed balance:", rest.attrs["detailed_balance"])

# %%
# The start is exp(-beta Phi)/Z, where SGD would rest if it minimised the free energy with Phi in place of Phi~. It is the minimum of that
# functional, which therefore cannot fall.
times = np.linspace(0.0, 3.0, 31)
loss = problem.loss_at(grid.points)
start = np.exp(-beta * loss)
start /= grid.integrate(start)
path = fp.evolve(problem, grid, start, times, scheme="scharfetter-gummel")


def free_energy(density, potential):
    entropy = -grid.integrate(density * np.log(np.maximum(density, 1e-300)))
    return grid.integrate(density * potential) - entropy / beta


true = free_energy(path.density, rest.quasi_potential)
naive = free_energy(path.density, loss)
print("largest change of F between two frames:  %9.2e" % np.diff(true).max())
print("the same with Phi in place of Phi~:      %9.2e" % np.diff(naive).max())

# %%
# The true one falls throughout, down to rounding. The other one rises: noise carries the density away from where the loss alone would have it.
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
left.plot(times, true - true[0], label="with Phi~")
left.plot(times, naive - naive[0], "--", label="with Phi")
left.set(xlabel="t", ylabel="change of F")
left.legend()
right.semilogy(times, true - free_energy(rest.density, rest.quasi_potential))
right.set(xlabel="t", ylabel="F less its value at rest")

# %%
# What is left is the distance to the state of rest: F - F(rho_ss) = (1/beta) KL(rho | rho_ss). Its limit is not zero but
# -(1/beta) log Z; here Phi~ is -(1/beta) log rho_ss, and the limit vanishes by that choice of the constant.
log_ratio = np.log(np.maximum(path.density, 1e-300)) - np.log(rest.density)
divergence = grid.integrate(path.density * log_ratio)
excess = true - free_energy(rest.density, rest.quasi_potential)
print("largest difference of beta (F - F_ss) and KL: %.1e" % abs(beta * excess - divergence).max())

# %%
# A run of a case stores all of this at every frame: ``result.free_energy``, ``result.naive_free_energy``,
# ``result.kl_to_stationary`` and ``result.dissipation``, the rate at which F falls,
#
# .. math:: -\frac{dF}{dt} = \frac{1}{\beta^2} \int \rho\, u^T \Sigma\, u \ge 0, \qquad u = \nabla \log(\rho/\rho_{ss}).
#
# The closing table says whether F fell from frame to frame.
