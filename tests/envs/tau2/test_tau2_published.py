"""The published domains: how they grade, how their files are read, and the real ones where they are."""

from __future__ import annotations

import itertools
import json
import statistics
import time
from pathlib import Path
from typing import Any

import pytest

from credit_gym.envs.tau2.actions import STOP, ToolCall, write_call
from credit_gym.envs.tau2.env import Tau2Env
from credit_gym.envs.tau2.folder import read_domain
from credit_gym.envs.tau2.results import from_moment, regrade
from credit_gym.envs.tau2.reward import counted, is_match, is_told
from credit_gym.envs.tau2.tasks import GoldAction, read_task, write_task
from credit_gym.errors import ManifestError

GOLD = GoldAction(ToolCall("f", {"a": 1, "b": 2}))


@pytest.mark.parametrize(
    ("gold", "arguments", "default", "upstream"),
    [
        (GOLD, {"a": 1, "b": 2}, True, True),
        (GOLD, {"a": 1}, False, True),
        (GOLD, {}, False, True),
        (GOLD, {"a": 1, "b": 3}, False, False),
        (GOLD, {"a": 1, "b": 2, "c": 3}, False, False),
        (GOLD._replace(compare_args=("a",)), {"a": 1, "b": 9}, True, True),
        (GOLD._replace(compare_args=()), {"z": 9}, True, True),
    ],
)
def test_calls_are_compared_as_documented(gold: GoldAction, arguments: Any, default: bool, upstream: bool) -> None:
    call = ToolCall("f", arguments)
    assert is_match(gold, call) is default
    assert is_match(gold, call, upstream=True) is upstream
    assert is_match(gold, call._replace(requestor="user")) is default  # whoever makes it


def test_a_call_counts_for_one_of_the_reference_and_matches_all_that_are_like_it() -> None:
    other = GoldAction(ToolCall("g", {}))
    actions = (GOLD, other, GOLD._replace(call=GOLD.call._replace(requestor="user")))
    made, matched = counted(actions, GOLD.call)
    assert (made, matched) == (0b001, 0b101)
    assert counted(actions, GOLD.call, made, matched) == (0b101, 0b101)
    assert counted(actions, other.call, 0b101, 0b101) == (0b111, 0b111)
    assert counted(None, GOLD.call) == (0, 0)


def test_texts_are_found_whatever_their_commas() -> None:
    assert is_told("1,234.5", "You get $1,234.50.")
    assert not is_told("1,234.5", "You get $1,234.50.", upstream=True)
    assert is_told("1234.5", "You get $1,234.50.", upstream=True)


def mock_folder(folder: Path) -> Path:
    """A domain in tau2's layout, with its own rows and words."""
    place = folder / "tau2" / "domains" / "mock"
    place.mkdir(parents=True)
    action = {"action_id": "a", "name": "update_task_status", "arguments": {"task_id": "task_9", "status": "completed"}}
    check = {"env_type": "user", "func_name": "assert_notification_status",
             "arguments": {"notification_id": "n1", "expected_status": "read"}, "assert_value": True}  # fmt: skip
    note = {"env_type": "user", "func_name": "add_notification",
            "arguments": {"notification_id": "n1", "message": "m", "task_id": "task_9"}}  # fmt: skip
    told = "Use check_notifications. Have task_9 completed. Then use dismiss_notification on 'n1'."
    row = {"task_id": "task_9", "title": "t", "description": None, "status": "pending"}
    made = {"id": "c", "name": "create_task", "arguments": {"user_id": "user_1", "title": "x"}}
    history = [
        {"role": "user", "content": "Make a task x."},
        {"role": "assistant", "tool_calls": [made]},
        {"role": "tool", "id": "c", "content": "{}"},
        {"role": "assistant", "content": "I made task_1."},
    ]
    tasks = [
        {
            "id": "dual",
            "user_scenario": {"instructions": told},
            "ticket": "Complete task_9.",
            "initial_state": {
                "initialization_data": {"agent_data": {"tasks": {"task_9": row}}},
                "initialization_actions": [note],
            },
            "evaluation_criteria": {
                "actions": [action], "env_assertions": [check], "reward_basis": ["ACTION", "ENV_ASSERTION"]
            },
        },
        {
            "id": "history",
            "user_scenario": {"instructions": "Have task_1 completed."},
            "initial_state": {"message_history": history},
            "evaluation_criteria": {
                "actions": [{**action, "arguments": {"task_id": "task_1", "status": "completed"}}],
                "communicate_info": ["it is completed"],
            },
        },
        {
            "id": "judged",
            "user_scenario": {"instructions": "Say hello."},
            "evaluation_criteria": {"actions": [], "nl_assertions": ["The agent is kind"],
                                    "reward_basis": ["DB", "NL_ASSERTION"]},
        },
        {"id": "free", "user_scenario": {"instructions": "Anything."}},
    ]  # fmt: skip
    users = {"user_1": {"user_id": "user_1", "name": "U", "tasks": []}}
    (place / "db.json").write_text(json.dumps({"tasks": {}, "users": users}))
    (place / "user_db.json").write_text(json.dumps({"notifications": {}}))
    (place / "tasks.json").write_text(json.dumps(tasks))
    (place / "policy.md").write_text("Be kind.")
    (place / "policy_solo.md").write_text("Be quick.")
    return folder


