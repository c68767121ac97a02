"""What the work of a chat template costs, told before it is done: a template from outside must end, and fit in memory.

Everything that takes time or memory with the size of a value is paid for from one budget a rendering. Reading a value
costs what lies in it, shared parts as often as they are met; making one costs more. What is longer than all that it was
made of, such as padding, repetition and replacement, is foretold.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any, Final, TypeVar

T = TypeVar("T")

READ: Final = 512
"""Characters that are read for one unit."""

MADE: Final = 32
"""Characters that are made for one unit, which is about the time of one iteration of a loop."""

BASE: Final = 1_000_000
"""Units that every rendering may take."""

SCALE: Final = 300
"""Units more for each that the chat itself weighs, as something that was made."""

MOST_BITS: Final = 1 << 16
"""Bits of the largest integer that is reckoned with."""


class TooMuchWork(Exception):
    """A template takes more than a chat needs."""


class Meter(threading.local):
    """The budget of the rendering of each thread.

    Attributes:
        left: units that may yet be spent.
    """

    left: float = 0.0

    def spend(self, units: float) -> None:
        """Take some units.

        Raises:
            TooMuchWork: fewer are left.
        """
        self.left -= units
        if self.left < 0:
            raise TooMuchWork

    def reads(self, value: T) -> T:
        """Pay for reading a value, and return it."""
        self.spend(weight(value, READ, self.left))
        return value

    def makes(self, value: T) -> T:
        """Pay for making a text of a value, and return the value."""
        self.spend(weight(value, MADE, self.left))
        return value

    def gives(self, value: T) -> T:
        """Pay for a result, and return it: a text is new, what a list holds was there before."""
        return self.makes(value) if isinstance(value, (str, bytes)) else self.reads(value)


METER: Final = Meter()


def weight(value: object, chars: int, most: float = math.inf, width: float = 0) -> float:
    """Return the units that a value weighs: what it would be if nothing in it were shared.

    Args:
        value: any value of a template; what is no plain data weighs 1.
        chars: characters a unit.
        most: beyond this it is infinite, and no longer looked into.
        width: characters that each part takes more for each level that it lies deep.
    """
    total, depth = 1.0, 0
    level: list[Any] = [value]
    while level:
        inner: list[Any] = []
        for each in level:
            if isinstance(each, (str, bytes)):
                total += len(each) / chars
            elif isinstance(each, int):
                total += each.bit_length() / 64
            elif isinstance(each, dict):
                inner += each
                inner += each.values()
            elif isinstance(each, _PARTS):
                inner += each
            elif isinstance(each, range):
                total += len(each)
            if total + len(inner) > most:
                return math.inf
        depth += 1
        total += len(inner) * (1 + depth * width / chars)
        level = inner
    return total


def filter_growth(name: str) -> Callable[..., float]:
    """Return what foretells the units that a filter makes beyond its arguments, from those arguments."""
    return _FILTERS.get(name, _none)


def method_growth(name: str) -> Callable[..., float]:
    """Return what foretells the units that a method of plain data takes beyond its arguments, from those and itself."""
    return _METHODS.get(name, _none)


def operator_growth(operator: str, left: Any, right: Any) -> float:
    """Return the units that an operator of arithmetic takes beyond its operands."""
    numbers = [each for each in (left, right) if isinstance(each, int)]
    bits = [each.bit_length() for each in numbers]
    if max(bits, default=0) > MOST_BITS:
        return math.inf
    if operator == "%" and isinstance(left, (str, bytes)):
        return _percent(left, *(right if isinstance(right, tuple) else (right,)))
    if operator in ("*", "**") and len(numbers) == 2:
        grown = sum(bits) if operator == "*" else bits[0] * max(right, 0)
        return math.inf if grown > MOST_BITS else 1
    if operator == "*" and numbers:
        other = right if numbers[0] is left else left
        chars = MADE if isinstance(other, (str, bytes)) else READ
        return 0 if isinstance(other, float) else weight(other, chars) * max(numbers[0], 0)
    return 0


def listed(value: Any) -> Any:
    """Return an iterator as a list, whose length is known, and anything else as it is."""
    return list(value) if isinstance(value, Iterator) else value


_PARTS: Final = (list, tuple, set, frozenset, KeysView, ValuesView, ItemsView)
_NUMBER: Final = re.compile(r"\d+")
_NESTED: Final = re.compile(r"\{[^{}]*\{")


def _none(*_: object, **__: object) -> float:
    return 0


def _endless(*_: object, **__: object) -> float:
    return math.inf


def _count(value: object) -> int:
    """How many a number asks for; what is no number is refused by whoever wants one."""
    return max(value, 0) if isinstance(value, int) else 0


def _length(value: Any) -> int:
    return len(value) if isinstance(value, (str, bytes)) else len(str(value))


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _padded(_: object, width: object = 80, *__: object) -> float:
    return _count(width) / MADE


def _replaced(text: Any, old: Any, new: Any, count: object = None) -> float:
    return _text(text).count(_text(old)) * _length(new) / MADE


def _stripped(text: Any, chars: Any = None) -> float:
    return 0 if chars is None else _length(text) * _length(chars) / READ


def _searched_backwards(text: Any, part: Any = None, *_: object, sep: Any = None, **__: object) -> float:
    wanted = part if sep is None else sep
    return _length(text) * (1 if wanted is None else _length(wanted)) / READ + _split(text, wanted)


def _split(text: Any, sep: Any = None, maxsplit: object = -1) -> float:
    parts = _length(text) / 2 if sep is None else _text(text).count(_text(sep))
    return parts + _length(text) / MADE


def _joined(items: Any, between: Any) -> float:
    return len(items) * _length(between) / MADE if hasattr(items, "__len__") else 0


def _indented(text: Any, width: Any = 4, first: object = False, blank: object = False) -> float:
    added = len(width) if isinstance(width, str) else _count(width)
    return (len(_text(text).splitlines()) + 1) * added / MADE


def _summed(items: Any, attribute: object = None, start: Any = 0) -> float:
    return 0 if isinstance(start, (int, float)) else weight(items, READ) ** 2


def _percent(text: Any, *values: Any, **named: Any) -> float:
    return _formatted(_text(text), "%", "*" in _text(text), (*values, *named.values()))


def _braces(text: Any, *values: Any, **named: Any) -> float:
    return _formatted(_text(text), "{", bool(_NESTED.search(_text(text))), (*values, *named.values()))


def _formatted(text: str, mark: str, asks: bool, values: tuple[Any, ...]) -> float:
    """The widths that a format asks for, itself or by its values, and every value in each of its places."""
    widths = _NUMBER.findall(text)
    if any(len(digits) > 9 for digits in widths):
        return math.inf
    numbers = [part for each in values for part in (each.values() if isinstance(each, Mapping) else (each,))]
    asked = sum(map(int, widths)) + (sum(map(_count, numbers)) * text.count(mark) if asks else 0)
    return asked / MADE + text.count(mark) * weight(values, MADE)


_FILTERS: Final[Mapping[str, Callable[..., float]]] = {
    "batch": lambda value, linecount, fill_with=None: _count(linecount),
    "center": _padded,
    "format": _percent,
    "indent": _indented,
    "join": lambda value, d="", attribute=None: _joined(value, d),
    "replace": _replaced,
    "round": lambda value, precision=0, method="common": math.inf if abs(precision) > 300 else 0,
    "slice": lambda value, slices, fill_with=None: _count(slices),
    "sum": _summed,
    "trim": _stripped,
}
_METHODS: Final[Mapping[str, Callable[..., float]]] = {
    "center": _padded,
    "ljust": _padded,
    "rjust": _padded,
    "zfill": _padded,
    "decode": lambda text, *codec, **named: _length(text) ** 2 / READ if codec or named else 0,
    "encode": lambda text, *codec, **named: _length(text) ** 2 / READ if codec or named else 0,
    "expandtabs": lambda text, tabsize=8: _text(text).count("\t") * _count(tabsize) / MADE,
    "format": _braces,
    "format_map": _braces,
    "join": lambda between, items: _joined(items, between),
    "replace": _replaced,
    "rfind": _searched_backwards,
    "rindex": _searched_backwards,
    "rpartition": _searched_backwards,
    "rsplit": _searched_backwards,
    "split": _split,
    "splitlines": lambda text, keepends=False: len(_text(text)) / 2,
    "strip": _stripped,
    "lstrip": _stripped,
    "rstrip": _stripped,
    "striptags": _endless,  # takes the square of its text
    "to_bytes": lambda number, length=1, byteorder="big", **_: _count(length) / MADE,
    "translate": lambda text, table: _length(text) * weight(table, MADE),
}
