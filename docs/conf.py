"""The documentation site: `make docs`, offline, warnings as errors.

The pages are plain Markdown that reads as well on a code host. The navigation is what
`index.md` lists: each of its sections becomes one of the sidebar's.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from monitor import __version__  # noqa: E402

project = "newswatch"
author = "the newswatch authors"
copyright = f"{author}, MIT licence"
version = release = __version__

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["build"]
myst_heading_anchors = 3
nitpicky = True

html_theme = "sphinx_book_theme"
html_title = "newswatch"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "show_navbar_depth": 1,
    "home_page_in_toc": True,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "navbar_persistent": [],
    "footer_content_items": ["copyright"],
}

_SECTION = re.compile(r"^## (.+)$", re.M)
_PAGE = re.compile(r"\]\(([\w/-]+)\.md\)")


def _navigation(app: Sphinx, name: str, source: list[str]) -> None:
    """Give the first page a table of contents from its own lists of links."""
    if name != "index":
        return
    parts = _SECTION.split(source[0])
    for title, text in zip(parts[1::2], parts[2::2], strict=True):
        pages = "\n".join(dict.fromkeys(_PAGE.findall(text)))
        if pages:
            source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{pages}\n```\n"


def setup(app: Sphinx) -> None:
    app.connect("source-read", _navigation)