def run(env: Tau2Env, task: str) -> tuple[float, dict[str, Any]]:
    index = [t.id for t in env.tasks].index(task)
    _, info = env.reset(seed=0, options={"task": index})
    reward = 0.0
    while "success" not in info:
        _, reward, _, _, info = env.step(info["expert_actions"][0])
    return reward, info


def test_tasks_begin_with_their_data_calls_and_history_and_customers_use_their_tools(tmp_path: Path) -> None:
    env = Tau2Env("mock", data=mock_folder(tmp_path))
    for task in ("dual", "history", "free"):
        reward, info = run(env, task)
        assert (reward, info["termination"]) == (1.0, "user_stop"), task
    assert info["reward_components"] == {}
    observation, info = env.reset(seed=0, options={"task": 0})
    assert observation == f"user: {env.task.instructions}"
    assert [m.call.name for m in env.moment.messages if m.call] == ["check_notifications"]
    solo = Tau2Env("mock", data=tmp_path, solo=True)
    assert [task.id for task in solo.tasks] == ["dual"]
    observation, info = solo.reset(seed=0)
    assert observation == "ticket: Complete task_9."
    assert info["policy"] == "Be quick."
    solo.step(info["expert_actions"][0])
    solo.step("dismiss_notification(notification_id='n1')")
    assert solo.step("done()")[1] == 1.0


def test_a_solo_agent_sees_what_the_customers_tools_answer(tmp_path: Path) -> None:
    env = Tau2Env("mock", data=mock_folder(tmp_path), solo=True)
    env.reset(seed=0)
    observation, *_, info = env.step("dismiss_notification(notification_id='nowhere')")
    assert (observation, info["invalid"]) == ("tool: Error: Notification nowhere not found", True)
    observation, *_, info = env.step("check_notifications()")
    assert observation.startswith('tool: [{"notification_id": "n1"')
    assert {call.requestor for message in env.moment.messages for call in message.all_calls} == {"assistant"}
    env.step("dismiss_notification(notification_id='n1')")
    env.step(info["expert_actions"][0])
    env.step("done()")
    simulation = from_moment(env.domain, env.task, env.moment, id="s")
    assert (simulation.reward, regrade(env.domain, simulation).drifted) == (1.0, ())


def test_rows_are_shown_as_the_data_models_have_them(tmp_path: Path) -> None:
    place = mock_folder(tmp_path) / "tau2" / "domains" / "mock"
    row = {"status": "pending", "due": 3, "title": "t", "task_id": "task_1"}
    user = {"tasks": ["task_1"], "name": "U", "user_id": "user_1"}
    (place / "db.json").write_text(json.dumps({"users": {"user_1": user}, "tasks": {"task_1": row}}))
    domain = read_domain(tmp_path, "mock")
    assert json.dumps(domain.tables.rows["tasks"]["task_1"]) == json.dumps(
        {"task_id": "task_1", "title": "t", "description": None, "status": "pending"}
    )
    assert list(domain.tables.rows["users"]["user_1"]) == ["user_id", "name", "tasks"]
    unordered = {"status": "pending", "title": "t", "task_id": "task_2"}
    data = {"agent_data": {"tasks": {"task_2": unordered}}}
    task = read_task({"id": "x", "user_scenario": {"instructions": ""}, "initial_state": {"initialization_data": data}})
    begun = domain.begin(task).get("tasks", "task_2")
    assert json.dumps(begun) == '{"task_id": "task_2", "title": "t", "description": null, "status": "pending"}'


