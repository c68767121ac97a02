"""Thoughts in a reply's own text: ``<think>...</think>`` at its beginning, as reasoning models write them."""

from __future__ import annotations

from typing import NamedTuple

_OPENING, _CLOSING = "<think>", "</think>"


class Reply(NamedTuple):
    """What a model wrote, taken apart.

    Attributes:
        thought: its thoughts; empty if there are none.
        rest: what follows them.
    """

    thought: str
    rest: str


def take_thought(text: str) -> Reply:
    """Take the thoughts off the beginning of a reply.

    Where the chat template writes the opening tag itself, a reply only closes it. A thought that never closes was cut:
    all of it is thought. Costs O(n).
    """
    thoughts, place = [], 0
    while True:
        start = _first_letter(text, place)
        begins = text.startswith(_OPENING, start)
        start += len(_OPENING) * begins
        end = text.find(_CLOSING, start)
        if not begins and (end < 0 or text.find(_OPENING, start, end) >= 0):
            break
        thoughts.append(text[start:].strip() if end < 0 else text[start:end].strip())
        place = len(text) if end < 0 else end + len(_CLOSING)
    return Reply("\n".join(filter(None, thoughts)), text[_first_letter(text, place) :] if thoughts else text)


def _first_letter(text: str, place: int) -> int:
    while place < len(text) and text[place].isspace():
        place += 1
    return place
