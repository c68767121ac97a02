"""Failure logs, generated and published, and the environment that asks about them."""

from __future__ import annotations

import json
from math import log2
from pathlib import Path

import gymnasium as gym
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.envs.checks import check_fork, check_info
from credit_gym.envs.who_and_when.env import MOST_UNREADABLE, PROTOCOLS, WhoAndWhenEnv
from credit_gym.envs.who_and_when.logs import columns, read_logs, write_log
from credit_gym.envs.who_and_when.planted import generate_log, is_decisive, make_problem, play, solved
from credit_gym.errors import ManifestError, UnknownNameError
from credit_gym.failure_attribution import baseline_predictions, compare, predict, uniform_expectation

EMPTY = '{"mistake_step": "%s", "question": "", "ground_truth": "", "mistake_agent": "", "history": []}'
every_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)


@given(st.integers(0, 10**9))
def test_a_team_without_slips_succeeds(seed: int) -> None:
    problem = make_problem(seed)
    messages = play(problem, {})
    assert solved(problem, messages)
    assert len(messages) == len(problem.turns)


@given(st.integers(0, 10**9), st.data())
def test_an_error_at_the_last_word_is_decisive_and_one_that_nobody_makes_is_not(seed: int, data: st.DataObject) -> None:
    problem = make_problem(seed)
    last = len(problem.turns) - 1
    assert is_decisive(problem, {last: data.draw(st.integers(1, 9))}, last)
    assert not is_decisive(problem, {last: 0}, last)


def test_generated_logs_fail_and_their_label_is_one_of_many_steps() -> None:
    logs = [generate_log("train", index) for index in range(60)]
    assert all(f"= {log.answer}." not in log.messages[-1].content for log in logs)
    assert len({log.agent for log in logs}) == 5
    assert all(log.messages[log.step].agent == log.agent for log in logs)
    assert logs[7] == generate_log("train", 7)
    assert {log.question for log in logs}.isdisjoint(generate_log("test", index).question for index in range(60))


def test_a_checker_makes_some_slips_harmless() -> None:
    logs = [generate_log("train", index) for index in range(60)]
    assert any("does not agree" in m.content for log in logs for m in log.messages[: log.step])


def test_the_published_format_is_read_back(tmp_path: Path) -> None:
    logs = [generate_log("test", index) for index in range(3)]
    for number, log in enumerate(logs):
        write_log(tmp_path / f"{number}.json", log)
    read = read_logs(tmp_path, "Algorithm-Generated")
    assert [(r.messages, r.agent, r.step, r.answer) for r in read] == [
        (log.messages, log.agent, log.step, log.answer) for log in logs
    ]


def test_hand_crafted_logs_name_the_agent_in_the_role_and_open_with_a_person(tmp_path: Path) -> None:
    folder = tmp_path / "Hand-Crafted"
    folder.mkdir()
    history = [{"role": "human", "content": "Find it."}, {"role": "Orchestrator (thought)", "content": "Search."}]
    log = {"question": "q", "ground_truth": "a", "history": history, "mistake_agent": "Orchestrator"}
    (folder / "1.json").write_text(json.dumps(log | {"mistake_step": "1"}))
    (folder / "2.json").write_text(json.dumps(log | {"mistake_step": None}))
    (read,) = read_logs(tmp_path, "Hand-Crafted")
    assert read.valid == (False, True)
    flat = columns([read])
    assert compare(predict("threshold", -flat.length.astype(float), flat), flat).agent_hit.all()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "JSONDecodeError"),
        ("[]", "TypeError"),
        (
            '{"mistake_step": "9", "question": "", "ground_truth": "", "mistake_agent": "", "history": []}',
            "blames step 9",
        ),
        ('{"mistake_step": "x", "question": "", "ground_truth": "", "mistake_agent": "", "history": []}', "ValueError"),
        ("[" * 100_000, "RecursionError"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "7.json").write_text(text)
    with pytest.raises(ManifestError, match=rf"7\.json.*{said}"):
        read_logs(tmp_path, "Algorithm-Generated")


@every_protocol
def test_the_environment_keeps_its_promises(protocol: str) -> None:
    env = gym.make("credit/WhoAndWhen-v0", protocol=protocol, num_tasks=8, disable_env_checker=True)
    check_env(env.unwrapped, skip_render_check=True)
    check_info(env)
    check_fork(env)


@every_protocol
def test_the_expert_names_the_error_and_gains_every_bit_there_was(protocol: str) -> None:
    env = WhoAndWhenEnv(protocol=protocol, num_tasks=12)
    for task, log in enumerate(env.logs):
        _, info = env.reset(seed=0, options={"task": task})
        gained, over = 0.0, False
        while not over:
            _, reward, over, _, info = env.step(info["expert_actions"][0])
            gained += info["verifier"]
        assert reward == 1.0
        assert info["success"]
        assert info["attribution"]["agent_correct"]
        if protocol != "step_by_step":  # reading on, the later candidates are never looked at
            assert gained == pytest.approx(log2(len(log.messages)))


