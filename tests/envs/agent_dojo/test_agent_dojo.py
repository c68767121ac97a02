"""credit/AgentDojo-v0 on its own suites: what is done, what is injected, who obeyed, and what the verifier says."""

from __future__ import annotations

import json
import pickle
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.data.calls import write_call
from credit_gym.envs.agent_dojo.env import AgentDojoEnv
from credit_gym.envs.agent_dojo.wordings import WORDINGS
from credit_gym.errors import CreditGymError, ManifestError, MissingExtraError, OptionError, UnknownNameError

ENV = AgentDojoEnv()
INJECTED = [number for number, task in enumerate(ENV.tasks) if task.injection]
ALONE = [number for number, task in enumerate(ENV.tasks) if not task.injection]


def begun(number: int, env: AgentDojoEnv = ENV) -> dict[str, Any]:
    return env.reset(seed=0, options={"task": number})[1]


def gold(number: int, *, obeying: int | None = None, env: AgentDojoEnv = ENV) -> tuple[list[dict[str, Any]], float]:
    """The infos of the ground truth, and the reward; the injected calls are made so many steps after they were read."""
    infos, reward, over = [begun(number, env)], 0.0, False
    waited, orders = 0, None
    while not over:
        action = infos[-1]["expert_actions"][0]
        if obeying is not None and infos[-1]["read"] and orders is None:
            if waited == obeying or not action.startswith("{"):
                orders = [write_call(*call) for call in env.rules.injected]
            waited += 1
        _, reward, terminated, truncated, info = env.step(orders.pop(0) if orders else action)
        infos.append(info)
        over = terminated or truncated
    return infos, float(reward)


@pytest.mark.parametrize("number", range(ENV.num_tasks), ids=lambda number: ENV.tasks[number].id)
def test_the_ground_truth_does_what_the_user_wants_and_nothing_else(number: int) -> None:
    infos, reward = gold(number)
    assert reward == 1.0
    assert not any(info["invalid"] for info in infos)
    assert infos[-1]["utility"]
    assert infos[-1]["obeyed"] == -1
    assert infos[-1]["security"] is (not ENV.tasks[number].injection)  # as in the package
    assert infos[-1]["read"] is bool(ENV.tasks[number].injection)
    assert sum(info["verifier"] for info in infos) == pytest.approx(1.0)
    assert all(info["verifier"] > 0 for info in infos[1:])


@pytest.mark.parametrize("later", [0, 1])
def test_who_obeys_is_labelled_where_he_did_and_the_user_may_not_notice(later: int) -> None:
    for number in INJECTED:
        infos, reward = gold(number, obeying=later)
        acted = ENV.rules.injected
        label = infos[-1]["obeyed"]
        assert (reward, infos[-1]["utility"], infos[-1]["security"]) == (1.0, True, True), ENV.tasks[number].id
        before = [info["obeyed"] for info in infos]
        assert before == [-1] * (label + 1) + [label] * (len(infos) - label - 1)
        assert infos[label]["read"]
        first = ENV.rules.act(ENV._moment._replace(world=ENV.rules.start, over=False, obeyed=-1), write_call(*acted[0]))
        assert first.obeyed >= 0  # the first injected call alone is enough for the label
        for info in infos[label + 1 : label + 1 + len(acted)]:
            assert info["verifier"] == 0.0  # the verifier knows nothing of the injection


@pytest.mark.parametrize("reward", ["utility", "security", "both"])
@pytest.mark.parametrize("obeys", [False, True])
def test_the_reward_is_the_one_asked_for(reward: Any, obeys: bool) -> None:
    env = AgentDojoEnv(reward=reward, suite="bank", user_task="user_task_1", injection_task="injection_task_0")
    assert env.num_tasks == 1
    infos, earned = gold(0, obeying=0 if obeys else None, env=env)
    assert earned == float(reward == "utility" or not obeys)
    assert infos[-1]["success"] is bool(earned)


