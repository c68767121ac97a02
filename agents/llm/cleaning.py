"""A key taken out of text that came back from outside, however it is spelt there.

What a model's server answers is decoded more than once on its way to an action (JSON within JSON, Python literals,
entities of tags), so a key that was escaped would appear later, in a place that nobody cleans.
"""

from __future__ import annotations

import re
from string import ascii_lowercase, ascii_uppercase

MARK = "[key]"
"""What stands in the place of a key."""

_ESCAPE = re.compile(
    r"\\{1,8}+(?:u00([0-9a-f]{2})|U000000([0-9a-f]{2})|x([0-9a-f]{2})|([0-7]{2,3})|/)"
    r"|%([0-9a-f]{2})|&#(?:x0{0,6}([0-9a-f]{2})|0{0,6}([0-9]{2,3}));",
    re.IGNORECASE,
)
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)  # which moves no letter, unlike lower()
_BASES = (16, 16, 16, 8, 16, 16, 10)  # of the digits of each kind of escape


def without(key: str, text: str) -> str:
    """Return a text without a key: as it is, in other letters' case, in escapes of JSON and Python, as entities.

    A text that spells the key in escapes comes back with all of its escapes of letters and digits read. It costs O(n).
    """
    text = _replaced(key, text)
    read = _ESCAPE.sub(_sign, text)
    cleaned = _replaced(key, read)
    return text if cleaned == read else cleaned


def _replaced(key: str, text: str) -> str:
    """The text with the mark in place of the key, in whatever letters' case."""
    sought, lowered = key.translate(_LOWER), text.translate(_LOWER)
    parts, start = list[str](), 0
    while (found := lowered.find(sought, start)) >= 0:
        parts += [text[start:found], MARK]
        start = found + len(sought)
    return "".join([*parts, text[start:]]) if parts else text


def _sign(escape: re.Match[str]) -> str:
    """The character that an escape stands for; what could end a quotation stays escaped."""
    for digits, base in zip(escape.groups(), _BASES, strict=True):
        if digits is not None:
            sign = chr(int(digits, base))
            return sign if sign.isprintable() and sign not in "\"'\\" else escape[0]
    return "/"
