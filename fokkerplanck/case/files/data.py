"""A CSV file becomes the data of a loss: columns of numbers, standardised on request."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...errors import CaseError
from ...problem import DataModel
from ...problem.expressions.names import nearest
from ..memory import Need, require_memory
from ..schema import ModelSection
from .sources import Sources
from .text import SEPARATORS, csv_rows

# What spreadsheets and statistics programs write where a value is missing.
MISSING = ("", "na", "n/a", "nan", "null", "none", "?")
# A column whose spread is below its rounding is constant.
CONSTANT = 16 * np.finfo(float).eps
CLASSES_SHOWN = 5
# Memory of a table while it is read: copies of its text, with up to four bytes per sign, and cells
# as Python's strings in lists, twice.
TABLE_SHARE = 6
CELL_BYTES = 200


@dataclass(frozen=True)
class CsvTable:
    """A CSV file as text.

    Parameters
    ----------
    name : str
        The file as the case names it, for messages.
    header : tuple of str
        Column names.
    rows : tuple of tuples of str
        Cells without the blanks around them.
    lines : tuple of int
        Line of the file on which each row ends.
    """

    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]

    def column(self, name: str, key: str) -> list[str]:
        """Cells of one column.

        Raises
        ------
        CaseError
            If there is no such column, or a cell is empty or NaN.
        """
        if name not in self.header:
            raise CaseError(
                f"{name!r} is no column of {self.name}; {nearest(name, self.header)}", key
            )
        index = self.header.index(name)
        cells = [row[index] for row in self.rows]
        for number, cell in enumerate(cells):
            if cell.lower() in MISSING:
                found = f"is {cell}" if cell else "is empty"
                raise CaseError(
                    f"{name} {found} in {self.place(number)}; a number is needed there, so fill "
                    "it or take the row out",
                    key,
                )
        return cells

    def numbers(self, name: str, key: str) -> np.ndarray:
        """One column as finite numbers, shape (n,).

        Raises
        ------
        CaseError
            As :meth:`column`, and for text and infinite values.
        """
        values = []
        for number, cell in enumerate(self.column(name, key)):
            value = _number(cell)
            if value is None or not math.isfinite(value):
                what = "a number" if value is None else "a finite number"
                raise CaseError(f"{name} is {cell!r} in {self.place(number)}, not {what}", key)
            values.append(value)
        return np.array(values)

    def place(self, row: int) -> str:
        """Words for the row of that index."""
        return f"row {row + 1} of {self.name} (line {self.lines[row]})"


def read_model(section: ModelSection, sources: Sources) -> DataModel:
    """Model of a case with its data.

    Parameters
    ----------
    section : ModelSection
    sources : Sources
        Where the data are.

    Returns
    -------
    DataModel
        Columns in the order of ``features``, then the ones of the intercept. With ``standardise``
        each feature, and the target unless it is a class, has mean 0 and variance 1 (with 1/n).

    Raises
    ------
    CaseError
        With a key below ``loss``: the file, a column or a cell that cannot be used, a constant
        column to be standardised, or too few rows.
    """
    table = read_table(section.data, sources)
    columns = []
    for index, name in enumerate(section.features):
        key = f"loss.features[{index}]"
        values = table.numbers(name, key)
        columns.append(_standardised(values, name, table.name, key, section))
    if section.model == "logistic_regression":
        targets = _classes(table, section)
    else:
        values = table.numbers(section.target, "loss.target")
        targets = _standardised(values, section.target, table.name, "loss.target", section)
    if section.intercept:
        columns.append(np.ones(len(targets)))
    names = [*section.features, *(["intercept"] if section.intercept else [])]
    if section.model == "tanh_neuron":
        names = ["a", "w", *(["b"] if section.intercept else [])]
    return DataModel(
        section.model, np.stack(columns, axis=1), targets, l2=section.l2, names=tuple(names)
    )


def read_table(name: str, sources: Sources) -> CsvTable:
    """Read a CSV file: a line with the column names, then one line per sample.

    The separator is the comma, semicolon or tab that the first line has most of. Empty lines are
    passed over.

    Raises
    ------
    CaseError
        With the key ``loss.data``.
    """
    key = "loss.data"
    text = sources.text(name, key)
    cells = sum(map(text.count, SEPARATORS)) + text.count("\n")
    words = f"{cells} cells of {name}"
    require_memory([Need(key, words, TABLE_SHARE * len(text) + CELL_BYTES * cells)])
    try:
        filled = csv_rows(text)
    except csv.Error as error:
        raise CaseError(f"{sources.folder / name} is not a CSV file: {error}", key) from None
    if len(filled) < 2:
        raise CaseError(
            f"{name} has no rows; the first line names the columns, and the samples follow", key
        )
    header = filled[0][1]
    _check_header(header, name)
    for number, (line, row) in enumerate(filled[1:], 1):
        if len(row) != len(header):
            raise CaseError(
                f"row {number} of {name} (line {line}) has {len(row)} cells, and there are "
                f"{len(header)} columns",
                key,
            )
    rows, ends = tuple(row for _, row in filled[1:]), tuple(line for line, _ in filled[1:])
    return CsvTable(name, header, rows, ends)


def _check_header(header: tuple[str, ...], name: str) -> None:
    if all(_number(cell) is not None for cell in header):
        raise CaseError(
            f"the first line of {name} holds numbers; it must name the columns", "loss.data"
        )
    for index, cell in enumerate(header):
        if cell and cell in header[:index]:
            raise CaseError(f"{name} has two columns named {cell!r}", "loss.data")


def _number(cell: str) -> float | None:
    # Python reads 1_000 as a number, a CSV file does not mean it.
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def _standardised(
    values: np.ndarray, name: str, file: str, key: str, section: ModelSection
) -> np.ndarray:
    if not section.standardise:
        return values
    # Scaled first: squares of very large or small numbers leave the range of doubles.
    largest = float(np.abs(values).max()) or 1.0
    scaled = values / largest
    spread = float(scaled.std())
    if not spread > CONSTANT:
        raise CaseError(
            f"{name} is {values[0]:g} in every row of {file} and cannot be standardised; leave it "
            "out, or set standardise = false",
            key,
        )
    result: np.ndarray = (scaled - scaled.mean()) / spread
    return result


def _classes(table: CsvTable, section: ModelSection) -> np.ndarray:
    """1 where the target is ``positive``, 0 elsewhere; without it the column holds 0 and 1."""
    key = "loss.target"
    cells = table.column(section.target, key)
    if section.positive is None:
        return _zeros_and_ones(cells, table, section.target)
    positive = section.positive
    matches: Callable[[str], bool] = lambda cell: cell == positive  # noqa: E731
    if isinstance(positive, float):
        matches = lambda cell: _number(cell) == positive  # noqa: E731
    result = np.array([float(matches(cell)) for cell in cells])
    if result.min() == result.max():
        shown = f"{positive:g}" if isinstance(positive, float) else repr(positive)
        share = "every" if result.max() else "no"
        raise CaseError(
            f"{section.target} is {shown} in {share} row of {table.name}; two classes are needed, "
            f"and there {_listed(cells)}",
            "loss.positive",
        )
    return result


def _zeros_and_ones(cells: list[str], table: CsvTable, target: str) -> np.ndarray:
    values = [_number(cell) for cell in cells]
    for number, (cell, value) in enumerate(zip(cells, values, strict=True)):
        if value not in (0.0, 1.0):
            raise CaseError(
                f"{target} is {cell!r} in {table.place(number)}, neither 0 nor 1; say with "
                f"positive which value is 1, where there {_listed(cells)}",
                "loss.target",
            )
    return np.array(values, dtype=float)


def _listed(cells: list[str]) -> str:
    """Half sentence with the classes of a column."""
    classes = list(dict.fromkeys(cells))
    shown = ", ".join(classes[:CLASSES_SHOWN]) + (", ..." if len(classes) > CLASSES_SHOWN else "")
    return f"is only {shown}" if len(classes) == 1 else f"are {shown}"
