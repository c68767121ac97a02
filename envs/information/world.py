"""What there is to find out: things, the questions that tell them apart, and how much a question tells.

A set of things is one integer, bit i standing for thing i; so a belief over hundreds of candidates is one number, and
what a question would tell is a few bit counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import yaml

from credit_gym.errors import ManifestError


class Question(NamedTuple):
    """A question as a partition of all things by what would be answered.

    Attributes:
        key: the same for two wordings of one question.
        cells: ``(answer, set)`` pairs; the sets are disjoint and cover every thing.
        guess: index of the thing that the question guesses, the first of those of one name; None if it guesses none.
    """

    key: str
    cells: tuple[tuple[str, int], ...]
    guess: int | None = None

    def cell(self, thing: int) -> tuple[str, int]:
        """Return what is answered when ``thing`` is the secret, and the set of all that are answered so."""
        return next(cell for cell in self.cells if cell[1] >> thing & 1)


class Property(NamedTuple):
    """A question with its wordings.

    Attributes:
        name: short name of what it asks for.
        ask: its first wording.
        say: other wordings, or the words that matter in them.
        deny: wordings of the opposite.
        question: what it asks.
        listed: whether it is among the questions that an agent is offered.
        place: whether it is where a thing is, and so can stand beside a guess, as in "Is it Paris, France?".
    """

    name: str
    ask: str
    say: tuple[str, ...]
    question: Question
    deny: tuple[str, ...] = ()
    listed: bool = True
    place: bool = False


@dataclass(frozen=True)
class World:
    """Things, with the questions that can be asked about them.

    Attributes:
        names: (n,) each thing's name.
        forms: (n,) other names of each thing.
        properties: the questions.
        sizes: (n,) each thing's size, NaN without one.
        reference: sizes of things that others are compared with.
        adjectives: names of the properties that can stand before another, as in "a red fruit".
        groups: sets by name, such as all the things of one kind.
    """

    names: tuple[str, ...]
    forms: tuple[tuple[str, ...], ...]
    properties: tuple[Property, ...]
    sizes: tuple[float, ...]
    reference: Mapping[str, float]
    adjectives: frozenset[str]
    groups: Mapping[str, int]

    @cached_property
    def everything(self) -> int:
        """The set of all things."""
        return (1 << len(self.names)) - 1

    @cached_property
    def index(self) -> dict[str, int]:
        """Each name's thing."""
        return {name: number for number, name in enumerate(self.names)}

    @cached_property
    def called(self) -> dict[str, tuple[str, ...]]:
        """All names of a thing, by each of them, lower-case."""
        named = [(name, *others) for name, others in zip(self.names, self.forms, strict=True)]
        return {name.lower(): names for names in reversed(named) for name in names}

    @cached_property
    def matrix(self) -> npt.NDArray[np.bool_]:
        """(n, m) whether thing i has yes-or-no property j, in the order of the questions that are such."""
        sets = [p.question.cells[0][1] for p in self.questions if p.question.cells[0][0] == "yes"]
        return np.array(
            [[chosen >> number & 1 for chosen in sets] for number in range(len(self.names))], dtype=np.bool_
        )

    @cached_property
    def questions(self) -> tuple[Property, ...]:
        """The questions that an agent is offered."""
        return tuple(p for p in self.properties if p.listed)

    def yes_or_no(self, chosen: int, key: str | None = None) -> Question:
        """Return the question that is answered yes for a set of things and no for the others.

        Without a ``key`` of its own, the partition is its key: asking for the opposite is asking the same.
        """
        rest = self.everything & ~chosen
        return Question(key or f"{min(chosen, rest):x}", (("yes", chosen), ("no", rest)))

    def guess(self, chosen: int) -> Question:
        """Return the question whether it is a certain thing: one, or those that share its name."""
        thing = next(members(chosen))
        return Question(f"={self.names[thing]}", (("yes", chosen), ("no", self.everything & ~chosen)), thing)

    def names_of(self, thing: int) -> tuple[str, ...]:
        """Return all names of a thing."""
        return (self.names[thing], *self.forms[thing])


