"""Data models: a row as tau2 shows it, whatever order its file has.

tau2 reads its files into typed models, so that its answers have the model's fields in the model's order, whole numbers
of a field for money as 133.0, days and times as Python prints them, and null for what was left out. A model here is a
:class:`~typing.TypedDict`.
"""

from __future__ import annotations

import datetime
import types
import typing
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from credit_gym.envs.tau2.database import Row


def arranged(tables: Mapping[str, Mapping[str, Any]], models: Mapping[str, type]) -> dict[str, Mapping[str, Row]]:
    """Return tables with every row as its model shows it; those without a model are left as they are.

    Raises:
        TypeError, AttributeError: something that should be an object or a list is none.
        ValueError: something that should be a day or a time is none.
    """
    return {
        name: {key: arrange(row, models[name]) for key, row in rows.items()} if name in models else rows
        for name, rows in tables.items()
    }


def arrange(value: Any, hint: Any) -> Any:
    """Return a value of JSON as a type hint has it: the fields of a model in its order, floats as floats.

    What a model does not know is left out; what is missing is null where it may be null, and stays missing elsewhere.
    """
    return _arranger(hint)(value)


@lru_cache
def _arranger(hint: Any) -> Callable[[Any], Any]:
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if typing.is_typeddict(hint):
        return _object(typing.get_type_hints(hint))
    if origin is list:
        inner = _arranger(parts[0])
        return lambda value: [inner(item) for item in value]
    if origin is dict:
        inner = _arranger(parts[1])
        return lambda value: {key: inner(item) for key, item in value.items()}
    if origin is types.UnionType:
        inner = _arranger(next(part for part in parts if part is not types.NoneType))
        return lambda value: None if value is None else inner(value)
    return _SCALARS.get(hint, lambda value: value)


def _object(hints: Mapping[str, Any]) -> Callable[[Any], Any]:
    fields = [(name, _arranger(hint), types.NoneType in typing.get_args(hint)) for name, hint in hints.items()]

    def inner(value: Any) -> dict[str, Any]:
        given = dict(value.items())
        return {name: field(given.get(name)) for name, field, nullable in fields if nullable or name in given}

    return inner


def _float(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _int(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _day(value: Any) -> Any:
    return str(value if isinstance(value, datetime.date) else datetime.date.fromisoformat(value))


def _time(value: Any) -> Any:
    return str(value if isinstance(value, datetime.date) else datetime.datetime.fromisoformat(value))


_SCALARS: dict[Any, Callable[[Any], Any]] = {
    float: _float,
    int: _int,
    datetime.date: _day,
    datetime.datetime: _time,
}
