"""Ranges of options, declared in a signature as mathematics writes them: ``lam: Annotated[float, Range("[0, 1]")]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True, slots=True)
class Range:
    """An interval of numbers, such as ``[0, 1]``, ``(0, inf)`` or ``[0, inf]`` (where infinity itself is allowed).

    Attributes:
        text: the interval; a round bracket leaves its end out.
    """

    text: str

    def __contains__(self, value: float) -> bool:
        low, high = (float(end) for end in self.text[1:-1].split(","))
        above = value >= low if self.text.startswith("[") else value > low
        below = value <= high if self.text.endswith("]") else value < high
        return above and below


Share = Annotated[float, Range("[0, 1]")]
"""A number in [0, 1]: a discount, a lambda, a weight of two things."""

Positive = Annotated[float, Range("(0, inf)")]
NonNegative = Annotated[float, Range("[0, inf)")]
Count = Annotated[int, Range("[1, inf)")]
"""How many of something there must be."""

Whole = Annotated[int, Range("[0, inf)")]
"""A seed, or a number of something that may be missing."""

Finite = Range("(-inf, inf)")
"""What a number must be in whose signature declares no range."""
