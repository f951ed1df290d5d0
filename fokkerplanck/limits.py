"""Largest sizes accepted from outside: case files, formulas, tables of data, result files.

Whoever sends a case or a result can ask for anything; what is beyond these sizes is refused in one
sentence that states the limit. They lie well above what a case needs: the largest formula of the
bundled cases has second derivatives of 1,600 parts. Memory and disk have no fixed limits, they are
compared with what the machine has (:mod:`~fokkerplanck.case.memory`).
"""

from __future__ import annotations

# Formulas. sympy takes up to a millisecond for each part of a derivative.
FORMULA_CHARACTERS = 10_000
FORMULA_OPERATIONS = 2_000
# Python's own recursion limit is 1000; one level of nesting takes up to four calls.
FORMULA_LEVELS = 100
# More digits than a double can use; Python's own limit on long integers lies above.
FORMULA_DIGITS = 1_000
# Names, numbers and operations of a second derivative.
FORMULA_DERIVATIVE = 30_000

# Case files. A result file keeps the text in an attribute, which ends at 64 KiB.
CASE_BYTES = 60_000
CASE_LEVELS = 12
# TOML's own range of integers.
CASE_INTEGER = 2**63 - 1
# Output times, intervals of a control, iterations of an optimiser.
CASE_TIMES = 1_000_000

# Tables of data, as text.
DATA_BYTES = 32 * 2**20
# Longer ones are not kept in a result; the case then needs them beside it.
INPUT_BYTES = 16 * 2**20

# Result files: groups and datasets, levels of groups, attributes of one object, and strings.
RESULT_OBJECTS = 10_000
RESULT_LEVELS = 8
RESULT_ATTRIBUTES = 1_000
RESULT_ATTRIBUTE_BYTES = 2**20
RESULT_STRINGS = 10_000

# Of losses, drifts and Sigma: their differences, and axes that show them, stay numbers.
LARGEST_VALUE = 1e303
