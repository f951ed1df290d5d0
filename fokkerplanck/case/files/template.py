"""The commented case that ``fokkerplanck new`` writes: runs as it is, meant to be edited."""

from __future__ import annotations

_TEMPLATE = """\
title = "{title}"

# Numbers that formulas below may use by name.
[parameters]
k = 3.0

# The training loss Phi. Formulas know the axis names of [domain], the parameters above, beta, t,
# and the usual functions: exp, log, sqrt, sin, cos, tan, sinh, cosh, tanh, abs, ...
[loss]
formula = "0.5*(k*x**2 + 1.6*x*y + y**2)"

# The noise: covariance Sigma of the per-sample gradients, a number, a diagonal or a matrix, of
# numbers or formulas; and the inverse temperature beta = 2*batch_size/learning_rate.
[noise]
sigma = [[1.0, 0.3], [0.3, 0.5]]
beta = 2.0
# batch_size = 32          # these two in place of beta
# learning_rate = 0.1

# One line per parameter, one to three of them; the keys are the names used in formulas.
# boundary = "reflecting" (default), "periodic", "absorbing", or a pair [lower, upper].
[domain]
x = {{ range = [-4, 4], cells = 128 }}
y = {{ range = [-5, 5], cells = 128 }}

# The density at t = 0: gaussian (mean, and std or covariance), point (at), uniform, formula
# or stationary.
[initial]
kind = "gaussian"
mean = [1.5, -1.0]
std = 0.3

# Solve up to t = end (t = learning_rate * iteration) and keep so many frames.
[density]
end = 10.0
frames = 41
# times = [0.5, 1.0, 10.0]   # in place of frames
# stepper = "auto"           # `fokkerplanck check` says what auto takes, and why
# rtol = 1e-6
# breakpoints = [2.0]        # times that steps must meet; jumps of formulas in t are found

# [passage]                  # without keys: the wells of Phi~ and the times between them
# target = "x > 1"           # mean time until there, from everywhere; "boundary": absorbing sides
# source = "x < -1"          # with it committor, transition rate, reactive current
# start = [0.0, 0.0]         # a point of interest, or a list of them

# [stationary]               # quasi-potential, current and entropy production at rest

# [spectrum]                 # slowest modes, relaxation times, bounds on the mixing time
# count = 6

# Walkers beside the density, and the tests that compare both. SGD itself on the data of a
# [loss] with a model, "sgd-gaussian" with a learning_rate, "weak-2" and others for the diffusion.
# [ensemble]
# method = "auto"
# particles = 1_000_000
# step = 0.02                # of the others; SGD steps by its learning rate
# end = 5.0                  # no later than the density
# trajectories = 4
# [validation]
# significance = 1e-3
# budget = true              # sampling noise, grid error and the gap between SGD and diffusion

[output]
# Without `figures`: density and free_energy; with [stationary] quasi_potential, current and
# entropy_production; with [spectrum] modes and eigenvalues; with [ensemble] walkers. Also
# observables; [] draws none.
# figures = ["density", "free_energy"]
# report = true              # the page report.html beside them
# every_frame = true
# errors = true           # estimated errors, from two coarser grids
# precision = "float64"      # of stored densities; float32 takes 0.4 of the room, compact 0.3

# Numbers that must come out; a miss is exit status 1.
[expect]
"mass_drift" = {{ max = 1e-12 }}
"minimum" = {{ min = 0.0 }}
"final.kl_to_stationary" = {{ max = 1e-3 }}
"""


def case_template(title: str) -> str:
    """Text of a runnable case file with this title (no quotes or backslashes in it)."""
    return _TEMPLATE.format(title=title)
