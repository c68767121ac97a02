"""Questions in plain English: which words they are made of, whether they guess a name, and what they ask."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence, Set
from enum import Enum
from functools import lru_cache, reduce
from itertools import chain
from operator import and_, or_
from typing import NamedTuple, TypeAlias

from credit_gym.envs.information.world import Question, World, phrases, read_yaml
from credit_gym.envs.remembering import remember_short
from credit_gym.envs.webshop.stemmer import stem

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
_LONGEST_KEPT = 120  # characters of a text whose words and meaning are remembered; few questions are longer
_ASIDE = re.compile(r"\([^()]*\)|\[[^][]*\]")


class Mark(Enum):
    """What a piece of a question that names nothing does in it."""

    FILLER = 0
    NOT = 1
    AND = 2
    OR = 3


_JOINTS = (Mark.AND, Mark.OR)


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


class Name(NamedTuple):
    """A thing's name in a question."""

    thing: int


class Asked(NamedTuple):
    """A property in a question."""

    question: Question
    adjective: bool
    place: bool = False


Piece: TypeAlias = Mark | Name | Asked
Span: TypeAlias = tuple[Piece, int, int]


@remember_short(1 << 12, _LONGEST_KEPT)
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


@remember_short(1 << 13, _LONGEST_KEPT)
def forms(name: str) -> frozenset[tuple[str, ...]]:
    """Return a name's words in singular and plural.

    The rules: -s; -es after s, x, z, ch, sh and o; -ies for -y after a consonant; -ves for -f and -fe of the words that
    do so; irregular nouns by a list. A name in -s is taken for a plural too ("scissors", "scissor").
    """
    *first, last = words(name) or [""]
    found = {last, *_plurals(last)}
    found |= {singular for singular, plural in _english().irregular.items() if plural == last}
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
    return word.casefold() in _english().guess


def without_asides(text: str) -> str:
    """Return a text without what stands in brackets."""
    return _ASIDE.sub(" ", text)


