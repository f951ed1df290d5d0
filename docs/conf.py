"""Settings of Sphinx; ``make docs`` builds the site into docs/_build/html."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")

HERE = Path(__file__).resolve().parent
# The repository, for `docs.generate` and for the sizes of cases in its tests.
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]

from fokkerplanck import __version__  # noqa: E402

project = "fokkerplanck"
author = "The fokkerplanck authors"
copyright = author
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    # Last: it listens to events of the others.
    "docs.generate",
]
exclude_patterns = ["_build", "pages/console", "pages/tables", "tutorials", "**/GALLERY_HEADER.rst"]
# Types in docstrings are words, not references: "shape" is no attribute of four classes.
suppress_warnings = ["ref.python"]

# Pages in Markdown.
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "attrs_inline"]
myst_heading_anchors = 3

# Formulas become MathML, which browsers draw by themselves: nothing is fetched.
html_math_renderer = "mathml"

# Docstrings.
autosummary_generate = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

# Tutorials: scripts that are run while the site is built. A failure fails the build.
sphinx_gallery_conf = {
    "examples_dirs": ["tutorials"],
    "gallery_dirs": ["pages/tutorials"],
    "filename_pattern": r"\.py$",
    "within_subsection_order": "docs.generate.tutorials.Order",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    # What is printed counts, not what a line returns.
    "capture_repr": (),
    "remove_config_comments": True,
    "image_srcset": [],
    "write_computation_times": False,
    "reset_modules": (),
    "copyfile_regex": r".*\.rst",
}

html_theme = "furo"
html_title = f"fokkerplanck {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
pygments_style = "tango"
pygments_dark_style = "monokai"
