"""The columns of an episode as a table for people: ``credit-gym columns`` and ``docs/columns.md``."""

from __future__ import annotations

import sys
from dataclasses import replace

from credit_gym.data.columns import COLUMNS
from credit_gym.report.table import Table, to_markdown

_HEADER = ("name", "values", "meaning", "unit", "recorded by", "in a batch", "in an export")


def column_table() -> Table:
    """Return one row a column of :data:`credit_gym.data.columns.COLUMNS`."""
    rows = tuple((c.name, c.shape, c.meaning, c.unit, c.recorded_by, c.batch, c.export) for c in COLUMNS)
    return Table("The columns of an episode of T steps", _HEADER, rows)


def columns_page() -> str:
    """Return the page ``docs/columns.md``."""
    return (
        "# Columns\n\n"
        "What an episode holds, made from `credit_gym/data/columns.py` by `make docs`. An optional column that was not "
        "recorded is None in an Episode, absent from a batch and null in an export, which is never the same as 0. A "
        "point is the moment before a step, or the one after the last. In a batch texts are ids with a vocabulary "
        "beside them.\n\n" + to_markdown(replace(column_table(), title="")) + "\n"
    )


if __name__ == "__main__":
    sys.stdout.write(columns_page())
