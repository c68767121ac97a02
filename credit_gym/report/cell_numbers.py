"""Numbers read back from the cells of a table: ``0.93``, ``57%``, ``0.240 ± 0.012``, ``0.93 [0.91, 0.95]``."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from credit_gym.data.grouping import FloatArray
from credit_gym.report.table import Value

_NUMBER = r"[+-]?\d[\d,]{0,30}(?:\.\d{1,30})?(?:e[+-]?\d{1,3})?"
_BOUNDS = rf"\[({_NUMBER}) ?%?, ({_NUMBER}) ?%?\]"
_WITH_BOUNDS = re.compile(rf"(?:.*: )?({_NUMBER}) ?%? {_BOUNDS}.*", re.DOTALL)
_WITH_SPREAD = re.compile(rf"({_NUMBER}) ?%? ± ({_NUMBER}) ?%?")
_ALONE = re.compile(rf"({_NUMBER}) ?%?(?:[ ;].*)?", re.DOTALL)  # what follows says more of it: "640 (8 never)"
_LONGEST = 200  # characters of a cell that are read
_LARGEST = 1e30  # beyond it no axis has room
_NOTHING = (math.nan, math.nan, math.nan)


def column_numbers(values: Sequence[Value]) -> FloatArray | None:
    """Return the numbers of a column and their intervals.

    Args:
        values: (R,) cells.

    Returns:
        (R, 3): value, low and high, NaN where a cell is empty, has no interval, or is a word among numbers ("never");
        None where words are as many as numbers.
    """
    found = [_cell_number(value) for value in values]
    words = sum(numbers is None for numbers in found)
    told = sum(not math.isnan(numbers[0]) for numbers in found if numbers is not None)
    if told <= words:
        return None
    return np.asarray([numbers or _NOTHING for numbers in found], dtype=np.float64)


def _cell_number(value: Value) -> tuple[float, float, float] | None:
    if value is None or value in ("", "–", "—"):
        return _NOTHING
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _NOTHING if not abs(value) < _LARGEST else (float(value), math.nan, math.nan)
    text = value[:_LONGEST]
    if match := _WITH_BOUNDS.fullmatch(text):
        numbers = (_number(match[1]), _number(match[2]), _number(match[3]))
    elif match := _WITH_SPREAD.fullmatch(text):
        mean, spread = _number(match[1]), _number(match[2])
        numbers = (mean, mean - spread, mean + spread)
    elif match := _ALONE.fullmatch(text):
        numbers = (_number(match[1]), math.nan, math.nan)
    else:
        return None
    return numbers if all(not abs(number) >= _LARGEST for number in numbers) else _NOTHING


def _number(text: str) -> float:
    return float(text.replace(",", ""))
