"""Exit statuses, as numbers and as --help tells them."""

from __future__ import annotations

SUCCESS, MISSED, BAD_INPUT, FAILED, INTERRUPTED = 0, 1, 2, 3, 130

STATUS = (
    "exit status: 0 success; 1 an expected number is missed, or walkers and density differ "
    "unexplained, all results are there; "
    "2 bad input; 3 numerical failure: of the density, which is there up to that time, or of an "
    "analysis, then all else is there; 130 interrupted"
)
