"""Several Python threads at once, each layer of numba's threads, and processes that are forked."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.figures import style
from fokkerplanck.high_order.high_order import high_order
from fokkerplanck.particles.codegen import module
from fokkerplanck.runtime import interrupts
from fokkerplanck.runtime.silence import ignoring
from fokkerplanck.timestepping.initial import gaussian_density

ROOT = Path(__file__).resolve().parents[1]
COMPILED = not getattr(numba.config, "DISABLE_JIT", 0)


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """What the calls return, each in a thread of its own; errors are raised here."""
    found: list[Any] = [None] * len(calls)
    together = threading.Barrier(len(calls))

    def one(number: int, call: Callable[[], Any]) -> None:
        together.wait()
        try:
            found[number] = call()
        except BaseException as error:
            found[number] = error

    threads = [threading.Thread(target=one, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in found:
        if isinstance(result, BaseException):
            raise result
    return found


def problem(turn: float, sigma: Any = ((1, 0.5), (0.5, 1)), beta: float = 2.0) -> fp.Problem:
    return fp.Problem(
        loss="0.5*(x**2 + y**2) + 0.3*x*y",
        sigma=[list(row) for row in sigma],
        beta=beta,
        domain={"x": (-5, 5), "y": (-5, 5)},
        drift=[f"-{turn}*y", f"{turn}*x"],
    )


def evolved(of: fp.Problem, cells: int, **options: Any) -> Callable[[], np.ndarray]:
    def solve() -> np.ndarray:
        grid = of.grid(cells)
        start = gaussian_density(grid, [1, 0], [[0.16, 0], [0, 0.16]])
        path = fp.evolve(of, grid, start, [0, 0.1, 0.2], **options)
        return np.asarray(path.density[-1])

    return solve


def walked(of: fp.Problem) -> Callable[[], np.ndarray]:
    def solve() -> np.ndarray:
        grid = of.grid(16)
        start = gaussian_density(grid, [1, 0], [[0.16, 0], [0, 0.16]])
        found = fp.ensemble(
            of, grid, start, [0.0, 0.1], method="weak-2", particles=2000, seed=7, step=0.02
        )
        return np.asarray(found.counts[-1])

    return solve


def at_rest(of: fp.Problem) -> Callable[[], np.ndarray]:
    def solve() -> np.ndarray:
        return np.asarray(fp.stationary(fp.generator(of, of.grid(24))).density)

    return solve


def passed(of: fp.Problem) -> Callable[[], np.ndarray]:
    def solve() -> np.ndarray:
        found = fp.passage(fp.generator(of, of.grid(24)), "x > 2")
        return np.asarray(found.mean_time)

    return solve


VARYING = (("1 + 0.1*x**2", 0.5), (0.5, 1))
TOGETHER = {
    "one scheme, equal shapes": [
        evolved(problem(turn, beta=beta), 80, scheme="high-order")
        for turn, beta in ((1.0, 2.0), (1.0, 3.0), (0.5, 2.0), (1.0, 2.0))
    ],
    "schemes and steppers": [
        evolved(problem(1.0, VARYING), 40, scheme="high-order"),
        evolved(problem(1.0, VARYING), 40, scheme="scharfetter-gummel"),
        evolved(problem(1.0, VARYING), 12, stepper="implicit", rtol=3e-2),
        evolved(problem(0.5, VARYING), 12, stepper="split", rtol=1e-2),
    ],
    "analyses and walkers": [
        at_rest(problem(1.0)),
        passed(problem(0.5)),
        walked(problem(1.0)),
        walked(problem(1.0, VARYING)),
    ],
}


@pytest.mark.parametrize("calls", TOGETHER.values(), ids=TOGETHER)
def test_threads_give_the_bits_of_each_alone(calls: list[Callable[[], np.ndarray]]) -> None:
    alone = [call() for call in calls]
    for found, expected in zip(at_once(calls), alone, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_one_operator_serves_several_threads() -> None:
    of = problem(1.0, VARYING)
    grid = of.grid(80)
    operator, generator = high_order(of, grid), fp.generator(of, grid)
    densities = [gaussian_density(grid, [k, 0], 0.2 * np.eye(2)) for k in range(4)]

    def products(density: np.ndarray) -> list[np.ndarray]:
        found = []
        for _ in range(10):
            found += [generator.matvec(density), operator.matvec(density)]
            found += operator.face_fluxes(density)
        return found

    alone = [products(density) for density in densities]
    together = at_once([lambda density=density: products(density) for density in densities])
    for found, expected in zip(together, alone, strict=True):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_module_of_kernels_is_met_whole() -> None:
    fields = f"# {os.getpid()}\n"

    def names() -> int:
        return len(vars(module.kernels_of(fields)))

    found = at_once([names] * 4)
    assert found == [names()] * 4


def test_kernels_for_several_threads_are_started_by_one_door() -> None:
    where = [
        path.name
        for path in (ROOT / "fokkerplanck").rglob("*.py")
        if "parallel=True" in path.read_text(encoding="utf-8")
    ]
    assert where == ["threads.py"]


SCRIPT = """
import threading
import numpy as np
import numba
import fokkerplanck as fp
from fokkerplanck import gaussian_density

