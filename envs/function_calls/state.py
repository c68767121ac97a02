"""The state of a back end: what is compared with the gold state, how far two are apart, and a stable text of it.

By the published rule two back ends are in the same state when every attribute without an underscore before its name is
equal. Their own ``==`` decides; how far apart they are is counted here, in values.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from random import Random
from typing import Any, NamedTuple, TypeAlias

State: TypeAlias = Mapping[str, Any]
"""Attribute -> value, of those that are compared."""

_MOST = 200_000
"""Values that a state may have, with what it shares counted as often as it is reached."""
_LONGEST = 10_000_000  # bytes of the same
_PLAIN = (str, int, float, bool, bytes, complex, type(None))


class Mark(NamedTuple):
    """What a back end, or a part of it, comes down to.

    Attributes:
        digest: equal for equal content, private attributes included.
        overgrown: whether it holds more than is looked at.
        rows: of a table whose rows were marked one by one: key -> digest.
    """

    digest: bytes
    overgrown: bool = False
    rows: Mapping[Any, bytes] = {}


def compared(back_end: object) -> dict[str, Any]:
    """Return the attributes that are compared, as they are."""
    return {name: value for name, value in vars(back_end).items() if name[0] != "_"}


def same(state: State, gold: State) -> bool:
    """Whether a state is the gold one: each attribute that this has is there, and equal."""
    if len(state) == len(gold):
        return _equal(state, gold)
    return all(_equal(state.get(name, _NOTHING), value) for name, value in gold.items())


def distance(state: State, gold: State) -> int:
    """Return in how many values two states differ; 0 exactly where they are the same."""
    apart = sum(_apart(state.get(name, _NOTHING), value, ()) for name, value in gold.items())
    return apart or int(not same(state, gold))


def mark(held: Any) -> Mark:
    """Return the mark of a value, or of all attributes of a back end.

    Dates are left out but for their kind: they are the wall clock's, and nobody compares them.
    """
    try:
        return _marked(marshal.dumps(held, 2))  # plain data alone; version 2 knows nothing of what is shared
    except ValueError:
        pass
    walk = _Walk()
    try:
        text = marshal.dumps(walk.plain(held), 2)
    except (RecursionError, ValueError):
        return Mark(b"", overgrown=True)
    return _marked(text, overgrown=walk.size > _MOST)


def mark_rows(held: Any, before: Any = None, known: Mark | None = None) -> Mark:
    """Return the mark of a value that nobody changes inside: rows of a table that are the very same keep theirs.

    Args:
        held: the value.
        before: what was held before.
        known: the mark of that.
    """
    if type(held) is not dict:
        return mark(held)
    rows = known.rows if known is not None else {}
    now = {
        key: rows[key] if key in rows and before[key] is value else mark(value).digest for key, value in held.items()
    }
    return Mark(mark(list(now.items())).digest, rows=now)


def _marked(text: bytes, *, overgrown: bool = False) -> Mark:
    return Mark(blake2b(text, digest_size=16).digest(), overgrown or len(text) > _LONGEST)


class _Walk:
    """Plain data in the place of objects: each is written out where it is met first, and is a number after that."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._sizes: dict[int, int] = {}
        self.size = 0

    def plain(self, value: Any) -> Any:
        self.size += 1
        if isinstance(value, _PLAIN):
            return value
        if isinstance(value, dict):
            return [(self.plain(key), self.plain(each)) for key, each in value.items()]
        if isinstance(value, (list, tuple)):
            return [self.plain(each) for each in value]
        if isinstance(value, (set, frozenset)):
            return sorted(map(repr, value))
        if isinstance(value, Random):
            return value.getstate()
        known = id(value)
        if known in self._numbers:
            self.size += self._sizes.get(known, 0)  # as often as it is reached; not known yet inside itself
            return ("#", self._numbers[known])
        self._numbers[known] = len(self._numbers)
        before = self.size
        written = [type(value).__name__, self.plain(getattr(value, "__dict__", {}))]
        self._sizes[known] = self.size - before
        return written


def _equal(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except RecursionError:
        return False


def _apart(one: Any, other: Any, around: tuple[int, ...]) -> int:
    """In how many values two differ; those that hold the place where we are, such as parents, are passed over."""
    if one is other or _equal(one, other):
        return 0
    if isinstance(one, dict) and isinstance(other, dict):
        return sum(_apart(one.get(key, _NOTHING), other.get(key, _NOTHING), around) for key in {**one, **other})
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        longer = max(len(one), len(other))
        return sum(_apart(_at(one, place), _at(other, place), around) for place in range(longer))
    if type(one) is type(other) and hasattr(one, "__dict__"):
        inside = (*around, id(one), id(other))
        mine, its = ({n: v for n, v in compared(each).items() if id(v) not in inside} for each in (one, other))
        return max(1, _apart(mine, its, inside))
    return max(_values(one), _values(other), 1)


def _values(value: Any) -> int:
    """How many values lie in one."""
    left, count = [value], 0
    seen = set[int]()
    while left:
        each = left.pop()
        inside = list(_inside(each))
        if inside and id(each) not in seen:
            seen.add(id(each))
            left += inside
        count += not inside and each is not _NOTHING
    return count


def _inside(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, (list, tuple)):
        yield from value
    elif not isinstance(value, _PLAIN) and hasattr(value, "__dict__"):
        yield from (each for name, each in compared(value).items() if name != "parent")


def _at(values: Any, place: int) -> Any:
    return values[place] if place < len(values) else _NOTHING


_NOTHING: Any = object()
