"""Published result files, read and written: one line a task, its ``result`` the steps of each turn.

A step is what a model wrote: a list of ``{name: arguments}`` where it called tools, else text, in which calls may stand
as Python writes them. Whatever makes no call ends its turn. The file's place is ``<model>/multi_turn/`` below
``result``, its name ``BFCL_v4_multi_turn_<category>_result.json``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from credit_gym.data.call_dialects import Unreadable
from credit_gym.data.calls import read_arguments
from credit_gym.data.episode import Episode
from credit_gym.data.foreign_text import open_file
from credit_gym.envs.function_calls.actions import DONE, read_action, write_action
from credit_gym.envs.function_calls.conversation import Conversation, Event
from credit_gym.envs.function_calls.gold import Call, read_gold
from credit_gym.envs.function_calls.plan import Plan
from credit_gym.envs.function_calls.sources import FOLDER, Source, open_source
from credit_gym.errors import ManifestError, StoreError
from credit_gym.formats.json_records import read_records

_NO_LIMIT = 1 << 62


class Result(NamedTuple):
    """What a model did with a task.

    Attributes:
        id: of the task.
        turns: the steps of each turn: a list of ``{name: arguments}``, or text.
    """

    id: str
    turns: Sequence[Sequence[Any]]


def is_valid(plan: Plan, turns: Sequence[Sequence[Sequence[Call]]]) -> bool:
    """Whether calls pass the published check.

    Args:
        plan: the task.
        turns: the calls of each step of each turn; a step without any is passed over.
    """
    if len(turns) != len(plan.gold):
        return False
    talk = Conversation(plan, _NO_LIMIT, withholds=False)
    for turn in turns:
        talk.replay([*(tuple(step) for step in turn if step), None])
    return talk.success


def read_episodes(path: Path, *, folder: str = "") -> Iterator[Episode | StoreError]:
    """Yield what is in a result file as episodes, graded anew.

    A step of an episode is a step of the model that makes calls, or the end of a turn. As in the published check a
    tool that is not on offer may be called. A file with fewer turns than the task was cut off by the limit of steps.

    Args:
        path: the file.
        folder: the unpacked ``bfcl-eval``; by default the variable ``BFCL_DIR``.

    Yields:
        An episode, or the sentence about a line that cannot be read.

    Raises:
        StoreError: the file cannot be read, or the published tasks are not at hand.
    """
    try:
        open_file(path).close()
        source = open_source(FOLDER, folder=folder or None)
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error}): give a result file.") from None
    except ManifestError as error:
        raise StoreError(f"{path} cannot be imported: {error}") from None
    numbers, model = source.numbers(), _model(path)

    @cache
    def plan(task: str) -> Plan:
        return _plan(source, numbers, task)

    def read(row: Mapping[str, Any], number: int) -> Episode:
        result = Result(str(row["id"]), row["result"])
        if not isinstance(result.turns, list) or not all(isinstance(turn, list) for turn in result.turns):
            raise ValueError("its 'result' is no list of turns")
        return to_episode(plan(result.id), result, agent_id=model, episode_id=f"{model or 'bfcl'}-{number}-{result.id}")

    yield from read_records(path, read)


def to_episode(plan: Plan, result: Result, *, agent_id: str = "", episode_id: str = "") -> Episode:
    """Return a result as an episode, with state keys, verifier signals and the reward of the published check.

    Args:
        plan: its task.
        result: what was done.
        agent_id: who did it.
        episode_id: by default the task's id.

    Raises:
        ValueError: it has more turns than the task, or no step at all.
    """
    if not 0 < len(result.turns) <= len(plan.gold):
        raise ValueError(f"it has {len(result.turns)} turns, and the task {len(plan.gold)}")
    talk = Conversation(plan, _NO_LIMIT, withholds=False)
    observations, keys, actions, verifier, invalid, calls = [plan.said(0)], [talk.key()], [], [], [], []
    for event, action in _events(plan, result):
        worth = talk.worth
        observations.append(talk.do(event))
        keys.append(talk.key())
        actions.append(action)
        verifier.append(talk.worth - worth)
        invalid.append(talk.refused)
        calls.append(tuple({"id": "", "name": call.name, "arguments": plan.by_name(call)} for call in event or ()))
    if not actions:
        raise ValueError("it has no step")
    return Episode(
        env_id="credit/FunctionCalls-v0",
        agent_id=agent_id,
        task_id=plan.task.id,
        group_id=f"bfcl-{plan.task.id}",
        episode_id=episode_id or plan.task.id,
        observations=tuple(observations),
        state_keys=tuple(keys),
        actions=tuple(actions),
        rewards=(*(0.0,) * (len(actions) - 1), float(talk.success)),
        success=talk.success,
        terminated=bool(talk.over),
        truncated=not talk.over,
        verifier=tuple(verifier),
        invalid=tuple(invalid),
        tool_calls=tuple(calls),
    )


def from_actions(plan: Plan, actions: Sequence[str]) -> Result:
    """Return the actions of an episode as a result; calls of tools that were not on offer are left out of it.

    Args:
        plan: the task that was played.
        actions: of the episode.
    """
    turns: list[list[Any]] = [[]]
    for action in actions:
        offer = plan.offers[len(turns) - 1]
        read = read_action(action, offer.parameters)
        if isinstance(read, Unreadable):
            continue
        made = [{call.name: json.dumps(plan.by_name(call))} for call in read if call.name not in offer.withheld]
        if made:
            turns[-1].append(made)
        if not read:
            turns[-1].append("" if action == DONE else action)
            if len(turns) == len(plan.gold):
                break
            turns.append([])
    return Result(plan.task.id, turns)


def write_results(path: str | os.PathLike[str], results: Iterable[Result]) -> None:
    """Write results as ``bfcl evaluate`` reads them, for a model that calls tools."""
    lines = [json.dumps({"id": result.id, "result": result.turns}) + "\n" for result in results]
    Path(path).write_text("".join(lines), "utf-8")


def _events(plan: Plan, result: Result) -> Iterator[tuple[Event, str]]:
    """What happened, and the action that it was."""
    for number, turn in enumerate(result.turns):
        said = DONE
        for step in turn:
            calls = _calls(plan, step)
            if calls:
                yield calls, write_action(calls)
            elif isinstance(step, str) and step.strip():
                said = step
        if number + 1 < len(result.turns) or len(result.turns) == len(plan.gold):
            yield None, said


def _calls(plan: Plan, step: Any) -> tuple[Call, ...]:
    """The calls of a step; none where it says something else."""
    if isinstance(step, str):
        found = read_action(step, plan.offers[-1].parameters)
        return () if isinstance(found, Unreadable) else found
    calls: list[Call] = []
    for each in step if isinstance(step, list) else [step]:
        made = _decoded(each)
        if made is None:
            return ()
        calls += made
    return tuple(calls)


def _decoded(part: Any) -> list[Call] | None:
    """The calls of ``{name: arguments}``, or of a call as it was decoded; None where it is neither."""
    if isinstance(part, str):
        try:
            return [read_gold(part)]
        except ManifestError:
            return None
    named = {str(name): _arguments(given) for name, given in part.items()} if isinstance(part, dict) else {}
    calls = [Call(name, (), given) for name, given in named.items() if given is not None]
    return calls if calls and len(calls) == len(named) else None


def _arguments(given: Any) -> Mapping[str, Any] | None:
    if isinstance(given, str):
        given = read_arguments(given)
    return given if isinstance(given, dict) else None


def _plan(source: Source, numbers: Mapping[str, int], task: str) -> Plan:
    if task not in numbers:
        raise ValueError(f"there is no task {task[:80]!r}")
    return Plan(source.library, source.tasks[numbers[task]])


def _model(path: Path) -> str:
    """The model that a file's place names; empty where it names none."""
    parts = path.resolve().parts
    return parts[parts.index("result") + 1] if "result" in parts[:-2] else ""
