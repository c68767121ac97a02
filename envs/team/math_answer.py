r"""Find the answer in a message: what it marks as one, without the sentence around it.

A mark is a box, a ``####`` line, the words "answer is" or "answer:", or a message that is nothing but one piece of bold
or mathematics or one assignment (``x = 5``). Behind the words the answer ends where the sentence goes on: 12 is the
answer of "The answer is 12 because 3*5=15", and 18 that of "Answer: She makes $18 every day". A sentence that takes it
back, offers a choice or changes the number in words (12 or 15, twice 18, 12 plus 3) is left whole, and equals none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from credit_gym.envs.team.math_form import undelimited
from credit_gym.envs.team.math_unit import known_unit

_CHAT_TOKEN = re.compile(
    r"<\|[^<>|\s]{1,40}\|>|<｜[^<>\s]{1,40}｜>|</?s>|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>|\[/?INST\]"
)
_LONGEST_MESSAGE = 50_000
_LONGEST_LINE = 4000
_BRACE = re.compile(r"(?:\\|\x08)(?:b?oxed|fbox|framebox)(\s*\{)?|\\[\s\S]|[{}]")
_BARE_BOX = re.compile(r"(?:\\b|\x08)oxed ?([^\s{}$][^\n{}$]{0,200})")
_BETWEEN_BOXES = re.compile(r"[\s$,]{0,9}(?:,|\band\b|\bor\b)[\s$,]{0,9}", re.IGNORECASE)
_HASHES = re.compile(r"####[ \t]*([^\n]*)")
_NUMBERED = re.compile(r"\d{1,3}[.):] +\S")
_FACE = r"[*_`\"'”»\]}]"  # what a label may be wrapped in, with its other half before it
_ANCHOR = re.compile(
    r"(?:\b|(?<=\b_)|(?<=\b__))(?:answers?|ans(?=[*_`\"'\]}.]{0,3}\s?[:：]))"  # an underscore may be emphasis
    rf"(?: ?\([^()\n]{{0,40}}\))?{_FACE}{{0,3}}(?:\s{{1,8}}(?:is|are|would be|equals)\b"
    rf"|\s{{0,8}}(?:[:：=|→⇒]|[=-]>))(?:[*_:：]|[`}}](?=\s)){{0,3}}"
    r"|答案(?:是|为|[:：])[:：]?|答え(?:は|[:：])|\bответ\s?[:：—-]|\bantwort(?:\s(?:ist|lautet)\b|\s?:)"
    r"|\brespuesta(?:\s(?:final\s)?es\b|\s?:)|\bréponse(?:\s(?:finale\s)?est\b|\s?:)|\brisposta(?:\sè|\s?:)|\bresposta(?:\sé|\s?:)"
    r"|^[#*_> \t`-]{0,12}(?:(?:step )?\d{1,3}[.:)] )?[^\w\s<]{0,4} ?(?:(?:the|my|final|correct) ){0,2}answer"
    r"(?:[*_`]{0,3}[ \t]{0,8}$|[*_`]{0,3} ?[—–] )"
    r"|<(?:final_)?answer>|\[answer\]",
    re.IGNORECASE | re.MULTILINE,
)
_HTML = re.compile(r"</?(?:b|strong|i|em|u|mark|code|span)>", re.IGNORECASE)
_PICTURE = re.compile(r"(?:[\u2600-\u2715\u2728\u2b50\U0001f300-\U0001faff]\ufe0f?\s{0,3}){1,3}")
_RULE = re.compile(r"={3,99}|-{3,99}|\|?(?:\s?:?-{2,}+:?\s?\|?){1,9}")
_OPENINGS = {"$$": "$$", "\\[": "\\]", **{f"```{language}": "```" for language in ("", "text", "txt", "math", "latex")}}
_BOLD = re.compile(r"(\*\*|__)([^*_\n]{1,200})\1[.!]?")
_MATHS = re.compile(
    r"\$([^$\n]{1,200})\$[.!]?|\\\(((?:[^\\\n]|\\[^)\n]){1,200})\\\)[.!]?|\\\[((?:[^\\]|\\[^\]]){1,400})\\\][.!]?"
)
_ASSIGNED = re.compile(r"[a-zA-Z](?:_\w)? ?= ?(?=\S)[^=\n]{1,200}")
_NUMBER = re.compile(
    r"(?:[-+−–] ?)?(?:\\?\$|[€£¥₹] ?)?(?:[-−–])?"
    r"(?:\d{1,3}(?:(?:,|\{,\}|[   ]|\\[,! ])\d{3})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,]\d+)?|\.\d+)"
    r"(?: ?[½¼¾⅓⅔]|(?: \d{1,9})?/\d{1,99})?"
)
_NUMBER_ENDS = re.compile(
    r"[.,!?;:。，！？；]*(?:\s*$)|[.!?。！？;](?:\s|[^\d\s])|, ?[\"']?[a-z]| ?[^\W\d_]{2,}| [a-zA-Z] ?[.!]?$"
    r"| ?[%°€$]|\s\(| ?[^\w\s=+*/^<>\\$({\[|!-]{1,6}\s*$"  # a face
)
_REASON = re.compile(
    r",? (?:because|since|as|so|which|where|therefore|hence|given that)\b"
    r"|[;:] |[.!?。！？](?=\s|$)|[。！？；]|, ?(?=[\"']?[a-z])"
)
_TAKEN_BACK = re.compile(
    r"\b(?:wait|actually|sorry|oops|correction|incorrect|wrong|mistake|instead|rather|however|but|scratch that|not"
    r"|no(?=[,.:;!]))(?!\w)",
    re.IGNORECASE,
)
_CHANGED = re.compile(
    r"\b(?:or|and|plus|minus|times|divided|multiplied|over|to|mod|modulo|choose|factorial|half|halves|thirds?|quarters?"
    r"|than|twice|double|triple|squared?|cubed?|root|power|between|at (?:least|most)|about|around|approximately|roughly"
    r"|nearly|almost|if|unless|either|neither|nor|not|never|cannot|maybe|perhaps|unknown|guess|point|negative|base"
    r"|hundreds?|thousands?|millions?|billions?|trillions?|sum|product|(?:square|cube) of|of the)\b|n't\b",
    re.IGNORECASE,
)
_DELIMITED = re.compile(r"(\$\$?|\\\(|\\\[|\*{1,3}|_{1,3}|`|\"(?=[^\"\n]{1,99}\"))")
_CLOSING = {"\\(": "\\)", "\\[": "\\]"}
_REMARK = re.compile(r" \([^\W\d_]{2}[^()\n]{0,200}\)")


class Answer(NamedTuple):
    """What a message gives as its answer.

    Attributes:
        text: the answer, empty where there is none.
        method: how it was marked: ``boxed``, ``hashes`` (``#### 5``), ``anchor`` ("the answer is 5"), ``alone`` (the
            message is nothing else) or ``none``.
    """

    text: str
    method: str


def extract_answer(message: str) -> Answer:
    r"""Return the answer that a message marks as one; of a long message the last 50,000 characters are read.

    The last balanced ``\boxed{}`` counts (several joined by "and", "or" or a comma are one list), else the last
    ``####`` line that is no heading, else what follows the last "answer is" or "answer:" up to the end of its clause,
    else a message that is one piece of bold or mathematics, or one assignment. A message that marks none gives no
    answer: its last line is not one.
    """
    text = strip_chat_tokens(message[-_LONGEST_MESSAGE:])
    for method, find in _MARKS.items():
        found = find(text)
        if found is not None:
            return Answer(found.strip(), method)
    return Answer("", "none")


def strip_chat_tokens(text: str) -> str:
    """Return a text without the control tokens of chat templates, such as ``<|im_end|>``."""
    return _CHAT_TOKEN.sub("", text)


def clause_value(line: str) -> str:
    """Return the answer with which a line begins or which is the one number of its clause, else the line."""
    line = line.strip().lstrip(">").strip()
    line = (line[:-1] if line.count("|") == 1 and line.endswith("|") else line).rstrip("*_ ")
    line = line.lstrip(":：") if line[:1] in ":：" else line
    line = line.strip()
    line = line[2:].lstrip() if line.startswith(("* ", "• ")) else line
    picture = _PICTURE.match(line)
    line = line[picture.end() :] if picture else line
    opened = _DELIMITED.match(line)
    if opened:
        close = line.find(_CLOSING.get(opened[1], opened[1]), opened.end())
        inside = line[opened.end() : close]
        is_money = opened[1] == "$" and (close < 0 or inside[-1:] == " " or line[close + 1 : close + 2].isdigit())
        if close > 0 and inside.strip() and not is_money:
            return _with_tail(inside.strip(), line[close + len(opened[1]) :], line)
        if close < 0 and opened[1][0] in "*_":
            line = line[len(opened[1]) :].strip()
    begins = _NUMBER.match(line)
    if begins and _NUMBER_ENDS.match(line, begins.end()):
        return _with_tail(begins[0], line[begins.end() :], line)
    return _clause(line)


def _clause(line: str) -> str:
    end = _REASON.search(line)
    clause = line[: end.start()] if end else line
    plain = undelimited(clause)
    if end and end[0][0] == ":":
        return _trimmed(line) if _NUMBER.search(clause) else clause_value(line[end.end() :])
    if re.match(r"[^\W\d_]{2,}", plain) and not _CHANGED.search(plain):
        numbers = list(_NUMBER.finditer(plain))
        apart = [n for n in numbers if re.fullmatch(r"[\s=]?", plain[n.start() - 1 : n.start()])]
        if len(numbers) == len(apart) == 1 and re.match(r"$| ?[^\W\d_]{2,}| ?[%°€]", plain[numbers[0].end() :]):
            return _with_tail(numbers[0][0].strip(), plain[numbers[0].end() :], line)
    if end and (end[0].strip(" ,")[:1].isalpha() or end[0][:1] in ".!?。！？；;"):
        return line if _TAKEN_BACK.search(line[end.end() :]) else clause.strip()
    return _trimmed(line)


def _with_tail(value: str, tail: str, line: str) -> str:
    """The value with its unit, where what follows it leaves it as it is; else the line."""
    tail = _REMARK.sub("", tail, count=1) if not re.match(r" \((?:or|not|mod)\b", tail) else tail
    end = _REASON.search(tail)
    words, rest = (tail[: end.start()], tail[end.start() :]) if end else (tail, "")
    words = words.strip().rstrip(".!,*_`")
    if _CHANGED.search(words) and not re.match(
        r"(?:hundred|thousand|million|billion|trillion)s?(?: \w+)?$", words, re.IGNORECASE
    ):
        return _trimmed(line)
    if re.search(r"\d|[=+<>^\\]", words) and not re.fullmatch(
        r"(?:[^\W\d_]|[\s/%°]|\^ ?\{?\d|\\(?:text|mathrm)|[{}²³])++", words
    ):
        return _trimmed(line)
    if (
        re.match(r", ?(?:or|and|not)?\s?[\d$\\]|,? (?:or|and)\b", rest)
        or _TAKEN_BACK.search(rest)
        or _NUMBERED.search(rest)
    ):
        return _trimmed(line)
    return f"{value} {_unit_in(words)}".strip()


def _unit_in(words: str) -> str:
    """What the words behind a number say of its unit or scale: "m" of "m long", nothing of "every day"."""
    parts = words.split()
    if not re.search(r"\w|[%°€$£^\\]", words):
        return ""
    for length in range(min(4, len(parts)), 0, -1):
        start = " ".join(parts[:length])
        if known_unit(start) and (start != "in" or len(parts) == 1):
            return start
    return words if len(parts) == 1 or words[:1] in tuple("%°/^\\") or _CHANGED.search(words) else ""


def _trimmed(line: str) -> str:
    """The line without emphasis, delimiters and its last stop."""
    return undelimited(line.replace("**", "").replace("__", "")).strip().rstrip(" *.。!").strip()


def _boxes(text: str) -> str | None:
    """The content of the last box whose braces balance, with those that "and", "or" or a comma join to it."""
    opened: list[tuple[int, int] | None] = []
    spans: list[tuple[int, int, int]] = []
    for found in _BRACE.finditer(text):
        if found[0] == "{":
            opened.append(None)
        elif found[1]:
            opened.append((found.start(), found.end()))
        elif found[0] == "}" and opened:
            start = opened.pop()
            if start is not None:
                spans.append((*start, found.start()))
    if not spans:
        bare = _BARE_BOX.findall(text)
        return clause_value(bare[-1]) if bare else None
    spans.sort()
    begin, first, last = spans.pop()
    joined = [text[first:last]]
    while spans and _BETWEEN_BOXES.fullmatch(text, spans[-1][2] + 1, begin):
        begin, first, last = spans.pop()
        joined.insert(0, text[first:last])
    return ", ".join(joined)


def _hashes(text: str) -> str | None:
    """What the last ``####`` line says, unless it is a heading: numbered, or with more text below and no value."""
    found = list(_HASHES.finditer(text))
    for line in reversed(found[-20:]):
        content = line[1][:_LONGEST_LINE].strip().strip("*_ ")
        if not content or _NUMBERED.match(content) or _ANCHOR.search(f"#### {content}"):
            continue
        value = clause_value(line[1][:_LONGEST_LINE])
        if _NUMBER.match(value.lstrip("\\( ")) or not text[line.end() :].strip():
            return value
    return None


