"""Formulas: what they mean, what their derivatives are, and what they may not say."""

from __future__ import annotations

import ast
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fokkerplanck.errors import CaseError
from fokkerplanck.problem.callables import CallableField
from fokkerplanck.problem.expressions.field import FormulaField
from fokkerplanck.problem.expressions.formula import number, parse, parse_condition, read_parameters
from fokkerplanck.problem.expressions.names import Names, check_name

NAMES = Names(("x", "y"), {"k": 2.5, "beta": 4.0}, time=True)


def field(text: str, names: Names = NAMES) -> FormulaField:
    return FormulaField((parse(text, names, "loss.formula"),), (), names.symbols, "loss.formula")


X = np.array([-1.7, -0.4, 0.3, 1.2, 2.6])
Y = np.array([0.6, -1.1, 0.25, 2.2, -0.7])
T = 0.9


@pytest.mark.parametrize(
    ("text", "value", "by_x", "by_y"),
    [
        ("0.5*k*x**2 + y", 1.25 * X**2 + Y, 2.5 * X, 1 + 0 * X),
        ("x**3*y - 2/(1 + y**2)", X**3 * Y - 2 / (1 + Y**2),
         3 * X**2 * Y, X**3 + 4 * Y / (1 + Y**2) ** 2),
        ("exp(-x*y)", np.exp(-X * Y), -Y * np.exp(-X * Y), -X * np.exp(-X * Y)),
        ("e**x", np.exp(X), np.exp(X), 0 * X),
        ("sin(pi*x)*cos(t*y)", np.sin(np.pi * X) * np.cos(T * Y),
         np.pi * np.cos(np.pi * X) * np.cos(T * Y), -T * np.sin(np.pi * X) * np.sin(T * Y)),
        ("abs(x)", np.abs(X), np.sign(X), 0 * X),
        ("sqrt(x**2)", np.abs(X), np.sign(X), 0 * X),
        ("min(x, y)", np.minimum(X, Y), 1.0 * (X < Y), 1.0 * (Y < X)),
        ("max(x, y, 1)", np.maximum(np.maximum(X, Y), 1),
         1.0 * ((X > Y) & (X > 1)), 1.0 * ((Y > X) & (Y > 1))),
        ("atan2(y, x)", np.arctan2(Y, X), -Y / (X**2 + Y**2), X / (X**2 + Y**2)),
        ("heaviside(x)*x**2", (X > 0) * X**2, 2 * (X > 0) * X, 0 * X),
        ("where(x > 0 and not y > 1, x*y, -x)", np.where((X > 0) & (Y <= 1), X * Y, -X),
         np.where((X > 0) & (Y <= 1), Y, -1), np.where((X > 0) & (Y <= 1), X, 0)),
        ("where(0 <= x < 2 or k < 1, 1, y)", np.where((X >= 0) & (X < 2), 1, Y), 0 * X,
         np.where((X >= 0) & (X < 2), 0.0, 1.0)),
        ("where(k > 2, x, y)", X, 1 + 0 * X, 0 * X),
        ("tanh(x) + atan(y)", np.tanh(X) + np.arctan(Y), 1 / np.cosh(X) ** 2, 1 / (1 + Y**2)),
        ("erf(x)", [math.erf(x) for x in X], 2 / math.sqrt(math.pi) * np.exp(-X**2), 0 * X),
        ("log(1 + x**2)/beta", np.log(1 + X**2) / 4, X / 2 / (1 + X**2), 0 * X),
        ("-x**2", -X**2, -2 * X, 0 * X),
        ("2**-x", 2.0**-X, -math.log(2) * 2.0**-X, 0 * X),
        ("floor(x) + sign(y)", np.floor(X) + np.sign(Y), 0 * X, 0 * X),
        ("3.0000000000000004*x", 3.0000000000000004 * X, 3.0000000000000004 + 0 * X, 0 * X),
        ("7", 7 + 0 * X, 0 * X, 0 * X),
    ],
)  # fmt: skip
def test_values_and_derivatives_by_hand(text, value, by_x, by_y):
    formula = field(text)
    np.testing.assert_allclose(formula((X, Y), T), value, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(formula.gradient()((X, Y), T), [by_x, by_y], rtol=1e-13, atol=1e-14)


def test_derivatives_stay_exact_numbers():
    gradient = field("0.5*x**2 + 0.1*y").gradient()
    assert [str(entry) for entry in gradient.expressions] == ["x", "1/10"]
    assert field("0.3*x**2").hessian().expressions[1] == 0


def test_numbers_keep_all_their_digits():
    rng = np.random.default_rng(90127)
    for value in rng.standard_normal(50) * 10.0 ** rng.integers(-200, 200, 50):
        assert field(f"{float(value)!r}*x")((1.0, 0.0)) == value


def test_results_have_the_full_shape_and_are_double():
    open_mesh = (np.arange(3).reshape(3, 1), np.arange(4).reshape(1, 4))
    for text in ("x", "1", "x*y"):
        result = field(text)(open_mesh)
        assert result.shape == (3, 4)
        assert result.dtype == np.float64
        assert field(text).hessian()(open_mesh).shape == (2, 2, 3, 4)
    assert field("x*y")((2, 3)).shape == ()


def test_singular_points_give_nan_or_inf_in_silence():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = field("log(x) + 1/(y*t)")((np.array([-1.0, 1.0]), np.array([1.0, 1.0])), 0.0)
        assert np.isnan(values[0])
        assert np.isinf(values[1])


def test_axis_names_cannot_meet_names_of_the_generated_code():
    names = Names(("x0", "numpy", "cos_"))
    values = field("x0*cos(numpy*x0) + cos(numpy*x0)**2 + cos_", names)((0.3, 0.7, 2.0))
    c = math.cos(0.21)
    assert values == pytest.approx(0.3 * c + c**2 + 2, rel=1e-15)


def test_long_sums_and_line_breaks():
    assert field("+".join(["x"] * 500))((2.0, 0.0)) == 1000.0
    assert field("x\n  + 1\n")((2.0, 0.0)) == 3.0


def test_condition_is_one_or_zero():
    condition = parse_condition("x > 0 and x**2 + y**2 <= 4", NAMES)
    values = FormulaField((condition,), (), NAMES.symbols, "passage.target")((X, Y))
    np.testing.assert_array_equal(values, (X > 0) & (X**2 + Y**2 <= 4))
    with pytest.raises(CaseError, match="a condition such as x > 0 is expected"):
        parse_condition("x + y", NAMES)


# --- random formulas against a tree walk ------------------------------------------------------

LEAVES = st.one_of(
    st.sampled_from(["x", "y", "k", "t"]).map(lambda name: ast.Name(name, ast.Load())),
    st.sampled_from([0, 1, 2, 0.5, 0.1, 1.7, 3.25e-1, 1 / 3]).map(ast.Constant),
)


def grow(children):
    binary = st.builds(
        ast.BinOp, children, st.sampled_from([ast.Add(), ast.Sub(), ast.Mult()]), children
    )
    power = st.builds(
        lambda base, n: ast.BinOp(base, ast.Pow(), ast.Constant(n)), children, st.integers(0, 3)
    )
    negative = children.map(lambda node: ast.UnaryOp(ast.USub(), node))
    one = st.builds(
        lambda name, node: ast.Call(ast.Name(name, ast.Load()), [node], []),
        st.sampled_from(["sin", "cos", "tanh", "abs", "atan"]),
        children,
    )
    two = st.builds(
        lambda name, a, b: ast.Call(ast.Name(name, ast.Load()), [a, b], []),
        st.sampled_from(["min", "max"]),
        children,
        children,
    )
    return st.one_of(binary, power, negative, one, two)


TREES = st.recursive(LEAVES, grow, max_leaves=12)
VALUES = {"x": X, "y": Y, "k": 2.5, "t": T}
TWINS = {
    "sin": np.sin, "cos": np.cos, "tanh": np.tanh, "abs": np.abs, "atan": np.arctan,
    "min": np.minimum, "max": np.maximum,
}  # fmt: skip


def walk(node: ast.expr) -> tuple[np.ndarray, np.ndarray]:
    """Value, and a size that rounding errors are relative to (every slope here is at most 1)."""
    if isinstance(node, ast.Constant | ast.Name):
        value = node.value if isinstance(node, ast.Constant) else VALUES[node.id]
        value = np.broadcast_to(np.asarray(value, dtype=float), X.shape)
        return value, 1 + np.abs(value)
    if isinstance(node, ast.UnaryOp):
        value, size = walk(node.operand)
        return -value, size
    if isinstance(node, ast.Call):
        parts = [walk(argument) for argument in node.args]
        value = TWINS[node.func.id](*(part[0] for part in parts))
        return value, 1 + sum(part[1] for part in parts)
    (a, size_a), (b, size_b) = walk(node.left), walk(node.right)
    if isinstance(node.op, ast.Pow):
        return a**b, (1 + size_a) ** b
    if isinstance(node.op, ast.Mult):
        return a * b, size_a * size_b
    return (a + b if isinstance(node.op, ast.Add) else a - b), size_a + size_b


@settings(max_examples=150, deadline=None)
@given(TREES)
def test_random_formulas_equal_their_tree_walk(tree):
    text = ast.unparse(ast.fix_missing_locations(ast.Expression(tree)))
    value, size = walk(tree)
    assert np.all(np.abs(field(text)((X, Y), T) - value) <= 1e-13 * size)


SMOOTH = st.recursive(
    st.sampled_from(["x", "y", "0.7", "k"]),
    lambda inner: st.one_of(
        st.builds("({} + {})".format, inner, inner),
        st.builds("({} * {})".format, inner, inner),
        st.builds("sin({})".format, inner),
        st.builds("exp(-({})**2)".format, inner),
        st.builds("1/(3 + sin({}))".format, inner),
    ),
    max_leaves=5,
)


@settings(max_examples=25, deadline=None)
@given(SMOOTH)
def test_exact_derivatives_agree_with_differences(text):
    """The differences belong to another file and know nothing of sympy."""
    names = Names(("x", "y"), {"k": 2.5})
    formula = field(text, names)
    twin = CallableField(lambda x, y: formula((x, y)), (), (1.0, 1.0), "loss")
    points = (np.array([0.3, -0.8]), np.array([0.5, 0.1]))
    scale = 1 + np.abs(formula(points)).max()
    np.testing.assert_allclose(
        formula.gradient()(points), twin.gradient()(points), rtol=1e-9, atol=1e-9 * scale
    )
    np.testing.assert_allclose(
        formula.hessian()(points), twin.hessian()(points), rtol=1e-5, atol=1e-6 * scale
    )


# --- what is refused ----------------------------------------------------------------------------

REFUSED = {
    '__import__("os")': "not a known function",
    "__import__('os').system('true')": "dot after a name",
    "().__class__.__bases__[0]": "dot after a name|square brackets",
    'eval("1")': "not a known function",
    'exec("x")': "not a known function",
    'open("f")': "not a known function",
    "getattr(x, y)": "not a known function",
    "print(x)": "not a known function",
    "x.real": "dot after a name",
    "x.__class__": "dot after a name",
    "__builtins__": "is not known",
    "x[0]": "square brackets",
    "lambda: 1": "lambda",
    "(lambda x: x)(1)": "lambda",
    '"text"': "not a real number",
    'f"{x}"': "only numbers",
    "[x, y]": "list",
    "[i for i in x]": "only numbers",
    "{x}": "only numbers",
    "{x: y}": "only numbers",
    "x, y": "comma",
    "(x := 1)": "':='",
    "x = 1": "column 3",
    "x; y": "column 2",
    "import os": "column",
    "await x": "only numbers",
    "yield x": "column 1",
    "True": "not a real number",
    "None": "not a real number",
    "...": "not a real number",
    "2j": "not a real number",
    "x if x else y": "where",
    "x < y": "condition of where",
    "x and y": "only allowed in a condition",
    "not x": "only numbers",
    "~x": "only numbers",
    "x ^ 2": r"use \*\* for powers",
    "x @ y": "use \\* for products",
    "x % y": "remainder",
    "x // y": "floor",
    "x +": "column 4",
    "x # y": "comment",
    "2x": "column 1",
    "(x": "column 1",
    "  x y": "column 5",
    "": "nothing",
    " \n ": "nothing",
    "x\0y": "syntax|cannot be read",
    "z": "z is not known; known are x, y, t, k, beta, pi, e",
    "bета": "is not known",
    "betta": "did you mean beta",
    "sine(x)": "did you mean sin",
    "sin": r"write sin\(...\)",
    "x(2)": r"write x\*\(...\)",
    "2(x)": r"write \* for a product",
    "sin(x, y)": "1 argument.s., not 2",
    "atan2(x)": "2 argument.s., not 1",
    "max(x)": "at least 2",
    "sin(x=1)": "cannot have names",
    "sin(*x)": "before an argument",
    "sin(**x)": "cannot have names",
    "where(x, 1, 2)": "a condition such as",
    "where(x > 0, 1)": "3 arguments",
    "where(x == 0, 1, 2)": "one of <",
    "x/0": "divided by zero",
    "x/(1 - 1)": "divided by zero",
    "x/(y - y)": "divided by zero",
    "0**-1": "divided by zero",
    "sqrt(-1)": "not a finite real number",
    "sqrt(-x**2)": "not a finite real number",
    "log(0)": "not a finite real number",
    "(-8)**(1/3)": "not a real number",
    "(-1)**x": "not a real number",
    "exp(1000)": "not a finite real number",
    "9**9**9**9": "too large",
    "2**10**10*x": "too large",
    "(2*x)**(10**9)": "too large",
    "((2*x)**1000)**1000": "too large",
    "exp(1e9*log(2*x))": "too large",
    "exp(y + 1e9*log(2*x))": "too large",
    "e**(1e9*log(2*x))": "too large",
    "pi**1000": "too large",
    "x**1e300": "too large",
    "1e400": "too large",
    "9" * 2000: "too many digits",
    "x" * 10_001: "10001 characters",
    "sin(" * 120 + "x" + ")" * 120: "nested too deep",
    "-" * 120 + "x": "nested too deep",
    "-" * 9000 + "x": "nested too deep",
    "(" * 250 + "x" + ")" * 250: "column|nested too deep",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:24])
