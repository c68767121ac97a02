"""credit/Tau2-v0 as an environment: contract, limits, forks, customers of all kinds."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credit_gym.envs.tau2.actions import OUT_OF_SCOPE, STOP
from credit_gym.envs.tau2.env import Tau2Env
from credit_gym.envs.tau2.judge import model_judge
from credit_gym.envs.tau2.results import from_episode
from credit_gym.errors import BackendError, CreditGymError, MissingExtraError, UnknownNameError
from credit_gym.testing import check_env, check_fork, check_no_leak, check_seeds
from credit_gym.wrappers import RecordEpisodes


def finish(env: Tau2Env, info: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    reward = 0.0
    while "success" not in info:
        _, reward, _, _, info = env.step(info["expert_actions"][0])
    return reward, info


@pytest.mark.filterwarnings("ignore:.*render")
def test_the_contract_of_every_environment_holds() -> None:
    check_env(Tau2Env())
    check_no_leak(Tau2Env(), episodes=5)
    for seed in range(5):
        check_fork(Tau2Env(split="all"), seed=seed)


def test_threads_see_what_one_thread_sees() -> None:
    check_seeds(Tau2Env, seeds=20, threads=4)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_in_another_process() -> None:
    code = (
        "from credit_gym.envs.tau2.env import Tau2Env\n"
        "env = Tau2Env(); observation, info = env.reset(seed=11)\n"
        "while 'success' not in info:\n"
        "    print(observation, info['state_key'], info['verifier'], info['admissible_actions'])\n"
        "    observation, _, _, _, info = env.step(info['expert_actions'][0])\n"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, env={"PYTHONHASHSEED": seed, "PATH": ""}
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1
    assert len(next(iter(runs))) > 500


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**40), st.integers(0, 12))
def test_a_pickled_clone_continues_in_another_environment(seed: int, steps: int) -> None:
    env, other = Tau2Env(split="all"), Tau2Env(split="all")
    _, info = env.reset(seed=seed)
    for _ in range(steps):
        if "success" in info:
            break
        _, _, _, _, info = env.step(info["expert_actions"][0])
    blob = pickle.dumps(env.clone_state())
    assert len(blob) < 60_000  # the changed rows and the conversation, not the database
    _, again = other.restore_state(pickle.loads(blob))
    assert again == info
    if "success" not in info:
        assert finish(other, again) == finish(env, info)


def test_observations_are_what_was_said_since_and_the_solution_is_not_in_info() -> None:
    env = Tau2Env(task_id="library-3")
    observation, info = env.reset(seed=0)
    assert observation.startswith("user: ")
    assert info["policy"].strip() in info["task"]["goal"]
    assert {tool["function"]["name"] for tool in info["tools"]} == {*env.domain.tools, "done"}
    shown = json.dumps({key: value for key, value in info.items() if key != "expert_actions"})
    member = env.task.script.member
    assert member["member_id"] not in shown
    assert member["email"] not in shown
    observation, _, _, _, info = env.step('{"name": "get_member", "arguments": {"member_id": "M001"}}')
    assert json.loads(observation.removeprefix("tool: "))["member_id"] == "M001"


def test_errors_are_answered_counted_and_end_the_episode_at_the_limit() -> None:
    env = Tau2Env(max_errors=4)
    env.reset(seed=0)
    answers = [env.step(action) for action in ("nonsense(x=1)", '{"name": "get_loan"}', "", "get_loan(loan_id=7)")]
    assert all(observation.startswith("tool: Error: ") for observation, *_ in answers)
    assert all(info["invalid"] for *_, info in answers)
    assert [info["errors"] for *_, info in answers] == [1, 2, 3, 4]
    _, reward, terminated, truncated, info = answers[-1]
    assert (reward, terminated, truncated) == (0.0, False, True)
    assert info["termination"] == "too_many_errors"
    assert info["success"] is False
    with pytest.raises(gym.error.ResetNeeded):
        env.step("hello")


def test_hops_are_counted_as_published() -> None:
    env = Tau2Env(max_steps=6)
    _, info = env.reset(seed=0)
    assert info["hops"] == 1  # the customer's answer to the greeting
    _, _, _, truncated, info = env.step("get_member(member_id='M001')")
    assert (info["hops"], truncated) == (3, False)
    _, _, _, truncated, info = env.step("May I have your email?")
    assert (info["hops"], truncated) == (5, False)
    _, reward, terminated, truncated, info = env.step("May I have your email?")
    assert (info["hops"], terminated, truncated, info["termination"]) == (6, False, True, "max_steps")
    assert reward == 0.0


def test_a_limit_reached_by_the_last_word_counts_only_in_upstream_mode() -> None:
    for mode, expected in (("default", "agent_stop"), ("upstream", "max_steps")):
        env = Tau2Env(max_steps=2, mode=mode)
        env.reset(seed=0)
        _, _, _, truncated, info = env.step(STOP)
        assert info["termination"] == expected
        assert truncated == (mode == "upstream")


@pytest.mark.parametrize("action", ["done()", STOP, '{"name": "done", "arguments": {}}'])
def test_the_agent_can_stop(action: str) -> None:
    env = Tau2Env()
    env.reset(seed=0)
    *_, terminated, truncated, info = env.step(action)
    assert terminated
    assert not truncated
    assert info["termination"] == "agent_stop"
    assert info["reward_info"]["reward_basis"] == list(env.task.basis)


def test_a_refusal_task_is_solved_by_changing_nothing_but_must_be_ended() -> None:
    env = Tau2Env(split="all")
    task = next(n for n, t in enumerate(env.tasks) if {r.verdict for r in t.script.requests} == {"refuse"})
    env.reset(seed=0, options={"task": task})
    assert env.step("done()")[1] == 1.0


def test_empty_actions_cost_nothing_in_upstream_mode() -> None:
    env = Tau2Env(mode="upstream")
    env.reset(seed=0)
    observation, _, terminated, truncated, info = env.step("")
    assert (observation, terminated, truncated, info["errors"], info["hops"]) == ("", False, False, 0, 1)


def test_solo_agents_get_the_ticket_and_may_not_talk() -> None:
    env = Tau2Env(solo=True, split="all")
    observation, info = env.reset(seed=0, options={"task": 0})
    assert observation == f"ticket: {env.task.ticket}"
    for task in range(40):
        _, info = env.reset(seed=0, options={"task": task})
        if not env.task.communicate:
            assert finish(env, info)[0] == 1.0
    env.reset(seed=0)
    _, reward, terminated, _, info = env.step("Hello?")
    assert (reward, terminated, info["termination"]) == (0.0, True, "agent_error")


class Parrot:
    """A model that says its lines in turn."""

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)
        self.heard: list[list[Mapping[str, Any]]] = []

    def __call__(self, chat: Sequence[Mapping[str, Any]]) -> str:
        self.heard.append(list(chat))
        return self.lines.pop(0)


def test_a_language_model_can_be_the_customer() -> None:
    model = Parrot("My loan, please.", "I am nobody.", f"Bye {STOP}")
    env = Tau2Env(user=model, task_id="library-3")
    observation, info = env.reset(seed=0)
    assert observation == "user: My loan, please."
    assert info["admissible_actions"] == []
    env.step("get_member(member_id='M001')")
    assert env.step("Who are you?")[0] == "user: I am nobody."
    *_, terminated, _, info = env.step("Goodbye.")
    assert terminated
    assert info["termination"] == "user_stop"
    system, *turns = model.heard[-1]
    assert str(env.task.instructions["known_info"]) in system["content"]  # type: ignore[index]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user", "assistant", "user"]
    assert "M001" not in json.dumps(turns)


def test_a_silent_model_ends_the_conversation() -> None:
    env = Tau2Env(user=Parrot("Hi.", "  "))
    env.reset(seed=0)
    observation, *_, info = env.step("Hello?")
    assert OUT_OF_SCOPE in observation
    assert info["termination"] == "user_stop"


def test_a_model_judges_and_must_answer_what_was_asked() -> None:
    judge = model_judge(Parrot("Sure: [true, false]", "[true]", "yes", '["true", false]'))
    assert list(judge("user: hi", ["a", "b"])) == [True, False]
    for _ in range(3):
        with pytest.raises(BackendError, match="list of 2"):
            judge("user: hi", ["a", "b"])


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.data())
def test_verifier_readings_add_up_along_any_way(seed: int, data: st.DataObject) -> None:
    env = Tau2Env(split="all")
    _, info = env.reset(seed=seed)
    start, total = env._worth, 0.0
    while "success" not in info:
        actions = [*info["admissible_actions"], *info["expert_actions"] * 40]
        _, _, _, _, info = env.step(data.draw(st.sampled_from(actions)))
        total += info["verifier"]
    assert total == pytest.approx(env._worth - start)
    assert not info["success"] or env._worth == pytest.approx(1.0) or not env._talk.progress.changes


def test_wrong_arguments_get_one_sentence() -> None:
    with pytest.raises(UnknownNameError, match="did you mean library"):
        Tau2Env("libary")
    with pytest.raises(UnknownNameError, match="split"):
        Tau2Env(split="nothing")
    with pytest.raises(UnknownNameError, match="task"):
        Tau2Env(task_id="library-999")
    with pytest.raises(UnknownNameError, match="mode"):
        Tau2Env(mode="published")
    with pytest.raises(CreditGymError, match="max_steps of Tau2Env must be a whole number"):
        Tau2Env(max_steps=0)
    with pytest.raises(gym.error.Error, match="from 0 to 119"):
        Tau2Env().reset(options={"task": 120})
    with pytest.raises(gym.error.ResetNeeded):
        Tau2Env().clone_state()


@pytest.mark.parametrize("domain", ["mock", "retail", "airline"])
def test_a_published_domain_without_its_files_says_what_to_set(domain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAU2_DATA_DIR", raising=False)
    with pytest.raises(CreditGymError, match="set TAU2_DATA_DIR") as error:
        Tau2Env(domain)
    assert "\n" not in str(error.value)


def test_a_domain_of_the_checkout_without_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("credit_gym.envs.tau2.checkout.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"it is missing.*tau2-bench"):
        Tau2Env("banking_knowledge")


def test_no_thread_is_used() -> None:
    before = threading.active_count()
    env = Tau2Env()
    for seed in range(20):
        _, _info = env.reset(seed=seed)
        env.step("Hello?")
        assert threading.active_count() == before


FIND = {"name": "find_member_by_email", "arguments": {"email": "nobody@mail.test"}}
WRITTEN = {
    "plain": json.dumps(FIND),
    "indented": json.dumps(FIND, indent=2),
    "fenced": f"Let me look.\n```json\n{json.dumps(FIND, indent=2)}\n```\nOne moment.",
    "tagged": f"<tool_call>\n{json.dumps(FIND)}\n</tool_call>",
    "OpenAI's": json.dumps({"tool_calls": [{"id": "1", "type": "function", "function": FIND}]}),
    "a list": json.dumps([FIND]),
    "Python": "find_member_by_email('nobody@mail.test')",
}


@pytest.mark.parametrize("action", WRITTEN.values(), ids=WRITTEN)
def test_a_call_in_any_dialect_is_made_and_never_spoken(action: str) -> None:
    env = Tau2Env(task_id="library-3")
    env.reset(seed=0)
    observation, _, _, _, info = env.step(action)
    assert observation.startswith("tool: ")
    assert info["errors"] == 1  # there is no such member
    assert [message.role for message in env.moment.messages[-2:]] == ["assistant", "tool"]
    assert env.moment.messages[-2].call is not None


@pytest.mark.parametrize(
    "action", ['{"name": "find_member_by_email", "arguments"', "<tool_call>what?</tool_call>", "get_member("]
)
def test_a_call_that_cannot_be_read_is_refused_counted_and_not_spoken(action: str) -> None:
    env = Tau2Env(task_id="library-3", max_errors=2)
    _, before = env.reset(seed=0)
    observation, _, _, _, info = env.step(action)
    assert observation.startswith("tool: Error: ")
    assert (info["invalid"], info["errors"]) == (True, before["errors"] + 1)
    assert not any(message.content == action for message in env.moment.messages)
    _, _, _, truncated, info = env.step(action)
    assert (truncated, info["termination"]) == (True, "too_many_errors")


def test_upstream_says_to_the_customer_what_tau2_says_to_it() -> None:
    env = Tau2Env(task_id="library-3", mode="upstream")
    env.reset(seed=0)
    for action in (WRITTEN["fenced"], WRITTEN["a list"], WRITTEN["tagged"]):
        observation, _, _, _, info = env.step(action)
        assert observation.startswith("user: ")
        assert not info["invalid"]
        assert any(message.content == action for message in env.moment.messages)


def test_several_calls_of_one_action_are_made_one_after_another() -> None:
    one, two = Tau2Env(task_id="library-3"), Tau2Env(task_id="library-3")
    one.reset(seed=0)
    two.reset(seed=0)
    calls = [{"name": "get_member", "arguments": {"member_id": "M001"}}, FIND]
    together, _, _, _, info = one.step(json.dumps(calls))
    steps = [two.step(json.dumps(call)) for call in calls]
    apart_info = steps[-1][4]
    assert together == "\n".join(step[0] for step in steps)
    assert info["invalid"]  # one of them was refused
    assert one.moment.messages == two.moment.messages
    assert (info["hops"], info["errors"], info["state_key"]) == tuple(
        apart_info[key] for key in ("hops", "errors", "state_key")
    )
    assert one.step(json.dumps([{"name": "done", "arguments": {}}, FIND]))[4]["termination"] == "agent_stop"


def test_an_episode_of_several_calls_an_action_becomes_the_conversation_that_it_was() -> None:
    env = RecordEpisodes(Tau2Env(task_id="library-3"))
    env.reset(seed=0)
    for action in (json.dumps([FIND, {"name": "get_member", "arguments": {"member_id": "M001"}}]), "Hello?", "done()"):
        env.step(action)
    told = [(message.role, message.content, message.all_calls) for message in env.unwrapped.moment.messages]
    read = from_episode(env.unwrapped.domain, env.episodes[0]).messages
    bare = [
        (message.role, message.content, tuple(call._replace(id="") for call in message.all_calls)) for message in read
    ]
    assert bare == told


def test_a_megabyte_of_anything_is_a_step_like_another() -> None:
    env = Tau2Env(task_id="library-3", max_errors=1_000)
    env.reset(seed=0)
    for piece in ("{", "get_member(", "```\n", '{"a":', "<tool_call>", "x"):
        start = time.process_time()
        env.step(piece * (1_000_000 // len(piece)))
        assert time.process_time() - start < 0.5
