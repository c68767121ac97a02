"""Normal text: two texts that differ in case, white space, numbers, ids or times alone become the same.

Case is folded, white space becomes single blanks, and then, from left to right, the first that fits of

| becomes | what |
|---|---|
| ``<uuid>`` | 8-4-4-4-12 hexadecimal digits |
| ``<date>`` | ``2024-05-15``, ``2024/5/15``, ``15.05.2024``, ``may 15, 2024``, ``15 may``, a time after it too |
| ``<time>`` | ``10:30``, ``10:30:05.25``, with ``am``, ``pm``, ``z``, ``utc`` or an offset |
| ``<hex>`` | ``0x`` and hexadecimal digits, or a word of 8 or more of them, letters and decimals both |
| ``<id>`` | a word (letters, digits, ``_``) with a letter or ``_`` and a digit |
| ``<n>`` | any other number, with its groups, decimals and exponent |

So a counter (``step 3 of 50``) is no difference. No digit is left, hence a normal text is its own normal text. O(n).
"""

from __future__ import annotations

import re

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_TIME = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d++)?)?(?: ?[ap]m\b| ?(?:z\b|utc\b|gmt\b)|[+-]\d{2}:?\d{2}\b)?"
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_DATE = (
    rf"(?:\d{{4}}(?P<ymd>[-/.])\d{{1,2}}(?P=ymd)\d{{1,2}}|\d{{1,2}}(?P<dmy>[-/.])\d{{1,2}}(?P=dmy)\d{{2,4}}"
    rf"|{_MONTH} {_DAY}\b(?:,? \d{{4}}\b)?|{_DAY} {_MONTH},?(?: \d{{4}}\b)?)"
)
_VOLATILE = re.compile(
    r"(?P<uuid>\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b)"
    rf"|(?P<date>(?<![\w.]){_DATE}(?!\d)(?:[t ],?{_TIME})?)"
    rf"|(?P<time>(?<![\w:]){_TIME}(?![\d:]))"
    r"|(?P<hex>\b0x[0-9a-f]++\b|\b(?=[a-f]*+\d)(?=\d*+[a-f])[0-9a-f]{8,}+\b)"
    r"|(?P<id>\b(?:\d++(?=[^\W\d])|[^\W\d]++\d)\w*+)"
    r"|(?P<n>\d++(?:[.,]\d++)*+(?:e[+-]?\d++)?+)"
)


def normal(text: str) -> str:
    """Return a text without what changes from one visit to the next."""
    return _VOLATILE.sub(lambda found: f"<{found.lastgroup}>", " ".join(text.casefold().split()))
