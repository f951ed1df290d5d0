"""
Quasi-potential: the landscape that SGD sees
============================================

At rest the density of SGD is exp(-beta Phi~)/Z. Phi~ is the loss only for special noise: noise that depends on the place moves minima,
and changes which one is the deepest. Equation (50) ties both together,

.. math:: \\nabla\\Phi = \\Sigma \\nabla\\tilde\\Phi - \\frac{1}{\\beta} \\nabla\\cdot\\Sigma - v,

with the velocity v of the current at rest, which vanishes under detailed balance.
"""

# %%
# One parameter
# -------------
#
# A double well with two equal minima. The noise is stronger on the right.
import matplotlib.pyplot as plt
import numpy as np

import fokkerplanck as fp

beta = 8.0
problem = fp.Problem(
    loss="(x**2 - 1)**2/4", sigma="1 + 0.6*tanh(2*x)", beta=beta, domain={"x": (-2.4, 2.4)}
)
grid = problem.grid(256)
generator = fp.generator(problem, grid)
rest = fp.stationary(generator)
tree, _ = fp.analyse(generator)

x = grid.centers[0]
loss = problem.loss_at(grid.points)
figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
axes.plot(x, loss, "--", label="Phi")
axes.plot(x, rest.quasi_potential, label="Phi~")
axes.set(xlabel="x", ylim=(-0.05, 1.0))
axes.legend()

# %%
# SGD rests where the noise is weak. Both minima have moved, and they are no longer equal.
for name in ("loss", "quasi_potential"):
    points = tree["critical"][name].to_dataset()
    minima = points.isel(point=points["index"] == 0)
    places = ", ".join("%.3f" % place for place in minima.position[:, 0])
    values = ", ".join("%.4f" % value for value in minima.value)
    print("%-16s minima at x = %s with the values %s" % (name, places, values))
right = float(grid.integrate(rest.density * (x > 0)))
print("share of the density on the right: %.3f; of exp(-beta Phi): 0.500" % right)

# %%
# In one dimension (50) can be solved by hand: Phi~' = (Phi' + Sigma'/beta)/Sigma. The values on the grid agree with
# that as far as this simple quadrature goes: under detailed balance the state of rest is exact at the cell centres, whatever their width.
fine = np.linspace(x[0], x[-1], 400_001)
slope = (fine**3 - fine + (1.2 / np.cosh(2 * fine) ** 2) / beta) / (1 + 0.6 * np.tanh(2 * fine))
steps = 0.5 * (slope[1:] + slope[:-1]) * np.diff(fine)
by_hand = np.interp(x, fine, np.concatenate([[0.0], np.cumsum(steps)]))
error = np.ptp(rest.quasi_potential.values - by_hand)
print("largest error of Phi~, up to its constant: %.1e" % error)

# %%
# Isotropic noise is neither needed nor enough
# --------------------------------------------
#
# Sigma = c gives Phi~ = Phi/c. And Sigma = 1 + S exp(beta Phi), S any constant symmetric matrix that keeps Sigma positive, gives
# Phi~ = Phi although it is full and depends on the place.
special = fp.Problem(
    loss="x**2/2 + y**2",
    sigma=[
        ["1 + 0.3*exp(beta*(x**2/2 + y**2))", "0.2*exp(beta*(x**2/2 + y**2))"],
        ["0.2*exp(beta*(x**2/2 + y**2))", "1 + 0.4*exp(beta*(x**2/2 + y**2))"],
    ],
    beta=1.0,
    domain={"x": (-1.5, 1.5), "y": (-1.2, 1.2)},
)
square = special.grid(48)
flat = fp.stationary(fp.generator(special, square))
difference = flat.quasi_potential.values - special.loss_at(square.points)
print(
    "detailed balance: %s, largest |Phi~ - Phi|: %.1e"
    % (flat.attrs["detailed_balance"], np.ptp(difference))
)

# %%
# Without detailed balance
# ------------------------
#
# In two dimensions Phi~ = -(1/beta) log rho_ss comes from the equation at rest, and whether detailed balance holds is decided by the
# curl of A = Sigma^-1 (grad Phi + (1/beta) div Sigma).
turning = fp.Problem(
    loss="(x**2 - 1)**2/4 + y**2/2",
    sigma=[["1 + 0.5*tanh(y)", 0.4], [0.4, 1]],
    beta=6.0,
    domain={"x": (-2.2, 2.2), "y": (-2.2, 2.2)},
)
square = turning.grid(72)
generator = fp.generator(turning, square)
rest = fp.stationary(generator)
tree, _ = fp.analyse(generator)
print("detailed balance:", rest.attrs["detailed_balance"])
print("largest |curl A|: %.3f" % tree.attrs["largest_curl"])
print("both sides of (50) differ by %.1f %% (rms)" % (100 * tree.attrs["mismatch"]))
print("entropy production: %.3f" % tree.attrs["entropy_production"])

figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained", sharey=True)
for panel, values, name in (
    (axes[0], turning.loss_at(square.points), "Phi"),
    (axes[1], rest.quasi_potential - rest.quasi_potential.min(), "Phi~"),
):
    drawn = panel.contourf(*square.centers, values.T, levels=np.linspace(0, 1.5, 13), extend="max")
    panel.set(title=name, xlabel="x")
axes[0].set_ylabel("y")
figure.colorbar(drawn, ax=axes)
