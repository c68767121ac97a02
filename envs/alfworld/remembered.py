"""What has been worked out about games, of all games together: memory comes to an end, however many are played."""

from __future__ import annotations

from collections import deque
from typing import Any, TypeVar

K = TypeVar("K")
V = TypeVar("V")

MOST = 40_000
"""Lists of commands, operators, distances and texts, 300 to 700 bytes each with its key.

Random walks over a hundred games come to a hundred thousand of them, to most but once. With none remembered they are
half as fast, with all three tenths faster.
"""

_order: deque[tuple[dict[Any, Any], Any]] = deque()


def keep(cache: dict[K, V], key: K, value: V) -> V:
    """Remember a value that was not remembered yet, and forget the oldest one, of whatever game, if there are too many.

    Args:
        cache: of one game; it is looked into as any dictionary.
        key: what the value hangs on.
        value: what was worked out.
    """
    cache[key] = value
    _order.append((cache, key))
    if len(_order) > MOST:
        oldest, forgotten = _order.popleft()
        oldest.pop(forgotten, None)
    return value
