r"""The form of an answer: its parts without their dress.

``\text{Area} = \boldsymbol{12}\,\text{cm}^2`` has the name ``Area``, the value ``12`` and the unit ``cm^2``. Nothing is
worked out here; every step costs time in proportion to the text.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from credit_gym.envs.team.math_number import SCALES, number
from credit_gym.envs.team.math_unit import Unit, known_unit, unit

_DRESS = (
    "text|textbf|textit|textrm|textsf|texttt|textnormal|emph|underline|mbox|hbox|fbox|boxed|mathrm|mathbf|mathit|mathsf"
    "|mathtt|mathnormal|boldsymbol|bm|pmb|ensuremath|Large|large"
)
_WRAPPED = re.compile(rf"\\(?:{_DRESS}) ?\{{([^{{}}]*)\}}")
_LAST_TEXT = re.compile(r"\\(?:text|textrm|mbox|mathrm) ?\{([^{}]*)\} ?((?:\^ ?\{? ?-?\d ?\}?)?)$")
_SWITCH = re.compile(
    r"\\(?:displaystyle|textstyle|limits|bf|it|rm|left|right|[bB]ig[glr]?)(?![a-zA-Z])|\\(?:text)?color ?\{[^{}]*\}"
)
_SPACE = re.compile(r"(?<!\\)\\[,;:> ]|\\q?quad(?![a-zA-Z])|~|\s+")
_FRACTION = re.compile(r"\\[dtc]frac(?![a-zA-Z])")
_ALIKE = str.maketrans({
    "−": "-", "–": "-", "﹣": "-", "－": "-", "⁄": "/", "∕": "/", "÷": "/", "，": ",", "（": "(", "）": ")", "％": "%",
    "＝": "=", "：": ":", "．": ".", "π": r"\pi ", "∞": r"\infty ", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ",
    "∈": r"\in ", "±": r"\pm ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "°": r"^\circ", "∪": r"\cup ",
    "’": "'", "\x08": "\\b",
})  # fmt: skip
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_RAISED_RUN = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+")
_DEGREES = re.compile(r"\^ ?(?:\{ ?\\circ ?\}|\\circ)")
_MEMBER = re.compile(r"^[a-zA-Z] ?\\in ?")
_MONEY = re.compile(r"([+-]?) ?(?:\\?(\$)|([€£¥₹])|(USD|EUR|US\$)) ?(?=[\d.+-])")
_MEASURED = re.compile(
    r"([+-]?(?: ?\\frac ?\{[^{}]*\} ?\{[^{}]*\}| ?\\frac ?\d ?\d|\d[\d.,_'’]*|\.\d+)"
    r"(?:[ /]\d[\d.,]*|(?:\\overline|\\bar) ?\{?\d+\}?|\(\d+\)| ?\\frac ?\{\d+\} ?\{\d+\}| ?\\frac ?\d ?\d)*"
    r"(?: ?(?:\\times|\\cdot|\*) ?10 ?\^ ?(?:\{[^{}]*\}|\d))?)"
    r" ?((?:[^\W\d_]|\\?[%$]|[€£¥₹¢]|\\circ).*)"
)
_CHANGING = (
    "or and plus minus times divided over to mod modulo choose factorial half halves thirds quarters than point base "
    "if unless not score squared cubed x i e"
)
_NOT_A_UNIT = frozenset(_CHANGING.split())
_BASE = re.compile(r"([+-]?[0-9][0-9A-Z]*|[+-]?[A-F][0-9A-F]*) ?_ ?(?:\{ ?(\d{1,2}) ?\}|(\d{1,2}))")
_BASE_WORD = re.compile(r" ?\(? ?(?:in )?base[ -](\d{1,2}) ?\)?$")
_JOINED = re.compile(r",? (?:and|or) ")
_OPERATORS = re.compile(r"\\(?:frac|sqrt|times|cdot|div|pi|log|ln|sin|cos|tan|pm|infty)(?![a-zA-Z])")
_ATTACHED = re.compile(r"[+-]?[\d.,]+[a-zA-Z]")
_SCALE = re.compile(rf"({'|'.join(SCALES)})s?(?![a-zA-Z])", re.IGNORECASE)
_OPENING, _CLOSING = "([{", ")]}"


class Form(NamedTuple):
    """An answer in parts.

    Attributes:
        whole: the clean text, with its names.
        name: what the value is said to be of, empty where nothing is said.
        value: the value without its unit.
        unit: its unit.
        amount: the value where it is a number.
        base: of a numeral in another base, else 0; ``amount`` is then None. -1 for a base that lacks its digits.
        equals: what else the answer says that the value is, such as the sum that makes it.
    """

    whole: str
    name: str
    value: str
    unit: Unit
    amount: Fraction | None
    base: int
    equals: tuple[str, ...]


class Items(NamedTuple):
    """The members of a list.

    Attributes:
        brackets: round or square ones, empty for none and for the braces of a set: then the order says nothing.
        members: the texts between its commas, two or more.
    """

    brackets: str
    members: tuple[str, ...]


def form(text: str, *, attached: bool = True) -> Form:
    """Return the parts of an answer.

    Args:
        text: the answer.
        attached: whether one letter behind a number may be its unit without a space: ``5m``, which else is 5 times m.
    """
    whole = clean(text)
    name, value, equals = _named(whole)
    bare = undress(value)
    if number(bare) is None and (attached or not _ATTACHED.fullmatch(bare)):
        value, measure = _measured(value)
    else:
        measure = ""
    if number(undress(value)) is None and _SCALE.match(measure):
        value, measure = bare, ""  # a million times what is no number
    value, base = _numeral(undress(value))
    amount = None if base else number(value)
    while amount is not None and (scale := _SCALE.match(measure)):
        amount *= SCALES[scale[1].casefold().rstrip("s")]
        value, measure = str(amount), measure[scale.end() :].strip()
    return Form(undress(whole), name, value, unit(measure), amount, base, equals)


def clean(text: str) -> str:
    r"""Return a text with one sign for each meaning: no thin spaces, sizes, delimiters of mathematics or emphasis."""
    text = unicodedata.normalize("NFC", text).strip()
    text = _RAISED_RUN.sub(lambda run: f"^{{{run[0].translate(_RAISED)}}}", text)
    text = "".join(map(_common, text)).translate(_ALIKE)
    text = _FRACTION.sub(r"\\frac", text).replace("\\!", "").replace("{,}", ",")
    text = _SWITCH.sub("", _SPACE.sub(" ", text))
    text = undelimited(text).strip().rstrip(".。,;").strip()
    for mark in ("**", "__", "*", "_", "`"):
        if len(text) > 2 * len(mark) and text.startswith(mark) and text.endswith(mark):
            text = text[len(mark) : -len(mark)].strip().rstrip(".")
    text = _MEMBER.sub("", text)
    return " ".join(text.split())


def undelimited(text: str) -> str:
    r"""Return a text without the delimiters of mathematics: ``\(``, ``\[``, ``$$``, and pairs of dollar signs.

    Dollar signs are delimiters where they come in pairs that hug what is between them (Pandoc's rule), so $5 and $7
    are amounts.
    """
    text = re.sub(r"(?<!\\)\\[()\[\]]", "", text).replace("$$", "")
    signs = [found.start() for found in re.finditer(r"(?<!\\)\$", text)]
    pairs = list(zip(signs[::2], signs[1::2], strict=False))
    hugging = all(text[a + 1] != " " and text[b - 1] != " " and not text[b + 1 : b + 2].isdigit() for a, b in pairs)
    if not pairs or len(signs) % 2 or not hugging:
        return text
    delimiters = set(signs)
    return "".join(character for position, character in enumerate(text) if position not in delimiters)


def undress(text: str) -> str:
    r"""Return a clean text without ``\text{}``, ``\mathbf{}`` and the like, and without braces around all of it."""
    for _ in range(4):
        bare = _WRAPPED.sub(lambda found: found[1] if _subscript(found) else f" {found[1].strip()} ", text)
        if bare == text:
            break
        text = bare
    text = " ".join(text.split())
    while text[:1] == "{" and text[-1:] == "}" and _outer(text):
        text = text[1:-1].strip()
    return text.strip().rstrip(".").strip()


def items(text: str) -> Items | None:
    """Return the members of a list, None for what is none: 1,234 is a number, and so is f(1, 2)."""
    brackets, inside = _brackets(text)
    if not brackets:
        if number(text) is not None:
            return None
        inside = _JOINED.sub(", ", text)
    members = _split(inside, ",")
    if len(members) > 1 and ", " in inside and not brackets:
        members = _regrouped(members)
    members = [member.strip() for member in members]
    if len(members) < 2 or not all(members):
        return None
    return Items("" if brackets == "{}" else brackets, tuple(members))


def _named(text: str) -> tuple[str, str, tuple[str, ...]]:
    r"""Split ``name = 3 \cdot 5 = 15`` into its name, its value and what the value is said to equal."""
    text = text.removeprefix("=").strip()
    if re.search(r"[<>!:]=|==|\\[lg]eq?(?![a-zA-Z])|\\neq?(?![a-zA-Z])|[<>]|\\approx", text):
        return "", text, ()
    members = [member.strip() for member in _split(text, "=")]
    if (
        len(members) < 2
        or not all(members)
        or any(len(_split(_JOINED.sub(", ", member), ",")) > 1 for member in members[:-1])
    ):
        return "", text, ()
    names = [member for member in members if _has_letter(member)]
    sums = [member for member in members if member not in names]
    numbers = [member for member in sums if number(undress(_measured(member)[0])) is not None]
    value = (numbers or sums or members)[-1]
    rest = [member for member in members if member is not value]
    name = next((undress(member).replace(" ", "") for member in rest if member in names), "")
    return name, value, tuple(member for member in rest if member in sums)


def _measured(text: str) -> tuple[str, str]:
    """Split an answer into its value and the words of its unit, currency before or behind included."""
    money = _MONEY.match(text)
    symbol = ""
    if money:
        symbol = next(group for group in money.groups()[1:] if group).replace("US$", "$")
        text = money[1] + text[money.end() :]
    degrees = _DEGREES.search(text)
    if degrees and not text[degrees.end() :].strip(" CF"):
        return text[: degrees.start()].strip(), f"°{text[degrees.end() :].strip()}"
    last = _LAST_TEXT.search(text)
    if last and text[: last.start()].strip() and not _MEASURED.fullmatch(undress(text)):
        words = last[1].strip()
        if (
            words
            and not set(words.casefold().split()) & _NOT_A_UNIT
            and text[: last.start()].strip()[-1] not in "_^=,+-"
        ):
            return text[: last.start()].strip(), _unit_words(words + last[2], symbol)
    bare = undress(text)
    found = _MEASURED.fullmatch(bare)
    if found and _is_measure(found[2], spaced=bare[found.end(1) : found.start(2)] == " "):
        return found[1].strip(" ,"), _unit_words(found[2].replace("\\", ""), symbol)
    tail = re.search(r"(?:(?<=[\d})])|(?<=\\pi)) ((?:\\?%|[a-zA-Z]{2,}[a-zA-Z/^{}\d ]{0,40}))$", bare)
    if tail and known_unit(tail[1].replace("\\", "")):
        return bare[: tail.start()].strip(), symbol or tail[1].replace("\\", "")
    return text, symbol


def _unit_words(words: str, symbol: str) -> str:
    """The unit of $2 million per day is dollars: of the words behind an amount of money only the scale counts."""
    scale = _SCALE.match(words)
    return f"{scale[0] if scale else ''} {symbol}".strip() if symbol else words


def _is_measure(words: str, *, spaced: bool) -> bool:
    """Whether what stands behind a number is a unit rather than a variable, an operator or another number."""
    parts = re.findall(r"[^\W\d_]+", words)
    if re.search(r"\d", re.sub(r"(?:\^ ?\{? ?-?\d ?\}?|[a-zA-Z]\d)", "", words)) or re.search(
        r"[=+<>|\\]", words.replace("\\%", "").replace("\\$", "")
    ):
        return False
    if re.search(r"[_,({]|\*", re.sub(r"\^ ?\{[^{}]*\}", "", words)):
        return False
    if {part.casefold() for part in parts} & _NOT_A_UNIT:
        return False
    if known_unit(words.replace("\\", "")) is not None:
        return True
    cjk = any(ord(character) > 0x2E80 for character in words)
    return (spaced or cjk) and len(parts) <= 6 and all(len(part) > 1 or part == "a" or cjk for part in parts)


def _numeral(value: str) -> tuple[str, int]:
    """Return a numeral without its base, and the base."""
    word = _BASE_WORD.search(value)
    found = _BASE.fullmatch(f"{value[: word.start()]}_{word[1]}" if word else value)
    base = int(found[2] or found[3]) if found else 0
    if found is None:
        return value, 0
    try:
        int(found[1], base if base > 1 else 99)
    except ValueError:  # the digits are none of that base, or a letter has an index
        return value, -1 if found[1].lstrip("+-")[0].isdigit() else 0
    return found[1].lstrip("+"), base


def _common(character: str) -> str:
    """One character in its common form: a digit of any script, a vulgar fraction, a letter of full width."""
    if character < "\x7f" or unicodedata.category(character) not in {"Nd", "No", "Zs", "Ll", "Lu"}:
        return character
    if unicodedata.category(character) == "Nd":
        return str(unicodedata.decimal(character))
    plain = unicodedata.normalize("NFKC", character)
    if "⁄" in plain:
        return f" {plain}"
    return plain if unicodedata.east_asian_width(character) == "F" or character.isspace() else character


def _subscript(found: re.Match[str]) -> bool:
    return found.string[: found.start()].rstrip().endswith(("_", "^", "{")) if found.start() else False


def _has_letter(text: str) -> bool:
    return bool(re.search(r"[^\W\d_]", _OPERATORS.sub("", undress(_measured(text)[0]))))


def _brackets(text: str) -> tuple[str, str]:
    """The brackets around a text and what is inside, empty where they are not around all of it."""
    if text.startswith("\\{") and text.endswith("\\}"):
        return "{}", text[2:-2]
    if text[:1] in ("(", "[") and text[-1:] in (")", "]") and len(text) > 2 and _outer(text):
        return text[0] + text[-1], text[1:-1]
    return "", text


def _outer(text: str) -> bool:
    """Whether the first bracket closes with the last character only."""
    depth = 0
    for character in text[:-1]:
        depth += (character in _OPENING) - (character in _CLOSING)
        if depth < 1:
            return False
    return True


def _split(text: str, sign: str) -> list[str]:
    """Split a text at a sign outside all brackets."""
    parts, depth, begun = [], 0, 0
    for position, character in enumerate(text):
        depth += (character in _OPENING) - (character in _CLOSING)
        if character == sign and depth == 0:
            parts.append(text[begun:position])
            begun = position + 1
    return [*parts, text[begun:]]


def _regrouped(members: list[str]) -> list[str]:
    """Join the groups of thousands: in a list with spaces behind its commas a comma without one belongs to a number."""
    joined = [members[0]]
    for before, member in pairwise(members):
        if re.fullmatch(r"\d{3}(?: ?\.\d+)?", member) and re.search(r"(?:^|[^\d,])\d{1,3}$", before):
            joined[-1] += f",{member}"
        else:
            joined.append(member)
    return joined
