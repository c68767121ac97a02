"""Failure logs made here: a team works on a problem, one planted slip ruins the answer, and replay proves which.

Every message is written from the transcript before it, so that a wrong number travels as it would in a real team:
through everything computed from it, unless somebody checks it on the way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from credit_gym import rng
from credit_gym.envs.who_and_when.logs import FailureLog, Message

T = TypeVar("T")

SPLITS = {"train": 0, "test": 1 << 32}
"""Split -> first seed; no seed belongs to two splits."""

_THINGS = ("crates", "pallets", "boxes", "drums", "rolls", "sacks", "bins", "reels", "trays", "kegs", "cans", "jars")
_PLACES = ("the north depot", "the harbour", "the mill", "the old store", "the workshop", "the annex")
_SIGNS = {"plus": lambda a, b: a + b, "minus": lambda a, b: a - b, "times": lambda a, b: a * b}
_STATED = re.compile(r"\b([a-z]+\d*) = (-?\d+)\.")
_PLANNED = re.compile(r"\b([a-z]+\d*) is ([a-z]+\d*) (plus|minus|times) ([a-z]+\d*)\b")


class Turn(NamedTuple):
    """Who speaks, and about which quantity; the plan and the report speak of all and of the last."""

    agent: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """A chain of quantities: some are given, the others computed, the last one is asked for.

    Attributes:
        given: quantity -> its value, as the question says.
        plan: quantity -> (first operand, sign, second operand), in the order of computation.
        turns: who speaks when.
        place: where the goods are.
    """

    given: Mapping[str, int]
    plan: Mapping[str, tuple[str, str, str]]
    turns: tuple[Turn, ...]
    place: str

    @property
    def question(self) -> str:
        """The task in words."""
        stock = ", ".join(f"{value} {name}" for name, value in self.given.items())
        rules = "; ".join(f"{name} is {a} {sign} {b}" for name, (a, sign, b) in self.plan.items())
        return f"At {self.place} there are {stock}. If {rules}, what is {self.asked}?"

    @property
    def asked(self) -> str:
        """The quantity that is asked for."""
        return list(self.plan)[-1]

    @property
    def answer(self) -> int:
        """Its value."""
        values = dict(self.given)
        for name, (a, sign, b) in self.plan.items():
            values[name] = _SIGNS[sign](values[a], values[b])
        return values[self.asked]


def generate_log(split: str, index: int) -> FailureLog:
    """Return log ``index`` of a split: the run fails, and repairing its labelled step alone makes it succeed.

    Slips that do no harm (in a number that nothing needs, or that a checker puts right) may lie anywhere beside the
    decisive one.
    """
    for attempt in range(1 << 16):
        seed = rng.derive(SPLITS[split] + index, attempt)
        problem = make_problem(seed)
        slips = {turn: 1 + rng.derive(seed, 1, turn) % 9 for turn in _chosen(seed, problem)}
        for step in slips:
            if is_decisive(problem, slips, step):
                return _labelled(problem, slips, step, split, index)
    raise AssertionError("A quarter of all draws has a decisive slip.")


def is_decisive(problem: Problem, slips: Mapping[int, int], step: int) -> bool:
    """Replay: the team fails, succeeds once ``step`` is repaired, and still fails if any other slip is repaired."""
    if solved(problem, play(problem, slips)):
        return False
    restores = {turn: solved(problem, play(problem, _without(slips, turn))) for turn in slips}
    return restores.pop(step) and not any(restores.values())


def play(problem: Problem, slips: Mapping[int, int]) -> tuple[Message, ...]:
    """Let the team work.

    Args:
        problem: what it works on.
        slips: turn -> how far the number said at that turn is off (at the plan: which step gets a wrong sign).

    Returns:
        The transcript, one message per turn.
    """
    said: list[Message] = []
    for number, turn in enumerate(problem.turns):
        said.append(Message(turn.agent, _SPEAKERS[turn.agent](problem, turn.name, said, slips.get(number, 0))))
    return tuple(said)


def solved(problem: Problem, messages: Sequence[Message]) -> bool:
    """Whether the last message states the right answer."""
    return _values(messages[-1:]).get(problem.asked) == problem.answer


def make_problem(seed: int) -> Problem:
    """Draw a problem: two to four given quantities, two to five computed ones, and a team of four to work on it."""
    names = _shuffled(rng.derive(seed, 2), _THINGS)
    given = {name: 2 + rng.derive(seed, 3, i) % 30 for i, name in enumerate(names[: 2 + rng.derive(seed, 4) % 3])}
    plan: dict[str, tuple[str, str, str]] = {}
    for i in range(2 + rng.derive(seed, 5) % 4):
        known = [*given, *plan]
        first, second = _shuffled(rng.derive(seed, 6, i), known)[:2]
        sign = list(_SIGNS)[rng.derive(seed, 7, i) % (3 if i < 2 else 2)]
        plan[f"total{i + 1}"] = (first, sign, second)
    turns = [Turn("Planner"), *(Turn("Reader", name) for name in given)]
    for i, name in enumerate(plan):
        turns.append(Turn("Calculator", name))
        if rng.derive(seed, 8, i) % 3 == 0:
            turns.append(Turn("Checker", name))
    place = _PLACES[rng.derive(seed, 9) % len(_PLACES)]
    return Problem(given, plan, (*turns, Turn("Reporter")), place)


def _planner(problem: Problem, _: str, __: Sequence[Message], slip: int) -> str:
    wrong = list(problem.plan)[slip % len(problem.plan)] if slip else ""
    signs = list(_SIGNS)
    steps = []
    for name, (a, sign, b) in problem.plan.items():
        planned = signs[(signs.index(sign) + 1 + slip % 2) % 3] if name == wrong else sign
        steps.append(f"{name} is {a} {planned} {b}")
    return f"We take it step by step: {'; '.join(steps)}. Report {problem.asked} at the end."


def _reader(problem: Problem, name: str, _: Sequence[Message], slip: int) -> str:
    return f"The question gives {name} = {problem.given[name] + slip}."


def _calculator(problem: Problem, name: str, said: Sequence[Message], slip: int) -> str:
    a, sign, b, value = _computed(problem, name, said)
    return f"{a} {sign} {b}, so {name} = {value + slip}."


def _checker(problem: Problem, name: str, said: Sequence[Message], slip: int) -> str:
    a, sign, b, value = _computed(problem, name, said)
    verdict = "agrees" if _values(said).get(name) == value + slip else "does not agree, take my number"
    return f"I work out {a} {sign} {b} again; it {verdict}: {name} = {value + slip}."


def _reporter(problem: Problem, _: str, said: Sequence[Message], slip: int) -> str:
    return f"The final answer is {problem.asked} = {_values(said).get(problem.asked, 0) + slip}."


_SPEAKERS = {
    "Planner": _planner,
    "Reader": _reader,
    "Calculator": _calculator,
    "Checker": _checker,
    "Reporter": _reporter,
}


def _computed(problem: Problem, name: str, said: Sequence[Message]) -> tuple[str, str, str, int]:
    """What the transcript says a quantity is: operands and sign from the plan, numbers as last stated."""
    planned = {found[0]: found[1:] for found in _PLANNED.findall(said[0].content)}
    a, sign, b = planned[name]
    values = _values(said)
    return a, sign, b, _SIGNS[sign](values[a], values[b])


def _values(messages: Sequence[Message]) -> dict[str, int]:
    """The last value that was stated for each quantity."""
    return {name: int(value) for message in messages for name, value in _STATED.findall(message.content)}


def _labelled(problem: Problem, slips: Mapping[int, int], step: int, split: str, index: int) -> FailureLog:
    turn = problem.turns[step]
    about = f" about {turn.name}" if turn.name else ""
    return FailureLog(
        id=f"{split}-{index}",
        split=split,
        question=problem.question,
        answer=str(problem.answer),
        messages=play(problem, slips),
        agent=turn.agent,
        step=step,
        reason=f"The {turn.agent} is wrong{about}, and nobody puts it right.",
    )


def _chosen(seed: int, problem: Problem) -> list[int]:
    """One to three turns that slip."""
    return sorted(_shuffled(rng.derive(seed, 10), range(len(problem.turns)))[: 1 + rng.derive(seed, 11) % 3])


def _without(slips: Mapping[int, int], turn: int) -> dict[int, int]:
    return {other: size for other, size in slips.items() if other != turn}


def _shuffled(seed: int, items: Sequence[T]) -> list[T]:
    return [items[i] for i in sorted(range(len(items)), key=lambda i: rng.derive(seed, i))]
