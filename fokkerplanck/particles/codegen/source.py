"""Source text of a problem's fields, in place of those of `fields`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from textwrap import indent

from ...errors import CaseError
from ...problem import Problem
from ...problem.expressions.field import Field, FormulaField
from .formulas import Numbers, assignments
from .samples import sample_lines

Lines = list[str]


def fields_source(problem: Problem, *, batches: bool, lagged: bool, numbers: Numbers) -> str:
    """Text of the functions that the kernels of a method call.

    Parameters
    ----------
    problem : Problem
    batches : bool
        Whether the gradient is that of mini-batches; else drift and Sigma are those of (39).
    lagged : bool
        Whether places are shown with noise to come.
    numbers : Numbers
        Gains the numbers that the text refers to.

    Raises
    ------
    CaseError
        Where a part of the problem is a Python function, which cannot be compiled.
    """
    parts = [_landscape(problem, numbers)]
    variable = False
    if batches:
        parts.append(_batch_gradient(problem, numbers))
    else:
        parts.append(_drift(problem, numbers))
        variable = problem.constant_sigma is None
        if variable:
            parts.append(_sigma(problem, numbers))
    extra = batches and problem.has_drift
    if extra:
        parts.append(_force(problem, numbers))
    flags = f"VARIABLE_SIGMA = {variable}\nEXTRA_FORCE = {extra}\n"
    flags += f"LAGGED = {lagged}\n"
    return "\n\n".join([flags, *parts])


def _free(problem: Problem) -> int:
    return problem.ndim if problem.friction is None else problem.ndim // 2


def _formula(field: Field, key: str, what: str) -> FormulaField:
    if not isinstance(field, FormulaField):
        raise CaseError(
            f"{what} is a Python function, which walkers cannot use; give a formula", key
        )
    return field


def _gradient(problem: Problem) -> FormulaField:
    """Formulas of grad Phi."""
    if "gradient" in problem.coefficients.given:
        raise CaseError("the gradient is a Python function; give the loss as a formula", "loss")
    return _formula(problem.coefficients.loss, problem.loss_key, "the loss").gradient()


def _landscape(problem: Problem, numbers: Numbers) -> str:
    """landscape(x, t, c, data, loss, gradient)."""
    free = _free(problem)
    arguments = "x, t, c, data, loss, gradient"
    targets = [f"gradient{a}[i]" for a in range(free)]
    if problem.model is not None:
        body = _over_samples(problem, numbers, "gradient", "loss")
        return _function("landscape", arguments, problem.ndim, body, {"gradient": free})
    field = _gradient(problem)
    loss = _formula(problem.coefficients.loss, problem.loss_key, "the loss")
    lines = assignments(
        [*loss.expressions, *field.expressions],
        ["loss[i]", *targets],
        field.symbols,
        numbers,
        problem.loss_key,
    )
    return _function("landscape", arguments, problem.ndim, _loop(free, lines), {"gradient": free})


def _drift(problem: Problem, numbers: Numbers) -> str:
    """drift(x, t, c, data, out): -grad Phi + f, and with friction the velocities' part."""
    free, d = _free(problem), problem.ndim
    first = d - free
    lines: Lines = []
    body: Lines = []
    extra = _extra(problem)
    key = problem.loss_key
    if problem.model is not None:
        body = _over_samples(problem, numbers, "out", None, first)
        lines += [f"s{a} = -out{first + a}[i]" for a in range(free)]
        if extra is not None:
            names = [f"e{a}" for a in range(free)]
            lines += assignments(extra.expressions, names, extra.symbols, numbers, "drift.formula")
            lines += [f"s{a} += e{a}" for a in range(free)]
    else:
        field = _gradient(problem)
        total = [-entry for entry in field.expressions]
        if extra is not None:
            total = [one + two for one, two in zip(total, extra.expressions, strict=True)]
        lines += assignments(total, [f"s{a}" for a in range(free)], field.symbols, numbers, key)
    if problem.friction is not None:
        gamma = numbers.name(problem.friction)
        lines += [f"out{a}[i] = p{free + a}" for a in range(free)]
        lines += [f"s{a} -= {gamma} * p{free + a}" for a in range(free)]
    lines += [f"out{first + a}[i] = s{a}" for a in range(free)]
    body += _loop(d, lines)
    return _function("drift", "x, t, c, data, out", d, body, {"out": d})