def solve():
    problem = fp.Problem(loss="0.5*(x**2 + y**2)", sigma=[[1, 0.5], [0.5, 1]], beta=2.0,
                         domain={"x": (-5, 5), "y": (-5, 5)}, drift=["-y", "x"])
    grid = problem.grid(48)
    start = gaussian_density(grid, [1, 0], 0.16 * np.eye(2))
    return fp.evolve(problem, grid, start, [0, 0.05], scheme="high-order").density.values[-1]
"""
TWO_THREADS = (
    SCRIPT
    + """
found = []
def many():
    for _ in range(5):
        found.append(solve())
threads = [threading.Thread(target=many) for _ in range(2)]
[one.start() for one in threads]
[one.join() for one in threads]
print(numba.threading_layer(), len(found), all((one == found[0]).all() for one in found))
"""
)
FORKED = (
    SCRIPT
    + """
import os
solve()
child = os.fork()
if child == 0:
    try:
        solve()
        os._exit(0)
    except fp.NumericalFailure as failure:
        print("spawn" in str(failure), "NUMBA_THREADING_LAYER" in str(failure), flush=True)
        os._exit(7)
print(numba.threading_layer(), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
)


def output(code: str, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.skipif(not COMPILED, reason="there are no kernels")
def test_two_threads_under_a_layer_for_one() -> None:
    found = output(TWO_THREADS, NUMBA_THREADING_LAYER="workqueue")
    assert found == ["workqueue", "10", "True"]


@pytest.mark.skipif(not (COMPILED and sys.platform == "linux"), reason="no GNU OpenMP")
def test_a_fork_after_a_run_says_what_to_do() -> None:
    found = output(FORKED)
    if found[-2] != "omp":
        pytest.skip(f"the threading layer is {found[-2]}")
    assert found == ["True", "True", "omp", "7"]


@pytest.mark.skipif(not (COMPILED and hasattr(os, "fork")), reason="no forks")
def test_a_fork_goes_on_where_the_layer_allows_it() -> None:
    assert output(FORKED, NUMBA_THREADING_LAYER="workqueue") == ["workqueue", "0"]


def test_a_shield_in_another_thread_leaves_interrupts_alone() -> None:
    entered, leave = threading.Event(), threading.Event()

    def write() -> None:
        with interrupts.shielded():
            entered.set()
            leave.wait()

    thread = threading.Thread(target=write)
    thread.start()
    entered.wait()
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupts.interrupt()
    finally:
        leave.set()
        thread.join()


def test_figures_are_drawn_in_one_thread_at_a_time() -> None:
    with style.house_style():
        assert at_once([lambda: style._drawing.acquire(blocking=False)]) == [False]


def test_warnings_of_others_are_ignored_and_no_more() -> None:
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        with ignoring(UserWarning, module="elsewhere"):
            warnings.warn_explicit("hidden", UserWarning, "elsewhere.py", 1, module="elsewhere")
            warnings.warn_explicit("shown", UserWarning, "here.py", 1, module="here")
        warnings.warn_explicit("again", UserWarning, "elsewhere.py", 1, module="elsewhere")
    assert [str(one.message) for one in given] == ["shown", "again"]
