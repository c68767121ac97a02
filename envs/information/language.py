"""Plain English: which words a text is made of, and whether it guesses a name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence, Set
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from credit_gym.envs.information.world import phrases, read_yaml
from credit_gym.envs.remembering import remember_short

_FRONT_NEGATION = re.compile(r"^(is|are|was|do|does|did|could|would|should|has|have|ca|wo)n't\b")
_CLITICS = (
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"\bcannot\b"), "can not"),
    (re.compile(r"\b(it|that|what|where|which|who|there)'s\b"), r"\1 is"),
    (re.compile(r"'re\b"), " are"),
    (re.compile(r"'m\b"), " am"),
    (re.compile(r"'s?\b"), ""),
)
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"})
_WORD = re.compile(r"[^\W_]+")
LONGEST_KEPT = 120  # characters of a text whose words and meaning are remembered; few questions are longer
_ASIDE = re.compile(r"\([^()]*\)|\[[^][]*\]")


class Mark(Enum):
    """What a piece of a question that names nothing does in it."""

    FILLER = 0
    NOT = 1
    AND = 2
    OR = 3


class English(NamedTuple):
    """What the package knows of English, apart from its rules (``english.yaml``).

    Attributes:
        irregular, ves: plurals of irregular nouns, and nouns whose plural ends in -ves.
        guess: words that may stand beside the name in a guess.
        marks: what phrases do that name nothing.
        bigger, smaller: comparatives before "than", and their opposites.
        inside: verbs before "in" that ask whether something is smaller.
        articles: what may stand before the thing compared with.
        ignored: adverbs that change nothing.
        links: words that join what they begin to what stands before.
    """

    irregular: dict[str, str]
    ves: frozenset[str]
    guess: frozenset[str]
    marks: dict[str, Mark]
    bigger: frozenset[str]
    smaller: frozenset[str]
    inside: frozenset[str]
    articles: frozenset[str]
    ignored: frozenset[str]
    links: frozenset[str]


@remember_short(1 << 12, LONGEST_KEPT)
def words(text: str) -> tuple[str, ...]:
    """Return the words of a text: lower-case, without accents, hyphens, punctuation and contractions.

    A negation contracted at the beginning is dropped: "isn't it alive?" asks the same as "is it alive?".
    """
    plain = text.casefold()
    if not plain.isascii():
        plain = "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))
        plain = plain.translate(_LETTERS)
    plain = plain.replace("’", "'").strip()
    if "'" in plain or "cannot" in plain:
        plain = _FRONT_NEGATION.sub(lambda match: {"ca": "can", "wo": "will"}.get(match[1], match[1]), plain)
        for pattern, replacement in _CLITICS:
            plain = pattern.sub(replacement, plain)
    return tuple(_WORD.findall(plain))


@remember_short(1 << 13, LONGEST_KEPT)
def forms(name: str) -> frozenset[tuple[str, ...]]:
    """Return a name's words in singular and plural.

    The rules: -s; -es after s, x, z, ch, sh and o; -ies for -y after a consonant; -ves for -f and -fe of the words that
    do so; irregular nouns by a list. A name in -s is taken for a plural too ("scissors", "scissor").
    """
    *first, last = words(name) or [""]
    found = {last, *_plurals(last)}
    found |= {singular for singular, plural in english().irregular.items() if plural == last}
    if last.endswith("s") and not last.endswith("ss") and len(last) > 3:
        found.add(last[:-1])
    return frozenset((*first, word) for word in found)


def is_guess(text: str, names: Iterable[str], beside: Iterable[str] = ()) -> bool:
    """Return whether a text guesses one of the names, as in "Is it a tiger?", and asks nothing else.

    Args:
        text: what was said; several of the names may stand in it, as in "Is it Mumbai (Bombay)?", and anything in
            brackets.
        names: what the thing is called.
        beside: what may stand beside its name, such as the country of a city.
    """
    known, named = _forms_of(tuple(names), tuple(beside))
    said = (text, without_asides(text)) if "(" in text or "[" in text else (text,)
    return any(_names_nothing_else(words(each), known, named) for each in said)


def stands_beside_names(word: str) -> bool:
    """Return whether a word may stand beside the name in a guess and names nothing itself."""
    return word.casefold() in english().guess


def asides(text: str) -> list[str]:
    """Return what stands in brackets in a text, the brackets too."""
    return _ASIDE.findall(text)


def without_asides(text: str) -> str:
    """Return a text without what stands in brackets."""
    return _ASIDE.sub(" ", text)


@lru_cache(maxsize=1 << 12)
def _forms_of(
    names: tuple[str, ...], beside: tuple[str, ...]
) -> tuple[Mapping[str, Sequence[tuple[str, ...]]], Set[tuple[str, ...]]]:
    """The forms that may stand in a guess, by their first words, the longest first, and those that name the thing."""
    named, passed = ({form for name in group for form in forms(name)} for group in (names, beside))
    known: dict[str, list[tuple[str, ...]]] = {}
    for form in sorted(named | passed, key=len, reverse=True):
        known.setdefault(form[0], []).append(form)
    return known, named


def _names_nothing_else(
    said: Sequence[str], known: Mapping[str, Sequence[tuple[str, ...]]], named: Set[tuple[str, ...]]
) -> bool:
    """Whether words are known forms, one of those that name the thing at least, and what may stand beside them."""
    at, found = 0, False
    while at < len(said):
        form = next((form for form in known.get(said[at], ()) if tuple(said[at : at + len(form)]) == form), None)
        if form is None and said[at] not in english().guess:
            return False
        found = found or form in named
        at += 1 if form is None else len(form)
    return found


@lru_cache(maxsize=1)
def english() -> English:
    """Return what the package knows of English; read once a process."""
    data = read_yaml("english.yaml")
    marks = dict.fromkeys((*phrases(data["frames"]), *data["fillers"].split()), Mark.FILLER)
    for key, mark in (("negations", Mark.NOT), ("conjunctions", Mark.AND), ("disjunctions", Mark.OR)):
        marks |= dict.fromkeys(phrases(data[key]), mark)
    lists = "ves", "guess", "bigger", "smaller", "inside", "articles", "ignored", "links"
    return English(irregular=data["irregular"], marks=marks, **{key: frozenset(data[key].split()) for key in lists})


def _plurals(word: str) -> set[str]:
    rules = english()
    if word in rules.irregular:
        return {rules.irregular[word], word + "es", word + "s"}
    if word in rules.ves:
        return {word.removesuffix("e").removesuffix("f") + "ves", word + "s"}
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return {word + "es"}
    if word.endswith("o"):
        return {word + "s", word + "es"}
    if word.endswith("y") and word[-2:-1] not in tuple("aeiou"):
        return {word[:-1] + "ies"}
    return {word + "s"}
