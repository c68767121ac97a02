"""Tool calls in one canonical text: ``{"name": ..., "arguments": {...}}`` with the arguments' keys sorted.

A call is a mapping with ``id``, ``name`` and ``arguments``, as the column ``tool_calls`` holds it. Its arguments are a
mapping; where a model wrote something that is no JSON object they are that text, so that nothing is lost.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from credit_gym.data.foreign_text import read_json

Arguments = Mapping[str, Any] | str


def write_call(name: str, arguments: Arguments) -> str:
    """Return the canonical text of a call, which is also the action that it makes."""
    return f'{{"name": {_dump(name)}, "arguments": {_dump(arguments)}}}'


def write_calls(calls: Sequence[Mapping[str, Any]]) -> str:
    """Return the canonical text of the calls of one reply: one call as it is, several as a JSON list."""
    texts = [write_call(call["name"], call["arguments"]) for call in calls]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def write_arguments(arguments: Arguments) -> str:
    """Return the text of a call's arguments, as OpenAI's messages hold them; :func:`read_arguments` reads it back."""
    return arguments if isinstance(arguments, str) else _dump(arguments)


def read_arguments(given: Any) -> Arguments:
    """Return the arguments of a call, given as JSON's types or as JSON text; nothing at all is no argument.

    Text that is no JSON object stays what it is, as does one with a number that JSON has no word for (NaN), or one too
    deep to be read; any other value is its JSON text.
    """
    if given is None or given == "":
        return {}
    if not isinstance(given, str):
        return given if isinstance(given, Mapping) and _is_finite(given) else _dump(given)
    try:
        value = read_json(given)
    except (ValueError, RecursionError):
        return given
    return value if isinstance(value, Mapping) and _is_finite(value) else given


def _is_finite(value: Any) -> bool:
    """Whether JSON has a word for every number in a value."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
