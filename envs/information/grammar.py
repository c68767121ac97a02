"""Questions about a world in plain English: what they ask."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import chain
from operator import and_, or_
from typing import NamedTuple, TypeAlias

from credit_gym.envs.information.language import (
    LONGEST_KEPT,
    Mark,
    asides,
    english,
    forms,
    is_guess,
    without_asides,
    words,
)
from credit_gym.envs.information.world import Question, World, members
from credit_gym.envs.remembering import remember_short
from credit_gym.envs.webshop.stemmer import stem

_JOINTS = (Mark.AND, Mark.OR)
_LONGEST_GUESS = 40  # words


class Name(NamedTuple):
    """A name in a question, and the set of things that are called so."""

    chosen: int


class Asked(NamedTuple):
    """A property in a question."""

    question: Question
    adjective: bool
    place: bool = False


Piece: TypeAlias = Mark | Name | Asked
Span: TypeAlias = tuple[Piece, int, int]


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
        self._english = english()
        for wording, mark in self._english.marks.items():
            self._learn(wording, mark)
        called: dict[tuple[str, ...], int] = {}
        for thing in range(len(world.names)):
            for form in {form for name in world.names_of(thing) for form in forms(name)}:
                called[form] = called.get(form, 0) | 1 << thing
        for form, chosen in called.items():
            self._names.setdefault(form[0], []).append((form, Name(chosen)))
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
        self._read = remember_short(1 << 12, LONGEST_KEPT)(self._parse)
        self.guessed = remember_short(1 << 12, LONGEST_KEPT)(self._guessed)

    def parse(self, text: str) -> Question | None:
        """Return what a text asks, None where it cannot be understood.

        In a guess, brackets may hold what nobody knows, as in "Is it Rome (Roma), Italy?", but no other thing's name.
        """
        asked = self._read(text)
        aside = [] if asked is not None else asides(text)
        if not aside:
            named = self.guessed(text) if asked is None else 0
            return self.world.guess(named) if named else asked
        bare = self._read(without_asides(text))
        if bare is None or bare.guess is None:
            return None
        others = map(self._read, aside)
        return None if any(other is not None and other.guess is not None for other in others) else bare

    def _guessed(self, text: str) -> int:
        """Return the set of the things of which a text is a guess and nothing else, by :func:`is_guess`."""
        said, named = words(text), 0
        for at, word in enumerate(said if len(said) <= _LONGEST_GUESS else ()):
            for form, name in self._names.get(word, ()):
                if tuple(said[at : at + len(form)]) == form:
                    named |= name.chosen
        return sum(1 << thing for thing in members(named) if is_guess(text, self.world.names_of(thing)))

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
            chosen = reduce(and_, (piece.chosen for piece in named))
            if chosen and all(_is_place(piece) or isinstance(piece, Name) or piece is Mark.AND for piece in pieces):
                places = (piece.question.cells[0][1] for piece in pieces if isinstance(piece, Asked))
                chosen = reduce(and_, places, chosen)
                return self.world.guess(chosen) if chosen else self.world.yes_or_no(0)
        if len(pieces) == 1 and isinstance(pieces[0], Asked):
            return pieces[0].question
        if len(pieces) == 2 and pieces[0] is Mark.NOT and isinstance(pieces[1], Asked):
            return _opposite(pieces[1].question)
        described = self._combine(pieces)
        return None if described is None else self.world.yes_or_no(described)

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
            hidden = len(form) == 1 and self._english.marks.get(form[0]) is Mark.FILLER
            if tuple(said[at : at + len(form)]) == form and not hidden:
                yield name, at + len(form)
        compared = self._comparison(said, at)
        if compared is not None:
            yield compared

    def _comparison(self, said: Sequence[str], at: int) -> tuple[Piece, int] | None:
        """Read "bigger than a dog" at a place: by the longest dimension, and a thing is not bigger than itself."""
        said_by, after = self._english, said[at + 1] if at + 1 < len(said) else ""
        compares = said[at] in said_by.bigger | said_by.smaller and after == "than"
        if not compares and not (said[at] in said_by.inside and after in ("in", "inside", "into")):
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
                chosen &= piece.chosen
            elif isinstance(piece, Asked) and piece.question.cells[0][0] == "yes":
                chosen &= piece.question.cells[0][1]
            else:
                return None
        return self.world.everything & ~chosen if negations % 2 else chosen


def _opposite(question: Question) -> Question | None:
    """Return a yes-or-no question with its answers exchanged; it stays the same question."""
    answers = dict(question.cells)
    if set(answers) != {"yes", "no"}:
        return None
    return Question(question.key, (("yes", answers["no"]), ("no", answers["yes"])))


def _is_place(piece: Piece) -> bool:
    return isinstance(piece, Asked) and piece.place
