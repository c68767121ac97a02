"""Values of other people's JSON, read as what they say or refused in a sentence, and the columns of an Episode as JSON.

A reader takes the value and what it is called in that sentence, and raises TypeError with it.
Null is "not given"; NaN is null, as JSON has no word for it, and an infinite number is the text ``inf`` or ``-inf``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from credit_gym.data.calls import read_arguments
from credit_gym.data.columns import COLUMNS, Column
from credit_gym.formats.api_keys import text_without_keys
from credit_gym.formats.turn_table import legal_text

BESIDE = tuple(
    column for column in COLUMNS if column.nullable and column.kind != "episode" and column.type != "messages"
)
"""The columns that a record may bring for each step or each point between them, chats apart."""

_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def flag(value: Any, what: str) -> bool:
    """Return a truth value: true or false, 1 or 0, or one of these (or yes, no) as text."""
    if isinstance(value, (bool, int, float)) and value in (0, 1):
        return bool(value)
    if isinstance(value, str) and value.strip().lower() in _FLAGS:
        return _FLAGS[value.strip().lower()]
    raise TypeError(f"{what} must be true or false, not {_shown(value)}")


def number(value: Any, what: str) -> float:
    """Return a number, also one written as text; true is 1 and false is 0."""
    if isinstance(value, (bool, int, float, str)):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    raise TypeError(f"{what} must be a number, not {_shown(value)}")


def text(value: Any, what: str) -> str:
    """Return a text."""
    if isinstance(value, str):
        return value
    raise TypeError(f"{what} must be a text, not {_shown(value)}")


def name(value: Any, what: str, otherwise: str) -> str:
    """Return an id: a text or a number as text; what stands in its place where none was given (null, NaN, no text)."""
    if value is None or value == "" or value != value:  # NaN is what tables make of a missing id
        return otherwise
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return str(value)
    raise TypeError(f"{what} must be a text or a number, not {_shown(value)}")


def rows(value: Any, what: str) -> list[Any]:
    """Return a list."""
    if isinstance(value, list):
        return value
    raise TypeError(f"{what} must be a list, not {_shown(value)}")


def mapping(value: Any, what: str) -> dict[str, Any]:
    """Return an object; null is an empty one."""
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    raise TypeError(f"{what} must be an object, not {_shown(value)}")


def to_json(column: Column, value: Any) -> Any:
    """Return a column of an Episode as JSON's types; :func:`from_json` reads it back."""
    write = _WRITE[column.type]
    if column.kind == "token":
        return [[write(each) for each in row] for row in value]
    return write(value) if column.kind == "episode" else [write(each) for each in value]


def from_json(column: Column, value: Any) -> Any:
    """Return a column of an Episode, null at a step being nothing recorded there.

    Raises:
        TypeError: a value is not of the column's type.
    """
    if column.kind == "episode":
        return _READ[column.type](value, column.name)
    return tuple(_entry(column, each) for each in rows(value, column.name))


def beside(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that a record brings beside what was played, those of :data:`BESIDE`."""
    return {each.name: from_json(each, row[each.name]) for each in BESIDE if row.get(each.name) is not None}


def legal(value: Any) -> Any:
    """Return a value of JSON's types with every text legal unicode."""
    if isinstance(value, str):
        return legal_text(value)
    if isinstance(value, Mapping):
        return {legal_text(str(key)): legal(each) for key, each in value.items()}
    return [legal(each) for each in value] if isinstance(value, (list, tuple)) else value


def _entry(column: Column, value: Any) -> Any:
    if value is None:
        return column.missing
    read, what = _READ[column.type], column.name
    return tuple(read(each, what) for each in rows(value, what)) if column.kind == "token" else read(value, what)


def _shown(value: Any) -> str:
    """A value in a sentence, without keys and cut where it is long."""
    value = text_without_keys(value) if isinstance(value, str) else value
    said = repr(value) if isinstance(value, (str, int, float, type(None))) else type(value).__name__
    return said if len(said) <= 40 else f"{said[:40]}..."


def _reading(value: Any, what: str) -> float:
    return math.nan if value is None else number(value, what)


def _integer(value: Any, what: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise TypeError(f"{what} must be a whole number, not {_shown(value)}")


def _call(value: Any, what: str) -> dict[str, Any]:
    call = mapping(value, what)
    return {
        "id": name(call.get("id"), f"the id in {what}", ""),
        "name": text(call.get("name"), f"the name in {what}"),
        "arguments": read_arguments(call.get("arguments")),
    }


def _number_to_json(value: float | None) -> float | str | None:
    if value is None or math.isnan(value):
        return None
    return float(value) if math.isfinite(value) else str(float(value))


_WRITE: dict[str, Callable[[Any], Any]] = {
    "text": legal,
    "texts": legal,
    "number": _number_to_json,
    "integer": int,
    "integers": list,
    "flag": bool,
    "messages": legal,
    "calls": legal,
    "mapping": lambda value: {str(key): _number_to_json(each) for key, each in value.items()},
}
_READ: dict[str, Callable[[Any, str], Any]] = {
    "text": text,
    "texts": lambda value, what: tuple(text(each, what) for each in rows(value, what)),
    "number": _reading,
    "integer": _integer,
    "integers": lambda value, what: tuple(_integer(each, what) for each in rows(value, what)),
    "flag": flag,
    "calls": lambda value, what: tuple(_call(each, what) for each in rows(value, what)),
    "mapping": lambda value, what: {key: _reading(each, what) for key, each in mapping(value, what).items()},
}
