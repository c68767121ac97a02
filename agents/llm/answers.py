"""What an answer of either protocol holds, whatever its server put there: no trifle throws away what was paid for."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from credit_gym.agents.llm.server import UNREADABLE, Server, ServerError
from credit_gym.data.calls import Arguments, write_arguments
from credit_gym.data.finish_reasons import CUT
from credit_gym.formats.parts import read_call

_DEEPEST = 64  # levels of a call's arguments; what is deeper is kept as text, which anything can hold


def read_usage(given: Any, counts: Mapping[str, tuple[str, ...]]) -> dict[str, float]:
    """Return the counts of tokens that a server gave; what it did not give, or what is no count, is left out.

    Args:
        given: its usage, whatever that is.
        counts: name of a count -> the fields that add up to it; the first of them must be there.
    """
    if not isinstance(given, dict):
        return {}
    found = {name: [_count(given.get(field)) for field in fields] for name, fields in counts.items()}
    return {name: sum(filter(None, parts)) for name, parts in found.items() if parts[0] is not None}


def given_calls(server: Server, given: Iterable[Any]) -> tuple[dict[str, Any], ...]:
    """Return the tool calls of an answer; a missing id is empty, and a call without a name is kept as its text."""
    return tuple(_call(server, each) for each in given)


def check_playable(server: Server, reason: str, *said: object) -> None:
    """Refuse an answer that says nothing, unless the model ended it of its own will or used up its tokens.

    Silence is the answer then, and of one that was cut the prompting says what is done about it.

    Args:
        server: who answered.
        reason: why the answer ended, in the common words.
        said: its text, its calls, its thought.

    Raises:
        ServerError: the model declined, or did not come to its end.
    """
    if any(said) or reason in ("stop", "tool_calls", "length"):
        return
    if reason in CUT:
        raise ServerError.of(f"{server.name} declined to answer ({reason}): change the prompt.", billable=True)
    raise server.malformed("no text")


def _count(value: Any) -> float | None:
    """A count of tokens; a negative or an endless one would lift a cap."""
    try:
        count = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return count if 0.0 <= count < math.inf else None


def _call(server: Server, given: Any) -> dict[str, Any]:
    try:
        call = read_call(given)
        arguments = _arguments(server, call["arguments"])
        return {"id": server.clean(call["id"]), "name": server.clean(call["name"]), "arguments": arguments}
    except UNREADABLE:
        return {"id": "", "name": "", "arguments": server.clean(_text(given))}


def _arguments(server: Server, given: Arguments) -> Arguments:
    try:
        cleaned: Arguments = server.clean_value(given, _DEEPEST)
    except RecursionError:
        cleaned = server.clean(write_arguments(given))
    return cleaned


def _text(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "too deep to be read"
