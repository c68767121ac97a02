"""Tables as files: drawn (SVG, PNG), for a paper (LaTeX), and all of them for programs (``tables.json``)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from credit_gym.data.foreign_text import file_bytes, file_text, read_json
from credit_gym.errors import StoreError
from credit_gym.formats.whole_file import whole_file
from credit_gym.report.plots import save
from credit_gym.report.table import Table, Value, to_latex
from credit_gym.report.table_figures import draw_table

ENDINGS = (".svg", ".png")
"""The files a figure becomes: vectors and dots."""

JSON_NAME = "tables.json"
"""All tables of a folder: ``[{"title", "columns", "rows"}]``; what is not a number is null."""

_LONGEST_NAME = 60  # characters of a file's name, without its ending


def write_tables(tables: Iterable[Table], folder: Path) -> list[Path]:
    """Write tables into a folder: a ``.tex`` each, its figure where it has numbers, and ``tables.json`` with all.

    Files are named by the tables' titles. Equal tables give equal bytes.

    Returns:
        The files.

    Raises:
        MissingExtraError: matplotlib is not installed.
        StoreError: a file cannot be written.
    """
    tables = list(tables)
    written: list[Path] = []
    for table, name in zip(tables, _names(tables), strict=True):
        if (figure := draw_table(table)) is not None:
            for ending in ENDINGS:
                written.append(folder / f"{name}{ending}")
                save(figure, written[-1])
        written.append(_written(folder / f"{name}.tex", to_latex(table)))
    return [*written, _written(folder / JSON_NAME, _json(tables))]


def read_tables(folder: Path) -> list[Table]:
    """Read what :func:`write_tables` wrote of the tables themselves.

    Raises:
        StoreError: there is nothing of the kind.
    """
    path = folder / JSON_NAME
    try:
        found = read_json(file_text(path))
        return [
            Table(str(each["title"]), tuple(map(str, each["columns"])), tuple(map(_row, each["rows"])))
            for each in found
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} holds no tables ({error}): make them again.") from error


def read_figures(folder: Path) -> list[tuple[Table, bytes | None]]:
    """Read the tables that :func:`write_tables` wrote, each with its SVG; None where it has none.

    Raises:
        StoreError: there is nothing of the kind.
    """
    tables = read_tables(folder)
    paths = [folder / f"{name}.svg" for name in _names(tables)]
    return [(table, file_bytes(path) if path.exists() else None) for table, path in zip(tables, paths, strict=True)]


def _names(tables: list[Table]) -> list[str]:
    names: list[str] = []
    for table in tables:
        stem = re.sub(r"[^a-z0-9]+", "_", table.title.lower())[:_LONGEST_NAME].strip("_") or "table"
        name, number = stem, 1
        while name in names:
            number += 1
            name = f"{stem}_{number}"
        names.append(name)
    return names


def _table(told: Any) -> Table:
    return Table(str(told["title"]), tuple(map(str, told["columns"])), tuple(map(_row, told["rows"])))


def _row(cells: Any) -> tuple[Value, ...]:
    for cell in cells:
        if not isinstance(cell, str | float | int | None):
            raise TypeError("a cell is neither text nor a number")
    return tuple(cells)


def _json(tables: list[Table]) -> str:
    told = [
        {
            "title": table.title,
            "columns": table.columns,
            "rows": [[_told(value) for value in row] for row in table.rows],
        }
        for table in tables
    ]
    return json.dumps(told, indent=1, allow_nan=False) + "\n"


def _told(value: Value) -> Value:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _written(path: Path, text: str) -> Path:
    try:
        with whole_file(path) as part:
            part.write_text(text, encoding="utf-8", errors="replace", newline="\n")
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror}): choose another folder.") from error
    return path