class Grammar:
    """Reads questions about a world.

    A question is understood when each of its words belongs to a known phrase: a wording of a property, a comparison of
    size with a known thing, a name, ``not``, ``and``, ``or``, or a filler such as "is it a". The longest phrase wins.
    What remains unexplained makes the question unreadable: better no answer than the answer to another question.

    Args:
        world: what can be asked about.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self._phrases: dict[str, list[tuple[tuple[str, ...], Piece]]] = {}
        self._names: dict[str, list[tuple[tuple[str, ...], Name]]] = {}
        self._english = _english()
        for wording, mark in self._english.marks.items():
            self._learn(wording, mark)
        for thing, name in enumerate(world.names):
            for other in (name, *world.forms[thing]):
                for form in forms(other):
                    self._names.setdefault(form[0], []).append((form, Name(thing)))
        for item in world.properties:
            piece = Asked(item.question, item.name in world.adjectives, item.place)
            for wording in (item.ask, self._core(item.ask), *item.say):
                self._learn(wording, piece)
            opposite = _opposite(item.question)
            if opposite is not None:
                for wording in item.deny:
                    self._learn(wording, Asked(opposite, piece.adjective))
        for known in self._phrases.values():
            known.sort(key=lambda phrase: -len(phrase[0]))
        self._sizes = {form: size for name, size in world.reference.items() for form in forms(name)}
        for name, others, size in zip(world.names, world.forms, world.sizes, strict=True):
            for form in chain.from_iterable(map(forms, (name, *others))):
                self._sizes.setdefault(form, size)
        self._read = remember_short(1 << 12, _LONGEST_KEPT)(self._parse)

    def parse(self, text: str) -> Question | None:
        """Return what a text asks, None where it cannot be understood.

        In a guess, brackets may hold what nobody knows, as in "Is it Rome (Roma), Italy?", but no other thing's name.
        """
        asked = self._read(text)
        asides = [] if asked is not None else _ASIDE.findall(text)
        if not asides:
            return asked
        bare = self._read(without_asides(text))
        if bare is None or bare.guess is None:
            return None
        others = map(self._read, asides)
        return None if any(other is not None and other.guess is not None for other in others) else bare

    def _words(self, text: str) -> tuple[str, ...]:
        return tuple(word for word in words(text) if word not in self._english.ignored)

    def _learn(self, wording: str, piece: Piece) -> None:
        stems = tuple(stem(word) for word in words(wording) if word not in self._english.ignored)
        known = self._phrases.setdefault(stems[0], [])
        if all(other != stems for other, _ in known):
            known.append((stems, piece))

    def _parse(self, text: str) -> Question | None:
        said = self._words(text)
        spans = self._explain(said)
        if spans is None:
            return None
        pieces = self._linked(said, spans)
        named = [piece for piece in pieces if isinstance(piece, Name)]
        if named:
            rest = (word for piece, start, end in spans if piece is Mark.FILLER for word in said[start:end])
            if any(word not in self._english.guess for word in rest):
                return None
            things = {piece.thing for piece in named}
            if len(things) == 1 and all(
                _is_place(piece) or isinstance(piece, Name) or piece is Mark.AND for piece in pieces
            ):
                fits = all(
                    piece.question.cells[0][1] >> named[0].thing & 1 for piece in pieces if isinstance(piece, Asked)
                )
                return self.world.guess(named[0].thing) if fits else self.world.yes_or_no(0)
        if len(pieces) == 1 and isinstance(pieces[0], Asked):
            return pieces[0].question
        if len(pieces) == 2 and pieces[0] is Mark.NOT and isinstance(pieces[1], Asked):
            return _opposite(pieces[1].question)
        chosen = self._combine(pieces)
        return None if chosen is None else self.world.yes_or_no(chosen)

    def _core(self, wording: str) -> str:
        """Return a wording without what begins a question: "Is it a tool?" has the core "tool"."""
        said = words(wording)
        while len(said) > 1 and (self._english.marks.get(said[0]) is Mark.FILLER or said[0] == "have"):
            said = said[1:]
        return " ".join(said)

    def _linked(self, said: Sequence[str], spans: Sequence[Span]) -> list[Piece]:
        """Return the pieces that tell something, with "and" before phrases that are joined to an earlier one."""
        pieces: list[Piece] = []
        for piece, start, _ in spans:
            linked = isinstance(piece, Asked) and said[start] in self._english.links
            if linked and pieces and not isinstance(pieces[-1], Mark):
                pieces.append(Mark.AND)
            if piece is not Mark.FILLER and not (piece is Mark.AND and (not pieces or pieces[-1] in _JOINTS)):
                pieces.append(piece)
        return pieces[:-1] if pieces and pieces[-1] is Mark.AND else pieces

    def _explain(self, said: Sequence[str]) -> list[Span] | None:
        """Cover all words by phrases, as many of them as can be by phrases that tell something; None if one is left."""
        stems = [stem(word) for word in said]
        best: dict[int, tuple[int, int, Span | None]] = {0: (0, 0, None)}  # by end: words that tell, -phrases, the last
        for at in range(len(said)):
            if at not in best:
                continue
            told, cost, _ = best[at]
            for piece, end in self._phrases_at(said, stems, at):
                score = (told + (0 if isinstance(piece, Mark) else end - at), cost - 1)
                if end not in best or score > best[end][:2]:
                    best[end] = (*score, (piece, at, end))
        if len(said) not in best:
            return None
        spans, span = [], best[len(said)][2]
        while span is not None:
            spans.append(span)
            span = best[span[1]][2]
        return spans[::-1]

    def _phrases_at(self, said: Sequence[str], stems: Sequence[str], at: int) -> Iterable[tuple[Piece, int]]:
        for phrase, piece in self._phrases.get(stems[at], ()):
            if tuple(stems[at : at + len(phrase)]) == phrase:
                yield piece, at + len(phrase)
        for form, name in self._names.get(said[at], ()):
            if tuple(said[at : at + len(form)]) == form:
                yield name, at + len(form)
        compared = self._comparison(said, at)
        if compared is not None:
            yield compared

    def _comparison(self, said: Sequence[str], at: int) -> tuple[Piece, int] | None:
        """Read "bigger than a dog" at a place: by the longest dimension, and a thing is not bigger than itself."""
        english, after = self._english, said[at + 1] if at + 1 < len(said) else ""
        compares = said[at] in english.bigger | english.smaller and after == "than"
        if not compares and not (said[at] in english.inside and after in ("in", "inside", "into")):
            return None
        start = at + 2
        while start < len(said) and said[start] in self._english.articles:
            start += 1
        for end in (start + 2, start + 1):
            size = self._sizes.get(tuple(said[start:end]))
            if size is not None and end <= len(said):
                bigger = said[at] in self._english.bigger
                chosen = sum(
                    1 << thing for thing, own in enumerate(self.world.sizes) if (own > size if bigger else own < size)
                )
                return Asked(self.world.yes_or_no(chosen), True), end
        return None

    def _combine(self, pieces: Sequence[Piece]) -> int | None:
        """Return the set that clauses joined by one kind of conjunction describe."""
        joints = {piece for piece in pieces if piece in _JOINTS}
        if len(joints) > 1:
            return None
        clauses: list[list[Piece]] = [[]]
        for piece in pieces:
            if piece in joints:
                clauses.append([])
            else:
                clauses[-1].append(piece)
        sets = [self._clause(clause) for clause in clauses if clause]
        understood = [chosen for chosen in sets if chosen is not None]
        if not sets or len(understood) < len(sets):
            return None
        return reduce(or_ if Mark.OR in joints else and_, understood)

    def _clause(self, pieces: Sequence[Piece]) -> int | None:
        """Return the set that one clause describes: perhaps "not", adjectives, and one property or name."""
        negations = sum(piece is Mark.NOT for piece in pieces)
        told = [piece for piece in pieces if piece is not Mark.NOT]
        if not told or (negations and pieces[0] is not Mark.NOT):
            return None
        if any(not (isinstance(piece, Asked) and piece.adjective) for piece in told[:-1]):
            return None
        chosen = self.world.everything
        for piece in told:
            if isinstance(piece, Name):
                chosen &= 1 << piece.thing
            elif isinstance(piece, Asked) and piece.question.cells[0][0] == "yes":
                chosen &= piece.question.cells[0][1]
            else:
                return None
        return self.world.everything & ~chosen if negations % 2 else chosen


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
        if form is None and said[at] not in _english().guess:
            return False
        found = found or form in named
        at += 1 if form is None else len(form)
    return found


@lru_cache(maxsize=1)
def _english() -> English:
    data = read_yaml("english.yaml")
    marks = dict.fromkeys((*phrases(data["frames"]), *data["fillers"].split()), Mark.FILLER)
    for key, mark in (("negations", Mark.NOT), ("conjunctions", Mark.AND), ("disjunctions", Mark.OR)):
        marks |= dict.fromkeys(phrases(data[key]), mark)
    lists = "ves", "guess", "bigger", "smaller", "inside", "articles", "ignored", "links"
    return English(irregular=data["irregular"], marks=marks, **{key: frozenset(data[key].split()) for key in lists})


def _opposite(question: Question) -> Question | None:
    """Return a yes-or-no question with its answers exchanged; it stays the same question."""
    answers = dict(question.cells)
    if set(answers) != {"yes", "no"}:
        return None
    return Question(question.key, (("yes", answers["no"]), ("no", answers["yes"])))


def _is_place(piece: Piece) -> bool:
    return isinstance(piece, Asked) and piece.place


def _plurals(word: str) -> set[str]:
    english = _english()
    if word in english.irregular:
        return {english.irregular[word], word + "es", word + "s"}
    if word in english.ves:
        return {word.removesuffix("e").removesuffix("f") + "ves", word + "s"}
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return {word + "es"}
    if word.endswith("o"):
        return {word + "s", word + "es"}
    if word.endswith("y") and word[-2:-1] not in tuple("aeiou"):
        return {word[:-1] + "ies"}
    return {word + "s"}
