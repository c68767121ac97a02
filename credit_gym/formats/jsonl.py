"""JSON lines: the turn table and the rows of trainers, written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from credit_gym.data.episode import Episode
from credit_gym.errors import StoreError
from credit_gym.formats.turn_table import Credits, turn_rows
from credit_gym.formats.whole_file import whole_file


def write_jsonl(path: str | Path, episodes: Sequence[Episode], credits: Credits) -> None:
    """Write the turn table as JSON lines; null where there is no value.

    Raises:
        BatchError: a scorer's credits do not match the episodes.
        StoreError: the file cannot be written.
    """
    write_lines(path, turn_rows(episodes, credits))


def write_lines(path: str | Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as JSON lines, legal UTF-8 whatever the texts hold.

    Raises:
        StoreError: the file cannot be written.
    """
    path = Path(path)
    try:
        with whole_file(path) as part, part.open("w", encoding="utf-8", newline="\n") as file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error}): choose another path.") from error