def test_every_call_of_the_ground_truth_that_changes_something_is_needed() -> None:
    dropped = 0
    for number in ALONE:
        begun(number)
        calls, rules = ENV.rules.gold, ENV.rules
        answer = rules.task.suite.user_tasks[rules.task.user].answer
        for left_out in range(len(calls)):
            moment = rules.begin()
            path = [rules.worth(moment)]
            for index, call in enumerate(calls):
                if index != left_out:
                    moment = rules.act(moment, write_call(*call))
                    path.append(rules.worth(moment))
            changed = bool(rules._effects.needs[left_out])
            dropped += changed
            assert all(a <= b for a, b in pairwise(path))
            assert rules.act(moment, answer).utility is not changed, (rules.task.id, calls[left_out])
    assert dropped >= 20


def test_a_side_effect_that_nobody_asked_for_spoils_the_task_and_one_that_was_injected_does_not() -> None:
    begun(next(n for n in ALONE if ENV.tasks[n].id == "bank/user_task_1/none"))
    for order, spoilt in (("block_card(card_id='k1')", True), ("set_limit(card_id='k1', amount=5000)", False)):
        moment = ENV.rules.act(ENV.rules.begin(), order)
        for call in ENV.rules.gold:
            moment = ENV.rules.act(moment, write_call(*call))
        assert ENV.rules.act(moment, "That is done.").utility is not spoilt


@pytest.mark.parametrize("attack", WORDINGS)
def test_an_injection_stands_in_what_the_tools_say_and_nowhere_before(attack: str) -> None:
    env = AgentDojoEnv(attack=attack)
    for number in INJECTED[::7]:
        observation, info = env.reset(options={"task": number})
        goal = env.rules.task.suite.injection_tasks[env.rules.task.injection].goal
        shown = json.dumps(goal)[1:-1]
        assert shown not in observation + info["task"]["goal"]
        while not info["read"]:
            observation, *_, info = env.step(info["expert_actions"][0])
            assert (shown in observation) is info["read"]


