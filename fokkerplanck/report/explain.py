"""What a case is and how it would be solved, in words and figures, without solving it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..analyses.cautions import cautions, coefficient_cautions
from ..analyses.control import objective_of
from ..analyses.observables import moments
from ..analyses.passage import check_regions
from ..analyses.stability import stability_caution
from ..analyses.start import initial_density, scheme_of, system_of
from ..case import Case, disk_needed, memory_available, memory_needed, require_disk
from ..errors import CaseError, NumericalFailure
from ..fractional.levy import LEVY, LevySystem
from ..operators.generator import Generator
from ..operators.thermodynamic_force import Force
from ..pipeline.duration import durations
from ..pipeline.run import require_room
from ..problem.seams import check_seams
from ..problem.tails import gradient_tail
from ..semi_lagrangian.choice import deficiency
from ..spectrum.spectrum import spectrum_method
from ..stationary.stationary import stationary
from ..timestepping.schemes import OWN_STEPS, SCHEME_TABLE, Scheme, make_integrator
from ..timestepping.steppers import choose_stepper
from ..timestepping.system import System

# Largest grid whose stationary state is solved for, without detailed balance, to judge the grid.
SOLVED_CELLS = 100_000


def explain(case: Case) -> str:
    """Text of ``fokkerplanck check``: grid, noise, detailed balance, stepper, memory, time."""
    case.problem.check(case.grid)
    check_seams(case.problem, case.grid)
    require_room(case)
    require_disk(case, Path("runs") / case.name / f"{case.name}.h5")
    grid, problem = case.grid, case.problem
    edge = [("caution", text) for text in stability_caution(problem, grid)]
    if problem.jumps is not None:
        return _table(_levy_lines(case) + edge)
    system = system_of(case)
    generator = system.at(0.0)
    rates, potential = generator.rates, system.potential
    lines = [
        *_grid_lines(case),
        ("anisotropy of Sigma", f"condition number up to {_condition(case):.3g}"),
        ("lattice offsets", f"{len(rates.offsets)}, reaching over {rates.reach} cells"),
        ("cell Peclet number", f"up to {_peclet(system):.3g}"),
        (
            "detailed balance",
            ("yes: " if generator.detailed_balance else "no: ") + potential.reason,
        ),
    ]
    scheme, why = SCHEME_TABLE["scharfetter-gummel"], ""
    if case.density is not None and case.control is None:
        scheme, why = scheme_of(case, system)
    lines.append(("scheme", f"{scheme.name} ({scheme.summary})" + (f": {why}" if why else "")))
    if any(problem.noiseless):
        still = [name for name, flag in zip(grid.names, problem.noiseless, strict=True) if flag]
        how = "along characteristics" if scheme.name == "semi-lagrangian" else "upwind, order 1"
        lines.append(("without noise", f"{', '.join(still)}: {how}"))
    if case.stationary is not None:
        how = (
            "Gibbs state at the cell centres"
            if generator.detailed_balance
            else "rest state of the steps, by GMRES"
            if scheme.name == "semi-lagrangian"
            else "null vector of the generator, by multilevel aggregation"
            + (", improved to order 6" if scheme.order > 2 else "")
        )
        lines.append(
            ("stationary state", f"{how}; with currents, minima, loops, the balance of drift")
        )
    if case.spectrum is not None:
        lines.append(("spectrum", f"{case.spectrum.count} modes: {spectrum_method(generator)}"))
    check_regions(case, generator)
    if case.passage is not None:
        lines += _passage(case)
    lines += _control(case) + _smoothing(case)
    if case.density is not None:
        lines += _steps(case, system, scheme)
    if problem.model is not None:
        lines.append(("gradient noise", _tail(case)))
    needed, available = memory_needed(case, len(rates.offsets)), memory_available()
    there = f" of {available / 2**30:.3g} GiB available" if available else ""
    lines.append(("memory", f"about {needed / 2**20:.3g} MiB{there}"))
    lines.append(("result file", f"up to about {disk_needed(case) / 2**20:.3g} MiB"))
    lines += _expected(case, system, scheme)
    lines += [("caution", text) for text in coefficient_cautions(problem, grid)]
    lines += edge
    if grid.domain.closed and system.autonomous:
        lines += [("caution", text) for text in _cautions(generator, case, scheme)]
    return _table(lines)


def _table(lines: list[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:{width}}  {text}" for name, text in lines)


def _control(case: Case) -> list[tuple[str, str]]:
    """What [control] asks for, once its problem and costs are known to fit."""
    if case.control is None or case.density is None:
        return []
    asked = case.control
    objective_of(case, initial_density(case))
    named = asked.schedule if isinstance(asked.schedule, str) else "the values given"
    what = f"{named}: u in (0, 1] times the {asked.of.replace('-', ' ')}'s largest noise"
    if asked.of == "learning-rate":
        what = f"{named}: u in (0, 1] times the learning rate"
    what += f", constant on {asked.intervals} intervals of {case.density.end / asked.intervals:.3g}"
    if asked.schedule == "optimal":
        what += "; L-BFGS-B on the exact gradient, from coarse grids to this one"
    if asked.feedback:
        what += "; best feedback by the HJB equation"
    return [("control", what)]


def _smoothing(case: Case) -> list[tuple[str, str]]:
    """What [smoothing] asks for."""
    if case.smoothing is None:
        return []
    gammas = ", ".join(f"{gamma:g}" for gamma in case.smoothing.gamma)
    betas = ", ".join(f"{beta:g}" for beta in case.smoothing.beta)
    beside = f", beside Phi~ at beta = {betas}" if betas else ""
    what = f"the loss smoothed by Gaussians, gamma = {gammas}{beside}; minima matched"
    return [("local entropy", what)]


def _grid_lines(case: Case) -> list[tuple[str, str]]:
    """What every case has: a name, parameters, cells and sides."""
    grid = case.grid
    return [
        ("case", f"{case.name}: {case.title}" if case.title else case.name),
        ("parameters", f"{grid.ndim} ({', '.join(grid.names)}), beta = {case.problem.beta:g}"),
        ("cells", " x ".join(str(n) for n in grid.shape) + f" = {grid.size:,}"),
        ("cell widths", ", ".join(f"{h:.4g}" for h in grid.spacing)),
        *((f"{axis.name} sides", " / ".join(axis.boundary)) for axis in grid.domain.axes),
    ]


def _levy_lines(case: Case) -> list[tuple[str, str]]:
    """What there is to say of heavy-tailed noise (51)."""
    grid, problem = case.grid, case.problem
    system = LevySystem(problem, grid)
    jumps = problem.jumps
    assert jumps is not None
    strengths = ", ".join(f"{strength:.5g}" for strength in sorted(set(jumps.strengths)))
    operator = (
        "power of the Laplacian with reflecting or periodic sides (spectral): jumps fold there"
        if system.fractional.closed
        else "fractional Laplacian of the lattice restricted to the box: jumps that leave are gone"
    )
    return [
        *_grid_lines(case),
        ("noise", f"alpha = {jumps.alpha:g}, {jumps.kind}, strength {strengths}"),
        ("jumps", operator),
        ("stepper", f"{LEVY.name} ({LEVY.summary})"),
        ("memory", f"about {memory_needed(case, 0) / 2**20:.3g} MiB"),
        *_expected(case, system),
    ]


def _tail(case: Case) -> str:
    """How heavy the tail of the samples' gradients is where the loss is smallest on the grid."""
    model, grid = case.problem.model, case.grid
    assert model is not None
    cell = np.unravel_index(int(np.argmin(case.problem.loss_at(grid.points))), grid.shape)
    place = np.array([centers[i] for centers, i in zip(grid.centers, cell, strict=True)])
    try:
        return gradient_tail(model, place).sentence
    except CaseError as error:
        return error.detail


