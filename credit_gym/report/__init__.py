"""Reports: tables (terminal, Markdown, LaTeX), plots, and one HTML file to read credited episodes in.

- ``page``: the HTML file. ``table`` and ``terminal``: tables, written down or shown. ``plots`` and
  ``table_figures``: with matplotlib, of numbers and of tables (``cell_numbers``). ``tables_page``: a page of both;
  ``table_files``: a folder of both, with LaTeX and JSON.
- ``run_summary``, ``paired_tables`` and ``column_table``: the tables of a run, of two, and of the columns.
- ``notebook``: episodes, credits and advice in a notebook.
- ``text``: foreign text made safe to show. ``command``: how every command says what went wrong.
"""

from __future__ import annotations

from credit_gym.report.page import write_report
from credit_gym.report.table import Table, to_html, to_latex, to_markdown, to_rich
from credit_gym.report.terminal import console, show
from credit_gym.report.text import printable

__all__ = ["Table", "console", "printable", "show", "to_html", "to_latex", "to_markdown", "to_rich", "write_report"]
