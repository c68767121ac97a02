"""What scorers need, checked before anything is played: a column that nobody will record is said at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from credit_gym.data.columns import COLUMNS
from credit_gym.errors import MissingColumnError
from credit_gym.scorers import get

ALWAYS = frozenset(column.batch for column in COLUMNS if column.required or column.default is not None) | {
    "verifier",
    "invalid",
}
"""Columns of a batch that every run has."""

_RECORDED_BY = {column.batch: column.recorded_by for column in COLUMNS if column.batch}


def needed(wanted: Iterable[tuple[str, Mapping[str, Any]]]) -> frozenset[str]:
    """Return the columns of a batch that scorers with their options cannot do without."""
    return frozenset().union(*(get(name).needs_with(options) for name, options in wanted))


def check_needs(
    wanted: Iterable[tuple[str, Mapping[str, Any]]], recorded: Collection[str], ways: Mapping[str, str]
) -> None:
    """Refuse scorers that would miss a column.

    Args:
        wanted: names of scorers with their options.
        recorded: the columns of a batch that there will be, beside :data:`ALWAYS`.
        ways: how a column is had that is not among them, as the end of a sentence.

    Raises:
        MissingColumnError: one needs a column that there will not be.
    """
    for name, options in wanted:
        for column in sorted(get(name).needs_with(options) - ALWAYS - {*recorded}):
            way = ways.get(column, f"it comes from {_RECORDED_BY[column]}, in episodes that are there already")
            raise MissingColumnError(f"{name} needs the column {column!r}, which would not be recorded: {way}.")
