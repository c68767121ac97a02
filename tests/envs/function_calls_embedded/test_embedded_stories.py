"""Tasks made from a seed: their gold calls work, are all needed, and follow from what is said and answered."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from copy import deepcopy
from random import Random
from typing import Any

import pytest

from credit_gym.envs.function_calls.embedded import BACK_ENDS, embedded_task, tool_documents
from credit_gym.envs.function_calls.embedded.back_end import BackEnd
from credit_gym.envs.function_calls.embedded.money_parts import MONEY_PARTS
from credit_gym.envs.function_calls.embedded.office_parts import OFFICE_PARTS
from credit_gym.envs.function_calls.embedded.road_parts import ROAD_PARTS
from credit_gym.envs.function_calls.embedded.scene import GAP, Part, Request, Scene
from credit_gym.envs.function_calls.gold import read_gold
from credit_gym.envs.function_calls.tasks import CATEGORIES, Category, Task
from credit_gym.errors import UnknownNameError

MANY = 500
PARTS = (*MONEY_PARTS, *OFFICE_PARTS, *ROAD_PARTS)

World = dict[str, BackEnd]


def tasks(category: Category, count: int = MANY, seed: int = 11) -> list[Task]:
    return [embedded_task(category, index, seed) for index in range(count)]


def loaded(task: Task) -> World:
    world = {name: BACK_ENDS[name]() for name in task.involved_classes}
    for name, back_end in world.items():
        back_end.load(task.initial_config[name], task.long_context)
    return world


def made(world: World, text: str) -> dict[str, Any]:
    call = read_gold(text)
    (owner,) = (back_end for back_end in world.values() if call.name in back_end.TOOLS)
    answer: dict[str, Any] = getattr(owner, call.name)(*call.positional, **call.named)
    return answer


def all_calls(task: Task) -> list[str]:
    return [call for calls in task.gold for call in calls]


def changes(text: str) -> bool:
    name = read_gold(text).name
    return not any(name in kind.READS for kind in BACK_ENDS.values())


def states(world: World) -> dict[str, dict[str, Any]]:
    return {name: dict(vars(back_end)) for name, back_end in world.items()}


def final_state(task: Task, calls: Sequence[str]) -> dict[str, dict[str, Any]]:
    world = loaded(task)
    for call in calls:
        made(world, call)
    return states(world)


@pytest.mark.parametrize("category", CATEGORIES)
def test_no_gold_call_is_refused_and_each_changes_what_it_says_it_changes(category: Category) -> None:
    for task in tasks(category):
        world = loaded(task)
        for calls in task.gold:
            before = states(world)
            for call in calls:
                held = states(world)
                assert "error" not in made(world, call), (task.id, call)
                assert (states(world) != held) == changes(call), (task.id, call)
            assert (states(world) != before) == bool(calls), task.id


@pytest.mark.parametrize("category", CATEGORIES)
def test_without_any_one_changing_call_the_end_is_another(category: Category) -> None:
    for task in tasks(category, 150):
        calls = all_calls(task)
        whole = final_state(task, calls)
        for place, call in enumerate(calls):
            if changes(call):
                assert final_state(task, calls[:place] + calls[place + 1 :]) != whole, (task.id, call)


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_task_is_of_two_to_five_turns_of_at_most_six_calls(category: Category) -> None:
    for task in tasks(category):
        assert 2 <= len(task.turns) == len(task.gold) <= 5
        assert all(len(calls) <= 6 for calls in task.gold)
        assert all(len(messages) <= 1 for messages in task.turns)
        assert set(task.initial_config) == set(task.involved_classes)


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_argument_of_a_gold_call_was_said_or_answered_before(category: Category) -> None:
    for task in tasks(category, 150):
        world = loaded(task)
        known = words_of(" ".join(choices(tool_documents(task.involved_classes))))
        for messages, calls in zip(task.turns, task.gold, strict=True):
            known |= words_of(" ".join(messages))
            for call in calls:
                for value in read_gold(call).named.values():
                    assert words_of(str(value)) <= known | {"True", "False"}, (task.id, call, messages)
                known |= words_of(str(made(world, call)))


def words_of(text: str) -> set[str]:
    """The words and numbers of a text; 2.50 is 2.5."""
    parts = re.findall(r"\d+\.\d+|\d+|[^\W\d_]+", text)
    return {f"{float(part):g}" if part[0].isdigit() else part.lower() for part in parts}


def choices(documents: Sequence[Any]) -> Iterator[str]:
    for document in documents:
        for schema in document["parameters"]["properties"].values():
            yield from schema.get("enum", schema.get("items", {}).get("enum", ()))


def test_a_withheld_tool_is_needed_when_it_comes_and_not_before() -> None:
    for task in tasks("miss_func"):
        ((turn, withheld),) = task.missed_functions.items()
        assert task.gold[turn - 1] == () != task.gold[turn]
        assert task.turns[turn] == () != task.turns[turn - 1]
        used = [{read_gold(call).name for call in calls} for calls in task.gold]
        assert not set(withheld) & set().union(*used[:turn])
        assert {read_gold(call).name for call in task.gold[turn] if changes(call)} <= set(withheld)


def test_a_missing_value_comes_a_turn_later_and_nothing_is_done_before() -> None:
    for task in tasks("miss_param"):
        (gap,) = (turn for turn, calls in enumerate(task.gold) if not calls)
        ((asked,), (told,)) = task.turns[gap : gap + 2]
        assert told != asked
        assert task.gold[gap + 1]


@pytest.mark.parametrize("part", PARTS)
def test_a_value_that_may_be_left_out_is_in_the_whole_request_and_in_what_comes_later(part: Part) -> None:
    found = [request for seed in range(20) for request in requests(part, seed) if request.value]
    for request in found:
        assert request.whole.count(request.value) == request.lacking.count(request.value) + 1
        assert words_of(request.value) <= words_of(request.later)
        assert GAP not in request.whole + request.lacking + request.later
    assert found


def requests(part: Part, seed: int) -> Iterator[Request]:
    """What the user says in a story of one part."""
    scene = Scene(Random(seed))
    telling = part(scene)
    assert next(telling) is None
    back_ends = {name: BACK_ENDS[name]() for name in scene.world}
    for name, back_end in back_ends.items():
        back_end.load(scene.world[name])
    scene.begin({tool: back_end for back_end in back_ends.values() for tool in back_end.TOOLS})
    for request in telling:
        assert request is not None
        yield request


def test_only_where_something_is_missing_a_turn_has_no_gold() -> None:
    for category in ("base", "long_context"):
        for task in tasks(category):
            assert all((*task.gold, *task.turns))
            assert not task.missed_functions


def test_a_long_context_shows_much_more_and_asks_for_the_same() -> None:
    for task in tasks("long_context", 50):
        short = Task(task.id, "base", task.turns, task.initial_config, task.involved_classes, task.gold)
        long_size, short_size = (len(str(states(loaded(each)))) for each in (task, short))
        if set(task.involved_classes) != {"Car", "Calculator"}:
            assert long_size > short_size + 3000


def test_no_two_tasks_are_the_same() -> None:
    found = [task for category in CATEGORIES for seed in (0, 1) for task in tasks(category, 300, seed)]
    seen = {(task.turns, task.gold, str(task.initial_config)) for task in found}
    assert len(seen) == len({task.id for task in found}) == len(found) == 2400


def test_playing_a_task_leaves_its_scenario_as_it_was() -> None:
    for task in tasks("base", 60):
        before = deepcopy(task.initial_config)
        final_state(task, all_calls(task))
        assert task.initial_config == before


def test_every_back_end_is_asked_for() -> None:
    used = {read_gold(call).name for task in tasks("base") for call in all_calls(task)}
    assert {name for name, kind in BACK_ENDS.items() if used & set(kind.TOOLS)} == set(BACK_ENDS)
    assert len(used) >= 35


def test_there_is_no_other_category() -> None:
    with pytest.raises(UnknownNameError):
        embedded_task("short", 0, 0)  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_bytes_in_every_process() -> None:
    program = (
        "from credit_gym.envs.function_calls.embedded import embedded_task, tool_documents, BACK_ENDS\n"
        "from credit_gym.envs.function_calls.tasks import CATEGORIES\n"
        "print([embedded_task(c, i, 3) for c in CATEGORIES for i in range(25)], tool_documents(list(BACK_ENDS)))"
    )
    said = set()
    for seed in ("0", "1", "77"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        said.add(
            subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, env=environment).stdout
        )
    assert len(said) == 1