def _sigma(problem: Problem, numbers: Numbers) -> str:
    """sigma(x, t, c, data, out): the lower triangle, with friction of the velocities only."""
    free, d = _free(problem), problem.ndim
    shift = d - free
    rows = [
        ((a + shift) * (a + shift + 1) // 2 + b + shift, a, b)
        for a in range(free)
        for b in range(a + 1)
    ]
    factor = "" if problem.friction is None else f"{numbers.name(problem.friction)} * "
    body = ["out[:] = 0.0"] if shift else []
    triangle = d * (d + 1) // 2
    if isinstance(problem.coefficients.sigma, FormulaField):
        field = problem.coefficients.sigma
        entries = [field.expressions[a * free + b] for _, a, b in rows]
        names = [f"s{row}" for row, _, _ in rows]
        lines = assignments(entries, names, field.symbols, numbers, "noise.sigma")
        lines += [f"out{row}[i] = {factor}s{row}" for row, _, _ in rows]
        body += _loop(free, lines)
    elif problem.model is not None and problem._written[1] == "minibatch":
        body += _centred(problem, numbers, rows, factor)
    else:
        _formula(problem.coefficients.sigma, "noise.sigma", "Sigma")
    return _function("sigma", "x, t, c, data, out", d, body, {"out": triangle})


def _force(problem: Problem, numbers: Numbers) -> str:
    """force(x, t, c, out): the extra drift."""
    extra, free = _extra(problem), _free(problem)
    assert extra is not None
    names = [f"out{a}[i]" for a in range(free)]
    lines = assignments(extra.expressions, names, extra.symbols, numbers, "drift.formula")
    return _function("force", "x, t, c, out", problem.ndim, _loop(free, lines), {"out": free})


def _extra(problem: Problem) -> FormulaField | None:
    if problem.coefficients.drift is None:
        return None
    return _formula(problem.coefficients.drift, "drift.formula", "the drift")


def _batch_gradient(problem: Problem, numbers: Numbers) -> str:
    """batch_gradient(x, c, data, index, out): the mean over each walker's samples."""
    model, free = problem.model, _free(problem)
    assert model is not None
    columns, gradients, _, lines = sample_lines(model.kind, free)
    # Gathered first: with a gather in it, the loop over walkers would not become vector code.
    body = ["out[:] = 0.0", *_columns(columns)]
    body += [f"picked = np.empty(({len(columns)}, x.shape[1]))"]
    body += [f"{name}s = picked[{row}]" for row, name in enumerate(columns)]
    body += ["for j in range(index.shape[0]):", "    rows = index[j]"]
    gather = ["s = rows[i]", *(f"{name}s[i] = {name}_[s]" for name in columns)]
    inner = [*(f"{name} = {name}s[i]" for name in columns), *lines]
    inner += [f"out{a}[i] += {name}" for a, name in enumerate(gradients)]
    body += _indented(_loop(0, gather)) + _indented(_loop(free, inner))
    body += ["share = 1.0 / index.shape[0]"]
    body += _loop(free, _shared("out", free, 0, model.l2, numbers))
    arguments = "x, c, data, index, out"
    return _function("batch_gradient", arguments, problem.ndim, body, {"out": free})


def _over_samples(
    problem: Problem, numbers: Numbers, out: str, loss: str | None, first: int = 0
) -> Lines:
    """Gradient, and loss if named, over all samples into rows ``first`` and on of ``out``."""
    model, free = problem.model, _free(problem)
    assert model is not None
    columns, gradients, value, lines = sample_lines(model.kind, free, loss is not None)
    body = [f"{out}[:] = 0.0", *_columns(columns), *([f"{loss}[:] = 0.0"] if loss else [])]
    inner = [*lines, *(f"{out}{first + a}[i] += {name}" for a, name in enumerate(gradients))]
    if loss:
        inner.append(f"{loss}[i] += {value}")
    body += ["for s in range(data.shape[1]):", *_indented([f"{n} = {n}_[s]" for n in columns])]
    body += _indented(_loop(free, inner))
    body += ["share = 1.0 / data.shape[1]"]
    lines = _shared(out, free, first, model.l2, numbers)
    if loss:
        squares = " + ".join(f"p{a} * p{a}" for a in range(free))
        decay = f" + 0.5 * {numbers.name(model.l2)} * ({squares})" if model.l2 else ""
        lines.append(f"{loss}[i] = {loss}[i] * share{decay}")
    return body + _loop(free, lines)


def _centred(
    problem: Problem, numbers: Numbers, rows: Sequence[tuple[int, int, int]], factor: str
) -> Lines:
    """Covariance of the sample gradients: means first, so that a singular Sigma keeps its zeros."""
    model, free = problem.model, _free(problem)
    assert model is not None
    columns, gradients, _, lines = sample_lines(model.kind, free)
    body = [f"mean{a} = np.zeros(x.shape[1])" for a in range(free)]
    body += ["share = 1.0 / data.shape[1]", "out[:] = 0.0", *_columns(columns)]
    loads = _indented([f"{name} = {name}_[s]" for name in columns])
    body += ["for s in range(data.shape[1]):", *loads]
    body += _indented(
        _loop(free, [*lines, *(f"mean{a}[i] += {g} * share" for a, g in enumerate(gradients))])
    )
    body += ["for s in range(data.shape[1]):", *loads]
    inner = [*lines, *(f"{g} -= mean{a}[i]" for a, g in enumerate(gradients))]
    inner += [f"out{row}[i] += {gradients[a]} * {gradients[b]}" for row, a, b in rows]
    body += _indented(_loop(free, inner))
    ends = [f"out{row}[i] = {factor}out{row}[i] * share" for row, _, _ in rows]
    return body + _loop(0, ends)


def _shared(out: str, free: int, first: int, l2: float, numbers: Numbers) -> Lines:
    """Sums become means, and weight decay is added."""
    decay = f"{numbers.name(l2)} * " if l2 else ""
    return [
        f"{out}{first + a}[i] = {out}{first + a}[i] * share" + (f" + {decay}p{a}" if l2 else "")
        for a in range(free)
    ]


def _columns(names: Sequence[str]) -> Lines:
    return [f"{name}_ = data[{row}]" for row, name in enumerate(names)]


def _loop(axes: int, lines: Lines) -> Lines:
    """The lines for each walker i, with its coordinates p0 ... loaded."""
    loads = [f"p{a} = x{a}[i]" for a in range(axes)]
    return ["for i in range(x.shape[1]):", *_indented([*loads, *lines])]


def _indented(lines: Lines) -> Lines:
    return [indent(line, "    ") for line in lines]


def _function(name: str, arguments: str, d: int, body: Lines, rows: dict[str, int]) -> str:
    """A function with the rows of ``x`` and of its outputs, and the numbers it uses, as locals."""
    used = sorted({int(n) for n in re.findall(r"\bc(\d+)\b", "\n".join(body))})
    lines = [f"c{n} = c[{n}]" for n in used] + [f"x{a} = x[{a}]" for a in range(d)]
    for array, count in rows.items():
        lines += [f"{array}{a} = {array}[{a}]" for a in range(count)]
    return "\n".join([f"@inline\ndef {name}({arguments}):", *_indented([*lines, *body])]) + "\n"
