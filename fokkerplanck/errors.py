"""The ways a run can go wrong; the command line turns each into one sentence and an exit status."""

from __future__ import annotations

from pathlib import Path

# A value of the input that stands in a sentence may be as long as it likes.
MAX_SENTENCE = 1000


class CaseError(ValueError):
    """Bad input: names the file, the key, the value and what is allowed.

    Parameters
    ----------
    detail : str
        One sentence with the value found and what is allowed.
    key : str, optional
        Dotted key of the case file, e.g. ``"noise.beta"``.
    file : path, optional
        The case file, where there is one.

    Examples
    --------
    >>> import fokkerplanck as fp
    >>> try:
    ...     problem = fp.Problem("x**2/2", beta=-1.0, domain={"x": (-4, 4)})
    ... except fp.CaseError as error:
    ...     print(error.key)
    noise.beta
    """

    def __init__(self, detail: str, key: str | None = None, file: str | Path | None = None):
        detail = one_line(detail)
        super().__init__(detail, key, file)
        self.detail = detail
        self.key = key
        self.file = file

    def __str__(self) -> str:
        place = [str(part) for part in (self.file, self.key) if part is not None]
        return one_line(": ".join([*place, self.detail]), 2 * MAX_SENTENCE)

    def in_file(self, file: str | Path) -> CaseError:
        """Return the same error with the case file named."""
        return CaseError(self.detail, self.key, file)


class StoreError(OSError):
    """A result file cannot be read, written or resumed.

    Examples
    --------
    >>> import fokkerplanck as fp
    >>> try:
    ...     result = fp.open_result("no_such_run.h5")
    ... except fp.StoreError as error:
    ...     print(error.file)
    no_such_run.h5
    """

    def __init__(self, detail: str, file: str | Path | None = None):
        detail = one_line(detail)
        super().__init__(detail)
        self.detail = detail
        self.file = file

    def __str__(self) -> str:
        return self.detail if self.file is None else f"{self.file}: {self.detail}"


class NumericalFailure(RuntimeError):
    """A solver could not keep its promise; ``advice`` says what to change.

    Examples
    --------
    >>> import fokkerplanck as fp
    >>> problem = fp.Problem("x**2/2", beta=2.0, domain={"x": (-6, 6)})
    >>> grid = problem.grid(64)
    >>> start = fp.gaussian_density(grid, [1.0], [[0.25]])
    >>> try:
    ...     path = fp.evolve(problem, grid, start, [0.0, 1e9], stepper="explicit")
    ... except fp.NumericalFailure:
    ...     print("too many steps")
    too many steps
    """

    def __init__(self, detail: str, advice: str = ""):
        super().__init__(detail, advice)
        self.detail = detail
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.detail}; {self.advice}" if self.advice else self.detail


def one_line(text: str, most: int = MAX_SENTENCE) -> str:
    """Text without line breaks and control signs, cut in its middle where it is long.

    Names and values from a file could otherwise write anything to a terminal.
    """
    if len(text) > most:
        text = f"{text[: most - most // 3]} ... {text[-most // 3 :]}"
    return "".join(mark if mark.isprintable() else ascii(mark)[1:-1] for mark in text)


class CaseWarning(UserWarning):
    """A case that runs, but whose result needs to be read with care.

    Examples
    --------
    A script that must not go on after a warning turns warnings into errors:

    >>> import warnings
    >>> import fokkerplanck as fp
    >>> problem = fp.Problem("x**2/2", beta=2.0, domain={"x": (-1, 1)})
    >>> case = fp.make_case(problem, 64, density={"end": 1.0, "frames": 3})
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", fp.CaseWarning)
    ...     try:
    ...         result = fp.run(case)
    ...     except fp.CaseWarning:
    ...         print("the box is too small")
    the box is too small
    """
