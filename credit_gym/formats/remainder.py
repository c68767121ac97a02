"""What one side of a conversion has no place for: columns beyond a record, and values of a record beyond its columns.

Both are found by converting there and back and keeping what differs, so a round trip loses nothing, and what is kept is
small where the other side says nearly all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from credit_gym.data.columns import COLUMNS
from credit_gym.data.episode import Episode
from credit_gym.formats.json_values import from_json, to_json
from credit_gym.formats.turn_table import legal_text

Where: TypeAlias = tuple[str | int, ...]
"""The way to a value: keys of objects and places in lists."""


def other_columns(episode: Episode, back: Episode) -> dict[str, Any]:
    """Return the columns that do not come back from a record as they are, chats apart, as JSON's types.

    Args:
        episode: what was written.
        back: what is read of it.
    """
    rest = {}
    for column in COLUMNS:
        before, after = getattr(episode, column.name), getattr(back, column.name)
        written, found = (None if each is None else to_json(column, each) for each in (before, after))
        if column.type != "messages" and written != found:
            rest[column.name] = written
    return rest


def columns_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that travelled with a record; those that this version does not know are left.

    Raises:
        TypeError: a value is not of its column's type.
    """
    known = (column for column in COLUMNS if column.name in given and column.type != "messages")
    return {
        column.name: None if given[column.name] is None and column.nullable else from_json(column, given[column.name])
        for column in known
    }


def beyond(given: Any, made: Any, where: Where = ()) -> Iterator[tuple[Where, list[Any]]]:
    """Yield where a value of JSON's types is not like another, made to be like it, and what stands there: or nothing.

    Where both are objects, or lists of which the first is not shorter, it is looked inside, by the order of the keys.
    """
    if isinstance(given, dict) and isinstance(made, dict):
        inside: Sequence[tuple[str | int, Any]] = sorted(given.items())
        known: Any = made
        yield from (((*where, key), []) for key in sorted(made.keys() - given.keys()))
    elif isinstance(given, list) and isinstance(made, list) and len(given) >= len(made):
        inside, known = list(enumerate(given)), dict(enumerate(made))
    else:
        if type(given) is not type(made) or given != made:
            yield where, [given]
        return
    for key, value in inside:
        if key in known:
            yield from beyond(value, known[key], (*where, key))
        else:
            yield (*where, key), [value]


def restored(made: Any, rest: Sequence[tuple[Sequence[str | int], Sequence[Any]]]) -> Any:
    """Return what :func:`beyond` was given, and whatever else was made.

    Args:
        made: values of JSON's types, which are changed.
        rest: what :func:`beyond` yielded, in its order.

    Raises:
        LookupError, TypeError: it is of something else.
    """
    root: Any = [made]
    for where, values in rest:
        place, key = root, 0
        for each in where:
            place, key = place[key], each  # type: ignore[assignment]
        if not values:
            del place[key]
        elif isinstance(place, list) and key == len(place):
            place.append(values[0])
        else:
            place[key] = values[0]
    return root[0]


def speakable(value: Any) -> Any:
    """Return a value of JSON's types as legal JSON: lone surrogates are ``?``, and NaN and infinities null."""
    if isinstance(value, str):
        return legal_text(value)
    if isinstance(value, Mapping):
        return {legal_text(str(key)): speakable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [speakable(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