def test_refused_with_one_sentence_and_the_key(text):
    with pytest.raises(CaseError, match=REFUSED[text]) as caught:
        parse(text, NAMES, "loss.formula")
    assert caught.value.key == "loss.formula"
    assert "\n" not in caught.value.detail


def test_numbers_beyond_double_are_refused_before_numpy_sees_them():
    with pytest.raises(CaseError, match="too large"):
        field("1e6*" * 100 + "x")((1.0, 1.0))


def test_a_formula_must_be_text():
    with pytest.raises(CaseError, match="is not a formula"):
        parse(3, NAMES, "loss.formula")


def test_number_from_number_or_formula():
    assert number(3, {}) == 3.0
    assert number(np.float32(0.5), {}) == 0.5
    assert number("2*k + sqrt(4)", {"k": 1.5}) == 5.0
    assert number("where(k > 1, 7, 8)", {"k": 1.5}) == 7.0
    for bad in (True, None, "x", [1], math.nan, math.inf, 10**400):
        with pytest.raises(CaseError, match="is not"):
            number(bad, {}, "noise.beta")


def test_parameters_may_use_those_before_them():
    assert read_parameters({"a": 2, "b": "a**2", "c": "a*b"}) == {"a": 2.0, "b": 4.0, "c": 8.0}
    with pytest.raises(CaseError, match="b is not known") as caught:
        read_parameters({"a": "b", "b": 1})
    assert caught.value.key == "parameters.a"


@pytest.mark.parametrize(
    "name", ["beta", "t", "pi", "e", "sin", "where", "lambda", "2a", "a b", "ｘ"]
)
def test_names_with_a_meaning_are_taken(name):
    with pytest.raises(CaseError, match=r"another name|cannot be a name"):
        check_name(name, f"parameters.{name}")


def test_parameter_cannot_be_an_axis():
    with pytest.raises(CaseError, match="name of an axis"):
        read_parameters({"x": 1}, ("x", "y"))
