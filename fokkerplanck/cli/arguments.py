"""What the command line takes: commands and their arguments."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from .. import __version__
from .completion import SHELLS
from .status import STATUS
from .sweep import add_sweep

# Of `io.EXPORTS`, which --help need not load.
FORMATS = ("vtkhdf", "xdmf")

Command = Callable[[argparse.Namespace], int]


def parser_of(actions: Mapping[str, Command]) -> argparse.ArgumentParser:
    """The parser of all commands, each with its function from ``actions``."""
    parser = argparse.ArgumentParser(
        prog="fokkerplanck",
        description="Fokker-Planck densities of stochastic gradient descent.",
        epilog=STATUS,
    )
    parser.add_argument("--version", action="version", version=f"fokkerplanck {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    case = argparse.ArgumentParser(add_help=False)
    case.add_argument(
        "case", metavar="CASE", help="a case file, the name of a bundled case, or a result"
    )
    case.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="replace one key of the case, as in domain.x.cells=512; may be repeated",
    )

    run = commands.add_parser(
        "run", parents=[case], help="solve a case, write and draw the result", epilog=STATUS
    )
    run.add_argument(
        "--out", metavar="DIR", help="write DIR/NAME.h5 and the figures beside it (runs/NAME)"
    )
    existing = run.add_mutually_exclusive_group()
    existing.add_argument(
        "--resume", action="store_true", help="continue an interrupted result, report a whole one"
    )
    existing.add_argument("--overwrite", action="store_true", help="replace an existing result")
    run.add_argument(
        "--no-figures",
        action="store_true",
        help="write the result file only, no figures and no report",
    )
    run.add_argument("--quiet", action="store_true", help="no progress bar")
    run.add_argument("--threads", metavar="N", type=int, help="processor cores to use (all)")
    run.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="move the walkers of [ensemble] on a Dask cluster, as in tcp://host:8786",
    )
    run.set_defaults(command=actions["run"])

    check = commands.add_parser(
        "check", parents=[case], help="read and explain a case without solving it"
    )
    check.set_defaults(command=actions["check"])

    study = commands.add_parser(
        "study", parents=[case], help="solve a case on a ladder of grids: observed orders"
    )
    study.add_argument("--levels", metavar="N", type=int, default=3, help="how many grids (3)")
    study.set_defaults(command=actions["study"])

    validate = commands.add_parser(
        "validate", parents=[case], help="density against ensemble: tests, error budget, verdict"
    )
    validate.add_argument("--quiet", action="store_true", help="no progress bar")
    validate.add_argument("--threads", metavar="N", type=int, help="processor cores to use (all)")
    validate.set_defaults(command=actions["validate"])

    bundled = commands.add_parser("list", help="the bundled cases")
    bundled.set_defaults(command=actions["list"])

    new = commands.add_parser("new", help="write a commented case file to edit")
    new.add_argument("name", metavar="NAME", help="NAME.toml is written, never overwritten")
    new.set_defaults(command=actions["new"])

    add_sweep(commands, case).set_defaults(command=actions["sweep"])

    plot = commands.add_parser("plot", help="draw the figures of a result file again")
    plot.add_argument("file", metavar="FILE", help="a result file (HDF5)")
    plot.add_argument("--out", metavar="DIR", help="where the figures go (beside FILE)")
    plot.add_argument(
        "--figures", metavar="NAME", nargs="+", help="which ones (those that the case asked for)"
    )
    plot.set_defaults(command=actions["plot"])

    report = commands.add_parser(
        "report", help="one page to read in a browser: checks, findings, figures, costs"
    )
    report.add_argument("file", metavar="FILE", help="a result file (HDF5)")
    report.add_argument(
        "--out", metavar="DIR", help="where report.html and the figures go (beside FILE)"
    )
    report.add_argument("--no-figures", action="store_true", help="the page without figures")
    report.add_argument(
        "--zoomable",
        action="store_true",
        help="write zoomable.html too, with figures to zoom into (needs plotly)",
    )
    report.set_defaults(command=actions["report"])

    compare = commands.add_parser("compare", help="two results side by side: what differs")
    compare.add_argument("first", metavar="A", help="a result file (HDF5)")
    compare.add_argument("second", metavar="B", help="another, of as many parameters")
    compare.add_argument("--html", metavar="FILE", help="write a page too, with both densities")
    compare.set_defaults(command=actions["compare"])
    export = commands.add_parser("export", help="write a result as a file that ParaView opens")
    export.add_argument("file", metavar="FILE", help="a result file (HDF5)")
    export.add_argument(
        "--to", required=True, choices=FORMATS, help="vtkhdf copies, xdmf points into FILE"
    )
    export.add_argument("--out", metavar="PATH", help="file or folder to write to (beside FILE)")
    export.set_defaults(command=actions["export"])

    completion = commands.add_parser(
        "completion", help="a script by which a shell completes commands, options and cases"
    )
    completion.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash or zsh")
    completion.set_defaults(command=actions["completion"])
    return parser