def test_losing_the_label_costs_the_bits_that_were_left() -> None:
    env = WhoAndWhenEnv(protocol="binary_search", num_tasks=4)
    _, info = env.reset(seed=0, options={"task": 1})
    wrong = {"upper": "lower", "lower": "upper"}[info["expert_actions"][0]]
    _, _, _, _, info = env.step(wrong)
    assert info["verifier"] == pytest.approx(-log2(len(env.logs[1].messages)))


def test_absolving_everybody_names_nobody() -> None:
    env = WhoAndWhenEnv(protocol="step_by_step", num_tasks=1)
    env.reset(seed=0)
    steps = [env.step("1. No, it is fine") for _ in env.logs[0].messages]
    assert steps[-1][1:4] == (0.0, False, True)
    assert steps[-1][4]["attribution"]["step"] == -1


@pytest.mark.parametrize(
    ("answer", "step", "agent"),
    [
        ("Agent Name: Reader\nStep Number: 2\nReason for Mistake: it says 41, not the Planner's 40", 2, "Reader"),
        ("calculator 3", 3, "Calculator"),
        ("It was 1", 1, "Reader"),
    ],
)
def test_free_text_answers_are_read(answer: str, step: int, agent: str) -> None:
    env = WhoAndWhenEnv(num_tasks=1)
    env.reset(seed=0)
    *_, info = env.step(answer)
    assert (info["attribution"]["step"], info["attribution"]["agent"]) == (step, agent)


@every_protocol
@pytest.mark.parametrize("answer", ["", "no idea", "step 99999999999999999999999", "\ud800", "9" * 5000])
def test_an_answer_that_says_nothing_is_asked_again_and_in_the_end_cut_off(protocol: str, answer: str) -> None:
    if protocol == "step_by_step" and answer == "no idea":
        answer = "none"
    env = WhoAndWhenEnv(protocol=protocol, num_tasks=1)
    env.reset(seed=0)
    for number in range(MOST_UNREADABLE + 1):
        _, reward, terminated, truncated, info = env.step(answer)
        assert info["invalid"]
        assert (reward, terminated, truncated) == (0.0, False, number == MOST_UNREADABLE)
    assert info["success"] is False


def test_names_that_do_not_exist_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WHO_AND_WHEN_DIR", raising=False)
    with pytest.raises(UnknownNameError, match="all_at_once"):
        WhoAndWhenEnv(protocol="all")
    with pytest.raises(UnknownNameError, match="Hand-Crafted"):
        WhoAndWhenEnv("handcrafted")
    with pytest.raises(ManifestError, match="WHO_AND_WHEN_DIR"):
        WhoAndWhenEnv("Hand-Crafted")
    with pytest.raises(ManifestError, match="holds no failure logs"):
        WhoAndWhenEnv("Hand-Crafted", data=tmp_path)


def test_the_real_split_has_the_published_invariants(shared_data: Path) -> None:
    """Counts and model-free figures measured on the 126 algorithm-generated logs of the data set."""
    logs = read_logs(shared_data / "who_and_when", "Algorithm-Generated")
    flat = columns(logs)
    assert len(logs) == 126
    assert flat.valid.size == 1099
    assert [sum(log.step == k for log in logs) for k in range(10)] == [20, 34, 11, 13, 11, 14, 6, 4, 12, 1]
    assert sum(name == "Computer_terminal" for name in flat.agent) == 303
    assert sum(log.messages[log.step].agent == "Computer_terminal" for log in logs) == 2
    figures = {
        name: (round(100 * float(found.hit.mean()), 1), round(float(found.distance.mean()), 2))
        for name, prediction in baseline_predictions(flat).items()
        for found in [compare(prediction, flat)]
    }
    assert figures["first valid step"] == (15.9, 3.00)
    assert figures["last step"] == (0.8, 4.72)
    assert figures["constant step 1"] == (27.0, 2.32)
    assert figures["longest step"] == (18.3, 2.67)
    hit, distance = uniform_expectation(flat)
    assert (round(100 * float(hit.mean()), 1), round(float(distance.mean()), 2)) == (12.0, 2.84)
    agents = [name != "Computer_terminal" for name in flat.agent]
    assert round(100 * float(uniform_expectation(flat, flat.valid & agents)[0].mean()), 1) == 16.4
    masked = flat._replace(valid=flat.valid & agents)
    longest = compare(baseline_predictions(masked)["longest step"], flat)
    assert round(100 * float(longest.hit.mean()), 1) == 26.2
