"""Ids, the order of ids, and the keys that things are found under."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from credit_gym.data.key_functions import function_name
from credit_gym.store.codecs import dump

_COUNTED = re.compile(r"(?:0|[1-9][0-9]{0,17})(?:-(?:0|[1-9][0-9]{0,17}))*")


def candidate_ids(kind: str, content: Any) -> Iterator[str]:
    """Yield the ids that something may have: digests of its content and of how many equal ones came before.

    Args:
        kind: "run" or "group".
        content: whatever fixes it, made of JSON's types.
    """
    text = dump(content, canonical=True)
    for copy in itertools.count():
        yield f"{kind}_{hashlib.sha256(f'{copy} {text}'.encode()).hexdigest()[:12]}"


def natural_order(text: str) -> tuple[list[tuple[int, str]], str]:
    """Return a sorting key that puts "7-2" before "7-10": of two numbers the one with more digits is larger."""
    parts = re.split(r"([0-9]+)", text)
    digits = (part.lstrip("0") if i % 2 else part for i, part in enumerate(parts))
    return [(len(part) if i % 2 else 0, part) for i, part in enumerate(digits)], text


def in_natural_order(ids: Sequence[str]) -> Sequence[int]:
    """Return the places of some ids in the order of :func:`natural_order`.

    Those of a run, which differ in the number at their end, are told by it alone, in a hundredth of the memory.
    """
    heads, _, tails = zip(*[each.rpartition("-") for each in ids], strict=True) if ids else ((), (), ())
    if len(set(heads)) == 1 and _COUNTED.fullmatch("-".join(tails)):
        numbers = list(map(int, tails))
        return sorted(range(len(ids)), key=numbers.__getitem__)
    return sorted(range(len(ids)), key=lambda place: natural_order(ids[place]))


def ordered(ids: Sequence[str]) -> list[str]:
    """Return some ids in natural order."""
    return [ids[place] for place in in_natural_order(ids)]


def target_key(run_id: str, scorer: str, options: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return the key of a set of targets; a whole number and the same float are one value of an option."""
    return run_id, scorer, dump({name: _plain(value) for name, value in options.items()}, canonical=True)


def digest_of(episode_ids: Iterable[str]) -> str:
    """Return a digest of which episodes there are, whatever their order."""
    return hashlib.sha256(dump(sorted(episode_ids)).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if callable(value):
        return function_name(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value
