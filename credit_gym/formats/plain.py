"""Plain records, told apart by their fields: chats, episodes of steps, and single steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from credit_gym.data.episode import Episode
from credit_gym.errors import StoreError
from credit_gym.formats.chat import chat_episode
from credit_gym.formats.field_names import with_outcome
from credit_gym.formats.json_records import BROKEN, an_object, records
from credit_gym.formats.step_records import has_steps, is_step, joined, steps_episode


def read_plain(path: Path) -> Iterator[Episode | StoreError]:
    """Yield the episodes of a file of JSON lines, a JSON array or one object.

    A record is a chat (:func:`credit_gym.formats.chat.chat_episode`), an episode of steps
    (:func:`credit_gym.formats.step_records.steps_episode`), a list of messages or of steps, or a single step, which
    goes together with those beside it (:func:`credit_gym.formats.step_records.joined`).

    Raises:
        StoreError: the file cannot be read.
    """
    for place, row in joined(records(path)):
        try:
            yield row if isinstance(row, StoreError) else _episode(row, place.number)
        except BROKEN as error:
            yield place.damage(error)


def _episode(row: Any, number: int) -> Episode:
    if isinstance(row, list) and row:
        row = {"steps" if all(map(is_step, row)) else "messages": row}
    read = steps_episode if has_steps(an_object(row)) else chat_episode
    return read(with_outcome(row), number)