def _passage(case: Case) -> list[tuple[str, str]]:
    """What [passage] asks for."""
    asked, lines = case.passage, []
    assert asked is not None
    if asked.target is not None:
        where = "the absorbing sides" if asked.target == "boundary" else asked.target
        what = "mean and deviation of the time, exit probabilities"
        if asked.source is not None:
            what += f", committor and transitions from {asked.source}"
        if asked.times is not None:
            what += f", densities of the time of arrival up to {asked.times[-1]:g}"
        how = "-A^T u = f by elimination without subtraction"
        if deficiency(case.problem, case.grid, (0.0,)):
            how += "; mean and deviation of the time by short steps, for want of noise"
        lines.append(("first passage", f"to {where}: {what}; {how}"))
    if asked.escape:
        lines.append(("escape", "wells of Phi~, times between them, Eyring-Kramers rates"))
    return lines


def _steps(case: Case, system: System, scheme: Scheme) -> list[tuple[str, str]]:
    """How the density moves on in time."""
    asked = case.density
    assert asked is not None
    if scheme.name in OWN_STEPS:
        _, name, how = make_integrator(scheme, asked.stepper, system, asked.times, asked.rtol)
        return [("stepper", f"{name}: {how}")]
    stepper, reason = choose_stepper(asked.stepper, system, asked.times)
    return [("stepper", f"{stepper.name} ({stepper.summary}): {reason}")]


def _expected(
    case: Case, system: System | LevySystem, scheme: Scheme | None = None
) -> list[tuple[str, str]]:
    """How long the case is expected to take, part by part."""
    parts = durations(case, system, scheme)
    if not parts:
        return []
    total = sum(parts.values())
    told = ", ".join(f"{name} {seconds:.2g} s" for name, seconds in parts.items())
    return [("expected time", f"about {total:.2g} s without compilation: {told}")]


def _condition(case: Case) -> float:
    """Largest ratio of the eigenvalues of Sigma on the axes with noise."""
    noisy = [i for i, still in enumerate(case.problem.noiseless) if not still]
    sigma = case.problem.constant_sigma
    if sigma is None:
        sigma = case.problem.sigma_at(case.grid.points)
    block = sigma[np.ix_(noisy, noisy)].reshape(len(noisy), len(noisy), -1)
    eigenvalues = np.linalg.eigvalsh(np.moveaxis(block, 2, 0))
    smallest = eigenvalues[:, 0]
    if not (smallest > 0.0).all():
        return np.inf
    return float((eigenvalues[:, -1] / smallest).max())


def _cautions(generator: Generator, case: Case, scheme: Scheme) -> list[str]:
    """About the stationary state, where it is cheap; or why there is none."""
    if not generator.detailed_balance and generator.grid.size > SOLVED_CELLS:
        return []
    try:
        # What the scheme high-order would add is not worth its time here.
        name = "scharfetter-gummel" if scheme.name == "high-order" else scheme.name
        rest = stationary(generator, case.problem, name)
    except (CaseError, NumericalFailure) as failure:
        return [f"no stationary density: {failure}"]
    covariance = moments(generator, rest.density)[1]
    return cautions(case.problem, generator, rest.density, covariance, scheme.order)


def _peclet(system: System) -> float:
    """Largest component of the thermodynamic force per cell, |gamma h|."""
    return float(np.abs(Force(system.problem, system.grid).gamma(system.grid.points)).max())
