"""``python -m benchmarks [NAME ...] [--quick]``: runs them, prints one table each and collects all.

The page ``results/summary.md`` holds the tables and figures of all benchmarks run so far.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from .report import PAGE, load, summarise
from .summary_figure import draw

NAMES = (
    *("startup", "stream", "stationary", "passage", "arrhenius", "three_d", "particles"),
    *("diffusion_limit", "work_precision", "scaling", "files", "sweep", "kills", "hostile"),
    "heavy_tails",
)


def main() -> int:
    """Run the chosen benchmarks; one that fails is named and the others still run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.names if name not in NAMES]
    if unknown:
        parser.error(f"{unknown[0]!r} is not a benchmark; there are {', '.join(NAMES)}")
    failed = 0
    for name in chosen.names or NAMES:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            table = import_module(f"benchmarks.{name}").run(chosen.quick)
            print(table, end="\n\n", flush=True)
        except Exception as error:
            print(f"{name} failed: {error}", file=sys.stderr)
            failed += 1
    page = summarise(NAMES, chosen.quick)
    draw(load(chosen.quick), page.with_name(f"{PAGE}.png"))
    print(f"all tables: {page}", file=sys.stderr)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
