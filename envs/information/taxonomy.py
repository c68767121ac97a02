"""The world of Twenty Questions for any list of nouns: what WordNet's taxonomy makes of those the package lacks.

A noun is placed in the taxonomy by one of its senses (:func:`sense_of`). What is true of it follows, in this order,
from the facts of ``nouns.yaml`` if they have it; from its kind and what it is a kind of, by ``taxonomy.yaml``; from
words of its definition; and from the nouns of ``nouns.yaml`` that it is akin to: what most of those below the nearest
common heading with at least three of them have. Every heading with some nouns of the list below it is a question too:
"Is it a kind of machine?". Nothing here depends on the list but which of these questions are offered.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from credit_gym.envs.information.grammar import Grammar
from credit_gym.envs.information.wordnet import Synset, WordNet
from credit_gym.envs.information.world import Property, World, members, nouns, phrases, read_yaml

CONCRETE = frozenset({"animal", "artifact", "body", "food", "object", "plant", "substance"})
_FEWEST = 3  # nouns that say what those akin to them are like
_FEWEST_BELOW = 2  # nouns of the list below a heading that is asked for
_MOST_HEADINGS = 600
_WORD = re.compile(r"[a-z]+")
_SMALL = re.compile(r"\b(small|tiny|miniature|little|minute)\b")
_LARGE = re.compile(r"\b(large|huge|enormous|big|gigantic)\b")
_FILE_OF_KIND = {
    "animal": "mammal bird reptile amphibian fish insect invertebrate",
    "plant": "tree flower herb",
    "food": "fruit vegetable nut grain dish drink",
    "body": "body",
    "substance": "substance",
    "object": "nature",
}  # where the nouns of nouns.yaml are looked up; artifacts else


class Placed(NamedTuple):
    """A noun in the taxonomy.

    Attributes:
        name: the noun.
        synset: its sense.
        own: the noun of ``nouns.yaml`` that it is, None for none.
        levels: by distance, the offsets of the synsets above it, its own first.
    """

    name: str
    synset: Synset | None
    own: str | None
    levels: tuple[tuple[int, ...], ...]


def sense_of(word: str, wordnet: WordNet, file: str | None = None) -> Synset | None:
    """Return the sense in which a word is played, None for a word that WordNet lacks.

    The one that ``taxonomy.yaml`` names; else the first that is no proper name. If that is no thing and the second one
    is, the second; and of things an animal before its meat, its fur or anything else that it gives, what is eaten
    before the plant that bears it, and a plant before its wood, where they are among the first three.

    Args:
        word: the word.
        wordnet: where it is looked up.
        file: the lexicographer file to prefer; None for the rule.
    """
    senses = [sense for sense in wordnet.senses(word) if not sense.instance] or list(wordnet.senses(word))
    wanted = file or _data()["senses"].get(word.casefold())
    named = [sense for sense in senses if sense.file == wanted]
    named = [sense for sense in named if not _is_wood(sense, wordnet)] or named
    if named or not senses:
        return named[0] if named else None
    first = next((sense for sense in senses[:2] if sense.file in CONCRETE), senses[0])
    first = senses[0] if senses[0].file == "person" else first
    for file, others in _BEFORE.items():
        better = [sense for sense in senses[:3] if sense.file == file and not _is_wood(sense, wordnet)]
        if better and (first.file in others or _is_wood(first, wordnet)):
            return better[0]
    return first


_BEFORE = {"animal": ("food", "substance"), "food": ("plant",), "plant": ("substance",)}


def _is_wood(sense: Synset, wordnet: WordNet) -> bool:
    return sense.file == "plant" and any(
        each.words[0] == "plant material" for level in wordnet.upward(sense) for each in level
    )


@lru_cache(maxsize=4)
def noun_world(names: tuple[str, ...], folder: str) -> World:
    """Return the world of the nouns of a list that can be placed, and after them those of the package.

    Args:
        names: the list.
        folder: where WordNet's files lie.
    """
    wordnet, own = WordNet(folder), nouns()
    listed = [_place(name, own, wordnet) for name in dict.fromkeys(names)]
    listed = [placed for placed in listed if placed.synset is not None or placed.own is not None]
    taken = {placed.name.casefold() for placed in listed}
    further = [_place(name, own, wordnet) for name in own.names if name not in taken]
    return _Builder(tuple(listed + further), len(listed), own, wordnet).world()


class _Builder:
    """Puts a world together."""

    def __init__(self, things: tuple[Placed, ...], listed: int, own: World, wordnet: WordNet) -> None:
        self.things, self.listed, self.own, self.wordnet = things, listed, own, wordnet
        self.data = _data()
        self.below: dict[int, int] = {}
        for number, thing in enumerate(things):
            for offset in {offset for level in thing.levels for offset in level}:
                self.below[offset] = self.below.get(offset, 0) | 1 << number
        self.known = sum(1 << number for number, thing in enumerate(things) if thing.own is not None)
        self.everything = (1 << len(things)) - 1

    def world(self) -> World:
        """Return the world with all its questions."""
        world = World(
            tuple(thing.name for thing in self.things), tuple(map(self._synonyms, self.things)), (),
            tuple(map(self._size, range(len(self.things)))), self.own.reference,
            self.own.adjectives | frozenset(self.data["adjectives"].split()), self.groups,
        )  # fmt: skip
        questions = (*self._old(world), *self._further(world))
        grammar = Grammar(replace(world, properties=questions))
        nothing = [item for item in self.own.properties if not item.listed and grammar.parse(item.ask) is None]
        nothing = [item._replace(question=world.yes_or_no(0, item.name)) for item in nothing]
        return replace(world, properties=(*questions, *self._headings(world, grammar), *nothing))

    def _old(self, world: World) -> Iterator[Property]:
        """The properties of the package: its facts of its own nouns, and what follows for others."""
        rows = {row["id"]: row for row in read_yaml("nouns.yaml")["properties"]}
        alone = set(self.data["alone"].split())
        for item in self.own.properties:
            if not item.listed:
                continue
            true = item.question.cells[0][1]
            facts = sum(
                1 << number
                for number, thing in enumerate(self.things)
                if thing.own is not None and true >> self.own.index[thing.own] & 1
            )
            if item.name in rows:
                chosen = self._resolve(rows[item.name]["of"], 0)
                of_kinds = "@" in rows[item.name]["of"]  # what a kind says is not asked of those akin
                chosen |= 0 if of_kinds or item.name in alone else self._akin(facts)
                chosen = self._resolve(self.data["also"].get(item.name, ""), chosen)
            else:
                cm = next(row["cm"] for row in read_yaml("nouns.yaml")["at_least"] if row["id"] == item.name)
                chosen = sum(1 << number for number, size in enumerate(world.sizes) if size >= cm)
            yield item._replace(question=world.yes_or_no(facts | chosen & ~self.known, item.name))

    def _further(self, world: World) -> Iterator[Property]:
        for row in self.data["properties"]:
            question = world.yes_or_no(self._resolve(row["of"], 0), row["id"])
            yield Property(row["id"], row["ask"], phrases(row.get("say", "")), question, phrases(row.get("deny", "")))

    def _headings(self, world: World, grammar: Grammar) -> Iterator[Property]:
        """Whether it is of a certain kind, for each heading that parts the list and that its first word names."""
        mine = (1 << self.listed) - 1
        counts = sorted((-(chosen & mine).bit_count(), offset) for offset, chosen in self.below.items())
        found, seen = 0, set[int]()
        for count, offset in counts:
            synset, chosen = self.wordnet.synset(offset), self.below[offset]
            if found == _MOST_HEADINGS or -count < _FEWEST_BELOW:
                break
            said = [word for word in synset.words if sense_of(word, self.wordnet) == synset]
            if synset.file == "Tops" or not said or chosen & mine in seen:
                continue
            ask = f"Is it a kind of {said[0]}?"
            read = grammar.parse(ask)
            if self.listed + count and (read is None or read.guess is not None):
                seen.add(chosen & mine)
                found += 1
                yield Property(f"kind:{said[0]}", ask, tuple(said), world.yes_or_no(chosen, f"kind:{offset}"))

    @cached_property
    def groups(self) -> Mapping[str, int]:
        """The things of each kind, and of each group of kinds."""
        roots = {
            offset: kind for kind, refs in self.data["kinds"].items() for offset in map(self._offset, refs.split())
        }
        kinds = dict.fromkeys([*read_yaml("nouns.yaml")["kinds"], *self.data["kinds"]], 0)
        own = {name: kind for kind in kinds for name in self._own_of(kind)}
        for number, thing in enumerate(self.things):
            kind = own.get(thing.own or "")
            for level in thing.levels if kind is None else ():
                kind = next((kind for offset, kind in roots.items() if offset in level), None)
                if kind is not None:
                    break
            if kind is not None:
                kinds[kind] |= 1 << number
        for name, joined in read_yaml("nouns.yaml")["groups"].items():
            kinds[name] = sum(kinds[kind] for kind in joined.split())
        kinds["animal"] |= kinds["creature"]
        return kinds

    def _own_of(self, kind: str) -> Iterator[str]:
        return (self.own.names[number] for number in members(self.own.groups.get(kind, 0)))

    def _resolve(self, text: str, chosen: int) -> int:
        """Return a set, with what an expression adds to it and takes away, in order."""
        text, _, said = text.partition("~")
        said, *rest = said.split(maxsplit=1) or [""]
        for word in text.split():
            chosen = self._changed(chosen, word)
        if said:
            chosen |= self._defined(said)
        for word in rest[0].split() if rest else ():
            chosen = self._changed(chosen, word)
        return chosen

    def _changed(self, chosen: int, word: str) -> int:
        name = word.lstrip("-")
        if name.startswith("@"):
            found = self.groups[name[1:]]
        elif "." in name:
            found = self.below.get(self._offset(name), 0)
        else:
            found = self.below.get(self._offset_of_own.get(name, -1), 0)
        return chosen & ~found if word.startswith("-") else chosen | found

    def _offset(self, reference: str) -> int:
        """Return the offset of the synset that WORD.FILE names, or WORD.FILE.NUMBER; -1 for none."""
        word, file, *number = reference.split(".")
        found = [sense.offset for sense in self.wordnet.senses(word.replace("_", " ")) if sense.file == file]
        which = int(number[0]) - 1 if number else 0
        return found[which] if which < len(found) else -1

    @cached_property
    def _offset_of_own(self) -> dict[str, int]:
        return {thing.own: thing.synset.offset for thing in self.things if thing.own is not None and thing.synset}

    def _defined(self, said: str) -> int:
        """The things, and persons, whose definitions have one of some words."""
        wanted = set(said.split("|"))
        return sum(
            1 << number
            for number, thing in enumerate(self.things)
            if thing.synset is not None and not wanted.isdisjoint(_WORD.findall(thing.synset.gloss))
        )

    def _akin(self, facts: int) -> int:
        """The things of which most of the package's nouns that they are akin to have what ``facts`` have."""
        chosen = 0
        for number, akin in enumerate(self._kin):
            if akin and 2 * (facts & akin).bit_count() > akin.bit_count():
                chosen |= 1 << number
        return chosen

    @cached_property
    def _kin(self) -> list[int]:
        stop = set(map(self._offset, self.data["stop"].split()))
        return [self._kin_of(thing, stop) for thing in self.things]

    def _kin_of(self, thing: Placed, stop: set[int]) -> int:
        for level in thing.levels:
            if any(offset in stop or self.wordnet.synset(offset).file == "Tops" for offset in level):
                return 0
            akin = 0
            for offset in level:
                akin |= self.below[offset] & self.known
            if akin.bit_count() >= _FEWEST:
                return akin
        return 0

    def _size(self, number: int) -> float:
        thing = self.things[number]
        if thing.own is not None:
            return self.own.sizes[self.own.index[thing.own]]
        if not any(self.groups[kind] >> number & 1 for kind in _SIZED):
            return math.nan
        for distance, level in enumerate(thing.levels):
            sizes = [self._sizes[offset] for offset in level if offset in self._sizes]
            if sizes:
                gloss = thing.synset.gloss if thing.synset and distance else ""
                factor = 0.5 if _SMALL.search(gloss) else 2.0 if _LARGE.search(gloss) else 1.0
                return sizes[0] * factor
        return math.nan

    @cached_property
    def _sizes(self) -> dict[int, float]:
        """Sizes by synset: those of the package's nouns, and those of the taxonomy."""
        sizes = {
            self._offset_of_own.get(name, -1): size for name, size in zip(self.own.names, self.own.sizes, strict=True)
        }
        for entry in self.data["sizes"].split(","):
            reference, size = entry.split()
            sizes.setdefault(self._offset(reference), math.nan if size == "-" else float(size))
        del sizes[-1]
        return sizes

    def _synonyms(self, thing: Placed) -> tuple[str, ...]:
        """Other names: what the package knows, and the words of the synset that are played in this sense."""
        own = [thing.own, *self.own.forms[self.own.index[thing.own]]] if thing.own is not None else []
        words = thing.synset.words if thing.synset is not None else ()
        same = [word for word in words if sense_of(word, self.wordnet) == thing.synset]
        return tuple(name for name in dict.fromkeys([*own, *same]) if name != thing.name)


_SIZED = (
    "animal", "creature", "plant", "fungus", "edible", "body", "object", "vehicle", "built", "nature", "room", "person",
    "location", "substance", "household",
)  # fmt: skip


def _place(name: str, own: World, wordnet: WordNet) -> Placed:
    known = own.called.get(name.casefold(), (None,))[0]
    file = None
    if known is not None:
        kind = next(kind for kind in own.groups if own.groups[kind] >> own.index[known] & 1)
        file = next((file for file, kinds in _FILE_OF_KIND.items() if kind in kinds.split()), "artifact")
    synset = sense_of(known or name, wordnet, file) or sense_of(name, wordnet)
    levels = tuple(tuple(each.offset for each in level) for level in wordnet.upward(synset)) if synset else ()
    return Placed(name, synset, known, levels)


@lru_cache(maxsize=1)
def _data() -> dict[str, Any]:
    return read_yaml("taxonomy.yaml")
