"""Plain data that becomes a dataclass: a key that is none of its fields is refused by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from credit_gym.errors import unknown


def check_fields(kind: str, keys: Iterable[Any], of: type[Any]) -> None:
    """Refuse a key that a dataclass has no field for.

    Args:
        kind: what a field is called in the sentence.
        keys: as they were read.
        of: the dataclass.

    Raises:
        UnknownNameError: there is no such field.
    """
    known = [field.name for field in fields(of)]
    for key in keys:
        if key not in known:
            raise unknown(kind, str(key), known)
