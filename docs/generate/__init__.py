"""Extension of Sphinx: pages that come from the code, its cases and its tables.

They are written to ``docs/pages`` before Sphinx reads its sources, files that did not change left
as they are. What needs no Sphinx (everything but `console`) is imported by the tests too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fokkerplanck.errors import CaseError

from . import (
    api,
    case_keys,
    commands,
    docstrings,
    equations,
    gallery,
    groups,
    mathml,
    tables,
    tutorials,
)

MADE = "pages"


def make_pages(app: Any) -> None:
    """Write every generated page.

    Raises
    ------
    ConfigError
        If the gallery cannot be made as asked.
    """
    from sphinx.errors import ConfigError

    made = Path(app.srcdir) / MADE
    tables.write_all(made / "tables")
    case_keys.write_page(made / "case_file.md")
    commands.write_page(made / "command_line.md")
    groups.write_page(made / "result_groups.md")
    api.write_pages(made / "api")
    try:
        drawn = gallery.write_pages(made / "gallery")
    except CaseError as error:
        # One sentence and no traceback, for a misspelt name above all.
        raise ConfigError(str(error)) from None
    equations.write_page(made / "equations.md", drawn)
    tutorials.forget(made / "tutorials", Path(app.confdir) / "conf.py")


def setup(app: Any) -> dict[str, Any]:
    """Register with Sphinx."""
    from . import console

    # Before sphinx-gallery, which runs the tutorials at the same event.
    app.connect("builder-inited", make_pages, priority=100)
    app.connect("autodoc-process-docstring", docstrings.process, priority=100)
    app.connect("env-check-consistency", api.check_inventory)
    app.add_html_math_renderer(
        "mathml", inline_renderers=(mathml.inline, None), block_renderers=(mathml.block, None)
    )
    console.register(app)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
