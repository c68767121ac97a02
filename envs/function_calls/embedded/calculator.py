"""Sums that are exact to a number of decimals; nothing is remembered."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from credit_gym.envs.function_calls.embedded.back_end import Answer, BackEnd, reads
from credit_gym.envs.tool_arguments import Refused

Unit = Literal["litre", "gallon", "kilometre", "mile", "celsius", "fahrenheit"]

_DECIMALS = 6
_LINEAR: Mapping[tuple[str, str], tuple[float, float]] = {  # (from, to) -> factor and what is added
    ("litre", "gallon"): (1 / 3.785411784, 0.0),
    ("gallon", "litre"): (3.785411784, 0.0),
    ("kilometre", "mile"): (1 / 1.609344, 0.0),
    ("mile", "kilometre"): (1.609344, 0.0),
    ("celsius", "fahrenheit"): (1.8, 32.0),
    ("fahrenheit", "celsius"): (1 / 1.8, -32 / 1.8),
}


class Calculator(BackEnd):
    """A calculator."""

    def load(self, scenario: Mapping[str, Any], long_context: bool = False) -> None:
        """See :class:`BackEnd`; there is nothing to load."""

    @reads
    def add(self, numbers: list[float]) -> Answer:
        """Add numbers up.

        Args:
            numbers: The numbers.
        """
        return _result(math.fsum(numbers))

    @reads
    def subtract(self, number: float, less: float) -> Answer:
        """Subtract a number from another.

        Args:
            number: What is subtracted from.
            less: What is subtracted.
        """
        return _result(number - less)

    @reads
    def multiply(self, number: float, times: float) -> Answer:
        """Multiply two numbers.

        Args:
            number: The one.
            times: The other.
        """
        return _result(number * times)

    @reads
    def divide(self, number: float, by: float) -> Answer:
        """Divide a number by another.

        Args:
            number: What is divided.
            by: What it is divided by.
        """
        if by == 0:
            raise Refused("Nothing is divided by 0.")
        return _result(number / by)

    @reads
    def mean(self, numbers: list[float]) -> Answer:
        """Take the mean of numbers.

        Args:
            numbers: The numbers, at least one.
        """
        if not numbers:
            raise Refused("The mean needs at least one number.")
        return _result(math.fsum(numbers) / len(numbers))

    @reads
    def percent_of(self, percent: float, whole: float) -> Answer:
        """Take a share of a number.

        Args:
            percent: The share, 100 for all of it.
            whole: The number.
        """
        return _result(percent * whole / 100)

    @reads
    def divide_down(self, number: float, by: float) -> Answer:
        """Tell how many whole times a number fits into another.

        Args:
            number: What is divided.
            by: What it is divided by, above 0.
        """
        if by <= 0:
            raise Refused("What a number is divided by must be above 0.")
        return _result(number // by)

    @reads
    def convert(self, value: float, source: Unit, target: Unit) -> Answer:
        """Convert a value to another unit.

        Args:
            value: The value.
            source: Its unit.
            target: The unit that is wanted.
        """
        if (source, target) not in _LINEAR:
            raise Refused(f"There is no way from {source} to {target}.")
        factor, added = _LINEAR[source, target]
        return _result(value * factor + added)


def _result(number: float) -> Answer:
    if not math.isfinite(number):
        raise Refused("The result is too large.")
    return {"result": round(float(number), _DECIMALS) + 0.0}
