"""What is known of a task before anybody plays it: its gold calls run once, and what is on offer in each turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from credit_gym.data.call_dialects import parameters
from credit_gym.envs.function_calls.actions import DONE
from credit_gym.envs.function_calls.gold import Call, read_gold, write_gold
from credit_gym.envs.function_calls.progress import Way
from credit_gym.envs.function_calls.tasks import Task
from credit_gym.envs.function_calls.world import Document, Library, Running
from credit_gym.envs.tool_arguments import type_name

_MOST_OFFERED = 24
_DONE_DOCUMENT: Document = {
    "name": "done",
    "description": "End the turn: nothing more is to be called for what the user has said so far.",
    "parameters": {"type": "object", "properties": {}, "required": []},
}


class Offer(NamedTuple):
    """The tools of one turn.

    Attributes:
        schemas: their OpenAI function descriptions, and that of ``done``.
        parameters: tool -> name -> schema of each parameter.
        required: tool -> the parameters that may not be left out.
        withheld: tools that there will be later.
        names: tells offers of one source apart.
        actions: calls that may be right here or elsewhere, and ``done()``; in the order of the alphabet.
    """

    schemas: Sequence[Mapping[str, Any]]
    parameters: Mapping[str, Mapping[str, Any]]
    required: Mapping[str, frozenset[str]]
    withheld: frozenset[str]
    names: tuple[str, ...]
    actions: Sequence[str]


class Plan:
    """A task, ready to be played.

    Args:
        library: the back ends.
        task: the task.

    Attributes:
        gold: the gold calls of each turn.
        gold_named: the same, as names and arguments by name.
        ways: the way of each turn; None where it has no gold calls.
        wanted: how often each gold answer must be seen at most.
        asked: turns with gold calls.
        offers: the tools of each turn.
        marks: of the back ends as they begin.

    Raises:
        ManifestError: a gold call cannot be read.
    """

    def __init__(self, library: Library, task: Task) -> None:
        self.library, self.task = library, task
        self.gold = tuple(tuple(map(read_gold, turn)) for turn in task.gold)
        running = Running(library, task)
        self.marks = dict(running.marks)
        states = {name: running.kept(name) for name in task.involved_classes}
        self.ways: list[Way | None] = []
        self.wanted: Counter[str] = Counter()
        for turn in self.gold:
            path, answers = [states], []
            for call in turn:
                answer = running.call(call)
                answers.append(answer.text)
                if answer.changed:
                    states = {**states, answer.changed: running.kept(answer.changed)}
                path.append(states)
            self.ways.append(Way(path, answers) if turn else None)
            self.wanted |= Counter(answers)
        self.asked = sum(bool(turn) for turn in self.gold)
        self._beginning = self._given_from()
        documents = {document["name"]: document for document in library.documents(task.involved_classes)}
        self._names = {name: tuple(each["parameters"].get("properties") or ()) for name, each in documents.items()}
        self.gold_named = [[(call.name, self.by_name(call)) for call in turn] for turn in self.gold]
        menu = _menu([call for turn in self.gold for call in turn])
        self.offers = [self._offer(documents, menu, turn) for turn in range(len(task.turns))]

    def said(self, turn: int) -> str:
        """Return what the user says when a turn begins, and which tools are new."""
        words = [f"user: {message}" for message in self.task.turns[turn]]
        new = self.task.missed_functions.get(turn, ())
        if new:
            schemas = {schema["function"]["name"]: schema for schema in self.offers[turn].schemas}
            listed = "\n".join(f"- {signature(schemas[name])}" for name in new if name in schemas)
            words.append(f"user: There are more tools now. Can it be done with them?\n{listed}")
        return "\n".join(words) or "user: "

    def by_name(self, call: Call) -> Mapping[str, Any]:
        """Return the arguments of a call by name; unnamed ones go to the parameters in order."""
        if not call.positional:
            return call.named
        return {**dict(zip(self._names.get(call.name, ()), call.positional, strict=False)), **call.named}

    def _given_from(self) -> dict[str, int]:
        """Tool -> the turn from which it is given: that of the task, or the first whose gold calls need it sooner."""
        given = {name: turn for turn, names in self.task.missed_functions.items() for name in names}
        for turn, calls in enumerate(self.gold):
            for call in calls:
                if given.get(call.name, 0) > turn:
                    given[call.name] = turn
        return given

    def _offer(self, documents: Mapping[str, Document], menu: Mapping[str, str], turn: int) -> Offer:
        withheld = frozenset(name for name, first in self._beginning.items() if first > turn)
        offered = [document for name, document in documents.items() if name not in withheld]
        schemas = [{"type": "function", "function": document} for document in (*offered, _DONE_DOCUMENT)]
        actions = sorted((DONE, *(action for action, name in menu.items() if name not in withheld)))
        required = {each["name"]: frozenset(each["parameters"].get("required") or ()) for each in offered}
        return Offer(schemas, parameters(schemas), required, withheld, tuple(required), actions)


def signature(schema: Mapping[str, Any]) -> str:
    """Return a tool as one line for a prompt: ``name(argument: type, other: type = ...): what it does``."""
    function = schema["function"]
    required = function["parameters"].get("required") or ()
    shown = ", ".join(
        f"{name}: {type_name(kind)}{'' if name in required else ' = ...'}"
        for name, kind in (function["parameters"].get("properties") or {}).items()
    )
    first = (function["description"].splitlines() or [""])[0]
    return f"{function['name']}({shown}): {first}"


def _menu(calls: Sequence[Call]) -> dict[str, str]:
    """Actions that could be meant, and their tools: the gold calls, and those with another call's value in them."""
    menu = {write_gold(call): call.name for call in calls}
    for call in calls:
        for other in calls:
            for changed in _mixed(call, other):
                if len(menu) >= _MOST_OFFERED:
                    return menu
                menu.setdefault(write_gold(changed), call.name)
    return menu


def _mixed(call: Call, other: Call) -> Iterator[Call]:
    """A call with one of its values from another call, of the same type."""
    values = [*other.positional, *other.named.values()]
    for name, value in call.named.items():
        for instead in values:
            if type(instead) is type(value) and instead != value:
                yield call._replace(named={**call.named, name: instead})
                break