def information_gain(candidates: int, question: Question) -> float:
    """Return the expected fall of the log of the number of candidates, in nats.

    ``sum_a n_a/n log(n/n_a)`` over the answers a: the entropy of the answer, which is the mutual information of answer
    and secret when every candidate is equally likely and answers are truthful. 0 without candidates.
    """
    total = candidates.bit_count()
    gain = 0.0
    for _, chosen in question.cells:
        count = (candidates & chosen).bit_count()
        if count:
            gain += count * math.log(total / count)
    return gain / total if total else 0.0


def log_belief(candidates: int) -> float:
    """Return the log posterior of the truth, nats: ``-log n`` for n equally likely candidates, the truth among them."""
    return -math.log(candidates.bit_count())


def members(chosen: int) -> Iterator[int]:
    """Yield the indices of the things in a set, ascending."""
    while chosen:
        lowest = chosen & -chosen
        yield lowest.bit_length() - 1
        chosen ^= lowest


@lru_cache(maxsize=1)
def nouns() -> World:
    """Return the world of Twenty Questions that comes with the package; read once a process."""
    return _nouns(read_yaml("nouns.yaml"))


def read_yaml(name: str) -> dict[str, Any]:
    """Return the content of a data file of this package."""
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return content


def phrases(text: str) -> tuple[str, ...]:
    """Return the phrases that commas separate."""
    return tuple(phrase for part in text.split(",") if (phrase := " ".join(part.split())))


def _nouns(data: Mapping[str, Any]) -> World:
    entries = {kind: [entry.split() for entry in text.split(",")] for kind, text in data["kinds"].items()}
    names = tuple(name for kind in entries.values() for name, _ in kind)
    sizes = tuple(math.nan if size == "-" else float(size) for kind in entries.values() for _, size in kind)
    if len(set(names)) < len(names):
        raise ManifestError("nouns.yaml names a noun twice: name each once.")
    index = {name: 1 << number for number, name in enumerate(names)}
    groups = {kind: sum(index[name] for name, _ in members) for kind, members in entries.items()}
    for name, kinds in data["groups"].items():
        groups[name] = sum(groups[kind] for kind in kinds.split())
    synonyms = {name: phrases(others) for name, others in data["synonyms"].items()}
    if not synonyms.keys() <= index.keys():
        raise ManifestError(f"nouns.yaml has synonyms of {min(synonyms.keys() - index.keys())!r}: name it first.")
    world = World(
        names, tuple(synonyms.get(name, ()) for name in names), (), sizes, data["reference"], frozenset(), groups
    )
    sets = [(row, _resolve(row["of"].split(), groups, index)) for row in data["properties"]]
    for row in data["at_least"]:
        sets.append((row, sum(1 << number for number, size in enumerate(sizes) if size >= row["cm"])))
    properties = [
        Property(
            row["id"],
            row["ask"],
            phrases(row.get("say", "")),
            world.yes_or_no(chosen, row["id"]),
            phrases(row.get("deny", "")),
        )
        for row, chosen in sets
    ]
    nothing = ((phrase, world.yes_or_no(0, phrase)) for phrase in phrases(data["nothing"]))
    properties += (Property(phrase, f"Is it {phrase}?", (phrase,), none, listed=False) for phrase, none in nothing)
    return replace(world, properties=tuple(properties), adjectives=frozenset(data["adjectives"].split()))


def _resolve(words: Sequence[str], groups: Mapping[str, int], index: Mapping[str, int]) -> int:
    chosen = 0
    for word in words:
        name = word.lstrip("-")
        found = groups[name[1:]] if name.startswith("@") else index[name]
        chosen = chosen & ~found if word.startswith("-") else chosen | found
    return chosen
