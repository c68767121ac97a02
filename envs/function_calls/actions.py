"""What an agent may write: calls, in the dialects that models write them in, or words, which end the turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from credit_gym.data.call_dialects import Unreadable, read_calls
from credit_gym.envs.function_calls.gold import Call, write_gold

DONE = "done()"
"""The action that ends a turn without a word."""

MOST_CALLS = 50
"""Calls of one action; the longest published turn has 34."""

_LONGEST = 100_000  # characters of an action with calls


def read_action(action: str, tools: Mapping[str, Mapping[str, Any]]) -> tuple[Call, ...] | Unreadable:
    """Return the calls that an action makes; none, ``()``, where it ends the turn.

    Args:
        action: what the agent wrote, hostile or not.
        tools: those on offer, and the parameters of each.

    Returns:
        The calls with their arguments by name, or the sentence about what cannot be read.
    """
    if not action.strip():
        return Unreadable("The action is empty: make a call, or write to the user to end the turn.")
    found = read_calls(action, tools)
    if isinstance(found, Unreadable):
        return found
    if len(found) == 1 and found[0]["name"] == "done":
        return ()
    if len(found) > MOST_CALLS or (found and len(action) > _LONGEST):
        return Unreadable(f"Make at most {MOST_CALLS} calls, in {_LONGEST} characters.")
    if any(not isinstance(call["arguments"], Mapping) for call in found):
        return Unreadable("The arguments of a call must be an object: name -> value.")
    return tuple(Call(call["name"], (), call["arguments"]) for call in found)


def write_action(calls: Sequence[Call]) -> str:
    """Return the action that makes some calls; without any, the one that ends the turn."""
    texts = list(map(write_gold, calls))
    return DONE if not texts else texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
