"""What an environment or an agent handed on, as a record can hold it; anything else is named in one sentence.

Nothing is guessed: text is no number though it may spell one, an array is no number though it may hold one, and what
can be read only once (a generator) is no list. A scalar of NumPy or torch is a number like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from credit_gym.data.columns import COLUMNS, Column
from credit_gym.data.soundness import is_sound, wanted
from credit_gym.errors import BatchError

_REWARD = next(column for column in COLUMNS if column.name == "rewards")
_POINTS = {column.name: column for column in COLUMNS if column.type == "number" and column.kind == "point"}


def read(column: Column, value: Any, what: str) -> Any:
    """Return a value as its column holds it; None stays None, which is "not given".

    Args:
        column: of a step, a point or a token.
        value: what stood in an info or an action.
        what: how an error calls it, such as ``info["verifier"] of step 3``.

    Raises:
        BatchError: it is no such value.
    """
    if value is None:
        return None
    if column.kind == "token":
        return (_integers if column.type == "integer" else _token_numbers)(column, value, what)
    return _READERS[column.type](column, value, what)


def read_reward(value: Any, what: str) -> float:
    """Return a reward as a float.

    Raises:
        BatchError: it is no finite number.
    """
    return _number(_REWARD, value, what)


def read_flag(value: Any, what: str) -> bool:
    """Return a truth value; None is False.

    Raises:
        BatchError: it is anything but True and False.
    """
    return False if value is None else _flag(None, value, what)


def read_text(value: Any, what: str) -> str:
    """Return a text as it is.

    Raises:
        BatchError: it is none.
    """
    return _text(None, value, what)


def read_mapping(value: Any, what: str) -> Mapping[str, Any]:
    """Return a mapping as it is.

    Raises:
        BatchError: it is none.
    """
    if type(value) is not dict and not isinstance(value, Mapping):  # the latter asks a registry
        raise _wrong(what, value, "a mapping")
    return value


def read_task(info: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the info of a reset says of the task, nothing where it does not speak of it.

    Raises:
        BatchError: ``info["task"]`` is no mapping.
    """
    task = info.get("task")
    return {} if task is None else read_mapping(task, 'info["task"] of reset')


def read_points(value: Any, points: int) -> dict[str, tuple[float, ...]]:
    """Return the columns of a whole episode that came with its last info, by name.

    Args:
        value: a mapping of names to columns.
        points: how many values each must have.

    Raises:
        BatchError: it is anything else.
    """
    columns: dict[str, tuple[float, ...]] = {}
    for name, values in read_mapping({} if value is None else value, 'info["beliefs"]').items():
        what = f'info["beliefs"][{name!r}]'
        if name not in _POINTS:
            raise BatchError(f"{what} is no column of beliefs: it must be one of {', '.join(_POINTS)}.")
        if not _is_list(values) or len(values) != points:
            raise _wrong(what, values, f"a list of {points} numbers")
        columns[name] = tuple(_number(_POINTS[name], number, f"{what}[{i}]") for i, number in enumerate(values))
    return columns


def _number(column: Column, value: Any, what: str) -> float:
    if type(value) is not float:
        value = _scalar(value)
        if not isinstance(value, Real):
            raise _wrong(what, value, wanted(column))
        try:
            value = float(value)
        except OverflowError:
            raise _wrong(what, value, wanted(column)) from None
    if not is_sound(column, value):
        raise _wrong(what, value, wanted(column))
    number: float = value
    return number


def _flag(_: object, value: Any, what: str) -> bool:
    if type(value) is not bool:
        value = _scalar(value)
        if not isinstance(value, bool):
            raise _wrong(what, value, "True or False")
    return value


def _text(_: object, value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise _wrong(what, value, "text")
    return value


def _texts(_: object, value: Any, what: str) -> tuple[str, ...]:
    if not _is_list(value) or not all(isinstance(text, str) for text in value):
        raise _wrong(what, value, "a list of texts")
    return tuple(value)


def _integer(_: object, value: Any, what: str) -> int:
    value = _scalar(value)
    number = int(value) if isinstance(value, Integral) and not isinstance(value, bool) else None
    if number is None or not -(2**63) <= number < 2**63:
        raise _wrong(what, value, "a whole number of at most 64 bits")
    return number


def _integers(_: object, value: Any, what: str) -> tuple[int, ...]:
    if not _is_list(value) or not all(issubclass(kind, Integral) for kind in set(map(type, value))):  # often token ids
        raise _wrong(what, value, "a list of integers")
    return tuple(map(int, value))


def _mappings(_: object, value: Any, what: str) -> tuple[Mapping[str, Any], ...]:
    if not _is_list(value) or not all(isinstance(item, Mapping) for item in value):
        raise _wrong(what, value, "a list of mappings")
    return tuple(value)


def _token_numbers(_: object, value: Any, what: str) -> tuple[float, ...]:
    if not _is_list(value) or not all(isinstance(number, Real) for number in value):
        raise _wrong(what, value, "a list of numbers")
    return tuple(map(float, value))


_READERS: dict[str, Callable[[Any, Any, str], Any]] = {
    "number": _number,
    "flag": _flag,
    "text": _text,
    "texts": _texts,
    "integer": _integer,
    "integers": _integers,
    "messages": _mappings,
    "calls": _mappings,
}
"""Type of a column -> what reads a value of it."""


def _is_list(value: Any) -> bool:
    return isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, (str, bytes))


def _scalar(value: Any) -> Any:
    """The plain number of a scalar of NumPy or torch; anything else as it is."""
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value


def _wrong(what: str, value: Any, wish: str) -> BatchError:
    kind = type(value).__name__
    shown = ascii(value)[:80] if isinstance(value, (str, bytes, Real)) else f"of type {kind}"
    return BatchError(f"{what} is {shown}: it must be {wish}.")
