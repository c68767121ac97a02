"""What a baseline does with its tables: show them, and write and draw them where it is asked to."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from credit_gym.report import Table, show, to_markdown
from credit_gym.report.table_figures import draw_tables


def publish(tables: Iterable[Table], markdown: Path | None = None, plots: Path | None = None) -> None:
    """Show tables; write them as Markdown to a file and draw them into a folder, where those are given.

    Raises:
        MissingExtraError: they are to be drawn, and matplotlib is not installed.
        StoreError: a figure cannot be written.
    """
    tables = list(tables)
    for table in tables:
        show(table)
    if markdown is not None:
        markdown.write_text("\n".join(map(to_markdown, tables)), encoding="utf-8")
    if plots is not None:
        draw_tables(tables, plots)
