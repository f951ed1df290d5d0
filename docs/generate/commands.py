"""Reference of the command line, from its argument parsers."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from fokkerplanck.cli.arguments import parser_of

from . import markdown as md

WIDTH = 96
# What the commands do is of no interest here.
PARSER = parser_of(defaultdict(lambda: lambda options: 0))
INTRODUCTION = """\
# Command line

Every command answers `--help`. In a checkout the program is `.venv/bin/fokkerplanck`;
`make case=NAME` calls `fokkerplanck run cases/NAME.toml --resume` and passes on `args="..."`.

"""


def commands() -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    """Name, parser and summary of each command, in the order of ``--help``."""
    for action in PARSER._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, parser in action.choices.items():
                yield name, parser, helps.get(name, "")


def arguments(parser: argparse.ArgumentParser) -> list[list[str]]:
    """Rows of the table of a command: argument, meaning."""
    rows = []
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        value = action.metavar or action.dest.upper()
        if action.choices:
            value = "|".join(map(str, action.choices))
        words = [value] if not action.option_strings else list(action.option_strings)
        if action.option_strings and action.nargs != 0:
            words = [f"{word} {value}" for word in words]
            if action.nargs == "+":
                words = [f"{word} ..." for word in words]
        meaning = md.escape(action.help or "")
        if action.required and action.option_strings:
            meaning += " (required)"
        rows.append([", ".join(md.code(word) for word in words), meaning])
    return rows


def usage(parser: argparse.ArgumentParser) -> str:
    """The usage line, wrapped to the page."""
    formatter = argparse.HelpFormatter(prog=parser.prog, width=WIDTH)
    formatter.add_usage(parser.usage, parser._actions, parser._mutually_exclusive_groups, prefix="")
    return formatter.format_help().strip()


def write_page(path: Path) -> None:
    """Write the page."""
    found = list(commands())
    text = INTRODUCTION + md.table(
        ["command", "what it does"],
        [[f"[{md.code(name)}](#fokkerplanck-{name})", md.escape(help)] for name, _, help in found],
    )
    status = (PARSER.epilog or "").removeprefix("exit status: ")
    text += "\n**Exit status.** " + md.escape(status).capitalize() + ".\n"
    for name, parser, help in found:
        text += f"\n(fokkerplanck-{name})=\n## fokkerplanck {name}\n\n{_sentence(help)}\n\n"
        text += f"```text\n{usage(parser)}\n```\n\n"
        if parser.description:
            text += md.escape(parser.description) + "\n\n"
        rows = arguments(parser)
        if rows:
            text += md.table(["argument", "meaning"], rows)
    md.write(path, text)


def _sentence(words: str) -> str:
    return md.escape(words[:1].upper() + words[1:]) + "."
