"""Scenarios as data: the facts that can be asked for, the conclusions that can be claimed, and the possible worlds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from credit_gym.envs.information.env import task_id
from credit_gym.envs.information.language import words
from credit_gym.envs.information.sources import split_of
from credit_gym.envs.information.world import Question, phrases
from credit_gym.envs.webshop.stemmer import stem
from credit_gym.errors import ManifestError


class Fact(NamedTuple):
    """Something that can be asked for.

    Attributes:
        ask: its wording among the admissible actions.
        say: sets of word stems; a text with all stems of one set asks for it.
        question: what would be answered, as a partition of the possible worlds.
    """

    ask: str
    say: tuple[frozenset[str], ...]
    question: Question


class Conclusion(NamedTuple):
    """Something that can be claimed, and ends the game if it is right.

    Attributes:
        name: short name: a culprit, a cause, a thing to recommend.
        fact: how it is claimed, and what is then answered in each possible world.
        right: the worlds in which it is right; those of all conclusions are a partition.
    """

    name: str
    fact: Fact
    right: int


class Puzzle(NamedTuple):
    """What can be asked and claimed; cases may share it.

    A set of possible worlds is one integer, bit i standing for world i. All worlds are equally likely at the start.

    Attributes:
        facts: what can be asked for.
        conclusions: what can be claimed.
        worlds: number of possible worlds.
    """

    facts: tuple[Fact, ...]
    conclusions: tuple[Conclusion, ...]
    worlds: int

    def case(self, kind: str, name: str, briefing: str, truth: str, world: int) -> Case:
        """Return a case of a kind; what names it fixes its id and its split."""
        identity = task_id(kind, name)
        return Case(identity, split_of(identity), briefing, truth, self, world)


@dataclass(frozen=True)
class Case:
    """One scenario.

    Attributes:
        id: its name.
        split: ``train``, ``eval`` or ``test``.
        briefing: what the agent is told.
        truth: the same as somebody knows it who has to play the scenario: the hidden part.
        puzzle: what can be asked and claimed.
        world: the true one of its possible worlds.
    """

    id: str
    split: str
    briefing: str
    truth: str
    puzzle: Puzzle
    world: int

    @cached_property
    def answer(self) -> Conclusion:
        """The conclusion that is right in the true world."""
        return next(each for each in self.puzzle.conclusions if each.right >> self.world & 1)

    @cached_property
    def wordings(self) -> dict[tuple[str, ...], Fact]:
        """Facts and conclusions by the words of their wordings."""
        facts, conclusions, _ = self.puzzle
        return {tuple(words(f.ask)): f for f in (*facts, *(c.fact for c in conclusions))}


def fact_of(row: Mapping[str, str], answers: Iterable[tuple[str, int]], worlds: int) -> Fact:
    """Return the fact of a data row with ``ask`` and ``say``, by its answers and their worlds."""
    return Fact(row["ask"], keywords(row["say"]), partition(row["ask"], answers, worlds))


def claim_of(name: str, row: Mapping[str, str], answers: Iterable[tuple[str, int]], worlds: int) -> Fact:
    """Return how something is claimed: a fact that stands under its own name, apart from what can be asked for."""
    return Fact(row["ask"], keywords(row["say"]), partition(f"={name}", answers, worlds))


def idle_facts(rows: Iterable[Mapping[str, str]], worlds: int) -> list[Fact]:
    """Return facts that are answered alike in every world, and so tell nothing."""
    return [fact_of(row, [(row["answer"], (1 << worlds) - 1)], worlds) for row in rows]


def worlds_where(holds: Iterable[bool]) -> int:
    """Return the set of the worlds for which something holds, given for each of them."""
    return sum(1 << number for number, each in enumerate(holds) if each)


def keywords(text: str) -> tuple[frozenset[str], ...]:
    """Return the sets of stems of phrases that commas separate."""
    return tuple(frozenset(map(stem, words(phrase))) for phrase in phrases(text))


def partition(key: str, answers: Iterable[tuple[str, int]], worlds: int) -> Question:
    """Return a question by its answers and their worlds.

    Raises:
        ManifestError: the answers do not cover every world exactly once.
    """
    cells = tuple((answer, chosen) for answer, chosen in answers if chosen)
    union = 0
    for _, chosen in cells:
        union |= chosen
    if union != (1 << worlds) - 1 or sum(chosen.bit_count() for _, chosen in cells) != worlds:
        raise ManifestError(f"The answers to {key!r} must cover every possible case exactly once.")
    return Question(key, cells)
