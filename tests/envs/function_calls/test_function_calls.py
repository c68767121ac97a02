"""Many-turn tool calls: the published rule of reward, the verifier, what is withheld, and how far a turn may go."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from builders.small_bfcl import small_bfcl
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.envs.function_calls.conversation import Conversation
from credit_gym.envs.function_calls.env import FunctionCallsEnv
from credit_gym.envs.function_calls.plan import Plan
from credit_gym.envs.function_calls.sources import SPLITS, open_source
from credit_gym.envs.function_calls.state import same
from credit_gym.envs.function_calls.tasks import CATEGORIES
from credit_gym.envs.function_calls.world import Running
from credit_gym.errors import UnknownNameError
from credit_gym.testing import check_env


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bfcl(tmp_path_factory.mktemp("bfcl"))


def played(env: FunctionCallsEnv, actions: list[str]) -> list[tuple[float, float]]:
    """Reward and verifier of each action, in the task that was begun."""
    return [(reward, info["verifier"]) for _, reward, _, _, info in map(env.step, actions)]


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("category", CATEGORIES)
def test_an_expert_earns_the_reward_and_never_falls_back(category: str, split: str) -> None:
    env = FunctionCallsEnv(category=category, split=split, num_tasks=25)
    for task in range(env.num_tasks):
        _, info = env.reset(seed=0, options={"task": task})
        gained, over, reward = info["progress"], False, 0.0
        while not over:
            _, reward, terminated, truncated, info = env.step(info["expert_actions"][0])
            assert info["verifier"] >= 0.0
            assert not info["invalid"]
            gained, over = gained + info["verifier"], terminated or truncated
        assert (reward, info["success"]) == (1.0, True)
        assert gained == pytest.approx(1.0)


@pytest.mark.parametrize("category", CATEGORIES)
def test_without_a_call_that_changes_something_the_verifier_drops_by_one_where_the_turn_ends(category: str) -> None:
    source = open_source("embedded", category, count=8)
    for task in source.tasks:
        plan = Plan(source.library, task)
        running = Running(plan.library, task)
        for turn, calls in enumerate(plan.gold):
            for place, call in enumerate(calls):
                before = running.states()
                running.call(call)
                if not all(same(running.state(name), state) for name, state in before.items()):
                    check_dropped(plan, turn, place)


def check_dropped(plan: Plan, turn: int, place: int) -> None:
    talk = Conversation(plan)
    drops = []
    for number, calls in enumerate(plan.gold):
        talk.replay((call,) for at, call in enumerate(calls) if (number, at) != (turn, place))
        worth = talk.worth
        talk.do(None)
        drops.append(talk.worth - worth)
    assert not talk.success
    assert drops[turn] == -1.0
    assert all(drop == 0.0 for number, drop in enumerate(drops) if number != turn)


def test_the_verifier_of_a_task_worked_out_by_hand(folder: Path) -> None:
    # Three turns; the first has two changes and three answers, of which cd changes nothing that is compared.
    env = FunctionCallsEnv(folder=folder, category="base")
    _, info = env.reset()
    assert info["progress"] == 0.0
    steps = played(env, ["mkdir('new')", "cd(folder='new')", "echo(content='two', file_name='b.txt')", "done()"])
    third = 1 / 3  # a turn's share of the whole
    expected = [(1 / 2 + 1 / 3) / 2 * third, 1 / 3 / 2 * third, (1 / 2 + 1 / 3) / 2 * third, 0.0]
    assert [verifier for _, verifier in steps] == pytest.approx(expected)
    # The second posts and tags: both change a state, and nothing is undone.
    assert played(env, ["echo('junk', file_name='c.txt')"])[0][1] == 0.0  # nothing was reached that could be spoilt
    assert played(env, ["The rest I leave to you."])[0][1] == -1.0
    rest = played(env, ["cd('..')", "cat(file_name='a.txt')", "done()"])
    assert rest == [(0.0, 0.0)] * 3


def test_a_change_that_nobody_asked_for_is_taken_off_and_comes_back_when_it_is_undone(folder: Path) -> None:
    env = FunctionCallsEnv(folder=folder, category="base")
    env.reset()
    first, wrong, right = (each for _, each in played(env, ["mkdir('new')", "mkdir('old')", "cd('new')"]))
    assert wrong < 0.0 < first
    assert right > 0.0
    assert env.conversation.progress < 1 / 3


def test_a_turn_that_only_asks_is_worth_what_was_seen(folder: Path) -> None:
    env = FunctionCallsEnv(folder=folder, category="miss_param")
    env.reset()
    made = [each for _, each in played(env, ["mkdir('new')", "cd('new')", "echo('two', 'b.txt')", "done()"])]
    assert sum(made) == pytest.approx(1 / 2 + 1 / 4)  # that cd answers {} was seen, and the last turn asks for it too
    looked = played(env, ["Which file?", "cd('..')", "cat('a.txt')", "It says one."])
    assert [each for _, each in looked] == pytest.approx([0.0, 0.0, 1 / 4, 0.0])
    assert looked[-1][0] == 1.0


def test_a_call_must_be_made_in_every_turn_that_has_gold_calls(folder: Path) -> None:
    env = FunctionCallsEnv(folder=folder, category="miss_param")
    env.reset()
    played(env, ["mkdir('new')", "cd('new')", "echo('two', 'b.txt')", "done()", "cd('..')", "cat('a.txt')", "done()"])
    assert env.conversation.progress == 1.0  # all was seen a turn too soon
    assert env.step("It says one.")[1] == 0.0
    assert env.conversation.lost


def test_a_withheld_tool_is_refused_until_its_turn_and_listed_then(folder: Path) -> None:
    env = FunctionCallsEnv(folder=folder, category="miss_func")
    _, info = env.reset()
    assert "post" not in str(info["tools"]) + info["task"]["goal"] + str(info["admissible_actions"])
    played(env, ["mkdir('new')", "cd('new')", "echo('two', 'b.txt')", "done()"])
    observation, _, _, _, info = env.step("post(text='hello', tags=['x'])")
    assert (observation, info["invalid"]) == ("tool: Error during execution: The tool 'post' is not on offer.", True)
    observation, _, _, _, info = env.step("I have no tool for that.")
    assert observation.startswith("user: There are more tools now.")
    assert "\n- post(text: string, tags: array): post it." in observation
    assert "post" in str(info["tools"])
    assert not env.step("post('hello', ['x'])")[4]["invalid"]
    assert env.step("tag(0, 'y')")[1] == 0.0
    assert env.step("done()")[1] == 1.0


def test_several_calls_are_one_step_and_done_among_them_is_an_error(folder: Path) -> None:
    env = FunctionCallsEnv(folder=folder, category="base")
    env.reset()
    observation, *_ = env.step("[mkdir('new'), cd('new'), cat('x')]")
    assert observation == 'tool: None\ntool: {}\ntool: {"error": "no x"}'
    observation, _, _, _, info = env.step("ls()\ndone()")
    assert observation == "tool: {\"names\": []}\ntool: Error during execution: There is no tool called 'done'."
    assert info["invalid"]


@pytest.mark.parametrize("action", ["", "cat('a.txt'", '{"name": "cat", "arguments": 7}', "nothing()", "cat(name='a')"])
def test_what_cannot_be_read_or_fits_no_tool_is_invalid_and_does_not_end_the_turn(folder: Path, action: str) -> None:
    env = FunctionCallsEnv(folder=folder, category="base")
    _, before = env.reset()
    observation, _, terminated, _, info = env.step(action)
    assert info["invalid"]
    assert not terminated
    assert observation.startswith("tool: Error")
    assert (info["turn"], info["steps_left"]) == (0, before["steps_left"] - 1)


def test_a_step_more_than_the_limit_ends_the_episode_and_the_last_turn_is_graded_as_it_stands(folder: Path) -> None:
    env = FunctionCallsEnv(folder=folder, category="base", max_steps=3)
    env.reset()
    ends = [env.step("ls()")[2:4] for _ in range(4)]
    assert ends == [(False, False)] * 3 + [(False, True)]
    with pytest.raises(gym.error.ResetNeeded):
        env.step("ls()")
    env.reset()
    played(env, ["mkdir('new')", "cd('new')", "echo('two', 'b.txt')", "done()", "post('hello', ['x'])", "tag(0, 'y')"])
    played(env, ["done()", "cd('..')", "cat('a.txt')", "ls()"])
    assert env.step("ls()")[1:4] == (1.0, False, True)


def test_an_expert_makes_several_calls_at_once_where_the_limit_asks_for_it(folder: Path) -> None:
    env = FunctionCallsEnv(folder=folder, category="base", max_steps=2)
    _, info = env.reset()
    assert info["expert_actions"] == ["[mkdir('new'), cd(folder='new')]"]


@given(
    st.integers(0, 11),
    st.lists(st.one_of(st.integers(0, 30), st.sampled_from(["hm", "", "done()", "nothing()"])), max_size=30),
)
@settings(max_examples=40, deadline=None)
def test_a_clone_comes_to_the_same_moment_again_whatever_was_done(task: int, choices: list[int | str]) -> None:
    env, other = (FunctionCallsEnv(num_tasks=12) for _ in range(2))
    _, info = env.reset(seed=1, options={"task": task})
    for choice in choices:
        offered = info["admissible_actions"]
        action = choice if isinstance(choice, str) else offered[choice % len(offered)]
        observation, _, terminated, truncated, info = env.step(action)
        assert 0.0 <= info["progress"] <= 1.0
        assert -1.0 - 1e-9 <= info["verifier"] <= 1.0
        if terminated or truncated:
            break
        again, told = other.restore_state(env.clone_state())
        assert again == observation
        assert {name: told[name] for name in told} == info


def test_equal_states_have_one_key_and_what_was_seen_counts_only_where_it_is_asked_for(folder: Path) -> None:
    env = FunctionCallsEnv(folder=folder, category="base")

    def key(*actions: str) -> Any:
        _, info = env.reset()
        for action in actions:
            *_, info = env.step(action)
        return info["state_key"]

    assert key("mkdir('a')", "mkdir('b')") == key("[mkdir('a'), mkdir('b')]")
    assert key("ls()") == key("ls()", "ls()")
    assert key("ls()") != key()  # a turn without any call is lost
    assert key("mkdir('a')", "cd('a')") != key("mkdir('a')")  # where one stands is not compared, but matters
    assert len({key("mkdir('a')", f"echo('{text}', 'c.txt')") for text in ("", "x", "y")}) == 3


def test_published_back_ends_keep_the_common_promises_too(folder: Path) -> None:
    env = FunctionCallsEnv(folder=folder)
    check_env(env)
    env.reset(seed=3)
    env.step("mkdir('new')")
    for twin in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        assert [twin.step(action)[0] for action in ("cd('new')", "ls()")] == ["tool: {}", 'tool: {"names": []}']


def test_names_that_there_are_not_are_refused(folder: Path) -> None:
    for arguments in ({"source": "web"}, {"category": "hard"}, {"split": "all"}, {"task_id": "nobody"}):
        with pytest.raises(UnknownNameError):
            FunctionCallsEnv(**arguments)
    assert FunctionCallsEnv(folder=folder, task_id="multi_turn_miss_func_0").num_tasks == 1


def test_the_splits_share_no_task() -> None:
    train, test = ({task.turns for task in open_source("embedded", split=each, count=40).tasks} for each in SPLITS)
    assert not train & test
