"""Texts of a page, each written down once, and numbers as people read them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

from credit_gym.report.text import printable

_SIGNIFICANT_DIGITS = 6


class Once:
    """Things, each written down once and known by its number, in the order in which they came.

    Attributes:
        written: the things.
    """

    def __init__(self) -> None:
        self.written: list[Any] = []
        self._number: dict[Hashable, int] = {}

    def add(self, thing: Any, known_by: Hashable) -> int:
        """Return the number of a thing that is told apart from others by something hashable."""
        number = self._number.setdefault(known_by, len(self.written))
        if number == len(self.written):
            self.written.append(thing)
        return number


class Texts(Once):
    """Texts that are safe to show."""

    def number(self, text: str) -> int:
        """Return the number of a text."""
        known = self._number.get(text)
        return self.add(printable(text), text) if known is None else known

    def numbers(self, texts: Iterable[str]) -> list[int]:
        """Return the number of each text."""
        return [self.number(text) for text in texts]


def rounded(value: float) -> float | None:
    """Return a number with six significant digits; None where it is none, or without end."""
    return float(f"{value:.{_SIGNIFICANT_DIGITS}g}") if math.isfinite(value) else None


def all_rounded(values: Iterable[float]) -> list[float | int | None]:
    """Return numbers as :func:`rounded`; whole ones as integers, which take less room."""
    return [None if v is None else int(v) if v == int(v) and abs(v) < 1e15 else v for v in map(rounded, values)]


def shown_value(value: Any) -> Any:
    """Return a value of JSON's types, as a message holds it, with every text in it safe to show."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable(str(name)): shown_value(each) for name, each in value.items()}
    if isinstance(value, Sequence):
        return [shown_value(each) for each in value]
    if isinstance(value, float):
        return rounded(value)
    return value if value is None or isinstance(value, bool | int) else printable(str(value))
