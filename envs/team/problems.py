"""The problems that a team works on: what every source of them gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class Draft(Protocol):
    """The way to an answer, where it is known exactly: named facts that follow from each other.

    A message states a fact as ``name = value``; the last statement counts.
    """

    @property
    def truth(self) -> Mapping[str, str]:
        """The true value of each fact, in the order in which they follow from each other."""
        ...

    def stated(self, messages: Sequence[str]) -> dict[str, str]:
        """Return the facts that messages state, right or wrong, as they state them last."""
        ...

    def derive(self, stated: Mapping[str, str]) -> dict[str, str]:
        """Return a value for every fact: the stated one, else what follows from the problem and the others."""
        ...

    def slip(self, name: str, value: str) -> str:
        """Return a wrong value that is easily mistaken for this one."""
        ...

    def answer(self, values: Mapping[str, str]) -> str:
        """Return the message that answers the problem by these facts."""
        ...


@dataclass(frozen=True)
class Problem:
    """What is asked.

    Attributes:
        id: unique within its source.
        split: which part of the source it belongs to.
        question: the problem in words.
    """

    id: str
    split: str
    question: str


@dataclass(frozen=True)
class MathProblem(Problem):
    """A problem whose answer is a mathematical value.

    Attributes:
        answer: the reference answer, without any mark.
        draft: the way to it, where that is known.
    """

    answer: str
    draft: Draft | None = None


@dataclass(frozen=True)
class CodeProblem(Problem):
    """A problem whose answer is a Python program.

    Attributes:
        tests: Python sources with assertions.
        names: what the tests use of the program.
        setup: run before each test.
        opening: the beginning of the program, where it is given.
        draft: the way to it, where that is known.
    """

    tests: tuple[str, ...]
    names: tuple[str, ...]
    setup: str = ""
    opening: str = ""
    draft: Draft | None = None
