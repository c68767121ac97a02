"""Episodes and their credits as the rows of two tables, joined by ``episode_id``: one row a turn, one row an episode.

The columns are those of :data:`credit_gym.data.columns.COLUMNS` that have a name in an export (``docs/columns.md``).
Beside them a turn has ``episode_id``, ``step`` (from 0), ``task_id``, ``group_id`` and ``credit_<scorer>`` for every
scorer; an episode has ``steps``, ``return`` (undiscounted) and ``final_observation``. What was not recorded, a
number that is not finite, and a credit that a scorer did not give, is null, which is not the same thing as 0.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from credit_gym.data.columns import COLUMNS, Column
from credit_gym.data.episode import Episode
from credit_gym.errors import BatchError

Credits = Mapping[str, Sequence[Sequence[float | None] | None]]
"""Scorer -> for each episode its credits, one a step; None (or NaN) where a step or a whole episode has none."""

TURN_COLUMNS = tuple(column for column in COLUMNS if column.export and column.kind != "episode")
EPISODE_COLUMNS = tuple(column for column in COLUMNS if column.export and column.kind == "episode")


def turn_rows(episodes: Sequence[Episode], credits: Credits) -> Iterator[dict[str, Any]]:
    """Yield the turns of some episodes as rows of the turn table.

    Args:
        episodes: E episodes.
        credits: scorer -> E rows of credits, see :data:`Credits`.

    Raises:
        BatchError: a scorer's credits do not match the episodes.
    """
    for scorer, rows in credits.items():
        _check(scorer, len(rows) == len(episodes))
    for e, episode in enumerate(episodes):
        given = {f"credit_{scorer}": rows[e] for scorer, rows in credits.items()}
        for scorer, row in zip(credits, given.values(), strict=True):
            _check(scorer, row is None or len(row) == len(episode))
        values = [(column, getattr(episode, column.name)) for column in TURN_COLUMNS]
        for t in range(len(episode)):
            yield {
                "episode_id": legal_text(episode.episode_id),
                "step": t,
                "task_id": legal_text(episode.task_id),
                "group_id": legal_text(episode.group_id),
                **{column.export: None if row is None else plain(column, row[t]) for column, row in values},
                **{name: None if row is None else _number(row[t]) for name, row in given.items()},
            }


def _check(scorer: str, fitting: bool) -> None:
    if not fitting:
        raise BatchError(f"The credits of {scorer!r} must be one row per episode and one number per step.")


def episode_row(episode: Episode) -> dict[str, Any]:
    """Return an episode as a row of the episode table."""
    return {
        **{column.export: plain(column, getattr(episode, column.name)) for column in EPISODE_COLUMNS},
        "steps": len(episode),
        "return": episode.episode_return,
        "final_observation": legal_text(episode.observations[-1]),
    }


def plain(column: Column, value: Any) -> Any:
    """Return one value of a column as JSON's types; None where it was not recorded.

    An optional text is null where it is empty, a row of tokens or calls likewise; NaN is null, and so is a whole
    number of a step where there is none.
    """
    if value is None:
        return None
    if column.nullable and column.kind != "episode" and column.type in ("text", "integers", "calls") and not value:
        return None
    if column.kind == "step" and column.type == "integer" and value == column.missing:
        return None
    if column.kind == "token":
        return [_number(number) for number in value] or None
    return _PLAIN[column.type](value)


def legal_text(text: str) -> str:
    """Return a text as legal unicode: a lone surrogate becomes ``?``."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _message(message: Mapping[str, Any]) -> dict[str, str | None]:
    """Keep the two texts that every chat has; whatever else a message holds goes to ``rest``."""
    texts = {key: value for key, value in message.items() if key in ("role", "content") and isinstance(value, str)}
    rest = {key: value for key, value in message.items() if key not in texts}
    return {
        "role": legal_text(texts["role"]) if "role" in texts else None,
        "content": legal_text(texts["content"]) if "content" in texts else None,
        "rest": legal_text(json.dumps(rest, ensure_ascii=False, sort_keys=True)) if rest else None,
    }


def _call(call: Mapping[str, Any]) -> dict[str, str]:
    arguments = json.dumps(call.get("arguments", {}), ensure_ascii=False, sort_keys=True)
    return {
        "id": legal_text(str(call.get("id", ""))),
        "name": legal_text(str(call.get("name", ""))),
        "arguments": legal_text(arguments),
    }


def _texts(values: Iterable[str]) -> list[str]:
    return [legal_text(text) for text in values]


def _number(value: float | None) -> float | int | None:
    return None if value is None or not math.isfinite(value) else value


_PLAIN: dict[str, Callable[[Any], Any]] = {
    "text": legal_text,
    "texts": _texts,
    "number": lambda value: _number(float(value)),
    "integer": int,
    "integers": list,
    "flag": bool,
    "messages": lambda chat: [_message(message) for message in chat],
    "calls": lambda calls: [_call(call) for call in calls],
}
