"""No text can stop a step: a million characters of anything cost every environment a moment, and it plays on."""

from __future__ import annotations

import pickle
import time

import gymnasium as gym
import pytest

from credit_gym.envs.information.judge import tagged
from credit_gym.envs.team.generated import math_problems
from credit_gym.envs.webshop.rules import parse
from credit_gym.registration import ENVIRONMENTS

LONG = 1_000_000
MOST_SECONDS = 0.2


def filled(piece: str, size: int) -> str:
    return piece * (size // len(piece))


def texts(size: int) -> dict[str, str]:
    """Return texts of a size that readers of their kinds choke on."""
    repeated = (
        "[", "\\boxed{", "is it ", "isn't not ", "f(a=[", '{"a":[', "1,111", "x=1=", "word7 other ",
        "\u0301\u200d\U0001f468",
        "\ud800", '"\\', "a@", "<answer>", "<tool_call>{", "The ", "step ", "```\n", "\n", " ", "1",
    )  # fmt: skip
    found = {repr(piece): filled(piece, size) for piece in repeated}
    return found | {
        "sums": "total" + filled(" =", size) + " ?",
        "answer is": "The answer is" + " " * size,
        "dashes": "Answer:\n" + "-" * min(size, 3000) + "x",
        "unit": "The answer is 5 " + filled("^ {1}", size) + "!",
        "search": "search[" + filled("red shoes [", size) + "]",
        "search for other words": "search[" + " ".join(f"v{number:x}" for number in range(size // 6)) + "]",
        "click": "click[" + filled("[", size) + "]",
        "other words": " ".join(f"w{number:x}" for number in range(size // 6)),
        "email": "find_member_by_email(email='" + filled("a.", size) + "')",
        "expression": "calculate(expression='" + filled("(1+", size) + "')",
        "yes": " " * size + "yes",
        "guess": "Is it " + filled("a tiger or ", size) + "?",
    }


@pytest.mark.slow
@pytest.mark.parametrize("size", [4_500, 19_000, LONG])
@pytest.mark.parametrize("env_id", [spec.id for spec in ENVIRONMENTS])
def test_no_text_stops_a_step_or_spoils_the_state(env_id: str, size: int) -> None:
    env, other = gym.make(env_id).unwrapped, gym.make(env_id).unwrapped
    for kind, text in texts(size).items():
        taken = []
        for _ in range(3):
            _, info = env.reset(seed=1)
            longest, over = 0.0, False
            while not over and len(taken) < 3 and longest < 60:
                begun = time.process_time()
                observation, _, terminated, truncated, info = env.step(text)
                longest = max(longest, time.process_time() - begun)
                over = terminated or truncated or "role" not in info  # a team is played to its verdict
            taken.append(longest)
            assert len(observation) < 2 * size + 100_000, kind
            if longest < MOST_SECONDS:
                break
        assert min(taken) < MOST_SECONDS, (kind, taken)
        if not (terminated or truncated):
            moment = pickle.loads(pickle.dumps(env.clone_state()))
            assert other.restore_state(moment)[0] == env.restore_state(moment)[0], kind
            action = (info.get("admissible_actions") or ["look"])[0]
            assert repr(env.step(action)) == repr(other.step(action)), kind


def test_webshop_reads_an_action_as_its_pattern_does() -> None:
    assert parse("a[b]c[d]e") == ("a[b]c", "d")
    assert parse("search[x]]") == ("search", "x]")
    assert parse("[x]") is None
    assert parse("a[]") is None
    assert parse("a[]]") == ("a", "]")
    assert parse("click[A]\nclick[b]") == ("click", "a")
    assert parse("[" * LONG) is None


def test_a_sum_is_read_from_its_end_where_a_number_stands() -> None:
    draft = math_problems("train", 1, 0)[0].draft
    assert draft is not None
    (name, value), *_ = draft.truth.items()
    assert draft.stated([f"{name} = 3 * 10 = {value}"]) == {name: value}
    assert draft.stated([f"{name} = {value} = 3 * 10"]) == {name: value}
    assert draft.stated([f"{name} = 3 * 10"]) == {}
    assert draft.stated([name + " =" * 20_000 + " ?"]) == {}


def test_what_is_tagged_is_read_without_going_back() -> None:
    assert tagged("<answer>a</answer> b <ANSWER>c<answer></answer></answer>") == "a c<answer>"
    assert tagged("<answer>" * 200_000) == ""
