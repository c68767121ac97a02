"""What changed in a world, as facts that can be counted; and which calls of a ground truth have their effect in it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

Facts: TypeAlias = Mapping[str, int]
"""A change in words -> how often it was made: a value at a place, or something that was added to a collection."""

_NUMBERS = frozenset(("id", "id_", "timestamp", "last_modified"))
"""What depends on when a thing was made, and not on what it is."""


def differences(before: Any, after: Any, place: str = "") -> Counter[str]:
    """Return what changed between two values of JSON's types.

    Lists are collections without order. What is new in a collection is one fact, whatever number it was given; what
    changed inside of something that was there before is a fact for each scalar.
    """
    found: Counter[str] = Counter()
    _collect(before, after, place, found)
    return found


class Effects:
    """Which calls of a ground truth have their effect in a world.

    A call's effect is what the world has after it and had not before it. An effect that a later call of the ground
    truth replaces is also there where that call's is.

    Args:
        along: what has changed since the beginning: nothing at first, then after each call.
    """

    def __init__(self, along: Sequence[Facts]) -> None:
        self.needs = tuple(
            {fact: count for fact, count in after.items() if count > before.get(fact, 0)}
            for before, after in pairwise(along)
        )
        self._replaced_by = tuple(
            next((j for j in range(k + 1, len(self.needs)) if _lost(need, along[j + 1])), -1)
            for k, need in enumerate(self.needs)
        )

    def made(self, facts: Facts) -> tuple[bool, ...]:
        """Return for each call whether its effect is there; False for a call that has none."""
        made = [bool(need) and not _lost(need, facts) for need in self.needs]
        for call in reversed(range(len(made))):
            later = self._replaced_by[call]
            made[call] = made[call] or (later >= 0 and made[later])
        return tuple(made)


def canonical(value: Any) -> str:
    """Return the one text of a value of JSON's types."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _lost(need: Facts, facts: Facts) -> bool:
    return any(facts.get(fact, 0) < count for fact, count in need.items())


def _collect(before: Any, after: Any, place: str, found: Counter[str]) -> None:
    if before is after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name, value in after.items():
            if name in before:
                _collect(before[name], value, f"{place}/{name}", found)
            else:
                found[f"{place} + {_new(value)}"] += 1
        for name in before.keys() - after.keys():
            found[f"{place} - {name}"] += 1
    elif isinstance(before, list) and isinstance(after, list):
        if before != after:
            here, there = Counter(map(_new, before)), Counter(map(_new, after))
            for sign, items in (("+", there - here), ("-", here - there)):
                for item, count in items.items():
                    found[f"{place} {sign} {item}"] += count
    elif before != after:
        found[f"{place} = {canonical(after)}"] += 1


def _new(value: Any) -> str:
    return canonical({k: v for k, v in value.items() if k not in _NUMBERS} if isinstance(value, dict) else value)
