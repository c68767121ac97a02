"""Answers that are remembered: so many of them, and to short texts alone.

A cache that counts its entries has no bound where a model writes the keys: a text of a million characters comes once,
and would lie there until thousands of others have come.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def remember_short(
    entries: int, longest: int
) -> Callable[[Callable[Concatenate[str, P], T]], Callable[Concatenate[str, P], T]]:
    """Return a decorator: what a function makes of short texts is remembered, of a long one as long as it is the last.

    Args:
        entries: how many answers to short texts are remembered; those asked for longest ago are forgotten.
        longest: characters of a text that counts as short.
    """

    def decorated(function: Callable[Concatenate[str, P], T]) -> Callable[Concatenate[str, P], T]:
        short: Callable[..., T] = lru_cache(entries)(function)
        long: Callable[..., T] = lru_cache(1)(function)

        @wraps(function)
        def answer(text: str, /, *others: P.args, **named: P.kwargs) -> T:
            return (short if len(text) <= longest else long)(text, *others, **named)

        return answer

    return decorated
