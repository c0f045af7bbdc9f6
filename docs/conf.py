"""How the documentation is built: Markdown pages, one page per module, and every ``pycon`` block run and compared."""

import importlib.metadata
import re
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE

from docutils.nodes import Node
from sphinx.application import Sphinx
from sphinx.ext.doctest import DoctestDirective

project = "isthmus"
author = "the isthmus developers"
copyright = "2026, the isthmus developers"
version = release = importlib.metadata.version("isthmus")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]

myst_enable_extensions = ["deflist", "dollarmath"]
myst_fence_as_directive = ["pycon"]
myst_heading_anchors = 3

# Docstrings are run by the tests. A page is run from top to bottom as one program, in an empty folder.
doctest_test_doctest_blocks = ""
doctest_default_flags = ELLIPSIS | NORMALIZE_WHITESPACE
doctest_global_setup = """
import os, tempfile
os.environ.setdefault("MPLBACKEND", "agg")
_start, _folder = os.getcwd(), tempfile.TemporaryDirectory()
os.chdir(_folder.name)
"""
doctest_global_cleanup = """
os.chdir(_start)
_folder.cleanup()
"""

# What a package hands on from its files is described where it is defined, once.
autodoc_default_options = {"members": True, "show-inheritance": True, "ignore-module-all": True}
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autosummary_ignore_module_all = True
napoleon_numpy_docstring = False

# The model and the estimator around it are both called Autoencoder, on purpose; short names do not tell them apart.
suppress_warnings = ["ref.python"]

html_theme = "pydata_sphinx_theme"
html_title = "isthmus"
html_theme_options = {"show_prev_next": False, "secondary_sidebar_items": ["page-toc"]}
html_show_sourcelink = False


class Example(DoctestDirective):
    """A fenced ``pycon`` block, which code hosts highlight: an example that is run."""

    def run(self) -> list[Node]:
        """Go by the name that the runner looks for."""
        self.name = "doctest"
        return super().run()


def plain_text(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Keep ``(rows, *shape)`` and ``n_iter_`` in prose from being read as emphasis and as links."""
    for i, line in enumerate(lines):
        if line.lstrip().startswith((">>>", "...")):
            continue
        pieces = re.split(r"(`+[^`]*`+)", line)
        for j in range(0, len(pieces), 2):
            starred = re.sub(r"(?<![\\*\w])\*(\w+)(?![\w*])", r"\\*\1", pieces[j])
            pieces[j] = re.sub(r"(?<=\S )(\w+)_(?![\w])", r"\1\\_", starred)
        lines[i] = "".join(pieces)


def skipped(app: Sphinx, what: str, name: str, thing: object, skip: bool, options: object) -> bool | None:
    """Leave out the methods that scikit-learn adds for metadata routing; it documents them."""
    return True if re.fullmatch(r"set_\w+_request", name) else None


def setup(app: Sphinx) -> None:
    """Make the fence known."""
    app.add_directive("pycon", Example)
    # Before napoleon, which reads the sections.
    app.connect("autodoc-process-docstring", plain_text, priority=100)
    app.connect("autodoc-skip-member", skipped)
