"""The published tasks and the published checker, where BFCL_DIR has them: the same rewards, task by task."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from credit_gym.envs.function_calls.conversation import Conversation
from credit_gym.envs.function_calls.env import FunctionCallsEnv
from credit_gym.envs.function_calls.gold import Call, write_gold
from credit_gym.envs.function_calls.plan import Plan
from credit_gym.envs.function_calls.published import find_folder
from credit_gym.envs.function_calls.results import from_actions, is_valid
from credit_gym.envs.function_calls.sources import open_source
from credit_gym.envs.function_calls.state import same
from credit_gym.envs.function_calls.tasks import CATEGORIES
from credit_gym.envs.function_calls.world import Running

pytestmark = [
    pytest.mark.skipif(not os.environ.get("BFCL_DIR"), reason="BFCL_DIR names no unpacked bfcl-eval"),
    pytest.mark.slow,
]

Turns = list[list[list[Call]]]
"""The calls of each step of each turn."""

CHECKER = """
import contextlib, io, json, sys
sys.setrecursionlimit(1000)
with contextlib.redirect_stdout(io.StringIO()):
    from bfcl_eval.eval_checker.multi_turn_eval.multi_turn_checker import multi_turn_checker
for number, line in enumerate(sys.stdin):
    entry, gold, turns = json.loads(line)
    try:
        valid = multi_turn_checker(turns, gold, entry, "", f"model{number}")["valid"]
    except (RecursionError, AssertionError, AttributeError):
        valid = False
    print(json.dumps(valid))
