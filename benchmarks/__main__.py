"""``python -m benchmarks [NAME ...] [--quick]``: runs them, prints one table each and collects all.

The page ``results/summary.md`` holds the tables and figures of all benchmarks run so far.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from .report import summarise

NAMES = (
    *("startup", "stream", "stationary", "passage", "arrhenius", "three_d", "particles"),
    *("diffusion_limit", "work_precision", "scaling", "problem_p", "heavy_tails"),
)


def main() -> int:
    """Run the chosen benchmarks; one that fails is named and the others still run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument(
        "--cells", type=int, nargs="+", metavar="N", help="cells per axis of problem_p only"
    )
    chosen = parser.parse_args()
    unknown = [name for name in chosen.names if name not in NAMES]
    if unknown:
        parser.error(f"{unknown[0]!r} is not a benchmark; there are {', '.join(NAMES)}")
    failed = 0
    for name in chosen.names or NAMES:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            options = {"cells": chosen.cells} if name == "problem_p" and chosen.cells else {}
            table = import_module(f"benchmarks.{name}").run(chosen.quick, **options)
            print(table, end="\n\n", flush=True)
        except Exception as error:
            print(f"{name} failed: {error}", file=sys.stderr)
            failed += 1
    print(f"all tables: {summarise(NAMES, chosen.quick)}", file=sys.stderr)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
