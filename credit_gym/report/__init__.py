"""Reports: tables (terminal, Markdown, LaTeX), plots, and one HTML file to read credited episodes in."""

from __future__ import annotations

from credit_gym.report.page import write_report
from credit_gym.report.table import Table, to_html, to_latex, to_markdown, to_rich
from credit_gym.report.terminal import console, show
from credit_gym.report.text import printable

__all__ = ["Table", "console", "printable", "show", "to_html", "to_latex", "to_markdown", "to_rich", "write_report"]