def test_without_a_judge_assertions_in_words_are_left_out(tmp_path: Path) -> None:
    reward, info = run(Tau2Env("mock", data=mock_folder(tmp_path)), "judged")
    assert reward == 1.0
    assert info["reward_components"] == {"DB": 1.0, "NL_ASSERTION": None}
    for verdict in (True, False):
        env = Tau2Env("mock", data=tmp_path, judge=lambda conversation, assertions, v=verdict: [v] * len(assertions))
        reward, info = run(env, "judged")
        assert reward == float(verdict)
        assert info["reward_info"]["nl_assertions"][0]["met"] is verdict


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("tasks.json", "[{", "is not JSON"),
        ("tasks.json", '[{"id": 1}]', "not a tau2 task"),
        ("tasks.json", '{"tasks": 3}', "no list of tasks"),
        ("tasks.json", "[" * 100_000, "is not JSON"),
        ("tasks.json", None, "has no tasks.json"),
        ("db.json", None, "cannot be read"),
        ("db.json", "[]", "must hold a JSON object"),
        ("db.json", '{"tasks": {}}', "has no 'users'"),
        ("db.json", '{"tasks": {}, "users": {"u": 3}}', "not the database of mock"),
        ("user_db.json", "[]", "must hold a JSON object"),
        ("split_tasks.json", '{"base": "dual"}', "a list of task ids"),
        ("split_tasks.json", '{"base": ["nope"]}', "which tasks.json lacks"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, file: str, content: str | None, said: str) -> None:
    place = mock_folder(tmp_path) / "tau2" / "domains" / "mock" / file
    if content is None:
        place.unlink()
    else:
        place.write_text(content)
    with pytest.raises(ManifestError, match=said):
        read_domain(tmp_path, "mock")
    with pytest.raises(ManifestError, match="point TAU2_DATA_DIR"):
        read_domain(tmp_path / "tau2", "retail")


def test_a_task_is_written_as_it_was_read(tmp_path: Path) -> None:
    mock_folder(tmp_path)
    for value in json.loads((tmp_path / "tau2/domains/mock/tasks.json").read_text()):
        assert write_task(read_task(value)) == value
    made = Tau2Env(task_id="library-3").tasks[0]
    again = read_task(json.loads(json.dumps(write_task(made))))
    assert (again.actions, again.communicate, again.basis) == (made.actions, made.communicate, made.basis)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mock", "retail", "airline"])
@pytest.mark.parametrize("mode", ["default", "upstream"])
def test_the_gold_actions_of_every_real_task_give_reward_1(name: str, mode: str, shared_data: Path) -> None:
    try:
        env = Tau2Env(name, data=shared_data / "tau2", split="all", mode=mode)
    except ManifestError:
        pytest.skip(f"{name} is not there")
    failed = [task.id for task in env.tasks if run(env, task.id)[0] != 1.0]
    contradictory = [
        "update_task_with_history_and_env_assertions",  # asserts a change that its empty solution does not make
        "update_task_with_user_tools",  # asserts that the customer changes its own rows, which its solution does not
    ]
    assert failed == (contradictory if name == "mock" else [])


def retail_env(shared_data: Path) -> Tau2Env:
    folder = shared_data / "tau2"
    if not (folder / "retail").is_dir():
        pytest.skip("retail is not there")
    return Tau2Env("retail", data=folder, split="all")


@pytest.mark.slow
def test_a_gold_write_left_out_of_a_real_task_gives_0_and_a_lower_reading(shared_data: Path) -> None:
    env = retail_env(shared_data)
    judged = undone = 0
    for index, task in enumerate(env.tasks):
        start = env.domain.begin(task)
        path = env.domain.gold(task, start)
        for number, (before, after) in enumerate(itertools.pairwise(path)):
            if after.changed == before.changed:
                continue
            env.reset(seed=0, options={"task": index})
            reading = 0.0
            for place, action in enumerate(task.actions or ()):
                step = write_call(action.call) if place != number else "calculate(expression='1')"
                info = env.step(step)[4]
                reading = info["verifier"] if place == number else reading
            reward = env.step(STOP)[1]
            rest = start
            for action in [a for place, a in enumerate(task.actions or ()) if place != number]:
                rest = env.domain.call(rest, action.call).database if env.domain.writes(action.call) else rest
            assert reward == float(rest.changed == path[-1].changed), (task.id, number)
            assert reading == 0.0
            judged += reward == 0.0
            undone += reward == 1.0
    assert judged > 150
    assert undone <= 2  # changes that a later change of the same solution overwrites


@pytest.mark.slow
def test_retail_steps_take_less_than_a_millisecond_and_resets_less_than_200(shared_data: Path) -> None:
    env = retail_env(shared_data)
    resets, steps = [], []
    for task in range(env.num_tasks):
        began = time.process_time()
        _, info = env.reset(seed=0, options={"task": task})
        resets.append(time.process_time() - began)
        while "success" not in info:
            began = time.process_time()
            _, _, _, _, info = env.step(info["expert_actions"][0])
            steps.append(time.process_time() - began)
    assert statistics.median(steps) < 1e-3
    assert statistics.median(resets) < 0.2
