"""Directives ``console`` and ``file``: commands that are run while a page is read.

Both work in one folder per page, ``pages/console/<page>``, so that a page is a session: it writes
files, runs commands and shows figures that the commands drew.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.directives.code import container_wrapper
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

PROMPT = "$ "
# Lines of output that fit the page.
COLUMNS = "100"
ROOT = Path(__file__).resolve().parents[2]


def folder_of(app: Any, page: str) -> Path:
    """Working directory of a page."""
    return Path(app.srcdir) / "pages" / "console" / page.replace("/", "-")


def run(command: str, folder: Path, status: int = 0) -> str:
    """Output of a command as a terminal would show it.

    Raises
    ------
    ExtensionError
        If it ends with another exit status than the one given.
    """
    # Commands of this environment come first, wherever the build was started from.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env={**os.environ, "PATH": path, "COLUMNS": COLUMNS},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != status:
        raise ExtensionError(f"{command!r} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout.rstrip()


def shortened(text: str, head: int | None) -> str:
    """The first lines, with a mark where there were more."""
    lines = text.splitlines()
    return text if head is None or len(lines) <= head else "\n".join([*lines[:head], "..."])


class Console(SphinxDirective):
    """Run each line that starts with a prompt, and show its output."""

    has_content = True
    option_spec: ClassVar = {
        "head": directives.nonnegative_int,
        "status": directives.nonnegative_int,
        "silent": directives.flag,
    }

    def run(self) -> Sequence[nodes.Node]:
        """Nodes with commands and outputs in turn."""
        folder = folder_of(self.env.app, self.env.docname)
        folder.mkdir(parents=True, exist_ok=True)
        found: list[nodes.Node] = []
        for line in self.content:
            if not line.startswith(PROMPT):
                raise ExtensionError(f"{self.env.docname}: {line!r} is not a command")
            found.append(nodes.literal_block(line, line, language="console"))
            output = run(line.removeprefix(PROMPT), folder, self.options.get("status", 0))
            if output and "silent" not in self.options:
                shown = shortened(output, self.options.get("head"))
                box = nodes.container(classes=["console-output"])
                box += nodes.literal_block(shown, shown, language="text")
                found.append(box)
        for source in (ROOT / "fokkerplanck").rglob("*.py"):
            self.env.note_dependency(str(source))
        return found


class File(SphinxDirective):
    """Write a file into the folder of the page, and show it."""

    required_arguments = 1
    has_content = True
    languages: ClassVar = {".toml": "toml", ".py": "python"}

    def run(self) -> Sequence[nodes.Node]:
        """Node with the text under the name of the file."""
        name, text = self.arguments[0], "\n".join(self.content)
        folder = folder_of(self.env.app, self.env.docname)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text + "\n", encoding="utf-8")
        # Text given twice: what differs from its source is not highlighted.
        block = nodes.literal_block(text, text)
        block["language"] = self.languages.get(Path(name).suffix, "text")
        return [container_wrapper(self, block, name)]


def _forget(app: Any, env: Any, page: str) -> None:
    """A page that is read again starts its session anew."""
    shutil.rmtree(folder_of(app, page), ignore_errors=True)


def register(app: Any) -> None:
    """Add both directives."""
    app.add_directive("console", Console)
    app.add_directive("file", File)
    app.connect("env-purge-doc", _forget)
