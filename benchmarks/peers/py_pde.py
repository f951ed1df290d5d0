"""py-pde: finite differences from an expression, compiled, explicit adaptive Runge-Kutta."""

from __future__ import annotations

import numpy as np

from fokkerplanck.gallery import ExactProblem

from . import NotExpressible, Solve

REQUIRES = "py-pde"
TOLERANCE = 1e-4
FIRST_STEP = 1e-4
NOTE = (
    "py-pde: `PDE` expression in divergence form (central differences of order 2), backend numba, "
    f"adaptive Runge-Kutta 5(4), tolerance {TOLERANCE:g} (its default; stability sets the step); "
    "zero flux at the sides through the boundary condition of each operator."
)


def prepare(exact: ExactProblem, cells: int) -> Solve:
    """Compile the right-hand side and the stepper."""
    import pde

    problem = exact.problem
    tensor = problem.constant_sigma
    if tensor is None:
        raise NotExpressible("this adapter states constant tensors")
    diffusion = tensor / problem.beta
    hessian = problem.hessian_at([np.zeros(()), np.zeros(())])
    ranges = [(axis.lower, axis.upper) for axis in problem.domain.axes]
    grid = pde.CartesianGrid(ranges, [cells, cells])
    xx, xy, yy = (float(hessian[i]) for i in ((0, 0), (0, 1), (1, 1)))
    terms = [
        f"d_dx(({xx!r}*x + {xy!r}*y)*c)",
        f"d_dy(({xy!r}*x + {yy!r}*y)*c)",
        f"{float(diffusion[0, 0])!r}*d2_dx2(c)",
        f"{float(diffusion[1, 1])!r}*d2_dy2(c)",
    ]
    if diffusion[0, 1]:
        terms.append(f"({2.0 * float(diffusion[0, 1])!r})*d_dx(d_dy(c))")
    equation = pde.PDE(
        {"c": " + ".join(terms)},
        bc={"derivative": 0},
        # First derivatives act on fluxes, which vanish at the sides.
        bc_ops={"c:d_dx": {"value": 0}, "c:d_dy": {"value": 0}},
    )
    points = tuple(np.moveaxis(grid.cell_coords, -1, 0))
    start = pde.ScalarField(grid, exact.initial(problem.grid(cells)))
    solver = pde.RungeKuttaSolver(equation, backend="numba", adaptive=True, tolerance=TOLERANCE)
    step = solver.make_stepper(start.copy(), dt=FIRST_STEP)
    step(start.copy(), 0.0, FIRST_STEP)

    def solve() -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        state = start.copy()
        step(state, 0.0, exact.end)
        return state.data, points

    return solve
