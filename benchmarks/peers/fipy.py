"""FiPy: finite volumes with exponential convection, implicit in time."""

from __future__ import annotations

import os

import numpy as np

from fokkerplanck.gallery import ExactProblem

from . import NotExpressible, Solve

REQUIRES = "fipy"
CELLS_PER_STEP = 8
# It treats the mixed derivatives of a tensor explicitly; three sweeps per step converge.
TENSOR_SWEEPS = 3
NOTE = (
    "FiPy: TransientTerm + ExponentialConvectionTerm == DiffusionTerm (tensor coefficient), scipy "
    "suite with its default LU, which beat its Krylov solvers; implicit midpoint rule (half a step "
    f"of its implicit Euler, then extrapolation), one step per {CELLS_PER_STEP} cells of an axis "
    f"and {TENSOR_SWEEPS} sweeps per step for a tensor, enough for the time error to stay below "
    "the space error."
)


def prepare(exact: ExactProblem, cells: int) -> Solve:
    """Mesh, variable and equation."""
    isotropic = exact.problem.isotropic_scale is not None
    sweeps = 1 if isotropic else TENSOR_SWEEPS
    return prepare_steps(exact, cells, cells // CELLS_PER_STEP, sweeps, midpoint=True)


def prepare_steps(
    exact: ExactProblem, cells: int, steps: int, sweeps: int, midpoint: bool
) -> Solve:
    """Mesh, variable and equation for ``steps`` equal steps.

    Parameters
    ----------
    exact : ExactProblem
        Two axes, constant Sigma.
    cells, steps : int
    sweeps : int
        Linear solves per step.
    midpoint : bool
        Implicit midpoint rule, order 2; otherwise implicit Euler.
    """
    os.environ.setdefault("FIPY_SOLVERS", "scipy")
    import fipy

    problem = exact.problem
    tensor = problem.constant_sigma
    if tensor is None:
        raise NotExpressible("this adapter states constant tensors")
    first, second = problem.domain.axes
    mesh = fipy.Grid2D(nx=cells, ny=cells, dx=first.length / cells, dy=second.length / cells)
    corner = np.array([[first.lower], [second.lower]])
    mesh = mesh + corner
    # Its cells run along x first.
    initial = exact.initial(problem.grid(cells)).T.ravel()
    variable = fipy.CellVariable(mesh=mesh, value=initial, hasOld=True)
    velocity = fipy.FaceVariable(
        mesh=mesh, rank=1, value=problem.velocity_at(list(mesh.faceCenters.value))
    )
    velocity.setValue(0.0, where=mesh.exteriorFaces)
    diffusion = tensor / problem.beta
    scale = problem.isotropic_scale
    coefficient = [diffusion.tolist()] if scale is None else scale / problem.beta
    equation = fipy.TransientTerm() + fipy.ExponentialConvectionTerm(
        coeff=velocity
    ) == fipy.DiffusionTerm(coeff=coefficient)
    points = tuple(mesh.cellCenters.value)
    dt = exact.end / steps

    def solve() -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        variable.setValue(initial)
        for _ in range(steps):
            variable.updateOld()
            for _ in range(sweeps):
                equation.sweep(variable, dt=0.5 * dt if midpoint else dt)
            if midpoint:
                variable.setValue(2.0 * variable.value - variable.old.value)
        return variable.value.copy(), points

    return solve