"""
"""Runs in a process that knows nothing of this package; BFCL_PYTHON may name the interpreter of another environment."""


@cache
def plans(category: str) -> list[Plan]:
    source = open_source("folder", category)
    return [Plan(source.library, task) for task in source.tasks]


def checked(rows: list[tuple[Plan, Turns]]) -> list[bool]:
    """What the published checker says of each."""
    entries = {}
    for category in CATEGORIES:
        path = find_folder() / "data" / f"BFCL_v4_multi_turn_{category}.json"
        entries |= {row["id"]: row for row in map(json.loads, path.read_text().splitlines())}
    lines = [
        json.dumps([entries[plan.task.id], plan.task.gold, [[list(map(write_gold, s)) for s in t if s] for t in turns]])
        for plan, turns in rows
    ]
    ran = subprocess.run(
        [os.environ.get("BFCL_PYTHON", sys.executable), "-c", CHECKER],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(find_folder().parent)},
    )
    return [json.loads(line) for line in ran.stdout.splitlines()]


def gold_turns(plan: Plan) -> Turns:
    return [[[call] for call in turn] for turn in plan.gold]


@pytest.mark.parametrize("category", CATEGORIES)
def test_gold_calls_earn_the_reward_on_every_published_task(category: str) -> None:
    env = FunctionCallsEnv("folder", category=category)
    failed = []
    for task in range(env.num_tasks):
        _, info = env.reset(options={"task": task})
        gained, over, reward = 0.0, False, 0.0
        while not over:
            _, reward, terminated, truncated, info = env.step(info["expert_actions"][0])
            assert info["verifier"] >= 0.0
            gained, over = gained + info["verifier"], terminated or truncated
        if reward != 1.0 or gained != pytest.approx(1.0):
            failed.append(info["task"]["id"])
    assert (env.num_tasks, failed) == (200, [])


@pytest.mark.parametrize("category", CATEGORIES)
def test_without_one_call_that_changes_something_nothing_is_earned_and_the_verifier_drops_there(category: str) -> None:
    count = 0
    for plan in plans(category):
        for turn, place in changing(plan):
            talk = Conversation(plan, 1 << 62)
            for number, calls in enumerate(plan.gold):
                talk.replay((call,) for at, call in enumerate(calls) if (number, at) != (turn, place))
                worth = talk.worth
                talk.do(None)
                assert talk.worth - worth == (-1.0 if number == turn else 0.0) or number < turn
            assert not talk.success
            count += 1
    assert count > 500


def test_the_published_checker_says_the_same_of_2000_trajectories() -> None:
    chance = random.Random(7)
    everything = [plan for category in CATEGORIES for plan in plans(category)]
    rows = [(plan := everything[number % len(everything)], perturbed(plan, chance)) for number in range(2000)]
    ours = [is_valid(plan, turns) for plan, turns in rows]
    theirs = checked(rows)
    apart = [row[0].task.id for row, mine, its in zip(rows, ours, theirs, strict=True) if mine != its]
    assert apart == []
    assert 400 < sum(theirs) < 1600


def test_what_is_written_of_an_episode_is_scored_as_it_was_rewarded() -> None:
    chance, rows, rewards = random.Random(3), [], []
    for category in CATEGORIES:
        env = FunctionCallsEnv("folder", category=category)
        for number in range(60):
            _, info = env.reset(options={"task": number})
            actions, over, reward = [], False, 0.0
            while not over:
                wild = chance.random() < 0.2
                actions.append(chance.choice(info["admissible_actions"]) if wild else info["expert_actions"][0])
                _, reward, terminated, truncated, info = env.step(actions[-1])
                over = terminated or truncated
            plan = env.conversation.plan
            steps = [
                [step for step in turn if step and isinstance(step, list)] for turn in from_actions(plan, actions).turns
            ]
            calls = [[[Call(n, (), json.loads(g)) for c in s for n, g in c.items()] for s in turn] for turn in steps]
            rows.append((plan, calls))
            rewards.append(reward == 1.0)
    assert checked(rows) == rewards
    assert 40 < sum(rewards) < 200


def changing(plan: Plan) -> Iterator[tuple[int, int]]:
    """Turn and place of each gold call that changes what is compared."""
    running, names = Running(plan.library, plan.task), plan.task.involved_classes
    for turn, calls in enumerate(plan.gold):
        for place, call in enumerate(calls):
            before = {name: running.kept(name) for name in names}
            running.call(call)
            if not all(same(running.state(name), before[name]) for name in names):
                yield turn, place


def perturbed(plan: Plan, chance: random.Random) -> Turns:
    """The gold calls with nought to three things done to them."""
    turns = gold_turns(plan)
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
        chance.choice(CHANGES)(turns, chance)
    return turns


def drop(turns: Turns, chance: random.Random) -> None:
    turn = chance.choice(turns)
    if turn:
        turn.pop(chance.randrange(len(turn)))


def repeat(turns: Turns, chance: random.Random) -> None:
    turn = chance.choice(turns)
    if turn:
        turn.insert(chance.randrange(len(turn) + 1), list(chance.choice(turn)))


def shuffle(turns: Turns, chance: random.Random) -> None:
    chance.shuffle(chance.choice(turns))


def join(turns: Turns, chance: random.Random) -> None:
    turn = chance.choice(turns)
    turn[:] = [[call for step in turn for call in step]] if turn else []


def move(turns: Turns, chance: random.Random) -> None:
    one, other = chance.choice(turns), chance.choice(turns)
    if one:
        other.append(one.pop(chance.randrange(len(one))))


def alter(turns: Turns, chance: random.Random) -> None:
    turn = chance.choice(turns)
    for step in turn[-1:]:
        call = step[0]
        if call.named:
            name = chance.choice(sorted(call.named))
            step[0] = call._replace(named={**call.named, name: other_value(call.named[name], chance)})


def other_value(value: Any, chance: random.Random) -> Any:
    if isinstance(value, bool):
        return chance.choice((not value, str(value)))
    if isinstance(value, (int, float)):
        return chance.choice((value + 1, -value, float(value), str(value)))
    if isinstance(value, str):
        return chance.choice((value + "x", "", value.upper(), 7, [value]))
    return chance.choice((None, [], value))


def misspell(turns: Turns, chance: random.Random) -> None:
    turn = chance.choice(turns)
    for step in turn[:1]:
        call = step[0]
        step[0] = chance.choice((call._replace(name=call.name + "s"), call._replace(named={**call.named, "extra": 1})))


def borrow(turns: Turns, chance: random.Random) -> None:
    """A call that looks about, or does something nobody asked for."""
    name = chance.choice(("pwd", "ls", "cd", "mkdir", "rm", "displayCarStatus", "post_tweet", "trading_logout", "add"))
    arguments: dict[str, dict[str, Any]] = {
        "cd": {"folder": ".."},
        "mkdir": {"dir_name": "new"},
        "rm": {"file_name": "new"},
        "displayCarStatus": {"option": "fuel"},
        "post_tweet": {"content": "hello"},
        "add": {"a": 1, "b": 2},
    }
    chance.choice(turns).append([Call(name, (), arguments.get(name, {}))])


CHANGES: tuple[Callable[[Turns, random.Random], None], ...] = (
    drop,
    repeat,
    shuffle,
    join,
    move,
    alter,
    misspell,
    borrow,
    borrow,
)
