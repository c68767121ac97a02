"""What a baseline does with its tables: show them, and write and draw them where it is asked to."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from credit_gym.report import Table, show, to_markdown
from credit_gym.report.table_files import write_tables


def publish(tables: Iterable[Table], markdown: Path | None = None, plots: Path | None = None) -> None:
    """Show tables; write them as Markdown to a file, and with figures, LaTeX and JSON into a folder, where given.

    Args:
        tables: each is shown as soon as it is made.
        markdown: the file.
        plots: the folder.

    Raises:
        MissingExtraError: they are to be drawn, and matplotlib is not installed.
        StoreError: a file cannot be written.
    """
    shown = []
    for table in tables:
        show(table)
        shown.append(table)
    if markdown is not None:
        markdown.write_text("\n".join(map(to_markdown, shown)), encoding="utf-8")
    if plots is not None:
        write_tables(shown, plots)