def _anchored(text: str) -> str | None:
    text = _HTML.sub("", text)
    found = list(_ANCHOR.finditer(text))
    for anchor in reversed(found[-20:]):
        line = _after(text, anchor)
        if line.strip(" *_#|>$.。"):
            return clause_value(line)
    return None


def _after(text: str, anchor: re.Match[str]) -> str:
    """The line that holds an answer: what follows its mark, or stands in the display, block or table after it."""
    line, end = _line_at(text, anchor.end())
    if _RULE.fullmatch(line.strip()):
        if "|" in line:
            return _in_table(text, anchor.start(), end)
        line, end = _line_at(text, end)
    closing = _OPENINGS.get(line.strip())
    if closing is not None:
        inside = text[end : max(text.find(closing, end), end)].strip()
        line = line if "\n" in inside else inside
    return re.split(r"</(?:final_)?answer>|\[/answer\]", line, maxsplit=1, flags=re.IGNORECASE)[0]


def _line_at(text: str, begun: int) -> tuple[str, int]:
    """The first line with something in it, and where it ends."""
    while begun < len(text) and text[begun].isspace():
        begun += 1
    end = text.find("\n", begun)
    end = len(text) if end < 0 else end
    return text[begun : min(end, begun + _LONGEST_LINE)], end


def _in_table(text: str, label: int, end: int) -> str:
    """The cell below a label, where the table has one row: of several nobody says which is the answer."""
    row, after = _line_at(text, end)
    if row.count("|") < 1 or "|" in _line_at(text, after)[0]:
        return ""
    head = text[text.rfind("\n", 0, label) + 1 : label]
    cells = row.strip().removeprefix("|").split("|")
    place = head.strip().removeprefix("|").count("|")
    return cells[place].strip() if place < len(cells) else ""


def _alone(text: str) -> str | None:
    text = text.strip()
    if len(text) > 500:
        return None
    bold = _BOLD.fullmatch(text.rpartition("\n")[2].strip())
    if bold:
        return bold[2].strip().rstrip(".:")
    maths = _MATHS.fullmatch(text)
    if maths:
        return next(group for group in maths.groups() if group is not None)
    return text if _ASSIGNED.fullmatch(text) else None


_MARKS: dict[str, Callable[[str], str | None]] = {
    "boxed": _boxes,
    "hashes": _hashes,
    "anchor": _anchored,
    "alone": _alone,
}