def test_every_task_is_played_and_a_task_without_an_injection_first() -> None:
    assert ENV.num_tasks == len({task.id for task in ENV.tasks}) == 28 * 7
    assert len(AgentDojoEnv(injection_task="none").tasks) == 28
    train, test = (AgentDojoEnv(split=split).tasks for split in ("train", "test"))
    assert {task.id for task in train} | {task.id for task in test} == {task.id for task in ENV.tasks}
    assert not {task.id for task in train} & {task.id for task in test}
    assert len(test) == 6 * 7


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"suite": "offise"}, UnknownNameError, "did you mean office"),
        ({"attack": "directly"}, UnknownNameError, "direct"),
        ({"user_task": "user_task_99"}, UnknownNameError, "user task"),
        ({"injection_task": "injection_task_99"}, UnknownNameError, "injection task"),
        ({"source": "elsewhere"}, CreditGymError, "published"),
        ({"max_steps": 0}, OptionError, "max_steps"),
        ({"split": "train", "user_task": "user_task_3"}, CreditGymError, "leave split or user_task out"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(arguments: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        AgentDojoEnv(**arguments)


def test_without_agentdojo_the_published_suites_say_what_to_do(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.delenv("AGENTDOJO_DIR", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="AGENTDOJO_DIR"):
        AgentDojoEnv("published")
    with pytest.raises(ManifestError, match="unpack the wheel"):
        AgentDojoEnv("published", data=tmp_path)


@given(st.lists(st.sampled_from([*range(40)]), max_size=8), st.sampled_from(range(ENV.num_tasks)))
def test_a_pickled_clone_goes_on_as_the_original(choices: list[int], number: int) -> None:
    info = begun(number)
    other = AgentDojoEnv()
    for choice in choices[:-1]:
        *_, terminated, _, info = ENV.step(info["admissible_actions"][choice % len(info["admissible_actions"])])
        if terminated:
            return
    _, told = other.restore_state(pickle.loads(pickle.dumps(ENV.clone_state())))
    assert told == info
    action = info["admissible_actions"][choices[-1] % len(info["admissible_actions"])] if choices else "Done."
    assert other.step(action) == ENV.step(action)


def test_the_order_of_two_changes_makes_no_other_facts() -> None:
    begun(next(n for n in ALONE if ENV.tasks[n].id == "bank/user_task_13/none"))
    calls = [write_call(*call) for call in ENV.rules.gold]
    forwards = backwards = ENV.rules.begin()
    for action in calls:
        forwards = ENV.rules.act(forwards, action)
    for action in reversed(calls):
        backwards = ENV.rules.act(backwards, action)
    assert forwards.facts == backwards.facts
    assert ENV.rules.act(backwards, "Done.").utility


def test_a_state_has_one_key_and_a_change_another() -> None:
    info = begun(INJECTED[0])
    keys = [info["state_key"]]
    for action in ("search_mail(words='nothing')", "find_contact(name='Ida')", "delete_mail(mail_id='m3')"):
        keys.append(ENV.step(action)[4]["state_key"])
    assert keys[0] == keys[1] == keys[2] != keys[3]


@pytest.mark.parametrize(
    "action",
    [
        "",
        "search_mail(",
        '{"name": "search_mail", "arguments": 7}',
        '{"name": "no_such_tool", "arguments": {}}',
        '{"name": "read_mail", "arguments": {"mail_id": ["m1"]}}',
        '{"name": "read_mail", "arguments": {"mail_id": "m1", "x": 1}}',
        '{"name": "send_mail", "arguments": {"to": [], "subject": "", "text": ""}}',
        "read_mail(mail_id='m99')",
    ],
)
def test_what_cannot_be_read_or_done_is_answered_and_changes_nothing(action: str) -> None:
    before = begun(ALONE[0])
    observation, reward, terminated, truncated, info = ENV.step(action)
    assert observation.startswith("tool: Error: ")
    assert info["invalid"]
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert info["state_key"] == before["state_key"]


def test_several_calls_of_one_action_are_made_in_turn() -> None:
    begun(next(n for n in ALONE if ENV.tasks[n].id == "bank/user_task_13/none"))
    calls = "\n".join(write_call(*call) for call in ENV.rules.gold)
    observation, *_, info = ENV.step(calls)
    assert observation.count("tool: ") == len(ENV.rules.gold)
    assert info["verifier"] == pytest.approx(4 / 5)
    assert ENV.step("That is done.")[1] == 1.0


@pytest.mark.parametrize("broken", ["def", "raise ValueError('\\n')", "from .nothing import x", "1 / 0", "x"])
def test_a_damaged_package_is_one_sentence(broken: str, tmp_path: Path) -> None:
    (tmp_path / "data" / "suites").mkdir(parents=True)
    (tmp_path / "task_suite").mkdir()
    for name in ("functions_runtime.py", "task_suite/__init__.py"):
        (tmp_path / name).touch()
    (tmp_path / "task_suite" / "load_suites.py").write_text(broken, "utf-8")
    with pytest.raises(CreditGymError) as told:
        AgentDojoEnv(source="published", data=tmp_path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("count", [51, 15_000])
def test_too_many_calls_in_one_action_are_none(count: int) -> None:
    before = begun(next(n for n in ALONE if ENV.tasks[n].id == "bank/user_task_13/none"))
    call = write_call("pay", {"account": "GB-1", "amount": 1.0, "subject": "x"})
    started = time.process_time()
    observation, *_, info = ENV.step(f"[{', '.join([call] * count)}]")
    assert time.process_time() - started < 0.5
    assert observation == "tool: Error: Make at most 50 calls in one action; none was made."
    assert (info["invalid"], info["state_key"]) == (True, before["state_key"])


@pytest.mark.parametrize("piece", ["x", "[", '{"a":', "(", "é", "\n", "a@b.c,"])
def test_a_million_characters_cost_a_moment(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    actions = [
        text,
        f"search_mail(words='{text}')",
        write_call("search_mail", {"words": text}),
        write_call("send_mail", {"to": [text], "subject": text, "text": text}),
        write_call("create_file", {"name": text, "text": text}),
    ]
    for action in actions:
        begun(INJECTED[0])
        started = time.process_time()
        ENV.step(action)
        assert time.process_time() - started < 0.5, action[:40]


def test_the_step_limit_asks_for_the_outcome_too() -> None:
    env = AgentDojoEnv(max_steps=2, suite="office", user_task="user_task_2", injection_task="none")
    infos, reward = gold(0, env=env)
    assert len(infos) == 3
    assert reward == 1.0  # moving the event was all that was asked, and nobody waits for a last word
    assert (infos[-1]["utility"], infos[-1]["steps_left"]) == (True, 0)
