"""What a baseline does with its tables: show them, and write them down where it is asked to."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from credit_gym.report import Table, show, to_markdown


def publish(tables: Iterable[Table], markdown: Path | None) -> None:
    """Show tables, and write them as Markdown to a file if one is given."""
    tables = list(tables)
    for table in tables:
        show(table)
    if markdown is not None:
        markdown.write_text("\n\n".join(map(to_markdown, tables)) + "\n", encoding="utf-8")
