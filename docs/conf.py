"""The manual: Markdown pages, pages made from the registries, and the API from docstrings; `make docs` builds it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import credit_gym

project = "credit_gym"
release = version = credit_gym.__version__
author = "the credit_gym authors"
copyright = author

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "generated_pages"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "credit_gym"
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_typehints = "description"
autodoc_member_order = "bysource"
napoleon_use_ivar = True
