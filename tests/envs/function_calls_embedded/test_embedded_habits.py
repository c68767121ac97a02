"""Careful agents win whatever their habits, careless ones lose: success is a matter of the steps alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest

from credit_gym.envs.function_calls.embedded import BACK_ENDS
from credit_gym.envs.function_calls.env import FunctionCallsEnv
from credit_gym.envs.function_calls.gold import Call, read_gold, write_gold
from credit_gym.envs.function_calls.tasks import Task

COUNT = 80

READS = {tool for kind in BACK_ENDS.values() for tool in kind.READS}
IDLE = [tool for kind in BACK_ENDS.values() for tool in kind.TOOLS if tool in READS and not kind.TOOLS[tool].arguments]

Habit = Callable[[Task, int], list[str]]
"""The actions of a turn, without the one that ends it."""


def plainly(task: Task, turn: int) -> list[str]:
    return list(task.gold[turn])


def all_at_once(task: Task, turn: int) -> list[str]:
    return [f"[{', '.join(task.gold[turn])}]"] if task.gold[turn] else []


def as_json(task: Task, turn: int) -> list[str]:
    return [json.dumps({"name": call.name, "arguments": call.named}) for call in gold(task, turn)]


def curiously(task: Task, turn: int) -> list[str]:
    """With every look around that there is, before every call."""
    tools = {tool for name in task.involved_classes for tool in BACK_ENDS[name].TOOLS}
    looks = ", ".join(f"{tool}()" for tool in IDLE if tool in tools)
    return [f"[{looks}, {call}]" if looks else call for call in task.gold[turn]]


def ahead(task: Task, turn: int) -> list[str]:
    """Looking already where nothing can be done yet."""
    coming = task.gold[turn + 1] if not task.gold[turn] else ()
    looks = []
    for call in coming:
        if read_gold(call).name not in READS:
            break
        looks.append(call)
    return [*looks, *task.gold[turn]]


def piecemeal(task: Task, turn: int) -> list[str]:
    """Door after door, and the engine tried before everything is ready."""
    actions = []
    for call in gold(task, turn):
        if call.name == "lock_doors":
            actions += ["start_engine()", *(f"lock_doors(doors=[{door!r}])" for door in call.named["doors"])]
        else:
            actions.append(write_gold(call))
    return actions


def twice(task: Task, turn: int) -> list[str]:
    """Every look taken twice."""
    return [call for call in task.gold[turn] for _ in range(2 if read_gold(call).name in READS else 1)]


@pytest.mark.parametrize("habit", [plainly, all_at_once, as_json, curiously, ahead, piecemeal, twice])
def test_a_careful_agent_wins(habit: Habit) -> None:
    env = FunctionCallsEnv(num_tasks=COUNT)
    for number, task in enumerate(env.source.tasks):
        assert play(env, number, [habit(task, turn) for turn in range(len(task.gold))]), task.id


def test_who_ends_a_turn_one_call_early_loses() -> None:
    env = FunctionCallsEnv(num_tasks=COUNT)
    for number, task in enumerate(env.source.tasks):
        turns = [list(calls) for calls in task.gold]
        turns[max(turn for turn, calls in enumerate(turns) if calls)].pop()
        assert not play(env, number, turns), task.id


def test_who_takes_the_file_person_ticket_or_account_of_like_name_loses() -> None:
    env = FunctionCallsEnv(num_tasks=COUNT)
    tried = 0
    for number, task in enumerate(env.source.tasks):
        for turn, place, other in mistakes(task):
            turns = [list(calls) for calls in task.gold]
            turns[turn][place] = other
            assert not play(env, number, turns), (task.id, other)
            tried += 1
    assert tried > COUNT


def test_who_guesses_a_missing_value_and_changes_something_loses() -> None:
    env = FunctionCallsEnv(num_tasks=COUNT, category="miss_param")
    tried = 0
    for number, task in enumerate(env.source.tasks):
        gap = next(turn for turn, calls in enumerate(task.gold) if not calls)
        for turn, place, guess in mistakes(task):
            turns = [list(calls) for calls in task.gold]
            turns[gap] = [*turns[turn][:place], guess]
            if turn == gap + 1 and '"error"' not in said(env, number, turns[: gap + 1])[-2]:
                assert not play(env, number, turns), (task.id, guess)
                tried += 1
    assert tried > COUNT / 4


def mistakes(task: Task) -> list[tuple[int, int, str]]:
    """Changing calls that work on the like thing instead: turn, place in it, and the call."""
    twins = {
        "account": [int(key) for key in task.initial_config.get("Brokerage", {}).get("accounts", {})],
        "source": [int(key) for key in task.initial_config.get("Brokerage", {}).get("accounts", {})],
        "card_id": list(task.initial_config.get("Trips", {}).get("cards", {})),
        "flight": list(task.initial_config.get("Trips", {}).get("flights", {})),
        "ticket_id": [int(key) for key in task.initial_config.get("Tickets", {}).get("tickets", {})],
        "person_id": list(task.initial_config.get("Messages", {}).get("people", {})),
        "symbol": list(task.initial_config.get("Brokerage", {}).get("stocks", {})),
    }
    found = []
    for turn in range(len(task.gold)):
        for place, call in enumerate(gold(task, turn)):
            for name in call.named.keys() & twins.keys() if call.name not in READS else ():
                other = next((each for each in twins[name] if each not in call.named.values()), None)
                if other is not None:
                    found.append((turn, place, write_gold(call._replace(named={**call.named, name: other}))))
    return found


def gold(task: Task, turn: int) -> list[Call]:
    return list(map(read_gold, task.gold[turn]))


def play(env: FunctionCallsEnv, number: int, turns: Sequence[Sequence[str]]) -> bool:
    """Whether a conversation with these actions in its turns is won."""
    said(env, number, turns)
    assert env.conversation.over == "user_stop"
    return env.conversation.success


def said(env: FunctionCallsEnv, number: int, turns: Sequence[Sequence[str]]) -> list[str]:
    """What a conversation with these actions in its turns answers, each turn ended with words."""
    env.reset(options={"task": number})
    return [env.step(action)[0] for actions in turns for action in (*actions, "That is done.")]


def test_the_prompt_says_which_values_a_tool_knows() -> None:
    env = FunctionCallsEnv(num_tasks=40)
    goals = [env.reset(options={"task": number})[1]["task"]["goal"] for number in range(40)]
    assert any("side: buy|sell" in goal for goal in goals)
    assert any("doors: list of driver|passenger|rear_left|rear_right" in goal for goal in goals)
