"""Failure logs, generated and published, and the environment that asks about them."""

from __future__ import annotations

import json
from math import log2
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit_gym.envs.who_and_when.env import MOST_UNREADABLE, PROTOCOLS, WhoAndWhenEnv
from credit_gym.envs.who_and_when.logs import (
    ALGORITHM_GENERATED,
    HAND_CRAFTED,
    FailureLog,
    Message,
    columns,
    read_logs,
    write_log,
)
from credit_gym.envs.who_and_when.planted import generate_log, is_decisive, make_problem, play, solved
from credit_gym.envs.who_and_when.zero_model import ZERO_MODEL, second_turn
from credit_gym.errors import ManifestError, UnknownNameError
from credit_gym.metrics.attribution import compare, predict
from credit_gym.testing import check_env, check_fork

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


def test_a_log_says_itself_which_half_it_is_of(tmp_path: Path) -> None:
    names = ({"name": "Expert"}, {}, {"name": None})  # some copies fill the missing field with null
    for number, name in enumerate(names):
        history = [{"role": "user", "content": "Find it.", **name}, {"role": "Surfer", "content": "No.", **name}]
        log = {"question": "q", "ground_truth": "a", "history": history, "mistake_agent": "Surfer", "mistake_step": "1"}
        (tmp_path / f"{number}.json").write_text(json.dumps(log))
    for split in ("Algorithm-Generated", "Hand-Crafted"):
        read = read_logs(tmp_path, split)
        assert [log.split for log in read] == ["Algorithm-Generated", "Hand-Crafted", "Hand-Crafted"]
        assert [log.messages[1].agent for log in read] == ["Expert", "Surfer", "Surfer"]


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
        ("[" * 100_000, "nested more than"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "7.json").write_text(text)
    with pytest.raises(ManifestError, match=rf"7\.json.*{said}"):
        read_logs(tmp_path, "Algorithm-Generated")


@every_protocol
def test_the_environment_keeps_its_promises(protocol: str) -> None:
    env = gym.make("credit/WhoAndWhen-v0", protocol=protocol, num_tasks=8, disable_env_checker=True)
    check_env(env)
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
    assert steps[-1][1:4] == (0.0, True, False)
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
        assert (reward, terminated, truncated) == (0.0, number == MOST_UNREADABLE, False)
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


def test_the_second_turn_of_an_agent_is_its_only_one_or_else_the_first_valid_step() -> None:
    said = (
        ("human", "WebSurfer", "Orchestrator (-> WebSurfer)", "websurfer", "WebSurfer"),
        ("human", "Assistant", "WebSurfer"),
        ("human", "Assistant"),
    )
    logs = [
        FailureLog(str(i), HAND_CRAFTED, "q", "a", tuple(Message(name, "x", name) for name in names), names[-1], 1)
        for i, names in enumerate(said)
    ]
    assert np.asarray(second_turn(columns(logs))).tolist() == [3, 2, 1]
    assert second_turn(columns([generate_log("test", 0)])) is None


def test_what_a_code_runner_said_is_left_out_where_there_is_one() -> None:
    said = (Message("Expert", "ab"), Message("Computer_terminal", "abcd", "user"), Message("Expert", "abc"))
    log = FailureLog("1", ALGORITHM_GENERATED, "q", "a", said, "Expert", 0)
    assert np.asarray(ZERO_MODEL["longest step"](columns([log]))).tolist() == [1]
    assert np.asarray(ZERO_MODEL["longest step, no terminal"](columns([log]))).tolist() == [2]
    hit, distance = ZERO_MODEL["uniform, no terminal"](columns([log])) or ()
    assert (hit.tolist(), distance.tolist()) == ([0.5], [1.0])
    assert ZERO_MODEL["uniform, no terminal"](columns([generate_log("test", 0)])) is None


def test_the_real_split_has_the_published_invariants(shared_data: Path) -> None:
    """Counts measured on the 126 algorithm-generated logs of the data set, spelled as they are published."""
    logs = read_logs(shared_data / "who_and_when", ALGORITHM_GENERATED)
    sizes = np.array([len(log.messages) for log in logs])
    characters = np.array([sum(len(message.content) for message in log.messages) for log in logs])
    steps = np.array([log.step for log in logs])
    assert (len(logs), sizes.sum()) == (126, 1099)
    assert (sizes.min(), np.median(sizes), round(sizes.mean(), 1), sizes.max()) == (5, 10, 8.7, 10)
    assert [round(x / 1e3, 1) for x in (np.median(characters), characters.mean())] == [8.1, 11.6]
    assert round(characters.max() / 1e3) == 112
    assert (steps.min(), np.median(steps), round(steps.mean(), 1), steps.max()) == (0, 2, 3.0, 9)
    assert np.bincount(steps).tolist() == [20, 34, 11, 13, 11, 14, 6, 4, 12, 1]
    agents = [message.agent for log in logs for message in log.messages]
    assert agents.count("Computer_terminal") == 303
    assert sum(log.messages[log.step].agent == "Computer_terminal" for log in logs) == 2
    assert {log.id for log in logs if log.messages[log.step].agent != log.agent} == {"14", "15", "59"}
    empty = [(log.id, i) for log in logs for i, message in enumerate(log.messages) if not message.content.strip()]
    assert sorted(empty) == [("36", 7), ("99", 5)]
    assert all(log.valid[log.step] for log in logs)


PRINTED: dict[str, dict[str, tuple[float, float | None]]] = {  # step accuracy in percent and mean distance, if any
    ALGORITHM_GENERATED: {
        "uniform over valid steps": (12.0, 2.84),
        "uniform, no terminal": (16.4, None),
        "first valid step": (15.9, 3.00),
        "last step": (0.8, 4.72),
        "constant step 1": (27.0, 2.32),
        "longest step": (18.3, 2.67),
        "longest step, no terminal": (26.2, 2.47),
    },
    HAND_CRAFTED: {
        "uniform over valid steps": (4.6, 18.7),
        "first valid step": (1.7, 14.2),
        "last step": (12.1, 35.4),
        "constant step 1": (1.7, 14.2),
        "constant step 8": (19.0, 9.1),
        "constant step 12": (19.0, 8.5),
        "longest step": (19.0, 20.9),
        "second WebSurfer turn": (20.7, None),
    },
}


@pytest.mark.parametrize("split", PRINTED)
def test_rules_without_a_model_give_the_printed_figures_on_real_splits(shared_data: Path, split: str) -> None:
    if not (shared_data / "who_and_when" / split).is_dir():
        pytest.skip(f"the split {split} is not at hand")
    flat = columns(read_logs(shared_data / "who_and_when", split))
    digits = 2 if split == ALGORITHM_GENERATED else 1
    for name, (accuracy, distance) in PRINTED[split].items():
        guess = ZERO_MODEL[name](flat)
        hit, off = guess if isinstance(guess, tuple) else compare(np.asarray(guess), flat)[:2]
        assert round(100 * float(hit.mean()), 1) == accuracy, name
        assert distance is None or round(float(off.mean()), digits) == distance, name


def test_plain_log_probability_under_min_cumulative_is_the_last_step_of_the_real_split(shared_data: Path) -> None:
    flat = columns(read_logs(shared_data / "who_and_when", ALGORITHM_GENERATED))
    score = -np.random.default_rng(0).exponential(size=flat.valid.size)
    found = compare(predict("min_cumulative", score, flat), flat)
    assert round(100 * float(found.hit.mean()), 2) == 0.79
