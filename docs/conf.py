"""How the documentation is built: Markdown pages, one page per module, and every ``pycon`` block run and compared."""

import importlib.metadata

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
doctest_global_setup = """
import os, tempfile
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


def setup(app: Sphinx) -> None:
    """Make the fence known."""
    app.add_directive("pycon", Example)
