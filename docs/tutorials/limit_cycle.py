"""
Limit cycles: SGD that runs in circles
======================================

Without detailed balance SGD does not come to rest where its density does. Probability keeps running, along closed loops, for ever.
That needs no special force: the gradient noise of a linear regression on four samples is enough.
"""

# %%
# The case ``sgd_limit_cycle`` explains itself in its file. Its valley is the circle abs(theta) = 1; noise carries SGD up one flank of
# each hill, and it slides down the other.
import matplotlib.pyplot as plt
import numpy as np

import fokkerplanck as fp

case = fp.load_case("sgd_limit_cycle")
problem = case.problem
grid = problem.grid((60, 50))
generator = fp.generator(problem, grid)
rest = fp.stationary(generator, problem)
tree, notes = fp.analyse(generator)
print("detailed balance:", tree.attrs["detailed_balance"])
print("entropy production: %.2f" % tree.attrs["entropy_production"])

# %%
# ``fp.analyse`` finds the most likely closed loop of the velocity v = J_ss/rho_ss, and how long one turn takes.
loop = tree["cycle_0"]
print(
    "loop around (%.2f, %.2f), %s, one turn in t = %.1f"
    % (
        *loop.attrs["center"],
        "clockwise" if loop.attrs["winding"] < 0 else "counter-clockwise",
        loop.attrs["period"],
    )
)
print("probability carried around per unit time: %.4f" % tree.attrs["turnover"])

# %%
# Colours are the density, arrows the current, the line is the loop.
x, y = grid.centers
current = np.where(rest.density > 1e-3 * rest.density.max(), tree["current"].values, np.nan)
figure, axes = plt.subplots(figsize=(6.4, 4.6), layout="constrained")
axes.contourf(x, y, rest.density.T, levels=20, cmap="Blues")
axes.streamplot(x, y, current[0].T, current[1].T, density=1.2, color="0.4", linewidth=0.7)
points = loop["points"].values
axes.plot(*np.vstack([points, points[:1]]).T, color="crimson", linewidth=2)
axes.set(xlabel="x", ylabel="y", aspect="equal")

# %%
# A cycle that is there without noise
# -----------------------------------
#
# A drift that is no gradient can have limit cycles of its own. Noise smears them out; the density sits on them as a ring. The
# normal form of Hopf is known in closed form: rho_ss ~ exp(-(r^4/4 - r^2/2)/D), v = 2 x_perp, one turn in pi, and the slowest
# oscillation falls off like exp(-0.1322 t) cos(2 t) at D = 0.1.
hopf = fp.load_case("hopf").problem
square = hopf.grid(112)
generator = fp.generator(hopf, square)
rest = fp.stationary(generator, hopf)
tree, _ = fp.analyse(generator)
current, drift = (tree[name].attrs["period"] for name in ("cycle_0", "limit_cycle_0"))
print("loop of the current: one turn in t = %.4f (pi = %.4f)" % (current, np.pi))
print("limit cycle of the drift: one turn in t = %.4f" % drift)
print(
    "slowest oscillation: exp(-%.4f t) cos(%.4f t)"
    % (tree.attrs["rotation_decay"], tree.attrs["rotation_frequency"])
)
print("entropy production: %.3f (exact 40.593)" % tree.attrs["entropy_production"])

# %%
# The oscillation is a pair of complex eigenvalues of the generator, of order 2 in the cell width like the rest. ``[spectrum]``
# finds more of them. Where the drift outweighs the noise between two cells, as here, the constant of that order is large.
