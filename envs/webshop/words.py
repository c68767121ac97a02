"""Words of a text: Unicode's word boundaries (UAX #29) as Lucene's StandardTokenizer draws them.

WebShop's ranking is Lucene's, so its words must be Lucene's. They are UAX #29 words that hold a letter or a digit, with
four tailorings: every Han or Hiragana character is a word; so is every emoji sequence of UTS #51 (flags, key caps, skin
tones, joined families) and symbols with an emoji form such as the trade mark sign; a run of Thai, Lao, Khmer or Burmese
stays whole; nothing is longer than 255 characters. ``uniseg`` and ``regex`` (WORD mode) draw the plain annex's line:
they part Thai into letters and leave emoji among the punctuation.

Each character is first replaced by the letter of its kind, then one regular expression over these letters finds the
words. It uses possessive quantifiers throughout, so hostile text cannot make it backtrack. Kinds come from
``unicodedata`` where a general category decides them and from the short tables below (UAX #29 table 3, emoji-data 12.1)
where it does not; characters younger than Lucene's tables (Unicode 9) count as what they are in Python's.

The kinds: L letter, H Hebrew letter, A letter with an emoji form, N digit, K Katakana, I Han or Hiragana, S Southeast
Asian letter, E connector (``_``), Q ``'`` and D ``"``, ``.`` joins letters or digits, ``:`` letters, ``,`` digits;
P emoji, B emoji that takes a skin tone, M skin tone, R half a flag, ``#`` key of a key cap; and the characters that
extend the one before: X any, s Southeast Asian mark, Z zero-width joiner, C key cap, F emoji and T text presentation,
G tag, g end of tags. Anything else is a blank.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

LONGEST = 255  # characters; longer words are cut (Lucene's maxTokenLength)

_TABLE = {
    "E": "5F 202F 203F-2040 2054 FE33-FE34 FE4D-FE4F FF3F",
    "Q": "27",
    "D": "22",
    ".": "2E 2018-2019 2024 FE52 FF07 FF0E",
    ":": "3A B7 2D7 387 5F4 2027 FE13 FE55 FF1A",
    ",": "2C 3B 37E 589 60C-60D 66C 7F8 2044 FE10 FE14 FE50 FE54 FF0C FF1B",
    "#": "23 2A",
    "N": "66B",
    "K": "3031-3035 309B-309C 30A0-30FA 30FC-30FF 31F0-31FF 32D0-32FE 3300-3357 FF66-FF9D 1B000",
    "I": "2E80-2E99 2E9B-2EF3 2F00-2FD5 3007 3021-3029 3038-303A 3041-3096 309D-309F 3400-4DB5 4E00-9FD5 F900-FA6D"
    " FA70-FAD9 1B001 1F200 20000-2A6D6 2A700-2B734 2B740-2B81D 2B820-2CEA1 2F800-2FA1D",
    "S": "E01-E3A E40-E4E E81-E84 E87-E88 E8A E8D E94-E97 E99-E9F EA1-EA7 EAA-EAB EAD-EB9 EBB-EDF 1000-103F 1050-109F"
    " 1780-17D3 17D7 17DC-17DD 1950-19DF 1A20-1A7C 1AA0-1AAD A9E0-A9FE AA60-AADF 11700-11719 1171D-1172B 1173A-1173B"
    " 1173F",
    "H": "5D0-5EA 5F0-5F2 FB1D FB1F-FB28 FB2A-FB36 FB38-FB3C FB3E FB40-FB41 FB43-FB44 FB46-FB4F",
    "A": "2139 24C2 1F170-1F171 1F17E-1F17F",
    "L": "5F3 24B6-24E9 1F130-1F149 1F150-1F169 1F172-1F189",
    "M": "1F3FB-1F3FF",
    "R": "1F1E6-1F1FF",
    "B": "261D 26F9 270A-270D 1F385 1F3C2-1F3C4 1F3C7 1F3CA-1F3CC 1F442-1F443 1F446-1F450 1F466-1F469 1F46E"
    " 1F470-1F478 1F47C 1F481-1F483 1F485-1F487 1F4AA 1F574-1F575 1F57A 1F590 1F595-1F596 1F645-1F647 1F64B-1F64F"
    " 1F6A3 1F6B4-1F6B6 1F6C0 1F6CC 1F918-1F91C 1F91E-1F91F 1F926 1F930-1F939 1F93D-1F93E 1F9B5-1F9B6 1F9B8-1F9B9"
    " 1F9D1-1F9DD",
    "P": "A9 AE 203C 2049 2122 2194-2199 21A9-21AA 231A-231B 2328 2388 23CF 23E9-23F3 23F8-23FA 25AA-25AB 25B6 25C0"
    " 25FB-25FE 2600-2605 2607-2612 2614-2685 2690-2705 2708-2712 2714 2716 271D 2721 2728 2733-2734 2744 2747 274C"
    " 274E 2753-2755 2757 2763-2767 2795-2797 27A1 27B0 27BF 2934-2935 2B05-2B07 2B1B-2B1C 2B50 2B55 3030 303D 3297"
    " 3299 1F000-1F0FF 1F10D-1F10F 1F12F 1F16C-1F16F 1F18E 1F191-1F19A 1F1AD-1F1E5 1F201-1F20F 1F21A 1F22F"
    " 1F232-1F23A 1F23C-1F23F 1F249-1F3FA 1F400-1F53D 1F546-1F64F 1F680-1F6FF 1F774-1F77F 1F7D5-1F7FF 1F80C-1F80F"
    " 1F848-1F84F 1F85A-1F85F 1F888-1F88F 1F8AE-1F8FF 1F90C-1F93A 1F93C-1F945 1F947-1FFFD",
    "X": "200C FF9E-FF9F",
    "Z": "200D",
    "C": "20E3",
    "F": "FE0F",
    "T": "FE0E",
    "G": "E0020-E007E",
    "g": "E007F",
    " ": "200B 3006",
}
_CATEGORY = {"Nd": "N", "Mn": "X", "Mc": "X", "Me": "X", "Cf": "X"} | dict.fromkeys(
    ("Lu", "Ll", "Lt", "Lm", "Lo", "Nl"), "L"
)


def _ranges(table: str) -> Iterator[range]:
    for item in table.split():
        first, _, last = item.partition("-")
        yield range(int(first, 16), int(last or first, 16) + 1)


_RANGES = [(span, kind) for kind, table in _TABLE.items() for span in _ranges(table)]


class _Kinds(dict[int, str]):
    """Kind of each code point, worked out when it is first met (the mapping that ``str.translate`` wants)."""

    def __missing__(self, code: int) -> str:
        category = unicodedata.category(chr(code))
        kind = next((kind for span, kind in _RANGES if code in span), _CATEGORY.get(category, " "))
        if kind == "S":
            kind = {"Nd": "N", "Mn": "s", "Mc": "s", "Cn": " "}.get(category, "S")
        self[code] = kind
        return kind


_KIND = _Kinds()

_X = "[XsZCFTGg]*+"  # whatever extends the character before it
_Y = "[XsZCGg]*+"  # the same without presentation selectors
_LETTERS = f"H{_X} (?: Q{_X} | D{_X} H{_X} ) | [LHA]{_X} (?: [.Q:]{_X} [LHA]{_X} )*+"
_DIGITS = f"N{_X} (?: [.Q,]{_X} N{_X} )*+"
_UNIT = f"(?: (?: {_LETTERS} | {_DIGITS} )++ | (?: K{_X} )++ )"
_CONNECTORS = "E[EXsZCFTGg]"
_WORD = f"(?: {_CONNECTORS}{{0,{LONGEST}}}+ )?+ {_UNIT} (?: {_CONNECTORS}*+ {_UNIT} )*+ (?: {_CONNECTORS}*+ )?+"
_FACE = f"[PBA]{_Y} F?+"
_TONE = f"M{_Y}"
_TONED = f"B{_Y} {_TONE}"
_JOINED = f"(?: Z*+ (?<=Z) (?: {_TONED} | {_FACE} ) | Z?+ (?<=Z) {_TONE} )*+"
# A letter with an emoji form begins a word, unless an emoji that is no letter is joined to it and makes that longer.
_EMOJI_START = f"(?: Z{{1,{LONGEST}}}+ (?!M) | (?: A{_Y} F?+ Z*+ (?<=Z) )*+ (?!A) )"
_EMOJI = f"(?=[ABMPZ]) {_EMOJI_START} (?: {_TONED} | {_TONE} | {_FACE} ) (?: G++ g | {_JOINED} )"
_FLAG = f"R{_X} R{_X}"
_KEY_CAP = f"[#] (?: {_Y} F C{_Y} | [XsZGg]*+ C{_Y} )"  # those of digits are words already
_PLAIN = "[LN]++ (?![XsZCFTGg.,:QDEHA])"  # most words, without asking for more
_TOKEN = re.compile(
    f"(?![ ]) (?: {_PLAIN} | {_EMOJI} | {_WORD} | (?: [Ss]{_X} )++ | I{_X} | {_FLAG} | {_KEY_CAP} )", re.VERBOSE
)


def words(text: str) -> list[str]:
    """Return the words of a text in reading order, as they are written.

    Args:
        text: any string, unpaired surrogates included.

    Returns:
        the tokens of Lucene 8.11's StandardTokenizer: UAX #29 words, tailored as the module says.
    """
    kinds = text.translate(_KIND)
    spans = list(map(re.Match.span, _TOKEN.finditer(kinds)))
    found = [text[start:end] for start, end in spans]
    if max(map(len, found), default=0) > LONGEST:
        return [text[start:end] for span in spans for start, end in _cut(kinds, *span)]
    return found


def _cut(kinds: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Parts of a word: each is the longest word that a window of ``LONGEST`` characters shows."""
    while start < end:
        match = _TOKEN.match(kinds, start, min(start + LONGEST, end))
        if match:
            yield match.span()
        start = match.end() if match else start + 1
